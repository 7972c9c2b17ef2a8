//! Describing and altering the settings of topics and of the broker.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_configs_response,
    incremental_alter_configs_response,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Broker;
use crate::dispatch::text;
use crate::topic_config::{self, KEYS, Key, Kind, Overrides};
use crate::topics::{TopicError, refuse};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Where a value comes from, as DescribeConfigs numbers it.
#[derive(Debug, Clone, Copy)]
enum Source {
    Topic = 1,
    Broker = 2,
    Static = 4,
    Default = 5,
}

/// DescribeConfigs.
pub(crate) fn describe_configs(
    broker: &Broker,
    request: DescribeConfigsRequest,
    _version: i16,
) -> DescribeConfigsResponse {
    let results = request
        .resources
        .into_iter()
        .map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match describe(broker, &resource, request.include_synonyms) {
                Ok(configs) => result.with_configs(configs),
                Err(e) => result.with_error_code(e.code.code()).with_error_message(Some(text(e.message))),
            }
        })
        .collect();
    DescribeConfigsResponse::default().with_results(results)
}

fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, TopicError> {
    let mut configs = match resource.resource_type {
        TOPIC => describe_topic(broker, &resource.resource_name, synonyms)?,
        BROKER => describe_broker(broker, &resource.resource_name, synonyms)?,
        // Nothing of these can be set here.
        BROKER_LOGGER | CLIENT_METRICS | GROUP => Vec::new(),
        other => return refuse(ResponseError::InvalidRequest, format!("Unsupported resource type: {other}")),
    };
    if let Some(keys) = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty()) {
        configs.retain(|c| keys.contains(&c.name));
    }
    Ok(configs)
}

