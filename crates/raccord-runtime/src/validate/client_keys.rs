//! The settings of Kafka's producer, consumer and admin client, so that overrides of them are shown with their
//! definition. A table, since nothing here reads them: the client does.

use std::sync::LazyLock;

use raccord_config::Importance::{self, High, Low, Medium};
use raccord_config::Type::{self, Boolean, Class, Int, List, Long, String as Text};
use raccord_config::{AnyClass, Config, ConfigDef, ConfigKey, Value};

use crate::config::{SaslKeys, SslKeys};

/// A Kafka client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `producer.override.`
    Producer,
    /// `consumer.override.`
    Consumer,
    /// `admin.override.`
    Admin,
}

/// Which clients have the setting, as letters; its name, type, default (`Null` for null, `-` for none), importance and
/// meaning.
type Row = (&'static str, &'static str, Type, &'static str, Importance, &'static str);

/// How null is written in the table.
const NULL: &str = "\0null";
/// How "required" is written in the table.
const REQUIRED: &str = "\0required";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("P", "acks", Text, "all", Low, "How many replicas must have a record before it counts as written: 0, 1 or all."),
    ("C", "allow.auto.create.topics", Boolean, "true", Medium, "Whether subscribing may create the topic on the broker."),
    ("C", "auto.commit.interval.ms", Int, "5000", Low, "How often offsets are committed, in milliseconds, when enable.auto.commit is set."),
    ("C", "auto.offset.reset", Text, "latest", Medium, "Where to begin in a partition without committed offset: earliest, latest, by_duration:<duration> or none."),
    ("P", "batch.size", Int, "16384", Medium, "How many bytes of records for a partition are sent together at most."),
    ("A", "bootstrap.controllers", List, "", High, "The controllers to connect to first, when brokers are not to be used."),
    ("A", "bootstrap.servers", List, "", High, "The brokers to connect to first, as host:port separated by commas."),
    ("PC", "bootstrap.servers", List, REQUIRED, High, "The brokers to connect to first, as host:port separated by commas."),
    ("P", "buffer.memory", Long, "33554432", High, "How many bytes of records may wait to be sent."),
    ("C", "check.crcs", Boolean, "true", Low, "Whether checksums of fetched records are checked."),
    ("PCA", "client.dns.lookup", Text, "use_all_dns_ips", Medium, "How the addresses of a broker's name are used."),
    ("C", "client.id", Text, "", Low, "The name by which the client shows up in the brokers' logs and quotas."),
    ("PA", "client.id", Text, "", Medium, "The name by which the client shows up in the brokers' logs and quotas."),
    ("C", "client.rack", Text, "", Low, "Where the client stands, so that it can fetch from a replica nearby."),
    ("P", "compression.gzip.level", Int, "-1", Medium, "The level of compression with gzip."),
    ("P", "compression.lz4.level", Int, "9", Medium, "The level of compression with lz4."),
    ("P", "compression.type", Text, "none", High, "How batches are compressed: none, gzip, snappy, lz4 or zstd."),
    ("P", "compression.zstd.level", Int, "3", Medium, "The level of compression with zstd."),
    ("PCA", "config.providers", List, "", Low, "Names of config providers of the client."),
    ("A", "connections.max.idle.ms", Long, "300000", Medium, "How long a connection may be idle, in milliseconds, before it is closed."),
    ("PC", "connections.max.idle.ms", Long, "540000", Medium, "How long a connection may be idle, in milliseconds, before it is closed."),
    ("CA", "default.api.timeout.ms", Int, "60000", Medium, "How long a call may take that has no timeout of its own, in milliseconds."),
    ("P", "delivery.timeout.ms", Int, "120000", Medium, "How long a record may take from send to success or failure, in milliseconds."),
    ("C", "enable.auto.commit", Boolean, "true", Medium, "Whether offsets are committed by the client on its own."),
    ("P", "enable.idempotence", Boolean, "true", Low, "Whether the broker removes duplicates that retries make."),
    ("A", "enable.metrics.push", Boolean, "false", Low, "Whether the client sends its metrics to the cluster when that asks for them."),
    ("PC", "enable.metrics.push", Boolean, "true", Low, "Whether the client sends its metrics to the cluster when that asks for them."),
    ("C", "exclude.internal.topics", Boolean, "true", Medium, "Whether internal topics are left out of a subscription by pattern."),
    ("C", "fetch.max.bytes", Int, "52428800", Medium, "How many bytes a fetch returns about at most."),
    ("C", "fetch.max.wait.ms", Int, "500", Low, "How long the broker waits for fetch.min.bytes, in milliseconds."),
    ("C", "fetch.min.bytes", Int, "1", High, "How many bytes a fetch waits for."),
    ("C", "group.id", Text, NULL, High, "The consumer group."),
    ("C", "group.instance.id", Text, NULL, Medium, "The name of a static member of the group."),
    ("C", "group.protocol", Text, "classic", High, "The protocol of the group: classic or consumer."),
    ("C", "group.remote.assignor", Text, NULL, Medium, "The assignor on the broker's side, with the protocol consumer."),
    ("C", "heartbeat.interval.ms", Int, "3000", High, "How often the member tells that it is alive, in milliseconds."),
    ("PC", "interceptor.classes", List, "", Low, "Java classes that see every record. Accepted and not used."),
    ("C", "internal.throw.on.fetch.stable.offset.unsupported", Boolean, "false", Low, "Whether a broker without stable offsets is an error."),
    ("C", "isolation.level", Text, "read_uncommitted", Medium, "Whether records of open and aborted transactions are read: read_committed or read_uncommitted."),
    ("C", "key.deserializer", Class, REQUIRED, High, "A Java class. Workers read bytes."),
    ("P", "key.serializer", Class, REQUIRED, High, "A Java class. Workers write bytes."),
    ("P", "linger.ms", Long, "5", Medium, "How long a batch waits for more records, in milliseconds."),
    ("P", "max.block.ms", Long, "60000", Medium, "How long sending may block, in milliseconds."),
    ("P", "max.in.flight.requests.per.connection", Int, "5", Low, "How many requests may be unanswered on a connection. More than one may reorder records unless the producer is idempotent."),
    ("C", "max.partition.fetch.bytes", Int, "1048576", High, "How many bytes a fetch returns for a partition about at most."),
    ("C", "max.poll.interval.ms", Int, "300000", Medium, "How long the member may work between polls, in milliseconds, before it loses its partitions."),
    ("C", "max.poll.records", Int, "500", Medium, "How many records a poll returns at most."),
    ("P", "max.request.size", Int, "1048576", Medium, "How large a request may be, in bytes, and with it a record."),
    ("PCA", "metadata.max.age.ms", Long, "300000", Low, "How old metadata may get, in milliseconds."),
    ("P", "metadata.max.idle.ms", Long, "300000", Low, "How long metadata of a topic that is not used is kept, in milliseconds."),
    ("PCA", "metadata.recovery.rebootstrap.trigger.ms", Long, "300000", Low, "How long metadata may be out of reach, in milliseconds, before the client begins again with bootstrap.servers."),
    ("PCA", "metadata.recovery.strategy", Text, "rebootstrap", Low, "What to do when no known broker can be reached: none or rebootstrap."),
    ("PCA", "metric.reporters", List, "org.apache.kafka.common.metrics.JmxReporter", Low, "Java classes that report metrics. Accepted and not used."),
    ("PCA", "metrics.num.samples", Int, "2", Low, "How many samples are kept to compute a metric."),
    ("PCA", "metrics.recording.level", Text, "INFO", Low, "The most detailed level at which metrics are recorded."),
    ("PCA", "metrics.sample.window.ms", Long, "30000", Low, "The span of a sample of a metric, in milliseconds."),
    ("C", "partition.assignment.strategy", List, "class org.apache.kafka.clients.consumer.RangeAssignor,class org.apache.kafka.clients.consumer.CooperativeStickyAssignor", Medium, "How partitions are divided in the group, as names of Java classes."),
    ("P", "partitioner.adaptive.partitioning.enable", Boolean, "true", Low, "Whether records without key go rather to brokers that answer fast."),
    ("P", "partitioner.availability.timeout.ms", Long, "0", Low, "How long a broker may be slow, in milliseconds, before records without key avoid it; 0 for never."),
    ("P", "partitioner.class", Class, NULL, Medium, "A Java class that chooses partitions. Not set: Kafka's own way."),
    ("P", "partitioner.ignore.keys", Boolean, "false", Medium, "Whether the key has no say in the partition."),
    ("P", "receive.buffer.bytes", Int, "32768", Medium, "The size of the TCP receive buffer in bytes; -1 for the operating system's."),
    ("CA", "receive.buffer.bytes", Int, "65536", Medium, "The size of the TCP receive buffer in bytes; -1 for the operating system's."),
    ("PCA", "reconnect.backoff.max.ms", Long, "1000", Low, "The longest wait before connecting to a host again, in milliseconds."),
    ("PCA", "reconnect.backoff.ms", Long, "50", Low, "The first wait before connecting to a host again, in milliseconds."),
    ("PCA", "request.timeout.ms", Int, "30000", Medium, "How long to wait for the answer to a request, in milliseconds."),
    ("P", "retries", Int, "2147483647", High, "How often a failed request is repeated."),
    ("A", "retries", Int, "2147483647", Low, "How often a failed request is repeated."),
    ("PCA", "retry.backoff.max.ms", Long, "1000", Low, "The longest wait before a failed request is repeated, in milliseconds."),
    ("PCA", "retry.backoff.ms", Long, "100", Low, "The first wait before a failed request is repeated, in milliseconds."),
    ("PCA", "security.protocol", Text, "PLAINTEXT", Medium, "The protocol spoken with brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."),
    ("PCA", "security.providers", Text, NULL, Low, "Java classes that provide security algorithms. Accepted and not used."),
    ("PCA", "send.buffer.bytes", Int, "131072", Medium, "The size of the TCP send buffer in bytes; -1 for the operating system's."),
    ("C", "session.timeout.ms", Int, "45000", High, "How long a member may be silent, in milliseconds, before it loses its partitions."),
    ("C", "share.acknowledgement.mode", Text, "implicit", Medium, "How records of a share group are acknowledged: implicit or explicit."),
    ("C", "share.acquire.mode", Text, "BATCH_OPTIMIZED", Medium, "How records of a share group are acquired."),
    ("PCA", "socket.connection.setup.timeout.max.ms", Long, "30000", Medium, "The longest that setting up a connection may take, in milliseconds."),
    ("PCA", "socket.connection.setup.timeout.ms", Long, "10000", Medium, "How long setting up a connection may take at first, in milliseconds."),
    ("P", "transaction.timeout.ms", Int, "60000", Low, "How long a transaction may be open, in milliseconds."),
    ("P", "transaction.two.phase.commit.enable", Boolean, "false", Low, "Whether transactions take part in a two-phase commit."),
    ("P", "transactional.id", Text, NULL, Low, "The name under which transactions are kept apart from those of other producers."),
    ("C", "value.deserializer", Class, REQUIRED, High, "A Java class. Workers read bytes."),
    ("P", "value.serializer", Class, REQUIRED, High, "A Java class. Workers write bytes."),
];

