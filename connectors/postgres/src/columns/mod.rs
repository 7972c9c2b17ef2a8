//! Columns: what their values become, and how each is read.
//!
//! A type is looked at once, when the table's description arrives ([`ColumnPlan::new`]); per cell there is one match over
//! a small enum. Text cells are slices of the bytes they arrived in.
//!
//! Debezium reads a value in one of two ways, and they differ at the edges: in a snapshot and within arrays the JDBC
//! driver hands out Java's older classes, which count early dates by the Julian calendar, keep milliseconds of times
//! and pass `money` through a double; from the log it reads the text itself. [`Origin`] tells them apart.

mod arrays;
pub mod binary;
mod bind;
mod calendar;
mod compile;
mod defaults;
mod hstore;
mod interval;
mod iso;
mod kind;
mod network;
mod numbers;
pub(crate) mod oids;
pub mod schemas;
mod settings;
mod temporal;
#[cfg(test)]
mod tests;
mod vectors;

use std::sync::Arc;

use raccord_cdc::{Column, ColumnField};
use raccord_data::{Schema, Value};
use raccord_plugin::{Error, Result};

pub use kind::{Kind, Origin};
pub use settings::{BinaryMode, ColumnSettings, TimePrecision};
pub(crate) use temporal::{Bounded, date_text, timestamp_text};

use crate::catalog::{CatalogColumn, TypeRegistry};
use crate::raw::Raw;

/// A column, compiled.
#[derive(Clone, Debug)]
pub struct ColumnPlan {
    name: Arc<str>,
    type_name: Arc<str>,
    schema: Option<Arc<Schema>>,
    kind: Kind,
    default: Option<Value>,
    /// Whether nothing stands for a value that Debezium cannot read, so that it fails for a null.
    required: bool,
    /// What a null is written as.
    null: Value,
    /// What an unavailable value that the log does not have is written as.
    unavailable: Value,
}

impl ColumnPlan {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its type.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Compiles a column.
    pub fn new(column: &CatalogColumn, types: &TypeRegistry, settings: &ColumnSettings) -> Self {
        Self::of_type(&column.column, column.type_oid, types, settings)
    }

    /// Compiles a column of a declared type, a domain included.
    pub fn of_type(column: &Column, type_oid: u32, types: &TypeRegistry, settings: &ColumnSettings) -> Self {
        let plan = Self {
            name: Arc::clone(&column.name),
            type_name: Arc::clone(&column.type_name),
            schema: None,
            kind: Kind::Unreadable,
            default: None,
            required: false,
            null: Value::Null,
            unavailable: Value::Null,
        };
        let Some((schema, kind)) = compile::compile(column, type_oid, types, settings) else { return plan };
        let default = defaults::default_value(column, &kind);
        let null = match column.optional {
            true => Value::Null,
            false => default.clone().unwrap_or_else(|| kind.fallback(&schema)),
        };
        let is_domain = types.root(type_oid) != type_oid;
        let unavailable = unavailable(&kind, is_domain, settings);
        let required = !column.optional && default.is_none();
        Self { schema: Some(schema), kind, default, required, null, unavailable, ..plan }
    }

    /// What the table's plan needs to know of it.
    pub fn field(&self) -> ColumnField {
        ColumnField { schema: self.schema.clone(), default: self.default.clone() }
    }

    /// Whether a snapshot has to select it as `::text`; else in its binary form.
    pub fn select_as_text(&self) -> bool {
        self.kind.is_copied_as_text()
    }

    /// A cell of the log, from its text form.
    ///
    /// # Errors
    /// When the type has no such text.
    #[inline]
    pub fn decode_text(&self, text: Raw<'_>) -> Result<Value> {
        // Debezium finds no value in the log, rather than one that it cannot convert.
        if matches!(self.kind, Kind::Name) {
            return Ok(self.null());
        }
        self.decoded(self.kind.text(text, Origin::Log), "text")
    }

    /// A cell of a snapshot, as `COPY … (FORMAT binary)` gives it: in binary form, or in text form where
    /// [`select_as_text`](Self::select_as_text) says so.
    ///
    /// # Errors
    /// When the type has no such form.
    #[inline]
    pub fn decode_binary(&self, bytes: Raw<'_>) -> Result<Value> {
        self.decoded(self.kind.copied(bytes), "binary form")
    }

