//! One key of a definition.

use std::borrow::Cow;

use serde_json::json;

use crate::{Recommender, Type, Validator, Value};

/// How much a key matters to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at it first.
    High,
    /// Look at it second.
    Medium,
    /// Look at it when needed.
    Low,
}

impl Importance {
    /// As REST shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// How wide a form shows the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Not said.
    None,
    /// A number or a word.
    Short,
    /// A name.
    Medium,
    /// A class, a list, a URL.
    Long,
}

impl Width {
    /// As REST shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// One key: what a form, the reference and the parser need to know of it.
#[derive(Clone, Debug)]
pub struct ConfigKey {
    /// The key.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// The value when the key is missing; `None` when the key is required.
    pub default: Option<Value>,
    /// The check of the value.
    pub validator: Option<Validator>,
    /// How much it matters.
    pub importance: Importance,
    /// What it means, in plain text.
    pub documentation: Cow<'static, str>,
    /// The group in a form.
    pub group: Option<String>,
    /// The place in the group; -1 for none.
    pub order: i32,
    /// How wide a form shows it.
    pub width: Width,
    /// What a form calls it.
    pub display_name: String,
    /// Keys whose visibility and recommended values depend on this one.
    pub dependents: Vec<String>,
    /// What to offer, and whether to show it.
    pub recommender: Option<Recommender>,
    /// Old names, read when the key is missing.
    pub aliases: &'static [&'static str],
    /// Parsed, but shown nowhere.
    pub internal: bool,
}

impl ConfigKey {
    /// A required key of medium importance in no group.
    pub fn new(name: impl Into<String>, kind: Type) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default: None,
            validator: None,
            importance: Importance::Medium,
            documentation: Cow::Borrowed(""),
            group: None,
            order: -1,
            width: Width::None,
            dependents: Vec::new(),
            recommender: None,
            aliases: &[],
            internal: false,
        }
    }

    /// The entry of `GET /connector-plugins/{plugin}/config`, and the `definition` of a validated key: Connect's
    /// `ConfigKeyInfo`.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "required": self.default.is_none(),
            "default_value": self.default.as_ref().and_then(Value::to_text),
            "importance": self.importance.as_str(),
            "documentation": self.documentation,
            "group": self.group,
            "order_in_group": self.order,
            "width": self.width.as_str(),
            "display_name": self.display_name,
            "dependents": self.dependents,
        })
    }
}
