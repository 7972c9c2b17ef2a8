//! What a task needs on the server before it can stream: publication, replica identities, slot. In Debezium's order:
//! the publication before the slot, because a slot decodes with the catalog as it was at its position.

use std::collections::BTreeSet;

use raccord_cdc::TableId;
use raccord_plugin::{Error, Result};
use tokio_postgres::{Client, SimpleQueryMessage};
use tracing::{info, warn};

use crate::catalog::all_tables;
use crate::classify::{cause, debezium, with_cause};
use crate::config::TaskConfig;
use crate::settings::{PublicationMode, Settings};
use crate::wire::sql::{SqlSession, sql_error};
use crate::wire::{Lsn, Session, WireError};

/// How often a slot without confirmed position is looked at again, and how long is waited between.
const SLOT_ATTEMPTS: u32 = 900;
const SLOT_PAUSE: std::time::Duration = std::time::Duration::from_secs(2);
/// A time limit for statements about publications, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 90_000;

/// A replication slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Up to where the server may have forgotten.
    pub confirmed_flush: Lsn,
    /// From where the server still has the log.
    pub restart: Lsn,
    /// The oldest transaction whose catalog rows are kept.
    pub catalog_xmin: i64,
}

/// A slot that was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSlot {
    /// Where its stream begins.
    pub consistent_point: Lsn,
    /// The snapshot that shows everything before that and nothing after. Lives as long as the session that made the slot
    /// does nothing else.
    pub snapshot_name: String,
}

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
    for statement in initial_statements(&settings.config) {
        sql.client.batch_execute(&statement).await.map_err(sql_error)?;
    }
    Ok(sql)
}

/// The slot of that name for pgoutput in this database. A slot whose position is not confirmed yet, because old
/// transactions still run, is waited for.
///
/// # Errors
/// What the server says, or that the wait was in vain.
pub async fn read_slot(client: &Client, settings: &Settings) -> Result<Option<Slot>> {
    let statement = format!(
        "SELECT coalesce(confirmed_flush_lsn, restart_lsn)::text, restart_lsn::text, coalesce(catalog_xmin::text::bigint, 0)::text \
         FROM pg_catalog.pg_replication_slots \
         WHERE slot_name = {} AND database = {} AND plugin = 'pgoutput'",
        literal(&settings.config.keys.postgres.slot_name),
        literal(settings.config.database()),
    );
    for _ in 0..SLOT_ATTEMPTS {
        let messages = client.simple_query(&statement).await.map_err(|error| cause(sql_error(error)))?;
        let Some(row) = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        }) else {
            return Ok(None);
        };
        let lsn = |column| row.get(column).and_then(Lsn::parse);
        if let (Some(confirmed_flush), Some(restart)) = (lsn(0), lsn(1)) {
            let catalog_xmin = row.get(2).and_then(|xmin| xmin.parse().ok()).unwrap_or(0);
            return Ok(Some(Slot { confirmed_flush, restart, catalog_xmin }));
        }
        warn!(
            slot = settings.config.keys.postgres.slot_name,
            "Cannot obtain valid replication slot; a concurrent transaction probably blocks it, or it was invalidated"
        );
        tokio::time::sleep(SLOT_PAUSE).await;
    }
    Err(Error::fatal(
        "Unable to obtain valid replication slot. Make sure there are no long-running transactions running in parallel \
         as they may hinder the allocation of the replication slot when starting this connector",
    )
    .hint("look at wal_status in pg_replication_slots: a lost slot has to be dropped, and a new snapshot taken"))
}

/// Makes the slot and exports its snapshot.
///
/// # Errors
/// What the server says.
pub async fn create_slot(
    session: &mut Session,
    settings: &Settings,
    failover: bool,
) -> Result<NewSlot, WireError> {
    let keys = &settings.config.keys.postgres;
    let name = identifier(&keys.slot_name);
    let options = if failover { "( FAILOVER )" } else { "" };
    let command = format!("CREATE_REPLICATION_SLOT {name}  LOGICAL pgoutput {options}");
    info!("Creating replication slot with command {command}");
    let mut tries = 0;
    let rows = loop {
        match session.query(&command).await {
            Err(WireError::Server(error)) if matches!(error.code.as_str(), "57014" | "55P03") => {
                tries += 1;
                if tries > keys.slot_max_retries {
                    return Err(WireError::Server(error));
                }
                warn!(%error, tries, "Creation of replication slot timed out; please make sure that there are no long running queries on the database");
                tokio::time::sleep(settings.slot_retry_delay).await;
            }
            rows => break rows?,
        }
    };
    let cell = |column: usize| rows.first().and_then(|row| row.get(column)?.clone());
    match (cell(1).as_deref().and_then(Lsn::parse), cell(2)) {
        (Some(consistent_point), Some(snapshot_name)) => Ok(NewSlot { consistent_point, snapshot_name }),
        _ => Err(WireError::Protocol("No replication slot found".to_owned())),
    }
}

