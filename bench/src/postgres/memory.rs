//! What raccord holds in memory when the database is not kind to it.

use anyhow::Result;

use super::capture::Capture;
use super::stage::Stage;
use crate::contestants::Whose;
use crate::flow::Flow;
use crate::measure::memory_mb;
use crate::report::Report;

/// Rows of the wide table, and how many megabytes each has.
const WIDE_ROWS: u64 = 300;
const WIDE_MB: u64 = 2;
/// Rows that each of many tables has.
const ROWS_OF_MANY: u64 = 100;

/// One large transaction, wide rows, many tables.
///
/// # Errors
/// When records do not come.
pub fn run(stage: &Stage, transaction_mb: u64, tables: u64, report: &mut Report) -> Result<()> {
    stage.fresh_schema()?;
    large_transaction(stage, transaction_mb, report)?;
    stage.fresh_schema()?;
    wide_rows(stage, report)?;
    stage.fresh_schema()?;
    many_tables(stage, tables, report)
}

fn add(report: &mut Report, what: &str, peak_mb: f64) {
    let figure = format!("resident memory peak, {what}, MB");
    report.add(&figure, "raccord", peak_mb);
    report.at_most(&figure, "raccord", 100.0);
}

fn large_transaction(stage: &Stage, transaction_mb: u64, report: &mut Report) -> Result<()> {
    let capture = Capture::new(stage, Whose::Raccord, "large");
    capture.create(&[])?;
    capture.streams()?;
    let rows = transaction_mb * 1024;
    let drained = capture.measure(rows, || {
        let insert = format!(
            "INSERT INTO banking.bookings SELECT i, i, 'DE', 1, 'EUR', 'transfer', repeat(md5(i::text), 32), now(), now(), true \
             FROM generate_series(1, {rows}) i"
        );
        stage.sql(&insert).map(drop)
    })?;
    report.add("one transaction of 1 KB rows, rows/s", "raccord", drained.rate);
    add(report, &format!("a transaction of {transaction_mb} MB"), drained.peak_mb);
    capture.delete()
}

fn wide_rows(stage: &Stage, report: &mut Report) -> Result<()> {
    let bytes = (4 * WIDE_MB * 1024 * 1024).to_string();
    let limits = [("producer.override.max.request.size", bytes.as_str())];
    stage.sql("ALTER TABLE banking.bookings ALTER COLUMN note SET STORAGE EXTERNAL")?;
    let wide = |first: u64| {
        format!(
            "INSERT INTO banking.bookings SELECT i, i, 'DE', 1, 'EUR', 'transfer', repeat(md5(i::text), {}), now(), now(), true \
             FROM generate_series({first}, {}) i",
            WIDE_MB * 1024 * 1024 / 32,
            first + WIDE_ROWS - 1
        )
    };
    stage.sql(&wide(1))?;
    let capture = Capture::new(stage, Whose::Raccord, "wide");
    let snapshot = capture.measure(WIDE_ROWS, || capture.create(&limits))?;
    add(report, &format!("snapshot of {WIDE_MB} MB rows"), snapshot.peak_mb);
    capture.streams()?;
    let streamed = capture.measure(WIDE_ROWS, || stage.sql(&wide(WIDE_ROWS + 1)).map(drop))?;
    add(report, &format!("stream of {WIDE_MB} MB rows"), streamed.peak_mb);
    capture.delete()
}

fn many_tables(stage: &Stage, tables: u64, report: &mut Report) -> Result<()> {
    stage.sql(&format!(
        "DO $$ BEGIN FOR t IN 1..{tables} LOOP
         EXECUTE format('CREATE TABLE banking.t%s (LIKE banking.bookings INCLUDING ALL)', t);
         EXECUTE format('INSERT INTO banking.t%s SELECT i, i, ''DE'', 1, ''EUR'', ''transfer'', ''a note'', now(), now(), true \
         FROM generate_series(1, {ROWS_OF_MANY}) i', t); END LOOP; END $$"
    ))?;
    let capture = Capture::new(stage, Whose::Raccord, "many");
    let flow = Flow::watch(capture.worker(), "many tables")?;
    capture.create(&[])?;
    let counted = |rows: u64| {
        let full = (1..=tables).rev().all(|table| stage.count(&capture.topic(&format!("t{table}"))) >= rows);
        Ok(full)
    };
    flow.wait(capture.worker(), || counted(ROWS_OF_MANY))?;
    capture.streams()?;
    stage.sql(&format!(
        "DO $$ BEGIN FOR t IN 1..{tables} LOOP EXECUTE format('UPDATE banking.t%s SET amount = amount + 1', t); COMMIT; \
         END LOOP; END $$"
    ))?;
    flow.wait(capture.worker(), || counted(2 * ROWS_OF_MANY))?;
    add(report, &format!("{tables} tables"), memory_mb(capture.worker().process.pid())?.1);
    capture.delete()
}
