//! Topics that a source task reads itself, over the port for consumers.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use raccord_plugin::{RawConfig, Result, TopicPartition, TopicReader, TopicReaders, TopicRecord};

use crate::ports::{Consumer, Fetched, Kafka, Subscription};

/// How long one poll waits; it is repeated.
const POLL: Duration = Duration::from_secs(1);

/// Opens topics with the worker's Kafka clients.
pub struct KafkaTopics(pub Arc<dyn Kafka>);

impl TopicReaders for KafkaTopics {
    fn open(&self, topic: &str, properties: &RawConfig) -> Result<Box<dyn TopicReader>> {
        let partition = TopicPartition { topic: topic.into(), partition: 0 };
        let consumer = self.0.consumer(properties, Subscription::Partition(partition.clone()))?;
        Ok(Box::new(Reader { consumer, partition, batch: Fetched::default() }))
    }
}

struct Reader {
    consumer: Box<dyn Consumer>,
    partition: TopicPartition,
    batch: Fetched,
}

#[async_trait]
impl TopicReader for Reader {
    async fn next(&mut self) -> Result<Vec<TopicRecord>> {
        while self.batch.records.is_empty() {
            self.consumer.poll(POLL, &mut self.batch).await?;
        }
        let Fetched { buffer, records, .. } = &mut self.batch;
        let bytes = |range: &Option<Range<u32>>| {
            range.as_ref().map(|range| buffer.slice(range.start as usize..range.end as usize))
        };
        let taken = records.iter().map(|record| TopicRecord {
            key: bytes(&record.key),
            value: bytes(&record.value),
            kafka_offset: record.offset,
        });
        let taken = taken.collect();
        records.clear();
        Ok(taken)
    }

    async fn commit(&mut self, kafka_offset: i64) -> Result<()> {
        self.consumer.commit(&[(self.partition.clone(), kafka_offset + 1)]).await
    }
}
