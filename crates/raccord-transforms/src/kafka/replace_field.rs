//! `ReplaceField`: leaves fields out and gives others new names.

use std::sync::Arc;

use raccord_config::{Config, Validator, invalid_value};
use raccord_data::java_map::HashEntries;
use raccord_data::{Record, Schema, Text, Value, java_order};
use raccord_plugin::{Result, Transform};

use crate::building::{Fields, copy_basics};
use crate::part::{Part, require_struct_mut, take_map};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(ReplaceField, ReplaceFieldConfig, "ReplaceField");

const PURPOSE: &str = "field replacement";

#[derive(Debug, Config)]
struct ReplaceFieldConfig {
    /// The names of fields to leave out, even if they are among the fields to include.
    #[config(
        default = &[], aliases = ["blacklist"],
        validator = Validator::list_without_duplicates(true, false)
    )]
    exclude: Vec<String>,
    /// The names of the fields to keep. Empty: all.
    #[config(
        default = &[], aliases = ["whitelist"],
        validator = Validator::list_without_duplicates(true, false)
    )]
    include: Vec<String>,
    /// New names, as `old:new` separated by commas.
    #[config(default = &[], validator = pairs())]
    renames: Vec<String>,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

fn pairs() -> Validator {
    Validator::new("list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>", |_, value| {
        for mapping in value.as_list().unwrap_or_default() {
            if old_and_new(mapping).is_none() {
                return Err(invalid_value("renames", value, &format!("Invalid rename mapping: {mapping}")));
            }
        }
        Ok(())
    })
}

/// Splits at the colon as Java does, which ignores colons at the end.
fn old_and_new(mapping: &str) -> Option<(&str, &str)> {
    let (old, new) = mapping.trim_end_matches(':').split_once(':')?;
    (!new.contains(':')).then_some((old, new))
}

struct ReplaceField {
    part: Part,
    names: Names,
    with_default: bool,
    plans: SchemaCache<Plan>,
}

/// Which fields stay, and under which names.
struct Names {
    exclude: Vec<String>,
    include: Vec<String>,
    /// Old and new, in the order of a `HashMap`.
    renames: Vec<(String, String)>,
}

impl Names {
    fn stays(&self, name: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|other| other == name);
        !is_in(&self.exclude) && (self.include.is_empty() || is_in(&self.include))
    }

    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new)
    }

    /// The name that a new name is for. Of two that got the same name the last counts, and a field that has the new name
    /// from the start is mistaken for the renamed one: as in Connect.
    fn old_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.iter().rev().find(|(_, new)| new == name).map_or(name, |(old, _)| old)
    }
}

/// What to do with structs of a schema: the schema that comes out, and where its cells are.
struct Plan {
    schema: Arc<Schema>,
    sources: Vec<Source>,
}

/// Where a cell comes from.
enum Source {
    /// From there, and nobody else wants it later.
    Take(usize),
    /// From there, but a later cell is made of it as well.
    Copy(usize),
    /// From a field that does not exist.
    Missing(String),
}

impl ReplaceField {
    fn new(config: ReplaceFieldConfig, part: Part) -> Result<Self> {
        let mut renames: Vec<(String, String)> = Vec::new();
        for (old, new) in config.renames.iter().filter_map(|mapping| old_and_new(mapping)) {
            renames.retain(|(other, _)| other != old);
            renames.push((old.to_owned(), new.to_owned()));
        }
        java_order::sort_by_key(&mut renames, |(old, _)| old);
        let names = Names { exclude: config.exclude, include: config.include, renames };
        let with_default = config.replace_null_with_default;
        Ok(Self { part, names, with_default, plans: SchemaCache::default() })
    }
}

impl Transform for ReplaceField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        if value.is_null() {
            return Ok(Some(record));
        }
        if schema.is_none() {
            *value = self.names.replace_in_map(take_map(value, PURPOSE)?)?;
            return Ok(Some(record));
        }
        let value = require_struct_mut(value, PURPOSE)?;
        let old = Arc::clone(value.schema());
        let names = &self.names;
        let plan = self.plans.get(&old, |schema| Plan::of(schema, names))?;
        let mut taken = Vec::with_capacity(plan.sources.len());
        for (field, source) in plan.schema.fields().iter().zip(&plan.sources) {
            let (place, mut cell) = match source {
                Source::Take(place) => (*place, std::mem::take(&mut value.cells_mut()[*place])),
                Source::Copy(place) => (*place, value.cells()[*place].clone()),
                Source::Missing(name) => {
                    return Err(exception::data(format!("{name} is not a valid field name")));
                }
            };
            if self.with_default {
                fit::fill_default(&old.fields()[place].schema, &mut cell);
            }
            fit::check_field(field, &cell)?;
            taken.push(cell);
        }
        value.reshape(Arc::clone(&plan.schema), |_| taken);
        *schema = Some(Arc::clone(&plan.schema));
        Ok(Some(record))
    }
}

impl Names {
    fn replace_in_map(&self, entries: Vec<(Value, Value)>) -> Result<Value> {
        let mut out = HashEntries::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::String(name) = key else { return Err(exception::no_text(&key)) };
            if self.stays(&name) {
                let new = self.renamed(&name);
                let new = if *new == *name { name.clone() } else { Text::from(new) };
                out.put_text(new, value);
            }
        }
        Ok(out.into_map())
    }
}

impl Plan {
    fn of(old: &Schema, names: &Names) -> Result<Self> {
        let mut fields = Fields::default();
        for field in old.fields().iter().filter(|field| names.stays(&field.name)) {
            fields.add(names.renamed(&field.name), Arc::clone(&field.schema))?;
        }
        let schema = Arc::new(copy_basics(old, fields.into_type()));
        let places: Vec<Result<usize, String>> = schema
            .fields()
            .iter()
            .map(|field| {
                let name = names.old_name(&field.name);
                old.index_of(name).ok_or_else(|| name.to_owned())
            })
            .collect();
        let sources = places.iter().enumerate().map(|(index, place)| match place {
            Ok(place) if places[index + 1..].contains(&Ok(*place)) => Source::Copy(*place),
            Ok(place) => Source::Take(*place),
            Err(name) => Source::Missing(name.clone()),
        });
        Ok(Self { sources: sources.collect(), schema })
    }
}
