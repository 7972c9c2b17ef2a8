//! How Debezium's transforms declare and read their keys: a port of the rules of its `Field` and `Configuration`.
//!
//! They differ from Kafka's `ConfigDef`: what REST shows of a key has no validator and is never required; the checks
//! run when the transform is made, over the raw text.

use raccord_config::{
    AnyClass, ConfigDef, ConfigKey, Importance, RawConfig, Type, Value, Width, check_regex,
};
use raccord_data::java_order;
use raccord_plugin::{Error, Result};

/// A key with its checks.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    kind: Type,
    display: &'static str,
    doc: &'static str,
    default: Option<&'static str>,
    importance: Importance,
    width: Width,
    checks: &'static [Check],
}

/// A check of the text of a key.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// There is text other than white space.
    Required,
    /// A regular expression of Java.
    Regex,
    /// Regular expressions of Java, separated by commas.
    Regexes,
    /// A number above zero.
    Positive,
    /// No entry of the list is empty.
    NoEmptyElements,
    /// No entry of the list contains a space.
    NoSpaces,
    /// One of these texts in any case; null when there is no default.
    OneOf(&'static [&'static str]),
    /// A check of its own: the problem, if there is one.
    Own(fn(&Settings<'_>) -> Option<String>),
}

impl Field {
    /// A key of medium importance.
    pub const fn new(name: &'static str, kind: Type, display: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            display,
            doc,
            default: None,
            importance: Importance::Medium,
            width: Width::None,
            checks: &[],
        }
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    pub const fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    pub const fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// The checks, in the order in which Debezium runs them.
    pub const fn checks(mut self, checks: &'static [Check]) -> Self {
        self.checks = checks;
        self
    }

    /// What REST shows.
    fn to_key(self, group: Option<&str>, order: i32) -> ConfigKey {
        let default = Value::parse(self.name, self.default, self.kind, &AnyClass);
        ConfigKey {
            default: Some(default.unwrap_or_default()),
            importance: self.importance,
            documentation: self.doc.into(),
            group: group.map(str::to_owned),
            order,
            width: self.width,
            display_name: self.display.to_owned(),
            ..ConfigKey::new(self.name, self.kind)
        }
    }

    /// The first thing that is wrong with the text of this key.
    fn problem(&self, settings: &Settings<'_>) -> Option<String> {
        let text = settings.text(self);
        let of_type = match (self.kind, text) {
            (Type::Boolean, Some(text))
                if !["true", "false"].iter().any(|flag| trim(text).eq_ignore_ascii_case(flag)) =>
            {
                Some("Either 'true' or 'false' is expected".to_owned())
            }
            (Type::Int, Some(text)) if text.parse::<i32>().is_err() => {
                Some("An integer is expected".to_owned())
            }
            _ => None,
        };
        of_type.or_else(|| self.checks.iter().find_map(|check| check.problem(self, settings)))
    }
}

impl Check {
    fn problem(&self, field: &Field, settings: &Settings<'_>) -> Option<String> {
        let text = settings.text(field);
        let elements = || settings.list(field);
        match self {
            Self::Required => {
                let missing = text.is_none_or(|text| trim(text).is_empty());
                missing.then(|| "A value is required".to_owned())
            }
            Self::Regex => {
                let message = check_regex(text?).err()?;
                Some(format!("A valid regular expressions is expected, but {message}"))
            }
            Self::Regexes => {
                let message = split_regexes(text?).iter().find_map(|regex| check_regex(regex).err())?;
                Some(format!(
                    "A comma-separated list of valid regular expressions is expected, but {message}"
                ))
            }
            Self::Positive => {
                let positive = text?.parse::<i32>().is_ok_and(|number| number > 0);
                (!positive).then(|| "A positive, non-zero integer value is expected".to_owned())
            }
            Self::NoEmptyElements => elements()
                .iter()
                .any(String::is_empty)
                .then(|| "Empty string element(s) not permitted".to_owned()),
            Self::NoSpaces => elements()
                .iter()
                .any(|element| element.contains(' '))
                .then(|| "Element(s) containing space not permitted".to_owned()),
            Self::OneOf(texts) => {
                let lower = trim(text?).to_lowercase();
                (!texts.contains(&lower.as_str())).then(|| {
                    let mut listed = texts.to_vec();
                    java_order::sort_by_key(&mut listed, |text| text);
                    format!("Value must be one of {}", listed.join(", "))
                })
            }
            Self::Own(check) => check(settings),
        }
    }
}

/// The definition that REST shows: fields by group, numbered in each. Keys without a group all have the number 1.
pub(crate) fn definition(groups: &[(Option<&str>, &[Field])]) -> ConfigDef {
    let mut def = ConfigDef::new();
    for (group, fields) in groups {
        for (order, field) in (1..).zip(fields.iter()) {
            def.define(field.to_key(*group, if group.is_some() { order } else { 1 }));
        }
    }
    def
}

/// The text that users gave, read as Debezium's `Configuration` reads it.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a>(pub &'a RawConfig);

impl<'a> Settings<'a> {
    pub fn is_set(self, key: &str) -> bool {
        self.0.get(key).is_some()
    }

    /// The text of a key or its default.
    pub fn text(&self, field: &Field) -> Option<&'a str> {
        self.0.get(field.name).or(field.default)
    }

    /// A flag; text that is none means the default.
    pub fn flag(self, field: &Field) -> bool {
        let is =
            |text: Option<&str>, flag: &str| text.is_some_and(|text| trim(text).eq_ignore_ascii_case(flag));
        let text = self.0.get(field.name);
        is(text, "true") || (!is(text, "false") && is(field.default, "true"))
    }

    /// A number; text that is none means the default.
    pub fn number(self, field: &Field) -> i32 {
        let parse = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        parse(self.0.get(field.name)).or_else(|| parse(field.default)).unwrap_or_default()
    }

    /// The entries of a list that was given, trimmed.
    pub fn list(self, field: &Field) -> Vec<String> {
        let entries = self.0.get(field.name).map(|text| java_split(text, ',')).unwrap_or_default();
        entries.into_iter().map(|entry| trim(entry).to_owned()).collect()
    }

    /// Refuses what is wrong as transforms do that log their findings.
    ///
    /// # Errors
    /// The `ConnectException` that says no more than that something is wrong; the hint says what.
    pub fn check_and_record(self, fields: &[Field]) -> Result<()> {
        let findings: Vec<String> = fields
            .iter()
            .filter_map(|field| {
                Some(format!("The '{}' value is invalid: {}", field.name, field.problem(&self)?))
            })
            .collect();
        if findings.is_empty() {
            return Ok(());
        }
        Err(Error::config("Unable to validate config.")
            .class("org.apache.kafka.connect.errors.ConnectException")
            .hint(findings.join("; ")))
    }

    /// Refuses what is wrong as transforms do that name the first finding.
    ///
    /// # Errors
    /// The `ConfigException` of the key that comes first in a Java `HashMap`.
    pub fn check(self, fields: &[Field]) -> Result<()> {
        let mut fields: Vec<&Field> = fields.iter().collect();
        java_order::sort_by_key(&mut fields, |field| field.name);
        for field in fields {
            if let Some(problem) = field.problem(&self) {
                let (name, value) = (field.name, self.0.get(field.name).unwrap_or("null"));
                return Err(Error::config(format!(
                    "Invalid value {value} for configuration {name}: The '{name}' value is invalid: {problem}"
                )));
            }
        }
        Ok(())
    }
}

