//! Debezium's change events: how they are recognised, and the names in them.

use raccord_data::{Record, Value};

pub(crate) const BEFORE: &str = "before";
pub(crate) const AFTER: &str = "after";
pub(crate) const SOURCE: &str = "source";
pub(crate) const TRANSACTION: &str = "transaction";
pub(crate) const OPERATION: &str = "op";
pub(crate) const TIMESTAMP: &str = "ts_ms";

/// The end of the name of every envelope's schema.
pub(crate) const SUFFIX: &str = ".Envelope";

/// Whether the value is a change event. Its schema's name alone decides, so schemaless data is none.
pub(crate) fn is_envelope(record: &Record) -> bool {
    has_name(record, |name| name.ends_with(SUFFIX))
}

/// Whether the value is a schema change.
pub(crate) fn is_schema_change(record: &Record) -> bool {
    has_name(record, |name| name.ends_with(".SchemaChangeValue") || name.ends_with(".SchemaChangeKey"))
}

fn has_name(record: &Record, test: impl Fn(&str) -> bool) -> bool {
    record.value_schema.as_ref().and_then(|schema| schema.name.as_deref()).is_some_and(test)
}

/// Whether the operation has this code, in any case, as `Operation.forCode` reads it.
pub(crate) fn is_operation(op: &Value, code: &str) -> bool {
    op.as_str().is_some_and(|op| op.eq_ignore_ascii_case(code))
}
