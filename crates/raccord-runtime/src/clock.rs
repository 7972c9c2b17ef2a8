//! Time, so that tests decide what it is.

use std::time::{SystemTime, UNIX_EPOCH};

use raccord_data::calendar;

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

/// `2026-08-01T12:00:00.123Z`, as `java.time.Instant` prints milliseconds: the fraction is left out when it is zero.
pub fn instant(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = calendar::date_of(days as i64);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    let fraction = match in_day % 1000 {
        0 => String::new(),
        fraction => format!(".{fraction:03}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_instants_as_java_does() {
        let check = |ms, expect: &str| assert_eq!(instant(ms), expect);
        check(0, "1970-01-01T00:00:00Z");
        check(1_709_210_096_007, "2024-02-29T12:34:56.007Z");
        check(1_735_689_599_999, "2024-12-31T23:59:59.999Z");
    }
}
