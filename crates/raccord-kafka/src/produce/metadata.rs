//! Who leads which partition, and where brokers are.

use std::collections::HashMap;
use std::io::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use rand::seq::SliceRandom;
use tokio::time::{Instant, timeout};

use super::accumulator::Accumulator;
use super::connection::Connection;
use super::request::failure;
use super::sender::{Event, Next};
use super::settings::{Backoff, Settings};
use crate::client::connection_failed;

/// Waits before brokers are asked again about topics that have no leader yet: new ones mostly, so the first is short.
const TOPIC_BACKOFF: Backoff = Backoff { first: Duration::from_millis(10), longest: Duration::from_secs(1) };

/// What is known of the cluster.
pub(super) struct Metadata {
    /// Where brokers are, by id.
    addresses: HashMap<i32, String>,
    /// Where to ask when no broker is known, or none answers.
    bootstrap: Vec<String>,
    connection: Option<Connection>,
    /// Whether a request is on its way.
    busy: bool,
    /// When all topics are to be asked about, to notice new partitions and leaders.
    refresh_at: Instant,
    failures: u32,
    muted_until: Instant,
}

/// A request that has ended.
pub(super) struct Described {
    connection: Option<Connection>,
    asked: Vec<Arc<str>>,
    outcome: Result<MetadataResponse>,
}

impl Metadata {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        Self {
            addresses: HashMap::new(),
            bootstrap: settings.servers.clone(),
            connection: None,
            busy: false,
            refresh_at: now + settings.metadata_age,
            failures: 0,
            muted_until: now,
        }
    }

    /// Where a broker is, as `host:port`; `None` when that is not known.
    pub(super) fn address(&self, broker: i32) -> Option<&str> {
        self.addresses.get(&broker).map(String::as_str)
    }

    /// A request, if there is something to ask now.
    pub(super) fn ask(
        &mut self,
        accumulator: &mut Accumulator,
        settings: &Arc<Settings>,
        now: Instant,
        next: &mut Next,
    ) -> Option<BoxFuture<'static, Event>> {
        let mut asked = Vec::new();
        for index in 0..accumulator.topics.len() {
            accumulator.expire_waiting(index, now, settings.topic_patience);
            let topic = &accumulator.topics[index];
            if let Some(since) = topic.waits_since() {
                next.at(since + settings.topic_patience);
            }
            match topic.wanted {
                Some(wanted) if wanted.at <= now => asked.push(topic.name.clone()),
                Some(wanted) if !self.busy => next.at(wanted.at),
                _ => {}
            }
        }
        if self.busy {
            return None;
        }
        // Only a topic that something waits for may be created by being asked about.
        let create = !asked.is_empty();
        if asked.is_empty() && self.refresh_at <= now {
            asked.extend(accumulator.topics.iter().map(|topic| topic.name.clone()));
            self.refresh_at = now + settings.metadata_age;
        }
        next.at(self.refresh_at);
        if asked.is_empty() {
            return None;
        }
        if self.muted_until > now {
            next.at(self.muted_until);
            return None;
        }
        self.busy = true;
        let (connection, settings) = (self.connection.take(), settings.clone());
        let mut addresses: Vec<String> = self.addresses.values().cloned().collect();
        addresses.shuffle(&mut rand::rng());
        addresses.extend(self.bootstrap.iter().cloned());
        addresses.dedup();
        Some(Box::pin(async move {
            let outcome = describe(connection, &addresses, &asked, create, &settings).await;
            let (connection, outcome) = match outcome {
                Ok((connection, response)) => (Some(connection), Ok(response)),
                Err(error) => (None, Err(error)),
            };
            Event::Described(Described { connection, asked, outcome })
        }))
    }

    /// Takes note of an answer.
    pub(super) fn take(&mut self, described: Described, accumulator: &mut Accumulator, now: Instant) {
        self.busy = false;
        self.connection = described.connection;
        let response = match described.outcome {
            Ok(response) => response,
            Err(error) => {
                self.failures += 1;
                self.muted_until = now + TOPIC_BACKOFF.after(self.failures + 3);
                return connection_failed(&error.to_string());
            }
        };
        self.failures = 0;
        if !response.brokers.is_empty() {
            let address = |host: &StrBytes, port| match host.contains(':') {
                true => format!("[{}]:{port}", host.as_str()),
                false => format!("{}:{port}", host.as_str()),
            };
            let brokers = response.brokers.iter();
            self.addresses = brokers.map(|it| (it.node_id.0, address(&it.host, it.port))).collect();
        }
        let mut answered = HashMap::new();
        for topic in &response.topics {
            if let Some(name) = &topic.name {
                answered.insert(name.0.as_str(), topic);
            }
        }
        for name in described.asked {
            let Some(index) = accumulator.index(&name) else { continue };
            let known = answered.get(&*name).is_some_and(|topic| learn(index, topic, accumulator));
            let wanted = &mut accumulator.topics[index].wanted;
            match wanted {
                _ if known => *wanted = None,
                Some(wanted) => {
                    wanted.failures += 1;
                    wanted.at = now + TOPIC_BACKOFF.after(wanted.failures);
                }
                None => {}
            }
        }
    }
}

/// Takes note of what is said about a topic. Says whether nothing has to be asked again.
fn learn(index: usize, topic: &MetadataResponseTopic, accumulator: &mut Accumulator) -> bool {
    match ResponseError::try_from_code(topic.error_code) {
        None => {
            let mut leaders = vec![None; topic.partitions.len()];
            for partition in &topic.partitions {
                let slot = usize::try_from(partition.partition_index).ok().and_then(|at| leaders.get_mut(at));
                if let Some(slot) = slot {
                    *slot = Some(partition.leader_id.0).filter(|leader| *leader >= 0);
                }
            }
            accumulator.learn(index, &leaders)
        }
        Some(error) if error.is_retriable() => {
            accumulator.forget(index);
            false
        }
        Some(_) => {
            accumulator.give_up(index, &failure(topic.error_code, None));
            true
        }
    }
}

/// Asks the broker of the connection, or else the first that answers.
async fn describe(
    connection: Option<Connection>,
    addresses: &[String],
    topics: &[Arc<str>],
    create: bool,
    settings: &Settings,
) -> Result<(Connection, MetadataResponse)> {
    let named = topics.iter().map(|name| {
        let name = TopicName(StrBytes::from_string(name.to_string()));
        MetadataRequestTopic::default().with_name(Some(name))
    });
    let request =
        MetadataRequest::default().with_topics(Some(named.collect())).with_allow_auto_topic_creation(create);
    let ask = async |mut connection: Connection| match timeout(
        settings.request_timeout,
        connection.describe(&request),
    )
    .await
    {
        Ok(answer) => Ok((connection, answer?)),
        Err(_) => Err(Error::other("no answer to a Metadata request in time")),
    };
    if let Some(connection) = connection
        && let Ok(answered) = ask(connection).await
    {
        return Ok(answered);
    }
    let mut last = Error::other("no broker is known");
    for address in addresses {
        let opened = Connection::open(address, &settings.client_id, settings.connect_timeout).await;
        match opened {
            Ok(connection) => match ask(connection).await {
                Ok(answered) => return Ok(answered),
                Err(error) => last = Error::new(error.kind(), format!("{address}: {error}")),
            },
            Err(error) => last = error,
        }
    }
    Err(last)
}
