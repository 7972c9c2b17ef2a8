//! A producer that writes its batches itself.
//!
//! librdkafka takes records one by one and keeps each, its headers and its report in allocations of their own; with headers
//! that is a third of what a row costs altogether. Here a record is written once, behind the others of its batch, in the
//! form in which it is stored. Everything else of librdkafka stays in use: this producer does what Connect asks of one unless
//! the user says otherwise ([`settings`]), and librdkafka's does the rest.
//!
//! # Why nothing is lost or reordered
//! - A record is in exactly one place: in a batch of its partition's queue, among those that wait for their topic, in a
//!   request ([`request::Sent`], which the call gives back however it ends), or among the finished. Only an answer of the
//!   leader for its batch finishes it as written. When the producer is dropped the others are never reported, so their
//!   offsets are not stored.
//! - Batches of a partition are taken from the front of its queue, and none while one is on its way (`in_flight`), whoever
//!   leads the partition meanwhile. A batch that has to be sent again goes back to the front, and the next is not taken
//!   before it. Half batches of one that is too large go back in their order.
//! - A batch whose answer does not arrive may have been written: it is sent again, at least once, as Connect's producer does
//!   without idempotence.
//! - Records that wait for their topic go before those that come later: a topic that has waiting ones takes no others past
//!   them.
//! - What is outstanding is bounded: at the bound a send says so, and nothing is dropped.

mod accumulator;
mod batch;
mod connection;
mod hands;
mod metadata;
mod murmur;
mod request;
mod sender;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use raccord_plugin::Error;
use raccord_runtime::ports::{Acks, Outgoing, Producer, SendError};
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::JoinHandle;

use self::accumulator::Accumulator;
use self::hands::Hands;
use self::sender::Sender;
use self::settings::Settings;
use crate::classify;
use crate::producer::SENDING;

/// The clock is read once for so many records: they are sent within less than a millisecond.
const RECORDS_PER_TICK: u32 = 32;

/// See the module.
pub(crate) struct BatchProducer {
    hands: Arc<Hands>,
    /// Here between the first record and the next time something is waited for.
    accumulator: Option<Box<Accumulator>>,
    outstanding: usize,
    /// What all outstanding records count against the bound.
    cost: usize,
    buffer_bytes: usize,
    request_bytes: usize,
    now_ms: i64,
    /// Records until the clock is read again.
    tick: u32,
    sender: JoinHandle<()>,
    last_ticket: u64,
}

impl BatchProducer {
    /// A producer with the settings that Java properties were translated to; `None` when they ask for what it does not do.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Option<Self> {
        let settings = Settings::of(settings)?;
        let (buffer_bytes, request_bytes) = (settings.buffer_bytes, settings.request_bytes);
        let hands = Arc::new(Hands::new(Accumulator::new(settings.batch_bytes)));
        let sender = tokio::spawn(Sender::new(hands.clone(), settings).run());
        Some(Self {
            hands,
            accumulator: None,
            outstanding: 0,
            cost: 0,
            buffer_bytes,
            request_bytes,
            now_ms: 0,
            tick: 0,
            sender,
            last_ticket: 0,
        })
    }

    /// Refuses a record that is larger than it may be.
    #[cold]
    fn check_size(&self, record: &Outgoing<'_>) -> Result<(), SendError> {
        let (size, limit) = (batch::size_limit(record), self.request_bytes.min(self.buffer_bytes));
        if size <= limit {
            return Ok(());
        }
        let key = if limit == self.request_bytes { "max.request.size" } else { "buffer.memory" };
        let text = format!(
            "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the {key} \
             configuration."
        );
        Err(SendError::Rejected(classify::error(SENDING, RDKafkaErrorCode::MessageSizeTooLarge, &text)))
    }

    /// There is no room: then nothing that is there waits for more.
    #[cold]
    fn full(&mut self) -> SendError {
        let mut accumulator = self.accumulator.take().unwrap_or_else(|| self.hands.take());
        accumulator.exhausted = true;
        self.hands.give_back(accumulator);
        SendError::Full
    }
}

#[async_trait]
impl Producer for BatchProducer {
    #[inline]
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), SendError> {
        let cost = batch::cost(record);
        if cost + batch::OVERHEAD > self.request_bytes {
            self.check_size(record)?;
        }
        if self.cost + cost > self.buffer_bytes && self.outstanding > 0 {
            return Err(self.full());
        }
        if self.tick == 0 {
            self.tick = RECORDS_PER_TICK;
            self.now_ms = now_ms();
        }
        self.tick -= 1;
        let accumulator = self.accumulator.get_or_insert_with(|| self.hands.take());
        accumulator.add(record, self.now_ms, cost);
        self.cost += cost;
        self.outstanding += 1;
        self.last_ticket = record.ticket;
        if self.hands.is_wanted() {
            self.hand_over();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        self.tick = 0;
        if let Some(accumulator) = self.accumulator.take() {
            self.hands.give_back(accumulator);
        }
    }

    fn drain_acks(&mut self, acks: &mut Acks) {
        self.hand_over();
        for finished in self.hands.take_finished() {
            self.outstanding -= finished.tickets.len();
            self.cost -= finished.cost;
            match finished.failure {
                None => acks.delivered.extend_from_slice(&finished.tickets),
                Some(failure) => {
                    let error = || classify::error(SENDING, failure.code, &failure.text);
                    acks.failed.extend(finished.tickets.iter().map(|ticket| (*ticket, error())));
                }
            }
        }
        if self.outstanding > 0 && self.sender.is_finished() {
            let ended = Error::fatal("The producer's sender has ended unexpectedly, its panic is in the log");
            acks.failed.push((self.last_ticket, ended));
        }
    }

    async fn progress(&mut self) {
        self.hand_over();
        match (self.sender.is_finished(), self.outstanding) {
            // A handle that has ended may not be waited for again.
            (true, 0) => std::future::pending().await,
            (true, _) => {}
            (false, _) => tokio::select! {
                () = self.hands.wait_for_news() => {}
                _ = &mut self.sender => {}
            },
        }
    }

    fn outstanding(&self) -> usize {
        self.outstanding
    }
}

impl Drop for BatchProducer {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
