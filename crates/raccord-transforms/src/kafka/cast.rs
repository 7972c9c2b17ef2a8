//! `Cast`: gives fields, or the whole key or value, another type.

use std::sync::Arc;

use raccord_config::{Config, Validator, invalid_value};
use raccord_data::java_map::HashEntries;
use raccord_data::{Record, Schema, Struct, Type, Value, java_order};
use raccord_plugin::{Error, Result, Transform};

use super::cast_value::{Target, cast};
use crate::building::{Fields, copy_basics, set_default};
use crate::fit;
use crate::part::{Part, require_struct_mut, take_map};
use crate::schema_cache::SchemaCache;

super::key_and_value!(Cast, CastConfig, "Cast");

const PURPOSE: &str = "cast types";

#[derive(Debug, Config)]
struct CastConfig {
    /// Fields and their new types, as `field:type` separated by commas; or one type alone for the whole key or value. Types
    /// are int8, int16, int32, int64, float32, float64, boolean and string. Bytes can become a string only, which is base64.
    #[config(importance = High, validator = valid_spec())]
    spec: Vec<String>,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

fn valid_spec() -> Validator {
    Validator::new("list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>", |_, value| match value
        .as_list()
    {
        Some(spec @ [_, ..]) => Spec::parse(spec).map(drop),
        _ => Err("Must specify at least one field to cast.".to_owned()),
    })
}

/// What is cast to what.
#[derive(Clone, Debug, PartialEq)]
enum Spec {
    Whole(Target),
    /// By field, in the order of a `HashMap`.
    Fields(Vec<(String, Target)>),
}

impl Spec {
    /// Reads the entries of the list.
    ///
    /// # Errors
    /// The text of the `ConfigException`.
    fn parse(spec: &[String]) -> Result<Self, String> {
        let (mut whole, mut fields): (_, Vec<(String, Target)>) = (None, Vec::new());
        for mapping in spec {
            // As Java splits: colons at the end count for nothing.
            let parts: Vec<&str> = mapping.trim_end_matches(':').split(':').collect();
            match parts[..] {
                [ty] => whole = Some(target(ty)?),
                [field, ty] => {
                    let field = trim(field).to_owned();
                    fields.retain(|(other, _)| *other != field);
                    fields.push((field, target(ty)?));
                }
                _ => {
                    let listed = format!("[{}]", spec.join(", "));
                    let reason = format!("Invalid rename mapping: {mapping}");
                    return Err(invalid_value("renames", listed, &reason));
                }
            }
        }
        match whole {
            Some(_) if spec.len() > 1 => {
                Err("Cast transformations that specify a type to cast the entire value to \
                                              may only specify a single cast in their spec"
                    .to_owned())
            }
            Some(target) => Ok(Self::Whole(target)),
            None => {
                java_order::sort_by_key(&mut fields, |(field, _)| field);
                Ok(Self::Fields(fields))
            }
        }
    }
}

fn target(ty: &str) -> Result<Target, String> {
    let ty = trim(ty);
    let upper = ty.to_uppercase();
    if let Some(target) = Target::named(&upper) {
        return Ok(target);
    }
    if ["BYTES", "ARRAY", "MAP", "STRUCT"].contains(&&*upper) {
        return Err(format!(
            "Cast transformation does not support casting to {upper}; supported types are \
             [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]"
        ));
    }
    // The real one takes the exception for the value of a key that is called like the message.
    Err(format!(
        "Invalid value java.lang.IllegalArgumentException: No enum constant \
         org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in casting spec: {ty}"
    ))
}

fn trim(text: &str) -> &str {
    text.trim_matches(|char| char <= ' ')
}

struct Cast {
    part: Part,
    spec: Spec,
    with_default: bool,
    plans: SchemaCache<Plan>,
}

/// What to do with values of a schema.
struct Plan {
    schema: Arc<Schema>,
    /// The fields that are cast, in the order of the schema.
    casts: Vec<(usize, Target)>,
}

impl Cast {
    fn new(config: CastConfig, part: Part) -> Result<Self> {
        let spec = Spec::parse(&config.spec).map_err(Error::config)?;
        let with_default = config.replace_null_with_default;
        Ok(Self { part, spec, with_default, plans: SchemaCache::default() })
    }
}

impl Transform for Cast {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        if value.is_null() {
            return Ok(Some(record));
        }
        let Some(old) = schema else {
            self.spec.cast_plain(value)?;
            return Ok(Some(record));
        };
        let spec = &self.spec;
        let plan = self.plans.get(old, |schema| Plan::of(schema, spec))?;
        match spec {
            Spec::Whole(target) => *value = cast(Some(old), value, *target)?,
            Spec::Fields(_) => plan.cast_fields(require_struct_mut(value, PURPOSE)?, self.with_default)?,
        }
        *schema = Some(Arc::clone(&plan.schema));
        Ok(Some(record))
    }
}