fn describe_topic(
    broker: &Broker,
    name: &str,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, TopicError> {
    let Some(topic) = broker.topics().get(name) else {
        crate::topics::check_name(name)?;
        return refuse(
            ResponseError::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        );
    };
    let (own, changed) = (topic.overrides(), broker.topics().broker_overrides());
    Ok(KEYS
        .iter()
        .map(|key| {
            let layers = layers(broker, key, Some(&own), &changed);
            entry(key.name, key.kind, false, layers, synonyms)
        })
        .collect())
}

/// The names and values that apply to a setting, the strongest first.
fn layers(
    broker: &Broker,
    key: &'static Key,
    topic: Option<&Overrides>,
    changed: &Overrides,
) -> Vec<(&'static str, String, Source)> {
    let mut out = Vec::new();
    if let Some(value) = topic.and_then(|t| t.get(key.name)) {
        out.push((key.name, value.clone(), Source::Topic));
    }
    let broker_name = key.broker_name.unwrap_or(key.name);
    if let Some(value) = changed.get(broker_name) {
        out.push((broker_name, value.clone(), Source::Broker));
    }
    let builtin = key.default(&crate::config::BrokerConfig::default());
    let configured = key.default(broker.config());
    if configured != builtin {
        out.push((broker_name, configured, Source::Static));
    }
    out.push((broker_name, builtin, Source::Default));
    out
}

fn entry(
    name: &'static str,
    kind: Kind,
    read_only: bool,
    layers: Vec<(&'static str, String, Source)>,
    synonyms: bool,
) -> DescribeConfigsResourceResult {
    let (_, value, source) = layers[0].clone();
    let synonyms = if synonyms {
        layers
            .into_iter()
            .filter(|(name, _, source)| !matches!(source, Source::Default) || has_broker_name(name))
            .map(|(name, value, source)| {
                DescribeConfigsSynonym::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_value(Some(text(value)))
                    .with_source(source as i8)
            })
            .collect()
    } else {
        Vec::new()
    };
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(text(value)))
        .with_read_only(read_only)
        .with_config_source(source as i8)
        .with_synonyms(synonyms)
        .with_config_type(kind as i8)
}

/// A topic setting without a broker-wide one has no synonym for its default.
fn has_broker_name(name: &str) -> bool {
    topic_config::find_broker(name).is_some()
}

fn describe_broker(
    broker: &Broker,
    name: &str,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, TopicError> {
    check_broker_name(broker, name)?;
    let changed = broker.topics().broker_overrides();
    let mut out: Vec<_> = KEYS
        .iter()
        .filter_map(|key| Some((key, key.broker_name?)))
        .filter(|(_, broker_name)| !name.is_empty() || changed.contains_key(*broker_name))
        .map(|(key, broker_name)| {
            entry(broker_name, key.kind, false, layers(broker, key, None, &changed), synonyms)
        })
        .collect();
    if !name.is_empty() {
        let fixed = fixed_settings(broker).into_iter();
        out.extend(fixed.map(|(name, kind, value)| {
            entry(name, kind, true, vec![(name, value, Source::Static)], synonyms)
        }));
    }
    Ok(out)
}

/// Settings that only a restart changes, under their names in `server.properties`.
fn fixed_settings(broker: &Broker) -> Vec<(&'static str, Kind, String)> {
    let c = broker.config();
    let (host, port) = broker.advertised();
    vec![
        ("advertised.listeners", Kind::String, format!("PLAINTEXT://{host}:{port}")),
        ("auto.create.topics.enable", Kind::Boolean, c.auto_create_topics.to_string()),
        ("connections.max.idle.ms", Kind::Long, c.connection_idle_ms.to_string()),
        ("default.replication.factor", Kind::Int, "1".to_string()),
        ("fetch.max.bytes", Kind::Int, c.fetch_max_bytes.to_string()),
        ("group.initial.rebalance.delay.ms", Kind::Int, c.group_initial_rebalance_delay_ms.to_string()),
        ("group.max.session.timeout.ms", Kind::Int, c.group_max_session_timeout_ms.to_string()),
        ("group.min.session.timeout.ms", Kind::Int, c.group_min_session_timeout_ms.to_string()),
        ("log.dirs", Kind::String, c.data_dir.to_string_lossy().into_owned()),
        ("max.connections", Kind::Int, c.max_connections.to_string()),
        ("node.id", Kind::Int, c.node_id.to_string()),
        ("num.partitions", Kind::Int, c.num_partitions.to_string()),
        ("offsets.topic.num.partitions", Kind::Int, c.offsets_topic_partitions.to_string()),
        ("socket.request.max.bytes", Kind::Int, c.request_max_bytes.to_string()),
        ("transaction.max.timeout.ms", Kind::Int, c.transaction_max_timeout_ms.to_string()),
        ("transaction.state.log.num.partitions", Kind::Int, c.transaction_topic_partitions.to_string()),
    ]
}

fn check_broker_name(broker: &Broker, name: &str) -> Result<(), TopicError> {
    let id = broker.config().node_id;
    if name.is_empty() || name.parse() == Ok(id) {
        return Ok(());
    }
    let message = format!("Unexpected broker id, expected {id} or empty string, but received {name}");
    refuse(ResponseError::InvalidRequest, message)
}

/// One change asked for.
struct Change {
    name: String,
    operation: Operation,
    value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

/// AlterConfigs: the given settings replace all of the resource's.
pub(crate) fn alter_configs(broker: &Broker, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request
        .resources
        .into_iter()
        .map(|r| {
            let changes = r
                .configs
                .iter()
                .map(|c| Change {
                    name: c.name.to_string(),
                    operation: Operation::Set,
                    value: c.value.as_ref().map(|v| v.to_string()),
                })
                .collect();
            let done = alter(broker, r.resource_type, &r.resource_name, changes, true, request.validate_only);
            let response = alter_configs_response::AlterConfigsResourceResponse::default()
                .with_resource_type(r.resource_type)
                .with_resource_name(r.resource_name);
            match done {
                Ok(()) => response,
                Err(e) => response.with_error_code(e.code.code()).with_error_message(Some(text(e.message))),
            }
        })
        .collect();
    AlterConfigsResponse::default().with_responses(responses)
}

/// IncrementalAlterConfigs: set, delete, append to and subtract from single settings.
pub(crate) fn incremental_alter_configs(
    broker: &Broker,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request
        .resources
        .into_iter()
        .map(|r| {
            let changes: Result<Vec<Change>, TopicError> = r
                .configs
                .iter()
                .map(|c| {
                    let operation = operation(c.config_operation)?;
                    Ok(Change {
                        name: c.name.to_string(),
                        operation,
                        value: c.value.as_ref().map(|v| v.to_string()),
                    })
                })
                .collect();
            let done = changes.and_then(|c| {
                alter(broker, r.resource_type, &r.resource_name, c, false, request.validate_only)
            });
            let response = incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                .with_resource_type(r.resource_type)
                .with_resource_name(r.resource_name);
            match done {
                Ok(()) => response,
                Err(e) => response.with_error_code(e.code.code()).with_error_message(Some(text(e.message))),
            }
        })
        .collect();
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn operation(code: i8) -> Result<Operation, TopicError> {
    match code {
        0 => Ok(Operation::Set),
        1 => Ok(Operation::Delete),
        2 => Ok(Operation::Append),
        3 => Ok(Operation::Subtract),
        other => refuse(ResponseError::InvalidRequest, format!("Unknown operation code {other}")),
    }
}

fn alter(
    broker: &Broker,
    resource_type: i8,
    name: &str,
    changes: Vec<Change>,
    replace: bool,
    validate_only: bool,
) -> Result<(), TopicError> {
    match resource_type {
        TOPIC => {
            let Some(topic) = broker.topics().get(name) else {
                let message = format!("The topic '{name}' does not exist.");
                return refuse(ResponseError::UnknownTopicOrPartition, message);
            };
            let changed = broker.topics().broker_overrides();
            let find = |name: &str| topic_config::find(name).map(|k| (k, layers(broker, k, None, &changed)));
            let current = if replace { Overrides::new() } else { topic.overrides() };
            let overrides = apply(current, changes, "topic", &find)?;
            if validate_only { Ok(()) } else { broker.topics().set_overrides(&topic, overrides) }
        }
        BROKER => {
            check_broker_name(broker, name)?;
            let none = Overrides::new();
            let find =
                |name: &str| topic_config::find_broker(name).map(|k| (k, layers(broker, k, None, &none)));
            if let Some(fixed) =
                changes.iter().find(|c| fixed_settings(broker).iter().any(|(n, ..)| *n == c.name))
            {
                let message = format!("Cannot update these configs dynamically: Set({})", fixed.name);
                return refuse(ResponseError::InvalidRequest, message);
            }
            let current = if replace { Overrides::new() } else { broker.topics().broker_overrides() };
            let overrides = apply(current, changes, "broker", &find)?;
            if validate_only { Ok(()) } else { broker.topics().set_broker_overrides(overrides) }
        }
        other => refuse(ResponseError::InvalidRequest, format!("Resource type {other} has no settings here")),
    }
}

type Found = Option<(&'static Key, Vec<(&'static str, String, Source)>)>;

fn apply(
    mut overrides: Overrides,
    changes: Vec<Change>,
    what: &str,
    find: &dyn Fn(&str) -> Found,
) -> Result<Overrides, TopicError> {
    let mut seen = std::collections::HashSet::new();
    for change in changes {
        let Change { name, operation, value } = change;
        if !seen.insert(name.clone()) {
            return refuse(ResponseError::InvalidRequest, "Error due to duplicate config keys");
        }
        if operation == Operation::Delete {
            overrides.remove(&name);
            continue;
        }
        let Some((key, defaults)) = find(&name) else {
            return refuse(ResponseError::InvalidConfig, format!("Unknown {what} config name: {name}"));
        };
        let Some(value) = value else {
            let message = format!("Null value not supported for : {name}");
            return refuse(ResponseError::InvalidRequest, message);
        };
        let value = match operation {
            Operation::Append | Operation::Subtract => {
                let current = overrides.get(&name).cloned().unwrap_or_else(|| defaults[0].1.clone());
                change_list(key, &name, &current, &value, operation)?
            }
            _ => value,
        };
        key.check(&name, &value)
            .map_err(|message| TopicError { code: ResponseError::InvalidConfig, message })?;
        overrides.insert(name, value);
    }
    Ok(overrides)
}

fn change_list(
    key: &Key,
    name: &str,
    current: &str,
    value: &str,
    operation: Operation,
) -> Result<String, TopicError> {
    if key.kind != Kind::List {
        let verb = if operation == Operation::Append { "APPEND" } else { "SUBTRACT" };
        let message = format!("Can't {verb} to key {name} because its type is not LIST.");
        return refuse(ResponseError::InvalidConfig, message);
    }
    let split = |s: &str| s.split(',').map(str::trim).filter(|p| !p.is_empty()).map(String::from).collect();
    let mut parts: Vec<String> = split(current);
    let delta: Vec<String> = split(value);
    match operation {
        Operation::Subtract => parts.retain(|p| !delta.contains(p)),
        _ => {
            for part in delta {
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
    }
    Ok(parts.join(","))
}
