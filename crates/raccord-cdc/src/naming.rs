//! Names of topics.

use std::sync::Arc;

use raccord_config::{Class, Config, JavaRegex, RawConfig};

use crate::adjust::push_unicode;
use crate::{PatternError, TableId};

/// Keys of the naming strategies. They are not part of a connector's definition: only the strategy reads them.
#[derive(Clone, Debug, Config)]
#[config(importance = Low)]
pub struct TopicNamingKeys {
    /// The naming strategy.
    #[config(default = "io.debezium.schema.SchemaTopicNamingStrategy")]
    pub topic_naming_strategy: Class,
    /// What stands between the parts of a topic's name.
    #[config(default = ".")]
    pub topic_delimiter: String,
    /// The first part of the heartbeat topic's name.
    pub topic_heartbeat_prefix: Option<String>,
    /// The older name of `topic.heartbeat.prefix`.
    pub heartbeat_topics_prefix: Option<String>,
    /// The last part of the transaction topic's name.
    #[config(default = "transaction")]
    pub topic_transaction: String,
    /// For the regex strategies: which topics get another name.
    pub topic_regex: Option<String>,
    /// For the regex strategies: the other name.
    pub topic_replacement: Option<String>,
    /// For the regex strategies: whether the key tells the table.
    #[config(default = true)]
    pub topic_key_enforce_uniqueness: bool,
    /// For the regex strategies: the field of the key that tells the table.
    #[config(default = "__dbz__physicalTableIdentifier")]
    pub topic_key_field_name: String,
    /// For the regex strategies: which names of tables are shortened in the key.
    pub topic_key_field_regex: Option<String>,
    /// For the regex strategies: the shortened name.
    pub topic_key_field_replacement: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// Schema and table; with the database before them where a task has several.
    Schema,
    /// Database and table.
    Database,
}

/// A naming strategy.
#[derive(Clone, Debug)]
pub struct TopicNaming {
    prefix: String,
    keys: TopicNamingKeys,
    parts: Parts,
    /// Whether the database is part of names (SQL Server).
    with_catalog: bool,
    unicode: bool,
    rewriting: Option<Rewriting>,
}

#[derive(Clone, Debug)]
struct Rewriting {
    topic: Replacement,
    key: Option<Replacement>,
}

/// An expression that has to match the whole text, and what its first match becomes.
#[derive(Clone, Debug)]
struct Replacement {
    regex: JavaRegex,
    replacement: raccord_config::Replacement,
}

/// The longest name of a topic, as Debezium cuts it.
const NAME_LENGTH_MAX: usize = 249;

impl TopicNaming {
    /// The strategy that the config names.
    ///
    /// # Errors
    /// When it is unknown, or an expression is none.
    pub fn new(config: &RawConfig, topic_prefix: &str, with_catalog: bool) -> Result<Self, PatternError> {
        let error = |message: String| PatternError { pattern: "topic.naming.strategy".to_owned(), message };
        let keys = TopicNamingKeys::parse(config).map_err(|findings| error(findings.to_string()))?;
        let (parts, unicode, regex) = match keys.topic_naming_strategy.as_str() {
            "io.debezium.schema.SchemaTopicNamingStrategy" => (Parts::Schema, false, false),
            "io.debezium.schema.DefaultTopicNamingStrategy" => (Parts::Database, false, false),
            "io.debezium.schema.SchemaRegexTopicNamingStrategy" => (Parts::Schema, false, true),
            "io.debezium.schema.DefaultRegexTopicNamingStrategy" => (Parts::Database, false, true),
            "io.debezium.schema.SchemaUnicodeTopicNamingStrategy" => (Parts::Schema, true, false),
            "io.debezium.schema.DefaultUnicodeTopicNamingStrategy" => (Parts::Database, true, false),
            other => return Err(error(format!("{other} is not one of Debezium's strategies"))),
        };
        let rewriting = regex.then(|| Rewriting::new(&keys)).transpose()?;
        Ok(Self { prefix: topic_prefix.to_owned(), keys, parts, with_catalog, unicode, rewriting })
    }

    /// The topic of a table's changes, which also is the prefix of its schemas' names.
    pub fn data_topic(&self, id: &TableId) -> Arc<str> {
        let name = self.sanitised(&self.table_name(id));
        match &self.rewriting {
            Some(rewriting) => match rewriting.topic.apply(&name) {
                Some(new) if !new.is_empty() => new.into(),
                _ => name.into(),
            },
            None => name.into(),
        }
    }

    /// The field that the strategy adds to keys, with its value for the table.
    pub fn key_field(&self, id: &TableId) -> Option<(&str, String)> {
        let rewriting = self.rewriting.as_ref().filter(|_| self.keys.topic_key_enforce_uniqueness)?;
        let name = self.table_name(id);
        let short = rewriting.key.as_ref().and_then(|key| key.apply(&name));
        Some((&self.keys.topic_key_field_name, short.unwrap_or(name)))
    }

    /// The topic of heartbeats.
    pub fn heartbeat_topic(&self) -> String {
        let keys = &self.keys;
        let first = keys.topic_heartbeat_prefix.as_deref().or(keys.heartbeat_topics_prefix.as_deref());
        [first.unwrap_or("__debezium-heartbeat"), &self.prefix].join(&keys.topic_delimiter)
    }

