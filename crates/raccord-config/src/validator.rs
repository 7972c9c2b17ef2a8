//! Checks of parsed values, with the texts of Kafka's validators.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::Value;

/// The text of Kafka's `ConfigException(name, value, message)`.
pub fn invalid_value(name: &str, value: impl fmt::Display, message: &str) -> String {
    format!("Invalid value {value} for configuration {name}: {message}")
}

type Check = dyn Fn(&str, &Value) -> Result<(), String> + Send + Sync;

/// A check of a parsed value, null included.
#[derive(Clone)]
pub struct Validator {
    check: Arc<Check>,
    description: Cow<'static, str>,
    removes_duplicates: bool,
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Validator({})", self.description)
    }
}

/// A bound of a range, shown as Java shows an int or a double.
pub trait Bound: Copy + Into<f64> + fmt::Display + Send + Sync + 'static {
    /// The number as Java shows it.
    fn text(self) -> String;
}

impl Bound for i32 {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Bound for f64 {
    fn text(self) -> String {
        Value::Double(self).to_string()
    }
}

impl Validator {
    /// A check of one's own. It is called with the key and the value and answers with the whole text (see
    /// [`invalid_value`]). The description says in the reference what is valid.
    pub fn new(
        description: impl Into<Cow<'static, str>>,
        check: impl Fn(&str, &Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { check: Arc::new(check), description: description.into(), removes_duplicates: false }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The text of Kafka's ConfigException.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        (self.check)(name, value)
    }

    /// What is valid, as Kafka's reference says it.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether a worker or connector that starts drops duplicates from the list instead of refusing it; only the
    /// validation through REST refuses them.
    pub(crate) fn removes_duplicates(&self) -> bool {
        self.removes_duplicates
    }

    /// A number, not null, of at least `min`.
    pub fn at_least(min: impl Bound) -> Self {
        Self::range(min, None::<i32>)
    }

    /// A number, not null, from `min` to `max`, both included.
    pub fn between<B: Bound>(min: B, max: B) -> Self {
        Self::range(min, Some(max))
    }

    fn range<A: Bound, B: Bound>(min: A, max: Option<B>) -> Self {
        let description = match max {
            Some(max) => format!("[{},...,{}]", min.text(), max.text()),
            None => format!("[{},...]", min.text()),
        };
        Self::new(description, move |name, value| {
            let Some(number) = value.as_number() else {
                return Err(invalid_value(name, value, "Value must be non-null"));
            };
            if number < min.into() {
                return Err(invalid_value(name, value, &format!("Value must be at least {}", min.text())));
            }
            if let Some(max) = max.filter(|max| number > (*max).into()) {
                return Err(invalid_value(
                    name,
                    value,
                    &format!("Value must be no more than {}", max.text()),
                ));
            }
            Ok(())
        })
    }

    /// One of these texts, in this case.
    pub fn one_of(texts: &'static [&'static str]) -> Self {
        let listed = texts.join(", ");
        Self::new(format!("[{listed}]"), move |name, value| match value.as_str() {
            Some(text) if texts.contains(&text) => Ok(()),
            _ => Err(invalid_value(name, value, &format!("String must be one of: {listed}"))),
        })
    }

    /// One of these texts, in any case. Texts are listed as Kafka lists them: in capitals, in the order of a Java
    /// `HashSet`, so give them in that order.
    pub fn one_of_ignore_case(texts: &'static [&'static str]) -> Self {
        let upper: Vec<String> = texts.iter().map(|text| text.to_uppercase()).collect();
        let listed = upper.join(", ");
        Self::new(format!("(case insensitive) [{listed}]"), move |name, value| match value.as_str() {
            Some(text) if upper.contains(&text.to_uppercase()) => Ok(()),
            _ => Err(invalid_value(
                name,
                value,
                &format!("String must be one of (case insensitive): {listed}"),
            )),
        })
    }

    /// Not null.
    pub fn non_null() -> Self {
        Self::new("non-null string", |name, value| {
            if value.is_null() { Err(invalid_value(name, "null", "entry must be non null")) } else { Ok(()) }
        })
    }

    /// Null, or text that is not empty.
    pub fn non_empty() -> Self {
        Self::new("non-empty string", |name, value| match value.as_str() {
            Some("") => Err(invalid_value(name, value, "String must be non-empty")),
            _ => Ok(()),
        })
    }

    /// Null, or text that is not empty and has no ISO control characters.
    pub fn non_empty_without_control_chars() -> Self {
        Self::new("non-empty string without ISO control characters", |name, value| {
            let Some(text) = value.as_str() else { return Ok(()) };
            if text.is_empty() {
                return Err(invalid_value(name, value, "String may not be empty"));
            }
            let found: Vec<String> =
                text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
            if found.is_empty() {
                return Ok(());
            }
            let message = "String may not contain control sequences but had the following ASCII chars: ";
            Err(invalid_value(name, value, &format!("{message}{}", found.join(", "))))
        })
    }

    /// A list of any texts that are not empty, each once.
    pub fn list_without_duplicates(empty_allowed: bool, null_allowed: bool) -> Self {
        Self::valid_list(&[], empty_allowed, null_allowed)
    }

