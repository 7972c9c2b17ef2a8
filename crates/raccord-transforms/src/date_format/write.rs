//! A moment as text.

use super::calendar::Moment;
use super::names::{AM_PM, DAYS, ERAS, MONTHS, SHORT, ZONE, ZONE_LONG};
use super::{Letter, Part};

pub(super) fn write(parts: &[Part], moment: &Moment, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Field(letter, count) => field(*letter, *count, moment, out),
        }
    }
}

fn field(letter: Letter, count: usize, moment: &Moment, out: &mut String) {
    let hour = moment.ms_of_day / 3_600_000;
    let or = |hour: i64, zero: i64| if hour == 0 { zero } else { hour };
    let value = match letter {
        Letter::Era => {
            return out.push_str(ERAS[usize::from(moment.year > 0)]);
        }
        Letter::Year | Letter::WeekYear => {
            let year = match letter {
                Letter::WeekYear => moment.week_year(),
                _ if moment.year <= 0 => 1 - moment.year,
                _ => moment.year,
            };
            // Two letters ask for the last two digits.
            return if count == 2 { padded(year % 100, 2, out) } else { padded(year, count, out) };
        }
        Letter::Month if count >= 3 => return name(&MONTHS, moment.month, count, out),
        Letter::Month => moment.month + 1,
        Letter::DayOfWeek => return name(&DAYS, moment.day_of_week() - 1, count, out),
        Letter::AmPm => return out.push_str(AM_PM[usize::from(hour >= 12)]),
        Letter::ZoneName => return out.push_str(if count >= 4 { ZONE_LONG } else { ZONE }),
        Letter::ZoneOffset => return out.push_str("+0000"),
        Letter::IsoZone => return out.push('Z'),
        Letter::DayOfMonth => moment.day_of_month,
        Letter::HourOfDay1 => or(hour, 24),
        Letter::HourOfDay0 => hour,
        Letter::Hour1 => or(hour % 12, 12),
        Letter::Hour0 => hour % 12,
        Letter::Minute => moment.ms_of_day / 60_000 % 60,
        Letter::Second => moment.ms_of_day / 1_000 % 60,
        Letter::Millisecond => moment.ms_of_day % 1_000,
        Letter::DayOfYear => moment.day_of_year(),
        Letter::DayOfWeekInMonth => moment.day_of_week_in_month(),
        Letter::WeekOfYear => moment.week_of_year(),
        Letter::WeekOfMonth => moment.week_of_month(),
        Letter::IsoDayOfWeek => or(moment.day_of_week() - 1, 7),
    };
    padded(value, count, out);
}

fn name(names: &[&str], index: i64, count: usize, out: &mut String) {
    let name = usize::try_from(index).ok().and_then(|index| names.get(index)).unwrap_or(&"");
    out.push_str(if count >= 4 { name } else { name.get(..SHORT).unwrap_or(name) });
}

/// A number with zeros before it up to a count of digits.
fn padded(value: i64, digits: usize, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    let mut buffer = [b'0'; 20];
    let mut start = buffer.len();
    let mut rest = value.unsigned_abs();
    while rest > 0 || start == buffer.len() {
        start -= 1;
        // A digit is below ten.
        buffer[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let written = buffer.len() - start;
    (written..digits).for_each(|_| out.push('0'));
    out.extend(buffer[start..].iter().copied().map(char::from));
}
