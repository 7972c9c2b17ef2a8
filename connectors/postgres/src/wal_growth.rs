//! How fast the server's log grows, and so how long it takes until `max_slot_wal_keep_size` is reached and the server gives
//! the slot up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over which time the speed is taken. The server moves `restart_lsn` about each 15 seconds; this is several times that.
const WINDOW: Duration = Duration::from_secs(60);
/// Looks that follow each other faster say nothing new.
const STEP: Duration = Duration::from_secs(1);
/// What is less than this is worth a warning.
const WARN_BELOW_SECONDS: f64 = 600.0;

/// A look at the log.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    /// Where the log ends, in bytes.
    end: u64,
    /// Bytes that may still be written before the slot is lost, if there is a limit.
    safe: Option<u64>,
}

/// The looks of the last minute.
#[derive(Debug, Default)]
pub struct WalGrowth {
    looks: VecDeque<Look>,
    warned: bool,
}

impl WalGrowth {
    /// Takes note of a look.
    pub fn look(&mut self, at: Instant, end: u64, safe: Option<u64>) {
        // A log that ends earlier, or a limit that comes or goes, begins anew.
        if self.looks.back().is_some_and(|last| last.end > end || last.safe.is_some() != safe.is_some()) {
            self.looks.clear();
        }
        let look = Look { at, end, safe };
        let len = self.looks.len();
        if len >= 2 && at.duration_since(self.looks[len - 2].at) < STEP {
            self.looks[len - 1] = look;
        } else {
            self.looks.push_back(look);
        }
        // One look may be older, so that the window is full.
        while self.looks.get(1).is_some_and(|second| at.duration_since(second.at) >= WINDOW) {
            self.looks.pop_front();
        }
    }

    /// Seconds until the server gives the slot up if the slot does not move and the log grows on as it does. None without
    /// a limit, or when the log does not grow.
    pub fn seconds_to_full(&self) -> Option<u64> {
        let safe = self.looks.back()?.safe?;
        let per_second = self.per_second(|look| Some(look.end as f64))?;
        (per_second > 0.0).then(|| (safe as f64 / per_second) as u64)
    }

    /// Seconds until the server gives the slot up at the speed at which the room shrinks, if that is worth a warning and
    /// there was none for it yet. A slot that moves on about as fast as the log grows is in no danger.
    pub fn warning(&mut self) -> Option<u64> {
        let seconds = self.seconds_at_present_speed().filter(|seconds| *seconds < WARN_BELOW_SECONDS);
        let crossed = seconds.is_some() && !self.warned;
        self.warned = seconds.is_some();
        seconds.filter(|_| crossed).map(|seconds| seconds as u64)
    }

    fn seconds_at_present_speed(&self) -> Option<f64> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let safe = last.safe?;
        // In less time than that, one jump of the slot more or less is all that is seen.
        (last.at.duration_since(first.at) >= WINDOW * 3 / 4).then_some(())?;
        let growing = self.per_second(|look| Some(look.end as f64))?;
        let shrinking = -self.per_second(|look| look.safe.map(|safe| safe as f64))?;
        (shrinking > 0.0 && shrinking >= growing / 3.0).then(|| safe as f64 / shrinking)
    }

    /// How fast a number changes over the window.
    fn per_second(&self, number: impl Fn(&Look) -> Option<f64>) -> Option<f64> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        (seconds > 0.0).then_some(())?;
        Some((number(last)? - number(first)?) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// Looks each ten seconds at ends of the log and safe sizes in MiB.
    fn after(looks: &[(u64, Option<u64>)]) -> WalGrowth {
        let (mut growth, began) = (WalGrowth::default(), Instant::now());
        for (step, (end, safe)) in looks.iter().enumerate() {
            growth.look(
                began + Duration::from_secs(10 * step as u64),
                end * MIB,
                safe.map(|safe| safe * MIB),
            );
        }
        growth
    }

    #[test]
    fn time_to_full_is_what_is_left_at_the_speed_of_the_log() {
        let check = |looks: &[(u64, Option<u64>)], expect| {
            assert_eq!(after(looks).seconds_to_full(), expect, "{looks:?}");
        };
        check(&[], None);
        check(&[(10, Some(100))], None);
        check(&[(10, Some(100)), (20, Some(90))], Some(90));
        check(&[(10, Some(100)), (20, Some(90)), (20, Some(90))], Some(180));
        // It is lost at the next byte.
        check(&[(10, Some(10)), (20, Some(0))], Some(0));
        // Nothing is written.
        check(&[(10, Some(100)), (10, Some(100))], None);
        // Without a limit there is no end.
        check(&[(10, None), (20, None)], None);
        check(&[(10, Some(100)), (20, None)], None);
        // Another server's log.
        check(&[(500, Some(100)), (10, Some(90))], None);
    }

    #[test]
    fn the_speed_is_that_of_the_last_minute() {
        let mut looks = vec![(0, Some(1000)), (900, Some(1000))];
        looks.extend((1..=6).map(|step| (900 + 10 * step, Some(1000))));
        assert_eq!(after(&looks).seconds_to_full(), Some(1000));
    }

    #[test]
    fn hasty_looks_are_not_kept() {
        let (mut growth, began) = (WalGrowth::default(), Instant::now());
        for step in 0..10_000 {
            growth.look(began + Duration::from_millis(step), step * MIB, Some(MIB));
        }
        assert!(growth.looks.len() < 20, "{}", growth.looks.len());
        assert_eq!(growth.looks.back().unwrap().end, 9_999 * MIB);
    }

    #[test]
    fn a_slot_that_falls_behind_is_warned_of_once_for_each_time() {
        let mut growth = WalGrowth::default();
        let began = Instant::now();
        let mut step = 0;
        let mut warnings = |count: u64, end: &dyn Fn(u64) -> u64, safe: &dyn Fn(u64) -> u64| -> Vec<u64> {
            let steps = step..step + count;
            step += count;
            let look = |step| {
                growth.look(began + Duration::from_secs(10 * step), end(step) * MIB, Some(safe(step) * MIB));
                growth.warning()
            };
            steps.filter_map(look).collect()
        };
        // The log grows by 10 MiB in a second, and the slot follows it with jumps.
        let grows = |step| 100 * step;
        assert_eq!(warnings(20, &grows, &|step| 1000 - 100 * (step % 2)), [0u64; 0]);
        // It does not follow any more.
        let left = |step: u64| 1000 - 40 * (step - 20);
        assert_eq!(warnings(20, &grows, &left).len(), 1);
        assert_eq!(warnings(20, &grows, &|_| 1000), [0u64; 0]);
        assert_eq!(warnings(10, &grows, &|step| 1000 - 50 * (step - 60)).len(), 1);
    }
}
