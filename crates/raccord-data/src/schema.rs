//! Schemas: immutable, shared, compared by pointer first.

use std::sync::{Arc, LazyLock};

use crate::Value;

/// Names of Connect's logical types; the physical type each one annotates stands beside it.
pub mod logical {
    /// Annotates `Bytes`; the parameter `scale` holds the scale. In memory: [`Value::Decimal`](crate::Value).
    pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
    /// Annotates `Int32`, days since the epoch. In memory: [`Value::Date`](crate::Value).
    pub const DATE: &str = "org.apache.kafka.connect.data.Date";
    /// Annotates `Int32`, milliseconds since midnight. In memory: [`Value::Date`](crate::Value).
    pub const TIME: &str = "org.apache.kafka.connect.data.Time";
    /// Annotates `Int64`, milliseconds since the epoch. In memory: [`Value::Date`](crate::Value).
    pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
}

/// The physical type of a schema: Connect's `Schema.Type` with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit IEEE number.
    Float32,
    /// 64-bit IEEE number.
    Float64,
    /// true or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// Raw bytes.
    Bytes,
    /// A list of values of one schema.
    Array(Arc<Schema>),
    /// Entries of one key schema and one value schema.
    Map(Arc<Schema>, Arc<Schema>),
    /// Named fields in order.
    Struct(Box<[Field]>),
}

impl Type {
    /// The name that Connect's `Schema.Type` has in Java (`INT8`, `STRUCT`, …), which error messages show.
    pub fn java_name(&self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }
}

/// A field of a struct schema. Its index is its place in the slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name, unique in the struct.
    pub name: Arc<str>,
    /// Schema of the cell.
    pub schema: Arc<Schema>,
}

/// What a value looks like. Immutable; share it and compare pointers ([`Schema::same`]) before contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Physical type.
    pub ty: Type,
    /// Whether [`Value::Null`] is allowed.
    pub optional: bool,
    /// Name: a logical type's, or the record's full name.
    pub name: Option<Arc<str>>,
    /// Version, if any.
    pub version: Option<i32>,
    /// Documentation, if any.
    pub doc: Option<Arc<str>>,
    /// Parameters in the order in which they were given.
    pub parameters: Vec<(Arc<str>, Arc<str>)>,
    /// Default value; `None` when the schema has none. In the in-memory form of the logical type.
    pub default: Option<Value>,
}

impl Schema {
    /// Starts a schema of that type.
    pub fn of(ty: Type) -> SchemaBuilder {
        SchemaBuilder(Self {
            ty,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
        })
    }

    /// Starts a struct schema of these fields.
    pub fn structure(fields: impl IntoIterator<Item = (impl Into<Arc<str>>, Arc<Schema>)>) -> SchemaBuilder {
        Self::of(Type::Struct(
            fields.into_iter().map(|(name, schema)| Field { name: name.into(), schema }).collect(),
        ))
    }

    /// The stand-in for a schema that is not known, inside an array or a map that was inferred from data without
    /// saying what its entries are. Java has null there. One shared instance; see [`Schema::is_unknown`].
    pub fn unknown() -> Arc<Self> {
        Arc::clone(&UNKNOWN)
    }

    /// Whether this is [`Schema::unknown`].
    pub fn is_unknown(&self) -> bool {
        std::ptr::eq(self, Arc::as_ptr(&UNKNOWN))
    }

    /// The schema, ready to be shared. Plain ones of a primitive type are the same for everybody: a table has many of
    /// them, and a worker may have thousands of tables.
    pub fn shared(self) -> Arc<Self> {
        match self.plain_place() {
            Some(place) => Arc::clone(&PLAIN[place][usize::from(self.optional)]),
            None => Arc::new(self),
        }
    }

    /// The place of the type among the primitive ones, of a schema that says nothing but that and whether it is optional.
    fn plain_place(&self) -> Option<usize> {
        let Self { ty, optional: _, name, version, doc, parameters, default } = self;
        let says_more = name.is_some() || version.is_some() || doc.is_some() || default.is_some();
        match says_more || !parameters.is_empty() {
            true => None,
            false => PRIMITIVE.iter().position(|primitive| primitive == ty),
        }
    }

    /// The fields of a struct schema; empty for every other type.
    pub fn fields(&self) -> &[Field] {
        match &self.ty {
            Type::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// The place of the field with that name. Linear: resolve once per schema, not per row.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| &*field.name == name)
    }

    /// The value of a parameter.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }

    /// Whether both are the same schema: by pointer, then by content.
    pub fn same(a: &Arc<Self>, b: &Arc<Self>) -> bool {
        Arc::ptr_eq(a, b) || a == b
    }
}

const PRIMITIVE: [Type; 9] = [
    Type::Int8,
    Type::Int16,
    Type::Int32,
    Type::Int64,
    Type::Float32,
    Type::Float64,
    Type::Boolean,
    Type::String,
    Type::Bytes,
];

/// The plain schemas of the primitive types, required and optional.
static PLAIN: LazyLock<[[Arc<Schema>; 2]; PRIMITIVE.len()]> = LazyLock::new(|| {
    PRIMITIVE
        .map(|ty| [false, true].map(|optional| Arc::new(Schema { optional, ..Schema::of(ty.clone()).0 })))
});

static UNKNOWN: LazyLock<Arc<Schema>> =
    LazyLock::new(|| Schema::of(Type::String).optional().name("unknown").build());

/// Builds a [`Schema`]; every method sets the property of its name.
#[derive(Debug)]
pub struct SchemaBuilder(Schema);

impl SchemaBuilder {
    /// Allows null.
    pub fn optional(mut self) -> Self {
        self.0.optional = true;
        self
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Sets the version.
    pub fn version(mut self, version: i32) -> Self {
        self.0.version = Some(version);
        self
    }

    /// Sets the documentation.
    pub fn doc(mut self, doc: impl Into<Arc<str>>) -> Self {
        self.0.doc = Some(doc.into());
        self
    }

    /// Adds a parameter.
    pub fn parameter(mut self, key: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.0.parameters.push((key.into(), value.into()));
        self
    }

    /// Sets the default value.
    pub fn default(mut self, value: Value) -> Self {
        self.0.default = Some(value);
        self
    }

    /// The finished schema.
    pub fn build(self) -> Arc<Schema> {
        self.0.shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_schemas_of_primitive_types_are_shared() {
        let check = |make: fn() -> SchemaBuilder, shared: bool| {
            let (one, other) = (make().build(), make().build());
            assert_eq!(one, other);
            assert_eq!(Arc::ptr_eq(&one, &other), shared, "{one:?}");
        };
        check(|| Schema::of(Type::Int64), true);
        check(|| Schema::of(Type::String).optional(), true);
        check(|| Schema::of(Type::Int64).version(1), false);
        check(|| Schema::of(Type::Bytes).parameter("scale", "2"), false);
        check(|| Schema::of(Type::Boolean).default(Value::Boolean(true)), false);
        check(|| Schema::of(Type::Array(Schema::of(Type::Int64).build())), false);
        assert!(!Schema::of(Type::String).build().optional);
    }
}
