//! Sends a record at once that comes after a silence.
//!
//! librdkafka holds records back for `linger.ms`, five milliseconds, so that others can go with them. In a quiet stream no
//! others come, and each commit of the database would be five milliseconds later in Kafka than it could be. Nothing in
//! librdkafka sends a single record earlier but `rd_kafka_flush`, which waits, so a thread does that.
//!
//! Only the first records after a silence are hurried: in a busy stream batches form as always. Nothing changes in what is
//! sent, in its order or in what is acknowledged.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;

/// So long nothing is handed over in a silence. At least librdkafka's `linger.ms`, or batches would not form.
const SILENCE: Duration = Duration::from_millis(5);
/// The longest that one call waits for acknowledgements. Records that come meanwhile are not held back either.
const WAIT_MS: c_int = 3;

/// The thread, and when records came last. Must be dropped before the client.
pub(crate) struct Hurry {
    last: Instant,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    order: Mutex<Order>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Rest,
    Send,
    End,
}

struct Client(NonNull<rd::rd_kafka_t>);

// SAFETY: librdkafka's clients may be used by several threads at once.
unsafe impl Send for Client {}

impl Hurry {
    /// For a client that lives longer; `None` when there is no thread to be had, and records wait as usual.
    pub(crate) fn new(client: NonNull<rd::rd_kafka_t>) -> Option<Self> {
        let shared = Arc::<Shared>::default();
        let (own, client) = (Arc::clone(&shared), Client(client));
        let thread = std::thread::Builder::new().name("hurry".to_owned()).spawn(move || own.serve(&client));
        Some(Self { last: Instant::now(), shared, thread: Some(thread.ok()?) })
    }

    /// Records were handed over.
    pub(crate) fn handed_over(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.last) >= SILENCE {
            self.shared.set(Order::Send);
        }
        self.last = now;
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.shared.set(Order::End);
        // It ends within the time of one call.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn set(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
        self.changed.notify_one();
    }

    fn next(&self) -> Order {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order = self
            .changed
            .wait_while(order, |order| *order == Order::Rest)
            .unwrap_or_else(PoisonError::into_inner);
        let next = *order;
        if next == Order::Send {
            *order = Order::Rest;
        }
        next
    }

    fn serve(&self, client: &Client) {
        while self.next() == Order::Send {
            // SAFETY: the client lives until this thread has ended. Reports come as events, so this call takes none.
            unsafe { rd::rd_kafka_flush(client.0.as_ptr(), WAIT_MS) };
        }
    }
}
