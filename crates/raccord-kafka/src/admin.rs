//! Topics and groups over librdkafka's admin client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use raccord_plugin::{Error, Result, TopicPartition};
use raccord_runtime::ports::{Admin, GroupOffset, NewTopic, TopicDescription};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::config::ClientConfig;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;

use crate::classify::{self, classify};
use crate::client::{LogContext, LoggedIn};
use crate::creations::Creations;
use crate::native::{self, NativeError};
use crate::oauth::Login;

/// How long one request may take, brokers being slow included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the client's log is looked at while a request is on its way.
const LOG_INTERVAL: Duration = Duration::from_millis(25);

/// An admin client; clones share the connection.
#[derive(Clone)]
pub struct RdAdmin {
    client: Arc<LoggedIn<AdminClient<LogContext>>>,
    context: LogContext,
    creations: Creations,
}

impl RdAdmin {
    /// Makes the client; it connects when it is first used.
    ///
    /// # Errors
    /// `Error::config` when librdkafka refuses a property.
    pub(crate) fn new(config: &ClientConfig, login: Option<&Arc<Login>>) -> Result<Self> {
        let context = LogContext::default();
        let client = config
            .create_with_context(context.clone())
            .map_err(|error| classify("make an admin client", &error))?;
        let client = Arc::new(LoggedIn::new(client, login, &context));
        Ok(Self { client, context, creations: Creations::default() })
    }

    /// The outcome of a request, or why no broker lets the client in: librdkafka would go on trying.
    async fn unless_refused<T>(&self, doing: &str, request: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(request);
        loop {
            tokio::select! {
                biased;
                outcome = &mut request => return outcome,
                refusal = self.context.refused() => return Err(refusal.error(doing)),
                () = tokio::time::sleep(LOG_INTERVAL) => {}
            }
            // Unlike other clients, the wrapper's admin client leaves its log in a queue that nobody reads.
            native::take_log(&**self.client, |level, facility, line| {
                self.context.on_log(level, facility, line)
            });
        }
    }

    fn options() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
    }

    /// Runs a blocking call of librdkafka where blocking is allowed.
    async fn native<T: Send + 'static>(
        &self,
        doing: String,
        call: impl FnOnce(&AdminClient<LogContext>) -> std::result::Result<T, NativeError> + Send + 'static,
    ) -> Result<T> {
        let client = self.client.clone();
        self.unless_refused(&doing, async {
            tokio::task::spawn_blocking(move || call(&client))
                .await
                .map_err(|error| {
                    Error::fatal(format!("interrupted while trying to {doing}")).caused_by(error)
                })?
                .map_err(|error| classify::error(&doing, error.code, &error.message))
        })
        .await
    }

    /// Waits until a broker has been found, at most that long. Requests made before would find none and try again only
    /// after a while.
    pub async fn connect(&self, patience: Duration) {
        let client = self.client.clone();
        // Without a broker the requests that follow fail, and say why.
        let finding = tokio::task::spawn_blocking(move || native::find_broker(&**client, patience));
        let _ = self
            .unless_refused("find a broker", async { Ok(finding.await.is_ok_and(|found| found.is_ok())) })
            .await;
    }

    /// The earliest or latest offset of each partition.
    ///
    /// # Errors
    /// The broker's reason.
    pub async fn offsets(&self, topic: &str, partitions: &[i32], which: Offset) -> Result<Vec<(i32, i64)>> {
        let (name, partitions) = (topic.to_owned(), partitions.to_vec());
        self.native(format!("read the offsets of topic {topic}"), move |client| {
            native::list_offsets(client, &name, &partitions, which, REQUEST_TIMEOUT)
        })
        .await
    }

    /// Creates topics with one request. Says of each whether it did not exist before, or why it was not created.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn create(&self, topics: &[NewTopic]) -> Result<Vec<(String, Result<bool>)>> {
        let wanted = topics.to_vec();
        let answers = self
            .native("create topics".to_owned(), move |client| {
                native::create_topics(client, &wanted, REQUEST_TIMEOUT)
            })
            .await?;
        let outcome = |(name, refused)| match refused {
            None => (name, Ok(true)),
            Some(NativeError { code: RDKafkaErrorCode::TopicAlreadyExists, .. }) => (name, Ok(false)),
            Some(NativeError { code, message }) => (name, Err(classify::refusal(code, message))),
        };
        Ok(answers.into_iter().map(outcome).collect())
    }

    /// Creates a topic, together with others that are wanted at the same time. Says whether it did not exist before.
    ///
    /// # Errors
    /// The broker's reason.
    pub async fn create_together(&self, topic: NewTopic) -> Result<bool> {
        self.creations.create(self, topic).await
    }

    /// The configs of a topic by name.
    ///
    /// # Errors
    /// The broker's reason.
    pub async fn topic_configs(&self, topic: &str) -> Result<HashMap<String, Option<String>>> {
        let doing = format!("read the configs of topic {topic}");
        let specifier = ResourceSpecifier::Topic(topic);
        let options = Self::options();
        let request = self.client.describe_configs([&specifier], &options);
        let answer = async { request.await.map_err(|error| classify(&doing, &error)) };
        let resource = self.unless_refused(&doing, answer).await?.into_iter().next();
        match resource {
            Some(Ok(resource)) => {
                Ok(resource.entries.into_iter().map(|entry| (entry.name, entry.value)).collect())
            }
            Some(Err(code)) => Err(classify::error(&doing, code, &code.to_string())),
            None => Err(Error::fatal(format!("the broker did not answer when asked to {doing}"))),
        }
    }
}

