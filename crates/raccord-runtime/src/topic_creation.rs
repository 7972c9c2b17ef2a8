//! A source's `topic.creation.*` keys: how the topics that it writes to are created. Kafka's TopicCreationConfig and
//! TopicCreationGroup.

use raccord_config::{AnyClass, JavaRegex, Type, Value, check_regex, invalid_value};
use raccord_plugin::{Error, RawConfig, Result};

use crate::config::topic;
use crate::ports::NewTopic;

const PREFIX: &str = "topic.creation.";
/// Takes the topics that no other group takes.
const DEFAULT_GROUP: &str = "default";

/// The groups of a connector, the default one last.
#[derive(Debug)]
pub(crate) struct TopicGroups(Vec<TopicGroup>);

/// How the topics of a group are created.
#[derive(Debug)]
pub(crate) struct TopicGroup {
    pub name: String,
    include: JavaRegex,
    exclude: JavaRegex,
    partitions: i32,
    replication_factor: i16,
    settings: RawConfig,
}

impl TopicGroups {
    /// Reads them. `None` when the connector has no such keys: then no topic is created.
    ///
    /// # Errors
    /// `Error::config` in Kafka's words, for the key that Kafka would name.
    pub(crate) fn parse(config: &RawConfig) -> Result<Option<Self>> {
        if !config.iter().any(|(key, _)| key.starts_with(PREFIX)) {
            return Ok(None);
        }
        let default = TopicGroup::default_group(config)?;
        let key = "topic.creation.groups";
        let names = match Value::parse(key, config.get(key), Type::List, &AnyClass).map_err(Error::config)? {
            Value::List(names) => names,
            _ => Vec::new(),
        };
        let mut groups = Vec::new();
        for name in names.iter().filter(|name| *name != DEFAULT_GROUP) {
            groups.push(TopicGroup::parse(name, &default, config)?);
        }
        groups.push(default);
        Ok(Some(Self(groups)))
    }

    /// The group that takes a topic.
    pub(crate) fn first_for(&self, topic: &str) -> &TopicGroup {
        let group = self.0.iter().find(|group| group.takes(topic));
        group.or(self.0.last()).expect("there is always the default group")
    }
}

impl TopicGroup {
    /// It takes all that is left, whatever its config says.
    fn default_group(config: &RawConfig) -> Result<Self> {
        let prefix = format!("{PREFIX}{DEFAULT_GROUP}.");
        let replication_factor = number(config, &prefix, "replication.factor", Type::Short, None)?;
        Ok(Self {
            name: DEFAULT_GROUP.to_owned(),
            include: any_of(&[".*".to_owned()])?,
            exclude: any_of(&[])?,
            partitions: number(config, &prefix, "partitions", Type::Int, None)?,
            replication_factor: replication_factor.try_into().unwrap_or(i16::MAX),
            settings: settings(config, &prefix),
        })
    }

    fn parse(name: &str, default: &Self, config: &RawConfig) -> Result<Self> {
        let prefix = format!("{PREFIX}{name}.");
        let include = regexes(config, &prefix, "include")?;
        let exclude = regexes(config, &prefix, "exclude")?;
        let replication_factor = number(
            config,
            &prefix,
            "replication.factor",
            Type::Short,
            Some(default.replication_factor.into()),
        )?;
        let partitions = number(config, &prefix, "partitions", Type::Int, Some(default.partitions))?;
        Ok(Self {
            name: name.to_owned(),
            include: any_of(&include)?,
            exclude: any_of(&exclude)?,
            partitions,
            replication_factor: replication_factor.try_into().unwrap_or(i16::MAX),
            settings: settings(config, &prefix),
        })
    }

    fn takes(&self, topic: &str) -> bool {
        // A match that would take for ever is no match.
        let matches = |regex: &JavaRegex| regex.full_match(topic).unwrap_or(false);
        !matches(&self.exclude) && matches(&self.include)
    }

    /// The topic as it is to be created.
    pub(crate) fn new_topic(&self, name: &str) -> NewTopic {
        NewTopic {
            name: name.to_owned(),
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            settings: self.settings.clone(),
        }
    }
}

/// A topic in the words of Kafka's `NewTopic`.
pub(crate) fn shown(topic: &NewTopic) -> String {
    let number = |number: i32| if number < 0 { "default".to_owned() } else { number.to_string() };
    let settings: Vec<String> =
        topic.settings.iter().map(|(key, value)| format!("{key}={}", value.unwrap_or("null"))).collect();
    format!(
        "(name={}, numPartitions={}, replicationFactor={}, replicasAssignments=null, configs={{{}}})",
        topic.name,
        number(topic.partitions),
        number(topic.replication_factor.into()),
        settings.join(", ")
    )
}

