//! Intervals.

use raccord_data::Value;

use super::settings::IntervalMode;

/// An interval in the fields in which PostgreSQL writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    years: i32,
    months: i32,
    days: i32,
    hours: i32,
    minutes: i32,
    /// Microseconds below a minute.
    micros: i64,
}

impl Interval {
    /// Reads the text of `IntervalStyle = postgres`: `1 year 2 mons 3 days -04:05:06.789`.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut interval = Self::default();
        let mut words = text.split_ascii_whitespace();
        while let Some(word) = words.next() {
            if word.contains(':') {
                interval.read_time(word)?;
                continue;
            }
            let number = word.strip_prefix('+').unwrap_or(word).parse().ok()?;
            match words.next()? {
                "year" | "years" => interval.years = number,
                "mon" | "mons" => interval.months = number,
                "day" | "days" => interval.days = number,
                _ => return None,
            }
        }
        Some(interval)
    }

    fn read_time(&mut self, text: &str) -> Option<()> {
        let (sign, text) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let mut parts = text.splitn(3, ':');
        let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        if fraction.len() > 6 {
            return None;
        }
        let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
        self.hours = sign * hours.parse::<i32>().ok()?;
        self.minutes = sign * minutes.parse::<i32>().ok()?;
        self.micros = i64::from(sign) * (whole.parse::<i64>().ok()? * 1_000_000 + fraction);
        Some(())
    }

    /// Of the binary form: microseconds, days, months.
    pub fn of_binary(micros: i64, days: i32, months: i32) -> Option<Self> {
        Some(Self {
            years: months / 12,
            months: months % 12,
            days,
            hours: i32::try_from(micros / 3_600_000_000).ok()?,
            minutes: (micros / 60_000_000 % 60) as i32,
            micros: micros % 60_000_000,
        })
    }

    /// The cell.
    pub fn cell(self, mode: IntervalMode) -> Value {
        match mode {
            IntervalMode::Numeric => Value::Int64(self.duration_micros()),
            IntervalMode::String => Value::from(self.iso()),
        }
    }

    /// As Debezium's `MicroDuration`, which counts in doubles.
    fn duration_micros(self) -> i64 {
        const DAYS_PER_MONTH: f64 = 365.25 / 12.0;
        let months = self.years.wrapping_mul(12).wrapping_add(self.months);
        let days = f64::from(months) * DAYS_PER_MONTH + f64::from(self.days);
        let seconds = (self.micros / 1_000_000) as f64 + (self.micros % 1_000_000) as f64 / 1e6;
        let seconds =
            ((days * 24.0 + f64::from(self.hours)) * 60.0 + f64::from(self.minutes)) * 60.0 + seconds;
        (seconds * 1e6) as i64
    }

    fn iso(self) -> String {
        let Self { years, months, days, hours, minutes, micros } = self;
        let sign = if micros < 0 { "-" } else { "" };
        let (whole, fraction) = (micros.abs() / 1_000_000, micros.abs() % 1_000_000);
        let mut seconds = format!("{sign}{whole}");
        if fraction > 0 {
            seconds.push_str(format!(".{fraction:06}").trim_end_matches('0'));
        }
        format!("P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_alike() {
        let check = |text: &str, (micros, days, months): (i64, i32, i32), numeric: i64, iso: &str| {
            let interval = Interval::of_text(text.as_bytes()).unwrap();
            assert_eq!(Interval::of_binary(micros, days, months), Some(interval), "{text}");
            assert_eq!(interval.cell(IntervalMode::Numeric), Value::Int64(numeric), "{text}");
            assert_eq!(interval.cell(IntervalMode::String), Value::from(iso.to_owned()), "{text}");
        };
        check(
            "1 year 2 mons 3 days 04:05:06.789",
            (14_706_789_000, 3, 14),
            37_091_106_789_000,
            "P1Y2M3DT4H5M6.789S",
        );
        check(
            "-1 years -2 mons +3 days -04:05:06.789",
            (-14_706_789_000, 3, -14),
            -36_572_706_789_000,
            "P-1Y-2M3DT-4H-5M-6.789S",
        );
        check("-1 days", (0, -1, 0), -86_400_000_000, "P0Y0M-1DT0H0M0S");
        check("00:00:00", (0, 0, 0), 0, "P0Y0M0DT0H0M0S");
        check("-3 days +00:00:00.000001", (1, -3, 0), -259_199_999_999, "P0Y0M-3DT0H0M0.000001S");
        check("178000000 years", (0, 0, 2_136_000_000), i64::MAX, "P178000000Y0M0DT0H0M0S");
        assert_eq!(Interval::of_text(b"P1D"), None);
        assert_eq!(Interval::of_text(b"1 day 2"), None);
    }
}
