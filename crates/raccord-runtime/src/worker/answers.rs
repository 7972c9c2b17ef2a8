//! The face of the worker: [`Herder`] by asking the coordinator.

use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use raccord_plugin::{Plugin, RawConfig};
use tokio::sync::oneshot;

use super::run::{Mail, request_id};
use super::{DistributedHerder, offsets};
use crate::connect_json::java_copy;
use crate::coordinator::{Answer, Request, RequestId};
use crate::herder::{
    ConnectorInfo, ConnectorStatus, Health, Herder, HerderError, HerderResult, LoggerLevel, OffsetEntry,
    ServerInfo, StatusEntry, TargetState, TaskRef,
};
use crate::metrics::Family;
use crate::task::TaskId;
use crate::validate::{self, ConfigInfos};

/// `rest.request.timeout.ms` of Connect, which nobody can set.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// How long `/health` and `/metrics` wait for the coordinator.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes the one answer out that fits the request.
macro_rules! expect {
    ($answer:expr, $pattern:pat => $value:expr) => {
        match $answer? {
            $pattern => Ok($value),
            other => Err(HerderError::new(500, format!("unexpected answer {other:?}"))),
        }
    };
}

impl DistributedHerder {
    /// Asks the coordinator and waits for the answer, at most 90 seconds.
    async fn ask(&self, request: Request) -> HerderResult<Answer> {
        let id = request_id();
        match tokio::time::timeout(REQUEST_TIMEOUT, self.ask_patiently(id, request)).await {
            Ok(answer) => answer,
            Err(_) => {
                // If the queue is full the answer will find nobody, which does no harm.
                let _ = self.mail.try_send(Mail::Abandoned(id));
                Err(self.timed_out())
            }
        }
    }

