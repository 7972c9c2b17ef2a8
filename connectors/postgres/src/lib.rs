//! Debezium's PostgreSQL connector: changes of tables, by logical replication with pgoutput.
//!
//! `start` looks at the server and decides; `snapshot` reads tables; `stream` follows the log; both make records by
//! `emit` from what `columns` decodes. `catalog` asks PostgreSQL about tables and types, `setup` makes the publication and `slot` the slot,
//! `gap` holds what is stored against the log, `anchor` says where a snapshot stands in it, `wire` is the way to the server, `pgoutput` the decoder of the stream, `offset` what is stored.

mod anchor;
mod captured;
mod catalog;
mod checks;
mod classify;
mod columns;
mod config;
mod connector;
mod conversion;
mod copy;
mod driver;
mod emit;
mod exposition;
mod gap;
mod heartbeat;
mod messages;
mod metrics;
mod offset;
mod on_demand;
pub mod pgoutput;
mod progress;
pub mod raw;
mod relations;
mod replication;
mod reselect;
mod settings;
mod setup;
mod shown;
mod slot;
mod slot_watch;
mod snapshot;
mod start;
mod stream;
mod task;
mod transactions;
mod wal_growth;
mod wal_position;
mod wire;

use raccord_config::Config;
use raccord_plugin::{Make, Plugin};

/// The source.
pub const SOURCE: Plugin = Plugin {
    class: "io.debezium.connector.postgresql.PostgresConnector",
    aliases: &[],
    version: raccord_cdc::DEBEZIUM_VERSION,
    config: config::PostgresConfig::def,
    make: Make::Source {
        connector: || Box::new(connector::PostgresConnector::default()),
        task: || Box::new(task::PostgresTask::default()),
    },
};
