//! The table of Java client properties. Names and meanings: Kafka 4.3's ProducerConfig, ConsumerConfig, AdminClientConfig,
//! SslConfigs and SaslConfigs; librdkafka 2.12's CONFIGURATION.md.

use crate::properties::Settings;

/// What becomes of a property.
pub(crate) enum Use {
    /// librdkafka has the same property.
    Same,
    /// librdkafka has it by another name.
    As(&'static str),
    /// A number, kept within what librdkafka allows, for one or several properties.
    Clamp(&'static [&'static str], i64, i64),
    /// Converted; an error says why the value cannot be used.
    With(fn(&str) -> Result<Settings, String>),
    /// Read by other code of this crate.
    Elsewhere,
    /// Without effect and without need of it.
    Quiet,
    /// Without effect, which the user should know.
    Warned,
}

use Use::{As, Clamp, Elsewhere, Quiet, Same, Warned, With};

const P: u8 = 1;
const C: u8 = 2;
const A: u8 = 4;
const ALL: u8 = P | C | A;

const INT_MAX: i64 = i32::MAX as i64;

/// Java name, kinds of clients that have it (producer, consumer, admin), what becomes of it.
pub(crate) const TABLE: &[(&str, u8, Use)] = &[
    // All clients
    ("bootstrap.servers", ALL, With(servers)),
    ("client.id", ALL, Same),
    ("client.dns.lookup", ALL, Same),
    ("client.rack", C, Same),
    ("connections.max.idle.ms", ALL, Clamp(&["connections.max.idle.ms"], 0, INT_MAX)),
    ("request.timeout.ms", P, Clamp(&["request.timeout.ms", "socket.timeout.ms"], 10, 300_000)),
    ("request.timeout.ms", C | A, Clamp(&["socket.timeout.ms"], 10, 300_000)),
    ("default.api.timeout.ms", C | A, Quiet),
    ("retry.backoff.ms", ALL, Clamp(&["retry.backoff.ms"], 1, 300_000)),
    ("retry.backoff.max.ms", ALL, Clamp(&["retry.backoff.max.ms"], 1, 300_000)),
    ("reconnect.backoff.ms", ALL, Clamp(&["reconnect.backoff.ms"], 0, 3_600_000)),
    ("reconnect.backoff.max.ms", ALL, Clamp(&["reconnect.backoff.max.ms"], 0, 3_600_000)),
    (
        "socket.connection.setup.timeout.ms",
        ALL,
        Clamp(&["socket.connection.setup.timeout.ms"], 1000, INT_MAX),
    ),
    ("socket.connection.setup.timeout.max.ms", ALL, Quiet),
    ("send.buffer.bytes", ALL, Clamp(&["socket.send.buffer.bytes"], 0, 100_000_000)),
    ("receive.buffer.bytes", ALL, Clamp(&["socket.receive.buffer.bytes"], 0, 100_000_000)),
    (
        "metadata.max.age.ms",
        ALL,
        Clamp(&["metadata.max.age.ms", "topic.metadata.refresh.interval.ms"], 1, 3_600_000),
    ),
    ("metadata.max.idle.ms", P, Quiet),
    ("metadata.recovery.strategy", ALL, Same),
    (
        "metadata.recovery.rebootstrap.trigger.ms",
        ALL,
        Clamp(&["metadata.recovery.rebootstrap.trigger.ms"], 0, INT_MAX),
    ),
    ("enable.metrics.push", ALL, Same),
    ("metric.reporters", ALL, Quiet),
    ("metrics.num.samples", ALL, Quiet),
    ("metrics.recording.level", ALL, Quiet),
    ("metrics.sample.window.ms", ALL, Quiet),
    ("auto.include.jmx.reporter", ALL, Quiet),
    ("interceptor.classes", P | C, Warned),
    ("security.providers", ALL, Warned),
    ("security.protocol", ALL, With(|value| Ok(vec![("security.protocol", value.to_ascii_lowercase())]))),
    ("config.providers", ALL, Quiet),
    ("bootstrap.controllers", A, Warned),
    // Producer
    ("acks", P, Same),
    ("enable.idempotence", P, Same),
    ("max.in.flight.requests.per.connection", P, Same),
    ("retries", P, As("message.send.max.retries")),
    ("retries", A, Quiet),
    ("delivery.timeout.ms", P, With(delivery_timeout)),
    // librdkafka takes up to an hour, but counts in microseconds of 32 bits: beyond 35 minutes its limit turns negative,
    // and a topic that is about to be created counts as missing at once.
    ("max.block.ms", P, Clamp(&["topic.metadata.propagation.max.ms"], 0, INT_MAX / 1000)),
    ("linger.ms", P, Clamp(&["linger.ms"], 0, 900_000)),
    ("batch.size", P, Clamp(&["batch.size"], 1, INT_MAX)),
    ("buffer.memory", P, With(buffer_memory)),
    ("max.request.size", P, Clamp(&["message.max.bytes"], 1000, 1_000_000_000)),
    ("compression.type", P, Same),
    ("compression.gzip.level", P, With(compression_level)),
    ("compression.lz4.level", P, With(compression_level)),
    ("compression.zstd.level", P, Warned),
    ("partitioner.class", P, With(partitioner)),
    ("partitioner.ignore.keys", P, With(ignore_keys)),
    ("partitioner.adaptive.partitioning.enable", P, Quiet),
    ("partitioner.availability.timeout.ms", P, Quiet),
    ("key.serializer", P, Quiet),
    ("value.serializer", P, Quiet),
    ("transactional.id", P, With(|_| Err("exactly-once delivery is set up by the worker alone".to_owned()))),
    ("transaction.timeout.ms", P, Same),
    ("transaction.two.phase.commit.enable", P, Warned),
    // Consumer
    ("group.id", C, Same),
    ("group.instance.id", C, Same),
    ("group.protocol", C, Same),
    ("group.remote.assignor", C, Same),
    ("session.timeout.ms", C, Clamp(&["session.timeout.ms"], 1, 3_600_000)),
    ("heartbeat.interval.ms", C, Clamp(&["heartbeat.interval.ms"], 1, 3_600_000)),
    ("max.poll.interval.ms", C, Clamp(&["max.poll.interval.ms"], 1, 86_400_000)),
    ("max.poll.records", C, Elsewhere),
    ("partition.assignment.strategy", C, With(assignors)),
    ("auto.offset.reset", C, With(offset_reset)),
    ("isolation.level", C, Same),
    ("fetch.min.bytes", C, Clamp(&["fetch.min.bytes"], 1, 100_000_000)),
    ("fetch.max.wait.ms", C, Clamp(&["fetch.wait.max.ms"], 0, 300_000)),
    ("fetch.max.bytes", C, Clamp(&["fetch.max.bytes"], 0, 2_147_483_135)),
    ("max.partition.fetch.bytes", C, Clamp(&["max.partition.fetch.bytes"], 1, 1_000_000_000)),
    ("check.crcs", C, Same),
    ("allow.auto.create.topics", C, Same),
    ("exclude.internal.topics", C, Elsewhere),
    // Offsets are committed by the sink loop only, as in Connect.
    ("enable.auto.commit", C, Quiet),
    ("auto.commit.interval.ms", C, Quiet),
    ("key.deserializer", C, Quiet),
    ("value.deserializer", C, Quiet),
    ("internal.leave.group.on.close", C, Quiet),
    ("internal.throw.on.fetch.stable.offset.unsupported", C, Quiet),
    ("share.acknowledgement.mode", C, Quiet),
    ("share.acquire.mode", C, Quiet),
    // Security; see properties_security
    ("ssl.truststore.type", ALL, Elsewhere),
    ("ssl.truststore.location", ALL, Elsewhere),
    ("ssl.truststore.password", ALL, Elsewhere),
    ("ssl.truststore.certificates", ALL, Elsewhere),
    ("ssl.keystore.type", ALL, Elsewhere),
    ("ssl.keystore.location", ALL, Elsewhere),
    ("ssl.keystore.password", ALL, Elsewhere),
    ("ssl.keystore.key", ALL, Elsewhere),
    ("ssl.keystore.certificate.chain", ALL, Elsewhere),
    ("ssl.key.password", ALL, Elsewhere),
    ("ssl.endpoint.identification.algorithm", ALL, Elsewhere),
    ("ssl.enabled.protocols", ALL, Quiet),
    ("ssl.protocol", ALL, Quiet),
    ("ssl.provider", ALL, Quiet),
    ("ssl.keymanager.algorithm", ALL, Quiet),
    ("ssl.trustmanager.algorithm", ALL, Quiet),
    ("ssl.secure.random.implementation", ALL, Quiet),
    ("ssl.cipher.suites", ALL, Elsewhere),
    ("ssl.engine.factory.class", ALL, Warned),
    ("sasl.mechanism", ALL, Elsewhere),
    ("sasl.jaas.config", ALL, Elsewhere),
    ("sasl.client.callback.handler.class", ALL, Elsewhere),
    ("sasl.login.callback.handler.class", ALL, Elsewhere),
    ("sasl.oauthbearer.token.endpoint.url", ALL, Elsewhere),
    ("sasl.oauthbearer.client.credentials.client.id", ALL, Elsewhere),
    ("sasl.oauthbearer.client.credentials.client.secret", ALL, Elsewhere),
    ("sasl.oauthbearer.scope", ALL, Elsewhere),
    ("sasl.oauthbearer.header.urlencode", ALL, Elsewhere),
    ("sasl.oauthbearer.sub.claim.name", ALL, Elsewhere),
    ("sasl.oauthbearer.jwt.retriever.class", ALL, Elsewhere),
    ("sasl.login.connect.timeout.ms", ALL, Elsewhere),
    ("sasl.login.read.timeout.ms", ALL, Elsewhere),
    ("sasl.login.refresh.buffer.seconds", ALL, Elsewhere),
    ("sasl.login.refresh.min.period.seconds", ALL, Elsewhere),
    ("sasl.login.refresh.window.factor", ALL, Elsewhere),
    ("sasl.login.refresh.window.jitter", ALL, Elsewhere),
    ("sasl.login.retry.backoff.ms", ALL, Elsewhere),
    ("sasl.login.retry.backoff.max.ms", ALL, Elsewhere),
    ("sasl.login.class", ALL, Warned),
    // Tokens are checked by brokers.
    ("sasl.oauthbearer.jwt.validator.class", ALL, Quiet),
    ("sasl.oauthbearer.scope.claim.name", ALL, Quiet),
    ("sasl.oauthbearer.clock.skew.seconds", ALL, Quiet),
    ("sasl.oauthbearer.expected.audience", ALL, Quiet),
    ("sasl.oauthbearer.expected.issuer", ALL, Quiet),
    ("sasl.oauthbearer.jwks.endpoint.url", ALL, Quiet),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", ALL, Quiet),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", ALL, Quiet),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", ALL, Quiet),
    // For the grant of JWT bearers, which is refused where it is asked for.
    ("sasl.oauthbearer.assertion.algorithm", ALL, Warned),
    ("sasl.oauthbearer.assertion.claim.aud", ALL, Warned),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", ALL, Warned),
    ("sasl.oauthbearer.assertion.claim.iss", ALL, Warned),
    ("sasl.oauthbearer.assertion.claim.jti.include", ALL, Warned),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", ALL, Warned),
    ("sasl.oauthbearer.assertion.claim.sub", ALL, Warned),
    ("sasl.oauthbearer.assertion.file", ALL, Warned),
    ("sasl.oauthbearer.assertion.private.key.file", ALL, Warned),
    ("sasl.oauthbearer.assertion.private.key.passphrase", ALL, Warned),
    ("sasl.oauthbearer.assertion.template.file", ALL, Warned),
    ("sasl.kerberos.service.name", ALL, Quiet),
    ("sasl.kerberos.kinit.cmd", ALL, Quiet),
    ("sasl.kerberos.min.time.before.relogin", ALL, Quiet),
    ("sasl.kerberos.ticket.renew.jitter", ALL, Quiet),
    ("sasl.kerberos.ticket.renew.window.factor", ALL, Quiet),
];

