//! `HoistField`: wraps the whole key or value into a struct or map with one field.

use std::sync::Arc;

use raccord_config::Config;
use raccord_data::{Record, Schema, Struct, Text, Value};
use raccord_plugin::{Result, Transform};

use crate::building::Fields;
use crate::fit;
use crate::part::Part;
use crate::schema_cache::SchemaCache;

super::key_and_value!(HoistField, HoistFieldConfig, "HoistField");

#[derive(Debug, Config)]
struct HoistFieldConfig {
    /// The name of the one field of the struct or map that the data is put into.
    field: String,
}

struct HoistField {
    part: Part,
    field: Text,
    schemas: SchemaCache<Arc<Schema>>,
}

impl HoistField {
    fn new(config: HoistFieldConfig, part: Part) -> Result<Self> {
        Ok(Self { part, field: Text::from(config.field), schemas: SchemaCache::default() })
    }
}

impl Transform for HoistField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        let Some(inner) = schema else {
            *value = Value::Map(vec![(Value::String(self.field.clone()), std::mem::take(value))]);
            return Ok(Some(record));
        };
        let field = &self.field;
        let outer = self.schemas.get(inner, |inner| {
            let mut fields = Fields::default();
            fields.add(&**field, Arc::clone(inner))?;
            Ok(Schema::of(fields.into_type()).build())
        })?;
        fit::check_field(&outer.fields()[0], value)?;
        *value = Struct::new(Arc::clone(outer), [std::mem::take(value)]).into();
        *schema = Some(Arc::clone(outer));
        Ok(Some(record))
    }
}
