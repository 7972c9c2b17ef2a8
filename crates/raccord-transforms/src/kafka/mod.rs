//! The transforms and predicates that Apache Kafka 4.3.1 brings, one topic a file.
//!
//! Results, refusals and orders of keys are those of the real ones, whose classes are asked about scenarios and random
//! chains in `parity/`. Two things they do are worth knowing when reading on. Every cell that is put into a struct is
//! checked against its field's schema, so a null in a required field fails here and not at the converter. And maps
//! without a schema are copied into a `HashMap`, so the order of their entries becomes that of a `HashMap`.

mod cast;
mod cast_value;
mod drop_headers;
mod extract_field;
mod field_path;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod mask_field;
mod numbers;
mod predicates;
mod regex_router;
mod replace_field;
mod set_schema_metadata;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

use raccord_config::{Config, RawConfig};
use raccord_plugin::{Error, KAFKA_VERSION, Make, Plugin, Predicate, Result, Transform};

/// The plugins, one constant each.
pub mod plugins {
    pub use super::cast::{KEY as CAST_KEY, VALUE as CAST_VALUE};
    pub use super::drop_headers::PLUGIN as DROP_HEADERS;
    pub use super::extract_field::{KEY as EXTRACT_FIELD_KEY, VALUE as EXTRACT_FIELD_VALUE};
    pub use super::filter::PLUGIN as FILTER;
    pub use super::flatten::{KEY as FLATTEN_KEY, VALUE as FLATTEN_VALUE};
    pub use super::header_from::{KEY as HEADER_FROM_KEY, VALUE as HEADER_FROM_VALUE};
    pub use super::hoist_field::{KEY as HOIST_FIELD_KEY, VALUE as HOIST_FIELD_VALUE};
    pub use super::insert_field::{KEY as INSERT_FIELD_KEY, VALUE as INSERT_FIELD_VALUE};
    pub use super::insert_header::PLUGIN as INSERT_HEADER;
    pub use super::mask_field::{KEY as MASK_FIELD_KEY, VALUE as MASK_FIELD_VALUE};
    pub use super::predicates::{HAS_HEADER_KEY, RECORD_IS_TOMBSTONE, TOPIC_NAME_MATCHES};
    pub use super::regex_router::PLUGIN as REGEX_ROUTER;
    pub use super::replace_field::{KEY as REPLACE_FIELD_KEY, VALUE as REPLACE_FIELD_VALUE};
    pub use super::set_schema_metadata::{
        KEY as SET_SCHEMA_METADATA_KEY, VALUE as SET_SCHEMA_METADATA_VALUE,
    };
    pub use super::timestamp_converter::{
        KEY as TIMESTAMP_CONVERTER_KEY, VALUE as TIMESTAMP_CONVERTER_VALUE,
    };
    pub use super::timestamp_router::PLUGIN as TIMESTAMP_ROUTER;
    pub use super::value_to_key::PLUGIN as VALUE_TO_KEY;
}

type MakeTransform = fn(&RawConfig) -> Result<Box<dyn Transform>>;
type MakePredicate = fn(&RawConfig) -> Result<Box<dyn Predicate>>;

const fn transform(
    class: &'static str,
    config: fn() -> &'static raccord_config::ConfigDef,
    make: MakeTransform,
) -> Plugin {
    Plugin { class, aliases: &[], version: KAFKA_VERSION, config, make: Make::Transformation(make) }
}

const fn predicate(
    class: &'static str,
    config: fn() -> &'static raccord_config::ConfigDef,
    make: MakePredicate,
) -> Plugin {
    Plugin { class, aliases: &[], version: KAFKA_VERSION, config, make: Make::Predicate(make) }
}

/// Declares the two plugins, `$Key` and `$Value`, of a transform whose constructor takes config and part.
macro_rules! key_and_value {
    ($transform:ident, $config:ident, $class:literal) => {
        #[doc = concat!("`", $class, "$Key`.")]
        pub const KEY: raccord_plugin::Plugin = super::transform(
            concat!("org.apache.kafka.connect.transforms.", $class, "$Key"),
            <$config as raccord_config::Config>::def,
            |raw| Ok(Box::new($transform::new(super::parse(raw)?, crate::part::Part::Key)?)),
        );
        #[doc = concat!("`", $class, "$Value`.")]
        pub const VALUE: raccord_plugin::Plugin = super::transform(
            concat!("org.apache.kafka.connect.transforms.", $class, "$Value"),
            <$config as raccord_config::Config>::def,
            |raw| Ok(Box::new($transform::new(super::parse(raw)?, crate::part::Part::Value)?)),
        );
    };
}
use key_and_value;

/// Parses a plugin's own config.
fn parse<C: Config>(raw: &RawConfig) -> Result<C> {
    C::parse(raw).map_err(|findings| Error::config(findings.first()))
}

/// Transforms and predicates without keys.
#[derive(Debug, Config)]
struct NoConfig {}