    /// The topic of transaction metadata.
    pub fn transaction_topic(&self) -> String {
        [self.prefix.as_str(), &self.keys.topic_transaction].join(&self.keys.topic_delimiter)
    }

    /// The topic of changes of schemas.
    pub fn schema_change_topic(&self) -> &str {
        &self.prefix
    }

    fn table_name(&self, id: &TableId) -> String {
        let parts: Vec<&str> = match (self.parts, self.with_catalog) {
            (Parts::Schema, true) => id.parts().collect(),
            (Parts::Schema, false) => id.schema_parts().collect(),
            (Parts::Database, _) => id.database_parts().collect(),
        };
        let all = [self.prefix.as_str()].into_iter().chain(parts);
        all.filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(&self.keys.topic_delimiter)
    }

    fn sanitised(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len());
        for unit in name.encode_utf16() {
            let c = u8::try_from(unit).ok().map(char::from).filter(char::is_ascii);
            match c.filter(|c| {
                c.is_ascii_alphanumeric() || matches!(c, '.' | '-') || (*c == '_' && !self.unicode)
            }) {
                Some(c) => out.push(c),
                None => self.replace(unit, &mut out),
            }
        }
        if out.len() > NAME_LENGTH_MAX {
            out.truncate(NAME_LENGTH_MAX);
        } else if out == "." || out == ".." {
            let dots = std::mem::take(&mut out);
            dots.bytes().for_each(|dot| self.replace(dot.into(), &mut out));
        }
        out
    }

    fn replace(&self, unit: u16, out: &mut String) {
        if self.unicode { push_unicode(unit, out) } else { out.push('_') }
    }
}

impl Rewriting {
    fn new(keys: &TopicNamingKeys) -> Result<Self, PatternError> {
        let missing = |key: &str| PatternError {
            pattern: key.to_owned(),
            message: "the key is required by the naming strategy".to_owned(),
        };
        let regex = keys.topic_regex.as_deref().ok_or_else(|| missing("topic.regex"))?;
        let replacement = keys.topic_replacement.as_deref().ok_or_else(|| missing("topic.replacement"))?;
        let topic = Replacement::new(regex, replacement)?;
        let key = match keys.topic_key_field_regex.as_deref().filter(|regex| !regex.trim().is_empty()) {
            Some(regex) => {
                let replacement = keys.topic_key_field_replacement.as_deref();
                let replacement = replacement.ok_or_else(|| missing("topic.key.field.replacement"))?;
                Some(Replacement::new(regex, replacement)?)
            }
            None => None,
        };
        Ok(Self { topic, key })
    }
}

impl Replacement {
    fn new(regex: &str, replacement: &str) -> Result<Self, PatternError> {
        let regex = JavaRegex::new(regex)
            .map_err(|error| PatternError { pattern: regex.to_owned(), message: error.to_string() })?;
        Ok(Self { replacement: regex.replacement(replacement), regex })
    }

    fn apply(&self, text: &str) -> Option<String> {
        // A match that would take for ever is no match.
        self.regex.full_match(text).unwrap_or(false).then_some(())?;
        self.regex.replace_first(text, &self.replacement).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(entries: &[(&str, &str)]) -> TopicNaming {
        let config = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        TopicNaming::new(&config, "lab", false).unwrap()
    }

    fn check(entries: &[(&str, &str)], table: (&str, &str), expect: &str) {
        let naming = naming(entries);
        assert_eq!(&*naming.data_topic(&TableId::in_schema(table.0, table.1)), expect);
    }

    const STRATEGY: &str = "topic.naming.strategy";

    #[test]
    fn names_topics_as_debezium_does() {
        check(&[], ("public", "a b$c"), "lab.public.a_b_c");
        check(&[("topic.delimiter", "-")], ("public", "t"), "lab-public-t");
        check(&[], ("public", "ä😀"), "lab.public.___");
        check(&[], ("s", &"x".repeat(300)), &format!("lab.s.{}", "x".repeat(243)));
        let unicode = (STRATEGY, "io.debezium.schema.SchemaUnicodeTopicNamingStrategy");
        check(&[unicode], ("public", "a b_c"), "lab.public.a_u0020b_u005fc");
        let default = (STRATEGY, "io.debezium.schema.DefaultTopicNamingStrategy");
        check(&[default], ("public", "t"), "lab.t");
        let regex = (STRATEGY, "io.debezium.schema.SchemaRegexTopicNamingStrategy");
        let rules = [regex, ("topic.regex", "(.*)shard_(.*)"), ("topic.replacement", "$1all")];
        check(&rules, ("public", "shard_1"), "lab.public.all");
        check(&rules, ("public", "other"), "lab.public.other");
        let id = TableId::in_schema("public", "shard_1");
        let field = naming(&rules).key_field(&id).map(|(name, value)| (name.to_owned(), value));
        let expect = ("__dbz__physicalTableIdentifier".to_owned(), "lab.public.shard_1".to_owned());
        assert_eq!(field, Some(expect));
    }

    #[test]
    fn names_the_other_topics() {
        let plain = naming(&[]);
        assert_eq!(plain.heartbeat_topic(), "__debezium-heartbeat.lab");
        assert_eq!(plain.transaction_topic(), "lab.transaction");
        let own = naming(&[("heartbeat.topics.prefix", "beat"), ("topic.transaction", "tx")]);
        assert_eq!(own.heartbeat_topic(), "beat.lab");
        assert_eq!(own.transaction_topic(), "lab.tx");
    }
}
