//! Headers that Debezium adds to records.

use std::sync::{Arc, LazyLock};

use raccord_data::{Header, Headers, Schema, Text, Type, Value};

/// Names the key that a row has from now on, on the delete event of its old key.
pub const NEW_KEY_HEADER: &str = "__debezium.newkey";
/// Names the key that a row had before, on the create event of its new key.
pub const OLD_KEY_HEADER: &str = "__debezium.oldkey";

static TEXT: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).build());

/// The headers of `extended.headers.enabled`: which connector a record comes from.
#[derive(Clone, Debug)]
pub struct ContextHeaders(Headers);

impl ContextHeaders {
    /// For the topic prefix, the task's number and the connector's short name (`postgresql`); none when not enabled.
    pub fn new(enabled: bool, topic_prefix: &str, task: &str, connector: &'static str) -> Self {
        if !enabled {
            return Self(Headers::default());
        }
        let header = |key: &str, value: Text| Header {
            key: Arc::from(key),
            schema: Some(Arc::clone(&TEXT)),
            value: Value::String(value),
        };
        let headers = [
            header("__debezium.context.connectorLogicalName", Text::from(topic_prefix)),
            header("__debezium.context.taskId", Text::from(task)),
            header("__debezium.context.connectorName", Text::from_static(connector)),
        ];
        Self(headers.into_iter().collect())
    }

    /// The headers of a record: first its own, then these.
    pub fn after(&self, own: Option<Header>) -> Headers {
        match own {
            None => self.0.clone(),
            own => own.into_iter().chain(self.0.iter().cloned()).collect(),
        }
    }
}