/// The topic configs of a group: all that is left.
fn settings(config: &RawConfig, prefix: &str) -> RawConfig {
    let mut settings = config.with_prefix(prefix);
    for key in ["include", "exclude", "replication.factor", "partitions"] {
        settings.remove(key);
    }
    settings
}

/// A number of a group. Kafka names the whole key when the value is no number, and the key within its group when it is a
/// wrong one.
fn number(config: &RawConfig, prefix: &str, name: &str, kind: Type, default: Option<i32>) -> Result<i32> {
    let key = format!("{prefix}{name}");
    if !config.contains_key(&key) {
        return default.ok_or_else(|| {
            Error::config(format!("Missing required configuration \"{key}\" which has no default value."))
        });
    }
    let validator = if kind == Type::Short { topic::replication_factor() } else { topic::partitions() };
    let value = Value::parse(&key, config.get(&key), kind, &AnyClass).map_err(Error::config)?;
    validator.check(name, &value).map_err(Error::config)?;
    match value {
        Value::Int(number) => Ok(number),
        Value::Short(number) => Ok(number.into()),
        _ => Err(Error::config(invalid_value(name, "null", "entry must be non null"))),
    }
}

fn regexes(config: &RawConfig, prefix: &str, name: &str) -> Result<Vec<String>> {
    let key = format!("{prefix}{name}");
    let value = Value::parse(&key, config.get(&key), Type::List, &AnyClass).map_err(Error::config)?;
    let Value::List(list) = value else { return Ok(Vec::new()) };
    for regex in &list {
        if let Err(why) = check_regex(regex) {
            let shown = format!("[{}]", list.join(", "));
            let message = format!("Syntax error in regular expression: {why}");
            return Err(Error::config(invalid_value(name, shown, &message)));
        }
    }
    Ok(list)
}

/// One regex that matches whole names which one of the regexes matches.
fn any_of(list: &[String]) -> Result<JavaRegex> {
    JavaRegex::new(&list.join("|")).map_err(|error| {
        Error::config(format!("the regular expressions of {PREFIX}* cannot be read: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(more: &[(&str, &str)]) -> Result<Option<TopicGroups>> {
        let keys = [
            ("topic.creation.default.partitions", "3"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.default.cleanup.policy", "compact"),
            ("topic.creation.default.include", "nothing"),
        ];
        let keys = keys.iter().chain(more);
        TopicGroups::parse(&keys.map(|(key, value)| (*key, Some((*value).to_owned()))).collect())
    }

    #[test]
    fn the_first_group_that_takes_a_topic_says_how_it_is_created() {
        let groups = groups(&[
            ("topic.creation.groups", "logs, all, default"),
            ("topic.creation.logs.include", "log-.*, audit"),
            ("topic.creation.logs.exclude", "log-secret"),
            ("topic.creation.logs.partitions", "7"),
            ("topic.creation.logs.retention.ms", "5"),
            ("topic.creation.all.include", "a.*"),
        ]);
        let groups = groups.unwrap().unwrap();
        let check = |topic, expect: &str| {
            let group = groups.first_for(topic);
            let new = group.new_topic(topic);
            let text = format!(
                "{} {} {} {}",
                group.name,
                new.partitions,
                new.replication_factor,
                new.settings.len()
            );
            assert_eq!(text, expect, "{topic}");
        };
        check("log-a", "logs 7 -1 1");
        check("audit", "logs 7 -1 1");
        check("auditor", "all 3 -1 0");
        check("log-secret", "default 3 -1 1");
        check("anything", "all 3 -1 0");
        check("x", "default 3 -1 1");
        assert_eq!(
            shown(&groups.first_for("x").new_topic("x")),
            "(name=x, numPartitions=3, replicationFactor=default, replicasAssignments=null, \
             configs={cleanup.policy=compact})"
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_kafkas_words() {
        let check = |more: &[(&str, &str)], expect: &str| {
            assert_eq!(groups(more).unwrap_err().message(), expect, "{more:?}");
        };
        let key = "topic.creation.default.partitions";
        check(&[(key, "x")], &format!("Invalid value x for configuration {key}: Not a number of type INT"));
        check(
            &[(key, "0")],
            "Invalid value 0 for configuration partitions: Number of partitions must be positive, or -1 to use the \
             broker's default",
        );
        check(
            &[("topic.creation.groups", "g"), ("topic.creation.g.replication.factor", "x")],
            "Invalid value x for configuration topic.creation.g.replication.factor: Not a number of type SHORT",
        );
        check(
            &[("topic.creation.groups", "g"), ("topic.creation.g.include", "[")],
            "Invalid value [[] for configuration include: Syntax error in regular expression: Unclosed character class \
             near index 0\n[\n^",
        );
        let missing = TopicGroups::parse(&RawConfig::from([("topic.creation.groups", "")]));
        assert_eq!(
            missing.unwrap_err().message(),
            "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value."
        );
        assert!(TopicGroups::parse(&RawConfig::new()).unwrap().is_none());
    }
}
