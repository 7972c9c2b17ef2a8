//! A moment out of a text: the fields that the pattern finds, then what a lenient `GregorianCalendar` makes of them.

use super::calendar::{CUTOVER, CUTOVER_YEAR, EPOCH, MS_PER_DAY, Moment, System, first_week, on_or_before};
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
    let ms = reader.fields.resolve()?;
    if reader.ambiguous && ms < century_start_ms {
        for field in [Field::Year, Field::WeekYear] {
            let slot = &mut reader.fields.values[field as usize];
            *slot = slot.wrapping_add(100);
        }
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
                if count <= 2 && self.at - number_start == 2 && value >= 0 {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Era,
    Year,
    WeekYear,
    Month,
    DayOfMonth,
    DayOfYear,
    DayOfWeek,
    DayOfWeekInMonth,
    WeekOfYear,
    WeekOfMonth,
    AmPm,
    Hour,
    HourOfDay,
    Minute,
    Second,
    Millisecond,
}

const FIELDS: usize = Field::Millisecond as usize + 1;

/// Fields as they were found: a later one has a higher stamp, 0 was not found.
#[derive(Clone, Debug, Default)]
struct Fields {
    values: [i32; FIELDS],
    stamps: [u32; FIELDS],
    last: u32,
    offset_ms: i64,
}

/// Which fields tell the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    OfMonth,
    WeekOfMonth { day: bool },
    OfWeekInMonth { week: bool, day: bool },
    OfYear,
    WeekOfYear { day: bool },
}

impl Fields {
    fn set(&mut self, field: Field, value: i32) {
        self.last += 1;
        self.values[field as usize] = value;
        self.stamps[field as usize] = self.last;
    }

    fn stamp(&self, field: Field) -> u32 {
        self.stamps[field as usize]
    }

    fn get(&self, field: Field) -> i64 {
        i64::from(self.values[field as usize])
    }

    fn found(&self, field: Field) -> bool {
        self.stamp(field) > 0
    }

    /// Milliseconds since 1970.
    fn resolve(&self) -> Option<i64> {
        let time = self.time_of_day();
        let days = time.div_euclid(MS_PER_DAY);
        let fixed = if self.stamp(Field::WeekYear) > self.stamp(Field::Year) {
            self.week_date() + days
        } else {
            self.fixed_date(days)?
        };
        let midnight = fixed.wrapping_sub(EPOCH).wrapping_mul(MS_PER_DAY);
        Some(midnight.wrapping_add(time.rem_euclid(MS_PER_DAY)).wrapping_sub(self.offset_ms))
    }

    fn time_of_day(&self) -> i64 {
        let both = |a: u32, b: u32| if a == 0 || b == 0 { 0 } else { a.max(b) };
        let half = both(self.stamp(Field::Hour), self.stamp(Field::AmPm));
        let hour_of_day = self.stamp(Field::HourOfDay);
        let hours = if hour_of_day > 0 && hour_of_day >= half {
            self.get(Field::HourOfDay)
        } else {
            self.get(Field::Hour) + 12 * self.get(Field::AmPm)
        };
        let minutes = hours * 60 + self.get(Field::Minute);
        (minutes * 60 + self.get(Field::Second)) * 1_000 + self.get(Field::Millisecond)
    }

    /// A year of weeks, a week, a day of the week; the week defaults to the first and the day to Sunday.
    fn week_date(&self) -> i64 {
        let or = |field, other| if self.found(field) { self.get(field) } else { other };
        let mut week = or(Field::WeekOfYear, 1);
        let mut day = or(Field::DayOfWeek, 1);
        if day >= 8 {
            day -= 1;
            week += day / 7;
            day = day % 7 + 1;
        } else if day <= 0 {
            week += (day - 1).div_euclid(7);
            day = (day - 1).rem_euclid(7) + 1;
        }
        let year = match (self.found(Field::Era), self.get(Field::Era)) {
            (true, 0) => 1 - self.get(Field::WeekYear),
            _ => self.get(Field::WeekYear),
        };
        first_week(year) + day - 1 + 7 * (week - 1)
    }

