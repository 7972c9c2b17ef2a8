//! Long polls: a Fetch that found too little waits here for the next append to any of its partitions.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// One waiting request, entered at each of its partitions.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    notify: Notify,
}

impl Waiter {
    /// Waits until a partition has changed. A change since the last call counts.
    pub(crate) async fn changed(&self) {
        self.notify.notified().await;
    }
}

/// The requests that wait for one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    list: Mutex<Vec<Weak<Waiter>>>,
}

impl Waiters {
    /// Enters `waiter` until it is woken once or dropped. Look at the log after this, not before: then no append is
    /// missed.
    pub(crate) fn enter(&self, waiter: &Arc<Waiter>) {
        let mut list = self.list.lock();
        // Requests that timed out leave dead entries; those go before the list has to grow.
        if list.len() == list.capacity() {
            list.retain(|w| w.strong_count() > 0);
        }
        let weak = Arc::downgrade(waiter);
        if !list.iter().any(|w| w.ptr_eq(&weak)) {
            list.push(weak);
        }
    }

    /// Wakes and forgets all.
    pub(crate) fn wake(&self) {
        let mut list = self.list.lock();
        for waiter in list.drain(..) {
            if let Some(waiter) = waiter.upgrade() {
                waiter.notify.notify_one();
            }
        }
    }
}
