//! What a task needs on the server besides its slot: publication and replica identities. The publication is made before
//! the slot, because a slot decodes with the catalog as it was at its position.

use std::collections::BTreeSet;

use raccord_cdc::TableId;
use raccord_plugin::{Error, ErrorKind, Result};
use tokio_postgres::{Client, SimpleQueryMessage};
use tracing::{error, info, warn};

use crate::catalog::all_tables;
use crate::classify::{CONNECT_EXCEPTION, DEBEZIUM_EXCEPTION, cause, debezium, with_cause};
use crate::config::TaskConfig;
use crate::settings::{PublicationMode, Settings};
use crate::wire::WireError;
use crate::wire::sql::{SqlSession, sql_error};

/// A time limit for statements about publications, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 90_000;
/// What Debezium says when such a statement did not end in time.
const TIMED_OUT: &str = "Creation of publication failed: query to create/update publication timed out, please make sure that there are no \
                         maintenance activities going on the database end.";
/// What Debezium makes of an exception of the driver there.
const JDBC_EXCEPTION: &str = "io.debezium.jdbc.JdbcConnectionException";

/// Runs a statement that gives one text at most.
pub async fn one_text(client: &Client, statement: &str) -> Result<Option<String>, WireError> {
    let messages = client.simple_query(statement).await.map_err(sql_error)?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// A text as a literal of SQL.
pub fn literal(text: &str) -> String {
    match text.contains('\\') {
        true => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

/// A name as an identifier of SQL.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."table"`.
pub fn qualified(id: &TableId) -> String {
    id.schema_parts().map(identifier).collect::<Vec<_>>().join(".")
}

/// The statements of `database.initial.statements`: with semicolons between, two of which stand for one.
pub fn initial_statements(config: &TaskConfig) -> Vec<String> {
    let statements = config.keys.postgres.database_initial_statements.as_deref().unwrap_or_default();
    let statements = statements.replace(";;", "\0");
    let statements = statements.split(';').map(|statement| statement.replace('\0', ";"));
    statements.filter(|statement| !statement.trim().is_empty()).collect()
}

/// A session for SQL, with the initial statements run on it.
///
/// # Errors
/// What the server or the network says.
pub async fn connect(settings: &Settings, application_name: &str) -> Result<SqlSession, WireError> {
    let sql = SqlSession::connect(&settings.endpoint, application_name).await?;
    if let Some(limit) = settings.query_timeout {
        // A limit that is lower already stays.
        let statement = format!(
            "SELECT set_config('statement_timeout', '{0}', false) FROM pg_settings \
             WHERE name = 'statement_timeout' AND setting::bigint NOT BETWEEN 1 AND {0}",
            limit.as_millis()
        );
        sql.client.batch_execute(&statement).await.map_err(sql_error)?;
    }
    for statement in initial_statements(&settings.config) {
        sql.client.batch_execute(&statement).await.map_err(sql_error)?;
    }
    Ok(sql)
}

/// The server's version as a number: 150004 for 15.4.
///
/// # Errors
/// What the server says.
pub async fn server_version(client: &Client) -> Result<u32, WireError> {
    Ok(one_text(client, "SHOW server_version_num").await?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Whether the server is a standby.
///
/// # Errors
/// What the server says.
pub async fn in_recovery(client: &Client) -> Result<bool, WireError> {
    Ok(one_text(client, "SELECT pg_is_in_recovery()").await?.as_deref() == Some("t"))
}

/// Makes or updates the publication as `publication.autocreate.mode` says.
///
/// # Errors
/// What the server says, or that the publication is missing and may not be made.
pub async fn publication(client: &Client, settings: &Settings) -> Result<()> {
    let name = &settings.config.keys.postgres.publication_name;
    let all_tables = one_text(
        client,
        &format!("SELECT puballtables FROM pg_publication WHERE pubname = {}", literal(name)),
    )
    .await
    .map_err(cause)?;
    let standby = in_recovery(client).await.map_err(cause)?;
    let change = match (all_tables.as_deref(), settings.publication_mode) {
        (None, PublicationMode::Disabled) => {
            return Err(Error::fatal(
                "Publication autocreation is disabled, please create one and restart the connector.",
            )
            .hint(format!("CREATE PUBLICATION {name} FOR TABLE ..., or set publication.autocreate.mode")));
        }
        (None, PublicationMode::AllTables) => PublicationChange::create(settings, "FOR ALL TABLES"),
        (None, PublicationMode::NoTables) => PublicationChange::create(settings, ""),
        (None, PublicationMode::Filtered) => {
            PublicationChange::filtered(settings, "create", &wanted_tables(client, settings).await?)?
        }
        (Some("t"), PublicationMode::Filtered) => {
            return Err(debezium(format!(
                "A logical publication for all tables named '{name}' for plugin 'PGOUTPUT' and database '{}' is already \
                 active on the server and can not be altered. If you need to exclude some tables or include only specific \
                 subset, please recreate the publication with necessary configuration or let plugin recreate it by dropping \
                 existing publication. Otherwise please change the 'publication.autocreate.mode' property to 'all_tables'.",
                settings.config.database()
            )));
        }
        (Some(_), PublicationMode::Filtered) => {
            let tables = wanted_tables(client, settings).await?;
            match tables.is_empty() || published_tables(client, name).await? == tables {
                true => return Ok(()),
                false => PublicationChange::filtered(settings, "update", &tables)?,
            }
        }
        (Some(_), _) => return Ok(()),
    };
    if standby {
        info!("The Postgres server in stand by mode, skip create statement execution");
        return Ok(());
    }
    info!("Creating or updating publication with statement '{}'", change.statement);
    execute(client, &change.statement).await.map_err(|error| change.failed(settings, error))
}

/// What is to be done about the publication.
struct PublicationChange {
    statement: String,
    /// Of one for some tables: what is done, and the tables.
    filtered: Option<(&'static str, String)>,
}

impl PublicationChange {
    fn create(settings: &Settings, what: &str) -> Self {
        let name = &settings.config.keys.postgres.publication_name;
        let through_root = match settings.config.keys.own.publish_via_partition_root {
            true => " WITH (publish_via_partition_root = true)",
            false => "",
        };
        Self { statement: format!("CREATE PUBLICATION {name} {what}{through_root};"), filtered: None }
    }

    /// `verb` is `create` or `update`.
    fn filtered(settings: &Settings, verb: &'static str, tables: &BTreeSet<TableId>) -> Result<Self> {
        let name = &settings.config.keys.postgres.publication_name;
        let list = tables.iter().map(qualified).collect::<Vec<_>>().join(", ");
        if list.is_empty() {
            let empty = debezium(format!("No table filters found for filtered publication {name}"))
                .hint("table.include.list and the like leave no table of this database");
            return Err(with_cause(not_filtered(ErrorKind::Fatal, verb, name, &list), empty));
        }
        let statement = match verb {
            "update" => format!("ALTER PUBLICATION {name} SET TABLE {list};"),
            _ => Self::create(settings, &format!("FOR TABLE {list}")).statement,
        };
        Ok(Self { statement, filtered: Some((verb, list)) })
    }

    /// That it could not be done, in Debezium's words.
    fn failed(&self, settings: &Settings, error: WireError) -> Error {
        let name = &settings.config.keys.postgres.publication_name;
        let message = error.to_string();
        let timed_out =
            matches!(&error, WireError::Server(server) if matches!(&*server.code, "57014" | "55P03"));
        let error = match timed_out {
            true => with_cause(Error::retriable(TIMED_OUT).class(DEBEZIUM_EXCEPTION), cause(error)),
            false => cause(error),
        };
        match &self.filtered {
            Some((verb, tables)) => with_cause(not_filtered(ErrorKind::Retriable, verb, name, tables), error),
            None if timed_out => error,
            None => with_cause(Error::retriable(message).class(JDBC_EXCEPTION), error),
        }
    }
}

fn not_filtered(kind: ErrorKind, verb: &str, name: &str, tables: &str) -> Error {
    Error::new(kind, format!("Unable to {verb} filtered publication {name} for {tables}"))
        .class(CONNECT_EXCEPTION)
}

async fn wanted_tables(client: &Client, settings: &Settings) -> Result<BTreeSet<TableId>> {
    let tables = all_tables(client).await.map_err(cause)?;
    Ok(tables.into_iter().filter(|id| settings.captures(id)).collect())
}

async fn published_tables(client: &Client, name: &str) -> Result<BTreeSet<TableId>> {
    let statement = "SELECT schemaname::text, tablename::text FROM pg_publication_tables WHERE pubname = $1";
    let rows = client.query(statement, &[&name]).await.map_err(|error| cause(sql_error(error)))?;
    Ok(rows.iter().map(|row| TableId::in_schema(row.get::<_, String>(0), row.get::<_, String>(1))).collect())
}

/// Runs a statement with a time limit of its own.
async fn execute(client: &Client, statement: &str) -> Result<(), WireError> {
    let before = one_text(client, "SHOW statement_timeout").await?.unwrap_or_else(|| "0".to_owned());
    let limited = format!("SET statement_timeout = {STATEMENT_TIMEOUT_MS}");
    client.batch_execute(&limited).await.map_err(sql_error)?;
    let outcome = client.batch_execute(statement).await.map_err(sql_error);
    client
        .batch_execute(&format!("SET statement_timeout = {}", literal(&before)))
        .await
        .map_err(sql_error)?;
    outcome
}

/// Sets replica identities as `replica.identity.autoset.values` says. A table that cannot be altered is warned about.
///
/// # Errors
/// An expression that is none, or what the server says when asked for tables.
pub async fn replica_identities(client: &Client, settings: &Settings) -> Result<()> {
    let Some(values) = settings.config.keys.postgres.replica_identity_autoset_values.as_deref() else {
        return Ok(());
    };
    let mut rules = Vec::new();
    for rule in values.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
        let Some((table, identity)) = rule.rsplit_once(':') else { continue };
        let patterns = raccord_cdc::Patterns::list(table).map_err(|error| {
            Error::config(format!("The 'replica.identity.autoset.values' value is invalid: {error}"))
        })?;
        rules.push((patterns, identity.trim()));
    }
    for id in wanted_tables(client, settings).await? {
        let name = id.to_string();
        let Some((_, identity)) = rules.iter().find(|(patterns, _)| patterns.matches(&name)) else {
            continue;
        };
        let current = current_identity(client, &id).await.map_err(cause)?;
        let wanted = wanted_identity(identity);
        if current.eq_ignore_ascii_case(&wanted) {
            info!(table = name, "Replica identity is already {current}");
            continue;
        }
        let statement = format!("ALTER TABLE {} REPLICA IDENTITY {wanted};", qualified(&id));
        match client.batch_execute(&statement).await.map_err(sql_error) {
            Ok(()) => info!(table = name, "Replica identity set to {wanted}"),
            Err(error) => warn!(table = name, %error, "Unable to update Replica Identity"),
        }
    }
    Ok(())
}

/// `FULL`, `DEFAULT`, `NOTHING` or `USING INDEX name`.
fn wanted_identity(text: &str) -> String {
    match text.split_whitespace().next() {
        Some(first) if first.eq_ignore_ascii_case("index") => {
            format!("USING INDEX {}", text[first.len()..].trim())
        }
        _ => text.to_ascii_uppercase(),
    }
}

async fn current_identity(client: &Client, id: &TableId) -> Result<String, WireError> {
    let statement = "\
        SELECT CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' WHEN 'd' THEN 'DEFAULT' \
               ELSE 'USING INDEX ' || coalesce((SELECT ic.relname FROM pg_catalog.pg_index i \
                    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident), '') END \
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
        WHERE n.nspname = $1 AND c.relname = $2";
    let schema = id.schema.as_deref().unwrap_or("public");
    let row = client.query_opt(statement, &[&schema, &&*id.table]).await.map_err(sql_error)?;
    Ok(row.map(|row| row.get(0)).unwrap_or_default())
}

/// Holds the number of captured tables against `guardrail.collections.max`.
///
/// # Errors
/// That there are more, if `guardrail.collections.limit.action` is `fail`; or what the server says.
pub async fn guardrail(client: &Client, settings: &Settings) -> Result<()> {
    let keys = &settings.config.keys.connector;
    let Some(limit) = usize::try_from(keys.guardrail_collections_max).ok().filter(|limit| *limit > 0) else {
        return Ok(());
    };
    let tables = wanted_tables(client, settings).await?.len();
    if tables <= limit {
        info!(
            "Guardrail validation passed: {tables} tables/collections configured for capture (limit: {limit})"
        );
        return Ok(());
    }
    let message = format!(
        "Guardrail limit exceeded: {tables} tables/collections configured for capture, but maximum allowed is {limit}."
    );
    match keys.guardrail_collections_limit_action.trim().eq_ignore_ascii_case("fail") {
        true => Err(debezium(message).hint(
            "capture fewer tables by table.include.list, raise guardrail.collections.max, or set \
             guardrail.collections.limit.action=warn",
        )),
        false => {
            warn!("{message}");
            Ok(())
        }
    }
}

/// Says so when the server cannot decode logically: then a slot cannot be made.
///
/// # Errors
/// What the server says.
pub async fn check_wal_level(settings: &Settings, client: &Client) -> Result<(), WireError> {
    let level = one_text(client, "SHOW wal_level").await?.unwrap_or_default();
    if level != "logical" {
        let host = &settings.endpoint.host;
        error!("Postgres server wal_level property must be 'logical' but is: '{level}' on {host}");
    }
    Ok(())
}
