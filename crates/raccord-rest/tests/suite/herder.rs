//! A worker that answers by rule and notes what it was asked. Connector `c` exists, `slow` never answers, `busy` is in a
//! rebalance, all others are unknown, in the words that the real worker has for each request.

use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use parking_lot::Mutex;
use raccord_plugin::data::java_order;
use raccord_plugin::{ConfigDef, Converter, Error, Make, Metric, Plugin, RawConfig, Role};
use raccord_runtime::Herder;
use raccord_runtime::herder::{
    ConnectorInfo, ConnectorStatus, ConnectorType, Health, HerderError, HerderResult, LoggerLevel,
    OffsetEntry, ServerInfo, StatusEntry, TargetState, TaskRef,
};
use raccord_runtime::metrics::{Family, Sample};

pub struct Script {
    pub health: Health,
    /// Connectors that `GET /connectors` names.
    pub connectors: Vec<String>,
    pub asked: Mutex<Vec<String>>,
}

impl Default for Script {
    fn default() -> Self {
        Self { health: Health::Healthy, connectors: Vec::new(), asked: Mutex::default() }
    }
}

fn def() -> &'static ConfigDef {
    static DEF: std::sync::OnceLock<ConfigDef> = std::sync::OnceLock::new();
    DEF.get_or_init(ConfigDef::new)
}

fn no_converter(_: &RawConfig, _: Role) -> Result<std::sync::Arc<dyn Converter>, Error> {
    Err(Error::config("this is a test"))
}

fn no_header_converter(_: &RawConfig) -> Result<std::sync::Arc<dyn raccord_plugin::HeaderConverter>, Error> {
    Err(Error::config("this is a test"))
}

fn no_predicate(_: &RawConfig) -> Result<Box<dyn raccord_plugin::Predicate>, Error> {
    Err(Error::config("this is a test"))
}

const fn plugin(class: &'static str, version: &'static str, make: Make) -> Plugin {
    Plugin { class, aliases: &[], version, config: def, make }
}

static PLUGINS: &[Plugin] = &[
    plugin("z.HeaderConverter", "4.3.1", Make::HeaderConverter(no_header_converter)),
    plugin("b.Converter", "4.3.1", Make::Converter(no_converter)),
    plugin("a.Converter", "undefined", Make::Converter(no_converter)),
    plugin(
        "x.Source",
        "2",
        Make::Source { connector: || unreachable!("not started"), task: || unreachable!("not started") },
    ),
    plugin(
        "y.Sink",
        "1",
        Make::Sink { connector: || unreachable!("not started"), task: || unreachable!("not started") },
    ),
    plugin("p.Predicate", "4.3.1", Make::Predicate(no_predicate)),
];

fn show(config: &RawConfig) -> String {
    config.iter().map(|(k, v)| format!("{k}={}", v.unwrap_or("null"))).collect::<Vec<_>>().join(",")
}

impl Script {
    /// What was asked since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock())
    }

    async fn note(&self, call: String, name: &str, unknown: &str) -> HerderResult<()> {
        self.asked.lock().push(call);
        match name {
            "c" | "c2" => Ok(()),
            "slow" => std::future::pending().await,
            "late" => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Ok(())
            }
            "busy" => Err(HerderError::new(
                409,
                "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent \
                 config change)",
            )),
            _ => Err(HerderError::new(404, unknown.replace("{}", name))),
        }
    }
}

fn entry(state: &str) -> StatusEntry {
    StatusEntry {
        state: state.to_owned(),
        worker_id: "w:8083".to_owned(),
        trace: None,
        version: Some("1".to_owned()),
    }
}

fn failed() -> StatusEntry {
    StatusEntry { trace: Some("java.lang.X: a\n\tat b".to_owned()), version: None, ..entry("FAILED") }
}

fn info(name: &str) -> ConnectorInfo {
    ConnectorInfo {
        name: name.to_owned(),
        config: RawConfig::from([("b", "1".to_owned()), ("a", "\u{1f}é".to_owned())]),
        tasks: vec![TaskRef { connector: name.to_owned(), task: 0 }],
        kind: ConnectorType::Sink,
    }
}

