//! Patterns of `java.text.SimpleDateFormat`, which `TimestampConverter` and `TimestampRouter` take, in the time zone UTC.
//!
//! Formatting and lenient parsing are Java's, with `GregorianCalendar` behind them: Julian dates before 15 October 1582,
//! fields out of range that carry over, the field that came last winning over those that contradict it. Kafka leaves the
//! locale to the JVM; here it is English, which is what the JVM of a container has.

mod calendar;
mod fields;
mod names;
mod parse;
mod write;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use calendar::Moment;

/// A pattern, read once, used by many threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimpleDateFormat {
    pattern: String,
    parts: Vec<Part>,
    /// Years of two digits are the ones that follow this moment, milliseconds since 1970.
    century_start_ms: i64,
}

/// A pattern that is none; the text is the message of Java's `IllegalArgumentException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatePatternError(String);

/// A text that does not fit; it shows as the message of Java's `ParseException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateParseError {
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Letter, usize),
}

/// The letters of patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Era,
    Year,
    WeekYear,
    Month,
    DayOfMonth,
    /// 1 to 24.
    HourOfDay1,
    /// 0 to 23.
    HourOfDay0,
    Minute,
    Second,
    Millisecond,
    DayOfWeek,
    DayOfYear,
    DayOfWeekInMonth,
    WeekOfYear,
    WeekOfMonth,
    AmPm,
    /// 1 to 12.
    Hour1,
    /// 0 to 11.
    Hour0,
    ZoneName,
    ZoneOffset,
    /// 1 is Monday.
    IsoDayOfWeek,
    IsoZone,
}

impl Letter {
    fn of(c: char) -> Option<Self> {
        Some(match c {
            'G' => Self::Era,
            'y' => Self::Year,
            'Y' => Self::WeekYear,
            // The month by itself has the same names in English.
            'M' | 'L' => Self::Month,
            'd' => Self::DayOfMonth,
            'k' => Self::HourOfDay1,
            'H' => Self::HourOfDay0,
            'm' => Self::Minute,
            's' => Self::Second,
            'S' => Self::Millisecond,
            'E' => Self::DayOfWeek,
            'D' => Self::DayOfYear,
            'F' => Self::DayOfWeekInMonth,
            'w' => Self::WeekOfYear,
            'W' => Self::WeekOfMonth,
            'a' => Self::AmPm,
            'h' => Self::Hour1,
            'K' => Self::Hour0,
            'z' => Self::ZoneName,
            'Z' => Self::ZoneOffset,
            'u' => Self::IsoDayOfWeek,
            'X' => Self::IsoZone,
            _ => return None,
        })
    }
}

impl SimpleDateFormat {
    /// Reads a pattern. A year of two digits is then one of the hundred years that began 80 years ago.
    ///
    /// # Errors
    /// Java's message for a letter that has no meaning, a quotation without end, more than three `X`.
    pub fn new(pattern: &str) -> Result<Self, DatePatternError> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Self::with_century_start(pattern, Moment::of_ms(now_ms).minus_years(80))
    }

    /// Reads a pattern for which years of two digits lie in the hundred years after a moment, milliseconds since 1970:
    /// `set2DigitYearStart`.
    ///
    /// # Errors
    /// As of [`SimpleDateFormat::new`].
    pub fn with_century_start(pattern: &str, century_start_ms: i64) -> Result<Self, DatePatternError> {
        Ok(Self { pattern: pattern.to_owned(), parts: read(pattern)?, century_start_ms })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// A moment, milliseconds since 1970, as text.
    pub fn format(&self, ms: i64) -> String {
        let mut out = String::with_capacity(self.pattern.len() + 8);
        self.format_to(ms, &mut out);
        out
    }

    /// Appends a moment, milliseconds since 1970, as text.
    pub fn format_to(&self, ms: i64, out: &mut String) {
        write::write(&self.parts, &Moment::of_ms(ms), out);
    }

    /// The moment that a text tells, milliseconds since 1970. As in Java whatever follows what the pattern describes is
    /// not looked at, and fields may be out of their range.
    ///
    /// # Errors
    /// Java's `Unparseable date`.
    pub fn parse(&self, text: &str) -> Result<i64, DateParseError> {
        parse::parse(&self.parts, text, self.century_start_ms)
            .ok_or_else(|| DateParseError { text: text.to_owned() })
    }
}

fn read(pattern: &str) -> Result<Vec<Part>, DatePatternError> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    let mut quoting = false;
    let mut last = None;
    while let Some(c) = chars.next() {
        let letter = if quoting || !c.is_ascii_alphabetic() { None } else { Some(c) };
        if c == '\'' && chars.next_if_eq(&'\'').is_none() {
            quoting = !quoting;
        } else if let Some(c) = letter {
            let letter =
                Letter::of(c).ok_or_else(|| DatePatternError(format!("Illegal pattern character '{c}'")))?;
            match parts.last_mut() {
                Some(Part::Field(_, count)) if last == Some(c) => *count += 1,
                _ => parts.push(Part::Field(letter, 1)),
            }
        } else {
            match parts.last_mut() {
                Some(Part::Text(text)) => text.push(c),
                _ => parts.push(Part::Text(c.into())),
            }
        }
        last = letter;
    }
    if quoting {
        return Err(DatePatternError("Unterminated quote".to_owned()));
    }
    for part in &parts {
        if let Part::Field(Letter::IsoZone, count @ 4..) = part {
            return Err(DatePatternError(format!("invalid ISO 8601 format: length={count}")));
        }
    }
    Ok(parts)
}

impl fmt::Display for DatePatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for DatePatternError {}

impl fmt::Display for DateParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Unparseable date: \"{}\"", self.text)
    }
}

impl std::error::Error for DateParseError {}
