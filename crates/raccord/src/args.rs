//! What can be typed.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

/// Kafka Connect in one native binary.
#[derive(Parser)]
#[command(name = "raccord", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Examples:\n  \
    raccord quickstart                                   a broker, a worker and a status page, all here\n  \
    raccord quickstart --kafka broker1:9092              a worker and a status page on your cluster\n  \
    raccord distributed connect-distributed.properties   as connect-distributed.sh\n  \
    raccord standalone worker.properties source.json     as connect-standalone.sh\n\n\
    Linked under the names connect-distributed or connect-standalone, it takes their command lines.")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Start a broker, a worker and a status page with one command
    Quickstart(Quickstart),
    /// Run a worker of a Connect cluster, as connect-distributed.sh does
    Distributed(Distributed),
    /// Run a worker on its own with the given connectors, as connect-standalone.sh does
    Standalone(Standalone),
    /// Run the embedded Kafka broker alone
    Broker(Broker),
    /// Check a worker's properties file, and connectors for that worker, without starting anything
    Check(Check),
    /// Look after dead letters: records that connectors could not process
    Dlq(Dlq),
    /// List the connectors, converters and transforms that are compiled in
    Plugins,
    /// Ask a running worker whether it is healthy; for container health checks
    Healthcheck(Healthcheck),
}

/// `raccord quickstart`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  raccord quickstart\n  raccord quickstart --data-dir /srv/raccord --rest-port 18083\n  \
    raccord quickstart --kafka broker1:9092,broker2:9092"
)]
pub struct Quickstart {
    /// Port of the embedded broker
    #[arg(long, default_value_t = 9092, value_name = "PORT", conflicts_with = "kafka")]
    pub broker_port: u16,
    /// Port of the REST API
    #[arg(long, default_value_t = 8083, value_name = "PORT")]
    pub rest_port: u16,
    /// Port of the status page
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub console_port: u16,
    /// Where everything is kept
    #[arg(long, default_value = "./raccord-data", value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// Use this Kafka cluster instead of the embedded broker
    #[arg(long, value_name = "HOST:PORT[,…]")]
    pub kafka: Option<String>,
}

/// `raccord distributed`.
#[derive(Args)]
pub struct Distributed {
    /// Run in the background, with output in logs/connectDistributed.out
    #[arg(long)]
    pub daemon: bool,
    /// The worker's properties file
    #[arg(value_name = "WORKER.PROPERTIES")]
    pub worker: PathBuf,
}

/// `raccord standalone`.
#[derive(Args)]
pub struct Standalone {
    /// Run in the background, with output in logs/connectStandalone.out
    #[arg(long)]
    pub daemon: bool,
    /// The worker's properties file
    #[arg(value_name = "WORKER.PROPERTIES")]
    pub worker: PathBuf,
    /// Connectors to create: .properties or .json files (a map of keys, or name and config as POST /connectors takes them)
    #[arg(value_name = "CONNECTOR")]
    pub connectors: Vec<PathBuf>,
}

/// `raccord check`.
#[derive(Args)]
#[command(after_help = "Everything that is wrong is printed, and the exit code is 1.\n\nExamples:\n  \
    raccord check connect-distributed.properties\n  raccord check worker.properties source.json sink.properties")]
pub struct Check {
    /// Do not ask Kafka
    #[arg(long)]
    pub offline: bool,
    /// The worker's properties file: a standalone worker's if it has offset.storage.file.filename and no group.id
    #[arg(value_name = "WORKER.PROPERTIES")]
    pub worker: PathBuf,
    /// Connectors: .properties or .json files, as for `raccord standalone`
    #[arg(value_name = "CONNECTOR")]
    pub connectors: Vec<PathBuf>,
}

/// `raccord broker`.
#[derive(Args)]
#[command(after_help = "Example:\n  raccord broker --listen 127.0.0.1:9092 --data-dir ./kafka-data")]
pub struct Broker {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    pub listen: String,
    /// Address that clients are told to connect to, when it is not the one listened on
    #[arg(long, value_name = "HOST:PORT")]
    pub advertised: Option<String>,
    /// Where the logs are kept
    #[arg(long, default_value = "./raccord-data/broker", value_name = "FOLDER")]
    pub data_dir: PathBuf,
}

/// `raccord dlq`.
#[derive(Args)]
pub struct Dlq {
    #[command(subcommand)]
    pub command: DlqCommand,
}

