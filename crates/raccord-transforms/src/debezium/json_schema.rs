//! Structs made of JSON text, with a schema found in the text itself: Debezium's `JsonSchemaData`.

use std::sync::{Arc, LazyLock};

use raccord_data::{Field, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result};
use serde::Deserialize;
use serde_json::{Number, Value as Json};

use super::names::Adjuster;
use super::structs::struct_like;
use crate::exception::connect;
use crate::fit::{check_field, schema_text};

macro_rules! optional {
    ($($name:ident: $ty:ident),*) => {
        $(static $name: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::$ty).optional().build());)*
    };
}
optional!(STRING: String, BOOLEAN: Boolean, INT32: Int32, INT64: Int64, FLOAT64: Float64, BYTES: Bytes);

/// How schemas are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonSchema {
    /// Whether a null is a field of optional bytes; else it is no field.
    pub nulls_are_bytes: bool,
    /// What becomes of the names of fields.
    pub names: Adjuster,
}

/// Reads the value that the text begins with. What follows it does not count, as for Jackson.
///
/// # Errors
/// The exception of Jackson, without the text.
pub(crate) fn parse(text: &str) -> Result<Json> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Json::deserialize(&mut reader).map_err(|error| {
        let (what, class) = match error.is_eof() {
            true => ("end-of-input", "com.fasterxml.jackson.core.io.JsonEOFException"),
            false => ("character", "com.fasterxml.jackson.core.JsonParseException"),
        };
        let place = format!("line: {}, column: {}", error.line(), error.column());
        Error::record(format!("Unexpected {what} at {place}")).class(class)
    })
}

impl JsonSchema {
    /// The schema of a value; `None` when it cannot be told, as for nulls and empty arrays. `key` names structs.
    ///
    /// # Errors
    /// The `ConnectException` for arrays of mixed types.
    pub fn schema_of(&self, key: Option<&str>, json: &Json) -> Result<Option<Arc<Schema>>> {
        Ok(Some(match json {
            Json::String(_) => Arc::clone(&STRING),
            Json::Bool(_) => Arc::clone(&BOOLEAN),
            Json::Number(number) => Arc::clone(number_schema(number)),
            Json::Array(items) if items.is_empty() => return Ok(None),
            Json::Array(items) => Schema::of(Type::Array(self.item_schema(key, items)?)).optional().build(),
            Json::Object(entries) => {
                let mut fields: Vec<Field> = Vec::with_capacity(entries.len());
                for (name, value) in entries {
                    let name = self.names.adjust(name);
                    let inner = match key.filter(|key| !super::field::is_blank(key)) {
                        Some(key) => format!("{key}.{name}"),
                        None => name.clone(),
                    };
                    if let Some(schema) = self.schema_of(Some(&inner), value)?
                        && !fields.iter().any(|field| *field.name == *name)
                    {
                        fields.push(Field { name: name.into(), schema });
                    }
                }
                let mut schema = struct_like(&STRING, fields);
                schema.optional = true;
                schema.name = key.map(Arc::from);
                Arc::new(schema)
            }
            Json::Null if self.nulls_are_bytes => Arc::clone(&BYTES),
            Json::Null => return Ok(None),
        }))
    }

    fn item_schema(&self, key: Option<&str>, items: &[Json]) -> Result<Arc<Schema>> {
        let sample = self.sample(items)?;
        if !sample.is_object() {
            return self
                .schema_of(None, sample)?
                .ok_or_else(|| connect("Array '' has unrecognized member schema."));
        }
        let mut schemas: Vec<Arc<Schema>> = Vec::new();
        for item in items.iter().filter(|item| item.is_object()) {
            let schema = self.schema_of(key, item)?;
            schemas.extend(schema.filter(|schema| !schemas.contains(schema)));
        }
        // Java merges in the order of a hash set whose hashes differ from run to run; here it is that of the text.
        let mut merged = schemas.remove(0);
        for schema in schemas {
            merged = merge(&merged, &schema);
        }
        Ok(merged)
    }

    /// The first item that is not null, after a check that all are of its type.
    fn sample<'a>(&self, items: &'a [Json]) -> Result<&'a Json> {
        let mut sample = &Json::Null;
        for item in items.iter().filter(|item| !item.is_null()) {
            if sample.is_null() {
                sample = item;
            }
            // The values themselves, which Debezium shows here, stay out of messages.
            match (sample, item) {
                (Json::Number(first), Json::Number(other)) => {
                    let (first, other) = (number_schema(first), number_schema(other));
                    if !Arc::ptr_eq(first, other) {
                        return Err(connect(format!(
                            "Field is not a homogenous array, different number types ({} x {})",
                            schema_text(first),
                            schema_text(other)
                        )));
                    }
                }
                _ if std::mem::discriminant(sample) != std::mem::discriminant(item) => {
                    let kind = node_type(item);
                    return Err(connect(format!("Field is not a homogenous array ({kind}).")));
                }
                _ => {}
            }
        }
        Ok(sample)
    }
}

fn node_type(json: &Json) -> &'static str {
    match json {
        Json::Null => "NULL",
        Json::Bool(_) => "BOOLEAN",
        Json::Number(_) => "NUMBER",
        Json::String(_) => "STRING",
        Json::Array(_) => "ARRAY",
        Json::Object(_) => "OBJECT",
    }
}

