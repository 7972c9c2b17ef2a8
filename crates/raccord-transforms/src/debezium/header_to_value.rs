//! `io.debezium.transforms.HeaderToValue`: copies or moves headers into the value.

use std::sync::Arc;

use raccord_config::{ConfigDef, Importance, RawConfig, Type as KeyType};
use raccord_data::{Field, Header, Record, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result, Transform};

use super::content_cache::ContentCache;
use super::field::{Check, Field as Key, Settings, definition, java_split};
use super::plugin;
use super::structs::{add_field, into_struct, lookup, struct_like, take};
use crate::exception::illegal_argument;
use crate::fit::{check_field, schema_text};
use crate::part::require_struct;

plugin! {
    /// `io.debezium.transforms.HeaderToValue`.
    HEADER_TO_VALUE, "io.debezium.transforms.HeaderToValue", config_def(), HeaderToValue::new
}

const HEADERS: Key = Key::new(
    "headers",
    KeyType::List,
    "Header names list",
    "The headers whose values go into the value of the record.",
)
.importance(Importance::High)
.checks(&[Check::Required, Check::NoEmptyElements, Check::NoSpaces]);

const FIELDS: Key = Key::new(
    "fields",
    KeyType::List,
    "Field names list",
    "The fields to put them into, one for each header in the same order. A dot leads into a struct.",
)
.importance(Importance::High)
.checks(&[Check::Required, Check::NoEmptyElements, Check::NoSpaces]);

const OPERATION: Key = Key::new(
    "operation",
    KeyType::String,
    "Operation: mover or copy",
    "Whether the headers are taken away (`move`) or stay (`copy`).",
)
.importance(Importance::High)
.checks(&[Check::Required, Check::OneOf(&["move", "copy"])]);

fn config_def() -> ConfigDef {
    definition(&[(None, &[HEADERS, FIELDS, OPERATION])])
}

/// How the value of a record is called where fields say what they go into.
const ROOT: &str = "payload";
const PURPOSE: &str = "Header field insertion";

struct HeaderToValue {
    headers: Vec<String>,
    targets: Vec<Target>,
    moves: bool,
    plans: ContentCache<Level>,
}

/// Where a header goes.
#[derive(Clone)]
struct Target {
    /// As it is written.
    written: String,
    /// Split at dots.
    path: Vec<Arc<str>>,
}

/// One struct of the value with what it becomes.
struct Level {
    schema: Arc<Schema>,
    /// For each field, the struct in it that fields are added to.
    nested: Vec<Option<Self>>,
    /// The targets that end here, each with the place of its field in the new schema, where it has one.
    targets: Vec<(usize, Option<usize>)>,
}

impl HeaderToValue {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check(&[FIELDS, HEADERS, OPERATION])?;
        let (headers, fields) = (settings.list(&HEADERS), settings.list(&FIELDS));
        if headers.len() != fields.len() {
            return Err(Error::config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        let moves = match settings.text(&OPERATION) {
            Some("move") => true,
            Some("copy") => false,
            _ => {
                return Err(
                    illegal_argument("").hint("operation is move or copy, in lower case and without spaces")
                );
            }
        };
        let targets = fields
            .into_iter()
            .map(|written| Target {
                path: java_split(&written, '.').into_iter().map(Arc::from).collect(),
                written,
            })
            .collect();
        Ok(Self { headers, targets, moves, plans: ContentCache::default() })
    }

    /// The headers that go into the value: the number of the target and of the header, in the order of the headers.
    fn entries(&self, headers: &[Header]) -> Vec<(usize, usize)> {
        let target = |header: &Header| self.headers.iter().position(|name| **name == *header.key);
        headers.iter().enumerate().filter_map(|(place, header)| Some((target(header)?, place))).collect()
    }
}

impl Transform for HeaderToValue {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            return Ok(Some(record));
        }
        require_struct(&record.value, PURPOSE)?;
        let entries = self.entries(&record.headers);
        if entries.is_empty() {
            return Ok(Some(record));
        }
        let value = into_struct(std::mem::take(&mut record.value), PURPOSE)?;
        let (targets, headers) = (&self.targets, &record.headers);
        let plan = self.plans.get(value.schema(), |schema| {
            let entries = Entries { targets, headers, entries: &entries };
            Level::compile(ROOT, schema, &entries, 0)
        })?;
        let entries = Entries { targets, headers, entries: &entries };
        let value = plan.build(ROOT, value, &entries, 0)?;
        record.value_schema = Some(Arc::clone(value.schema()));
        record.value = Value::from(value);
        if self.moves {
            record.headers.to_mut().retain(|header| !self.headers.iter().any(|name| **name == *header.key));
        }
        Ok(Some(record))
    }
}

