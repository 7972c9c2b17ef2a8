//! Regular expressions of Java (`java.util.regex`), which configurations are full of: topics, tables, routes.
//!
//! A pattern is read as Java reads it (`parse`, `escape`, `class`, `properties`), with Java's messages for mistakes, and
//! translated (`emit`) for an engine that runs in linear time or, where it needs look-around, back references or the
//! like, for one that backtracks within a limit. docs/java-regex.md says what differs.

mod chars;
mod class;
mod emit;
mod escape;
mod parse;
mod properties;
mod replace;
mod tree;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_automata::meta;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use crate::{Validator, Value, invalid_value};
use emit::{Wanted, translate};
use parse::Flags;
pub use replace::Replacement;
use tree::Node;

/// Steps back that one search may take; Java has no limit and would run for hours.
const BACKTRACKS_MAX: usize = 1_000_000;
/// Memory of a compiled regex, bytes.
const SIZE_MAX: usize = 64 << 20;

/// A regular expression of Java, compiled once, used by many threads.
#[derive(Clone)]
pub struct JavaRegex(Arc<Inner>);

struct Inner {
    pattern: String,
    root: Node,
    groups: usize,
    names: Vec<(String, usize)>,
    knows_lines: bool,
    /// By what is wanted of it: see `slot`.
    engines: [OnceLock<Result<Engine, String>>; 4],
}

enum Engine {
    Linear(meta::Regex),
    Backtracking(fancy_regex::Regex),
}

/// A pattern that is none, in the words of Java's `PatternSyntaxException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong, without the place.
    pub description: String,
    /// Where, in characters from the start; Java knows no place for a `)` that comes first.
    pub index: Option<usize>,
    message: String,
}

/// A match that failed or a replacement that cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError {
    /// The Java class of the exception.
    pub class: &'static str,
    /// Its message.
    pub message: String,
}

/// Where a match and its groups lie.
#[derive(Clone, Debug)]
pub struct Captures<'t> {
    text: &'t str,
    groups: Vec<Option<(usize, usize)>>,
}

impl PatternError {
    fn new(description: &str, index: Option<usize>, pattern: &str) -> Self {
        let place = index.map(|index| format!(" near index {index}")).unwrap_or_default();
        let mut message = format!("{description}{place}\n{pattern}");
        // Java shows a mark below the place, unless it is the end of the pattern.
        if let Some(index) = index.filter(|index| *index < pattern.encode_utf16().count()) {
            let mark = pattern.chars().chain(std::iter::repeat(' ')).take(index);
            message.push('\n');
            message.extend(mark.map(|c| if c == '\t' { '\t' } else { ' ' }));
            message.push('^');
        }
        Self { description: description.to_owned(), index, message }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}

impl RegexError {
    fn new(class: &'static str, message: &str) -> Self {
        Self { class, message: message.to_owned() }
    }
}

impl fmt::Display for RegexError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for RegexError {}

impl<'t> Captures<'t> {
    /// The text of a group, none when it took no part in the match or is none of the regex; group 0 is the match.
    pub fn get(&self, group: usize) -> Option<&'t str> {
        self.range(group).and_then(|range| self.text.get(range))
    }

    /// Where a group lies, in bytes.
    pub fn range(&self, group: usize) -> Option<Range<usize>> {
        self.groups.get(group).copied().flatten().map(|(start, end)| start..end)
    }
}