fn status(name: &str, state: &str) -> ConnectorStatus {
    ConnectorStatus {
        name: name.to_owned(),
        connector: entry(state),
        tasks: vec![(0, entry(state)), (1, failed())],
        kind: ConnectorType::Source,
    }
}

#[async_trait]
impl Herder for Script {
    async fn server_info(&self) -> HerderResult<ServerInfo> {
        Ok(ServerInfo {
            version: "4.3.1".to_owned(),
            commit: "26b251a451ce941d".to_owned(),
            kafka_cluster_id: Some("{{cluster_id}}".to_owned()),
        })
    }

    async fn health(&self) -> Health {
        match &self.health {
            Health::Unhealthy(text) if text == "silent" => std::future::pending().await,
            health => health.clone(),
        }
    }

    async fn metrics(&self) -> Vec<Family> {
        let sample = Sample { labels: vec![("connector", "c".to_owned())], value: 1.0 };
        vec![Family { metric: Metric::gauge("up", "Up."), samples: vec![sample] }]
    }

    async fn connectors(&self) -> HerderResult<Vec<String>> {
        Ok(self.connectors.clone())
    }

    async fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        self.note(format!("info {name}"), name, "Connector {} not found").await?;
        Ok(info(name))
    }

    async fn connector_config(&self, name: &str) -> HerderResult<RawConfig> {
        self.note(format!("config {name}"), name, "Connector {} not found").await?;
        Ok(info(name).config)
    }

    async fn put_connector(
        &self,
        name: &str,
        config: RawConfig,
        initial_state: Option<TargetState>,
        replace: bool,
    ) -> HerderResult<(bool, ConnectorInfo)> {
        self.asked.lock().push(format!("put {name} [{}] {initial_state:?} {replace}", show(&config)));
        if config.get("connector.class").is_none() {
            let mut entries: Vec<_> = config.iter().collect();
            // Connect copies the config, into a map with just the room that it needs.
            let slots = (entries.len() * 4 / 3 + 1).next_power_of_two();
            java_order::sort_with_capacity(&mut entries, |(key, _)| key, slots);
            let shown: Vec<_> = entries.iter().map(|(k, v)| format!("{k}={}", v.unwrap_or("null"))).collect();
            let text = format!("Connector config {{{}}} contains no connector type", shown.join(", "));
            return Err(HerderError::new(400, text));
        }
        if name == "c" && !replace {
            return Err(HerderError::new(409, "Connector c already exists"));
        }
        let info =
            ConnectorInfo { name: name.to_owned(), config, tasks: Vec::new(), kind: ConnectorType::Unknown };
        Ok((name != "c", info))
    }

    async fn patch_connector(&self, name: &str, patch: RawConfig) -> HerderResult<ConnectorInfo> {
        self.note(format!("patch {name} [{}]", show(&patch)), name, "Connector {} not found").await?;
        Ok(info(name))
    }

    async fn delete_connector(&self, name: &str) -> HerderResult<()> {
        self.note(format!("delete {name}"), name, "Connector {} not found").await
    }

    async fn connector_status(&self, name: &str) -> HerderResult<ConnectorStatus> {
        self.note(format!("status {name}"), name, "No status found for connector {}").await?;
        Ok(status(name, "RUNNING"))
    }

    async fn task_configs(&self, name: &str) -> HerderResult<Vec<(TaskRef, RawConfig)>> {
        self.note(format!("tasks {name}"), name, "Connector {} not found").await?;
        let config = RawConfig::from([("task.class", "T".to_owned())]);
        Ok((0..2).map(|task| (TaskRef { connector: name.to_owned(), task }, config.clone())).collect())
    }

    async fn task_status(&self, name: &str, task: u32) -> HerderResult<StatusEntry> {
        let unknown = format!("No status found for task {{}}-{task}");
        self.note(format!("task status {name} {task}"), name, &unknown).await?;
        Ok(failed())
    }

    async fn restart_task(&self, name: &str, task: u32) -> HerderResult<()> {
        self.note(format!("restart task {name} {task}"), name, "Unknown connector: {}").await
    }

    async fn restart_connector(&self, name: &str) -> HerderResult<()> {
        self.note(format!("restart {name}"), name, "Unknown connector: {}").await
    }

    async fn restart_connector_and_tasks(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> HerderResult<ConnectorStatus> {
        let call = format!("restart {name} tasks={include_tasks} failed={only_failed}");
        self.note(call, name, "Unknown connector: {}").await?;
        Ok(status(name, "RESTARTING"))
    }

    async fn set_target_state(&self, name: &str, state: TargetState) -> HerderResult<()> {
        self.note(format!("{state:?} {name}"), name, "Unknown connector {}").await
    }

    async fn offsets(&self, name: &str) -> HerderResult<Vec<OffsetEntry>> {
        self.note(format!("offsets {name}"), name, "Connector {} not found").await?;
        let map = |text: &str| serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap();
        Ok(vec![OffsetEntry {
            partition: Some(map(r#"{"z":"p","a":1}"#)),
            offset: Some(map(r#"{"n":12345678901234567890,"d":1.50}"#)),
        }])
    }

    async fn alter_offsets(&self, name: &str, offsets: Vec<OffsetEntry>) -> HerderResult<String> {
        let shown: Vec<_> = offsets
            .iter()
            .map(|entry| {
                let offset = entry.offset.clone().map_or(serde_json::Value::Null, serde_json::Value::Object);
                let partition =
                    entry.partition.clone().map_or(serde_json::Value::Null, serde_json::Value::Object);
                format!("{partition}={offset}")
            })
            .collect();
        self.note(format!("alter {name} {}", shown.join(" ")), name, "Connector {} not found").await?;
        Ok("altered".to_owned())
    }

    async fn reset_offsets(&self, name: &str) -> HerderResult<String> {
        self.note(format!("reset {name}"), name, "Connector {} not found").await?;
        Ok("reset".to_owned())
    }

    async fn topics(&self, name: &str) -> HerderResult<Vec<String>> {
        self.asked.lock().push(format!("topics {name}"));
        Ok(if name == "c" { vec!["t2".to_owned(), "t1".to_owned()] } else { Vec::new() })
    }

    async fn reset_topics(&self, name: &str) -> HerderResult<()> {
        self.asked.lock().push(format!("reset topics {name}"));
        Ok(())
    }

    fn plugins(&self) -> &'static [Plugin] {
        PLUGINS
    }

    async fn plugin_config(&self, plugin: &str, version: Option<&str>) -> HerderResult<serde_json::Value> {
        self.asked.lock().push(format!("plugin config {plugin} {version:?}"));
        Ok(serde_json::json!([{ "name": "file", "default_value": null }]))
    }

    async fn validate(&self, plugin: &str, config: RawConfig) -> HerderResult<serde_json::Value> {
        self.asked.lock().push(format!("validate {plugin} [{}]", show(&config)));
        Ok(serde_json::json!({ "name": plugin, "error_count": 0 }))
    }

    async fn loggers(&self) -> HerderResult<IndexMap<String, LoggerLevel>> {
        let level = |level: &str, last_modified| LoggerLevel { level: level.to_owned(), last_modified };
        Ok(IndexMap::from([
            ("root".to_owned(), level("WARN", None)),
            ("a.b".to_owned(), level("DEBUG", Some(7))),
        ]))
    }

    async fn logger(&self, name: &str) -> HerderResult<LoggerLevel> {
        let all = self.loggers().await?;
        all.get(name).cloned().ok_or_else(|| HerderError::new(404, format!("Logger {name} not found.")))
    }

    async fn set_logger(&self, name: &str, level: &str) -> HerderResult<Vec<String>> {
        self.asked.lock().push(format!("log {name} {level}"));
        Ok(vec![name.to_owned()])
    }

    async fn set_logger_cluster(&self, name: &str, level: &str) -> HerderResult<()> {
        self.asked.lock().push(format!("log everywhere {name} {level}"));
        Ok(())
    }
}