/// `String.trim`.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// Debezium's `Strings.isNullOrBlank` of text that is there.
pub(crate) fn is_blank(text: &str) -> bool {
    trim(text).is_empty()
}

/// `String.split` with a pattern of one plain character: empty entries at the end are left out, but text without the
/// separator is one entry even when it is empty.
pub(crate) fn java_split(text: &str, separator: char) -> Vec<&str> {
    if !text.contains(separator) {
        return vec![text];
    }
    let mut entries: Vec<&str> = text.split(separator).collect();
    while entries.last().is_some_and(|entry| entry.is_empty()) {
        entries.pop();
    }
    entries
}

/// Splits at commas that no backslash stands before, and trims; empty entries are left out.
fn split_regexes(text: &str) -> Vec<String> {
    let mut regexes = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, regexes.last_mut()) {
            (',', _) => regexes.push(String::new()),
            ('\\', Some(last)) => last.extend([Some('\\'), chars.next()].into_iter().flatten()),
            (_, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    regexes.retain(|regex| !regex.is_empty());
    regexes.iter().map(|regex| trim(regex).replace("\\,", ",")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_java_does() {
        let check = |text: &str, expect: &[&str]| assert_eq!(java_split(text, ','), expect, "{text:?}");
        check("", &[""]);
        check(",", &[]);
        check("a,,", &["a"]);
        check(",a", &["", "a"]);
        check("a, b", &["a", " b"]);
    }

    #[test]
    fn says_what_is_wrong_in_debeziums_words() {
        const LIST: Field = Field::new("headers", Type::List, "", "").checks(&[
            Check::Required,
            Check::NoEmptyElements,
            Check::NoSpaces,
        ]);
        const MODE: Field =
            Field::new("operation", Type::String, "", "").checks(&[Check::OneOf(&["move", "copy"])]);
        const REGEX: Field = Field::new("regex", Type::String, "", "").checks(&[Check::Regex]);
        const FLAG: Field = Field::new("flag", Type::Boolean, "", "").default("true");
        const COUNT: Field = Field::new("count", Type::Int, "", "").checks(&[Check::Positive]);
        let check = |field: Field, text: Option<&str>, expect: Option<&str>| {
            let raw: RawConfig = text.map(|text| (field.name, Some(text.to_owned()))).into_iter().collect();
            let found = Settings(&raw).check(&[field]).err().map(|error| error.message().to_owned());
            let expect = expect.map(|problem| {
                let (name, value) = (field.name, text.unwrap_or("null"));
                format!(
                    "Invalid value {value} for configuration {name}: The '{name}' value is invalid: {problem}"
                )
            });
            assert_eq!(found, expect, "{} = {text:?}", field.name);
        };
        check(LIST, None, Some("A value is required"));
        check(LIST, Some(" "), Some("A value is required"));
        check(LIST, Some("a,,b"), Some("Empty string element(s) not permitted"));
        check(LIST, Some("a b"), Some("Element(s) containing space not permitted"));
        check(LIST, Some("a, b"), None);
        check(MODE, None, None);
        check(MODE, Some(" MOVE "), None);
        check(MODE, Some("x"), Some("Value must be one of move, copy"));
        check(
            REGEX,
            Some("("),
            Some("A valid regular expressions is expected, but Unclosed group near index 1\n("),
        );
        check(FLAG, Some("yes"), Some("Either 'true' or 'false' is expected"));
        check(FLAG, Some(" True"), None);
        check(COUNT, Some("x"), Some("An integer is expected"));
        check(COUNT, Some("0"), Some("A positive, non-zero integer value is expected"));
    }

    #[test]
    fn shows_keys_as_debezium_groups_them() {
        const A: Field = Field::new("a", Type::List, "A", "").default("");
        const B: Field = Field::new("b", Type::String, "B", "");
        let def = definition(&[(None, &[A, B])]);
        let shown: Vec<_> =
            def.keys().map(|key| (key.name.as_str(), key.order, key.default.clone())).collect();
        assert_eq!(shown, [("a", 1, Some(Value::List(vec![]))), ("b", 1, Some(Value::Null))]);
        let def = definition(&[(Some("G"), &[A, B])]);
        assert_eq!(def.keys().map(|key| key.order).collect::<Vec<_>>(), [1, 2]);
    }
}
