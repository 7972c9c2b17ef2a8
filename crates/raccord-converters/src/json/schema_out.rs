//! Schemas as the JSON that the envelope carries.

use raccord_data::{Schema, Type};
use raccord_plugin::Result;

use super::Settings;
use super::encode::write_default;
use super::text::append_quoted;

/// Appends the JSON of a schema, with the name of the field it belongs to, if any, as the last key.
///
/// # Errors
/// When the default does not fit the schema.
pub(super) fn write_schema(
    schema: &std::sync::Arc<Schema>,
    field: Option<&str>,
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<()> {
    if schema.is_unknown() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(type_name(&schema.ty).as_bytes());
    out.push(b'"');
    match &schema.ty {
        Type::Array(items) => {
            out.extend_from_slice(b",\"items\":");
            write_schema(items, None, settings, out)?;
        }
        Type::Map(key, value) => {
            out.extend_from_slice(b",\"keys\":");
            write_schema(key, None, settings, out)?;
            out.extend_from_slice(b",\"values\":");
            write_schema(value, None, settings, out)?;
        }
        Type::Struct(fields) => {
            out.extend_from_slice(b",\"fields\":[");
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_schema(&field.schema, Some(&field.name), settings, out)?;
            }
            out.push(b']');
        }
        _ => {}
    }
    out.extend_from_slice(if schema.optional { b",\"optional\":true" } else { b",\"optional\":false" });
    write_annotations(schema, out);
    if schema.default.is_some() {
        out.extend_from_slice(b",\"default\":");
        write_default(schema, settings, out)?;
    }
    if let Some(field) = field {
        out.extend_from_slice(b",\"field\":");
        append_quoted(field, out);
    }
    out.push(b'}');
    Ok(())
}

fn write_annotations(schema: &Schema, out: &mut Vec<u8>) {
    if let Some(name) = &schema.name {
        out.extend_from_slice(b",\"name\":");
        append_quoted(name, out);
    }
    if let Some(version) = schema.version {
        out.extend_from_slice(b",\"version\":");
        out.extend_from_slice(itoa::Buffer::new().format(version).as_bytes());
    }
    if let Some(doc) = &schema.doc {
        out.extend_from_slice(b",\"doc\":");
        append_quoted(doc, out);
    }
    if !schema.parameters.is_empty() {
        out.extend_from_slice(b",\"parameters\":{");
        for (index, (key, value)) in schema.parameters.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            append_quoted(key, out);
            out.push(b':');
            append_quoted(value, out);
        }
        out.push(b'}');
    }
}

/// The name of a type in the envelope.
fn type_name(ty: &Type) -> &'static str {
    match ty {
        Type::Int8 => "int8",
        Type::Int16 => "int16",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Float32 => "float",
        Type::Float64 => "double",
        Type::Boolean => "boolean",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Array(_) => "array",
        Type::Map(..) => "map",
        Type::Struct(_) => "struct",
    }
}
