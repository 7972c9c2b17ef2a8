//! `io.debezium.transforms.ContentBasedRouter`: gives a record the topic that an expression names.

use raccord_config::{Importance, RawConfig, Type, Width};
use raccord_data::Record;
use raccord_plugin::{Result, Transform};

use super::condition::Outcome;
use super::condition::script::{Decision, LANGUAGE, NULL_HANDLING, Script, TOPIC_REGEX};
use super::field::{Check, Field, definition};
use super::{Topics, plugin};

plugin! {
    /// `io.debezium.transforms.ContentBasedRouter`.
    CONTENT_BASED_ROUTER,
    "io.debezium.transforms.ContentBasedRouter",
    definition(&[(None, &[TOPIC_REGEX, LANGUAGE, EXPRESSION, NULL_HANDLING])]),
    ContentBasedRouter::new
}

const EXPRESSION: Field = Field::new(
    "topic.expression",
    Type::String,
    "Topic name expression",
    "An expression for the topic of a record, such as `value.op == 'u' ? 'updates' : null`; null leaves the record \
     where it is.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Required]);

struct ContentBasedRouter {
    script: Script,
    topics: Topics,
}

impl ContentBasedRouter {
    fn new(raw: &RawConfig) -> Result<Self> {
        Ok(Self { script: Script::new(raw, &EXPRESSION)?, topics: Topics::default() })
    }
}

impl Transform for ContentBasedRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        match self.script.decide(&record)? {
            Decision::Pass | Decision::Worth(Outcome::Null) => {}
            Decision::Drop => return Ok(None),
            Decision::Worth(Outcome::Text(topic)) => record.topic = self.topics.named(&topic),
            Decision::Worth(Outcome::Boolean(_)) => {
                return Err(self.script.not_a("java.lang.Boolean", "String"));
            }
            Decision::Worth(Outcome::Other(class)) => return Err(self.script.not_a(class, "String")),
        }
        Ok(Some(record))
    }
}