/// The headers of a record that go into its value.
struct Entries<'a> {
    targets: &'a [Target],
    headers: &'a [Header],
    entries: &'a [(usize, usize)],
}

impl Entries<'_> {
    /// Whether something goes into a struct of that name. A target that merely contains the name and a dot counts, as
    /// in Debezium.
    fn lead_into(&self, field: &str) -> bool {
        let prefix = format!("{field}.");
        let nested = self.entries.iter().map(|(target, _)| &self.targets[*target].written);
        nested.filter(|written| written.contains('.')).any(|written| written.contains(&prefix))
    }
}

impl Target {
    /// The field that this target is in a struct of that name at that depth.
    fn field_in(&self, name: &str, level: usize) -> Option<&Arc<str>> {
        if self.path.len() == 1 && name == ROOT {
            return self.path.first();
        }
        let parent = level.saturating_sub(1);
        let is_child = self.path.len() == level + 1 && *self.path[parent] == *name;
        is_child.then(|| &self.path[level])
    }
}

impl Level {
    /// Compiled for the headers of the first record of a schema, as in Debezium.
    fn compile(name: &str, schema: &Arc<Schema>, entries: &Entries<'_>, level: usize) -> Result<Self> {
        let Type::Struct(of) = &schema.ty else {
            if matches!(schema.ty, Type::Array(_) | Type::Map(..)) {
                return Err(Error::record("Cannot list fields on non-struct type"));
            }
            return Ok(Self { schema: Arc::clone(schema), nested: Vec::new(), targets: Vec::new() });
        };
        let mut fields: Vec<Field> = Vec::with_capacity(of.len() + 1);
        let mut nested = Vec::with_capacity(of.len());
        for field in of {
            let inner = match entries.lead_into(&field.name) {
                true => Some(Self::compile(&field.name, &field.schema, entries, level + 1)?),
                false => None,
            };
            let schema = inner.as_ref().map_or(&field.schema, |inner| &inner.schema);
            fields.push(Field { name: Arc::clone(&field.name), schema: Arc::clone(schema) });
            nested.push(inner);
        }
        for (target, header) in entries.entries {
            if let Some(added) = entries.targets[*target].field_in(name, level) {
                add_field(&mut fields, added, entries.headers[*header].schema.as_ref())?;
            }
        }
        let schema = Arc::new(struct_like(schema, fields));
        let place = |(index, target): (usize, &Target)| {
            target.field_in(name, level).map(|added| (index, schema.index_of(added)))
        };
        let targets = entries.targets.iter().enumerate().filter_map(place).collect();
        Ok(Self { schema: Arc::clone(&schema), nested, targets })
    }

    fn build(&self, name: &str, old: Struct, entries: &Entries<'_>, level: usize) -> Result<Struct> {
        let Type::Struct(fields) = &self.schema.ty else {
            let text = schema_text(&self.schema);
            return Err(Error::record(format!("Not a struct schema: {text}")));
        };
        let (old_schema, old_cells) = old.into_parts();
        let mut cells = Vec::with_capacity(fields.len());
        for ((field, mut cell), nested) in old_schema.fields().iter().zip(old_cells).zip(&self.nested) {
            let value = take(&field.schema, &mut cell);
            cells.push(match nested {
                _ if value.is_null() => value,
                // The schema was made for other headers, and Debezium puts the struct there as it is.
                Some(_) if !entries.lead_into(&field.name) => {
                    check_field(&fields[cells.len()], &value)?;
                    value
                }
                Some(nested) => {
                    let inner = into_struct(value, "Nested field")?;
                    Value::from(nested.build(&field.name, inner, entries, level + 1)?)
                }
                None => value,
            });
        }
        cells.resize(fields.len(), Value::Null);
        for (target, header) in entries.entries {
            let Some((_, place)) = self.targets.iter().find(|(index, _)| index == target) else { continue };
            let value = &entries.headers[*header].value;
            match place {
                Some(place) => {
                    check_field(&fields[*place], value)?;
                    cells[*place] = value.clone();
                }
                // The first record of this schema did not have this header.
                None => {
                    let added = entries.targets[*target].field_in(name, level);
                    lookup(&self.schema, added.map_or("", |added| added))?;
                }
            }
        }
        Ok(Struct::new(Arc::clone(&self.schema), cells))
    }
}

