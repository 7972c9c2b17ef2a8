//! The topics that a source writes to: creating missing ones as the connector's `topic.creation.*` keys say, and knowing
//! which were written to.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use raccord_config::JavaRegex;
use raccord_plugin::{Error, RawConfig, Result};
use tracing::info;

use crate::ports::{Admin, NewTopic};

const PREFIX: &str = "topic.creation.";
/// Takes the topics that no other group takes.
const DEFAULT_GROUP: &str = "default";

/// Topics that the task has seen.
pub(super) struct Topics {
    creation: Option<Creation>,
    ready: HashSet<Arc<str>>,
    /// The topic of the last record.
    recent: Option<Arc<str>>,
}

struct Creation {
    admin: Arc<dyn Admin>,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    include: JavaRegex,
    exclude: JavaRegex,
    partitions: i32,
    replication_factor: i16,
    settings: RawConfig,
}

/// Whether the connector has keys for creating topics; without them no topic is created.
pub(super) fn configured(config: &RawConfig) -> bool {
    config.iter().any(|(key, _)| key.starts_with(PREFIX))
}

impl Topics {
    /// Without an admin client no topic is created.
    ///
    /// # Errors
    /// `Error::config` naming the key that cannot be used.
    pub(super) fn new(groups: &[String], config: &RawConfig, admin: Option<Arc<dyn Admin>>) -> Result<Self> {
        let creation = match admin {
            Some(admin) => {
                let names = groups.iter().map(String::as_str).filter(|name| *name != DEFAULT_GROUP);
                let groups = names
                    .chain([DEFAULT_GROUP])
                    .map(|name| Group::new(name, config))
                    .collect::<Result<Vec<_>>>()?;
                Some(Creation { admin, groups })
            }
            None => None,
        };
        Ok(Self { creation, ready: HashSet::new(), recent: None })
    }

    /// Whether records may be sent to the topic without [`prepare`](Self::prepare).
    #[inline]
    pub(super) fn is_ready(&mut self, topic: &Arc<str>) -> bool {
        if self.recent.as_ref().is_some_and(|recent| Arc::ptr_eq(recent, topic) || recent == topic) {
            return true;
        }
        let ready = self.ready.contains(topic);
        if ready {
            self.recent = Some(topic.clone());
        }
        ready
    }

    /// Has every topic prepared anew before its next record.
    pub(super) fn forget(&mut self) {
        self.ready.clear();
        self.recent = None;
    }

    /// Creates the topic if it is missing and that is wanted.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be asked; fatal when it refuses.
    pub(super) async fn prepare(&mut self, topic: &Arc<str>) -> Result<()> {
        if let Some(creation) = &self.creation {
            creation.create_missing(topic).await?;
        }
        self.ready.insert(topic.clone());
        self.recent = Some(topic.clone());
        Ok(())
    }
}

impl Creation {
    async fn create_missing(&self, topic: &str) -> Result<()> {
        if !self.admin.describe_topics(&[topic]).await?.is_empty() {
            return Ok(());
        }
        let group = self.groups.iter().find(|group| group.takes(topic));
        let group = group.or(self.groups.last()).expect("there is always the default group");
        let new = NewTopic {
            name: topic.to_owned(),
            partitions: group.partitions,
            replication_factor: group.replication_factor,
            settings: group.settings.clone(),
        };
        match self.admin.create_topics(&[new]).await {
            Ok(_) => {
                info!(topic, group = group.name, "created topic");
                Ok(())
            }
            Err(error) if error.kind() == raccord_plugin::ErrorKind::Retriable => Err(error),
            Err(error) => Err(Error::fatal(format!(
                "Task failed to create new topic {topic}. Ensure that the task is authorized to create topics or that the \
                 topic exists and restart the task"
            ))
            .caused_by(error)),
        }
    }
}

impl Group {
    fn new(name: &str, config: &RawConfig) -> Result<Self> {
        let prefix = format!("{PREFIX}{name}.");
        let mut own = config.with_prefix(&prefix);
        let mut take = |key: &str| own.remove(key).flatten();
        let (mut include, mut exclude) =
            (take("include").unwrap_or_default(), take("exclude").unwrap_or_default());
        if name == DEFAULT_GROUP {
            // It takes all that is left, whatever its config says.
            (include, exclude) = (".*".to_owned(), String::new());
        }
        let default_number =
            (name != DEFAULT_GROUP).then(|| config.with_prefix(&format!("{PREFIX}{DEFAULT_GROUP}.")));
        let mut number = |key: &str| -> Result<i32> {
            let inherited =
                || default_number.as_ref().and_then(|default| default.get(key).map(str::to_owned));
            let text = take(key).or_else(inherited);
            let Some(text) = text else {
                return Err(Error::config(format!(
                    "Missing required configuration \"{prefix}{key}\" which has no default value."
                )));
            };
            text.trim().parse().map_err(|_| {
                Error::config(format!(
                    "Invalid value {text} for configuration {prefix}{key}: Not a number of type INT"
                ))
            })
        };
        let (partitions, replication_factor) = (number("partitions")?, number("replication.factor")?);
        Ok(Self {
            name: name.to_owned(),
            include: any_of(&include, &format!("{prefix}include"))?,
            exclude: any_of(&exclude, &format!("{prefix}exclude"))?,
            partitions,
            replication_factor: replication_factor.try_into().unwrap_or(i16::MAX),
            settings: own,
        })
    }

    fn takes(&self, topic: &str) -> bool {
        // A match that would take for ever is no match.
        let matches = |regex: &JavaRegex| regex.full_match(topic).unwrap_or(false);
        !matches(&self.exclude) && matches(&self.include)
    }
}

/// One regex that matches whole names which one of the regexes matches.
fn any_of(list: &str, key: &str) -> Result<JavaRegex> {
    let alternatives: BTreeSet<&str> =
        list.split(',').map(str::trim).filter(|regex| !regex.is_empty()).collect();
    let joined = alternatives.into_iter().collect::<Vec<_>>().join("|");
    JavaRegex::new(&joined)
        .map_err(|error| Error::config(format!("Invalid value {list} for configuration {key}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Group {
        let config = RawConfig::from([
            ("topic.creation.default.partitions", "3"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.default.cleanup.policy", "compact"),
            ("topic.creation.logs.include", "log-.*, audit"),
            ("topic.creation.logs.exclude", "log-secret"),
            ("topic.creation.logs.partitions", "7"),
        ]);
        Group::new(name, &config).unwrap()
    }

    #[test]
    fn groups_take_topics_by_whole_names() {
        let check = |topic, expect| assert_eq!(group("logs").takes(topic), expect, "{topic}");
        check("log-a", true);
        check("audit", true);
        check("auditor", false);
        check("log-secret", false);
        assert!(group("default").takes("anything"));
    }

    #[test]
    fn groups_inherit_numbers_of_the_default_group_and_keep_their_own_settings() {
        let logs = group("logs");
        assert_eq!((logs.partitions, logs.replication_factor, logs.settings.len()), (7, -1, 0));
        let default = group("default");
        assert_eq!((default.partitions, default.settings.get("cleanup.policy")), (3, Some("compact")));
        assert!(Group::new("x", &RawConfig::new()).is_err());
    }
}
