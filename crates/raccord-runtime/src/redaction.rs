//! What config providers gave is kept out of traces, REST answers and the log.
//!
//! A value that a placeholder was replaced with may turn up in the text of any error: a number that is none, a file that is
//! not there. Wherever such texts leave the program, [`redact`] takes the value out. The log is one for the process, and
//! so is what is kept here.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::LazyLock;

use parking_lot::RwLock;
use raccord_config::HIDDEN;

/// Shorter values are too likely to be words of a text, such as `true`: they are taken out only where a text quotes a value.
const LENGTH_MIN: usize = 6;
/// How many values are kept; far more than connectors have. The oldest goes first.
const VALUES_MAX: usize = 10_000;

static VALUES: LazyLock<RwLock<VecDeque<String>>> = LazyLock::new(RwLock::default);

/// Keeps values out of all later texts.
pub fn keep_secret(values: impl IntoIterator<Item = String>) {
    for value in values {
        // Texts show values trimmed as often as not.
        let value = value.trim();
        if value.is_empty() || VALUES.read().iter().any(|known| known == value) {
            continue;
        }
        let mut values = VALUES.write();
        if values.len() == VALUES_MAX {
            values.pop_front();
        }
        values.push_back(value.to_owned());
    }
}

/// The text without the values.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for value in VALUES.read().iter() {
        if value.len() >= LENGTH_MIN {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), HIDDEN));
            }
            continue;
        }
        let quoted = format!("Invalid value {value} for configuration");
        if text.contains(&quoted) {
            text = Cow::Owned(text.replace(&quoted, &format!("Invalid value {HIDDEN} for configuration")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_values_out_wherever_they_stand() {
        keep_secret(["redaction-s3cret\n".to_owned(), "x7q".to_owned(), String::new()]);
        let check = |text: &str, expect: &str| assert_eq!(redact(text), expect);
        check("cannot open redaction-s3cret: no such file", "cannot open [hidden]: no such file");
        check("x7q is short", "x7q is short");
        check(
            "Invalid value x7q for configuration tasks.max: Not a number of type INT",
            "Invalid value [hidden] for configuration tasks.max: Not a number of type INT",
        );
        assert!(matches!(redact("nothing to hide"), Cow::Borrowed(_)));
    }
}
