//! All topics of the broker, and the one file that says which exist.
//!
//! `meta.json` is replaced as a whole at each change. Order on disk: a topic is entered there before its folders are
//! made, and leaves it before they go. A folder carries its topic's id, so that what is left of a deleted topic is
//! never taken for a new one of the same name.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{BrokerConfig, BrokerError};
use crate::log::{LogError, PartitionLog, write_atomically};
use crate::topic_config::{self, Overrides};

const META_FILE: &str = "meta.json";
const ID_FILE: &str = "topic_id";
/// Longest topic name.
const NAME_MAX: usize = 249;
/// Topics that only the broker writes to.
const INTERNAL: &[&str] = &["__consumer_offsets", "__transaction_state"];

/// Why a topic operation was refused: Kafka's code and a sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TopicError {
    /// Kafka's error code.
    pub code: ResponseError,
    /// For the user.
    pub message: String,
}

pub(crate) fn refuse<T>(code: ResponseError, message: impl Into<String>) -> Result<T, TopicError> {
    Err(TopicError { code, message: message.into() })
}

fn storage(e: impl std::fmt::Display) -> TopicError {
    TopicError {
        code: ResponseError::KafkaStorageError,
        message: format!("cannot write the data folder: {e}"),
    }
}

/// One topic.
pub struct Topic {
    /// Name.
    pub name: StrBytes,
    /// Id, which a topic of the same name created later does not share.
    pub id: Uuid,
    partitions: RwLock<Vec<Arc<PartitionLog>>>,
    overrides: RwLock<Overrides>,
}

impl Topic {
    /// The log of a partition.
    pub fn partition(&self, index: i32) -> Option<Arc<PartitionLog>> {
        self.partitions.read().get(usize::try_from(index).ok()?).cloned()
    }

    /// Number of partitions.
    pub fn partition_count(&self) -> i32 {
        self.partitions.read().len() as i32
    }

    /// All partitions, in order.
    pub fn partitions(&self) -> Vec<Arc<PartitionLog>> {
        self.partitions.read().clone()
    }

    /// Whether only the broker writes to it.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    pub(crate) fn overrides(&self) -> Overrides {
        self.overrides.read().clone()
    }
}

/// Whether a topic of this name belongs to the broker.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    version: u32,
    cluster_id: String,
    topics: Vec<TopicMeta>,
    #[serde(default)]
    broker_overrides: Overrides,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TopicMeta {
    name: String,
    id: Uuid,
    partitions: i32,
    #[serde(default)]
    overrides: Overrides,
}

#[derive(Default)]
struct Index {
    by_name: BTreeMap<StrBytes, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

/// The registry of topics.
pub struct Topics {
    dir: PathBuf,
    config: Arc<BrokerConfig>,
    cluster_id: String,
    index: RwLock<Index>,
    broker_overrides: RwLock<Overrides>,
    /// Held over every change of `meta.json`.
    changes: Mutex<()>,
}

/// A topic to be created.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    /// -1 takes the broker's default.
    pub(crate) partitions: i32,
    pub(crate) overrides: Overrides,
}

