//! The schemas of values that PostgreSQL's types become: Debezium's semantic types, as required schemas without default.

use std::sync::Arc;

use raccord_data::{Schema, Type, logical};

/// A schema of that type with a semantic name.
pub fn named(ty: Type, name: &str) -> Arc<Schema> {
    Schema::of(ty).name(name).version(1).build()
}

/// A plain schema of that type.
pub fn plain(ty: Type) -> Arc<Schema> {
    Schema::of(ty).build()
}

/// The same, but values may be null.
pub fn optional(schema: &Arc<Schema>) -> Arc<Schema> {
    let mut schema = (**schema).clone();
    schema.optional = true;
    schema.shared()
}

/// Connect's exact decimal of that scale; Debezium says the precision as well, but for money.
pub fn decimal(scale: i32, precision: Option<i32>) -> Arc<Schema> {
    let schema =
        Schema::of(Type::Bytes).name(logical::DECIMAL).version(1).parameter("scale", scale.to_string());
    match precision {
        Some(precision) => schema.parameter("connect.decimal.precision", precision.to_string()),
        None => schema,
    }
    .build()
}

/// A decimal with the scale of each value.
pub fn variable_scale_decimal() -> Arc<Schema> {
    Schema::structure([("scale", plain(Type::Int32)), ("value", plain(Type::Bytes))])
        .name("io.debezium.data.VariableScaleDecimal")
        .version(1)
        .doc("Variable scaled decimal")
        .build()
}

/// Several bits.
pub fn bits(length: i32) -> Arc<Schema> {
    Schema::of(Type::Bytes)
        .name("io.debezium.data.Bits")
        .version(1)
        .parameter("length", length.to_string())
        .build()
}

/// A label of an enum.
pub fn enumeration(labels: &[Arc<str>]) -> Arc<Schema> {
    let allowed = labels.join(",");
    Schema::of(Type::String).name("io.debezium.data.Enum").version(1).parameter("allowed", allowed).build()
}

/// A point of the plane.
pub fn point() -> Arc<Schema> {
    Schema::structure([
        ("x", plain(Type::Float64)),
        ("y", plain(Type::Float64)),
        ("wkb", Schema::of(Type::Bytes).optional().build()),
        ("srid", Schema::of(Type::Int32).optional().build()),
    ])
    .name("io.debezium.data.geometry.Point")
    .version(1)
    .doc("Geometry (POINT)")
    .build()
}

/// pgvector's `sparsevec`.
pub fn sparse_vector() -> Arc<Schema> {
    let entries = Type::Map(plain(Type::Int16), plain(Type::Float64));
    Schema::structure([("dimensions", plain(Type::Int16)), ("vector", plain(entries))])
        .name("io.debezium.data.SparseDoubleVector")
        .version(1)
        .doc("Sparse double vector")
        .build()
}

/// `hstore` as a map.
pub fn hstore_map() -> Arc<Schema> {
    plain(Type::Map(plain(Type::String), Schema::of(Type::String).optional().build()))
}