#[async_trait]
impl Admin for RdAdmin {
    async fn cluster_id(&self) -> Result<Option<String>> {
        self.connect(REQUEST_TIMEOUT).await;
        let client = self.client.clone();
        self.unless_refused("connect to and describe the Kafka cluster", async {
            tokio::task::spawn_blocking(move || client.inner().fetch_cluster_id(REQUEST_TIMEOUT))
                .await
                .map_err(|error| Error::fatal("interrupted while asking for the cluster id").caused_by(error))
        })
        .await
    }

    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<String>> {
        let mut created = Vec::new();
        for (name, outcome) in self.create(topics).await? {
            if outcome? {
                created.push(name);
            }
        }
        Ok(created)
    }

    async fn describe_topics(&self, names: &[&str]) -> Result<Vec<TopicDescription>> {
        let wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let counts = self
            .native(format!("describe topics {}", names.join(", ")), move |client| {
                native::describe_topics(client, &wanted, REQUEST_TIMEOUT)
            })
            .await?;
        Ok(counts.into_iter().map(|(name, partitions)| TopicDescription { name, partitions }).collect())
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<GroupOffset>> {
        let Some(described) = self.describe_topics(&[topic]).await?.into_iter().next() else {
            return Ok(Vec::new());
        };
        let partitions: Vec<i32> = (0..described.partitions).collect();
        let topic: Arc<str> = topic.into();
        let ends = self.offsets(&topic, &partitions, Offset::End).await?;
        let end = |(partition, offset)| GroupOffset {
            partition: TopicPartition { topic: topic.clone(), partition },
            offset,
        };
        Ok(ends.into_iter().map(end).collect())
    }

    async fn group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>> {
        let name = group.to_owned();
        self.native(format!("list the offsets of group {group}"), move |client| {
            native::group_offsets(client, &name, REQUEST_TIMEOUT)
        })
        .await
    }

    async fn alter_group_offsets(&self, group: &str, offsets: &[GroupOffset]) -> Result<()> {
        let (name, offsets) = (group.to_owned(), offsets.to_vec());
        self.native(format!("alter the offsets of group {group}"), move |client| {
            native::alter_group_offsets(client, &name, &offsets, REQUEST_TIMEOUT)
        })
        .await
    }

    async fn delete_group_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<()> {
        let (name, partitions) = (group.to_owned(), partitions.to_vec());
        self.native(format!("delete offsets of group {group}"), move |client| {
            native::delete_group_offsets(client, &name, &partitions, REQUEST_TIMEOUT)
        })
        .await
    }

    async fn delete_group(&self, group: &str) -> Result<()> {
        let doing = format!("delete group {group}");
        let (groups, options) = ([group], Self::options());
        let request = self.client.delete_groups(&groups, &options);
        let answer = async { request.await.map_err(|error| classify(&doing, &error)) };
        let answers = self.unless_refused(&doing, answer).await?;
        match answers.into_iter().next() {
            None | Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::GroupIdNotFound))) => Ok(()),
            Some(Err((_, code))) => Err(classify::error(&doing, code, &code.to_string())),
        }
    }
}
