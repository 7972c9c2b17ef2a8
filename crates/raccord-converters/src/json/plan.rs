//! What is compiled once per schema: for each value its type, its logical type and what null means.

use std::sync::Arc;

use raccord_data::{Schema, Type, Value, logical};

use super::Settings;

/// How a value of one schema is written and read.
#[derive(Debug)]
pub(super) struct Plan {
    /// The schema; `None` where the value decides for itself.
    pub schema: Option<Arc<Schema>>,
    /// What kind of value it is.
    pub step: Step,
    /// What null means.
    pub null: NullMeans,
}

/// The kind of a value.
#[derive(Debug)]
pub(super) enum Step {
    Any,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    String,
    Bytes,
    /// With the scale, if the schema has one that can be read.
    Decimal(Option<i32>),
    Date,
    Time,
    Timestamp,
    Array(Box<Plan>),
    Map(Box<MapPlan>),
    Struct(Box<[FieldPlan]>),
}

/// Keys and values of a map.
#[derive(Debug)]
pub(super) struct MapPlan {
    /// Maps with text keys are JSON objects, others arrays of pairs.
    pub text_keys: bool,
    pub key: Plan,
    pub value: Plan,
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct FieldPlan {
    pub name: Arc<str>,
    /// The name as JSON and a colon, behind the brace or the comma that precedes it: `,"name":`.
    pub prefix: Literal,
    pub plan: Plan,
}

/// Bytes that are written again and again. Short ones have others behind them, so that all are copied as one block.
#[derive(Debug)]
pub(super) struct Literal {
    bytes: Box<[u8]>,
    length: usize,
}

/// How many bytes are copied of a short literal.
const LITERAL_BLOCK: usize = 32;

impl Literal {
    fn new(mut bytes: Vec<u8>) -> Self {
        let length = bytes.len();
        bytes.resize(length.max(LITERAL_BLOCK), 0);
        Self { bytes: bytes.into(), length }
    }

    /// Appends the bytes.
    #[inline]
    pub fn append(&self, out: &mut Vec<u8>) {
        match self.bytes.first_chunk::<LITERAL_BLOCK>() {
            Some(block) if self.length <= LITERAL_BLOCK => {
                let end = out.len() + self.length;
                out.extend_from_slice(block);
                out.truncate(end);
            }
            _ => out.extend_from_slice(&self.bytes),
        }
    }
}

/// What null means where this schema stands.
#[derive(Debug)]
pub(super) enum NullMeans {
    /// Null.
    Null,
    /// The schema's default.
    Default(Box<Value>),
    /// A mistake.
    Mistake,
}

impl Plan {
    /// The plan for data without a schema.
    pub fn any() -> Self {
        Self { schema: None, step: Step::Any, null: NullMeans::Null }
    }

    /// Compiles a schema.
    pub fn of(schema: &Arc<Schema>, settings: &Settings) -> Self {
        if schema.is_unknown() {
            return Self::any();
        }
        let null = match &schema.default {
            Some(default) if settings.replace_null => NullMeans::Default(Box::new(default.clone())),
            _ if schema.optional => NullMeans::Null,
            _ => NullMeans::Mistake,
        };
        Self { schema: Some(Arc::clone(schema)), step: Step::of(schema, settings), null }
    }
}

impl Step {
    fn of(schema: &Schema, settings: &Settings) -> Self {
        match schema.name.as_deref() {
            Some(logical::DECIMAL) => {
                return Self::Decimal(schema.parameter("scale").and_then(|scale| scale.parse().ok()));
            }
            Some(logical::DATE) => return Self::Date,
            Some(logical::TIME) => return Self::Time,
            Some(logical::TIMESTAMP) => return Self::Timestamp,
            _ => {}
        }
        match &schema.ty {
            Type::Boolean => Self::Boolean,
            Type::Int8 => Self::Int8,
            Type::Int16 => Self::Int16,
            Type::Int32 => Self::Int32,
            Type::Int64 => Self::Int64,
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            Type::String => Self::String,
            Type::Bytes => Self::Bytes,
            Type::Array(items) => Self::Array(Box::new(Plan::of(items, settings))),
            Type::Map(key, value) => Self::Map(Box::new(MapPlan {
                text_keys: !key.is_unknown() && matches!(key.ty, Type::String),
                key: Plan::of(key, settings),
                value: Plan::of(value, settings),
            })),
            Type::Struct(fields) => Self::Struct(
                fields
                    .iter()
                    .enumerate()
                    .map(|(index, field)| {
                        let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
                        super::text::append_quoted(&field.name, &mut prefix);
                        prefix.push(b':');
                        FieldPlan {
                            name: Arc::clone(&field.name),
                            prefix: Literal::new(prefix),
                            plan: Plan::of(&field.schema, settings),
                        }
                    })
                    .collect(),
            ),
        }
    }
}

impl FieldPlan {
    /// The name as JSON, in quotes.
    pub fn quoted(&self) -> &[u8] {
        &self.prefix.bytes[1..self.prefix.length - 1]
    }
}