/// Whether `slot.failover` is asked for and possible: PostgreSQL 17 or later, and not on a standby.
///
/// # Errors
/// What the server says.
pub async fn wants_failover(client: &Client, settings: &Settings) -> Result<bool, WireError> {
    if !settings.config.keys.postgres.slot_failover {
        return Ok(false);
    }
    Ok(server_version(client).await? >= 170_000 && !in_recovery(client).await?)
}

/// The server's version as a number: 150004 for 15.4.
///
/// # Errors
/// What the server says.
pub async fn server_version(client: &Client) -> Result<u32, WireError> {
    Ok(one_text(client, "SHOW server_version_num").await?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

async fn in_recovery(client: &Client) -> Result<bool, WireError> {
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
    let statement = match (all_tables.as_deref(), settings.publication_mode) {
        (None, PublicationMode::Disabled) => {
            return Err(Error::fatal(
                "Publication autocreation is disabled, please create one and restart the connector.",
            )
            .hint(format!("CREATE PUBLICATION {name} FOR TABLE ..., or set publication.autocreate.mode")));
        }
        (None, PublicationMode::AllTables) => Some(create(settings, "FOR ALL TABLES")),
        (None, PublicationMode::NoTables) => Some(create(settings, "")),
        (None, PublicationMode::Filtered) => {
            let tables = wanted_tables(client, settings).await?;
            Some(create(settings, &format!("FOR TABLE {}", list(&tables, name)?)))
        }
        (Some("t"), PublicationMode::Filtered) => {
            return Err(debezium(format!(
                "A logical publication for all tables named '{name}' for plugin 'pgoutput' and database '{}' is already \
                 active on the server and can not be altered. If you need to exclude some tables or include only specific \
                 subset, please recreate the publication with necessary configuration or let plugin recreate it by dropping \
                 existing publication. Otherwise please change the 'publication.autocreate.mode' property to 'all_tables'.",
                settings.config.database()
            )));
        }
        (Some(_), PublicationMode::Filtered) => {
            let tables = wanted_tables(client, settings).await?;
            match tables.is_empty() || published_tables(client, name).await? == tables {
                true => None,
                false => Some(format!("ALTER PUBLICATION {name} SET TABLE {};", list(&tables, name)?)),
            }
        }
        (Some(_), _) => None,
    };
    let Some(statement) = statement else { return Ok(()) };
    if standby {
        info!("The Postgres server in stand by mode, skip create statement execution");
        return Ok(());
    }
    info!("Creating or updating publication with statement '{statement}'");
    execute(client, &statement).await.map_err(cause)
}

fn create(settings: &Settings, what: &str) -> String {
    let name = &settings.config.keys.postgres.publication_name;
    let through_root = match settings.config.keys.own.publish_via_partition_root {
        true => " WITH (publish_via_partition_root = true)",
        false => "",
    };
    format!("CREATE PUBLICATION {name} {what}{through_root};")
}

fn list(tables: &BTreeSet<TableId>, publication: &str) -> Result<String> {
    match tables.is_empty() {
        true => Err(debezium(format!("No table filters found for filtered publication {publication}"))
            .hint("table.include.list and the like leave no table of this database")),
        false => Ok(tables.iter().map(qualified).collect::<Vec<_>>().join(", ")),
    }
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

/// Drops the slot, as `slot.drop.on.stop` says.
///
/// # Errors
/// What the server says.
pub async fn drop_slot(client: &Client, name: &str) -> Result<(), WireError> {
    one_text(client, &format!("SELECT pg_drop_replication_slot({})", literal(name))).await.map(drop)
}

/// The message for a stored position that the server no longer has.
pub fn position_lost(offset: &str) -> Error {
    with_cause(
        debezium(format!(
            "The connector is trying to read change stream starting at {offset}, but this is no longer available on the \
             server. Reconfigure the connector to use a snapshot mode when needed."
        )),
        Error::fatal("the replication slot is missing, or was made or advanced past the stored position").hint(
            "changes since then are lost to the connector: set snapshot.mode=when_needed, or delete the connector's offsets, to take a new snapshot",
        ),
    )
}
