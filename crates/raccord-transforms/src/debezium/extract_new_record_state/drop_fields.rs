//! Leaving out the fields that a header lists, from the value and, if wanted, from the key.

use std::sync::Arc;

use raccord_data::{Field, Record, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result};

use crate::debezium::field::trim;
use crate::debezium::structs::{struct_like, take};
use crate::exception::null_pointer;
use crate::fit::check_field;
use crate::part::require_struct;

/// Kafka's `ReplaceField`, which Debezium calls for this, names itself so in messages.
const PURPOSE: &str = "field replacement";

pub(super) struct DropFields {
    header: String,
    from_key: bool,
    optional_only: bool,
    keys: Plans,
    values: Plans,
}

/// What lists that came up leave of structs.
type Plans = Vec<Kept>;

/// Schemas and lists remembered.
const PLANS_MAX: usize = 256;

/// What is left of structs of one schema without the fields of one list.
struct Kept {
    of: Arc<Schema>,
    listed: Vec<Value>,
    /// None when nothing of the list can be dropped.
    schema: Option<Arc<Schema>>,
    places: Vec<usize>,
}

impl DropFields {
    pub fn new(header: String, from_key: bool, optional_only: bool) -> Self {
        let (keys, values) = (Plans::new(), Plans::new());
        Self { header, from_key, optional_only, keys, values }
    }

    /// Drops the fields that the record's header lists.
    ///
    /// # Errors
    /// The exceptions of Debezium for keys and values that are no structs, and for a header that is no list.
    pub fn apply(&mut self, record: &mut Record) -> Result<()> {
        let header = record.headers.iter().find(|header| *header.key == *self.header);
        let listed = match header.map(|header| &header.value) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(listed)) if listed.is_empty() => return Ok(()),
            Some(Value::Array(listed)) => listed.clone(),
            Some(other) => return Err(no_list(other)),
        };
        if self.from_key && !record.key.is_null() {
            drop_from(&mut self.keys, &mut record.key_schema, &mut record.key, &listed, self.optional_only)?;
        }
        drop_from(&mut self.values, &mut record.value_schema, &mut record.value, &listed, self.optional_only)
    }
}

fn drop_from(
    plans: &mut Plans,
    schema: &mut Option<Arc<Schema>>,
    value: &mut Value,
    listed: &[Value],
    optional_only: bool,
) -> Result<()> {
    let Some(of) = schema.as_ref() else {
        if optional_only {
            return Err(null_pointer(
                "Cannot invoke \"org.apache.kafka.connect.data.Schema.fields()\" because \"schema\" is null",
            ));
        }
        return if value.is_null() { Ok(()) } else { drop_from_map(value, listed) };
    };
    let known = plans.iter().position(|plan| Arc::ptr_eq(&plan.of, of) && plan.listed == listed);
    let place = match known {
        Some(place) => place,
        None => {
            if plans.len() >= PLANS_MAX {
                plans.clear();
            }
            plans.push(Kept::compile(of, listed, optional_only)?);
            plans.len() - 1
        }
    };
    let plan = &plans[place];
    let (false, Some(kept)) = (value.is_null(), &plan.schema) else { return Ok(()) };
    require_struct(value, PURPOSE)?;
    let Value::Struct(holder) = value else { return Ok(()) };
    let cells = plan
        .places
        .iter()
        .zip(kept.fields())
        .map(|(place, field)| {
            let value = take(&field.schema, &mut holder.cells_mut()[*place]);
            if value.is_null() {
                check_field(field, &value)?;
            }
            Ok(value)
        })
        .collect::<Result<Vec<_>>>()?;
    *holder = Struct::new(Arc::clone(kept), cells);
    *schema = Some(Arc::clone(kept));
    Ok(())
}

impl Kept {
    fn compile(schema: &Arc<Schema>, listed: &[Value], optional_only: bool) -> Result<Self> {
        let is_listed = |field: &Field| listed.iter().any(|name| name.as_str() == Some(&field.name));
        let mut excluded: Vec<&str> = Vec::new();
        if optional_only {
            let Type::Struct(fields) = &schema.ty else {
                return Err(Error::record("Cannot list fields on non-struct type"));
            };
            let droppable = fields.iter().filter(|field| field.schema.optional && is_listed(field));
            excluded.extend(droppable.map(|field| &*field.name));
        } else {
            excluded.extend(listed.iter().filter_map(Value::as_str));
        }
        if excluded.is_empty() {
            return Ok(Self {
                of: Arc::clone(schema),
                listed: listed.to_vec(),
                schema: None,
                places: Vec::new(),
            });
        }
        // The names travel as one text with commas.
        let excluded: Vec<&str> = excluded.iter().flat_map(|names| names.split(',')).map(trim).collect();
        let kept = schema.fields().iter().enumerate().filter(|(_, field)| !excluded.contains(&&*field.name));
        let (places, fields): (Vec<usize>, Vec<Field>) =
            kept.map(|(place, field)| (place, field.clone())).unzip();
        let kept = Arc::new(struct_like(schema, fields));
        Ok(Self { of: Arc::clone(schema), listed: listed.to_vec(), schema: Some(kept), places })
    }
}

/// A schemaless key that is a map.
fn drop_from_map(value: &mut Value, listed: &[Value]) -> Result<()> {
    let Value::Map(entries) = value else {
        let class = value.java_class();
        return Err(Error::record(format!(
            "Only Map objects supported in absence of schema for [{PURPOSE}], found: {class}"
        )));
    };
    entries.retain(|(key, _)| !listed.contains(key));
    Ok(())
}

fn no_list(value: &Value) -> Error {
    let class = value.java_class();
    Error::record(format!(
        "class {class} cannot be cast to class java.util.List ({class} and java.util.List are in module java.base of \
         loader 'bootstrap')"
    ))
    .class("java.lang.ClassCastException")
}
