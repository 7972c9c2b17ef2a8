//! What a task needs on the server besides its slot: publication and replica identities. The publication is made before
//! the slot, because a slot decodes with the catalog as it was at its position.

use std::collections::BTreeSet;

use raccord_cdc::TableId;
use raccord_plugin::{Error, Result};
use tokio_postgres::{Client, SimpleQueryMessage};
use tracing::{info, warn};

use crate::catalog::all_tables;
use crate::classify::{CONNECT_EXCEPTION, cause, debezium, with_cause};
use crate::config::TaskConfig;
use crate::settings::{PublicationMode, Settings};
use crate::wire::WireError;
use crate::wire::sql::{SqlSession, sql_error};

/// A time limit for statements about publications, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 90_000;

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
    let (statement, filtered) = match (all_tables.as_deref(), settings.publication_mode) {
        (None, PublicationMode::Disabled) => {
            return Err(Error::fatal(
                "Publication autocreation is disabled, please create one and restart the connector.",
            )
            .hint(format!("CREATE PUBLICATION {name} FOR TABLE ..., or set publication.autocreate.mode")));
        }
        (None, PublicationMode::AllTables) => (create(settings, "FOR ALL TABLES"), None),
        (None, PublicationMode::NoTables) => (create(settings, ""), None),
        (None, PublicationMode::Filtered) => {
            let tables = list(&wanted_tables(client, settings).await?);
            if tables.is_empty() {
                let missing = debezium(format!("No table filters found for filtered publication {name}"))
                    .hint("table.include.list and the like leave no table of this database");
                return Err(unable("create", name, &tables, missing));
            }
            (create(settings, &format!("FOR TABLE {tables}")), Some(("create", tables)))
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
            if tables.is_empty() || published_tables(client, name).await? == tables {
                return Ok(());
            }
            let tables = list(&tables);
            (format!("ALTER PUBLICATION {name} SET TABLE {tables};"), Some(("update", tables)))
        }
        (Some(_), _) => return Ok(()),
    };
    if standby {
        info!("The Postgres server in stand by mode, skip create statement execution");
        return Ok(());
    }
    info!("Creating or updating publication with statement '{statement}'");
    execute(client, &statement).await.map_err(cause).map_err(|error| match filtered {
        Some((what, tables)) => unable(what, name, &tables, error),
        None => error,
    })
}

/// What Debezium says of a publication of single tables that cannot be made or changed.
fn unable(what: &str, name: &str, tables: &str, error: Error) -> Error {
    let message = format!("Unable to {what} filtered publication {name} for {tables}");
    with_cause(Error::new(error.kind(), message).class(CONNECT_EXCEPTION), error)
}

fn create(settings: &Settings, what: &str) -> String {
    let name = &settings.config.keys.postgres.publication_name;
    let through_root = match settings.config.keys.own.publish_via_partition_root {
        true => " WITH (publish_via_partition_root = true)",
        false => "",
    };
    format!("CREATE PUBLICATION {name} {what}{through_root};")
}

fn list(tables: &BTreeSet<TableId>) -> String {
    tables.iter().map(qualified).collect::<Vec<_>>().join(", ")
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

/// Whether the server can decode logically at all.
///
/// # Errors
/// That it cannot, or what it says.
pub async fn check_wal_level(client: &Client) -> Result<()> {
    let level = one_text(client, "SHOW wal_level").await.map_err(cause)?.unwrap_or_default();
    match level == "logical" {
        true => Ok(()),
        false => {
            Err(debezium(format!("Postgres server wal_level property must be 'logical' but is: '{level}'"))
                .hint("set wal_level = logical in postgresql.conf and restart the server"))
        }
    }
}
