//! `HeaderFrom`: moves or copies fields of the key or value into headers.

use std::sync::Arc;

use raccord_config::{Config, Validator, invalid_value};
use raccord_data::java_map::HashEntries;
use raccord_data::{Header, Record, Schema, Struct, Value};
use raccord_plugin::{Error, Result, Transform};

use crate::building::{Fields, copy_basics, field_of, fields_of};
use crate::part::{Part, entry, require_map, require_struct_mut};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(HeaderFrom, HeaderFromConfig, "HeaderFrom");

#[derive(Debug, Config)]
struct HeaderFromConfig {
    /// The names of the fields.
    #[config(importance = High, validator = not_empty())]
    fields: Vec<String>,
    /// The names of the headers, one for each field, in the same order.
    #[config(importance = High, validator = not_empty())]
    headers: Vec<String>,
    /// `move` takes the fields out of the key or value, `copy` leaves them there.
    #[config(importance = High, validator = Validator::one_of(&["move", "copy"]))]
    operation: String,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

/// A list with entries.
fn not_empty() -> Validator {
    Validator::new("non-empty list", |name, value| match value.as_list() {
        Some([_, ..]) => Ok(()),
        _ => Err(invalid_value(name, value, "Empty list")),
    })
}

struct HeaderFrom {
    part: Part,
    fields: Vec<String>,
    headers: Vec<Arc<str>>,
    moves: bool,
    purpose: String,
    with_default: bool,
    plans: SchemaCache<Plan>,
}

/// What to do with structs of a schema.
struct Plan {
    /// The place of each field; `None` where there is none of that name.
    places: Vec<Option<usize>>,
    /// For `move`: the schema without the fields, and the places of those that stay.
    rest: Option<(Arc<Schema>, Vec<usize>)>,
}

impl HeaderFrom {
    fn new(config: HeaderFromConfig, part: Part) -> Result<Self> {
        if config.headers.len() != config.fields.len() {
            return Err(Error::config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        Ok(Self {
            part,
            fields: config.fields,
            headers: config.headers.into_iter().map(Arc::from).collect(),
            moves: config.operation == "move",
            purpose: format!("header {}", config.operation),
            with_default: config.replace_null_with_default,
            plans: SchemaCache::default(),
        })
    }

    fn move_from_map(&self, value: &mut Value, headers: &mut Vec<Header>) -> Result<()> {
        let entries = require_map(value, &self.purpose)?;
        for (field, key) in self.fields.iter().zip(&self.headers) {
            let value = entry(entries, field).cloned().unwrap_or_default();
            headers.push(Header { key: Arc::clone(key), schema: None, value });
        }
        if let Value::Map(entries) = value {
            let mut entries = HashEntries::copy_of(std::mem::take(entries));
            if self.moves {
                for field in &self.fields {
                    entries.remove(field);
                }
            }
            *value = entries.into_map();
        }
        Ok(())
    }

    fn move_from_struct(
        &mut self,
        schema: &mut Option<Arc<Schema>>,
        value: &mut Value,
        headers: &mut Vec<Header>,
    ) -> Result<()> {
        let value = require_struct_mut(value, &self.purpose)?;
        let (fields, moves) = (&self.fields, self.moves);
        let old = Arc::clone(value.schema());
        let plan = self.plans.get(&old, |schema| Plan::of(schema, fields, moves))?;
        // The struct that stays is complete before the first header is made.
        if let Some((_, stay)) = &plan.rest {
            for place in stay {
                let field = &old.fields()[*place];
                let cell = &mut value.cells_mut()[*place];
                if self.with_default {
                    fit::fill_default(&field.schema, cell);
                }
                fit::check_field(field, cell)?;
            }
        }
        for (place, key) in plan.places.iter().zip(&self.headers) {
            headers.push(header(value, &old, *place, key, self.with_default)?);
        }
        if let Some((rest, stay)) = &plan.rest {
            value.reshape(Arc::clone(rest), |mut cells| {
                stay.iter().map(|place| std::mem::take(&mut cells[*place])).collect()
            });
            *schema = Some(Arc::clone(rest));
        }
        Ok(())
    }
}

impl Plan {
    fn of(schema: &Arc<Schema>, names: &[String], moves: bool) -> Result<Self> {
        let places = names.iter().map(|name| field_of(schema, name)).collect::<Result<_>>()?;
        let rest = if moves { Some(without(schema, names)?) } else { None };
        Ok(Self { places, rest })
    }
}

fn without(schema: &Arc<Schema>, names: &[String]) -> Result<(Arc<Schema>, Vec<usize>)> {
    let (mut fields, mut places) = (Fields::default(), Vec::new());
    for (place, field) in fields_of(schema)?.iter().enumerate() {
        if !names.iter().any(|name| **name == *field.name) {
            fields.add(Arc::clone(&field.name), Arc::clone(&field.schema))?;
            places.push(place);
        }
    }
    Ok((Arc::new(copy_basics(schema, fields.into_type())), places))
}

/// The header of a field; the field stays where it is, since another header may want it too.
fn header(
    value: &Struct,
    schema: &Schema,
    place: Option<usize>,
    key: &Arc<str>,
    with_default: bool,
) -> Result<Header> {
    let Some(place) = place else {
        return Err(exception::null_pointer(
            "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \
             \"org.apache.kafka.connect.data.Schema.field(String)\" is null",
        ));
    };
    let schema = &schema.fields()[place].schema;
    let mut value = value.cells()[place].clone();
    if with_default {
        fit::fill_default(schema, &mut value);
    }
    fit::check_header(schema, &value)?;
    Ok(Header { key: Arc::clone(key), schema: Some(Arc::clone(schema)), value })
}

impl Transform for HeaderFrom {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let mut headers = std::mem::take(&mut record.headers);
        let (schema, value) = self.part.both(&mut record);
        match schema {
            None => self.move_from_map(value, headers.to_mut())?,
            Some(_) => self.move_from_struct(schema, value, headers.to_mut())?,
        }
        record.headers = headers;
        Ok(Some(record))
    }
}
