//! Dates and times: reading both of PostgreSQL's forms, writing Debezium's.

use raccord_data::Value;
use raccord_data::calendar::day_of;

use super::calendar::{POSTGRES_EPOCH_DAY, date_through_java, through_java};
use super::iso::IsoText;
use super::settings::TimePrecision;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;

/// Which way a value has come to Debezium: through the JDBC driver's older classes (a snapshot, an array), or
/// through its own reading of the log. Early dates and infinities differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through `java.sql.Date`, `Time`, `Timestamp`.
    Driver,
    /// Through `java.sql.Timestamp`, but taken apart into its fields and put together again: `timestamptz` in arrays.
    DriverFields,
    /// Read from the log.
    Log,
}

/// A date, or one of the two ends of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded<T> {
    /// Before everything.
    NegativeInfinity,
    /// A value.
    Finite(T),
    /// After everything.
    Infinity,
}

/// A moment without time zone: seconds since the epoch, and microseconds of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    seconds: i64,
    micros: i64,
}

impl Moment {
    fn of(day: i64, micros_of_day: i64) -> Self {
        Self {
            seconds: day * SECONDS_PER_DAY + micros_of_day.div_euclid(MICROS_PER_SECOND),
            micros: micros_of_day.rem_euclid(MICROS_PER_SECOND),
        }
    }

    /// Of the binary form: microseconds since 2000.
    pub fn of_binary(micros: i64) -> Bounded<Self> {
        match micros {
            i64::MIN => Bounded::NegativeInfinity,
            i64::MAX => Bounded::Infinity,
            micros => Bounded::Finite(Self {
                seconds: micros.div_euclid(MICROS_PER_SECOND) + POSTGRES_EPOCH_DAY * SECONDS_PER_DAY,
                micros: micros.rem_euclid(MICROS_PER_SECOND),
            }),
        }
    }

    /// Whole seconds since the epoch, and microseconds of the second.
    pub fn parts(self) -> (i64, i64) {
        (self.seconds, self.micros)
    }

    fn moved_by(self, days: i64) -> Self {
        Self { seconds: self.seconds + days * SECONDS_PER_DAY, ..self }
    }

    fn on(self, way: Way) -> Self {
        let day = self.seconds.div_euclid(SECONDS_PER_DAY);
        match way {
            Way::Driver => self.moved_by(through_java(day) - day),
            Way::DriverFields => self.moved_by(date_through_java(day).map_or(0, |moved| moved - day)),
            Way::Log => self,
        }
    }

    /// `YYYY-MM-DDTHH:MM:SS`, digits of the fraction, `Z`. `fraction`: so many digits; `None`: those that count.
    fn iso(self, fraction: Option<usize>) -> Value {
        let mut out = IsoText::new();
        out.date(self.seconds.div_euclid(SECONDS_PER_DAY));
        out.mark(b'T');
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        out.time(second * MICROS_PER_SECOND + self.micros, fraction);
        out.mark(b'Z');
        out.cell()
    }
}

