//! Schemas from the JSON that the envelope carries.

use std::sync::Arc;

use raccord_data::{Field, Schema, Type, Value, logical};
use raccord_plugin::{Error, Result};

use super::convert::{check_value, to_value};
use super::node::Node;
use super::{SCHEMA_BUILDER_EXCEPTION, Settings};

/// Builds the schema that the node describes; null describes none.
///
/// # Errors
/// When the node describes no schema, in Connect's words.
pub(super) fn to_schema(node: &Node, settings: &Settings) -> Result<Option<Arc<Schema>>> {
    if matches!(node, Node::Null) {
        return Ok(None);
    }
    let ty = to_type(node, settings)?;
    let mut builder = Schema::of(ty);
    if matches!(node.get("optional"), Some(Node::Boolean(true))) {
        builder = builder.optional();
    }
    if let Some(Node::Text(name)) = node.get("name") {
        builder = builder.name(name.as_str());
    }
    if let Some(version @ (Node::Int(_) | Node::Long(_) | Node::Big(_))) = node.get("version") {
        builder = builder.version(version.long_value() as i32);
    }
    if let Some(Node::Text(doc)) = node.get("doc") {
        builder = builder.doc(doc.as_str());
    }
    if let Some(Node::Object(parameters)) = node.get("parameters") {
        for (key, value) in parameters {
            let Node::Text(value) = value else {
                return Err(Error::record("Schema parameters must have string values."));
            };
            builder = builder.parameter(key.as_str(), value.as_str());
        }
    }
    let Some(default) = node.get("default") else { return Ok(Some(builder.build())) };
    let schema = builder.build();
    let default = to_value(Some(&schema), Some(default), settings)?;
    check_default(&schema, &default)?;
    if default.is_null() {
        return Ok(Some(schema));
    }
    Ok(Some(Arc::new(Schema { default: Some(default), ..Arc::unwrap_or_clone(schema) })))
}

fn to_type(node: &Node, settings: &Settings) -> Result<Type> {
    let Some(Node::Text(name)) = node.get("type") else {
        return Err(Error::record("Schema must contain 'type' field"));
    };
    Ok(match name.as_str() {
        "boolean" => Type::Boolean,
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "float" => Type::Float32,
        "double" => Type::Float64,
        "bytes" => Type::Bytes,
        "string" => Type::String,
        "array" => {
            let items = match node.get("items") {
                Some(items) => to_schema(items, settings)?,
                None => None,
            };
            Type::Array(items.ok_or_else(|| Error::record("Array schema did not specify the element type"))?)
        }
        "map" => {
            let missing = |what: &str| Error::record(format!("Map schema did not specify the {what} type"));
            let keys = node.get("keys").ok_or_else(|| missing("key"))?;
            let values = node.get("values").ok_or_else(|| missing("value"))?;
            let (keys, values) = (to_schema(keys, settings)?, to_schema(values, settings)?);
            Type::Map(
                keys.ok_or_else(|| builder_error("keySchema cannot be null."))?,
                values.ok_or_else(|| builder_error("valueSchema cannot be null."))?,
            )
        }
        "struct" => Type::Struct(to_fields(node, settings)?),
        unknown => return Err(Error::record(format!("Unknown schema type: {unknown}"))),
    })
}

fn to_fields(node: &Node, settings: &Settings) -> Result<Box<[Field]>> {
    let Some(Node::Array(nodes)) = node.get("fields") else {
        return Err(Error::record("Struct schema's \"fields\" argument is not an array."));
    };
    let mut fields = indexmap::IndexMap::with_capacity(nodes.len());
    for node in nodes {
        let Some(Node::Text(name)) = node.get("field") else {
            return Err(Error::record("Struct schema's field name not specified properly"));
        };
        let schema = to_schema(node, settings)?;
        if name.is_empty() {
            return Err(builder_error("fieldName cannot be null."));
        }
        let schema =
            schema.ok_or_else(|| builder_error(&format!("fieldSchema for field {name} cannot be null.")))?;
        let name: Arc<str> = name.as_str().into();
        if fields.insert(Arc::clone(&name), schema).is_some() {
            let message = format!("Cannot create field because of field name duplication {name}");
            return Err(builder_error(&message));
        }
    }
    Ok(fields.into_iter().map(|(name, schema)| Field { name, schema }).collect())
}

/// Refuses defaults as Connect does: nulls where none may be, and every struct, because Connect compares the schema of
/// the struct with a builder that is never equal to it.
fn check_default(schema: &Arc<Schema>, default: &Value) -> Result<()> {
    let is_struct = matches!(schema.ty, Type::Struct(_)) && matches!(default, Value::Struct(_));
    let checked = if is_struct && !is_logical(schema) {
        Err(Error::record("Struct schemas do not match."))
    } else {
        check_value(schema, default, &|| "value".to_owned())
    };
    checked.map_err(|error| builder_error("Invalid default value").caused_by(error))
}

fn is_logical(schema: &Schema) -> bool {
    matches!(
        schema.name.as_deref(),
        Some(logical::DECIMAL | logical::DATE | logical::TIME | logical::TIMESTAMP)
    )
}

fn builder_error(message: &str) -> Error {
    Error::record(message).class(SCHEMA_BUILDER_EXCEPTION)
}