fn servers(value: &str) -> Result<Settings, String> {
    let servers: Vec<&str> = value.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
    match servers.is_empty() {
        true => Err("No resolvable bootstrap urls given in bootstrap.servers".to_owned()),
        false => Ok(vec![("bootstrap.servers", servers.join(","))]),
    }
}

/// The largest number means for ever, which librdkafka calls 0.
fn delivery_timeout(value: &str) -> Result<Settings, String> {
    let ms: i64 = value.parse().map_err(|_| "Not a number of type INT".to_owned())?;
    let ms = if ms >= INT_MAX { 0 } else { ms.max(1) };
    Ok(vec![("message.timeout.ms", ms.to_string())])
}

fn buffer_memory(value: &str) -> Result<Settings, String> {
    let bytes: i64 = value.parse().map_err(|_| "Not a number of type LONG".to_owned())?;
    Ok(vec![("queue.buffering.max.kbytes", (bytes / 1024).clamp(1, INT_MAX).to_string())])
}

/// One property serves gzip (0 to 9) and lz4 (0 to 12).
fn compression_level(value: &str) -> Result<Settings, String> {
    let level: i64 = value.parse().map_err(|_| "Not a number of type INT".to_owned())?;
    Ok(vec![("compression.level", level.clamp(-1, 12).to_string())])
}

