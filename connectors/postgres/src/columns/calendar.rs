//! Days: the calendar of PostgreSQL (Gregorian throughout), and that of Java's older classes (Julian before 15 October
//! 1582), through which the JDBC driver passes what a snapshot reads and what arrays hold.

use raccord_data::calendar::{FIRST_GREGORIAN_DAY, date_of, day_of, julian_day_of};

/// The epoch day of 1 January 2000, PostgreSQL's own epoch.
pub const POSTGRES_EPOCH_DAY: i64 = 10_957;

/// What the day becomes when Java's calendar reads its year, month and day: the same from the cutover on, before it the
/// day that had these numbers in the Julian calendar.
pub fn through_java(days: i64) -> i64 {
    if days >= FIRST_GREGORIAN_DAY {
        return days;
    }
    let (year, month, day) = date_of(days);
    julian_day_of(year, month, day)
}

/// What a date becomes when Java's `java.sql.Date` hands out its fields: the era is lost, and dates that the cutover
/// left out move on. `None` where that gives no date (29 February of a year that is no leap year in its new era).
pub fn date_through_java(days: i64) -> Option<i64> {
    if days >= FIRST_GREGORIAN_DAY {
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