impl Topics {
    /// Opens all topics of a data folder.
    pub(crate) fn open(config: Arc<BrokerConfig>) -> Result<Topics, BrokerError> {
        let dir = config.data_dir.clone();
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| BrokerError::DataDir { path, source }
        };
        remove_leftovers(&dir).map_err(io(&dir))?;
        let path = dir.join(META_FILE);
        let meta = load_meta(&path)?;
        let mut index = Index::default();
        for entry in &meta.topics {
            let settings = Arc::new(topic_config::compile(&entry.overrides, &meta.broker_overrides, &config));
            let mut partitions = Vec::new();
            for p in 0..entry.partitions {
                let folder = dir.join(format!("{}-{p}", entry.name));
                own_folder(&folder, entry.id).map_err(io(&folder))?;
                partitions
                    .push(Arc::new(PartitionLog::open(&folder, settings.clone()).map_err(io(&folder))?));
            }
            index.insert(Topic {
                name: StrBytes::from_string(entry.name.clone()),
                id: entry.id,
                partitions: RwLock::new(partitions),
                overrides: RwLock::new(entry.overrides.clone()),
            });
        }
        let topics = Topics {
            dir,
            config,
            cluster_id: meta.cluster_id,
            index: RwLock::new(index),
            broker_overrides: RwLock::new(meta.broker_overrides),
            changes: Mutex::new(()),
        };
        if !path.exists() {
            topics.save().map_err(io(&path))?;
        }
        Ok(topics)
    }

    /// Id of this one-node cluster, kept over restarts.
    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The topic of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.index.read().by_name.get(name.as_bytes()).cloned()
    }

    /// The topic of this id.
    pub fn get_by_id(&self, id: &Uuid) -> Option<Arc<Topic>> {
        self.index.read().by_id.get(id).cloned()
    }

    /// All topics by name.
    pub fn all(&self) -> Vec<Arc<Topic>> {
        self.index.read().by_name.values().cloned().collect()
    }

    fn partition_total(&self) -> usize {
        self.index.read().by_name.values().map(|t| t.partition_count() as usize).sum()
    }

    /// Checks whether `new` could be created, and with how many partitions.
    pub(crate) fn check_new(&self, new: &NewTopic) -> Result<i32, TopicError> {
        if self.get(&new.name).is_some() {
            return refuse(
                ResponseError::TopicAlreadyExists,
                format!("Topic '{}' already exists.", new.name),
            );
        }
        check_name(&new.name)?;
        let folded = new.name.replace('.', "_");
        if let Some(other) = self.all().iter().find(|t| t.name.replace('.', "_") == folded) {
            let message = format!("Topic '{}' collides with existing topic: {}", new.name, other.name);
            return refuse(ResponseError::InvalidTopicException, message);
        }
        let partitions = if new.partitions == -1 { self.config.num_partitions } else { new.partitions };
        if partitions <= 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return refuse(ResponseError::InvalidPartitions, message);
        }
        self.check_room(partitions as usize)?;
        topic_config::check_all(&new.overrides)
            .map_err(|message| TopicError { code: ResponseError::InvalidConfig, message })?;
        Ok(partitions)
    }

    fn check_room(&self, more: usize) -> Result<(), TopicError> {
        let max = self.config.max_partitions;
        if self.partition_total().saturating_add(more) > max {
            let message =
                format!("this broker keeps at most {max} partitions: delete topics, or raise the limit");
            return refuse(ResponseError::PolicyViolation, message);
        }
        Ok(())
    }

    /// Creates a topic.
    pub(crate) fn create(&self, new: &NewTopic) -> Result<Arc<Topic>, TopicError> {
        let _changes = self.changes.lock();
        let partitions = self.check_new(new)?;
        let topic = Topic {
            name: StrBytes::from_string(new.name.clone()),
            id: Uuid::new_v4(),
            partitions: RwLock::new(Vec::new()),
            overrides: RwLock::new(new.overrides.clone()),
        };
        self.save_with(Some((&topic, partitions)), None).map_err(storage)?;
        *topic.partitions.write() = self.open_logs(&topic, 0..partitions)?;
        Ok(self.index.write().insert(topic))
    }

    /// The topic, created now if it does not exist. For the broker's own topics.
    ///
    /// # Errors
    /// When the data folder cannot be written.
    pub fn ensure_internal(
        &self,
        name: &str,
        partitions: i32,
        overrides: &[(&str, &str)],
    ) -> Result<Arc<Topic>, TopicError> {
        if let Some(topic) = self.get(name) {
            return Ok(topic);
        }
        let overrides = overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        match self.create(&NewTopic { name: name.to_string(), partitions, overrides }) {
            Err(e) if e.code == ResponseError::TopicAlreadyExists => match self.get(name) {
                Some(topic) => Ok(topic),
                None => Err(e),
            },
            other => other,
        }
    }

    fn open_logs(
        &self,
        topic: &Topic,
        range: std::ops::Range<i32>,
    ) -> Result<Vec<Arc<PartitionLog>>, TopicError> {
        let settings = Arc::new(self.compile(&topic.overrides()));
        range
            .map(|p| {
                let folder = self.dir.join(format!("{}-{p}", topic.name));
                own_folder(&folder, topic.id).map_err(storage)?;
                Ok(Arc::new(PartitionLog::open(&folder, settings.clone()).map_err(storage)?))
            })
            .collect()
    }

    fn compile(&self, overrides: &Overrides) -> crate::log::LogSettings {
        topic_config::compile(overrides, &self.broker_overrides.read(), &self.config)
    }

    /// Deletes a topic and its data.
    pub(crate) fn delete(&self, topic: &Arc<Topic>) -> Result<(), TopicError> {
        let _changes = self.changes.lock();
        if self.get_by_id(&topic.id).is_none() {
            return refuse(
                ResponseError::UnknownTopicOrPartition,
                "This server does not host this topic-partition.",
            );
        }
        self.save_with(None, Some(topic.id)).map_err(storage)?;
        {
            let mut index = self.index.write();
            index.by_name.remove(topic.name.as_bytes());
            index.by_id.remove(&topic.id);
        }
        for log in topic.partitions() {
            log.close();
            discard(log.dir()).map_err(storage)?;
        }
        Ok(())
    }

    /// Raises a topic's number of partitions.
    pub(crate) fn add_partitions(
        &self,
        topic: &Topic,
        count: i32,
        validate_only: bool,
    ) -> Result<(), TopicError> {
        let _changes = self.changes.lock();
        let now = topic.partition_count();
        if count == now {
            let message = format!("Topic already has {now} partition(s).");
            return refuse(ResponseError::InvalidPartitions, message);
        }
        if count < now {
            let message = format!(
                "The topic {} currently has {now} partition(s); {count} would not be an increase.",
                topic.name
            );
            return refuse(ResponseError::InvalidPartitions, message);
        }
        self.check_room((count - now) as usize)?;
        if validate_only {
            return Ok(());
        }
        let more = self.open_logs(topic, now..count)?;
        topic.partitions.write().extend(more);
        self.save().map_err(storage)
    }

    /// Replaces a topic's settings, which have been checked.
    pub(crate) fn set_overrides(&self, topic: &Topic, overrides: Overrides) -> Result<(), TopicError> {
        let _changes = self.changes.lock();
        let before = std::mem::replace(&mut *topic.overrides.write(), overrides);
        if let Err(e) = self.save() {
            *topic.overrides.write() = before;
            return Err(storage(e));
        }
        self.apply(topic);
        Ok(())
    }

    /// Broker-wide settings changed at run time.
    pub(crate) fn broker_overrides(&self) -> Overrides {
        self.broker_overrides.read().clone()
    }

    /// Replaces the broker-wide settings, which have been checked.
    pub(crate) fn set_broker_overrides(&self, overrides: Overrides) -> Result<(), TopicError> {
        let _changes = self.changes.lock();
        let before = std::mem::replace(&mut *self.broker_overrides.write(), overrides);
        if let Err(e) = self.save() {
            *self.broker_overrides.write() = before;
            return Err(storage(e));
        }
        for topic in self.all() {
            self.apply(&topic);
        }
        Ok(())
    }

    fn apply(&self, topic: &Topic) {
        let settings = Arc::new(self.compile(&topic.overrides()));
        for log in topic.partitions() {
            log.set_settings(settings.clone());
        }
    }

    fn save(&self) -> std::io::Result<()> {
        self.save_with(None, None)
    }

    fn save_with(&self, more: Option<(&Topic, i32)>, less: Option<Uuid>) -> std::io::Result<()> {
        let describe = |topic: &Topic, partitions: i32| TopicMeta {
            name: topic.name.to_string(),
            id: topic.id,
            partitions,
            overrides: topic.overrides(),
        };
        let mut topics: Vec<TopicMeta> = self
            .all()
            .iter()
            .filter(|t| Some(t.id) != less)
            .map(|t| describe(t, t.partition_count()))
            .collect();
        topics.extend(more.map(|(topic, partitions)| describe(topic, partitions)));
        let meta = Meta {
            version: 1,
            cluster_id: self.cluster_id.clone(),
            topics,
            broker_overrides: self.broker_overrides(),
        };
        write_atomically(&self.dir.join(META_FILE), &serde_json::to_vec_pretty(&meta)?)
    }

    /// Runs retention, compaction and due checkpoints over all logs. Blocking.
    pub(crate) fn maintain(&self, now: i64, stop: &dyn Fn() -> bool) {
        for log in self.all().iter().flat_map(|t| t.partitions()) {
            if stop() {
                return;
            }
            let done = log
                .apply_retention(now)
                .and_then(|_| log.compact_if_due(now))
                .and_then(|_| if log.checkpoint_due(now) { log.checkpoint() } else { Ok(()) });
            report(&log, done);
        }
    }

    /// Writes the checkpoints that are due. Blocking.
    pub(crate) fn checkpoint_due(&self, now: i64) {
        for log in self.all().iter().flat_map(|t| t.partitions()) {
            if log.checkpoint_due(now) {
                report(&log, log.checkpoint());
            }
        }
    }

    /// Closes all logs with a checkpoint: the next start reads no batch.
    pub(crate) fn close(&self) {
        for log in self.all().iter().flat_map(|t| t.partitions()) {
            log.close();
            if log.is_dirty() {
                report(&log, log.checkpoint());
            }
        }
    }
}

