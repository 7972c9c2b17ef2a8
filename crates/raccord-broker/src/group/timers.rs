//! One queue of deadlines for many state machines, and the clock they run by.

use super::state::Name;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Milliseconds since 1970 that never jump: the wall clock at start, carried on by the monotonic clock. A wall clock
/// set forward would otherwise end every session at once.
#[derive(Debug)]
pub struct Clock {
    start_ms: i64,
    started: Instant,
}

impl Clock {
    /// Reads the wall clock for the only time.
    pub fn new() -> Self {
        Clock { start_ms: crate::clock::now_ms(), started: Instant::now() }
    }

    /// Now.
    pub fn now_ms(&self) -> i64 {
        self.start_ms + self.started.elapsed().as_millis() as i64
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

/// Deadlines by name. Each machine has at most one entry; it remembers which, to replace it.
#[derive(Default)]
pub struct Timers {
    queue: Mutex<BTreeSet<(i64, Name)>>,
    changed: Notify,
}

impl Timers {
    /// Moves the entry of `name` from `registered` to an earlier deadline. A later one is left to be found when the
    /// present entry fires: heartbeats would otherwise rewrite the queue all the time.
    pub fn schedule(&self, name: &Name, registered: &mut Option<i64>, wanted: Option<i64>) {
        let Some(wanted) = wanted else { return };
        if registered.is_some_and(|present| present <= wanted) {
            return;
        }
        let mut queue = self.queue.lock();
        if let Some(present) = registered.replace(wanted) {
            queue.remove(&(present, name.clone()));
        }
        queue.insert((wanted, name.clone()));
        let is_first = queue.first().is_some_and(|(at, first)| *at == wanted && first == name);
        drop(queue);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Waits until something is due and takes it out of the queue. Cancel-safe.
    pub async fn due(&self, clock: &Clock) -> Vec<(i64, Name)> {
        loop {
            let now_ms = clock.now_ms();
            let next_ms = {
                let mut queue = self.queue.lock();
                let due: Vec<_> = queue.iter().take_while(|(at, _)| *at <= now_ms).cloned().collect();
                if !due.is_empty() {
                    due.iter().for_each(|entry| {
                        queue.remove(entry);
                    });
                    return due;
                }
                queue.first().map(|(at, _)| *at)
            };
            match next_ms {
                None => self.changed.notified().await,
                Some(at_ms) => {
                    let wait = Duration::from_millis((at_ms - now_ms).max(1) as u64);
                    let _ = tokio::time::timeout(wait, self.changed.notified()).await;
                }
            }
        }
    }
}