    #[inline]
    fn decoded(&self, value: Option<Value>, form: &str) -> Result<Value> {
        match value {
            Some(Value::Null) => self.given(Value::Null),
            Some(value) => Ok(value),
            None => Err(self.malformed(form)),
        }
    }

    /// The cell for null: null, or what stands for it in a column that must not be null.
    pub fn null(&self) -> Value {
        self.null.clone()
    }

    /// The cell for a value that could not be converted: the default, or null.
    ///
    /// # Errors
    /// When the column has no default and must not be null: then the row has no place in its schema.
    pub fn unconverted(&self) -> Result<Value> {
        self.given(if self.required { Value::Null } else { self.null.clone() })
    }

    /// The cell for a value that did not change and that the log therefore does not have
    /// (`unavailable.value.placeholder`, in the form of the type). Null where the type cannot hold it.
    ///
    /// # Errors
    /// When it is null, which the column must not be.
    pub fn unavailable(&self) -> Result<Value> {
        match &self.unavailable {
            Value::Null => self.unconverted(),
            placeholder => Ok(placeholder.clone()),
        }
    }

    /// A value that became null, because its type has no place for it, cannot go to a required field.
    fn given(&self, value: Value) -> Result<Value> {
        match (&value, &self.schema) {
            (Value::Null, Some(schema)) if self.required => Err(Error::record(format!(
                "Invalid value: null used for required field: \"{}\", schema type: {}",
                self.name,
                schema.ty.java_name()
            ))),
            _ => Ok(value),
        }
    }

    #[cold]
    fn malformed(&self, form: &str) -> Error {
        Error::record(format!(
            "the server sent a {form} for column '{}' that its type {} does not have",
            self.name, self.type_name
        ))
    }
}

fn unavailable(kind: &Kind, is_domain: bool, settings: &ColumnSettings) -> Value {
    let text = || Value::String(settings.placeholder_text());
    match kind {
        Kind::Text | Kind::CastText | Kind::Jsonb | Kind::Uuid | Kind::Network | Kind::Mac => text(),
        Kind::Numeric(numbers::NumericForm::String(_)) => text(),
        Kind::Binary(BinaryMode::Bytes)
        | Kind::Geometric(BinaryMode::Bytes)
        | Kind::Unknown(BinaryMode::Bytes) => Value::Bytes(settings.placeholder.clone()),
        Kind::Binary(BinaryMode::Hex) | Kind::Unknown(BinaryMode::Hex) => text(),
        Kind::Hstore(mode) => hstore::placeholder(*mode, &settings.placeholder_text()),
        Kind::Array(inner) if !is_domain => unavailable_array(inner, settings),
        _ => Value::Null,
    }
}

/// Arrays for which Debezium has a placeholder: of text, bytes, integers (one for each byte), dates, UUIDs.
fn unavailable_array(elements: &kind::Elements, settings: &ColumnSettings) -> Value {
    let bytes = &settings.placeholder;
    let each = |cell: fn(i8) -> Value| Value::Array(bytes.iter().map(|byte| cell(*byte as i8)).collect());
    match (elements.oid, &elements.kind) {
        (oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::JSON | oids::JSONB, _) => {
            Value::Array(vec![Value::String(settings.placeholder_text())])
        }
        (oids::BYTEA, Kind::Binary(BinaryMode::Bytes)) => Value::Array(vec![Value::Bytes(bytes.clone())]),
        (oids::INT4, _) => each(|byte| Value::Int32(byte.into())),
        (oids::DATE, Kind::Date(mode))
            if !matches!(mode, TimePrecision::Connect | TimePrecision::IsoString) =>
        {
            each(|byte| Value::Int32(byte.into()))
        }
        (oids::INT8, _) => each(|byte| Value::Int64(byte.into())),
        (oids::UUID, _) => Value::Array(vec![Value::from(kind::uuid_of(bytes))]),
        _ => Value::Null,
    }
}
