//! The plugins of this crate, one constant each.

use std::sync::Arc;

use raccord_config::{Config, RawConfig};
use raccord_plugin::{ConfigDef, Converter, HeaderConverter, KAFKA_VERSION, Make, Plugin, Result, Role};

use crate::config::{DelegateConfig, JsonConfig, NoConfig, PlainConfig, StringConfig, Use, parse};
use crate::delegate::Delegating;
use crate::header::SimpleHeaderConverter;
use crate::json::JsonConverter;
use crate::plain::Plain;
use crate::primitive::Primitive;
use crate::string;

const fn plugin(class: &'static str, config: fn() -> &'static ConfigDef, make: Make) -> Plugin {
    Plugin { class, aliases: &[], version: KAFKA_VERSION, config, make }
}

/// Declares the converter of a kind of value, and the header converter of the same class.
macro_rules! primitive {
    ($name:ident, $header:ident, $kind:ident, $class:literal) => {
        #[doc = concat!("`", $class, "` for keys and values.")]
        pub const $name: Plugin = plugin(
            $class,
            PlainConfig::def,
            Make::Converter(|raw, role| {
                parse::<PlainConfig>(raw, role.into())?;
                Ok(Arc::new(Plain(Primitive::$kind)))
            }),
        );
        #[doc = concat!("`", $class, "` for headers.")]
        pub const $header: Plugin = plugin(
            $class,
            PlainConfig::def,
            Make::HeaderConverter(|raw| {
                parse::<PlainConfig>(raw, Use::Header)?;
                Ok(Arc::new(Plain(Primitive::$kind)))
            }),
        );
    };
}

primitive!(BOOLEAN, BOOLEAN_HEADER, Boolean, "org.apache.kafka.connect.converters.BooleanConverter");
primitive!(BYTE_ARRAY, BYTE_ARRAY_HEADER, Bytes, "org.apache.kafka.connect.converters.ByteArrayConverter");
primitive!(DOUBLE, DOUBLE_HEADER, Float64, "org.apache.kafka.connect.converters.DoubleConverter");
primitive!(FLOAT, FLOAT_HEADER, Float32, "org.apache.kafka.connect.converters.FloatConverter");
primitive!(INTEGER, INTEGER_HEADER, Int32, "org.apache.kafka.connect.converters.IntegerConverter");
primitive!(LONG, LONG_HEADER, Int64, "org.apache.kafka.connect.converters.LongConverter");
primitive!(SHORT, SHORT_HEADER, Int16, "org.apache.kafka.connect.converters.ShortConverter");

const JSON_CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const STRING_CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";

/// `JsonConverter` for keys and values.
pub const JSON: Plugin = plugin(JSON_CLASS, JsonConfig::def, Make::Converter(json));

/// `JsonConverter` for headers.
pub const JSON_HEADER: Plugin = plugin(JSON_CLASS, JsonConfig::def, Make::HeaderConverter(json_header));

/// `StringConverter` for keys and values.
pub const STRING: Plugin = plugin(STRING_CLASS, StringConfig::def, Make::Converter(string));

/// `StringConverter` for headers.
pub const STRING_HEADER: Plugin =
    plugin(STRING_CLASS, StringConfig::def, Make::HeaderConverter(string_header));

/// `SimpleHeaderConverter`.
pub const SIMPLE_HEADER: Plugin = plugin(
    "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    NoConfig::def,
    Make::HeaderConverter(|_| Ok(Arc::new(SimpleHeaderConverter))),
);

/// The version of Debezium whose converters these are.
const DEBEZIUM_VERSION: &str = "3.3.2.Final";

/// Declares a converter of Debezium, and the header converter of the same class.
macro_rules! delegating {
    ($name:ident, $header:ident, $class:literal) => {
        #[doc = concat!("`", $class, "` for keys and values.")]
        pub const $name: Plugin = Plugin {
            version: DEBEZIUM_VERSION,
            ..plugin(
                $class,
                DelegateConfig::def,
                Make::Converter(|raw, role| Ok(Arc::new(Delegating::new(raw, role)?))),
            )
        };
        #[doc = concat!("`", $class, "` for headers.")]
        pub const $header: Plugin = Plugin {
            version: DEBEZIUM_VERSION,
            ..plugin(
                $class,
                DelegateConfig::def,
                Make::HeaderConverter(|raw| Ok(Arc::new(Delegating::header(raw)?))),
            )
        };
    };
}

delegating!(DEBEZIUM_BINARY_DATA, DEBEZIUM_BINARY_DATA_HEADER, "io.debezium.converters.BinaryDataConverter");
delegating!(DEBEZIUM_BYTE_ARRAY, DEBEZIUM_BYTE_ARRAY_HEADER, "io.debezium.converters.ByteArrayConverter");

/// The converters that come with Debezium's connectors.
pub static DEBEZIUM_CONVERTERS: &[Plugin] =
    &[DEBEZIUM_BINARY_DATA, DEBEZIUM_BYTE_ARRAY, DEBEZIUM_BINARY_DATA_HEADER, DEBEZIUM_BYTE_ARRAY_HEADER];

/// All converters of Kafka and header converters, in the order in which Connect lists them.
pub static CONVERTERS: &[Plugin] = &[
    BOOLEAN,
    BYTE_ARRAY,
    DOUBLE,
    FLOAT,
    INTEGER,
    LONG,
    SHORT,
    JSON,
    STRING,
    BOOLEAN_HEADER,
    BYTE_ARRAY_HEADER,
    DOUBLE_HEADER,
    FLOAT_HEADER,
    INTEGER_HEADER,
    LONG_HEADER,
    SHORT_HEADER,
    JSON_HEADER,
    SIMPLE_HEADER,
    STRING_HEADER,
];

fn json(raw: &RawConfig, role: Role) -> Result<Arc<dyn Converter>> {
    Ok(Arc::new(JsonConverter::new(&parse(raw, role.into())?)?))
}

fn json_header(raw: &RawConfig) -> Result<Arc<dyn HeaderConverter>> {
    Ok(Arc::new(JsonConverter::new(&parse(raw, Use::Header)?)?))
}

fn string(raw: &RawConfig, role: Role) -> Result<Arc<dyn Converter>> {
    Ok(Arc::new(string::make(raw, role.into())?))
}

fn string_header(raw: &RawConfig) -> Result<Arc<dyn HeaderConverter>> {
    Ok(Arc::new(string::make(raw, Use::Header)?))
}
