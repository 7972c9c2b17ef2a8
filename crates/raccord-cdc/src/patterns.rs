//! Lists of regular expressions in configs: `table.include.list` and its kind.
//!
//! A list is split at commas; a backslash before a comma keeps it in the expression. An expression has to match the
//! whole name, in any case.

use std::fmt;

use raccord_config::JavaRegex;

/// An expression that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The expression.
    pub pattern: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a regular expression: {}", self.pattern, self.message)
    }
}

impl std::error::Error for PatternError {}

/// Expressions of which one has to match a whole name.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<JavaRegex>);

impl Patterns {
    /// Reads a list.
    ///
    /// # Errors
    /// The first expression that is none.
    pub fn list(text: &str) -> Result<Self, PatternError> {
        let compile = |pattern: &String| {
            JavaRegex::case_insensitive(pattern)
                .map_err(|error| PatternError { pattern: pattern.clone(), message: error.to_string() })
        };
        split(text)?.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them matches the whole of it. A name on which an expression gives up counts as not matched, as
    /// a stack overflow in Java would not.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|regex| regex.full_match(name).unwrap_or(false))
    }
}

/// Splits as Debezium's `RegExSplitter`: entries are trimmed, empty ones left out, `\,` becomes `,`.
fn split(text: &str) -> Result<Vec<String>, PatternError> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(',') => part.push(','),
                Some(next) => part.extend(['\\', next]),
                None => {
                    return Err(PatternError {
                        pattern: text.to_owned(),
                        message: "Unterminated escape sequence at the end of the string".to_owned(),
                    });
                }
            },
            ',' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    Ok(parts.iter().filter(|part| !part.is_empty()).map(|part| part.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_names_in_any_case() {
        let check = |list: &str, name: &str, expect: bool| {
            assert_eq!(Patterns::list(list).unwrap().matches(name), expect, "{list} {name}");
        };
        check("public.a,public.b", "public.b", true);
        check("public.a, public.b", "PUBLIC.B", true);
        check("public.a", "public.ab", false);
        check("public.a", "xpublic.a", false);
        check("a|b", "b", true);
        check("a|b", "ab", false);
        check(r"public\.t{1\,2}", "public.tt", true);
        check(r"public\.t{1\,2}", "public.ttt", false);
        check("(?!x).*", "y", true);
        check("", "a", false);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(
            Patterns::list("a,(b").unwrap_err().to_string().starts_with("'(b' is not a regular expression")
        );
        assert!(Patterns::list("a\\").is_err());
    }
}
