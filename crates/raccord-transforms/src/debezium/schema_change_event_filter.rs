//! `io.debezium.transforms.SchemaChangeEventFilter`: leaves out schema changes of some kinds.

use raccord_config::{Importance, RawConfig, Type, Width};
use raccord_data::{Record, Value};
use raccord_plugin::{Result, Transform};

use super::envelope::is_schema_change;
use super::field::{Check, Field, Settings, definition, java_split, trim};
use super::plugin;
use super::structs::{get, lookup, lookup_typed};
use crate::exception::{illegal_argument, null_pointer};
use crate::part::require_struct;
use crate::schema_cache::SchemaCache;

plugin! {
    /// `io.debezium.transforms.SchemaChangeEventFilter`.
    SCHEMA_CHANGE_EVENT_FILTER,
    "io.debezium.transforms.SchemaChangeEventFilter",
    definition(&[(None, &[EXCLUDED])]),
    SchemaChangeEventFilter::new
}

const EXCLUDED: Field = Field::new(
    "schema.change.event.exclude.list",
    Type::String,
    "Schema change event exclude list",
    "The kinds of schema change to leave out: CREATE, ALTER, DROP, TRUNCATE, DATABASE.",
)
.width(Width::Short)
.importance(Importance::High)
.checks(&[Check::Required]);

const KINDS: &[&str] = &["CREATE", "ALTER", "DROP", "TRUNCATE", "DATABASE"];

struct SchemaChangeEventFilter {
    excluded: Vec<&'static str>,
    places: SchemaCache<usize>,
}

impl SchemaChangeEventFilter {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check(&[EXCLUDED])?;
        let listed = java_split(settings.text(&EXCLUDED).unwrap_or_default(), ',');
        let excluded = listed.into_iter().map(|kind| kind_of(trim(kind))).collect::<Result<Vec<_>>>()?;
        Ok(Self { excluded, places: SchemaCache::default() })
    }
}

impl Transform for SchemaChangeEventFilter {
    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        if record.value.is_null() || !is_schema_change(&record) {
            return Ok(Some(record));
        }
        let event = require_struct(&record.value, "Read schema change event to filter")?;
        let place =
            *self.places.get(event.schema(), |schema| lookup_typed(schema, "tableChanges", "ARRAY"))?;
        let Value::Array(changes) = &event.cells()[place] else { return Ok(None) };
        let kind = match changes.first() {
            None => "DATABASE",
            Some(change) => {
                let change = require_struct(change, "Read schema change event to filter")?;
                let place = lookup(change.schema(), "type")?;
                let kind = get(&change.schema().fields()[place].schema, &change.cells()[place]);
                kind_of(kind.as_str().ok_or_else(|| null_pointer("Name is null"))?)?
            }
        };
        Ok((!self.excluded.contains(&kind)).then_some(record))
    }
}

fn kind_of(name: &str) -> Result<&'static str> {
    KINDS.iter().find(|kind| **kind == name).copied().ok_or_else(|| {
        illegal_argument(format!(
            "No enum constant io.debezium.schema.SchemaChangeEvent.SchemaChangeEventType.{name}"
        ))
    })
}
