//! Regular expressions of Java: whether one is valid, and Java's words when it is not.

use fancy_regex::Regex;

use crate::{Validator, Value, invalid_value};

/// Checks that the text is a regular expression.
///
/// # Errors
/// The message of Java's `PatternSyntaxException` for the mistakes that people make; else the message of the library
/// that will run it.
pub fn check_regex(pattern: &str) -> Result<(), String> {
    match Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(java_message(pattern).unwrap_or_else(|| error.to_string())),
    }
}

impl Validator {
    /// A regular expression of Java, not null.
    pub fn regex() -> Self {
        Self::new("valid regex", |name, value| {
            let message = match value {
                Value::String(text) => match check_regex(text) {
                    Ok(()) => return Ok(()),
                    Err(message) => message,
                },
                _ => "Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null".to_owned(),
            };
            Err(invalid_value(name, value, &format!("Invalid regex: {message}")))
        })
    }
}

/// Finds the mistake as Java's parser would: brackets that are not closed, quantifiers with nothing before them, a
/// closing parenthesis too many.
fn java_message(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    // Java shows a mark below the place, unless it is the end of the pattern.
    let at = |text: &str, index: usize| {
        let mark = if index < chars.len() { format!("\n{}^", " ".repeat(index)) } else { String::new() };
        Some(format!("{text} near index {index}\n{pattern}{mark}"))
    };
    let (mut depth, mut index, mut nothing_before) = (0usize, 0usize, true);
    while let Some(&c) = chars.get(index) {
        match c {
            '\\' if index + 1 == chars.len() => return at("Unexpected internal error", index + 1),
            '\\' => {
                index += 2;
                nothing_before = false;
                continue;
            }
            '[' => match end_of_class(&chars, index) {
                Some(end) => index = end,
                None => return at("Unclosed character class", chars.len() - 1),
            },
            '(' => {
                depth += 1;
                if chars.get(index + 1) == Some(&'?') {
                    index += 1;
                }
            }
            ')' if depth == 0 => {
                return at("Unmatched closing ')'", index.saturating_sub(1));
            }
            ')' => depth -= 1,
            '*' | '+' | '?' if nothing_before => {
                return at(&format!("Dangling meta character '{c}'"), index);
            }
            _ => {}
        }
        nothing_before = matches!(c, '(' | '|');
        index += 1;
    }
    if depth > 0 { at("Unclosed group", chars.len()) } else { None }
}

fn end_of_class(chars: &[char], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut index = start;
    while let Some(&c) = chars.get(index) {
        match c {
            '\\' => index += 1,
            '[' => depth += 1,
            // Directly after the opening bracket it is a plain character.
            ']' if index == start + 1 || (index == start + 2 && chars[start + 1] == '^') => {}
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
        index += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_javas_words() {
        let check = |pattern: &str, expect: Result<(), &str>| {
            assert_eq!(check_regex(pattern), expect.map_err(str::to_owned), "{pattern}");
        };
        check("a.*|[b-c]+(?:d)", Ok(()));
        check("(?<!a)b++", Ok(()));
        check("(", Err("Unclosed group near index 1\n("));
        check("a(b", Err("Unclosed group near index 3\na(b"));
        check("*a", Err("Dangling meta character '*' near index 0\n*a\n^"));
        check("a|+b", Err("Dangling meta character '+' near index 2\na|+b\n  ^"));
        check("[a", Err("Unclosed character class near index 1\n[a\n ^"));
        check("a)", Err("Unmatched closing ')' near index 0\na)\n^"));
    }

    #[test]
    fn null_is_javas_null_pointer() {
        assert_eq!(
            Validator::regex().check("regex", &Value::Null),
            Err("Invalid value null for configuration regex: Invalid regex: Cannot invoke \"String.isEmpty()\" because \
                 \"this.pattern\" is null"
                .to_owned())
        );
    }
}