fn partitioner(value: &str) -> Result<Settings, String> {
    match value {
        "" | "org.apache.kafka.clients.producer.internals.DefaultPartitioner" => Ok(Vec::new()),
        "org.apache.kafka.clients.producer.RoundRobinPartitioner" => {
            Ok(vec![("partitioner", "random".to_owned()), ("sticky.partitioning.linger.ms", "0".to_owned())])
        }
        "org.apache.kafka.clients.producer.UniformStickyPartitioner" => {
            Ok(vec![("partitioner", "random".to_owned())])
        }
        _ => {
            Err("partitioners in Java classes cannot be used; set the partition with a transform".to_owned())
        }
    }
}

fn ignore_keys(value: &str) -> Result<Settings, String> {
    match value.eq_ignore_ascii_case("true") {
        true => Ok(vec![("partitioner", "random".to_owned())]),
        false => Ok(Vec::new()),
    }
}

/// Java's list may mix eager and cooperative assignors to migrate a group; it then uses the eager ones, and librdkafka
/// takes one kind only.
fn assignors(value: &str) -> Result<Settings, String> {
    let mut eager = Vec::new();
    let mut cooperative = false;
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name.rsplit('.').next().unwrap_or(name) {
            "RangeAssignor" | "range" => eager.push("range"),
            "RoundRobinAssignor" | "roundrobin" => eager.push("roundrobin"),
            "CooperativeStickyAssignor" | "cooperative-sticky" => cooperative = true,
            "StickyAssignor" => {
                return Err("use CooperativeStickyAssignor instead of StickyAssignor".to_owned());
            }
            _ => return Err("assignors in Java classes cannot be used".to_owned()),
        }
    }
    match (eager.is_empty(), cooperative) {
        (true, true) => Ok(vec![("partition.assignment.strategy", "cooperative-sticky".to_owned())]),
        (true, false) => Ok(Vec::new()),
        (false, _) => Ok(vec![("partition.assignment.strategy", eager.join(","))]),
    }
}

fn offset_reset(value: &str) -> Result<Settings, String> {
    match value.to_ascii_lowercase().as_str() {
        reset @ ("earliest" | "latest") => Ok(vec![("auto.offset.reset", reset.to_owned())]),
        "none" => Ok(vec![("auto.offset.reset", "error".to_owned())]),
        _ => Err("use earliest, latest or none".to_owned()),
    }
}
