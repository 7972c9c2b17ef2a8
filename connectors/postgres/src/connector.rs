//! The connector: checks of a config in Debezium's words, one of them against the live server, and its one task.

use std::time::Duration;

use async_trait::async_trait;
use raccord_plugin::{ConnectorContext, Error, ExactlyOnceSupport, RawConfig, Result, SourceConnector};
use tracing::{error, info};

use crate::checks;
use crate::config::TaskConfig;
use crate::settings::{Settings, endpoint};
use crate::setup::server_version;
use crate::wire::sql::SqlSession;

/// The name by which the server knows the session that validates.
const VALIDATION_APPLICATION: &str = "Debezium Validate Connection";
/// The first version that can tell of transactions without being written to.
const READ_ONLY_VERSION: u32 = 130_000;
/// The rights that streaming needs, or groups of Amazon RDS that stand for them.
const ROLES: &str = "\
    SELECT r.rolcanlogin AND (r.rolreplication OR EXISTS ( \
        SELECT 1 FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON m.roleid = b.oid \
        WHERE m.member = r.oid AND b.rolname IN ('rds_superuser', 'rdsadmin', 'rdsrepladmin', 'rds_replication'))) \
    FROM pg_roles r WHERE r.rolname = current_user";

/// Keys that have to be set.
const REQUIRED: &[&str] = &["topic.prefix", "database.hostname", "database.user", "database.dbname"];

/// Keys whose values are words of a list.
const WORDS: &[(&str, &[&str])] = &[
    (
        "snapshot.mode",
        &[
            "always",
            "initial",
            "initial_only",
            "no_data",
            "never",
            "when_needed",
            "configuration_based",
            "custom",
        ],
    ),
    ("snapshot.isolation.mode", &["serializable", "repeatable_read", "read_committed", "read_uncommitted"]),
    ("snapshot.locking.mode", &["shared", "custom", "none"]),
    ("snapshot.query.mode", &["select_all", "custom"]),
    ("publication.autocreate.mode", &["no_tables", "filtered", "disabled", "all_tables"]),
    ("database.sslmode", &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
    ("decimal.handling.mode", &["precise", "double", "string"]),
    (
        "time.precision.mode",
        &["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"],
    ),
    ("hstore.handling.mode", &["json", "map"]),
    ("binary.handling.mode", &["bytes", "base64", "base64-url-safe", "hex"]),
    ("interval.handling.mode", &["numeric", "string"]),
    ("schema.name.adjustment.mode", &["none", "avro", "avro_unicode"]),
    ("field.name.adjustment.mode", &["none", "avro", "avro_unicode"]),
    ("schema.refresh.mode", &["columns_diff", "columns_diff_exclude_unchanged_toast"]),
    ("event.processing.failure.handling.mode", &["warn", "fail", "ignore", "skip"]),
    ("lsn.flush.timeout.action", &["fail", "warn", "ignore"]),
    ("guardrail.collections.limit.action", &["warn", "fail"]),
];

/// What is not there (yet), with the value that would need it.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("snapshot.mode", "custom"),
    ("snapshot.locking.mode", "custom"),
    ("snapshot.query.mode", "custom"),
    ("openlineage.integration.enabled", "true"),
];

/// Debezium's PostgreSQL connector.
#[derive(Default)]
pub struct PostgresConnector {
    config: RawConfig,
}

type Finding = (String, String);

fn finding(key: &str, problem: impl std::fmt::Display) -> Finding {
    (key.to_owned(), format!("The '{key}' value is invalid: {problem}"))
}