    /// A list of some of these texts, each once.
    pub fn list_of(texts: &'static [&'static str], empty_allowed: bool) -> Self {
        Self::valid_list(texts, empty_allowed, false)
    }

    fn valid_list(texts: &'static [&'static str], empty_allowed: bool, null_allowed: bool) -> Self {
        let listed = format!("[{}]", texts.join(", "));
        let description = if texts.is_empty() { String::new() } else { listed.clone() };
        let one = Self::one_of(texts);
        let check = move |name: &str, value: &Value| {
            let Some(items) = value.as_list() else {
                if null_allowed {
                    return Ok(());
                }
                return Err(format!("Configuration '{name}' values must not be null."));
            };
            if items.is_empty() && !empty_allowed {
                let valid = if texts.is_empty() { "any non-empty value" } else { &listed };
                return Err(format!(
                    "Configuration '{name}' must not be empty. Valid values include: {valid}"
                ));
            }
            if items.iter().collect::<HashSet<_>>().len() != items.len() {
                return Err(format!("Configuration '{name}' values must not be duplicated."));
            }
            for item in items {
                if item.is_empty() {
                    return Err(format!("Configuration '{name}' values must not be empty."));
                }
                if !texts.is_empty() {
                    one.check(name, &Value::String(item.clone()))?;
                }
            }
            Ok(())
        };
        Self { removes_duplicates: true, ..Self::new(description, check) }
    }

    /// Null is valid as well.
    pub fn or_null(self) -> Self {
        let check = self.check;
        let check = move |name: &str, value: &Value| {
            if value.is_null() { Ok(()) } else { check(name, value) }
        };
        Self { check: Arc::new(check), ..self }
    }

    /// Both checks, the first finding counts.
    pub fn and(self, other: Self) -> Self {
        let description = format!("{}, {}", self.description, other.description);
        Self::new(description, move |name, value| {
            self.check(name, value).and_then(|()| other.check(name, value))
        })
    }

    /// The same check for a key with a prefix; texts have the name without it, as Kafka's do.
    pub(crate) fn embedded(&self, prefix: &str) -> Self {
        let (check, prefix) = (self.check.clone(), prefix.to_owned());
        Self::new(self.description.clone(), move |name, value| {
            check(name.strip_prefix(&prefix).unwrap_or(name), value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_kafkas_words() {
        let check = |validator: Validator, value: Value, expect: Result<(), &str>| {
            assert_eq!(validator.check("k", &value), expect.map_err(str::to_owned));
        };
        let list = |items: &[&str]| Value::List(items.iter().map(|item| (*item).to_owned()).collect());
        let text = |text: &str| Value::String(text.to_owned());
        check(Validator::at_least(1), Value::Int(1), Ok(()));
        check(
            Validator::at_least(1),
            Value::Int(0),
            Err("Invalid value 0 for configuration k: Value must be at least 1"),
        );
        check(
            Validator::at_least(1),
            Value::Null,
            Err("Invalid value null for configuration k: Value must be non-null"),
        );
        check(Validator::at_least(0).or_null(), Value::Null, Ok(()));
        check(
            Validator::between(0.5, 1.0),
            Value::Double(1.5),
            Err("Invalid value 1.5 for configuration k: Value must be no more than 1.0"),
        );
        check(
            Validator::one_of(&["none", "all"]),
            text("ALL"),
            Err("Invalid value ALL for configuration k: String must be one of: none, all"),
        );
        check(Validator::one_of_ignore_case(&["none", "all"]), text("aLL"), Ok(()));
        check(
            Validator::one_of_ignore_case(&["none", "all"]),
            Value::Null,
            Err(
                "Invalid value null for configuration k: String must be one of (case insensitive): NONE, ALL",
            ),
        );
        check(
            Validator::non_null(),
            Value::Null,
            Err("Invalid value null for configuration k: entry must be non null"),
        );
        check(Validator::non_empty(), Value::Null, Ok(()));
        check(
            Validator::non_empty(),
            text(""),
            Err("Invalid value  for configuration k: String must be non-empty"),
        );
        check(
            Validator::non_empty_without_control_chars(),
            text("a\u{7}\u{8}"),
            Err(
                "Invalid value a\u{7}\u{8} for configuration k: String may not contain control sequences but \
                 had the following ASCII chars: 7, 8",
            ),
        );
        check(Validator::list_without_duplicates(true, false), list(&[]), Ok(()));
        check(
            Validator::list_without_duplicates(false, false),
            list(&[]),
            Err("Configuration 'k' must not be empty. Valid values include: any non-empty value"),
        );
        check(
            Validator::list_without_duplicates(true, false),
            Value::Null,
            Err("Configuration 'k' values must not be null."),
        );
        check(
            Validator::list_without_duplicates(true, false),
            list(&["a", "a"]),
            Err("Configuration 'k' values must not be duplicated."),
        );
        check(
            Validator::list_without_duplicates(true, false),
            list(&["a", ""]),
            Err("Configuration 'k' values must not be empty."),
        );
        check(
            Validator::list_of(&["a", "b"], true),
            list(&["c"]),
            Err("Invalid value c for configuration k: String must be one of: a, b"),
        );
    }

    #[test]
    fn describes_itself() {
        let check = |validator: Validator, expect: &str| assert_eq!(validator.description(), expect);
        check(Validator::at_least(0), "[0,...]");
        check(Validator::between(0.0, 0.25), "[0.0,...,0.25]");
        check(Validator::one_of(&["a", "b"]), "[a, b]");
        check(Validator::non_null().and(Validator::non_empty()), "non-null string, non-empty string");
    }
}
