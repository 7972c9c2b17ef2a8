//! `SetSchemaMetadata`: gives the schema of the key or value another name or version.

use std::sync::Arc;

use raccord_config::Config;
use raccord_data::{Record, Schema, Value};
use raccord_plugin::{Error, Result, Transform};

use crate::building::fields_of;
use crate::part::Part;
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(SetSchemaMetadata, SetSchemaMetadataConfig, "SetSchemaMetadata");

#[derive(Debug, Config)]
struct SetSchemaMetadataConfig {
    /// The schema's new name.
    #[config(importance = High)]
    schema_name: Option<String>,
    /// The schema's new version.
    #[config(importance = High)]
    schema_version: Option<i32>,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

struct SetSchemaMetadata {
    part: Part,
    name: Option<Arc<str>>,
    version: Option<i32>,
    with_default: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl SetSchemaMetadata {
    fn new(config: SetSchemaMetadataConfig, part: Part) -> Result<Self> {
        if config.schema_name.is_none() && config.schema_version.is_none() {
            return Err(Error::config("Neither schema name nor version configured"));
        }
        Ok(Self {
            part,
            name: config.schema_name.map(Arc::from),
            version: config.schema_version,
            with_default: config.replace_null_with_default,
            schemas: SchemaCache::default(),
        })
    }
}

impl Transform for SetSchemaMetadata {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        let Some(old) = schema else {
            return match value {
                Value::Null => Ok(Some(record)),
                _ => Err(exception::data("Schema required for [updating schema metadata]")),
            };
        };
        let (name, version) = (&self.name, self.version);
        let new = self.schemas.get(old, |old| {
            // Only structs have fields to carry over; the real transform asks every schema for them.
            fields_of(old)?;
            let mut new = Schema::clone(old);
            new.name = name.clone().or(new.name);
            new.version = version.or(new.version);
            Ok(Arc::new(new))
        })?;
        if let Value::Struct(value) = value {
            if self.with_default {
                fit::fill_defaults(new, value.cells_mut());
            }
            fit::check_cells(new, value.cells())?;
            value.reshape(Arc::clone(new), |cells| cells);
        }
        *schema = Some(Arc::clone(new));
        Ok(Some(record))
    }
}
