//! The keys of the converters, as the real ones declare them.

use raccord_config::{Config, RawConfig, Validator};
use raccord_plugin::{Error, Result, Role};

/// What all converters have: the worker says what it uses the converter for.
#[derive(Debug, Config)]
pub(crate) struct PlainConfig {
    /// How this converter will be used.
    #[config(importance = Low, validator = Validator::one_of(&["key", "value", "header"]))]
    #[expect(dead_code, reason = "the worker says it, the definition shows it")]
    pub converter_type: String,
}

/// The header converter that infers types has no keys at all.
#[derive(Debug, Config)]
pub(crate) struct NoConfig {}

/// Debezium's `ByteArrayConverter` and `BinaryDataConverter`.
#[derive(Debug, Config)]
pub(crate) struct DelegateConfig {
    /// How this converter will be used.
    #[config(importance = Low, validator = Validator::one_of(&["key", "value", "header"]))]
    #[expect(dead_code, reason = "the worker says it, the definition shows it")]
    pub converter_type: String,
    /// Specifies the delegate converter class
    #[config(importance = Low)]
    pub delegate_converter_type: Option<String>,
}

/// `StringConverter`.
#[derive(Debug, Config)]
pub(crate) struct StringConfig {
    /// How this converter will be used.
    #[config(importance = Low, validator = Validator::one_of(&["key", "value", "header"]))]
    #[expect(dead_code, reason = "the worker says it, the definition shows it")]
    pub converter_type: String,
    /// The name of the Java character set to use for encoding strings as byte arrays.
    #[config(default = "UTF-8", importance = High, width = Medium, display = "Encoding")]
    pub converter_encoding: String,
}

/// `JsonConverter`.
#[derive(Debug, Config)]
pub(crate) struct JsonConfig {
    /// How this converter will be used.
    #[config(importance = Low, validator = Validator::one_of(&["key", "value", "header"]))]
    #[expect(dead_code, reason = "the worker says it, the definition shows it")]
    pub converter_type: String,
    /// Include schemas within each of the serialized values and keys.
    #[config(default = true, importance = High, group = "Schemas", order = 0, width = Medium, display = "Enable Schemas")]
    pub schemas_enable: bool,
    /// The maximum number of schemas that can be cached in this converter instance.
    #[config(default = 1000, importance = High, group = "Schemas", order = 1, width = Medium, display = "Schema Cache Size")]
    pub schemas_cache_size: i32,
    /// When set, this is used as the schema for all messages, and the schemas within each of the message will be ignored.Otherwise, the schema will be included in the content of each message. This configuration applies only 'schemas.enable' is true, and it exclusively affects the sink connector.
    #[config(importance = High, group = "Schemas", order = 2, width = Medium, display = "Schema Content")]
    pub schema_content: Option<String>,
    /// Controls which format this converter will serialize decimals in. This value is case insensitive and can be either 'BASE64' (default) or 'NUMERIC'
    #[config(
        default = "BASE64",
        importance = Low,
        group = "Serialization",
        order = 0,
        width = Medium,
        display = "Decimal Format",
        validator = Validator::one_of_ignore_case(&["NUMERIC", "BASE64"])
    )]
    pub decimal_format: String,
    /// Whether to replace fields that have a default value and that are null to the default value. When set to true, the default value is used, otherwise null is used.
    #[config(
        default = true,
        importance = Low,
        group = "Serialization",
        order = 1,
        width = Medium,
        display = "Replace null with default"
    )]
    pub replace_null_with_default: bool,
}

/// What a converter instance is used for: the value that the worker gives to `converter.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Key,
    Value,
    Header,
}

impl From<Role> for Use {
    fn from(role: Role) -> Self {
        match role {
            Role::Key => Self::Key,
            Role::Value => Self::Value,
        }
    }
}

/// Parses a converter's config, saying what the converter is used for as the worker does.
pub(crate) fn parse<C: Config>(raw: &RawConfig, used_as: Use) -> Result<C> {
    let mut raw = raw.clone();
    let name = match used_as {
        Use::Key => "key",
        Use::Value => "value",
        Use::Header => "header",
    };
    raw.insert("converter.type", name.to_owned());
    C::parse(&raw).map_err(|findings| Error::config(findings.to_string()))
}
