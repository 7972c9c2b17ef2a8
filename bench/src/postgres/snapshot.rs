//! A snapshot of one large table.

use anyhow::Result;

use super::capture::{Capture, contestant};
use super::stage::{Stage, insert_bookings};
use crate::report::Report;

const RATE: &str = "snapshot of a table, rows/s";
const CPU: &str = "snapshot of a table, CPU us/row";
const PEAK: &str = "resident memory peak, snapshot, MB";

/// Both read the same table.
///
/// # Errors
/// When a contestant fails.
pub fn run(stage: &Stage, rows: u64, rounds: usize, report: &mut Report) -> Result<()> {
    stage.fresh_schema()?;
    stage.sql(&insert_bookings("1", &rows.to_string()))?;
    stage.sql("VACUUM (FREEZE, ANALYZE) banking.bookings")?;
    for round in 0..rounds {
        for &whose in stage.contestants() {
            let capture = Capture::new(stage, whose, &format!("snapshot{round}"));
            let read = capture.measure(rows, || capture.create(&[("snapshot.mode", "initial_only")]))?;
            report.add(RATE, contestant(whose), read.rate);
            report.add(CPU, contestant(whose), read.cpu_us);
            report.add(PEAK, contestant(whose), read.peak_mb);
            capture.delete()?;
        }
    }
    report.at_least_of(RATE, "raccord", "debezium", 6.0);
    report.at_most(CPU, "raccord", 4.0);
    report.at_most(PEAK, "raccord", 100.0);
    Ok(())
}
