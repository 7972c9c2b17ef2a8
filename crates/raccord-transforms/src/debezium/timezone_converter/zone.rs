//! Time zones and the texts of times with an offset, as `java.time` has them: the proleptic Gregorian calendar with years
//! of up to nine digits.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use raccord_data::calendar::{date_of, day_of};
use raccord_plugin::{Error, Result};

/// Names that Java lists among the time zones without having rules for them.
const SHORT_NAMES: &[&str] = &[
    "ACT", "AET", "AGT", "ART", "AST", "BET", "BST", "CAT", "CNT", "CST", "CTT", "EAT", "ECT", "EST", "HST",
    "IET", "IST", "JST", "MIT", "MST", "NET", "NST", "PLT", "PNT", "PRT", "PST", "SST", "VST",
];

const DAY_SECONDS: i64 = 86_400;
/// 400 Gregorian years, after which dates and days of the week come again.
const CYCLE_SECONDS: i64 = 146_097 * DAY_SECONDS;

/// Where the offset from UTC comes from.
#[derive(Debug)]
pub(super) enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i32),
    Named(TimeZone),
    /// Java knows the name, but fails with the first time.
    Unknown {
        class: &'static str,
        message: String,
    },
}

impl Zone {
    /// The zone of that name, or of an offset like `+08:00`; `None` when there is none.
    pub fn of(name: &str) -> Option<Self> {
        if let Some(seconds) = fixed(name) {
            return Some(seconds.map_or_else(
                |message| Self::Unknown { class: "java.time.DateTimeException", message },
                Self::Fixed,
            ));
        }
        if SHORT_NAMES.contains(&name) {
            let message = format!("Unknown time-zone ID: {name}");
            return Some(Self::Unknown { class: "java.time.zone.ZoneRulesException", message });
        }
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Self::Named(zone))
    }

    /// The offset of a local time, given as seconds since 1970 without an offset. Where clocks were turned, it is the
    /// offset from before.
    ///
    /// # Errors
    /// Java's exception for a zone that it does not know after all.
    pub fn offset_at(&self, local_seconds: i64) -> Result<i32> {
        match self {
            Self::Fixed(seconds) => Ok(*seconds),
            Self::Named(zone) => {
                let offset = match zone.to_ambiguous_timestamp(in_range(local_seconds)).offset() {
                    AmbiguousOffset::Unambiguous { offset } => offset,
                    AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
                };
                Ok(offset.seconds())
            }
            Self::Unknown { class, message } => Err(Error::record(message.clone()).class(class)),
        }
    }

    /// The offset now.
    ///
    /// # Errors
    /// As [`offset_at`](Self::offset_at).
    pub fn offset_now(&self) -> Result<i32> {
        match self {
            Self::Named(zone) => Ok(zone.to_offset(jiff::Timestamp::now()).seconds()),
            other => other.offset_at(0),
        }
    }
}

/// An offset as it is written, or Java's words about one that is too large.
fn fixed(text: &str) -> Option<std::result::Result<i32, String>> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let parts: Vec<&str> = text[1..].split(':').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|part| part.len() != 2 || !all_digits(part)) {
        return None;
    }
    let numbers: Vec<i32> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    let (hours, minutes, seconds) = (numbers[0], numbers[1], numbers.get(2).copied().unwrap_or_default());
    let total = (hours * 60 + minutes) * 60 + seconds;
    let out_of_range = |what: &str, value: i32, max: i32| {
        Err(format!(
            "Zone offset {what} not in valid range: value {} is not in the range -{max} to {max}",
            sign * value
        ))
    };
    Some(if hours > 18 {
        out_of_range("hours", hours, 18)
    } else if minutes > 59 {
        out_of_range("minutes", minutes, 59)
    } else if seconds > 59 {
        out_of_range("seconds", seconds, 59)
    } else if total > 18 * 3600 {
        Err("Zone offset not in valid range: -18:00 to +18:00".to_owned())
    } else {
        Ok(sign * total)
    })
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The local time, moved by whole cycles of the calendar into the years that have rules.
fn in_range(local_seconds: i64) -> DateTime {
    let (from, to) = (-CYCLE_SECONDS, CYCLE_SECONDS);
    let seconds = match local_seconds {
        before if before < from => (before - from).rem_euclid(CYCLE_SECONDS) + from,
        after if after >= to => (after - to).rem_euclid(CYCLE_SECONDS) + to,
        within => within,
    };
    jiff::Timestamp::from_second(seconds).map_or(DateTime::MIN, |time| TimeZone::UTC.to_datetime(time))
}