#[cfg(test)]
mod tests {
    use raccord_data::Position;

    use super::*;

    fn record(headers: &[(&str, Value)]) -> Record {
        let int = Schema::of(Type::Int32).build();
        let inner = Schema::structure([("x", Arc::clone(&int))]).optional().build();
        let schema = Schema::structure([("a", int), ("s", Arc::clone(&inner))]).name("n").build();
        let inner = Struct::new(inner, vec![Value::Int32(2)]);
        let value = Struct::new(Arc::clone(&schema), vec![Value::Int32(1), Value::from(inner)]);
        let mut record = Record::new("t".into(), Some(schema), Value::from(value), Position::default());
        let text = Schema::of(Type::String).build();
        record.headers = headers
            .iter()
            .map(|(key, value)| Header {
                key: (*key).into(),
                schema: Some(Arc::clone(&text)),
                value: value.clone(),
            })
            .collect();
        record
    }

    fn text(record: &Record) -> String {
        let mut out = Vec::new();
        raccord_data::java_text::append_value(&record.value, &mut out);
        let headers: Vec<&str> = record.headers.iter().map(|header| &*header.key).collect();
        format!("{} {headers:?}", String::from_utf8(out).unwrap())
    }

    #[test]
    fn puts_headers_into_the_value() {
        let check = |headers: &str, fields: &str, operation: &str, expect: &str| {
            let raw = RawConfig::from([("headers", headers), ("fields", fields), ("operation", operation)]);
            let mut transform = HeaderToValue::new(&raw).unwrap();
            let given = [("h", Value::from("v")), ("i", Value::from("w"))];
            let result = match transform.apply(record(&given)) {
                Ok(record) => text(&record.unwrap()),
                Err(error) => error.trace(),
            };
            assert_eq!(result, expect);
        };
        check("h", "b", "copy", r#"Struct{a=1,s=Struct{x=2},b=v} ["h", "i"]"#);
        check("h", "b", "move", r#"Struct{a=1,s=Struct{x=2},b=v} ["i"]"#);
        check("i,h", "b,s.y", "move", r"Struct{a=1,s=Struct{x=2,y=v},b=w} []");
        check("none", "b", "move", r#"Struct{a=1,s=Struct{x=2}} ["h", "i"]"#);
        check(
            "h",
            "a",
            "copy",
            "org.apache.kafka.connect.errors.SchemaBuilderException: Cannot create field because of field name \
             duplication a",
        );
    }

    #[test]
    fn a_header_that_the_first_record_did_not_have_is_refused() {
        let raw = RawConfig::from([("headers", "h,i"), ("fields", "b,c"), ("operation", "copy")]);
        let mut transform = HeaderToValue::new(&raw).unwrap();
        let first = record(&[("h", Value::from("v"))]);
        let mut second = record(&[("i", Value::from("v"))]);
        // The same schema, by pointer.
        second.value.clone_from(&first.value);
        second.value_schema.clone_from(&first.value_schema);
        transform.apply(first).unwrap();
        assert_eq!(transform.apply(second).unwrap_err().message(), "c is not a valid field name");
    }

    #[test]
    fn refuses_configs_in_debeziums_words() {
        let check = |headers: &str, fields: &str, operation: &str, expect: &str| {
            let raw = RawConfig::from([("headers", headers), ("fields", fields), ("operation", operation)]);
            assert_eq!(HeaderToValue::new(&raw).err().unwrap().message(), expect);
        };
        check(
            "a,b",
            "c",
            "copy",
            "'fields' config must have the same number of elements as 'headers' config.",
        );
        check(
            "a",
            "c",
            "x",
            "Invalid value x for configuration operation: The 'operation' value is invalid: Value must be one of \
             move, copy",
        );
    }
}
