//! A moment out of a text: the fields that the pattern finds there.

use super::calendar::Moment;
use super::fields::{Field, Fields};
use super::names::{AM_PM, DAYS, ERAS, ERAS_LONG, MONTHS, SHORT, ZONES};
use super::{Letter, Part};

pub(super) fn parse(parts: &[Part], text: &str, century_start_ms: i64) -> Option<i64> {
    let mut reader = Reader { text, at: 0, fields: Fields::default(), century_start_ms, ambiguous: false };
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(expected) => {
                reader.text.get(reader.at..)?.strip_prefix(expected.as_str())?;
                reader.at += expected.len();
            }
            Part::Field(letter, count) => {
                let limited = parts.get(index + 1).is_some_and(obeys_count);
                reader.field(*letter, *count, limited)?;
            }
        }
    }
    // Java takes a text of which nothing was read for one that does not fit.
    if reader.at == 0 {
        return None;
    }
    let ms = reader.fields.resolve()?;
    if reader.ambiguous && ms < century_start_ms {
        reader.fields.add_century();
        return reader.fields.resolve();
    }
    Some(ms)
}

/// Whether the field before this part ends after as many digits as it has letters.
fn obeys_count(next: &Part) -> bool {
    match next {
        Part::Text(_) => false,
        Part::Field(letter, count) => match letter {
            Letter::Month => *count <= 2,
            Letter::Era
            | Letter::DayOfWeek
            | Letter::AmPm
            | Letter::ZoneName
            | Letter::ZoneOffset
            | Letter::IsoZone => false,
            _ => true,
        },
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    fields: Fields,
    century_start_ms: i64,
    /// The year of two digits is the one in which the hundred years begin.
    ambiguous: bool,
}

impl Reader<'_> {
    fn byte(&self, index: usize) -> Option<u8> {
        self.text.as_bytes().get(index).copied()
    }

    fn field(&mut self, letter: Letter, count: usize, limited: bool) -> Option<()> {
        // Names are looked for before the spaces that numbers may have before them.
        let start = self.at;
        while matches!(self.byte(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.byte(self.at)?;
        let number_start = self.at;
        match letter {
            Letter::Era => return self.name(start, Field::Era, 0, &[&ERAS, &ERAS_LONG], usize::MAX),
            Letter::Month if count >= 3 => return self.name(start, Field::Month, 0, &[&MONTHS], SHORT),
            Letter::DayOfWeek => return self.name(start, Field::DayOfWeek, 1, &[&DAYS], SHORT),
            Letter::AmPm => return self.name(start, Field::AmPm, 0, &[&AM_PM], usize::MAX),
            Letter::ZoneName | Letter::ZoneOffset => return self.zone(start),
            Letter::IsoZone => return self.iso_zone(count),
            _ => {}
        }
        let end = if limited { start.checked_add(count)? } else { self.text.len() };
        if end > self.text.len() {
            return None;
        }
        let mut value = self.number(end)?;
        let field = match letter {
            Letter::Year | Letter::WeekYear => {
                if count <= 2 && self.at - number_start == 2 && self.byte(number_start) != Some(b'-') {
                    let start_year = i32::try_from(Moment::of_ms(self.century_start_ms).year).ok()?;
                    let ambiguous = start_year % 100;
                    self.ambiguous = value == ambiguous;
                    value += start_year / 100 * 100 + if value < ambiguous { 100 } else { 0 };
                }
                if letter == Letter::Year { Field::Year } else { Field::WeekYear }
            }
            Letter::Month => {
                value = value.wrapping_sub(1);
                Field::Month
            }
            Letter::HourOfDay1 => {
                value = if value == 24 { 0 } else { value };
                Field::HourOfDay
            }
            Letter::Hour1 => {
                value = if value == 12 { 0 } else { value };
                Field::Hour
            }
            Letter::IsoDayOfWeek => {
                value = match value {
                    7 => 1,
                    1..=6 => value + 1,
                    _ => value,
                };
                Field::DayOfWeek
            }
            Letter::DayOfMonth => Field::DayOfMonth,
            Letter::HourOfDay0 => Field::HourOfDay,
            Letter::Hour0 => Field::Hour,
            Letter::Minute => Field::Minute,
            Letter::Second => Field::Second,
            Letter::Millisecond => Field::Millisecond,
            Letter::DayOfYear => Field::DayOfYear,
            Letter::DayOfWeekInMonth => Field::DayOfWeekInMonth,
            Letter::WeekOfYear => Field::WeekOfYear,
            Letter::WeekOfMonth => Field::WeekOfMonth,
            // They were read above.
            Letter::Era
            | Letter::DayOfWeek
            | Letter::AmPm
            | Letter::ZoneName
            | Letter::ZoneOffset
            | Letter::IsoZone => return None,
        };
        self.fields.set(field, value);
        Some(())
    }

    /// Digits up to a place, cut to 32 bits as `Number.intValue` does.
    fn number(&mut self, end: usize) -> Option<i32> {
        let negative = self.at < end && self.byte(self.at) == Some(b'-');
        let start = self.at + usize::from(negative);
        let digits = self.text.as_bytes().get(start..end)?;
        let digits = &digits[..digits.iter().take_while(|byte| byte.is_ascii_digit()).count()];
        if digits.is_empty() {
            return None;
        }
        self.at = start + digits.len();
        let mut value: Option<i64> = Some(0);
        for digit in digits {
            let digit = i64::from(digit - b'0');
            value = value
                .and_then(|value| value.checked_mul(10))
                .and_then(|value| if negative { value.checked_sub(digit) } else { value.checked_add(digit) });
        }
        Some(match value {
            // Java takes the low bits of a long.
            Some(value) => value as i32,
            None if negative => i32::MIN,
            None => i32::MAX,
        })
    }

    /// The longest name that stands at a place, upper and lower case being one.
    fn name(
        &mut self,
        start: usize,
        field: Field,
        first: i32,
        lists: &[&[&str]],
        short: usize,
    ) -> Option<()> {
        let mut best: Option<(usize, i32)> = None;
        for (name, value) in lists.iter().flat_map(|list| list.iter().zip(first..)) {
            for name in [name, name.get(..short).unwrap_or(name)] {
                if self.has(start, name) && best.is_none_or(|(length, _)| name.len() > length) {
                    best = Some((name.len(), value));
                }
            }
        }
        let (length, value) = best?;
        self.at = start + length;
        self.fields.set(field, value);
        Some(())
    }

    fn has(&self, start: usize, name: &str) -> bool {
        let found = self.text.as_bytes().get(start..).and_then(|rest| rest.get(..name.len()));
        found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// `+hhmm`, `GMT`, `GMT+h:mm` or a name.
    fn zone(&mut self, start: usize) -> Option<()> {
        if let Some(sign) = sign(self.byte(self.at)) {
            return self.offset(self.at + 1, sign, 0, false);
        }
        if self.has(start, "GMT") {
            self.at = start + 3;
            return match sign(self.byte(self.at)) {
                Some(sign) => self.offset(self.at + 1, sign, 0, true),
                None => self.found_offset(self.at, 0),
            };
        }
        let (name, minutes) = ZONES.iter().find(|(name, _)| self.has(self.at, name))?;
        self.found_offset(self.at + name.len(), *minutes)
    }

    fn iso_zone(&mut self, count: usize) -> Option<()> {
        if self.byte(self.at) == Some(b'Z') {
            return self.found_offset(self.at + 1, 0);
        }
        let sign = sign(self.byte(self.at))?;
        self.offset(self.at + 1, sign, count, count == 3)
    }

    /// `hh`, `hhmm` or `hh:mm`; `count` is that of the letters `X`, 0 for other letters.
    fn offset(&mut self, mut at: usize, sign: i64, count: usize, colon: bool) -> Option<()> {
        let digit = |at: usize| self.byte(at).filter(u8::is_ascii_digit).map(|byte| i64::from(byte - b'0'));
        let mut hours = digit(at)?;
        at += 1;
        match digit(at) {
            Some(second) => {
                hours = hours * 10 + second;
                at += 1;
            }
            None if count > 0 || !colon => return None,
            // Java reads the character before it puts it back.
            None => {
                self.byte(at)?;
            }
        }
        if hours > 23 {
            return None;
        }
        let mut minutes = 0;
        if count != 1 {
            if colon {
                self.byte(at).filter(|byte| *byte == b':')?;
                at += 1;
            }
            minutes = digit(at)? * 10 + digit(at + 1)?;
            at += 2;
            if minutes > 59 {
                return None;
            }
        }
        self.found_offset(at, sign * (hours * 60 + minutes))
    }

    fn found_offset(&mut self, at: usize, minutes: i64) -> Option<()> {
        self.at = at;
        self.fields.offset_ms = minutes * 60_000;
        Some(())
    }
}

fn sign(byte: Option<u8>) -> Option<i64> {
    match byte {
        Some(b'+') => Some(1),
        Some(b'-') => Some(-1),
        _ => None,
    }
}
