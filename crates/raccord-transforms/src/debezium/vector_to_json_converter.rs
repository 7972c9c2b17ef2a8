//! `io.debezium.transforms.VectorToJsonConverter`: writes vectors as JSON text.

use std::sync::{Arc, LazyLock};

use raccord_config::{ConfigDef, RawConfig};
use raccord_data::{Field, Record, Schema, Struct, Type, Value, java_text};
use raccord_plugin::{Error, Result, Transform};

use super::plugin;
use super::structs::{into_struct, lookup_typed, take};
use crate::exception::null_pointer;
use crate::fit::check_field;
use crate::part::require_struct;
use crate::schema_cache::SchemaCache;

plugin! {
    /// `io.debezium.transforms.VectorToJsonConverter`.
    VECTOR_TO_JSON_CONVERTER,
    "io.debezium.transforms.VectorToJsonConverter",
    ConfigDef::new(),
    VectorToJsonConverter::new
}

static JSON: LazyLock<Arc<Schema>> =
    LazyLock::new(|| Schema::of(Type::String).name("io.debezium.data.Json").version(1).build());
static OPTIONAL_JSON: LazyLock<Arc<Schema>> =
    LazyLock::new(|| Schema::of(Type::String).name("io.debezium.data.Json").version(1).optional().build());

#[derive(Default)]
struct VectorToJsonConverter {
    plans: SchemaCache<Plan>,
}

/// What becomes of structs of one schema.
struct Plan {
    schema: Arc<Schema>,
    fields: Vec<Step>,
}

enum Step {
    Keep,
    Vector,
    SparseVector,
    Struct(Plan),
}

impl VectorToJsonConverter {
    fn new(_: &RawConfig) -> Result<Self> {
        Ok(Self::default())
    }
}

impl Transform for VectorToJsonConverter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            return Ok(Some(record));
        }
        let value = require_struct(&record.value, "Value should be a struct")?;
        let plan = self.plans.get(value.schema(), |schema| Ok(Plan::compile(schema)))?;
        let value = into_struct(std::mem::take(&mut record.value), "Value should be a struct")?;
        let value = plan.apply(value)?;
        record.value_schema = Some(Arc::clone(value.schema()));
        record.value = Value::from(value);
        Ok(Some(record))
    }
}

impl Plan {
    fn compile(schema: &Schema) -> Self {
        let (fields, steps): (Vec<Field>, Vec<Step>) = schema.fields().iter().map(compile_field).unzip();
        Self {
            schema: Arc::new(Schema { ty: Type::Struct(fields.into()), default: None, ..schema.clone() }),
            fields: steps,
        }
    }

    fn apply(&self, value: Struct) -> Result<Struct> {
        let (old, mut cells) = value.into_parts();
        let fields = old.fields().iter().zip(self.schema.fields());
        for ((step, cell), (old, new)) in self.fields.iter().zip(&mut cells).zip(fields) {
            let value = take(&old.schema, cell);
            *cell = match step {
                _ if value.is_null() => {
                    check_field(new, &value)?;
                    value
                }
                Step::Keep => value,
                Step::Vector => vector(&value)?,
                Step::SparseVector => {
                    sparse_vector(require_struct(&value, "SparseDoubleVector should be a struct.")?)?
                }
                Step::Struct(plan) => Value::from(plan.apply(into_struct(value, "Should be a struct.")?)?),
            };
        }
        Ok(Struct::new(Arc::clone(&self.schema), cells))
    }
}

fn compile_field(field: &Field) -> (Field, Step) {
    let json = || if field.schema.optional { Arc::clone(&OPTIONAL_JSON) } else { Arc::clone(&JSON) };
    let (schema, step) = match (field.schema.name.as_deref(), &field.schema.ty) {
        (Some("io.debezium.data.DoubleVector" | "io.debezium.data.FloatVector"), _) => (json(), Step::Vector),
        (Some("io.debezium.data.SparseDoubleVector"), _) => (json(), Step::SparseVector),
        (_, Type::Struct(_)) => {
            let plan = Plan::compile(&field.schema);
            (Arc::clone(&plan.schema), Step::Struct(plan))
        }
        _ => (Arc::clone(&field.schema), Step::Keep),
    };
    (Field { name: Arc::clone(&field.name), schema }, step)
}

fn vector(value: &Value) -> Result<Value> {
    let Value::Array(items) = value else {
        return Err(Error::record(format!(
            "class {} cannot be cast to class java.util.Collection",
            value.java_class()
        ))
        .class("java.lang.ClassCastException"));
    };
    let mut text = b"{ \"values\": [".to_vec();
    append_joined(items, &mut text, java_text::append_value);
    text.extend_from_slice(b"] }");
    Ok(text_value(text))
}

fn sparse_vector(value: &Struct) -> Result<Value> {
    let dimensions = &value.cells()[lookup_typed(value.schema(), "dimensions", "INT16")?];
    let Value::Map(entries) = &value.cells()[lookup_typed(value.schema(), "vector", "MAP")?] else {
        return Err(null_pointer("the vector is null"));
    };
    let mut entries: Vec<&(Value, Value)> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| match key {
        Value::Int16(index) => *index,
        _ => 0,
    });
    let mut text = b"{ \"dimensions\": ".to_vec();
    java_text::append_value(dimensions, &mut text);
    text.extend_from_slice(b", \"vector\": { ");
    append_joined(&entries, &mut text, |(index, number), out| {
        out.push(b'"');
        java_text::append_value(index, out);
        out.extend_from_slice(b"\": ");
        java_text::append_value(number, out);
    });
    text.extend_from_slice(b" } }");
    Ok(text_value(text))
}

fn append_joined<T>(items: &[T], out: &mut Vec<u8>, append: impl Fn(&T, &mut Vec<u8>)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        append(item, out);
    }
}

fn text_value(text: Vec<u8>) -> Value {
    Value::String(raccord_data::Text::from_utf8_lossy(text.into()))
}