/// A time of day with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetTime {
    second_of_day: i64,
    nanos: u32,
    offset: i32,
}

/// A date and time with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetDateTime {
    /// Seconds since 1970 on the local clock.
    pub local_seconds: i64,
    nanos: u32,
    offset: i32,
}

impl OffsetTime {
    /// Reads `10:15:30.5+01:00`.
    ///
    /// # Errors
    /// The `DateTimeParseException`, without the text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut rest = text;
        let time = read_time(&mut rest).and_then(|time| Some((time, read_offset(rest)?)));
        let ((second_of_day, nanos), offset) = time.ok_or_else(unreadable)?;
        Ok(Self { second_of_day, nanos, offset })
    }

    /// The same moment at another offset.
    pub fn at_offset(self, offset: i32) -> Self {
        let moved = self.second_of_day + i64::from(offset - self.offset);
        Self { second_of_day: moved.rem_euclid(DAY_SECONDS), offset, ..self }
    }

    pub fn to_text(self) -> String {
        time_text(self.second_of_day, self.nanos) + &offset_text(self.offset)
    }
}

impl OffsetDateTime {
    /// Reads `2020-01-31T10:15:30.5+01:00`.
    ///
    /// # Errors
    /// The `DateTimeParseException`, without the text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut rest = text;
        let read = |rest: &mut &str| {
            let days = read_date(rest)?;
            take(rest, &['T', 't'])?;
            let time = read_time(rest)?;
            Some((days, time, read_offset(rest)?))
        };
        let (days, (second_of_day, nanos), offset) = read(&mut rest).ok_or_else(unreadable)?;
        Ok(Self { local_seconds: days * DAY_SECONDS + second_of_day, nanos, offset })
    }

    /// The same moment at another offset.
    pub fn at_offset(self, offset: i32) -> Self {
        Self { local_seconds: self.local_seconds + i64::from(offset - self.offset), offset, ..self }
    }

    pub fn to_text(self) -> String {
        let (year, month, day) = date_of(self.local_seconds.div_euclid(DAY_SECONDS));
        let sign = if year < 0 {
            "-"
        } else if year > 9999 {
            "+"
        } else {
            ""
        };
        format!(
            "{sign}{:04}-{month:02}-{day:02}T{}{}",
            year.abs(),
            time_text(self.local_seconds.rem_euclid(DAY_SECONDS), self.nanos),
            offset_text(self.offset)
        )
    }
}

fn unreadable() -> Error {
    Error::record("Text '...' could not be parsed").class("java.time.format.DateTimeParseException")
}

fn take(rest: &mut &str, any: &[char]) -> Option<()> {
    *rest = rest.strip_prefix(any)?;
    Some(())
}

/// Reads that many digits.
fn number(rest: &mut &str, digits: usize) -> Option<i64> {
    let text = rest.get(..digits).filter(|text| all_digits(text))?;
    *rest = &rest[digits..];
    text.parse().ok()
}

/// Days since 1970.
fn read_date(rest: &mut &str) -> Option<i64> {
    let sign = rest.chars().next().filter(|c| matches!(c, '+' | '-'));
    if sign.is_some() {
        *rest = &rest[1..];
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    // More than four digits come with a sign, and a plus with more than four.
    let fits = match sign {
        None => digits == 4,
        Some('+') => (5..=10).contains(&digits),
        Some(_) => (4..=10).contains(&digits),
    };
    let year = fits.then(|| number(rest, digits)).flatten()?;
    let year = if sign == Some('-') { -year } else { year };
    take(rest, &['-'])?;
    let month = number(rest, 2).filter(|month| (1..=12).contains(month))?;
    take(rest, &['-'])?;
    let day = number(rest, 2)?;
    let days = day_of(year, month, day);
    (date_of(days) == (year, month, day)).then_some(days)
}

/// Second of the day and nanoseconds.
fn read_time(rest: &mut &str) -> Option<(i64, u32)> {
    let hour = number(rest, 2).filter(|hour| *hour < 24)?;
    take(rest, &[':'])?;
    let minute = number(rest, 2).filter(|minute| *minute < 60)?;
    let (mut second, mut nanos) = (0, 0);
    if take(rest, &[':']).is_some() {
        second = number(rest, 2).filter(|second| *second < 60)?;
        if take(rest, &['.']).is_some() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count().min(9);
            let fraction = if digits == 0 { 0 } else { number(rest, digits)? };
            nanos = fraction as u32 * 10u32.pow(9 - digits as u32);
        }
    }
    Some((hour * 3600 + minute * 60 + second, nanos))
}