impl Spec {
    fn cast_plain(&self, value: &mut Value) -> Result<()> {
        match self {
            Self::Whole(target) => *value = cast(None, value, *target)?,
            Self::Fields(fields) => {
                let mut entries = HashEntries::copy_of(take_map(value, PURPOSE)?);
                for (field, target) in fields {
                    // A field that is not there comes to be, with null.
                    let casted = cast(None, entries.get(field).unwrap_or(&Value::Null), *target)?;
                    entries.put(field, casted);
                }
                *value = entries.into_map();
            }
        }
        Ok(())
    }
}

impl Plan {
    fn of(old: &Schema, spec: &Spec) -> Result<Self> {
        let (ty, casts) = match spec {
            Spec::Whole(target) => (target.schema_type(), Vec::new()),
            Spec::Fields(fields) => cast_type(old, fields)?,
        };
        let is_struct = matches!(ty, Type::Struct(_));
        let mut schema = copy_basics(old, ty);
        schema.optional = old.optional;
        if let Some(default) = &old.default {
            // A struct's default cannot be cast, and the real one refuses it at this place as well.
            let target = match spec {
                Spec::Whole(target) => *target,
                Spec::Fields(_) => Target::String,
            };
            let default = cast(Some(old), default, target)?;
            debug_assert!(!is_struct, "structs are refused by cast");
            set_default(&mut schema, default)?;
        }
        Ok(Self { schema: Arc::new(schema), casts })
    }

    fn cast_fields(&self, value: &mut Struct, with_default: bool) -> Result<()> {
        let old = Arc::clone(value.schema());
        let mut casts = self.casts.iter().peekable();
        let fields = old.fields().iter().zip(self.schema.fields());
        for (place, ((from, to), cell)) in fields.zip(value.cells_mut()).enumerate() {
            if with_default {
                fit::fill_default(&from.schema, cell);
            }
            if let Some((_, target)) = casts.next_if(|(other, _)| *other == place) {
                *cell = cast(Some(&from.schema), cell, *target)?;
            }
            fit::check_field(to, cell)?;
        }
        value.reshape(Arc::clone(&self.schema), |cells| cells);
        Ok(())
    }
}

/// The struct type with the new types of fields, and the places of those.
fn cast_type(old: &Schema, targets: &[(String, Target)]) -> Result<(Type, Vec<(usize, Target)>)> {
    let (mut fields, mut casts) = (Fields::default(), Vec::new());
    for (place, field) in crate::building::fields_of(old)?.iter().enumerate() {
        let Some((_, target)) = targets.iter().find(|(name, _)| **name == *field.name) else {
            fields.add(Arc::clone(&field.name), Arc::clone(&field.schema))?;
            continue;
        };
        let mut schema = Schema::clone(&Schema::of(target.schema_type()).build());
        schema.optional = field.schema.optional;
        if let Some(default) = &field.schema.default {
            let default = cast(Some(&field.schema), default, *target)?;
            set_default(&mut schema, default)?;
        }
        fields.add(Arc::clone(&field.name), Arc::new(schema))?;
        casts.push((place, *target));
    }
    Ok((fields.into_type(), casts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_specs() {
        let check = |spec: &[&str], expect: Result<Spec, &str>| {
            let spec: Vec<String> = spec.iter().map(|&item| item.to_owned()).collect();
            assert_eq!(Spec::parse(&spec), expect.map_err(str::to_owned), "{spec:?}");
        };
        check(&["int8"], Ok(Spec::Whole(Target::Int8)));
        check(&["String:"], Ok(Spec::Whole(Target::String)));
        check(&["a:int8", "a : FLOAT32"], Ok(Spec::Fields(vec![("a".into(), Target::Float32)])));
        check(
            &["a:b:c"],
            Err("Invalid value [a:b:c] for configuration renames: Invalid rename mapping: a:b:c"),
        );
    }
}
