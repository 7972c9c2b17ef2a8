//! The task that talks to brokers: asks who leads a partition, sends batches there, and decides what their answers mean.
//!
//! It is one loop. Calls to brokers are futures that it polls; everything else happens in [`Sender::step`], which does not
//! wait. Each broker has at most one request on its way, and so has each partition, also while its leader changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use kafka_protocol::messages::ProduceResponse;
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::{Instant, sleep_until, timeout};

use super::accumulator::{Accumulator, Failure, Place};
use super::connection::Connection;
use super::hands::Hands;
use super::metadata::{Described, Metadata};
use super::request::{Fate, Refused, Sent, fates, request};
use super::settings::{Linger, Settings};
use crate::client::connection_failed;

/// See the module.
pub(super) struct Sender {
    hands: Arc<Hands>,
    settings: Arc<Settings>,
    metadata: Metadata,
    links: HashMap<i32, Link>,
    calls: FuturesUnordered<BoxFuture<'static, Event>>,
    /// What happened and was not dealt with, because the accumulator was out.
    events: Vec<Event>,
}

/// What a call to a broker brought.
pub(super) enum Event {
    Produced(Produced),
    Described(Described),
}

/// A request to produce that has ended.
pub(super) struct Produced {
    broker: i32,
    /// `None` when it is of no use any more.
    connection: Option<Connection>,
    sent: Vec<Sent>,
    outcome: Result<ProduceResponse, String>,
}

/// The way to a broker.
struct Link {
    connection: Option<Connection>,
    /// Whether a request is on its way.
    busy: bool,
    sent_at: Instant,
    /// No request before that: the broker said so, or could not be reached.
    muted_until: Instant,
    failures: u32,
}

/// A request that is being put together.
struct Load {
    address: String,
    sent: Vec<Sent>,
    bytes: usize,
}

impl Sender {
    pub(super) fn new(hands: Arc<Hands>, settings: Settings) -> Self {
        Self {
            hands,
            metadata: Metadata::new(&settings),
            settings: Arc::new(settings),
            links: HashMap::new(),
            calls: FuturesUnordered::new(),
            events: Vec::new(),
        }
    }