    /// The day that the fields tell, `days` later.
    fn fixed_date(&self, days: i64) -> Option<i64> {
        let mut year = if self.found(Field::Year) { self.get(Field::Year) } else { 1970 };
        if self.found(Field::Era) && self.get(Field::Era) == 0 {
            year = 1 - year;
        }
        let day = self.day();
        let julian = || days + self.fixed_date_in(System::Julian, year, day);
        let gregorian = || days + self.fixed_date_in(System::Gregorian, year, day);
        // The year decides between the calendars, unless the date lies on the other side of the change.
        if year > CUTOVER_YEAR {
            let date = gregorian();
            if date >= CUTOVER {
                return Some(date);
            }
        } else if year < CUTOVER_YEAR {
            let date = julian();
            return Some(date);
        }
        if matches!(day, Day::OfYear | Day::WeekOfYear { .. }) {
            return Some(julian());
        }
        let date = gregorian();
        Some(if date >= CUTOVER { date } else { julian() })
    }

    /// The most recent group of fields that tells a day, as `Calendar` selects it.
    fn day(&self) -> Day {
        let both = |a: u32, b: u32| if a == 0 || b == 0 { 0 } else { a.max(b) };
        let day_of_week = self.stamp(Field::DayOfWeek);
        let mut of_month = self.stamp(Field::DayOfMonth);
        let mut week_of_month = both(self.stamp(Field::WeekOfMonth), day_of_week);
        let mut in_month = both(self.stamp(Field::DayOfWeekInMonth), day_of_week);
        let of_year = self.stamp(Field::DayOfYear);
        let mut week_of_year = both(self.stamp(Field::WeekOfYear), day_of_week);
        let mut best = of_month.max(week_of_month).max(in_month).max(of_year).max(week_of_year);
        if best == 0 {
            // No group is complete: a week or a day of the week alone, else the month.
            week_of_month = self.stamp(Field::WeekOfMonth);
            in_month = self.stamp(Field::DayOfWeekInMonth).max(day_of_week);
            week_of_year = self.stamp(Field::WeekOfYear);
            best = week_of_month.max(in_month).max(week_of_year);
            if best == 0 {
                of_month = self.stamp(Field::Month);
                best = of_month;
            }
        }
        let day = day_of_week > 0;
        let of_the_year = self.stamp(Field::WeekOfYear);
        let by_week = best == week_of_month && self.stamp(Field::WeekOfMonth) >= of_the_year;
        let by_place = best == in_month && self.stamp(Field::DayOfWeekInMonth) >= of_the_year;
        let week = self.found(Field::DayOfWeekInMonth);
        if best == of_month {
            Day::OfMonth
        } else if by_week || by_place {
            let prefers_week = if week_of_month == in_month {
                self.stamp(Field::WeekOfMonth) >= self.stamp(Field::DayOfWeekInMonth)
            } else {
                best == week_of_month
            };
            if prefers_week { Day::WeekOfMonth { day } } else { Day::OfWeekInMonth { week, day } }
        } else if best == of_year {
            Day::OfYear
        } else {
            Day::WeekOfYear { day }
        }
    }

    fn fixed_date_in(&self, system: System, year: i64, day: Day) -> i64 {
        let by_month = matches!(day, Day::OfMonth | Day::WeekOfMonth { .. } | Day::OfWeekInMonth { .. });
        let (mut year, mut month) = (year, 0);
        if by_month {
            month = self.get(Field::Month);
            year += month.div_euclid(12);
            month = month.rem_euclid(12);
        }
        let first = system.month_start(year, month);
        let day_of_week = |given: bool| if given { self.get(Field::DayOfWeek) } else { 1 };
        // The Sunday of the week that has the first day.
        let week_start = on_or_before(first, 1);
        match day {
            Day::OfMonth if self.found(Field::DayOfMonth) => first + self.get(Field::DayOfMonth) - 1,
            Day::OfMonth => first,
            Day::OfYear => first + self.get(Field::DayOfYear) - 1,
            Day::WeekOfMonth { day } => {
                on_or_before(week_start + 6, day_of_week(day)) + 7 * (self.get(Field::WeekOfMonth) - 1)
            }
            Day::WeekOfYear { day } => {
                on_or_before(week_start + 6, day_of_week(day)) + 7 * (self.get(Field::WeekOfYear) - 1)
            }
            Day::OfWeekInMonth { week, day } => {
                let week = if week { self.get(Field::DayOfWeekInMonth) } else { 1 };
                let last = if week >= 0 { 7 * week } else { self.month_length(year, month) + 7 * (week + 1) };
                on_or_before(first + last - 1, day_of_week(day))
            }
        }
    }

    fn month_length(&self, year: i64, month: i64) -> i64 {
        let system = if year >= CUTOVER_YEAR { System::Gregorian } else { System::Julian };
        system.month_length(year, month)
    }
}
