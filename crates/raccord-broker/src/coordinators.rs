//! Ties the coordinators to the logs: their state lives in `__consumer_offsets` and `__transaction_state`.
//!
//! Both topics come into being with the first record, as on Kafka a cluster without groups does not show them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{BrokerConfig, BrokerError};
use crate::group::state_log::{self, Replayed, StateLog, StateLogError, StateRecord};
use crate::group::timers::Clock;
use crate::group::{GroupCoordinator, GroupLimits, GroupSettings, PartitionCatalog};
use crate::log::{ControlMarker, LogError, NewRecord, PartitionLog, ProducerTag};
use crate::producer_ids::ProducerIds;
use crate::topics::Topics;
use crate::txn::{TransactionCoordinator, TransactionPorts, TransactionSettings};

const OFFSETS_TOPIC: &str = "__consumer_offsets";
const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// `offsets.topic.segment.bytes` and its like: small, so that compaction gets at them. Every record must fit whole.
const OVERRIDES: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("compression.type", "producer"),
    ("segment.bytes", "104857600"),
    ("max.message.bytes", "33554432"),
];

/// Both coordinators, loaded and running.
pub(crate) struct Coordinators {
    pub(crate) groups: Arc<GroupCoordinator>,
    pub(crate) txns: Arc<TransactionCoordinator>,
}

impl Coordinators {
    /// Loads both from their logs and starts their timers. To be called inside the runtime.
    pub(crate) fn open(
        config: &BrokerConfig,
        topics: &Arc<Topics>,
        ids: &Arc<ProducerIds>,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<Coordinators, BrokerError> {
        let clock = Arc::new(Clock::new());
        let log = |name: &'static str, default_partitions: i32| {
            let partitions = topics.get(name).map_or(default_partitions, |t| t.partition_count());
            Arc::new(TopicStateLog { topics: topics.clone(), name, partitions })
        };
        let failed = |e: StateLogError| BrokerError::Damaged {
            path: config.data_dir.clone(),
            reason: format!("the coordinators' state cannot be read: {e}"),
        };
        let ports = Arc::new(Ports { topics: topics.clone(), ids: ids.clone() });
        let offsets_log = log(OFFSETS_TOPIC, config.offsets_topic_partitions);
        let groups =
            GroupCoordinator::load(group_settings(config), offsets_log, ports.clone(), clock.clone());
        let groups = Arc::new(groups.map_err(failed)?);
        let settings = TransactionSettings {
            timeout_max_ms: i32::try_from(config.transaction_max_timeout_ms).unwrap_or(i32::MAX),
            ..TransactionSettings::default()
        };
        let state_log = log(TRANSACTIONS_TOPIC, config.transaction_topic_partitions);
        let txns = TransactionCoordinator::load(settings, state_log, ports, groups.clone(), clock);
        let txns = Arc::new(txns.map_err(failed)?);
        tasks.spawn({
            let (groups, stop) = (groups.clone(), stop.clone());
            async move { groups.run(stop).await }
        });
        tasks.spawn({
            let (txns, stop) = (txns.clone(), stop.clone());
            async move { txns.run(stop).await }
        });
        Ok(Coordinators { groups, txns })
    }
}

fn group_settings(config: &BrokerConfig) -> GroupSettings {
    let ms = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
    GroupSettings {
        limits: GroupLimits {
            initial_rebalance_delay_ms: i64::try_from(config.group_initial_rebalance_delay_ms)
                .unwrap_or(i64::MAX),
            session_timeout_min_ms: ms(config.group_min_session_timeout_ms),
            session_timeout_max_ms: ms(config.group_max_session_timeout_ms),
            ..GroupLimits::default()
        },
        ..GroupSettings::default()
    }
}

/// An internal topic as a coordinator's log.
struct TopicStateLog {
    topics: Arc<Topics>,
    name: &'static str,
    partitions: i32,
}

