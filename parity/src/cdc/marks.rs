//! What differs between two runs of the same changes, and may.
//!
//! Positions in the log (`lsn`, `sequence`, transaction ids and the offset's), numbers of transactions (`txId`, `xmin`) and
//! times come from the server and the clock. Each becomes a mark: positions and transactions the rank of their value
//! among all of the run, so that order and equality are still compared; times of records a fixed word, after checking
//! that the three of a block agree. Positions of a snapshot are ranked by themselves: whether the first change after it
//! has the same one depends on what else the server wrote in between. Everything else has to be equal, byte by byte.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use fancy_regex::{Captures, Regex};

/// Positions and transactions of a run, in order.
#[derive(Clone, Debug, Default)]
pub struct Ranks {
    positions: BTreeSet<i64>,
    snapshot_positions: BTreeSet<i64>,
    transactions: BTreeSet<i64>,
}

/// A kind of number, and where it stands in a payload: the expression's groups are the text before, the number, the
/// text after.
struct Place {
    regex: Regex,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Position,
    Transaction,
}

/// Whether the payload belongs to a snapshot.
fn is_of_snapshot(payload: &str) -> bool {
    payload.contains("\"snapshot\":\"") && !payload.contains("\"snapshot\":\"false\"")
}

#[allow(clippy::expect_used, reason = "the expressions are constants")]
fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a constant expression is valid")
}

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let place = |text: &str, kind| Place { regex: regex(text), kind };
    vec![
        place(r#"("(?:lsn|lsn_proc|lsn_commit)":)(-?\d+)()"#, Kind::Position),
        place(r#"("sequence":"\[(?:null|\\"\d+\\"),\\")(\d+)()"#, Kind::Position),
        place(r#"("sequence":"\[\\")(\d+)()"#, Kind::Position),
        place(r#"("id":"\d+:)(\d+)(")"#, Kind::Position),
        place(r#"("transaction_id":"\d+:)(\d+)(")"#, Kind::Position),
        place(r#"("(?:txId|xmin)":)(\d+)()"#, Kind::Transaction),
        place(r#"("(?:transaction_)?id":")(\d+)(:)"#, Kind::Transaction),
        place(r#"("transaction_id":")(\d+)(")"#, Kind::Transaction),
    ]
});

static TIMES: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"("(?:ts_ms|__source_ts_ms|ts_us|ts_ns|ts_usec|timestamp)":)(\d+)"#));
static TRIPLES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#""ts_ms":(\d+)(?:,"snapshot":[^,]*,"db":[^,]*,"sequence":(?:null|"[^\]]*\]"))?,"ts_us":(\d+),"ts_ns":(\d+)"#,
    )
});
static UUIDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"("id":")[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}("[,}]|-open"|-close")"#)
});
/// Entries of notifications that share a bucket of a Java map, which is filled from one whose order changes with the JVM.
static BUCKETS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"("data_collections":"[^"]*"),("(?:status|last_processed_key)":"(?:[^"\\]|\\.)*")"#)
});
static WINDOWS: LazyLock<Regex> = LazyLock::new(|| regex(r#"(WindowTimestamp\\?": \\?")[0-9TZ:.-]+"#));

impl Ranks {
    /// Notes the numbers of a payload.
    pub fn note(&mut self, payload: &str) {
        for place in PLACES.iter() {
            for found in place.regex.captures_iter(payload).flatten() {
                if let Some(number) = found.get(2).and_then(|number| number.as_str().parse().ok()) {
                    match (place.kind, is_of_snapshot(payload)) {
                        (Kind::Position, false) => self.positions.insert(number),
                        (Kind::Position, true) => self.snapshot_positions.insert(number),
                        (Kind::Transaction, _) => self.transactions.insert(number),
                    };
                }
            }
        }
    }

    /// The payload with marks.
    pub fn mark(&self, payload: &str) -> String {
        let of_snapshot = is_of_snapshot(payload);
        let mut text = payload.to_owned();
        if let Some(wrong) = times_disagree(payload) {
            text = format!("TIMES DISAGREE: {wrong}: {text}");
        }
        for place in PLACES.iter() {
            let replace = |found: &Captures<'_>| {
                let group = |index| found.get(index).map_or("", |group| group.as_str());
                format!("{}{}{}", group(1), self.name(place.kind, of_snapshot, group(2)), group(3))
            };
            text = place.regex.replace_all(&text, replace).into_owned();
        }
        let text = TIMES.replace_all(&text, "$1<time>").into_owned();
        let text = WINDOWS.replace_all(&text, "$1<time>");
        let text = BUCKETS.replace_all(&text, "$2,$1");
        UUIDS.replace_all(&text, "$1<uuid>$2").into_owned()
    }

    fn name(&self, kind: Kind, of_snapshot: bool, number: &str) -> String {
        let (letter, all) = match (kind, of_snapshot) {
            (Kind::Position, false) => ("lsn", &self.positions),
            (Kind::Position, true) => ("snapshot", &self.snapshot_positions),
            (Kind::Transaction, _) => ("tx", &self.transactions),
        };
        let rank = number.parse().ok().and_then(|number: i64| all.iter().position(|other| *other == number));
        rank.map_or_else(|| number.to_owned(), |rank| format!("<{letter}{rank}>"))
    }
}

/// The block in which milliseconds, microseconds and nanoseconds are not the same moment.
fn times_disagree(payload: &str) -> Option<String> {
    TRIPLES.captures_iter(payload).flatten().find_map(|found| {
        let number = |index| found.get(index).and_then(|group| group.as_str().parse::<i64>().ok());
        let (millis, micros, nanos) = (number(1)?, number(2)?, number(3)?);
        (micros.div_euclid(1_000) != millis || nanos.div_euclid(1_000) != micros)
            .then(|| found.get(0).map_or_else(String::new, |all| all.as_str().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_what_differs_between_runs() {
        let mut ranks = Ranks::default();
        let payload = r#"{"source":{"ts_ms":5,"snapshot":"false","db":"x","sequence":"[\"100\",\"200\"]","ts_us":5001,"ts_ns":5001000,"txId":7,"lsn":200,"xmin":null},"transaction":{"id":"7:200"},"op":"c","ts_ms":9,"ts_us":9000,"ts_ns":9000001}"#;
        ranks.note(payload);
        ranks.note(r#"{"lsn":150}"#);
        assert_eq!(
            ranks.mark(payload),
            r#"{"source":{"ts_ms":<time>,"snapshot":"false","db":"x","sequence":"[\"<lsn0>\",\"<lsn2>\"]","ts_us":<time>,"ts_ns":<time>,"txId":<tx0>,"lsn":<lsn2>,"xmin":null},"transaction":{"id":"<tx0>:<lsn2>"},"op":"c","ts_ms":<time>,"ts_us":<time>,"ts_ns":<time>}"#
        );
        let watermark = r#"{"id":"0f3c5ee6-8bd4-4d36-a3a5-3a1f12b3cc05-open","data":"{\"openWindowTimestamp\": \"2024-01-01T00:00:00.5Z\"}"}"#;
        assert_eq!(
            ranks.mark(watermark),
            r#"{"id":"<uuid>-open","data":"{\"openWindowTimestamp\": \"<time>\"}"}"#
        );
        let told = r#"{"data_collections":"a,b","status":"EMPTY","x":{"data_collections":"c","last_processed_key":"\"k"}}"#;
        assert_eq!(
            ranks.mark(told),
            r#"{"status":"EMPTY","data_collections":"a,b","x":{"last_processed_key":"\"k","data_collections":"c"}}"#
        );
        let wrong = r#"{"ts_ms":5,"ts_us":6001,"ts_ns":6001000}"#;
        assert!(ranks.mark(wrong).starts_with("TIMES DISAGREE"));
    }
}