fn report(log: &PartitionLog, done: Result<(), LogError>) {
    // The folder of a topic deleted meanwhile is gone; that is no fault.
    if let Err(e) = done
        && log.dir().exists()
    {
        tracing::error!(log = %log.dir().display(), error = %e, "maintenance of a log failed");
    }
}

impl Index {
    fn insert(&mut self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        self.by_name.insert(topic.name.clone(), topic.clone());
        self.by_id.insert(topic.id, topic.clone());
        topic
    }
}

fn load_meta(path: &Path) -> Result<Meta, BrokerError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let cluster_id = new_cluster_id();
            return Ok(Meta {
                version: 1,
                cluster_id,
                topics: Vec::new(),
                broker_overrides: Overrides::new(),
            });
        }
        Err(source) => return Err(BrokerError::DataDir { path: path.to_path_buf(), source }),
    };
    let damaged = |reason: String| BrokerError::Damaged { path: path.to_path_buf(), reason };
    let meta: Meta = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    if meta.version != 1 {
        return Err(damaged(format!("its version {} is unknown to this program", meta.version)));
    }
    Ok(meta)
}

/// 22 characters of URL-safe base64 without padding, as Kafka writes its ids.
fn new_cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = Uuid::new_v4().as_u128();
    (0..22)
        .map(|_| {
            let c = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
            c as char
        })
        .collect()
}

/// Makes sure that the folder is this topic's; another topic's remains are thrown away.
fn own_folder(folder: &Path, id: Uuid) -> std::io::Result<()> {
    let file = folder.join(ID_FILE);
    let text = id.to_string();
    match fs::read_to_string(&file) {
        Ok(found) if found.trim() == text => return Ok(()),
        Ok(_) => discard(folder)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    fs::create_dir_all(folder)?;
    write_atomically(&file, text.as_bytes())
}

const DISCARDED: &str = ".deleted";

/// Takes a folder away in one step, then removes it.
fn discard(folder: &Path) -> std::io::Result<()> {
    // Not the old name with a suffix: a topic name of 249 characters leaves no room for one.
    let away = folder.with_file_name(format!("{}{DISCARDED}", Uuid::new_v4().simple()));
    fs::rename(folder, &away)?;
    fs::remove_dir_all(&away)
}

fn remove_leftovers(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(DISCARDED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Kafka's rule for topic names.
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    let why = if name.is_empty() {
        "the empty string is not allowed".to_string()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > NAME_MAX {
        format!("the length of '{name}' is longer than the max allowed length {NAME_MAX}")
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    refuse(ResponseError::InvalidTopicException, format!("Topic name is invalid: {why}"))
}
