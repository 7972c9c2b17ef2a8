//! What `Filter` and `ContentBasedRouter` share: their keys, which records they look at, and errors in Debezium's words.

use raccord_config::{Importance, JavaRegex, RawConfig, Type, Width};
use raccord_data::Record;
use raccord_plugin::{Error, Result};

use super::super::field::{Check, Field, Settings, trim};
use super::super::structs::debezium_exception;
use super::{Condition, Language, Outcome};

pub(in super::super) const TOPIC_REGEX: Field = Field::new(
    "topic.regex",
    Type::String,
    "Topic regex",
    "A regular expression for the topics whose records are looked at; others pass unchanged. Empty looks at all.",
)
.width(Width::Long)
.importance(Importance::Low)
.checks(&[Check::Regex]);

pub(in super::super) const LANGUAGE: Field = Field::new(
    "language",
    Type::String,
    "Expression language",
    "What the expression is written in: `jsr223.groovy` or `jsr223.graal.js`.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Required]);

pub(in super::super) const NULL_HANDLING: Field = Field::new(
    "null.handling.mode",
    Type::String,
    "Handle null records",
    "What becomes of records without a value: `keep` passes them, `drop` leaves them out, `evaluate` asks the \
     expression.",
)
.default("keep")
.width(Width::Short)
.importance(Importance::Low)
.checks(&[Check::OneOf(&["drop", "keep", "evaluate"])]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NullHandling {
    Drop,
    Keep,
    Evaluate,
}

/// An expression with the records that it is asked for.
#[derive(Debug)]
pub(in super::super) struct Script {
    topics: Option<JavaRegex>,
    nulls: NullHandling,
    text: String,
    condition: Condition,
}

/// What is to be done with a record.
pub(in super::super) enum Decision {
    Pass,
    Drop,
    /// Nothing is settled yet: this is what the expression is worth.
    Worth(Outcome),
}

impl Script {
    /// Reads the keys; `expression` is the one that holds the expression.
    ///
    /// # Errors
    /// Debezium's, when a key is missing or wrong; the place in the expression and what is not supported there.
    pub(in super::super) fn new(raw: &RawConfig, expression: &Field) -> Result<Self> {
        let settings = Settings(raw);
        settings.check_and_record(&[TOPIC_REGEX, LANGUAGE, *expression, NULL_HANDLING]).map_err(|error| {
            let config =
                Error::config("The provided configuration isn't valid; check the error log for details.")
                    .class("io.debezium.DebeziumException");
            match error.hint_text() {
                Some(hint) => config.hint(hint.to_owned()),
                None => config,
            }
        })?;
        let text = settings.text(expression).unwrap_or_default();
        let language = language(settings.text(&LANGUAGE).unwrap_or_default(), text)?;
        let condition = Condition::new(text, language).map_err(|error| {
            Error::config(format!("Failed to parse expression '{text}'"))
                .class("io.debezium.DebeziumException")
                .hint("docs/conditions.md has the part of Groovy and JavaScript that is supported")
                .caused_by(error)
        })?;
        let nulls = trim(settings.text(&NULL_HANDLING).unwrap_or_default());
        Ok(Self {
            topics: match settings.text(&TOPIC_REGEX) {
                None | Some("") => None,
                Some(regex) => Some(JavaRegex::new(regex).map_err(|error| Error::config(error.to_string()))?),
            },
            nulls: if nulls.eq_ignore_ascii_case("drop") {
                NullHandling::Drop
            } else if nulls.eq_ignore_ascii_case("evaluate") {
                NullHandling::Evaluate
            } else {
                NullHandling::Keep
            },
            text: text.to_owned(),
            condition,
        })
    }

    /// What is to be done with a record.
    ///
    /// # Errors
    /// The exception of the expression. Other than Debezium's, the message does not show the record.
    pub(in super::super) fn decide(&self, record: &Record) -> Result<Decision> {
        if let Some(topics) = &self.topics
            && !topics
                .full_match(&record.topic)
                .map_err(|error| Error::record(error.message).class(error.class))?
        {
            return Ok(Decision::Pass);
        }
        match (record.value.is_null(), self.nulls) {
            (true, NullHandling::Keep) => Ok(Decision::Pass),
            (true, NullHandling::Drop) => Ok(Decision::Drop),
            _ => match self.condition.evaluate(record) {
                Ok(outcome) => Ok(Decision::Worth(outcome)),
                Err(failure) => Err(self.failed(Error::record(failure.message).class(failure.class))),
            },
        }
    }

    /// The error for something that is neither what the transform takes nor null.
    pub(in super::super) fn not_a(&self, class: &str, wanted: &str) -> Error {
        self.failed(debezium_exception(format!("The {class} returned by the expression is not a {wanted}")))
    }

    fn failed(&self, cause: Error) -> Error {
        debezium_exception(format!("Error while evaluating expression '{}'", self.text)).caused_by(cause)
    }
}

fn language(name: &str, expression: &str) -> Result<Language> {
    let known = match name.strip_prefix("jsr223.").or_else(|| name.strip_prefix("wasm.")) {
        None => {
            return Err(Error::config(
                "Value for option 'language' must begin with 'jsr223.' or 'wasm', e.g. 'jsr223.groovy'",
            )
            .class("io.debezium.DebeziumException"));
        }
        Some(language) => match language {
            "groovy" | "Groovy" => Language::Groovy,
            "graal.js" => Language::JavaScript,
            "Graal.js" | "JavaScript" | "javascript" | "js" | "ecmascript" => {
                return Err(Error::config(format!("Failed to parse expression '{expression}'"))
                    .class("io.debezium.DebeziumException")
                    .hint(
                        "set language to jsr223.graal.js: under its other names Debezium shows JavaScript nothing of the \
                         record",
                    ));
            }
            other => {
                return Err(Error::config(format!("Failed to parse expression '{expression}'"))
                    .class("io.debezium.DebeziumException")
                    .hint("write the expression in jsr223.groovy or jsr223.graal.js: docs/conditions.md")
                    .caused_by(
                        Error::config(format!(
                            "Implementation of language '{other}' not found on the classpath"
                        ))
                        .class("io.debezium.DebeziumException"),
                    ));
            }
        },
    };
    Ok(known)
}
