//! All that the author of a connector, converter or transform reads.
//!
//! A plugin is a [`Plugin`] value: the Java class name that users already have in their JSON, its config
//! definition and a constructor. The runtime calls it through the traits of this crate; each method says who calls
//! it, when, how often, concurrently with what, and what may be retried. A plugin sees neither the runtime nor
//! Kafka nor REST.

mod connector;
mod context;
mod converter;
mod error;
mod metrics;
mod offset;
mod plugin;
mod sink;
mod source;
mod topics;
mod transform;

pub use connector::{ConnectorContext, ConnectorEvents, ExactlyOnceSupport, SinkConnector, SourceConnector};
pub use context::{SinkContext, SinkRequests, SourceContext};
pub use converter::{Converter, Decoder, Encoded, Encoder, HeaderConverter};
pub use error::{Error, ErrorKind, Result};
pub use metrics::{Metric, MetricKind, MetricsRegistry, NoMetrics, ReadMetrics, Samples};
pub use offset::{OffsetMap, OffsetReader, SourceOffset};
pub use plugin::{KAFKA_VERSION, Make, Plugin, PluginKind, Role};
pub use raccord_config::{ConfigDef, RawConfig};
pub use raccord_data as data;
pub use raccord_data::SchemaAndValue;
pub use sink::{CommitOffsets, Rejected, SinkBatch, SinkTask, TopicPartition};
pub use source::{SourceBatch, SourceTask};
pub use topics::{NoTopics, TopicReader, TopicReaders, TopicRecord};
pub use transform::{Predicate, Transform};
