//! The common schema of the entries of an inferred array or map, and entries brought to it.

use std::sync::Arc;

use super::parser::NotThat;
use crate::java_text::DAY_MS;
use crate::{Schema, Type, Value, logical};

/// Looks for the schema that fits all entries seen so far.
#[derive(Debug, Default)]
pub(super) struct Merger {
    common: Option<Arc<Schema>>,
    incompatible: bool,
}

impl Merger {
    /// Takes the schema of another entry; nulls have none and fit all.
    pub fn merge(&mut self, schema: Option<&Arc<Schema>>) {
        let (Some(schema), false) = (schema, self.incompatible) else { return };
        match &self.common {
            None => self.common = Some(Arc::clone(schema)),
            Some(common) => {
                self.common = merged(common, schema);
                self.incompatible = self.common.is_none();
            }
        }
    }

    /// The common schema, if any entry had one and all agree.
    pub fn common(self) -> Option<Arc<Schema>> {
        self.common
    }
}

/// Integers fit wider integers and floats; anything else fits its own type only. Of two schemas of one type the later
/// one is taken, whatever their names.
fn merged(a: &Arc<Schema>, b: &Arc<Schema>) -> Option<Arc<Schema>> {
    if std::mem::discriminant(&a.ty) == std::mem::discriminant(&b.ty) {
        return Some(Arc::clone(b));
    }
    let (rank_a, rank_b) = (rank(&a.ty)?, rank(&b.ty)?);
    Some(Arc::clone(if rank_a > rank_b { a } else { b }))
}

fn rank(ty: &Type) -> Option<u8> {
    Some(match ty {
        Type::Int8 => 0,
        Type::Int16 => 1,
        Type::Int32 => 2,
        Type::Int64 => 3,
        Type::Float32 => 4,
        Type::Float64 => 5,
        _ => return None,
    })
}

/// Brings a value to the common schema.
///
/// # Errors
/// When it does not fit after all: null, or a date among plain numbers.
pub(super) fn align(schema: &Schema, value: Value) -> Result<Value, NotThat> {
    if value.is_null() {
        return Err(NotThat);
    }
    Ok(match (schema.name.as_deref(), &schema.ty) {
        (Some(logical::DATE | logical::TIME), Type::Int32) | (Some(logical::TIMESTAMP), Type::Int64)
            if matches!(value, Value::Date(_)) =>
        {
            value
        }
        (Some(logical::DATE), Type::Int32) => Value::Date(i64::from(long(&value)? as i32) * DAY_MS),
        (Some(logical::TIME), Type::Int32) => {
            let millis = i64::from(long(&value)? as i32);
            if !(0..=DAY_MS).contains(&millis) {
                return Err(NotThat);
            }
            Value::Date(millis)
        }
        (Some(logical::TIMESTAMP), Type::Int64) => Value::Date(long(&value)?),
        (_, Type::Int8) => Value::Int8(long(&value)? as i8),
        (_, Type::Int16) => Value::Int16(long(&value)? as i16),
        (_, Type::Int32) => Value::Int32(long(&value)? as i32),
        (_, Type::Int64) => Value::Int64(long(&value)?),
        (_, Type::Float32) => match value {
            Value::Float32(_) => value,
            value => Value::Float32(double(&value)? as f32),
        },
        (_, Type::Float64) => Value::Float64(double(&value)?),
        _ => value,
    })
}

fn long(value: &Value) -> Result<i64, NotThat> {
    Ok(match value {
        Value::Int8(number) => i64::from(*number),
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        _ => return Err(NotThat),
    })
}

fn double(value: &Value) -> Result<f64, NotThat> {
    match value {
        Value::Float32(number) => Ok(f64::from(*number)),
        Value::Float64(number) => Ok(*number),
        value => long(value).map(|number| number as f64),
    }
}
