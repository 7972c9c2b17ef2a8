//! A single-node Kafka broker inside the process: durable logs, classic consumer groups, transactions, for the quick
//! start and for tests. It speaks Kafka's wire protocol to any client and depends on nothing else of the workspace.

mod broker;
mod clock;
mod config;
mod coordinators;
mod dispatch;
mod frame;
mod group;
mod guard;
mod handlers;
mod log;
mod producer_ids;
mod request;
mod server;
mod topic_config;
mod topics;
mod txn;

pub use broker::{Broker, BrokerHandle};
pub use config::{BrokerConfig, BrokerError};
