//! Logging to standard error, with levels that `/admin/loggers` can change.
//!
//! Users know the logger names of Kafka Connect. This program logs under its own module names; the table says which
//! modules a Java name stands for. A name that is in no row is taken as one of ours.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use raccord_runtime::loggers::LogLevels;
use raccord_runtime::redaction::redact;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Java logger name, and the modules that log what it logs. The most specific name that fits wins.
const MODULES: &[(&str, &[&str])] = &[
    (
        "org.apache.kafka",
        &[
            "raccord",
            "raccord_runtime",
            "raccord_kafka",
            "raccord_rest",
            "raccord_converters",
            "raccord_broker",
            "librdkafka",
        ],
    ),
    ("org.apache.kafka.connect", &["raccord", "raccord_runtime", "raccord_rest", "raccord_converters"]),
    ("org.apache.kafka.connect.runtime", &["raccord_runtime", "raccord_rest"]),
    ("org.apache.kafka.connect.runtime.rest", &["raccord_rest"]),
    ("org.apache.kafka.connect.json", &["raccord_converters"]),
    ("org.apache.kafka.connect.file", &["raccord_connector_file"]),
    ("org.apache.kafka.clients", &["raccord_kafka", "librdkafka"]),
    ("kafka", &["raccord_broker"]),
];

/// What is quiet unless asked for: libraries, and each client's own messages.
const QUIET: &str = "librdkafka=warn,hyper=warn,tower=warn,rustls=warn";

static RELOAD: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging at INFO, or as the environment variable `RUST_LOG` says.
pub fn start() {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| format!("info,{QUIET}"));
    let (filter, handle) = reload::Layer::new(EnvFilter::new(filter));
    let lines = fmt::layer()
        .with_writer(|| Redacting(std::io::stderr()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        let _ = RELOAD.set(handle);
    }
}

/// Keeps what config providers gave out of the log. The log writes each line at once.
struct Redacting<W>(W);

impl<W: std::io::Write> std::io::Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        match std::str::from_utf8(line).map(redact) {
            Ok(Cow::Owned(redacted)) => self.0.write_all(redacted.as_bytes()),
            _ => self.0.write_all(line),
        }?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Puts the levels of `/admin/loggers` in force.
pub struct Levels;

impl LogLevels for Levels {
    fn root(&self) -> String {
        "INFO".to_owned()
    }

    fn apply(&self, root: &str, levels: &BTreeMap<String, String>) {
        if let Some(handle) = RELOAD.get() {
            // The handle outlives the subscriber only while the process ends.
            let _ = handle.reload(EnvFilter::new(directives(root, levels)));
        }
    }
}

/// The filter for these levels: libraries stay quiet, and the more specific logger comes later, which makes it win.
fn directives(root: &str, levels: &BTreeMap<String, String>) -> String {
    let mut directives = format!("{},{QUIET}", rust_level(root));
    for (logger, level) in levels {
        let level = rust_level(level);
        let modules = MODULES.iter().find(|(name, _)| name == logger).map(|(_, modules)| *modules);
        match modules {
            Some(modules) => {
                modules.iter().for_each(|module| directives.push_str(&format!(",{module}={level}")))
            }
            None if is_directive_name(logger) => directives.push_str(&format!(",{logger}={level}")),
            None => {}
        }
    }
    directives
}

/// Whether a name can stand in a filter; anything else is a logger that this program does not have.
fn is_directive_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':' | '.' | '-'))
}

fn rust_level(level: &str) -> &'static str {
    match level {
        "OFF" => "off",
        "FATAL" | "ERROR" => "error",
        "WARN" => "warn",
        "DEBUG" => "debug",
        "TRACE" | "ALL" => "trace",
        _ => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: &str, levels: &[(&str, &str)], expect: &str) {
        let levels = levels.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect();
        let text = directives(root, &levels);
        assert_eq!(text, format!("{}{expect}", text.split(QUIET).next().unwrap().to_owned() + QUIET));
        assert!(EnvFilter::try_new(&text).is_ok(), "{text}");
    }

    #[test]
    fn java_names_stand_for_modules() {
        check("INFO", &[], "");
        check("WARN", &[("org.apache.kafka.connect.file", "TRACE")], ",raccord_connector_file=trace");
        check("INFO", &[("org.apache.kafka.clients", "FATAL")], ",raccord_kafka=error,librdkafka=error");
        check("INFO", &[("raccord_kafka::log", "DEBUG")], ",raccord_kafka::log=debug");
        check("INFO", &[("no such=logger", "DEBUG")], "");
    }
}
