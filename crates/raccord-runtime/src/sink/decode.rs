//! Bytes to records: a decoder for each topic, values that share the buffer of the fetched batch.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use raccord_plugin::data::{Header, Headers, Position, Record};
use raccord_plugin::{Decoder, HeaderConverter, Result, SchemaAndValue};

use crate::chain::{Converters, NamedConverter};
use crate::ports::{Fetched, FetchedRecord};
use crate::tolerance::{Failure, Stage};

/// Turns fetched records into records.
pub(super) struct Decoding {
    key: NamedConverter,
    value: NamedConverter,
    header: Arc<dyn HeaderConverter>,
    header_class: &'static str,
    topics: Vec<TopicDecoders>,
    by_topic: HashMap<Arc<str>, usize>,
    /// Index into `topics` for each stream of the batch.
    by_stream: Vec<usize>,
}

struct TopicDecoders {
    key: Box<dyn Decoder>,
    value: Box<dyn Decoder>,
}

impl Decoding {
    pub(super) fn new(converters: Converters) -> Self {
        Self {
            key: converters.key,
            value: converters.value,
            header: converters.header,
            header_class: converters.header_class,
            topics: Vec::new(),
            by_topic: HashMap::new(),
            by_stream: Vec::new(),
        }
    }

    /// Finds the decoders for the topics of a batch.
    ///
    /// # Errors
    /// When a converter cannot read a topic at all.
    pub(super) fn begin(&mut self, fetched: &Fetched) -> Result<()> {
        self.by_stream.clear();
        for partition in &fetched.partitions {
            let index = match self.by_topic.get(&partition.topic) {
                Some(index) => *index,
                None => {
                    let key = self.key.converter.decoder(&partition.topic)?;
                    let value = self.value.converter.decoder(&partition.topic)?;
                    self.topics.push(TopicDecoders { key, value });
                    self.by_topic.insert(partition.topic.clone(), self.topics.len() - 1);
                    self.topics.len() - 1
                }
            };
            self.by_stream.push(index);
        }
        Ok(())
    }

    /// Decodes one record of the batch that was begun.
    #[inline]
    pub(super) fn decode(&mut self, fetched: &Fetched, record: &FetchedRecord) -> Result<Record, Failure> {
        let decoders = &mut self.topics[self.by_stream[record.stream as usize]];
        let decode = |decoder: &mut Box<dyn Decoder>, range: &Option<Range<u32>>| match range {
            Some(range) => decoder.decode(Some(&slice(fetched, range))),
            None => decoder.decode(None),
        };
        let key = decode(&mut decoders.key, &record.key).map_err(|error| Failure {
            stage: Stage::KeyConverter,
            class: self.key.class,
            error,
        })?;
        let value = decode(&mut decoders.value, &record.value).map_err(|error| Failure {
            stage: Stage::ValueConverter,
            class: self.value.class,
            error,
        })?;
        let headers = match record.headers.is_empty() {
            true => Headers::default(),
            false => self.headers(fetched, record)?,
        };
        let partition = &fetched.partitions[record.stream as usize];
        Ok(Record {
            topic: partition.topic.clone(),
            partition: Some(partition.partition),
            timestamp: record.timestamp,
            key_schema: key.schema,
            key: key.value,
            value_schema: value.schema,
            value: value.value,
            headers,
            kafka_offset: Some(record.offset),
            position: Position { stream: record.stream, sequence: record.offset as u64 },
        })
    }

    #[cold]
    fn headers(&self, fetched: &Fetched, record: &FetchedRecord) -> Result<Headers, Failure> {
        let topic = &fetched.partitions[record.stream as usize].topic;
        let range = record.headers.start as usize..record.headers.end as usize;
        let decode = |header: &crate::ports::FetchedHeader| {
            let bytes = header.value.as_ref().map(|range| slice(fetched, range));
            let SchemaAndValue { schema, value } = self.header.decode(topic, &header.key, bytes.as_ref())?;
            Ok(Header { key: header.key.clone(), schema, value })
        };
        fetched.headers[range].iter().map(decode).collect::<Result<_>>().map_err(|error| Failure {
            stage: Stage::HeaderConverter,
            class: self.header_class,
            error,
        })
    }
}

#[inline]
fn slice(fetched: &Fetched, range: &Range<u32>) -> Bytes {
    fetched.buffer.slice(range.start as usize..range.end as usize)
}
