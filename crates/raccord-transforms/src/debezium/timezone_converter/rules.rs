//! Which events and fields are converted: the lists of `include.list` and `exclude.list`.

use std::collections::{HashMap, HashSet};

use raccord_config::JavaRegex;
use raccord_plugin::{Error, Result};

use crate::debezium::envelope::{AFTER, BEFORE, SOURCE};
use crate::debezium::field::java_split;
use crate::debezium::structs::debezium_exception;

const TOPIC: &str = "topic";

/// What a list looks like as Java prints it.
const LIST_PATTERN: &str = r#"^\[(source|topic|[".\w\s_]+):([".\w\s_]+(?::[".\w\s_]+)?(?:,|]$))+$"#;

/// What is done to the time fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    All,
    Include,
    Exclude,
}

/// The fields named for an event, by the struct they are in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields {
    pub before: HashSet<String>,
    pub after: HashSet<String>,
    pub source: HashSet<String>,
    is_empty: bool,
}

#[derive(Default)]
pub(super) struct Rules {
    include: bool,
    exclude: bool,
    topics: HashMap<String, Fields>,
    tables: HashMap<String, Fields>,
    either: HashMap<String, Fields>,
    everything: Fields,
}

impl Rules {
    /// Reads the lists.
    ///
    /// # Errors
    /// The `DebeziumException` for a list of another form.
    pub fn read(include: &[String], exclude: &[String]) -> Result<Self> {
        let (name, list) = if include.is_empty() { ("exclude", exclude) } else { ("include", include) };
        if !list.is_empty() && !is_list(list)? {
            return Err(debezium_exception(format!(
                "Invalid {name} list format. Please specify a list of rules in the format of \
                 \"source:<tablename>:<fieldnames>\", \"topic:<topicname>:<fieldnames>\", \"<matchname>:<fieldnames>\""
            )));
        }
        let mut rules =
            Self { include: !include.is_empty(), exclude: !exclude.is_empty(), ..Self::default() };
        let mut last_prefix = None;
        for item in list {
            rules.add(item, &mut last_prefix);
        }
        Ok(rules)
    }

    /// Adds an item. One without `source` or `topic` is of the kind of the one before it.
    fn add(&mut self, item: &str, last_prefix: &mut Option<String>) {
        let parts = java_split(item, ':');
        let is_prefix = |text: &str| text.eq_ignore_ascii_case(SOURCE) || text.eq_ignore_ascii_case(TOPIC);
        let (name, field) = match parts.as_slice() {
            [name] => (*name, None),
            [prefix, name, field @ ..] if is_prefix(prefix) && field.len() <= 1 => {
                *last_prefix = Some((*prefix).to_owned());
                (*name, field.first().copied())
            }
            [name, field] | [name, field, _] => (*name, Some(*field)),
            _ => return,
        };
        let map = match last_prefix.as_deref() {
            Some(TOPIC) => &mut self.topics,
            Some(SOURCE) => &mut self.tables,
            _ => &mut self.either,
        };
        let fields =
            map.entry(name.to_owned()).or_insert_with(|| Fields { is_empty: true, ..Fields::default() });
        if let Some(field) = field {
            fields.add(field);
        }
    }

    /// What is done to events of that table and topic; `None` when nothing is.
    pub fn of(&self, table: Option<&str>, topic: &str) -> Option<(Mode, &Fields)> {
        let found = self
            .topics
            .get(topic)
            .or_else(|| self.tables.get(table?))
            .or_else(|| self.either.get(topic))
            .or_else(|| self.either.get(table?));
        match (self.include, self.exclude, found) {
            (false, false, _) | (false, true, None) => Some((Mode::All, &self.everything)),
            (true, _, None) => None,
            (true, _, Some(fields)) if fields.is_empty => Some((Mode::All, fields)),
            (true, _, Some(fields)) => Some((Mode::Include, fields)),
            (false, true, Some(fields)) if fields.is_empty => None,
            (false, true, Some(fields)) => Some((Mode::Exclude, fields)),
        }
    }

    /// Whether both lists were given, which is refused after everything else was checked.
    pub fn has_both(&self) -> bool {
        self.include && self.exclude
    }
}

impl Fields {
    fn add(&mut self, field: &str) {
        self.is_empty = false;
        let within = |holder: &str| field.strip_prefix(holder).and_then(|rest| rest.strip_prefix('.'));
        if let Some(field) = within(SOURCE) {
            self.source.insert(field.to_owned());
        } else if let Some(field) = within(BEFORE) {
            self.before.insert(field.to_owned());
        } else if let Some(field) = within(AFTER) {
            self.after.insert(field.to_owned());
        } else {
            self.before.insert(field.to_owned());
            self.after.insert(field.to_owned());
        }
    }
}

fn is_list(list: &[String]) -> Result<bool> {
    let pattern = JavaRegex::new(LIST_PATTERN).map_err(|error| Error::fatal(error.to_string()))?;
    let printed = format!("[{}]", list.join(", "));
    pattern.full_match(&printed).map_err(|error| Error::config(error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(include: &[&str], exclude: &[&str]) -> Rules {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        Rules::read(&list(include), &list(exclude)).unwrap()
    }

    #[test]
    fn finds_what_is_said_of_an_event() {
        let check = |rules: &Rules, table: Option<&str>, topic: &str, expect: Option<(Mode, &str)>| {
            let found = rules.of(table, topic).map(|(mode, fields)| {
                let mut names: Vec<&str> = fields.after.iter().map(String::as_str).collect();
                names.sort_unstable();
                (mode, names.join(","))
            });
            assert_eq!(found, expect.map(|(mode, fields)| (mode, fields.to_owned())));
        };
        check(&rules(&[], &[]), Some("t"), "x", Some((Mode::All, "")));
        let include = rules(&["source:t:a", "t:b", "topic:x"], &[]);
        check(&include, Some("t"), "y", Some((Mode::Include, "a,b")));
        check(&include, Some("t"), "x", Some((Mode::All, "")));
        check(&include, Some("u"), "y", None);
        let exclude = rules(&[], &["t:a"]);
        check(&exclude, Some("t"), "y", Some((Mode::Exclude, "a")));
        check(&exclude, Some("u"), "y", Some((Mode::All, "")));
        check(&rules(&[], &["source:t"]), Some("t"), "y", None);
    }

    #[test]
    fn refuses_lists_of_another_form() {
        let check = |item: &str, expect: bool| {
            assert_eq!(Rules::read(&[item.to_owned()], &[]).is_ok(), expect, "{item}");
        };
        check("source:t:a", true);
        check("t:a", true);
        check("t", false);
        check("a:b:c:d", false);
        check("t:a-b", false);
    }
}
