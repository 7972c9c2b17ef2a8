//! What a lenient `GregorianCalendar` makes of the fields that were found in a text.

use super::calendar::{CUTOVER, CUTOVER_YEAR, EPOCH, MS_PER_DAY, System, first_week, on_or_before};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
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
pub(super) struct Fields {
    values: [i32; FIELDS],
    stamps: [u32; FIELDS],
    last: u32,
    /// What the local time is ahead of UTC.
    pub(super) offset_ms: i64,
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
    pub(super) fn set(&mut self, field: Field, value: i32) {
        self.last += 1;
        self.values[field as usize] = value;
        self.stamps[field as usize] = self.last;
    }

    fn stamp(&self, field: Field) -> u32 {
        self.stamps[field as usize]
    }

    fn get(&self, field: Field) -> i64 {
        i64::from(self.int(field))
    }

    fn int(&self, field: Field) -> i32 {
        self.values[field as usize]
    }

    fn found(&self, field: Field) -> bool {
        self.stamp(field) > 0
    }

    /// Moves the year, which had two digits, a hundred years on.
    pub(super) fn add_century(&mut self) {
        for field in [Field::Year, Field::WeekYear] {
            let slot = &mut self.values[field as usize];
            *slot = slot.wrapping_add(100);
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn resolve(&self) -> Option<i64> {
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
        if !(1..=7).contains(&day) {
            // A number of `u` out of range still counts from Monday.
            week += (day - 1).div_euclid(7);
            let from_monday = (day - 1).rem_euclid(7) + 1;
            day = from_monday % 7 + 1;
        }
        let year = match (self.found(Field::Era), self.get(Field::Era)) {
            (true, 0) => 1 - self.get(Field::WeekYear),
            _ => self.get(Field::WeekYear),
        };
        // Java goes through milliseconds, which years beyond 292 million wrap.
        let first = (first_week(year) - EPOCH).wrapping_mul(MS_PER_DAY).div_euclid(MS_PER_DAY) + EPOCH;
        first + day - 1 + 7 * (week - 1)
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
        let day_of_week = |given: bool| if given { self.int(Field::DayOfWeek) } else { 1 };
        // The Sunday of the week that has the first day.
        let week_start = on_or_before(first, 1);
        match day {
            Day::OfMonth if self.found(Field::DayOfMonth) => first + self.get(Field::DayOfMonth) - 1,
            Day::OfMonth => first,
            Day::OfYear => first + self.get(Field::DayOfYear) - 1,
            Day::WeekOfMonth { day } => {
                // Java counts these days in 32 bits, and those of weeks of a year in 64.
                let days = self.int(Field::WeekOfMonth).wrapping_sub(1).wrapping_mul(7);
                on_or_before(week_start + 6, day_of_week(day)) + i64::from(days)
            }
            Day::WeekOfYear { day } => {
                on_or_before(week_start + 6, day_of_week(day)) + 7 * (self.get(Field::WeekOfYear) - 1)
            }
            Day::OfWeekInMonth { week, day } => {
                let week = if week { self.int(Field::DayOfWeekInMonth) } else { 1 };
                let last = match week {
                    0.. => i64::from(week.wrapping_mul(7)),
                    _ => self.month_length(year, month) + i64::from(week.wrapping_add(1).wrapping_mul(7)),
                };
                on_or_before(first + last - 1, day_of_week(day))
            }
        }
    }

    fn month_length(&self, year: i64, month: i64) -> i64 {
        let system = if year >= CUTOVER_YEAR { System::Gregorian } else { System::Julian };
        system.month_length(year, month)
    }
}
