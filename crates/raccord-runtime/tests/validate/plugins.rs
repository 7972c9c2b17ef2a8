//! The plugins of the real worker that the recordings were made with, as far as validation sees them: their
//! definitions, from a dump of Kafka's classes.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use raccord_config::{AnyClass, ConfigDef, ConfigKey, Importance, Type, Validator, Value, Width};
use raccord_plugin::data::Header;
use raccord_plugin::*;

const DUMP: &str = include_str!("../data/kafka-4.3.1-plugins.tsv");

/// All plugins of the dump.
pub fn plugins() -> &'static [Plugin] {
    static PLUGINS: LazyLock<Vec<Plugin>> = LazyLock::new(|| {
        let rows = DUMP.lines().filter_map(|line| line.strip_prefix("plugin\t"));
        rows.zip(CONFIGS)
            .map(|(row, config)| {
                let [class, kind, version] = row.split('\t').collect::<Vec<_>>()[..] else {
                    panic!("a plugin has three columns: {row}")
                };
                Plugin { class, aliases: &[], version, config: *config, make: make(kind) }
            })
            .collect()
    });
    assert_eq!(PLUGINS.len(), DUMP.lines().filter(|line| line.starts_with("plugin\t")).count());
    &PLUGINS
}

fn defs() -> &'static [ConfigDef] {
    static DEFS: LazyLock<Vec<ConfigDef>> = LazyLock::new(|| {
        let mut defs = Vec::new();
        for line in DUMP.lines() {
            match line.strip_prefix("key\t") {
                None => defs.push(ConfigDef::new()),
                Some(row) => {
                    defs.last_mut().expect("a plugin comes before its keys").define(key(row));
                }
            }
        }
        defs
    });
    &DEFS
}

fn nth<const N: usize>() -> &'static ConfigDef {
    &defs()[N]
}

macro_rules! configs {
    ($($n:literal)*) => { &[$(nth::<$n>),*] };
}

/// A function for each plugin, since a plugin's definition is a plain function.
const CONFIGS: &[fn() -> &'static ConfigDef] = configs!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41
    42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59
);

fn key(row: &'static str) -> ConfigKey {
    let columns: Vec<&str> = row.split('\t').collect();
    let [name, kind, default, importance, group, order, width, display, _, validator] = columns[..] else {
        panic!("a key has ten columns: {row}")
    };
    let kind = kind_of(kind);
    let required = default == "<required>";
    ConfigKey {
        default: match default {
            "<required>" => None,
            "<null>" => Some(Value::Null),
            text => Some(Value::parse(name, Some(text), kind, &AnyClass).expect("a default is valid")),
        },
        validator: validator_of(validator, required),
        importance: match importance {
            "HIGH" => Importance::High,
            "MEDIUM" => Importance::Medium,
            _ => Importance::Low,
        },
        group: (group != "<null>").then(|| group.to_owned()),
        order: order.parse().expect("a number"),
        width: match width {
            "NONE" => Width::None,
            "SHORT" => Width::Short,
            "MEDIUM" => Width::Medium,
            _ => Width::Long,
        },
        display_name: display.to_owned(),
        ..ConfigKey::new(name, kind)
    }
}

pub fn kind_of(name: &str) -> Type {
    use Type::*;
    [Boolean, String, Int, Short, Long, Double, List, Class, Password]
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .expect("a type of Kafka")
}

fn validator_of(description: &'static str, required: bool) -> Option<Validator> {
    let texts = |list: &'static str| -> &'static [&'static str] {
        list.trim_matches(['[', ']']).split(", ").collect::<Vec<_>>().leak()
    };
    Some(match description {
        "" => return None,
        "non-empty string" => Validator::non_empty(),
        "valid regex" => Validator::regex(),
        "non-empty string, valid regex" => Validator::non_empty().and(Validator::regex()),
        "non-null string" => Validator::non_null(),
        "org.apache.kafka.common.config.ConfigDef$ValidList" => {
            Validator::list_without_duplicates(!required, false)
        }
        "non-empty list" => Validator::new("non-empty list", |name, value| match value.as_list() {
            Some([_, ..]) => Ok(()),
            _ => Err(raccord_config::invalid_value(name, value, "Empty list")),
        }),
        pairs if pairs.starts_with("list of colon-delimited pairs") => return None,
        cased if cased.starts_with("(case insensitive) ") => {
            Validator::one_of_ignore_case(texts(&cased["(case insensitive) ".len()..]))
        }
        list if list.starts_with('[') => Validator::one_of(texts(list)),
        other => panic!("unknown validator {other}"),
    })
}

fn make(kind: &str) -> Make {
    match kind {
        "source" => {
            Make::Source { connector: || Box::new(Nothing), task: || unreachable!("no task is started") }
        }
        "sink" => Make::Sink { connector: || Box::new(Nothing), task: || unreachable!("no task is started") },
        "converter" => Make::Converter(|_, _| unreachable!("no converter is made")),
        "header_converter" => Make::HeaderConverter(|_| Ok(Arc::new(Nothing))),
        "transformation" => Make::Transformation(|_| unreachable!("no transform is made")),
        _ => Make::Predicate(|_| unreachable!("no predicate is made")),
    }
}

/// A connector that can be asked and not started.
struct Nothing;

#[async_trait]
impl SourceConnector for Nothing {
    async fn start(&mut self, _context: ConnectorContext, _config: &RawConfig) -> Result<()> {
        unreachable!("validation starts nothing")
    }

    fn task_configs(&mut self, _max_tasks: u32) -> Result<Vec<RawConfig>> {
        unreachable!("validation starts nothing")
    }

    fn exactly_once_support(&self, _config: &RawConfig) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Supported
    }
}

#[async_trait]
impl SinkConnector for Nothing {
    async fn start(&mut self, _context: ConnectorContext, _config: &RawConfig) -> Result<()> {
        unreachable!("validation starts nothing")
    }

    fn task_configs(&mut self, _max_tasks: u32) -> Result<Vec<RawConfig>> {
        unreachable!("validation starts nothing")
    }
}

impl HeaderConverter for Nothing {
    fn encode(&self, _topic: &str, _header: &Header, _out: &mut Vec<u8>) -> Result<Encoded> {
        unreachable!("validation converts nothing")
    }

    fn decode(&self, _topic: &str, _key: &str, _bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        unreachable!("validation converts nothing")
    }
}