/// What is left of the text as an offset: `Z`, or hours with minutes and seconds where there are any.
fn read_offset(rest: &str) -> Option<i32> {
    if rest.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let digits = rest.strip_prefix(['+', '-'])?;
    let parts: Vec<&str> = digits.split(':').collect();
    if parts.len() > 3 || parts.iter().any(|part| part.len() != 2 || !all_digits(part)) {
        return None;
    }
    let part = |index: usize| parts.get(index).map_or(Some(0), |text| text.parse::<i32>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(1)?, part(2)?);
    let total = hours * 3600 + minutes * 60 + seconds;
    let fits = hours <= 18 && minutes < 60 && seconds < 60 && total <= 18 * 3600;
    fits.then_some(if rest.starts_with('-') { -total } else { total })
}

fn time_text(second_of_day: i64, nanos: u32) -> String {
    let mut text =
        format!("{:02}:{:02}:{:02}", second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

fn offset_text(offset: i32) -> String {
    if offset == 0 {
        return "Z".to_owned();
    }
    let (sign, total) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    let mut text = format!("{sign}{:02}:{:02}", total / 3600, total / 60 % 60);
    if total % 60 != 0 {
        text.push_str(&format!(":{:02}", total % 60));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_times_as_java_does() {
        let check = |text: &str, offset: i32, expect: &str| {
            assert_eq!(OffsetDateTime::parse(text).unwrap().at_offset(offset).to_text(), expect, "{text}");
        };
        check("2020-02-29T23:30:00Z", 3600, "2020-03-01T00:30:00+01:00");
        check("2020-02-29t23:30z", 0, "2020-02-29T23:30:00Z");
        check("2020-01-01T00:00:00.120000+05:30", -3600, "2019-12-31T17:30:00.12-01:00");
        check("+292278994-08-16T23:00:00Z", 0, "+292278994-08-16T23:00:00Z");
        check("-0001-01-01T00:00:00.000000001+00:00:30", 30, "-0001-01-01T00:00:00.000000001+00:00:30");
        check("2020-01-01T00:00:00+02", 0, "2019-12-31T22:00:00Z");
        for bad in [
            "",
            "2020-02-30T00:00:00Z",
            "20200-01-01T00:00:00Z",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:00:00",
            "2020-01-01T00:00:00+19:00",
            "2020-01-01T00:00:00+0200",
        ] {
            assert!(OffsetDateTime::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(OffsetTime::parse("23:30:00.5Z").unwrap().at_offset(3600).to_text(), "00:30:00.5+01:00");
    }

    #[test]
    fn knows_the_offset_of_local_times() {
        let check = |zone: &str, local: &str, expect: i32| {
            let local = OffsetDateTime::parse(local).unwrap().local_seconds;
            assert_eq!(Zone::of(zone).unwrap().offset_at(local).unwrap(), expect, "{zone} {local}");
        };
        check("Europe/Berlin", "2024-07-01T00:00:00Z", 7200);
        check("Europe/Berlin", "2024-12-01T00:00:00Z", 3600);
        // In the gap and where clocks were turned back: the offset from before.
        check("Europe/Berlin", "2024-03-31T02:30:00Z", 3600);
        check("Europe/Berlin", "2024-10-27T02:30:00Z", 7200);
        check("Europe/Berlin", "+20024-07-01T00:00:00Z", 7200);
        check("-03:30", "2024-07-01T00:00:00Z", -12_600);
        assert!(Zone::of("europe/berlin").is_none());
        assert!(Zone::of("Mars/Base").is_none());
        assert_eq!(
            Zone::of("PST").unwrap().offset_at(0).unwrap_err().trace(),
            "java.time.zone.ZoneRulesException: Unknown time-zone ID: PST"
        );
        assert!(Zone::of("+19:00").unwrap().offset_at(0).is_err());
    }
}
