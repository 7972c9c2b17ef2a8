//! `ValueToKey`: makes a key of some of the value's fields.

use std::sync::Arc;

use raccord_config::{Config, Validator};
use raccord_data::java_map::HashEntries;
use raccord_data::{Record, Schema, Struct};
use raccord_plugin::{Plugin, Result, Transform};

use crate::building::Fields;
use crate::part::{entry, require_map, require_struct};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

/// The plugin.
pub const PLUGIN: Plugin =
    super::transform("org.apache.kafka.connect.transforms.ValueToKey", ValueToKeyConfig::def, |raw| {
        Ok(Box::new(ValueToKey::new(super::parse(raw)?)))
    });

const PURPOSE: &str = "copying fields from value to key";

#[derive(Debug, Config)]
struct ValueToKeyConfig {
    /// The names of the value's fields that make up the key, in order.
    #[config(importance = High, validator = Validator::list_without_duplicates(false, false))]
    fields: Vec<String>,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

struct ValueToKey {
    fields: Vec<String>,
    with_default: bool,
    keys: SchemaCache<Key>,
}

/// The key's schema, and where the value has its cells.
struct Key {
    schema: Arc<Schema>,
    places: Vec<usize>,
}

impl ValueToKey {
    fn new(config: ValueToKeyConfig) -> Self {
        Self {
            fields: config.fields,
            with_default: config.replace_null_with_default,
            keys: SchemaCache::default(),
        }
    }
}

impl Transform for ValueToKey {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value_schema.is_none() {
            let entries = require_map(&record.value, PURPOSE)?;
            let mut key = HashEntries::with_capacity(self.fields.len());
            for field in &self.fields {
                key.put(field, entry(entries, field).cloned().unwrap_or_default());
            }
            record.key = key.into_map();
            record.key_schema = None;
            return Ok(Some(record));
        }
        let value = require_struct(&record.value, PURPOSE)?;
        let fields = &self.fields;
        let key = self.keys.get(value.schema(), |schema| Key::of(schema, fields))?;
        let cells = key.schema.fields().iter().zip(&key.places).map(|(field, place)| {
            let mut cell = value.cells()[*place].clone();
            if self.with_default {
                fit::fill_default(&field.schema, &mut cell);
            }
            fit::check_field(field, &cell).map(|()| cell)
        });
        let cells = cells.collect::<Result<Vec<_>>>()?;
        record.key = Struct::new(Arc::clone(&key.schema), cells).into();
        record.key_schema = Some(Arc::clone(&key.schema));
        Ok(Some(record))
    }
}

impl Key {
    fn of(schema: &Schema, names: &[String]) -> Result<Self> {
        let (mut fields, mut places) = (Fields::default(), Vec::new());
        for name in names {
            let place = schema
                .index_of(name)
                .ok_or_else(|| exception::data(format!("Field does not exist: {name}")))?;
            fields.add(&**name, Arc::clone(&schema.fields()[place].schema))?;
            places.push(place);
        }
        Ok(Self { schema: Schema::of(fields.into_type()).build(), places })
    }
}
