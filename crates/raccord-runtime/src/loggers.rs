//! Levels of loggers: what `/admin/loggers` shows and sets.
//!
//! Logger names are hierarchical with dots, as in Java; `root` is above all. Setting the level of a name sets it for
//! everything below. A logger without a level of its own has that of the nearest name above it. How a name maps to what the program logs with is the business of [`LogLevels`], which the binary
//! implements over its subscriber.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::herder::{HerderError, HerderResult, LoggerLevel};

/// The name of the logger above all.
pub const ROOT: &str = "root";

/// Log levels, the more severe first, as Connect accepts them.
pub const LEVELS: [&str; 8] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"];

/// Sets levels in the program's logging.
pub trait LogLevels: Send + Sync {
    /// The level of the root logger at start, e.g. `INFO`.
    fn root(&self) -> String;

    /// Loggers that have a level of their own at start.
    fn configured(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Puts levels in force: that of the root, and those of all other loggers with one of their own.
    fn apply(&self, root: &str, levels: &BTreeMap<String, String>);
}

/// Levels that are remembered but do nothing: for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLogLevels;

impl LogLevels for NoLogLevels {
    fn root(&self) -> String {
        "INFO".to_owned()
    }

    fn apply(&self, _root: &str, _levels: &BTreeMap<String, String>) {}
}

struct Level {
    level: String,
    last_modified: Option<i64>,
}

/// The levels of a worker.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, Level>>,
    target: Arc<dyn LogLevels>,
    clock: Arc<dyn Clock>,
}

fn is_root(name: &str) -> bool {
    name.is_empty() || name.eq_ignore_ascii_case(ROOT)
}

/// The level that a logger has without one of its own: that of the nearest name above it.
fn inherited(levels: &BTreeMap<String, Level>, name: &str) -> String {
    let mut above = name;
    while let Some((parent, _)) = above.rsplit_once('.') {
        if let Some(level) = levels.get(parent) {
            return level.level.clone();
        }
        above = parent;
    }
    levels.get(ROOT).map(|level| level.level.clone()).unwrap_or_default()
}

impl Loggers {
    /// The levels in force at start.
    pub fn new(target: Arc<dyn LogLevels>, clock: Arc<dyn Clock>) -> Self {
        let entry = |name: String, level: String| (name, Level { level, last_modified: None });
        let mut levels: BTreeMap<_, _> =
            target.configured().into_iter().map(|(name, level)| entry(name, level)).collect();
        levels.extend([entry(ROOT.to_owned(), target.root())]);
        Self { levels: Mutex::new(levels), target, clock }
    }

    /// All loggers with a level of their own, sorted.
    pub fn all(&self) -> IndexMap<String, LoggerLevel> {
        let levels = self.levels.lock();
        levels
            .iter()
            .filter(|(_, level)| level.level != "OFF")
            .map(|(name, level)| (name.clone(), level.shown()))
            .collect()
    }

    /// One logger.
    ///
    /// # Errors
    /// 404 when it has no level of its own.
    pub fn get(&self, name: &str) -> HerderResult<LoggerLevel> {
        let key = if is_root(name) { ROOT } else { name };
        let levels = self.levels.lock();
        levels
            .get(key)
            .map(Level::shown)
            .ok_or_else(|| HerderError::new(404, format!("Logger {name} not found.")))
    }

    /// Sets the level of a logger and of all below it; the names that changed, sorted.
    ///
    /// As in Connect, "below" means every name that begins with this one.
    ///
    /// # Errors
    /// 404 when there is no such level, 500 when it is empty.
    pub fn set(&self, name: &str, level: &str) -> HerderResult<Vec<String>> {
        if level.is_empty() {
            return Err(HerderError::new(500, "Illegal null or empty Level name."));
        }
        let Some(level) = LEVELS.into_iter().find(|known| known.eq_ignore_ascii_case(level)) else {
            return Err(HerderError::new(404, format!("invalid log level '{level}'.")));
        };
        let root = is_root(name);
        let now = self.clock.now_ms() as i64;
        let mut levels = self.levels.lock();
        let mut changed = Vec::new();
        let key = if root { ROOT } else { name };
        if !levels.contains_key(key) {
            let level = inherited(&levels, key);
            levels.insert(key.to_owned(), Level { level, last_modified: None });
        }
        for (name, entry) in levels.iter_mut() {
            if (root || name.starts_with(key)) && (entry.level != level || level == "OFF") {
                level.clone_into(&mut entry.level);
                entry.last_modified = Some(now);
                changed.push(name.clone());
            }
        }
        let mut own: BTreeMap<_, _> =
            levels.iter().map(|(name, level)| (name.clone(), level.level.clone())).collect();
        let root_level = own.remove(ROOT).unwrap_or_default();
        self.target.apply(&root_level, &own);
        Ok(changed)
    }
}

impl Level {
    fn shown(&self) -> LoggerLevel {
        LoggerLevel { level: self.level.clone(), last_modified: self.last_modified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(u64);

    impl Clock for At {
        fn now_ms(&self) -> u64 {
            self.0
        }
    }

    fn loggers() -> Loggers {
        Loggers::new(Arc::new(NoLogLevels), Arc::new(At(5)))
    }

    #[test]
    fn a_level_goes_down_the_hierarchy() {
        let loggers = loggers();
        assert_eq!(loggers.set("org.apache.kafka", "debug").unwrap(), ["org.apache.kafka"]);
        assert_eq!(loggers.set("org.apache.kafka.connect", "WARN").unwrap(), ["org.apache.kafka.connect"]);
        assert_eq!(loggers.set("org.x", "WARN").unwrap(), ["org.x"]);
        // A new logger inherits, so that is no change.
        let changed = loggers.set("org", "INFO").unwrap();
        assert_eq!(changed, ["org.apache.kafka", "org.apache.kafka.connect", "org.x"]);
        let changed = loggers.set("org.apache", "TRACE").unwrap();
        assert_eq!(changed, ["org.apache", "org.apache.kafka", "org.apache.kafka.connect"]);
        assert_eq!(loggers.set("org.apache", "TRACE").unwrap(), Vec::<String>::new());
        assert_eq!(
            loggers.get("org.apache.kafka").unwrap(),
            LoggerLevel { level: "TRACE".into(), last_modified: Some(5) }
        );
        let changed = loggers.set("ROOT", "ERROR").unwrap();
        assert_eq!(changed.len(), 6);
        assert_eq!(loggers.all().keys().next_back().unwrap(), "root");
    }

    #[test]
    fn unknown_names_and_levels() {
        let loggers = loggers();
        assert_eq!(loggers.get("x").unwrap_err(), HerderError::new(404, "Logger x not found."));
        let error = loggers.set("x", "HIGH").unwrap_err();
        assert_eq!(error, HerderError::new(404, "invalid log level 'HIGH'."));
        assert_eq!(loggers.get("root").unwrap().last_modified, None);
    }
}
