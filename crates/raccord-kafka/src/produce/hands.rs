//! The accumulator's two owners and how they tell each other.
//!
//! The task that sends records takes the accumulator out, adds records without a lock, and gives it back when it is about to
//! wait, or when the sender wants it ([`Hands::is_wanted`]). The sender works on it where it lies, under the lock and without
//! waiting. So at most one of them has it, and neither waits for the other longer than a few records take.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::accumulator::{Accumulator, Finished};

/// What both share.
#[derive(Debug)]
pub(super) struct Hands {
    /// `None` while the sending task has it.
    accumulator: Mutex<Option<Box<Accumulator>>>,
    /// The sender found that it was out.
    wanted: AtomicBool,
    /// Wakes the sender.
    given: Notify,
    /// Whether there are fates that were not taken.
    news: AtomicBool,
    /// Wakes the sending task.
    told: Notify,
}

impl Hands {
    pub(super) fn new(accumulator: Accumulator) -> Self {
        Self {
            accumulator: Mutex::new(Some(Box::new(accumulator))),
            wanted: AtomicBool::new(false),
            given: Notify::new(),
            news: AtomicBool::new(false),
            told: Notify::new(),
        }
    }

    /// For the sending task, which does not have it.
    pub(super) fn take(&self) -> Box<Accumulator> {
        self.accumulator.lock().take().expect("nobody else takes it out")
    }

    /// Whether the sender waits for the accumulator.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// For the sending task, which has it.
    pub(super) fn give_back(&self, accumulator: Box<Accumulator>) {
        *self.accumulator.lock() = Some(accumulator);
        self.given.notify_one();
    }

    /// For the sending task, which does not have it: the fates that became known.
    pub(super) fn take_finished(&self) -> Vec<Finished> {
        if !self.news.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        self.accumulator.lock().as_mut().map(|it| std::mem::take(&mut it.finished)).unwrap_or_default()
    }

    /// For the sending task, which does not have it: waits until there are fates to take. Cancel-safe.
    pub(super) async fn wait_for_news(&self) {
        while !self.news.load(Ordering::Acquire) {
            self.told.notified().await;
        }
    }

    /// For the sender: works on the accumulator, or is woken as soon as it is back.
    pub(super) fn work<T>(&self, work: impl FnOnce(&mut Accumulator) -> T) -> Option<T> {
        let mut guard = self.accumulator.lock();
        let Some(accumulator) = guard.as_mut() else {
            self.wanted.store(true, Ordering::Relaxed);
            return None;
        };
        self.wanted.store(false, Ordering::Relaxed);
        let outcome = work(accumulator);
        let finished = !accumulator.finished.is_empty();
        drop(guard);
        if finished && !self.news.swap(true, Ordering::Release) {
            self.told.notify_one();
        }
        Some(outcome)
    }

    /// For the sender: waits until the accumulator was given back since it was looked at last. Cancel-safe.
    pub(super) async fn wait_for_records(&self) {
        self.given.notified().await;
    }
}
