//! A backlog of transactions: how fast it flows into Kafka, and what that costs.

use std::process::Command;

use anyhow::Result;
use raccord_parity::cdc::postgres::newest;

use super::capture::{Capture, contestant};
use super::stage::{DATABASE, Stage, insert_bookings};
use crate::measure::run as run_command;
use crate::report::Report;

/// Rows a second out of a backlog.
pub const RATE: &str = "drain a backlog, rows/s";
const CPU: &str = "drain a backlog, CPU us/row";
const PEAK: &str = "resident memory peak, drain, MB";
/// Changes of a transaction: inserts, and updates of the same rows.
const TRANSACTION: u64 = 1000;
/// The slot and publication of `pg_recvlogical`.
const PLAIN: &str = "plain";

/// Every contestant has a slot that is older than the backlog; one after the other drains it.
///
/// # Errors
/// When a contestant fails.
pub fn run(stage: &Stage, rows: u64, rounds: usize, report: &mut Report) -> Result<()> {
    let transactions = rows.div_ceil(TRANSACTION);
    for round in 0..rounds {
        stage.fresh_schema()?;
        let name = format!("drain{round}");
        let captures: Vec<_> =
            stage.contestants().iter().map(|whose| Capture::new(stage, *whose, &name)).collect();
        for capture in &captures {
            capture.create(&[])?;
            capture.streams()?;
        }
        captures.iter().try_for_each(Capture::stop)?;
        stage.sql(&format!(
            "DROP PUBLICATION IF EXISTS {PLAIN}; CREATE PUBLICATION {PLAIN} FOR TABLE banking.bookings"
        ))?;
        stage.sql(&format!("SELECT pg_create_logical_replication_slot('{PLAIN}', 'pgoutput')"))?;
        let end = backlog(stage, transactions)?;
        let total = transactions * TRANSACTION + 1;
        let plain = run_command(&mut receive(stage, &end)?)?;
        report.add(RATE, "pg_recvlogical", total as f64 / plain.wall.as_secs_f64());
        report.add(CPU, "pg_recvlogical", plain.cpu.as_secs_f64() * 1e6 / total as f64);
        stage.sql(&format!("SELECT pg_drop_replication_slot('{PLAIN}'); DROP PUBLICATION {PLAIN}"))?;
        for capture in captures {
            let drained = capture.resume(total)?;
            report.add(RATE, contestant(capture.whose), drained.rate);
            report.add(CPU, contestant(capture.whose), drained.cpu_us);
            report.add(PEAK, contestant(capture.whose), drained.peak_mb);
            capture.delete()?;
        }
    }
    report.at_least_of(RATE, "raccord", "pg_recvlogical", 0.85);
    report.at_most(CPU, "raccord", 4.0);
    report.at_most(PEAK, "raccord", 100.0);
    Ok(())
}

/// Writes the transactions and one row behind them; gives a position between the two.
fn backlog(stage: &Stage, transactions: u64) -> Result<String> {
    let half = TRANSACTION / 2;
    let insert = insert_bookings("first", &format!("first + {}", half - 1));
    stage.sql(&format!(
        "DO $$ DECLARE first bigint := 1; BEGIN FOR t IN 1..{transactions} LOOP {insert};
         UPDATE banking.bookings SET amount = amount + 1, settled = NOT settled WHERE booking_id BETWEEN first AND first + {};
         first := first + {half}; COMMIT; END LOOP; END $$",
        half - 1
    ))?;
    let end = stage.sql("SELECT pg_current_wal_insert_lsn()")?.trim().to_owned();
    stage.sql(&insert_bookings("1000000000", "1000000000"))?;
    Ok(end)
}

fn receive(stage: &Stage, end: &str) -> Result<Command> {
    let mut command = Command::new(newest()?.join("pg_recvlogical"));
    command.args([
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-p",
        &stage.postgres.port.to_string(),
        "-d",
        DATABASE,
    ]);
    command.args(["-S", PLAIN, "--start", "-f", "/dev/null", "--no-loop", "--endpos", end]);
    command.args(["-o", "proto_version=1", "-o", &format!("publication_names={PLAIN}")]);
    Ok(command)
}
