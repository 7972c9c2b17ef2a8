//! `InsertHeader`: adds a header with the same value to every record.

use std::sync::Arc;

use raccord_config::{Config, Validator};
use raccord_data::values::parse_string;
use raccord_data::{Header, Record, SchemaAndValue, Text};
use raccord_plugin::{Plugin, Result, Transform};

/// The plugin.
pub const PLUGIN: Plugin =
    super::transform("org.apache.kafka.connect.transforms.InsertHeader", InsertHeaderConfig::def, |raw| {
        Ok(Box::new(InsertHeader::new(super::parse(raw)?)))
    });

#[derive(Debug, Config)]
struct InsertHeaderConfig {
    /// The name of the header.
    #[config(importance = High, validator = Validator::non_null())]
    header: String,
    /// The value. Its type follows from the text: `7` is an int8, `[1, 2]` an array, `2026-01-31` a date, `null` no value.
    #[config(importance = High, validator = Validator::non_null())]
    value_literal: String,
}

struct InsertHeader {
    header: Header,
}

impl InsertHeader {
    fn new(config: InsertHeaderConfig) -> Self {
        let literal = Text::from(config.value_literal);
        let SchemaAndValue { schema, value } = parse_string(&literal).unwrap_or_default();
        Self { header: Header { key: Arc::from(config.header), schema, value } }
    }
}

impl Transform for InsertHeader {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        record.headers.to_mut().push(self.header.clone());
        Ok(Some(record))
    }
}
