//! Headers that tell what went wrong with a record: Kafka's DeadLetterQueueReporter, with a few more for sources.

use std::error::Error as _;

use raccord_plugin::Error;

use crate::ports::EncodedHeaders;
use crate::redaction::redact;
use crate::task::TaskId;
use crate::tolerance::Failure;

/// What the names of these headers begin with.
pub(crate) const PREFIX: &str = "__connect.errors.";

/// Where a record comes from: names of headers without their prefix, and their texts.
#[derive(Debug, Default)]
pub(crate) struct Context(Vec<(&'static str, String)>);

impl Context {
    /// Of a record that was consumed.
    pub(crate) fn of_consumed(topic: &str, partition: i32, offset: i64) -> Self {
        Self(vec![
            ("topic", topic.to_owned()),
            ("partition", partition.to_string()),
            ("offset", offset.to_string()),
        ])
    }

    /// Of a record that a source made. It has no offset yet, but a place in the source.
    pub(crate) fn of_source(topic: &str, partition: Option<i32>, place: [(&'static str, String); 2]) -> Self {
        let mut headers = vec![("topic", topic.to_owned())];
        headers.extend(partition.map(|partition| ("partition", partition.to_string())));
        headers.extend(place);
        Self(headers)
    }

    /// Adds one.
    pub(crate) fn add(&mut self, name: &'static str, text: impl Into<String>) {
        self.0.push((name, text.into()));
    }

    /// All headers, in Kafka's order.
    pub(super) fn headers(self, id: &TaskId, failure: &Failure) -> EncodedHeaders {
        let error = &failure.error;
        let what = [
            ("connector.name", id.connector.to_string()),
            ("task.id", id.task.to_string()),
            ("stage", failure.stage.as_str().to_owned()),
            ("class.name", failure.class.to_owned()),
            ("exception.class.name", error.java_class().to_owned()),
            ("exception.message", redact(error.message()).into_owned()),
            ("exception.stacktrace", redact(&stack_trace(error)).into_owned()),
        ];
        let header =
            |(name, text): (&str, String)| (format!("{PREFIX}{name}").into(), Some(text.into_bytes()));
        self.0.into_iter().chain(what).map(header).collect()
    }
}

/// As Java prints an exception, without frames: class and message, then a line for each cause.
fn stack_trace(error: &Error) -> String {
    let mut text = format!("{}: {}\n", error.java_class(), error.message());
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<Error>() {
            Some(error) => {
                text.push_str(&format!("Caused by: {}: {}\n", error.java_class(), error.message()));
            }
            None => text.push_str(&format!("Caused by: {error}\n")),
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::Stage;

    #[test]
    fn headers_stand_in_kafkas_order() {
        let error = Error::record("no").caused_by(Error::fatal("why")).hint("not for machines");
        let failure = Failure { stage: Stage::ValueConverter, class: "X", error };
        let id = TaskId { connector: "c".into(), task: 3 };
        let headers = Context::of_consumed("t", 1, 7).headers(&id, &failure);
        let shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| {
                format!("{}={}", &name[PREFIX.len()..], String::from_utf8_lossy(value.as_deref().unwrap()))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "topic=t",
                "partition=1",
                "offset=7",
                "connector.name=c",
                "task.id=3",
                "stage=VALUE_CONVERTER",
                "class.name=X",
                "exception.class.name=org.apache.kafka.connect.errors.DataException",
                "exception.message=no",
                "exception.stacktrace=org.apache.kafka.connect.errors.DataException: no\n\
                 Caused by: org.apache.kafka.connect.errors.ConnectException: why\n",
            ]
        );
    }
}