/// All settings of a client, with their definitions.
pub fn client_definition(client: Client) -> &'static ConfigDef {
    static DEFS: LazyLock<[ConfigDef; 3]> = LazyLock::new(|| ["P", "C", "A"].map(build));
    match client {
        Client::Producer => &DEFS[0],
        Client::Consumer => &DEFS[1],
        Client::Admin => &DEFS[2],
    }
}

fn build(letter: &str) -> ConfigDef {
    let mut def = ConfigDef::new();
    for &(clients, name, kind, default, importance, documentation) in ROWS {
        if !clients.contains(letter) {
            continue;
        }
        let default = match default {
            NULL => Some(Value::Null),
            REQUIRED => None,
            text => Value::parse(name, Some(text), kind, &AnyClass).ok(),
        };
        let group = name.starts_with("internal.").then(String::new);
        def.define(ConfigKey {
            default,
            importance,
            documentation: documentation.into(),
            group,
            ..ConfigKey::new(name, kind)
        });
    }
    // The worker shows TLS and SASL in groups of their own; clients have no groups.
    for key in SslKeys::def().keys().chain(SaslKeys::def().keys()) {
        def.define(ConfigKey { group: None, order: -1, ..key.clone() });
    }
    def
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_of_the_table_can_be_parsed() {
        for (_, name, kind, default, ..) in ROWS {
            if ![NULL, REQUIRED].contains(default) {
                assert!(Value::parse(name, Some(default), *kind, &AnyClass).is_ok(), "{name}");
            }
        }
    }
}
