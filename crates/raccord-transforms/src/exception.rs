//! Errors under the names and in the words of the Java exceptions that the real transforms throw.

use raccord_data::Value;
use raccord_plugin::Error;

/// `DataException`: this record cannot be processed.
pub(crate) fn data(message: impl Into<String>) -> Error {
    Error::record(message)
}

/// `ConfigException`, made of key, value and reason.
pub(crate) fn config(key: &str, value: &str, reason: &str) -> Error {
    Error::config(raccord_config::invalid_value(key, value, reason))
}

/// `IllegalArgumentException`.
pub(crate) fn illegal_argument(message: impl Into<String>) -> Error {
    Error::record(message).class("java.lang.IllegalArgumentException")
}

/// `SchemaBuilderException`.
pub(crate) fn schema_builder(message: impl Into<String>) -> Error {
    Error::record(message).class("org.apache.kafka.connect.errors.SchemaBuilderException")
}

/// `ConnectException`.
pub(crate) fn connect(message: impl Into<String>) -> Error {
    Error::record(message).class("org.apache.kafka.connect.errors.ConnectException")
}

/// What a regular expression threw.
pub(crate) fn regex(error: raccord_config::RegexError) -> Error {
    Error::record(error.message).class(error.class)
}

/// `NumberFormatException`.
pub(crate) fn number_format(message: impl Into<String>) -> Error {
    Error::record(message).class("java.lang.NumberFormatException")
}

/// `NullPointerException`, with the message that the JVM makes for it.
pub(crate) fn null_pointer(message: impl Into<String>) -> Error {
    Error::record(message).class("java.lang.NullPointerException")
}

/// `ClassCastException`: a value is no text.
pub(crate) fn no_text(value: &Value) -> Error {
    cast(value.java_class(), "java.lang.String")
}

/// `ClassCastException`, with the message that the JVM makes for it.
pub(crate) fn cast(from: &str, to: &str) -> Error {
    let place = |class: &str| match class.starts_with("java.") || class.starts_with('[') {
        true => "module java.base of loader 'bootstrap'",
        false => "unnamed module of loader 'app'",
    };
    let places = if place(from) == place(to) {
        format!("{from} and {to} are in {}", place(from))
    } else {
        format!("{from} is in {}; {to} is in {}", place(from), place(to))
    };
    Error::record(format!("class {from} cannot be cast to class {to} ({places})"))
        .class("java.lang.ClassCastException")
}
