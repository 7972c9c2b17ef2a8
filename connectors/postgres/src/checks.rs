//! Values that keys do not take, in Debezium's words. Numbers that are none are the definition's to report.

use raccord_cdc::Patterns;
use raccord_config::{JavaRegex, RawConfig};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// A list of regular expressions.
    Patterns,
    /// More than nothing.
    PositiveInteger,
    /// The same, 64 bits wide.
    PositiveLong,
    /// Nothing or more.
    NaturalInteger,
    /// The same, 64 bits wide.
    NaturalLong,
    /// `key=value,key=value`.
    Map,
    /// Names in lists, each of this form: what stands between two entries, and the form.
    Entries(&'static str, &'static str),
}

/// Debezium's forms of entries.
const KEY_COLUMNS: &str = r"^\s*([^\s:]+):([^:\s]+)\s*$";
const IDENTITIES: &str = r"(?i)^\s*(?<tablepredicate>[^\s:]+):(?<replicaidentity>DEFAULT|(INDEX) (?<indexname>.\w*)|FULL|NOTHING)\s*$";

const KEYS: &[(&str, Takes)] = &[
    ("table.include.list", Takes::Patterns),
    ("table.exclude.list", Takes::Patterns),
    ("schema.include.list", Takes::Patterns),
    ("schema.exclude.list", Takes::Patterns),
    ("column.include.list", Takes::Patterns),
    ("column.exclude.list", Takes::Patterns),
    ("snapshot.include.collection.list", Takes::Patterns),
    ("message.prefix.include.list", Takes::Patterns),
    ("message.prefix.exclude.list", Takes::Patterns),
    ("column.propagate.source.type", Takes::Patterns),
    ("datatype.propagate.source.type", Takes::Patterns),
    ("message.key.columns", Takes::Entries(";", KEY_COLUMNS)),
    ("replica.identity.autoset.values", Takes::Entries(",", IDENTITIES)),
    ("custom.metric.tags", Takes::Map),
    ("max.batch.size", Takes::PositiveInteger),
    ("max.queue.size.in.bytes", Takes::NaturalLong),
    ("poll.interval.ms", Takes::PositiveInteger),
    ("heartbeat.interval.ms", Takes::NaturalInteger),
    ("snapshot.delay.ms", Takes::NaturalLong),
    ("streaming.delay.ms", Takes::NaturalLong),
    ("snapshot.fetch.size", Takes::NaturalInteger),
    ("query.fetch.size", Takes::NaturalInteger),
    ("snapshot.max.threads", Takes::PositiveInteger),
    ("incremental.snapshot.chunk.size", Takes::NaturalInteger),
    ("signal.poll.interval.ms", Takes::PositiveInteger),
    ("status.update.interval.ms", Takes::PositiveInteger),
    ("xmin.fetch.interval.ms", Takes::NaturalLong),
    ("lsn.flush.timeout.ms", Takes::PositiveInteger),
    ("retriable.restart.connector.wait.ms", Takes::PositiveLong),
    ("guardrail.collections.max", Takes::NaturalInteger),
    ("connection.validation.timeout.ms", Takes::PositiveLong),
    ("executor.shutdown.timeout.ms", Takes::PositiveLong),
];

/// The problems of values, each with its key.
pub fn problems(config: &RawConfig) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (key, takes) in KEYS {
        if let Some(value) = config.get(key) {
            found.extend(takes.problems(value).into_iter().map(|problem| (*key, problem)));
        }
    }
    if let Some(queue) = number(config, "max.queue.size") {
        let batch = number(config, "max.batch.size").unwrap_or(2_048);
        if queue <= 0 {
            found.push(("max.queue.size", "A positive queue size is required".to_owned()));
        }
        if queue <= batch {
            found.push(("max.queue.size", "Must be larger than the maximum batch size".to_owned()));
        }
    }
    if let Some(problem) = config.get("skipped.operations").and_then(skipped) {
        found.push(("skipped.operations", problem.to_owned()));
    }
    found
}

