//! What ours does not have yet, so that everything else can be held strictly.
//!
//! An exchange that falls under a row here and differs is counted as pending, not as a difference. A row of which
//! nothing differs any more is an error: it has to go.

use crate::exchange::{Exchange, Recording};

/// A part of the real system that is still missing.
pub struct Pending {
    /// What is missing.
    pub what: &'static str,
    covers: fn(&Recording, &Exchange) -> bool,
}

/// All of it.
pub const PENDING: &[Pending] = &[Pending { what: "transforms and predicates", covers: is_about_transforms }];

/// The row under which an exchange falls.
pub fn pending(recording: &Recording, exchange: &Exchange) -> Option<&'static Pending> {
    PENDING.iter().find(|row| (row.covers)(recording, exchange))
}

fn is_about_transforms(recording: &Recording, exchange: &Exchange) -> bool {
    // Scenarios whose later steps depend on a transform, and requests that name one.
    const SCENARIOS: &[&str] = &["transforms", "plugin-transforms", "config-transforms", "create-transforms"];
    const PACKAGE: &str = "org.apache.kafka.connect.transforms.";
    SCENARIOS.contains(&recording.scenario.as_str())
        || exchange.step.contains("connectorsOnly=")
        || exchange.sent.as_ref().is_some_and(|sent| sent.to_string().contains(PACKAGE))
}