    /// Serves until it is dropped.
    pub(super) async fn run(mut self) {
        let hands = self.hands.clone();
        loop {
            let next = hands.work(|accumulator| self.step(accumulator)).flatten();
            let timer = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(event) = self.calls.next(), if !self.calls.is_empty() => self.events.push(event),
                () = hands.wait_for_records() => {}
                () = timer => {}
            }
        }
    }

    /// Does what can be done now. Says when there may be more to do by time alone.
    fn step(&mut self, accumulator: &mut Accumulator) -> Option<Instant> {
        let now = Instant::now();
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Produced(produced) => self.take_produced(produced, accumulator, now),
                Event::Described(described) => self.metadata.take(described, accumulator, now),
            }
        }
        let mut next = Next(None);
        self.expire(accumulator, now, &mut next);
        self.send(accumulator, now, &mut next);
        if let Some(call) = self.metadata.ask(accumulator, &self.settings, now, &mut next) {
            self.calls.push(call);
        }
        next.0
    }

    fn take_produced(&mut self, produced: Produced, accumulator: &mut Accumulator, now: Instant) {
        let Produced { broker, connection, sent, outcome } = produced;
        let link = self.links.entry(broker).or_insert_with(|| Link::new(now));
        link.busy = false;
        link.connection = connection;
        let fates = match outcome {
            Ok(response) => {
                link.failures = 0;
                let throttle = u64::try_from(response.throttle_time_ms).unwrap_or(0);
                link.muted_until = now + Duration::from_millis(throttle);
                fates(&sent, &response)
            }
            Err(text) => {
                link.failures += 1;
                link.muted_until = now + self.settings.reconnect_backoff.after(link.failures);
                connection_failed(&text);
                let failure = Failure::new(RDKafkaErrorCode::NetworkException, Some(&text));
                sent.iter().map(|_| Fate::Again(failure.clone())).collect()
            }
        };
        for (sent, fate) in sent.into_iter().zip(fates) {
            self.settle(sent, fate, accumulator, now);
        }
    }

    fn settle(&self, sent: Sent, fate: Fate, accumulator: &mut Accumulator, now: Instant) {
        let Sent { place, mut batch, .. } = sent;
        accumulator.partition(place).in_flight = false;
        match fate {
            Fate::Written => accumulator.finish(batch, None),
            Fate::Again(failure) => {
                // Whatever it was, the leader may be another one now.
                accumulator.want(place.topic);
                if batch.attempts >= self.settings.retries {
                    return accumulator.finish(batch, Some(failure));
                }
                batch.attempts += 1;
                let wait = self.settings.retry_backoff.after(batch.attempts);
                accumulator.partition(place).retry_at = Some(now + wait);
                accumulator.put_back(place, std::iter::once(batch));
            }
            Fate::Smaller(failure) if batch.tickets().len() < 2 => accumulator.finish(batch, Some(failure)),
            Fate::Smaller(_) => {
                let put_back = accumulator.put_back_smaller(place, batch);
                debug_assert!(put_back.is_some(), "what was written here can be read here");
            }
            Fate::Refused(Refused { whole, records }) => accumulator.refuse(batch, &whole, &records),
        }
    }

    /// Gives up batches that were tried for too long.
    fn expire(&self, accumulator: &mut Accumulator, now: Instant, next: &mut Next) {
        let Some(patience) = self.settings.delivery_timeout else { return };
        for place in accumulator.pending.clone() {
            let first = accumulator.partition(place).batches.front();
            let Some((begun, count)) = first.map(|batch| (batch.begun, batch.tickets().len())) else {
                continue;
            };
            if now < begun + patience {
                next.at(begun + patience);
                continue;
            }
            let (topic, partition) = (&accumulator.topics[place.topic].name, place.partition);
            let ms = patience.as_millis();
            let text = format!(
                "Expiring {count} record(s) for {topic}-{partition}:{ms} ms has passed since batch creation"
            );
            let failure = Failure { code: RDKafkaErrorCode::MessageTimedOut, text };
            accumulator.give_up_batches(place, &failure, |batch| now >= batch.begun + patience);
        }
        accumulator.tidy_pending();
    }

    /// Sends to each broker that may be sent to what it is to get.
    fn send(&mut self, accumulator: &mut Accumulator, now: Instant, next: &mut Next) {
        let mut loads: HashMap<i32, Load> = HashMap::new();
        // Which brokers, then what: a request that goes takes along what would wait a little longer.
        for index in 0..accumulator.pending.len() {
            let place = accumulator.pending[index];
            let Some(leader) = self.leader(accumulator, place, now, next) else { continue };
            let Some(due) = self.due(accumulator, place, leader) else { continue };
            if due > now {
                next.at(due);
            } else if let Some(address) = self.metadata.address(leader) {
                let address = address.to_owned();
                loads.entry(leader).or_insert_with(|| Load { address, sent: Vec::new(), bytes: 0 });
            }
        }
        if loads.is_empty() {
            return;
        }
        for index in 0..accumulator.pending.len() {
            let place = accumulator.pending[index];
            let Some(leader) = self.leader(accumulator, place, now, &mut Next(None)) else { continue };
            let Some(load) = loads.get_mut(&leader) else { continue };
            let len = accumulator.partition(place).batches.front().map_or(0, |batch| batch.len());
            if load.bytes > 0 && load.bytes + len > self.settings.request_bytes {
                continue;
            }
            if let Some(batch) = accumulator.take(place) {
                let topic = accumulator.topics[place.topic].name.clone();
                load.bytes += len;
                load.sent.push(Sent { place, topic, batch });
            }
        }
        // Who had to wait this time is first the next time.
        let partitions = accumulator.pending.len().max(1);
        accumulator
            .pending
            .rotate_left(loads.values().map(|load| load.sent.len()).sum::<usize>() % partitions);
        accumulator.tidy_pending();
        accumulator.exhausted = false;
        for (broker, load) in loads {
            self.call(broker, load, now);
        }
    }

    /// Who leads a partition whose first batch may be sent as far as the partition is concerned.
    fn leader(
        &mut self,
        accumulator: &mut Accumulator,
        place: Place,
        now: Instant,
        next: &mut Next,
    ) -> Option<i32> {
        let partition = accumulator.partition(place);
        if partition.in_flight {
            return None;
        }
        if let Some(at) = partition.retry_at.filter(|at| *at > now) {
            next.at(at);
            return None;
        }
        let leader = partition.leader.filter(|leader| self.metadata.address(*leader).is_some());
        if leader.is_none() {
            accumulator.want(place.topic);
        }
        leader
    }

    /// When a partition's first batch may go to its leader; `None` when something else has to happen first.
    fn due(&mut self, accumulator: &Accumulator, place: Place, leader: i32) -> Option<Instant> {
        let link = self.links.entry(leader).or_insert_with(|| Link::new(Instant::now()));
        if link.busy {
            return None;
        }
        let waits_until = match self.settings.linger {
            _ if accumulator.exhausted || accumulator.is_full(place) => link.muted_until,
            Linger::Between(linger) => link.sent_at + linger,
            Linger::Each(linger) => {
                let topic = &accumulator.topics[place.topic];
                topic.partitions[place.partition].batches.front()?.begun + linger
            }
        };
        Some(waits_until.max(link.muted_until))
    }

    fn call(&mut self, broker: i32, load: Load, now: Instant) {
        let Load { address, mut sent, .. } = load;
        let link = self.links.entry(broker).or_insert_with(|| Link::new(now));
        link.busy = true;
        link.sent_at = now;
        let (connection, settings) = (link.connection.take(), self.settings.clone());
        self.calls.push(Box::pin(async move {
            let exchanged = exchange(connection, &address, &mut sent, &settings).await;
            let (connection, outcome) = match exchanged {
                Ok((connection, response)) => (Some(connection), Ok(response)),
                Err(error) => (None, Err(error.to_string())),
            };
            Event::Produced(Produced { broker, connection, sent, outcome })
        }));
    }
}