/// Fields of both; a field of bytes, which is what nulls are, gives way to another type. The result is required.
fn merge(left: &Schema, right: &Schema) -> Arc<Schema> {
    let mut fields = left.fields().to_vec();
    for field in right.fields() {
        match fields.iter_mut().find(|known| known.name == field.name) {
            None => fields.push(field.clone()),
            Some(known) if known.schema.ty == Type::Bytes && field.schema.ty != Type::Bytes => {
                *known = field.clone();
            }
            Some(_) => {}
        }
    }
    Arc::new(struct_like(left, fields))
}

fn is_integer(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

fn number_schema(number: &Number) -> &'static Arc<Schema> {
    let text = number.as_str();
    if is_integer(text) && text.parse::<i32>().is_ok() {
        &INT32
    } else if is_integer(text) && text.parse::<i64>().is_ok() {
        &INT64
    } else {
        &FLOAT64
    }
}

/// The struct that an object is with that schema.
///
/// # Errors
/// The exceptions of Connect when the value is none of that schema, such as an array.
pub(crate) fn to_struct(json: &Json, schema: &Arc<Schema>) -> Result<Struct> {
    let Type::Struct(fields) = &schema.ty else {
        return Err(Error::record(format!("Not a struct schema: {}", schema_text(schema))));
    };
    let cells = fields
        .iter()
        .map(|field| {
            let Some(value) = json.get(&*field.name) else { return Ok(Value::Null) };
            let value = to_value(value, &field.schema)?;
            check_field(field, &value)?;
            Ok(value)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Struct::new(Arc::clone(schema), cells))
}

fn to_value(json: &Json, schema: &Arc<Schema>) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::String(text) => Value::from(text.clone()),
        Json::Number(number) => {
            let text = number.as_str();
            match (text.parse::<i32>(), text.parse::<i64>()) {
                (Ok(number), _) => Value::Int32(number),
                (_, Ok(number)) => Value::Int64(number),
                _ if is_integer(text) => {
                    text.parse().map_or(Value::Null, |number| Value::Decimal(Box::new(number)))
                }
                _ => Value::Float64(text.parse().unwrap_or(f64::NAN)),
            }
        }
        Json::Array(items) => {
            let Type::Array(item) = &schema.ty else {
                return Err(Error::record("Cannot look up value schema on non-array and non-map type"));
            };
            Value::Array(items.iter().map(|value| to_value(value, item)).collect::<Result<Vec<_>>>()?)
        }
        Json::Object(_) => Value::from(to_struct(json, schema)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, nulls_are_bytes: bool) -> String {
        let of = JsonSchema { nulls_are_bytes, names: Adjuster::of_fields("none") };
        let json = parse(text).unwrap();
        let read = || {
            let schema = of.schema_of(Some("p"), &json)?.ok_or_else(|| Error::record("no schema"))?;
            to_struct(&json, &schema)
        };
        match read() {
            Ok(value) => {
                let mut out = Vec::new();
                raccord_data::java_text::append_value(&Value::from(value.clone()), &mut out);
                let fields: Vec<String> = value
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| format!("{}:{}", field.name, schema_text(&field.schema)))
                    .collect();
                format!("{} {}", String::from_utf8(out).unwrap(), fields.join(" "))
            }
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn finds_schemas_in_json() {
        let check = |text: &str, expect: &str| assert_eq!(show(text, false), expect, "{text}");
        check(
            r#"{"a":1,"b":"x","c":true} rest"#,
            "Struct{a=1,b=x,c=true} a:Schema{INT32} b:Schema{STRING} c:Schema{BOOLEAN}",
        );
        check(
            r#"{"a":2147483648,"b":1.0,"c":1e2}"#,
            "Struct{a=2147483648,b=1.0,c=100.0} a:Schema{INT64} b:Schema{FLOAT64} c:Schema{FLOAT64}",
        );
        check(r#"{"a":null,"b":[]}"#, "Struct{} ");
        check(r#"{"a":{"b":{"c":1}}}"#, "Struct{a=Struct{b=Struct{c=1}}} a:Schema{p.a:STRUCT}");
        check(r#"{"a":[1,null,2]}"#, "Struct{a=[1, null, 2]} a:Schema{ARRAY}");
        check(r#"{"a":[1,"x"]}"#, "Field is not a homogenous array (STRING).");
        check(
            r#"{"a":[1,1.5]}"#,
            "Field is not a homogenous array, different number types (Schema{INT32} x Schema{FLOAT64})",
        );
        check(r#"{"a":[null]}"#, "Array '' has unrecognized member schema.");
        check(r#"{"a":[{"x":1},{"y":2}]}"#, "Struct{a=[Struct{x=1}, Struct{y=2}]} a:Schema{ARRAY}");
        check("[1]", "Not a struct schema: Schema{ARRAY}");
        check(
            r#"{"a":123456789012345678901234567890}"#,
            "Invalid Java object for schema with type FLOAT64: class java.math.BigDecimal for field: \"a\"",
        );
        assert_eq!(show(r#"{"a":null}"#, true), "Struct{} a:Schema{BYTES}");
    }
}
