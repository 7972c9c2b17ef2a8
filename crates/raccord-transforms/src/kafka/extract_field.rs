//! `ExtractField`: replaces the key or value by one of its fields.

use std::sync::Arc;

use raccord_config::{Config, Validator};
use raccord_data::{Record, Schema, Value};
use raccord_plugin::{Result, Transform};

use super::field_path::{FieldPath, take};
use crate::exception;
use crate::part::{Part, require_map, require_struct};
use crate::schema_cache::SchemaCache;

super::key_and_value!(ExtractField, ExtractFieldConfig, "ExtractField");

const PURPOSE: &str = "field extraction";

#[derive(Debug, Config)]
struct ExtractFieldConfig {
    /// The name of the field, or the path to it if field.syntax.version is V2.
    field: String,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
    /// How the field is named. `V1`: a name, looked for among the outermost fields. `V2`: names with dots between them lead
    /// into nested structs or maps; a name that has dots itself stands between backticks, as in `` `a.b`.c ``.
    #[config(default = "V1", importance = High, validator = Validator::one_of_ignore_case(&["V1", "V2"]))]
    field_syntax_version: String,
}

struct ExtractField {
    part: Part,
    path: FieldPath,
    name: String,
    with_default: bool,
    found: SchemaCache<Place>,
}

/// Where the field is in a schema, and its own schema.
struct Place {
    places: Vec<usize>,
    schema: Arc<Schema>,
}

impl ExtractField {
    fn new(config: ExtractFieldConfig, part: Part) -> Result<Self> {
        let path = match config.field_syntax_version.eq_ignore_ascii_case("V2") {
            true => FieldPath::parse(&config.field)?,
            false => FieldPath::of_name(config.field.clone()),
        };
        Ok(Self {
            part,
            path,
            name: config.field,
            with_default: config.replace_null_with_default,
            found: SchemaCache::default(),
        })
    }
}

impl Transform for ExtractField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        let Some(of) = schema else {
            if !value.is_null() {
                *value = self.path.value_in(require_map(value, PURPOSE)?)?.cloned().unwrap_or_default();
            }
            return Ok(Some(record));
        };
        if !value.is_null() {
            require_struct(value, PURPOSE)?;
        }
        let (path, name) = (&self.path, &self.name);
        let place = self.found.get(of, |of| find(path, name, of))?;
        if let Value::Struct(whole) = value {
            *value = take(whole, &place.places, self.with_default)?;
        }
        *schema = Some(Arc::clone(&place.schema));
        Ok(Some(record))
    }
}

fn find(path: &FieldPath, name: &str, schema: &Arc<Schema>) -> Result<Place> {
    let places =
        path.places(schema)?.ok_or_else(|| exception::illegal_argument(format!("Unknown field: {name}")))?;
    let mut found = schema;
    for place in &places {
        found = &found.fields()[*place].schema;
    }
    Ok(Place { schema: Arc::clone(found), places })
}
