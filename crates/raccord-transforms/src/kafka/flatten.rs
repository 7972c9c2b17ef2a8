//! `Flatten`: brings the fields of nested structs or maps to the top, under names made of the path to them.

use std::sync::Arc;

use raccord_config::Config;
use raccord_data::java_map::LinkedEntries;
use raccord_data::{Field, Record, Schema, Struct, Text, Type, Value};
use raccord_plugin::{Error, Result, Transform};

use crate::building::{Fields, copy_basics, fields_of, set_default};
use crate::part::{Part, require_struct_mut, take_map};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(Flatten, FlattenConfig, "Flatten");

const PURPOSE: &str = "flattening";

#[derive(Debug, Config)]
struct FlattenConfig {
    /// What stands between the names that make up the new name of a field.
    #[config(default = ".")]
    delimiter: String,
}

struct Flatten {
    part: Part,
    delimiter: String,
    plans: SchemaCache<Plan>,
}

/// What becomes of structs of a schema.
struct Plan {
    schema: Arc<Schema>,
    fields: Vec<Step>,
}

/// What becomes of a field.
enum Step {
    /// It is the next cell.
    Cell,
    /// Its fields are the next cells, as many as there are in it altogether.
    Nested { fields: Vec<Step>, cells: usize },
}

impl Flatten {
    fn new(config: FlattenConfig, part: Part) -> Result<Self> {
        Ok(Self { part, delimiter: config.delimiter, plans: SchemaCache::default() })
    }
}

impl Transform for Flatten {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        if value.is_null() {
            return Ok(Some(record));
        }
        let delimiter = &self.delimiter;
        let Some(old) = schema else {
            let mut out = LinkedEntries::default();
            flatten_map(take_map(value, PURPOSE)?, "", delimiter, &mut out)?;
            *value = Value::Map(out.into_vec());
            return Ok(Some(record));
        };
        let value = require_struct_mut(value, PURPOSE)?;
        let plan = self.plans.get(old, |old| Plan::of(old, delimiter))?;
        let mut cells = Vec::with_capacity(plan.schema.fields().len());
        flatten_struct(value, &plan.fields, &mut cells, plan.schema.fields())?;
        value.reshape(Arc::clone(&plan.schema), |_| cells);
        *schema = Some(Arc::clone(&plan.schema));
        Ok(Some(record))
    }
}

fn name_of(prefix: &str, name: &str, delimiter: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { [prefix, delimiter, name].concat() }
}

fn flatten_map(
    entries: Vec<(Value, Value)>,
    prefix: &str,
    delimiter: &str,
    out: &mut LinkedEntries,
) -> Result<()> {
    for (key, mut value) in entries {
        let Value::String(key) = key else { return Err(exception::no_text(&key)) };
        let name = name_of(prefix, &key, delimiter);
        match &mut value {
            Value::Map(inner) => flatten_map(std::mem::take(inner), &name, delimiter, out)?,
            Value::Date(_) | Value::Decimal(_) => {
                let class = value.java_class();
                return Err(exception::data(format!(
                    "Flatten transformation was passed a value of type class {class} which is not supported by \
                     Connect's data API"
                )));
            }
            Value::Struct(_) => {
                let class = value.java_class();
                return Err(exception::data(format!(
                    "Flatten transformation does not support class {class} for record without schemas (for field \
                     {name})."
                )));
            }
            _ => out.put(Value::String(Text::from(name)), value),
        }
    }
    Ok(())
}

/// Moves the cells over. Those of a nested struct that is null are left null, whether or not their fields allow it.
fn flatten_struct(value: &mut Struct, steps: &[Step], out: &mut Vec<Value>, fields: &[Field]) -> Result<()> {
    let schema = Arc::clone(value.schema());
    for ((field, cell), step) in schema.fields().iter().zip(value.cells_mut()).zip(steps) {
        match (step, cell) {
            (Step::Cell, cell) => {
                fit::fill_default(&field.schema, cell);
                fit::check_field(&fields[out.len()], cell)?;
                out.push(std::mem::take(cell));
            }
            (Step::Nested { fields: inner, .. }, Value::Struct(value)) => {
                flatten_struct(value, inner, out, fields)?;
            }
            (Step::Nested { cells, .. }, _) => out.resize(out.len() + cells, Value::Null),
        }
    }
    Ok(())
}

impl Plan {
    fn of(old: &Arc<Schema>, delimiter: &str) -> Result<Self> {
        let mut building = Building { delimiter, fields: Fields::default() };
        let default = match &old.default {
            Some(Value::Struct(default)) => Some(default),
            _ => None,
        };
        let fields = building.add(old, "", old.optional, default)?;
        Ok(Self { schema: Arc::new(copy_basics(old, building.fields.into_type())), fields })
    }
}

struct Building<'a> {
    delimiter: &'a str,
    fields: Fields,
}

impl Building<'_> {
    /// Adds the fields of a struct. A field may be null where something above it may; its default is its own, or the one
    /// that the default of what is above it has for it.
    fn add(
        &mut self,
        schema: &Schema,
        prefix: &str,
        optional: bool,
        default: Option<&Struct>,
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for (place, field) in fields_of(schema)?.iter().enumerate() {
            let name = name_of(prefix, &field.name, self.delimiter);
            let optional = optional || field.schema.optional;
            let inherited = default.map(|default| &default.cells()[place]).filter(|cell| !cell.is_null());
            let default = field.schema.default.as_ref().or(inherited);
            steps.push(match &field.schema.ty {
                Type::Struct(_) => {
                    let default = match default {
                        Some(Value::Struct(default)) => Some(default),
                        _ => None,
                    };
                    let fields = self.add(&field.schema, &name, optional, default)?;
                    Step::Nested { cells: cells_of(&fields), fields }
                }
                Type::Map(..) => return Err(no_map(&field.schema, &name)),
                ty => {
                    let mut schema = copy_basics(&field.schema, ty.clone());
                    schema.optional = optional;
                    if let Some(default) = default {
                        set_default(&mut schema, default.clone())?;
                    }
                    self.fields.add(name, Arc::new(schema))?;
                    Step::Cell
                }
            });
        }
        Ok(steps)
    }
}

fn cells_of(steps: &[Step]) -> usize {
    let cells = steps.iter().map(|step| match step {
        Step::Cell => 1,
        Step::Nested { cells, .. } => *cells,
    });
    cells.sum()
}

fn no_map(schema: &Schema, name: &str) -> Error {
    exception::data(format!(
        "Flatten transformation does not support {} for record with schemas (for field {name}).",
        schema.ty.java_name()
    ))
}