/// What to do with dead letters.
#[derive(Subcommand)]
pub enum DlqCommand {
    /// Write dead letters to the topics they came from, without the headers that tell what went wrong
    Replay(Replay),
}

/// `raccord dlq replay`.
#[derive(Args)]
#[command(
    after_help = "A consumer group remembers what was replayed: each letter is replayed by one run only. Runs with \
    different filters have different groups.\n\n\
    Examples:\n  \
    raccord dlq replay --bootstrap broker1:9092 --topic orders-dlq --dry-run\n  \
    raccord dlq replay --bootstrap broker1:9092 --topic orders-dlq\n  \
    raccord dlq replay --bootstrap broker1:9092 --topic orders-dlq --filter-connector orders-es --limit 100\n  \
    raccord dlq replay --bootstrap broker1:9092 --topic orders-dlq --filter-stage VALUE_CONVERTER --to orders-fixed\n  \
    raccord dlq replay --bootstrap broker1:9093 --command-config client.properties --topic orders-dlq"
)]
pub struct Replay {
    /// Brokers to connect to first
    #[arg(long, value_name = "HOST:PORT[,…]")]
    pub bootstrap: String,
    /// The dead letter queue
    #[arg(long, value_name = "TOPIC")]
    pub topic: String,
    /// Where to write to: `original` for the topic that each letter came from, or a topic
    #[arg(long, default_value = "original", value_name = "original|TOPIC")]
    pub to: String,
    /// Only letters of this connector
    #[arg(long, value_name = "NAME")]
    pub filter_connector: Option<String>,
    /// Only letters of this stage, such as VALUE_CONVERTER, TRANSFORMATION or TASK_PUT
    #[arg(long, value_name = "STAGE")]
    pub filter_stage: Option<String>,
    /// Only letters that came from this topic
    #[arg(long, value_name = "TOPIC")]
    pub filter_topic: Option<String>,
    /// Only letters with this exception: a Java class, with or without its package
    #[arg(long, value_name = "CLASS")]
    pub filter_exception: Option<String>,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replay at most this many letters
    #[arg(long, value_name = "NUMBER")]
    pub limit: Option<u64>,
    /// Pass over letters that cannot be replayed, instead of stopping before the first of them
    #[arg(long)]
    pub pass_over: bool,
    /// The consumer group that remembers what was replayed; made of the topic and the filters if not given
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Properties file for the Kafka clients, for instance with security.protocol
    #[arg(long, value_name = "FILE")]
    pub command_config: Option<PathBuf>,
}

/// `raccord healthcheck`.
#[derive(Args)]
pub struct Healthcheck {
    /// The worker's REST API
    #[arg(default_value = "http://localhost:8083")]
    pub url: String,
}

/// An exit code other than 1, carried by the error that ends the program.
#[derive(Debug)]
pub struct Exit(pub u8);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Reads the command line of this process.
pub fn parse() -> Command {
    CommandLine::parse_from(translate(std::env::args_os().collect())).command
}

/// The start scripts' names stand for subcommands, and their one option has one dash.
fn translate(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str());
    let subcommand = match name.map(|name| name.trim_end_matches(".sh")) {
        Some("connect-distributed") => Some("distributed"),
        Some("connect-standalone") => Some("standalone"),
        _ => None,
    };
    if let Some(subcommand) = subcommand {
        arguments.insert(1, subcommand.into());
    }
    if let Some(daemon) = arguments.iter_mut().find(|argument| *argument == "-daemon") {
        *daemon = "--daemon".into();
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(typed: &[&str], expect: &[&str]) {
        let translated = translate(typed.iter().map(OsString::from).collect());
        assert_eq!(translated, expect.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(CommandLine::try_parse_from(translated).is_ok(), "{typed:?}");
    }

    #[test]
    fn takes_the_command_lines_of_the_start_scripts() {
        check(&["raccord", "distributed", "w"], &["raccord", "distributed", "w"]);
        check(
            &["/opt/kafka/bin/connect-distributed.sh", "-daemon", "w"],
            &["/opt/kafka/bin/connect-distributed.sh", "distributed", "--daemon", "w"],
        );
        check(&["connect-standalone", "w", "a", "b"], &["connect-standalone", "standalone", "w", "a", "b"]);
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }
}
