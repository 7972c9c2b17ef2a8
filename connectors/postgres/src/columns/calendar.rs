//! Days: the calendar of PostgreSQL (Gregorian throughout), and that of Java's older classes (Julian before 15 October
//! 1582), through which the JDBC driver passes what a snapshot reads and what arrays hold.

/// The epoch day of 15 October 1582, the first day of the Gregorian calendar.
const CUTOVER_DAY: i64 = -141_427;
/// The epoch day of 1 January 2000, PostgreSQL's own epoch.
pub const POSTGRES_EPOCH_DAY: i64 = 10_957;

/// Days since 1 January 1970 of a date. The year 0 is 1 BC.
pub fn day_of(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the leap day at their end (Howard Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1 January 1970 of a date of the Julian calendar.
fn julian_day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) + day_of_year - 719_470
}

/// What the day becomes when Java's calendar reads its year, month and day: the same from the cutover on, before it the
/// day that had these numbers in the Julian calendar.
pub fn through_java(days: i64) -> i64 {
    if days >= CUTOVER_DAY {
        return days;
    }
    let (year, month, day) = date_of(days);
    julian_day_of(year, month, day)
}

/// What a date becomes when Java's `java.sql.Date` hands out its fields: the era is lost, and dates that the cutover
/// left out move on. `None` where that gives no date (29 February of a year that is no leap year in its new era).
pub fn date_through_java(days: i64) -> Option<i64> {
    if days >= CUTOVER_DAY {
        return Some(days);
    }
    let (year, month, day) = date_of(days);
    if (year, month) == (1582, 10) && day > 4 {
        return Some(days + 10);
    }
    if year > 0 {
        return Some(days);
    }
    let moved = day_of(1 - year, month, day);
    (date_of(moved).1 == month).then_some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days() {
        let check = |date: (i64, i64, i64), days: i64| {
            assert_eq!(day_of(date.0, date.1, date.2), days, "{date:?}");
            assert_eq!(date_of(days), date);
        };
        check((1970, 1, 1), 0);
        check((2000, 1, 1), POSTGRES_EPOCH_DAY);
        check((1582, 10, 15), CUTOVER_DAY);
        check((2024, 2, 29), 19_782);
        check((-43, 3, 15), -735_160);
        check((5_874_897, 12, 31), 2_145_042_905);
        check((0, 2, 29), day_of(0, 3, 1) - 1);
        for days in (-3_000_000..3_000_000).step_by(97) {
            let (year, month, day) = date_of(days);
            assert_eq!(day_of(year, month, day), days);
        }
    }

    /// As Debezium's snapshots show them.
    #[test]
    fn passes_days_through_javas_calendar() {
        let check = |date: (i64, i64, i64), shift: i64| {
            let days = day_of(date.0, date.1, date.2);
            assert_eq!(through_java(days) - days, shift, "{date:?}");
        };
        check((1582, 10, 15), 0);
        check((1582, 10, 10), 10);
        check((1582, 10, 4), 10);
        check((1500, 1, 1), 9);
        check((1, 1, 1), -2);
        check((-43, 3, 15), -2);
        check((-4712, 1, 1), -38);
        assert_eq!(date_through_java(day_of(-43, 3, 15)), Some(day_of(44, 3, 15)));
        assert_eq!(date_through_java(day_of(1582, 10, 10)), Some(-141_422));
        assert_eq!(date_through_java(day_of(1500, 1, 1)), Some(day_of(1500, 1, 1)));
        assert_eq!(date_through_java(day_of(0, 2, 29)), None);
    }
}
