//! START_REPLICATION: the command, and what it means when the server refuses.

use std::time::Duration;

use raccord_plugin::{Error, Result};
use tracing::{info, warn};

use crate::classify::cause;
use crate::settings::Settings;
use crate::setup::{identifier, literal};
use crate::wire::reader::ReaderSettings;
use crate::wire::{FlushTimeoutAction, Lsn, Session, WalStream};

/// How many bytes of the stream may be read and not taken yet.
const BUDGET_BYTES: usize = 8 * 1024 * 1024;

/// Runs START_REPLICATION.
///
/// # Errors
/// What the server or the network says.
pub async fn begin(
    settings: &Settings,
    session: Session,
    server_version: u32,
    lsn: Lsn,
) -> Result<WalStream> {
    let command = start_command(settings, server_version, lsn);
    info!("Starting streaming with command {command}");
    let keys = &settings.config.keys.postgres;
    let reader = ReaderSettings {
        status_interval: settings.status_interval,
        budget_bytes: BUDGET_BYTES,
        flush_timeout: Duration::from_millis(keys.lsn_flush_timeout_ms.max(1).unsigned_abs()),
        flush_timeout_action: FlushTimeoutAction::of(&keys.lsn_flush_timeout_action),
    };
    session.start(&command, reader).await.map_err(|error| {
        let text = error.to_string();
        if text.contains("requested WAL segment") && text.contains("has already been removed") {
            return Error::fatal(
                "The offset to start reading from has been removed from the database write-ahead log. Create a new \
                 snapshot and consider setting of PostgreSQL parameter wal_keep_segments = 0.",
            )
            .caused_by(cause(error));
        }
        cause(error)
    })
}

fn start_command(settings: &Settings, server_version: u32, lsn: Lsn) -> String {
    let keys = &settings.config.keys.postgres;
    let mut options: Vec<(String, String)> = Vec::new();
    for parameter in keys.slot_stream_params.as_deref().unwrap_or_default().split(';') {
        match parameter.split_once('=') {
            Some((name, value)) if !value.contains('=') => options.push((name.to_owned(), value.to_owned())),
            _ if parameter.is_empty() => {}
            _ => warn!("The following STREAM_PARAMS value is invalid: {parameter}"),
        }
    }
    options.push(("proto_version".to_owned(), "1".to_owned()));
    options.push(("publication_names".to_owned(), keys.publication_name.clone()));
    if server_version >= 140_000 {
        options.push(("messages".to_owned(), "true".to_owned()));
    }
    let options: Vec<_> =
        options.iter().map(|(name, value)| format!("{} {}", identifier(name), literal(value))).collect();
    format!("START_REPLICATION SLOT {} LOGICAL {lsn} ({})", identifier(&keys.slot_name), options.join(", "))
}
