//! Where ours differs and may: what is still missing, and what differs on purpose.
//!
//! An exchange that falls under a row here and differs is counted by itself, not as a difference; everything else is
//! held strictly. A missing part of which nothing differs any more is an error: its row has to go.

use crate::exchange::{Exchange, Recording};

/// Why a difference is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours does not have it yet.
    Pending,
    /// A row of docs/compatibility.md.
    OnPurpose,
}

/// A reason to differ, and the exchanges it covers.
pub struct Allowance {
    /// Why.
    pub kind: Kind,
    /// What is missing, or what ours does instead.
    pub what: &'static str,
    covers: fn(&Recording, &Exchange) -> bool,
}

impl Allowance {
    /// Whether any exchange of the conversation falls under the row.
    pub fn concerns(&self, recording: &Recording) -> bool {
        recording.exchanges.iter().any(|exchange| (self.covers)(recording, exchange))
    }
}

/// All of them.
pub const ALLOWANCES: &[Allowance] = &[
    Allowance {
        kind: Kind::OnPurpose,
        what: "a repeated lookup of an unknown class is answered as the first one",
        covers: |recording, exchange| {
            let wrapped = "BadRequestException: org.apache.kafka.connect.errors.ConnectException: Failed to find any class";
            recording.scenario == "validate"
                && exchange.body.as_ref().is_some_and(|body| body.to_string().contains(wrapped))
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "a version that a plugin does not have is told as at the first time",
        covers: |_, exchange| {
            let stumbles = "VersionedPluginLoadingException.availableVersions()\" is null";
            exchange.body.as_ref().is_some_and(|body| {
                body["message"].as_str().is_some_and(|message| message.contains(stumbles))
            })
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "an abstract class is no plugin",
        covers: |_, exchange| {
            exchange.body.as_ref().is_some_and(|body| body["message"] == "Instantiation error")
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "validations do not show what config providers gave",
        covers: |recording, exchange| {
            let shown = exchange.body.as_ref().map(ToString::to_string).unwrap_or_default();
            recording.scenario == "providers"
                && ["s3cr3t", "from-file"].iter().any(|value| shown.contains(value))
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "positions in files are counted in bytes, not in UTF-16 units",
        covers: |recording, exchange| {
            ["source-non-ascii", "invalid-utf8"].contains(&recording.scenario.as_str())
                && exchange.step.starts_with("internal topic offsets ")
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "files that are truncated or replaced are read on",
        covers: |recording, exchange| {
            recording.scenario == "source-rotation"
                && (exchange.step == "records of rot" || exchange.step.ends_with("/rot/offsets"))
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "a record too large for the broker fails the task instead of being sent again for ever",
        covers: |recording, exchange| {
            recording.scenario == "source-large-lines" && exchange.step == "records of huge3"
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "a dead letter that its topic does not take fails the task instead of being lost",
        covers: |recording, exchange| {
            recording.scenario == "dead-letter-refused" && exchange.step != "POST /connectors"
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "a connector that its topic.creation keys keep from being made shows its version",
        covers: |recording, exchange| {
            let early = "org.apache.kafka.common.config.ConfigException";
            recording.scenario == "topic-creation"
                && exchange.body.as_ref().is_some_and(|body| body.to_string().contains(early))
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "positions of records that were dropped as errors.tolerance allows are committed",
        covers: |recording, exchange| {
            recording.scenario == "source-wrong-converter"
                && exchange.step.starts_with("internal topic offsets of [\"fs-tolerant\"")
        },
    },
    Allowance {
        kind: Kind::OnPurpose,
        what: "lines left over by a full batch do not wait until the file grows",
        covers: |recording, exchange| {
            recording.scenario == "source-large-lines" && exchange.step == "records of batch1"
        },
    },
];

/// The row under which an exchange falls.
pub fn allowance(recording: &Recording, exchange: &Exchange) -> Option<&'static Allowance> {
    ALLOWANCES.iter().find(|row| (row.covers)(recording, exchange))
}
