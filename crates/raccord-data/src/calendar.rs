//! Days and dates, in the Gregorian and the Julian calendar.
//!
//! Days are counted from 1 January 1970; the year 0 is 1 BC. Years that begin in March have the leap day at their end,
//! which makes the sums short (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").

/// The day of 15 October 1582, the first of the Gregorian calendar: the older classes of Java count by the Julian calendar
/// before it.
pub const FIRST_GREGORIAN_DAY: i64 = -141_427;

/// The day of a date of the Gregorian calendar. The month is 1 to 12; the day may lie out of range.
pub fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, day_of_year) = from_march(year, month, day);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// As [`day_of`], in the Julian calendar.
pub fn julian_day_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, day_of_year) = from_march(year, month, day);
    365 * year + year.div_euclid(4) + day_of_year - 719_470
}

/// Year, month and day in the Gregorian calendar.
pub fn date_of(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let day_of_era = shifted.rem_euclid(146_097);
    let of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    from_january(shifted.div_euclid(146_097) * 400 + of_era, day_of_year)
}

/// As [`date_of`], in the Julian calendar, whose eras have four years.
pub fn julian_date_of(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_470;
    let day_of_era = shifted.rem_euclid(1_461);
    let of_era = (day_of_era - day_of_era / 1_460) / 365;
    from_january(shifted.div_euclid(1_461) * 4 + of_era, day_of_era - 365 * of_era)
}

/// The year that begins in March, and the day in it, counted from 0.
fn from_march(year: i64, month: i64, day: i64) -> (i64, i64) {
    let year = if month <= 2 { year - 1 } else { year };
    (year, (153 * ((month + 9) % 12) + 2) / 5 + day - 1)
}

fn from_january(year: i64, day_of_year: i64) -> (i64, i64, i64) {
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days() {
        let check = |date: (i64, i64, i64), day: i64| {
            assert_eq!(day_of(date.0, date.1, date.2), day, "{date:?}");
            assert_eq!(date_of(day), date);
        };
        check((1970, 1, 1), 0);
        check((2000, 1, 1), 10_957);
        check((1582, 10, 15), FIRST_GREGORIAN_DAY);
        check((2024, 2, 29), 19_782);
        check((-43, 3, 15), -735_160);
        check((5_874_897, 12, 31), 2_145_042_905);
        check((0, 2, 29), day_of(0, 3, 1) - 1);
        assert_eq!(julian_day_of(1582, 10, 5), FIRST_GREGORIAN_DAY);
        assert_eq!(julian_date_of(FIRST_GREGORIAN_DAY - 1), (1582, 10, 4));
    }

    #[test]
    fn dates_and_days_are_inverse() {
        for day in (-3_000_000..3_000_000).step_by(97) {
            let (year, month, of_month) = date_of(day);
            assert_eq!(day_of(year, month, of_month), day);
            let (year, month, of_month) = julian_date_of(day);
            assert_eq!(julian_day_of(year, month, of_month), day);
        }
    }
}