/// What can be told without the server.
fn findings(config: &RawConfig) -> Vec<Finding> {
    let mut found = Vec::new();
    let get = |key: &str| config.get(key).map(str::trim).filter(|value| !value.is_empty());
    for key in REQUIRED {
        if get(key).is_none() {
            found.push(finding(key, "A value is required"));
        }
    }
    for key in ["topic.prefix", "database.hostname"] {
        if let Some(value) = get(key)
            && !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        {
            let problem = format!(
                "{value} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)"
            );
            found.push(finding(key, problem));
        }
    }
    if let Some(slot) = get("slot.name")
        && !(slot.len() <= 63
            && slot.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
    {
        found.push(finding(
            "slot.name",
            "Valid replication slot name must contain only digits, lowercase characters and underscores with length <= 63",
        ));
    }
    match get("plugin.name").unwrap_or("decoderbufs") {
        name if name.eq_ignore_ascii_case("pgoutput") => {}
        name if name.eq_ignore_ascii_case("decoderbufs") => found.push(finding(
            "plugin.name",
            "decoderbufs, which is also the default, is not supported: set plugin.name=pgoutput, which every PostgreSQL \
             10 and later has",
        )),
        _ => found.push(finding("plugin.name", "Value must be one of decoderbufs, pgoutput")),
    }
    for (key, words) in WORDS {
        if let Some(value) = get(key)
            && !words.iter().any(|word| value.eq_ignore_ascii_case(word))
        {
            found.push(finding(key, format!("Value must be one of {}", words.join(", "))));
        }
    }
    for (key, value) in UNSUPPORTED {
        if get(key).is_some_and(|set| set.eq_ignore_ascii_case(value)) {
            found.push(finding(key, format!("{value} needs classes of the user's, which cannot run here")));
        }
    }
    for (include, exclude, named) in [
        ("table.include.list", "table.exclude.list", "table.include.list"),
        ("schema.include.list", "schema.exclude.list", "schema.include.list"),
        ("column.include.list", "column.exclude.list", "column.include.list"),
        (
            "message.prefix.include.list",
            "message.prefix.exclude.list",
            "logical_decoding_message.prefix.include.list",
        ),
    ] {
        if get(include).is_some() && get(exclude).is_some() {
            found.push(finding(exclude, format!("\"{named}\" is already specified")));
        }
    }
    found.extend(checks::problems(config).iter().map(|(key, problem)| finding(key, problem)));
    let channels = get("notification.enabled.channels").unwrap_or_default();
    if channels.split(',').any(|channel| channel.trim() == "sink")
        && get("notification.sink.topic.name").is_none()
    {
        let problem = "Notification topic name must be provided when kafka notification channel is enabled";
        found.push(finding("notification.sink.topic.name", problem));
    }
    if let Some(names) = get("converters") {
        found.push(finding(
            "converters",
            format!("{names}: converters are classes of the user's, which cannot run here"),
        ));
    }
    found
}

/// Whether a role of the config can reach its database.
async fn live_findings(config: &TaskConfig) -> Vec<Finding> {
    let host = "database.hostname";
    let endpoint = match endpoint(config) {
        Ok(endpoint) => endpoint,
        Err(_) => return Vec::new(),
    };
    let limit =
        Duration::from_millis(config.keys.connector.connection_validation_timeout_ms.max(1).unsigned_abs());
    let check = async {
        let sql = SqlSession::connect(&endpoint, VALIDATION_APPLICATION).await?;
        let version = server_version(&sql.client).await?;
        let rights = sql.client.query_opt(ROLES, &[]).await.map_err(crate::wire::sql::sql_error)?;
        Ok::<_, crate::wire::WireError>((version, rights.is_some_and(|row| row.get(0))))
    };
    match tokio::time::timeout(limit, check).await {
        Ok(Ok((version, _))) if config.unlisted.read_only && version < READ_ONLY_VERSION => {
            let problem = "Error during connection validation: io.debezium.DebeziumException: Read only is not supported \
                           for version minor to 13";
            vec![(host.to_owned(), problem.to_owned())]
        }
        Ok(Ok((_, true))) => {
            info!("Successfully tested connection for {} with user '{}'", endpoint.host, endpoint.user);
            Vec::new()
        }
        Ok(Ok((_, false))) => {
            error!("Postgres roles LOGIN and REPLICATION are not assigned to user: {}", endpoint.user);
            Vec::new()
        }
        Ok(Err(error)) => {
            vec![(host.to_owned(), format!("Error while validating connector config: {error}"))]
        }
        Err(_) => {
            vec![(host.to_owned(), format!("Connection validation timed out after {} ms", limit.as_millis()))]
        }
    }
}

#[async_trait]
impl SourceConnector for PostgresConnector {
    async fn validate(&self, config: &RawConfig) -> Vec<Finding> {
        let found = findings(config);
        if !found.is_empty() {
            return found;
        }
        // Keys that are malformed are reported by the definition itself.
        let Ok(config) = TaskConfig::read(config) else { return found };
        match Settings::new(config.clone(), 0) {
            Ok(_) => live_findings(&config).await,
            Err(error) => {
                let key = error.message().split('\'').nth(1).unwrap_or("topic.prefix").to_owned();
                vec![(key, error.message().to_owned())]
            }
        }
    }

    async fn start(&mut self, _context: ConnectorContext, config: &RawConfig) -> Result<()> {
        if let Some((_, message)) = findings(config).into_iter().next() {
            return Err(Error::config(message));
        }
        Settings::new(TaskConfig::read(config)?, 0)?;
        self.config = config.clone();
        Ok(())
    }

    fn task_configs(&mut self, _max_tasks: u32) -> Result<Vec<RawConfig>> {
        // Debezium adds the task's number for its records; ours comes with the context.
        Ok(vec![self.config.clone()])
    }

    fn exactly_once_support(&self, _config: &RawConfig) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Supported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: &[(&str, &str)]) -> RawConfig {
        let mut config = RawConfig::from([
            ("topic.prefix", "lab"),
            ("database.hostname", "localhost"),
            ("database.user", "bank"),
            ("database.dbname", "bank"),
            ("plugin.name", "pgoutput"),
        ]);
        for (key, value) in keys {
            config.insert(*key, Some((*value).to_owned()));
        }
        config
    }

    #[test]
    fn findings_name_the_key() {
        let check = |keys: &[(&str, &str)], expect: &[&str]| {
            let found = findings(&config(keys));
            assert_eq!(found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), expect, "{found:?}");
        };
        check(&[], &[]);
        check(&[("topic.prefix", "")], &["topic.prefix"]);
        check(&[("topic.prefix", "a b")], &["topic.prefix"]);
        check(&[("slot.name", "Big")], &["slot.name"]);
        check(&[("plugin.name", "decoderbufs")], &["plugin.name"]);
        check(&[("snapshot.mode", "sometimes")], &["snapshot.mode"]);
        check(&[("table.include.list", "a"), ("table.exclude.list", "b")], &["table.exclude.list"]);
        check(&[("converters", "isbn")], &["converters"]);
        check(&[("notification.enabled.channels", "log, sink")], &["notification.sink.topic.name"]);
    }
}