impl TopicStateLog {
    fn partition(&self, index: i32) -> Result<Arc<PartitionLog>, StateLogError> {
        let topic = self.topics.ensure_internal(self.name, self.partitions, OVERRIDES);
        let topic = topic.map_err(|e| StateLogError::Unavailable(e.message))?;
        let missing = || StateLogError::Unavailable(format!("{} has no partition {index}", self.name));
        topic.partition(index).ok_or_else(missing)
    }
}

fn refused(e: LogError) -> StateLogError {
    match e {
        LogError::TooLarge { .. } => StateLogError::TooLarge,
        other => StateLogError::Unavailable(other.to_string()),
    }
}

fn tag(producer: state_log::ProducerTag) -> ProducerTag {
    ProducerTag { producer_id: producer.id, producer_epoch: producer.epoch }
}

impl StateLog for TopicStateLog {
    fn partitions(&self) -> i32 {
        self.partitions
    }

    fn append(
        &self,
        partition: i32,
        records: &[StateRecord],
        now_ms: i64,
        producer: Option<state_log::ProducerTag>,
    ) -> Result<(), StateLogError> {
        let log = self.partition(partition)?;
        let records: Vec<NewRecord> = records
            .iter()
            .map(|r| NewRecord { key: Some(r.key.clone()), value: r.value.clone(), timestamp_ms: now_ms })
            .collect();
        let done = match producer {
            None => log.append_records(&records),
            Some(producer) => log.append_records_as(&records, tag(producer)),
        };
        done.map(drop).map_err(refused)
    }

    fn append_marker(
        &self,
        partition: i32,
        producer: state_log::ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError> {
        end_transaction(&*self.partition(partition)?, producer, committed).map_err(refused)
    }

    fn replay(&self, partition: i32, each: &mut dyn FnMut(Replayed)) -> Result<(), StateLogError> {
        let Some(log) = self.topics.get(self.name).and_then(|t| t.partition(partition)) else {
            return Ok(());
        };
        let start = log.log_start_offset();
        let done = log.replay(start, &mut |record| {
            let producer = record
                .producer
                .map(|p| state_log::ProducerTag { id: p.producer_id, epoch: p.producer_epoch });
            match (record.marker, producer, record.key) {
                (Some(committed), Some(producer), _) => each(Replayed::Marker { producer, committed }),
                (None, producer, Some(key)) => each(Replayed::Record { key, value: record.value, producer }),
                _ => {}
            }
        });
        done.map(drop).map_err(refused)
    }
}

fn end_transaction(
    log: &PartitionLog,
    producer: state_log::ProducerTag,
    committed: bool,
) -> Result<(), LogError> {
    // One coordinator, ever: its epoch does not change.
    let marker = ControlMarker {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        committed,
        coordinator_epoch: 0,
    };
    log.append_control_batch(&marker).map(drop)
}

/// The rest of the broker, as the coordinators see it.
struct Ports {
    topics: Arc<Topics>,
    ids: Arc<ProducerIds>,
}

impl Ports {
    fn exists(&self, topic: &str, partition: i32) -> bool {
        self.topics.get(topic).is_some_and(|t| (0..t.partition_count()).contains(&partition))
    }
}

impl PartitionCatalog for Ports {
    fn has_partition(&self, topic: &str, partition: i32) -> bool {
        self.exists(topic, partition)
    }
}

impl TransactionPorts for Ports {
    fn has_partition(&self, topic: &str, partition: i32) -> bool {
        self.exists(topic, partition)
    }

    fn append_marker(
        &self,
        topic: &str,
        partition: i32,
        producer: state_log::ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError> {
        let Some(log) = self.topics.get(topic).and_then(|t| t.partition(partition)) else {
            return Ok(());
        };
        match end_transaction(&log, producer, committed) {
            Err(LogError::Deleted) => Ok(()),
            done => done.map_err(refused),
        }
    }

    fn allocate_producer_id(&self) -> std::io::Result<i64> {
        self.ids.allocate()
    }
}