fn skipped(operations: &str) -> Option<&'static str> {
    let all: Vec<&str> = operations.split(',').map(str::trim).collect();
    if !all.iter().all(|operation| matches!(*operation, "none" | "r" | "c" | "u" | "d" | "t")) {
        return Some("Invalid operation");
    }
    (all.len() > 1 && all.contains(&"none") && all.iter().any(|operation| *operation != "none"))
        .then_some("'none' cannot be specified with other skipped operation types")
}

fn number(config: &RawConfig, key: &str) -> Option<i64> {
    config.get(key)?.trim().parse().ok()
}

impl Takes {
    fn problems(self, value: &str) -> Vec<String> {
        let below = |least: i64, problem: &str| {
            let too_low = value.trim().parse::<i64>().is_ok_and(|number| number < least);
            too_low.then(|| problem.to_owned()).into_iter().collect()
        };
        match self {
            Self::PositiveInteger => below(1, "A positive, non-zero integer value is expected"),
            Self::PositiveLong => below(1, "A positive, non-zero long value is expected"),
            Self::NaturalInteger => below(0, "An non-negative integer is expected"),
            Self::NaturalLong => below(0, "A non-negative long value is expected"),
            Self::Patterns => {
                let problem = Patterns::list(value).err().map(|error| {
                    format!(
                        "A comma-separated list of valid regular expressions is expected, but {}",
                        error.message
                    )
                });
                problem.into_iter().collect()
            }
            Self::Map => {
                let is_pair = |entry: &str| entry.split('=').filter(|part| !part.is_empty()).count() == 2;
                let sound = value.trim().is_empty() || value.split(',').all(is_pair);
                let problem = "A equivalent-separated map of valid key/value pairs is expected, for example: k1=v1,k2=v2";
                (!sound).then(|| problem.to_owned()).into_iter().collect()
            }
            Self::Entries(separator, form) => {
                let Ok(regex) = JavaRegex::new(form) else { return Vec::new() };
                // Java's split leaves out what is empty at the end.
                let entries = value.trim_end_matches(separator).split(separator);
                let wrong = entries.filter(|entry| !regex.full_match(entry).unwrap_or(false));
                wrong.map(|entry| format!("{entry} has an invalid format (expecting '{form}')")).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_keys_do_not_take() {
        let check = |key: &str, value: &str, expect: &[&str]| {
            let found = problems(&RawConfig::from([(key, value)]));
            assert_eq!(found.len(), expect.len(), "{key}={value}: {found:?}");
            for ((named, problem), begins) in found.iter().zip(expect) {
                assert!(*named == key && problem.starts_with(begins), "{key}={value}: {found:?}");
            }
        };
        check("message.key.columns", "a.b:c,d; (.*).e:f ;", &[]);
        check("message.key.columns", "a.b:c d;a.b;e:f", &["a.b:c d has an invalid", "a.b has an invalid"]);
        check("replica.identity.autoset.values", "a.b:FULL, a.c:index i", &[]);
        check("replica.identity.autoset.values", "a.b:SOME", &["a.b:SOME has an invalid format"]);
        let unclosed = "A comma-separated list of valid regular expressions is expected, but Unclosed group near index 4\na.(b";
        check("table.include.list", "a.(b", &[unclosed]);
        check("max.batch.size", "0", &["A positive, non-zero integer value is expected"]);
        check("max.batch.size", "many", &[]);
        check("max.queue.size", "2048", &["Must be larger than the maximum batch size"]);
        check("skipped.operations", "c, u", &[]);
        check("skipped.operations", "c,x", &["Invalid operation"]);
        check("skipped.operations", "none,c", &["'none' cannot"]);
        check("custom.metric.tags", "a=b,c=d", &[]);
        check("custom.metric.tags", "a=b,c", &["A equivalent-separated map"]);
    }
}
