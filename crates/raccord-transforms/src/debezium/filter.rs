//! `io.debezium.transforms.Filter`: keeps the records for which a condition holds.

use raccord_config::{Importance, RawConfig, Type, Width};
use raccord_data::Record;
use raccord_plugin::{Result, Transform};

use super::condition::Outcome;
use super::condition::script::{Decision, LANGUAGE, NULL_HANDLING, Script, TOPIC_REGEX};
use super::field::{Check, Field, definition};
use super::plugin;
use crate::exception::null_pointer;

plugin! {
    /// `io.debezium.transforms.Filter`.
    FILTER,
    "io.debezium.transforms.Filter",
    definition(&[(None, &[TOPIC_REGEX, LANGUAGE, CONDITION, NULL_HANDLING])]),
    Filter::new
}

const CONDITION: Field = Field::new(
    "condition",
    Type::String,
    "Filtering condition",
    "The condition for a record to be kept, such as `value.op == 'u' && value.before.id == 2`.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Required]);

struct Filter(Script);

impl Filter {
    fn new(raw: &RawConfig) -> Result<Self> {
        Script::new(raw, &CONDITION).map(Self)
    }
}

impl Transform for Filter {
    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        let keep = match self.0.decide(&record)? {
            Decision::Pass => true,
            Decision::Drop => false,
            Decision::Worth(Outcome::Boolean(keep)) => keep,
            Decision::Worth(Outcome::Null) => {
                return Err(null_pointer(
                    "Cannot invoke \"java.lang.Boolean.booleanValue()\" because the return value of \
                     \"io.debezium.transforms.scripting.Engine.eval(org.apache.kafka.connect.connector.ConnectRecord, \
                     java.lang.Class)\" is null",
                ));
            }
            Decision::Worth(Outcome::Text(_)) => return Err(self.0.not_a("java.lang.String", "Boolean")),
            Decision::Worth(Outcome::Other(class)) => return Err(self.0.not_a(class, "Boolean")),
        };
        Ok(keep.then_some(record))
    }
}