/// Sends batches to a broker, connecting to it if need be.
async fn exchange(
    connection: Option<Connection>,
    address: &str,
    sent: &mut [Sent],
    settings: &Settings,
) -> std::io::Result<(Connection, ProduceResponse)> {
    let mut connection = match connection.filter(Connection::is_alive) {
        Some(connection) => connection,
        None => Connection::open(address, &settings.client_id, settings.connect_timeout).await?,
    };
    let timeout_ms = i32::try_from(settings.request_timeout.as_millis()).unwrap_or(i32::MAX);
    let request = request(sent, settings.acks, timeout_ms);
    let said = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{address}: {error}"));
    match timeout(settings.request_timeout, connection.produce(&request)).await {
        Ok(answer) => Ok((connection, answer.map_err(said)?)),
        Err(_) => {
            Err(said(std::io::Error::other(format!("no answer to a Produce request within {timeout_ms} ms"))))
        }
    }
}

impl Link {
    fn new(now: Instant) -> Self {
        // As if the last request was long ago.
        let sent_at = now.checked_sub(Duration::from_mins(1)).unwrap_or(now);
        Self { connection: None, busy: false, sent_at, muted_until: now, failures: 0 }
    }
}

/// The earliest of several times.
pub(super) struct Next(Option<Instant>);

impl Next {
    pub(super) fn at(&mut self, at: Instant) {
        self.0 = Some(self.0.map_or(at, |known| known.min(at)));
    }
}