/// Reads numbers with marks between them.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<i64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let number = self.0[..digits].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        self.0 = &self.0[digits..];
        Some(number)
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        match self.0 {
            [first, rest @ ..] if *first == mark => {
                self.0 = rest;
                Some(())
            }
            _ => None,
        }
    }

    fn date(&mut self) -> Option<(i64, i64, i64)> {
        let year = self.number()?;
        self.mark(b'-')?;
        let month = self.number().filter(|month| (1..=12).contains(month))?;
        self.mark(b'-')?;
        let day = self.number().filter(|day| (1..=31).contains(day))?;
        Some((year, month, day))
    }

    /// Microseconds of the day.
    fn time(&mut self) -> Option<i64> {
        let hour = self.number().filter(|hour| *hour <= 24)?;
        self.mark(b':')?;
        let minute = self.number().filter(|minute| *minute < 60)?;
        self.mark(b':')?;
        let second = self.number().filter(|second| *second <= 60)?;
        let micros = if self.mark(b'.').is_some() { self.fraction()? } else { 0 };
        Some(((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros)
    }

    fn fraction(&mut self) -> Option<i64> {
        let before = self.0.len();
        let number = self.number()?;
        let digits = before - self.0.len();
        (digits <= 6).then(|| number * 10i64.pow(6 - digits as u32))
    }

    /// Seconds east of Greenwich.
    fn zone(&mut self) -> Option<i64> {
        let east = match self.0.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let mut seconds = self.number()? * 3_600;
        if self.mark(b':').is_some() {
            seconds += self.number()? * 60;
            if self.mark(b':').is_some() {
                seconds += self.number()?;
            }
        }
        Some(east * seconds)
    }

    /// The day of a date whose era stands at the end.
    fn end(self, date: (i64, i64, i64)) -> Option<i64> {
        let year = match self.0 {
            b"" => date.0,
            b" BC" => 1 - date.0,
            _ => return None,
        };
        Some(day_of(year, date.1, date.2))
    }
}

fn bounded<T>(text: &[u8], read: impl FnOnce(Reader<'_>) -> Option<T>) -> Option<Bounded<T>> {
    match text {
        b"infinity" => Some(Bounded::Infinity),
        b"-infinity" => Some(Bounded::NegativeInfinity),
        text => read(Reader(text)).map(Bounded::Finite),
    }
}

/// Reads a `date`.
pub fn date_text(text: &[u8]) -> Option<Bounded<i64>> {
    bounded(text, |mut reader| {
        let date = reader.date()?;
        reader.end(date)
    })
}

/// Reads a `date` in binary: days since 2000.
pub fn date_binary(days: i32) -> Bounded<i64> {
    match days {
        i32::MIN => Bounded::NegativeInfinity,
        i32::MAX => Bounded::Infinity,
        days => Bounded::Finite(i64::from(days) + POSTGRES_EPOCH_DAY),
    }
}

/// Reads a `timestamp`, or a `timestamptz`, whose offset is taken off.
pub fn timestamp_text(text: &[u8]) -> Option<Bounded<Moment>> {
    bounded(text, |mut reader| {
        let date = reader.date()?;
        reader.mark(b' ')?;
        let time = reader.time()?;
        let zone = reader.zone().unwrap_or(0);
        Some(Moment::of(reader.end(date)?, time - zone * MICROS_PER_SECOND))
    })
}

/// Reads a `time`: microseconds of the day.
pub fn time_text(text: &[u8]) -> Option<i64> {
    let mut reader = Reader(text);
    let time = reader.time()?;
    reader.0.is_empty().then_some(time)
}

/// Reads a `timetz`: microseconds of the day in UTC.
pub fn timetz_text(text: &[u8]) -> Option<i64> {
    let mut reader = Reader(text);
    let time = reader.time()?;
    let zone = reader.zone()?;
    reader.0.is_empty().then(|| (time - zone * MICROS_PER_SECOND).rem_euclid(MICROS_PER_DAY))
}

/// Reads a `timetz` in binary: microseconds of the day, then seconds west of Greenwich.
pub fn timetz_binary(micros: i64, west: i32) -> i64 {
    (micros + i64::from(west) * MICROS_PER_SECOND).rem_euclid(MICROS_PER_DAY)
}

/// The cell of a date. Debezium's infinities: what is left of the driver's markers after passing through Java's
/// classes; on the way of the log, days of its own choice. `None` where Java finds no such date.
pub fn date_cell(mode: TimePrecision, date: Bounded<i64>, way: Way) -> Option<Value> {
    let days = match (date, way) {
        (Bounded::Infinity, Way::Driver | Way::DriverFields) => day_of(292_278_994, 8, 16),
        (Bounded::NegativeInfinity, Way::Driver | Way::DriverFields) => day_of(292_269_055, 12, 2),
        (Bounded::Infinity, Way::Log) => -2_147_472_692,
        (Bounded::NegativeInfinity, Way::Log) => -2_147_472_691,
        (Bounded::Finite(days), Way::Driver | Way::DriverFields) => date_through_java(days)?,
        (Bounded::Finite(days), Way::Log) => days,
    };
    Some(match mode {
        // Days are 32 bits wide before they become milliseconds.
        TimePrecision::Connect => Value::Date(i64::from(days as i32) * SECONDS_PER_DAY * 1_000),
        TimePrecision::IsoString => {
            let mut out = IsoText::new();
            out.date(days);
            out.mark(b'Z');
            out.cell()
        }
        _ => Value::Int32(days as i32),
    })
}

/// How a time of day or a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Connect's own types.
    Connect,
    /// Text.
    Iso,
}

impl Unit {
    /// For times of day of a column with that many digits.
    pub fn of_time(mode: TimePrecision, digits: i32) -> Self {
        match mode {
            TimePrecision::AdaptiveTimeMicroseconds => Self::Micros,
            mode => Self::of_timestamp(mode, digits),
        }
    }

    /// For timestamps of a column with that many digits.
    pub fn of_timestamp(mode: TimePrecision, digits: i32) -> Self {
        match mode {
            TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds => match digits {
                ..=3 => Self::Millis,
                4..=6 => Self::Micros,
                _ => Self::Nanos,
            },
            TimePrecision::Connect => Self::Connect,
            TimePrecision::IsoString => Self::Iso,
            TimePrecision::Microseconds => Self::Micros,
            TimePrecision::Nanoseconds => Self::Nanos,
        }
    }
}

/// The cell of a time of day. In arrays Java keeps milliseconds only, and midnight at the end of the day is that at its
/// beginning.
pub fn time_cell(unit: Unit, micros: i64, in_array: bool) -> Value {
    let micros = if in_array { micros % MICROS_PER_DAY / 1_000 * 1_000 } else { micros };
    match unit {
        Unit::Millis => Value::Int32((micros / 1_000) as i32),
        Unit::Micros => Value::Int64(micros),
        Unit::Nanos => Value::Int64(micros * 1_000),
        Unit::Connect => Value::Date(micros / 1_000),
        Unit::Iso => zoned_time_cell(micros % MICROS_PER_DAY, false),
    }
}

/// The cell of a time of day in UTC, as text. In arrays Java keeps seconds only.
pub fn zoned_time_cell(micros: i64, in_array: bool) -> Value {
    let micros = if in_array { micros / MICROS_PER_SECOND * MICROS_PER_SECOND } else { micros };
    let mut out = IsoText::new();
    out.time(micros, None);
    out.mark(b'Z');
    out.cell()
}

/// The driver's markers of infinity, read as microseconds.
const INFINITY: Moment = Moment { seconds: 9_223_372_036_825, micros: 200_000 };
const NEGATIVE_INFINITY: Moment = Moment { seconds: -9_223_372_036_833, micros: 600_000 };

/// The cell of a timestamp.
pub fn timestamp_cell(unit: Unit, moment: Bounded<Moment>, way: Way) -> Value {
    let moment = match moment {
        Bounded::Infinity => INFINITY,
        Bounded::NegativeInfinity => NEGATIVE_INFINITY,
        Bounded::Finite(moment) => moment.on(way),
    };
    let millis = || moment.seconds * 1_000 + moment.micros / 1_000;
    match unit {
        Unit::Millis => Value::Int64(millis()),
        Unit::Connect => Value::Date(millis()),
        // Java saturates the product and lets the sum wrap.
        Unit::Micros => {
            Value::Int64(moment.seconds.saturating_mul(MICROS_PER_SECOND).wrapping_add(moment.micros))
        }
        Unit::Nanos => {
            let nanos = moment.seconds.wrapping_mul(1_000_000_000);
            Value::Int64(nanos.wrapping_add(moment.micros * 1_000))
        }
        Unit::Iso => moment.iso(None),
    }
}

/// The cell of a moment in UTC, as text. `digits` of the column: so many digits of the fraction, but those that count
/// when there should be none or the column does not say.
pub fn zoned_timestamp_cell(digits: i32, moment: Bounded<Moment>, way: Way) -> Value {
    match moment {
        Bounded::Infinity => Value::from("infinity"),
        Bounded::NegativeInfinity => Value::from("-infinity"),
        Bounded::Finite(moment) => {
            let fraction = usize::try_from(digits).ok().filter(|digits| (1..=9).contains(digits));
            moment.on(way).iso(fraction)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> String {
        match value {
            Value::Int32(number) => number.to_string(),
            Value::Int64(number) => number.to_string(),
            Value::String(text) => text.to_string(),
            Value::Date(millis) => format!("Date({millis})"),
            other => format!("{other:?}"),
        }
    }

    /// Both columns as Debezium writes them.
    #[test]
    fn writes_timestamps_as_debezium_does() {
        let check = |unit, text: &str, log: &str, driver: &str| {
            let moment = timestamp_text(text.as_bytes()).unwrap();
            assert_eq!(shown(timestamp_cell(unit, moment, Way::Log)), log, "{text}");
            assert_eq!(shown(timestamp_cell(unit, moment, Way::Driver)), driver, "{text}");
        };
        check(Unit::Micros, "2024-02-29 13:14:15.123456", "1709212455123456", "1709212455123456");
        check(Unit::Millis, "2024-02-29 13:14:15.12", "1709212455120", "1709212455120");
        check(Unit::Micros, "infinity", "9223372036825200000", "9223372036825200000");
        check(Unit::Micros, "-infinity", "-9223372036832400000", "-9223372036832400000");
        check(Unit::Millis, "-infinity", "-9223372036832400", "-9223372036832400");
        check(Unit::Micros, "0044-03-15 12:00:00 BC", "-63517780800000000", "-63517953600000000");
        check(Unit::Millis, "1500-01-01 00:00:00", "-14831769600000", "-14830992000000");
        check(Unit::Millis, "1582-10-04 23:59:59", "-12220156801000", "-12219292801000");
        check(Unit::Micros, "1582-10-15 00:00:00", "-12219292800000000", "-12219292800000000");
        check(Unit::Micros, "4713-01-01 00:00:00 BC", "-210863520000000000", "-210866803200000000");
        check(Unit::Micros, "294276-12-31 23:59:59.999999", "-9223372036853775810", "-9223372036853775810");
        check(Unit::Millis, "1969-12-31 23:59:59.999", "-1", "-1");
        check(Unit::Iso, "2024-02-29 13:14:15.120", "2024-02-29T13:14:15.12Z", "2024-02-29T13:14:15.12Z");
    }

    #[test]
    fn writes_moments_as_debezium_does() {
        let check = |digits, text: &str, log: &str, driver: &str| {
            let moment = timestamp_text(text.as_bytes()).unwrap();
            assert_eq!(shown(zoned_timestamp_cell(digits, moment, Way::Log)), log, "{text}");
            assert_eq!(shown(zoned_timestamp_cell(digits, moment, Way::Driver)), driver, "{text}");
        };
        let same = "2024-02-29T11:14:15.123456Z";
        check(6, "2024-02-29 13:14:15.123456+02", same, same);
        check(0, "2024-02-29 13:14:15-05:30", "2024-02-29T18:44:15Z", "2024-02-29T18:44:15Z");
        check(3, "2024-02-29 13:14:15.1+00", "2024-02-29T13:14:15.100Z", "2024-02-29T13:14:15.100Z");
        check(6, "0044-03-15 12:00:00+00 BC", "-0043-03-15T12:00:00.000000Z", "-0043-03-13T12:00:00.000000Z");
        check(0, "12024-01-01 00:00:00+00", "+12024-01-01T00:00:00Z", "+12024-01-01T00:00:00Z");
        check(0, "1883-11-18 12:03:58-04:56:02", "1883-11-18T17:00:00Z", "1883-11-18T17:00:00Z");
        check(6, "infinity", "infinity", "infinity");
    }

    #[test]
    fn writes_dates_and_times_as_debezium_does() {
        let date = |text: &str, log: &str, driver: &str| {
            let date = date_text(text.as_bytes()).unwrap();
            let cell = |way| shown(date_cell(TimePrecision::Adaptive, date, way).unwrap());
            assert_eq!((cell(Way::Log).as_str(), cell(Way::Driver).as_str()), (log, driver), "{text}");
        };
        date("2024-02-29", "19782", "19782");
        date("0044-03-15 BC", "-735160", "-703383");
        date("infinity", "-2147472692", "-622191234");
        date("-infinity", "-2147472691", "-625821272");
        date("5874897-12-31", "2145042905", "2145042905");
        let time = |text: &str, micros: &str, in_array: &str| {
            let time = time_text(text.as_bytes()).unwrap();
            assert_eq!(shown(time_cell(Unit::Micros, time, false)), micros);
            assert_eq!(shown(time_cell(Unit::Micros, time, true)), in_array);
        };
        time("13:14:15.123456", "47655123456", "47655123000");
        time("24:00:00", "86400000000", "0");
        let zoned = |text: &str, expect: &str| {
            assert_eq!(shown(zoned_time_cell(timetz_text(text.as_bytes()).unwrap(), false)), expect);
        };
        zoned("13:14:15.123456+02", "11:14:15.123456Z");
        zoned("01:02:03.5-05:30", "06:32:03.5Z");
        zoned("24:00:00+00", "00:00:00Z");
        zoned("12:00:00+14", "22:00:00Z");
    }

    #[test]
    fn refuses_what_is_no_date_or_time() {
        for bad in ["", "2024", "2024-13-01", "2024-01-01 ", "2024-01-01 AD", "99999999999-01-01"] {
            assert_eq!(date_text(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["", "1:2", "25:00:00", "10:00:00.1234567", "10:00:00x"] {
            assert_eq!(time_text(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(timestamp_text(b"2024-01-01T10:00:00"), None);
        assert_eq!(timetz_text(b"10:00:00"), None);
    }
}
