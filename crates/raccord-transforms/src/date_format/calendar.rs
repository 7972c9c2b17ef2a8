//! The calendar of `java.util.GregorianCalendar` in UTC: Julian up to 4 October 1582, Gregorian from the next day on,
//! which is 15 October. Weeks begin on Sunday and the first one of a year or month may have a single day of it.
//!
//! A *fixed date* counts days from 1 January of the year 1 (Gregorian), which is day 1 and a Monday.

pub(super) const MS_PER_DAY: i64 = 86_400_000;
/// The fixed date of 1 January 1970.
pub(super) const EPOCH: i64 = 719_163;
/// The fixed date of 15 October 1582, the first Gregorian one.
pub(super) const CUTOVER: i64 = 577_736;
pub(super) const CUTOVER_YEAR: i64 = 1582;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Julian,
    Gregorian,
}

impl System {
    pub(super) fn is_leap(self, year: i64) -> bool {
        year % 4 == 0 && (self == Self::Julian || year % 100 != 0 || year % 400 == 0)
    }

    /// The fixed date of 1 January. The year 0 is 1 BC.
    fn new_year(self, year: i64) -> i64 {
        let before = year - 1;
        let days = 365 * before + before.div_euclid(4);
        match self {
            Self::Julian => days - 1,
            Self::Gregorian => days - before.div_euclid(100) + before.div_euclid(400) + 1,
        }
    }

    /// The fixed date of the first day of a month, 0 to 11.
    pub(super) fn month_start(self, year: i64, month: i64) -> i64 {
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let before = usize::try_from(month).ok().and_then(|month| BEFORE.get(month)).unwrap_or(&0);
        self.new_year(year) + before + i64::from(month > 1 && self.is_leap(year))
    }

    pub(super) fn month_length(self, year: i64, month: i64) -> i64 {
        match month {
            11 => 31,
            _ => self.month_start(year, month + 1) - self.month_start(year, month),
        }
    }

    fn year_of(self, fixed: i64) -> i64 {
        // Near enough to be off by one at most.
        let mut year = match self {
            Self::Julian => (fixed + 1).div_euclid(1461) * 4 + (fixed + 1).rem_euclid(1461) / 366 + 1,
            Self::Gregorian => {
                (i128::from(fixed - 1) * 400).div_euclid(146_097).try_into().unwrap_or(0i64) + 1
            }
        };
        while self.new_year(year) > fixed {
            year -= 1;
        }
        while self.new_year(year + 1) <= fixed {
            year += 1;
        }
        year
    }
}

/// 1 is Sunday.
pub(super) fn day_of_week(fixed: i64) -> i64 {
    fixed.rem_euclid(7) + 1
}

/// The last day up to a date that is this day of the week; 1 is Sunday.
pub(super) fn on_or_before(fixed: i64, day_of_week: i32) -> i64 {
    fixed - (fixed - i64::from(day_of_week.wrapping_sub(1))).rem_euclid(7)
}

/// The first day of a year, whatever system it had then.
fn year_start(year: i64) -> i64 {
    let system = if year <= CUTOVER_YEAR { System::Julian } else { System::Gregorian };
    system.new_year(year)
}

/// The Sunday that begins the week of a date.
fn week_start(fixed: i64) -> i64 {
    on_or_before(fixed, 1)
}

/// The Sunday of the first week of a year.
pub(super) fn first_week(year: i64) -> i64 {
    week_start(year_start(year))
}

/// A moment in fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The year 0 is 1 BC.
    pub(super) year: i64,
    /// 0 is January.
    pub(super) month: i64,
    pub(super) day_of_month: i64,
    pub(super) ms_of_day: i64,
    fixed: i64,
    month_start: i64,
}

impl Moment {
    pub(super) fn of_ms(ms: i64) -> Self {
        let fixed = ms.div_euclid(MS_PER_DAY) + EPOCH;
        let system = if fixed >= CUTOVER { System::Gregorian } else { System::Julian };
        let year = system.year_of(fixed);
        let month = (0..12).rev().find(|month| system.month_start(year, *month) <= fixed).unwrap_or(0);
        let mut month_start = system.month_start(year, month);
        let day_of_month = fixed - month_start + 1;
        if month_start < CUTOVER && system == System::Gregorian {
            // October 1582 began in the Julian calendar.
            month_start = System::Julian.month_start(year, month);
        }
        Self { year, month, day_of_month, ms_of_day: ms.rem_euclid(MS_PER_DAY), fixed, month_start }
    }

    /// The same day and time of an earlier year, milliseconds since 1970; 29 February may become the 28th.
    pub(super) fn minus_years(&self, years: i64) -> i64 {
        let year = self.year - years;
        let day = self.day_of_month.min(System::Gregorian.month_length(year, self.month));
        let fixed = System::Gregorian.month_start(year, self.month) + day - 1;
        (fixed - EPOCH) * MS_PER_DAY + self.ms_of_day
    }

    /// 1 is Sunday.
    pub(super) fn day_of_week(&self) -> i64 {
        day_of_week(self.fixed)
    }

    pub(super) fn day_of_year(&self) -> i64 {
        self.fixed - year_start(self.year) + 1
    }

    pub(super) fn day_of_week_in_month(&self) -> i64 {
        (self.fixed - self.month_start) / 7 + 1
    }

    pub(super) fn week_of_month(&self) -> i64 {
        (self.fixed - week_start(self.month_start)) / 7 + 1
    }

    pub(super) fn week_of_year(&self) -> i64 {
        if self.week_year() > self.year { 1 } else { (self.fixed - first_week(self.year)) / 7 + 1 }
    }

    pub(super) fn week_year(&self) -> i64 {
        self.year + i64::from(self.fixed >= first_week(self.year + 1))
    }
}