    pub(super) async fn ask_patiently(&self, id: RequestId, request: Request) -> HerderResult<Answer> {
        let (reply, answer) = oneshot::channel();
        let gone = || HerderError::new(500, "Worker is shutting down");
        self.mail.send(Mail::Request(id, request, reply)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn timed_out(&self) -> HerderError {
        HerderError::new(500, format!("Request timed out. {}", self.shared.stage.summary()))
    }

    /// Waits for what the worker found when it came up.
    async fn opened(&self) -> HerderResult<std::sync::Arc<super::open::Opened>> {
        let mut started = self.shared.started.subscribe();
        match tokio::time::timeout(REQUEST_TIMEOUT, started.wait_for(Option::is_some)).await {
            Ok(Ok(opened)) => opened.clone().ok_or_else(|| self.timed_out()),
            Ok(Err(_)) => Err(HerderError::new(500, "Worker is shutting down")),
            Err(_) => Err(self.timed_out()),
        }
    }
}

impl DistributedHerder {
    /// Refuses a config that is not valid, as POST and PUT do.
    async fn check_config(&self, config: &RawConfig) -> HerderResult<()> {
        let infos = self.validated(None, config).await?;
        match infos.first_error_text() {
            Some(text) => Err(HerderError::new(400, text)),
            None => Ok(()),
        }
    }

    /// What validation says of a config, without what its placeholders stand for.
    async fn validated(&self, plugin: Option<&str>, config: &RawConfig) -> HerderResult<ConfigInfos> {
        validate::validate_unresolved(
            self.shared.plugins,
            &self.shared.config,
            &self.shared.providers,
            plugin,
            config,
        )
        .await
    }
}

fn task_id(name: &str, task: u32) -> TaskId {
    TaskId { connector: name.into(), task }
}

#[async_trait]
impl Herder for DistributedHerder {
    async fn server_info(&self) -> HerderResult<ServerInfo> {
        Ok(ServerInfo {
            version: self.shared.version.clone(),
            commit: self.shared.commit.clone(),
            kafka_cluster_id: self.opened().await?.cluster_id.clone(),
        })
    }

    async fn health(&self) -> Health {
        if self.shared.started.borrow().is_none() {
            return Health::Starting(self.shared.stage.summary());
        }
        match tokio::time::timeout(HEALTH_TIMEOUT, self.ask_patiently(request_id(), Request::Ping)).await {
            Ok(Ok(_)) => Health::Healthy,
            Ok(Err(error)) => Health::Unhealthy(error.message),
            Err(_) => Health::Unhealthy(self.shared.stage.summary()),
        }
    }

    async fn metrics(&self) -> Vec<Family> {
        self.all_metrics().await
    }

    async fn connectors(&self) -> HerderResult<Vec<String>> {
        expect!(self.ask(Request::Connectors).await, Answer::Connectors(names) => names)
    }

    async fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        expect!(self.ask(Request::Info(name.to_owned())).await, Answer::Info(info) => info)
    }

    async fn connector_config(&self, name: &str) -> HerderResult<RawConfig> {
        Ok(self.connector_info(name).await?.config)
    }

    async fn put_connector(
        &self,
        name: &str,
        config: RawConfig,
        initial_state: Option<TargetState>,
        replace: bool,
    ) -> HerderResult<(bool, ConnectorInfo)> {
        self.check_config(&config).await?;
        let request = Request::Put { name: name.to_owned(), config, initial_state, replace };
        expect!(self.ask(request).await, Answer::Put(new, info) => (new, info))
    }

    async fn patch_connector(&self, name: &str, patch: RawConfig) -> HerderResult<ConnectorInfo> {
        let mut config = java_copy(self.connector_info(name).await?.config);
        for (key, value) in patch {
            match value {
                Some(value) => config.insert(key, value),
                None => drop(config.remove(&key)),
            }
        }
        let config = crate::connect_json::java_map(config);
        Ok(self.put_connector(name, config, None, true).await?.1)
    }

    async fn delete_connector(&self, name: &str) -> HerderResult<()> {
        self.ask(Request::Delete(name.to_owned())).await.map(drop)
    }

    async fn connector_status(&self, name: &str) -> HerderResult<ConnectorStatus> {
        expect!(self.ask(Request::Status(name.to_owned())).await, Answer::Status(status) => status)
    }

    async fn task_configs(&self, name: &str) -> HerderResult<Vec<(TaskRef, RawConfig)>> {
        expect!(self.ask(Request::Tasks(name.to_owned())).await, Answer::Tasks(tasks) => tasks)
    }

    async fn task_status(&self, name: &str, task: u32) -> HerderResult<StatusEntry> {
        let request = Request::TaskStatus(task_id(name, task));
        expect!(self.ask(request).await, Answer::TaskStatus(status) => status)
    }

    async fn restart_task(&self, name: &str, task: u32) -> HerderResult<()> {
        self.ask(Request::RestartTask(task_id(name, task))).await.map(drop)
    }

    async fn restart_connector(&self, name: &str) -> HerderResult<()> {
        self.ask(Request::RestartConnector(name.to_owned())).await.map(drop)
    }

    async fn restart_connector_and_tasks(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> HerderResult<ConnectorStatus> {
        let request = Request::Restart { name: name.to_owned(), include_tasks, only_failed };
        expect!(self.ask(request).await, Answer::Status(status) => status)
    }

    async fn set_target_state(&self, name: &str, state: TargetState) -> HerderResult<()> {
        self.ask(Request::SetTarget(name.to_owned(), state)).await.map(drop)
    }

    async fn offsets(&self, name: &str) -> HerderResult<Vec<OffsetEntry>> {
        let config = self.connector_config(name).await?;
        let opened = self.opened().await?;
        let listed = offsets::list(&self.shared, &opened, name, &config);
        match tokio::time::timeout(REQUEST_TIMEOUT, listed).await {
            Ok(listed) => listed,
            Err(_) => Err(self.timed_out()),
        }
    }

    async fn alter_offsets(&self, name: &str, offsets: Vec<OffsetEntry>) -> HerderResult<String> {
        let request = Request::ModifyOffsets(name.to_owned(), Some(offsets));
        expect!(self.ask(request).await, Answer::Message(message) => message)
    }

    async fn reset_offsets(&self, name: &str) -> HerderResult<String> {
        let request = Request::ModifyOffsets(name.to_owned(), None);
        expect!(self.ask(request).await, Answer::Message(message) => message)
    }

    async fn topics(&self, name: &str) -> HerderResult<Vec<String>> {
        if !self.shared.config.topic_tracking_enable {
            return Err(HerderError::new(403, "Topic tracking is disabled."));
        }
        expect!(self.ask(Request::Topics(name.to_owned())).await, Answer::Topics(topics) => topics)
    }

    async fn reset_topics(&self, name: &str) -> HerderResult<()> {
        if !self.shared.config.topic_tracking_enable {
            return Err(HerderError::new(403, "Topic tracking is disabled."));
        }
        if !self.shared.config.topic_tracking_allow_reset {
            return Err(HerderError::new(403, "Topic tracking reset is disabled."));
        }
        self.ask(Request::ResetTopics(name.to_owned())).await.map(drop)
    }

    fn plugins(&self) -> &'static [Plugin] {
        self.shared.plugins
    }

    async fn plugin_config(&self, plugin: &str, version: Option<&str>) -> HerderResult<serde_json::Value> {
        validate::plugin_config(self.shared.plugins, plugin, version)
    }

    async fn validate(&self, plugin: &str, config: RawConfig) -> HerderResult<serde_json::Value> {
        Ok(self.validated(Some(plugin), &config).await?.to_json())
    }

    async fn loggers(&self) -> HerderResult<IndexMap<String, LoggerLevel>> {
        Ok(self.shared.loggers.all())
    }

    async fn logger(&self, name: &str) -> HerderResult<LoggerLevel> {
        self.shared.loggers.get(name)
    }

    async fn set_logger(&self, name: &str, level: &str) -> HerderResult<Vec<String>> {
        self.shared.loggers.set(name, level)
    }

    async fn set_logger_cluster(&self, name: &str, level: &str) -> HerderResult<()> {
        if !crate::loggers::LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(HerderError::new(404, format!("invalid log level '{level}'.")));
        }
        self.ask(Request::SetLogger(name.to_owned(), level.to_owned())).await.map(drop)
    }
}