impl JavaRegex {
    /// Compiles a pattern, as `Pattern.compile(pattern)`.
    ///
    /// # Errors
    /// Java's message for a pattern that is none, ours for the few things that Java has and this has not.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Self::compile(pattern, Flags::default())
    }

    /// Compiles a pattern for which upper and lower case of ASCII are one, as with `Pattern.CASE_INSENSITIVE`.
    ///
    /// # Errors
    /// As of [`JavaRegex::new`].
    pub fn case_insensitive(pattern: &str) -> Result<Self, PatternError> {
        Self::compile(pattern, Flags { case_insensitive: true, ..Flags::default() })
    }

    fn compile(pattern: &str, flags: Flags) -> Result<Self, PatternError> {
        let parsed = parse::parse(pattern, flags)?;
        let regex = Self(Arc::new(Inner {
            pattern: pattern.to_owned(),
            knows_lines: emit::knows_lines(&parsed.root),
            root: parsed.root,
            groups: parsed.groups,
            names: parsed.names,
            engines: Default::default(),
        }));
        // What an engine cannot do is known before the first text comes.
        match regex.engine(false, "") {
            Ok(_) => Ok(regex),
            Err(error) => Err(PatternError::new(&error.message, None, pattern)),
        }
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.pattern
    }

    /// How many groups have a number; the whole match, 0, is not counted.
    pub fn group_count(&self) -> usize {
        self.0.groups
    }

    /// The number of a named group.
    pub fn group_named(&self, name: &str) -> Option<usize> {
        self.0.names.iter().find(|(other, _)| other == name).map(|(_, index)| *index)
    }

    /// Whether no search of it backtracks: time is linear in the text.
    pub fn is_linear(&self) -> bool {
        matches!(self.engine(false, ""), Ok(Engine::Linear(_)))
    }

    /// Whether the whole text matches, as `Matcher.matches()`.
    ///
    /// # Errors
    /// When the search took more steps than it may.
    pub fn full_match(&self, text: &str) -> Result<bool, RegexError> {
        match self.engine(true, text)? {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|error| self.gave_up(&error, text)),
        }
    }

    /// The groups of a match of the whole text.
    ///
    /// # Errors
    /// When the search took more steps than it may.
    pub fn full_captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t>>, RegexError> {
        self.run(true, text, 0)
    }

    /// Whether it matches somewhere in the text, as `Matcher.find()`.
    ///
    /// # Errors
    /// When the search took more steps than it may.
    pub fn find(&self, text: &str) -> Result<bool, RegexError> {
        match self.engine(false, text)? {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|error| self.gave_up(&error, text)),
        }
    }

    /// The groups of the first match that starts at this byte or later. What stands before is seen by look-behind.
    ///
    /// # Errors
    /// When the search took more steps than it may.
    pub fn captures_at<'t>(&self, text: &'t str, start: usize) -> Result<Option<Captures<'t>>, RegexError> {
        self.run(false, text, start)
    }

    /// Reads a replacement for this regex.
    pub fn replacement(&self, text: &str) -> Replacement {
        Replacement::new(self, text)
    }

    /// The text with every match replaced, as `Matcher.replaceAll`.
    ///
    /// # Errors
    /// A mistake in the replacement, when something matches; a search that took more steps than it may.
    pub fn replace_all(&self, text: &str, replacement: &Replacement) -> Result<String, RegexError> {
        self.replace(text, replacement, usize::MAX)
    }

    /// The text with the first match replaced, as `Matcher.replaceFirst`.
    ///
    /// # Errors
    /// As of [`JavaRegex::replace_all`].
    pub fn replace_first(&self, text: &str, replacement: &Replacement) -> Result<String, RegexError> {
        self.replace(text, replacement, 1)
    }

    fn replace(&self, text: &str, replacement: &Replacement, times: usize) -> Result<String, RegexError> {
        let mut out = String::new();
        // Up to where the text is copied, and from where the next match is sought: after an empty one Java goes on one
        // character further.
        let (mut copied, mut start) = (0, 0);
        for _ in 0..times {
            let Some(found) = self.captures_at(text, start)? else { break };
            let Some(range) = found.range(0) else { break };
            out.push_str(&text[copied..range.start]);
            replacement.expand(&found, &mut out)?;
            copied = range.end;
            start = range.end;
            if range.is_empty() {
                match text[start..].chars().next() {
                    Some(c) => start += c.len_utf8(),
                    None => break,
                }
            }
        }
        out.push_str(&text[copied..]);
        Ok(out)
    }

    fn run<'t>(&self, whole: bool, text: &'t str, start: usize) -> Result<Option<Captures<'t>>, RegexError> {
        match self.engine(whole, text)? {
            Engine::Linear(regex) => {
                let mut found = regex.create_captures();
                let input = Input::new(text).range(start..).anchored(Anchored::No);
                regex.search_captures(&input, &mut found);
                if !found.is_match() {
                    return Ok(None);
                }
                let groups = (0..=self.0.groups)
                    .map(|group| found.get_group(group).map(|span| (span.start, span.end)));
                Ok(Some(Captures { text, groups: groups.collect() }))
            }
            Engine::Backtracking(regex) => {
                let found =
                    regex.captures_from_pos(text, start).map_err(|error| self.gave_up(&error, text))?;
                Ok(found.map(|found| Captures {
                    text,
                    groups: (0..=self.0.groups)
                        .map(|group| found.get(group).map(|group| (group.start(), group.end())))
                        .collect(),
                }))
            }
        }
    }

    /// The engine for a text, compiled when it is first needed.
    fn engine(&self, whole: bool, text: &str) -> Result<&Engine, RegexError> {
        let lines = self.0.knows_lines && chars::has_line_terminator(text);
        let slot = usize::from(whole) * 2 + usize::from(lines);
        let engine = self.0.engines[slot].get_or_init(|| self.build(Wanted { whole, lines }));
        engine.as_ref().map_err(|message| RegexError::new("java.lang.IllegalArgumentException", message))
    }

    fn build(&self, wanted: Wanted) -> Result<Engine, String> {
        let translated = translate(&self.0.root, self.0.groups, wanted);
        if translated.backtracks {
            return fancy_regex::RegexBuilder::new(&translated.pattern)
                .backtrack_limit(BACKTRACKS_MAX)
                .delegate_size_limit(SIZE_MAX)
                .build()
                .map(Engine::Backtracking)
                .map_err(|error| format!("Not supported: {error}"));
        }
        meta::Regex::builder()
            .configure(meta::Config::new().nfa_size_limit(Some(SIZE_MAX)))
            .syntax(syntax::Config::new().nest_limit(1_000))
            .build(&translated.pattern)
            .map(Engine::Linear)
            .map_err(|error| match error.size_limit() {
                Some(limit) => format!("The compiled pattern needs more than {limit} bytes"),
                None => format!("Not supported: {error}"),
            })
    }

    fn gave_up(&self, error: &fancy_regex::Error, text: &str) -> RegexError {
        let message = format!(
            "The regular expression {} took too many steps on a text of {} bytes and was given up ({error}): avoid \
             repetitions inside of repetitions, such as (a+)+",
            self.0.pattern,
            text.len()
        );
        RegexError::new("java.lang.StackOverflowError", &message)
    }
}

impl fmt::Debug for JavaRegex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JavaRegex({:?})", self.0.pattern)
    }
}

impl fmt::Display for JavaRegex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.pattern)
    }
}

impl PartialEq for JavaRegex {
    /// Whether they were made from the same pattern.
    fn eq(&self, other: &Self) -> bool {
        self.0.pattern == other.0.pattern
    }
}

/// Checks that the text is a regular expression.
///
/// # Errors
/// The message of Java's `PatternSyntaxException`.
pub fn check_regex(pattern: &str) -> Result<(), String> {
    JavaRegex::new(pattern).map(drop).map_err(|error| error.to_string())
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

#[cfg(test)]
mod tests;
