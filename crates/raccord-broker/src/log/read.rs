//! Reading: a Fetch's bytes in one `pread`, offsets by time, and the coordinators' replay.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::{self, Header};
use super::segment::Segment;
use super::{Aborted, LogError, PartitionLog, View};

/// Bytes looked at in one go on the way from an index entry to a batch: as far as entries are apart by default.
const HEADERS_CHUNK: usize = 4 << 10;
/// The same when walking over the headers of a segment.
pub(super) const WALK_CHUNK: usize = 16 << 10;
/// The same when bodies are wanted too.
pub(super) const BODY_CHUNK: usize = 1 << 20;

/// `isolation.level` of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

/// What a Fetch gets from one partition.
#[derive(Debug, Clone)]
pub(crate) struct ReadResult {
    /// Whole batches from the one that holds the offset on.
    pub(crate) records: Bytes,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
    pub(crate) log_start: i64,
    /// Aborted transactions that overlap `records` (read_committed only).
    pub(crate) aborted: Vec<Aborted>,
}

/// What ListOffsets asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeQuery {
    Earliest,
    Latest,
    /// The record with the largest time.
    MaxTimestamp,
    /// The first record at or after this time.
    At(i64),
}

/// A record as [`PartitionLog::replay`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The producer whose transaction the record is part of.
    pub producer: Option<batch::ProducerTag>,
    /// For the marker that ends a transaction of `producer`: whether it committed. Key and value are none then.
    pub marker: Option<bool>,
}

impl View {
    fn limit(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.end,
            Isolation::ReadCommitted => self.stable,
        }
    }

    /// Index of the segment that holds `offset` or would.
    pub(super) fn segment_index(&self, offset: i64) -> usize {
        self.segments.partition_point(|s| s.base_offset <= offset).saturating_sub(1)
    }

    fn aborted_between(&self, from: i64, to: i64) -> Vec<Aborted> {
        self.aborted.iter().filter(|a| a.last_offset >= from && a.first_offset < to).copied().collect()
    }
}

/// What of a segment may be read, taken under the view lock.
struct Slice {
    segment: Arc<Segment>,
    end: u64,
}

impl PartitionLog {
    /// Bytes between `offset` and the end a reader may see; too much by an index interval at most. Cheap: no reading.
    pub(crate) fn bytes_from(&self, offset: i64, isolation: Isolation) -> Result<u64, LogError> {
        let view = self.view.read();
        if offset < view.log_start || offset > view.end {
            return Err(LogError::OffsetOutOfRange { offset, start: view.log_start, end: view.end });
        }
        if offset >= view.limit(isolation) {
            return Ok(0);
        }
        let first = view.segment_index(offset);
        let total: u64 = view.segments[first..].iter().map(|s| s.len()).sum();
        let segment = view.segments[first].clone();
        drop(view);
        Ok((total - segment.floor(offset)?.min(total)).max(1))
    }

    /// Reads from the batch that holds `offset`, at most `max_bytes`, but with `whole_batch` at least that batch.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`], [`LogError::Storage`].
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        whole_batch: bool,
        isolation: Isolation,
    ) -> Result<ReadResult, LogError> {
        let (mut result, limit, end, slices, aborted) = {
            let view = self.view.read();
            if offset < view.log_start || offset > view.end {
                return Err(LogError::OffsetOutOfRange { offset, start: view.log_start, end: view.end });
            }
            let limit = view.limit(isolation);
            let result = ReadResult {
                records: Bytes::new(),
                high_watermark: view.end,
                last_stable: view.stable,
                log_start: view.log_start,
                aborted: Vec::new(),
            };
            if offset >= limit {
                return Ok(result);
            }
            let first = view.segment_index(offset);
            // The offset may lie in the gap that compaction left at a segment's end, and the active one may be empty.
            let slices: Vec<Slice> = view.segments[first..]
                .iter()
                .take(3)
                .map(|s| Slice { segment: s.clone(), end: s.len() })
                .collect();
            let aborted = match isolation {
                Isolation::ReadCommitted => view.aborted_between(offset, limit),
                Isolation::ReadUncommitted => Vec::new(),
            };
            (result, limit, view.end, slices, aborted)
        };
        for slice in &slices {
            if let Some(bytes) = read_slice(slice, offset, max_bytes, whole_batch)? {
                result.records = if limit < end { cut_at_offset(bytes, limit) } else { bytes };
                break;
            }
        }
        if !aborted.is_empty() {
            let to = last_offset(&result.records).map_or(offset, |last| last + 1);
            result.aborted = aborted.into_iter().filter(|a| a.first_offset < to).collect();
        }
        Ok(result)
    }

    /// Answers ListOffsets: offset and time of the record found.
    pub(crate) fn query(
        &self,
        query: TimeQuery,
        isolation: Isolation,
    ) -> Result<Option<(i64, i64)>, LogError> {
        let (log_start, limit, segments) = {
            let view = self.view.read();
            (view.log_start, view.limit(isolation), view.segments.clone())
        };
        match query {
            TimeQuery::Earliest => Ok(Some((log_start, -1))),
            TimeQuery::Latest => Ok(Some((limit, -1))),
            TimeQuery::At(time) => {
                for segment in segments.iter().filter(|s| s.max_timestamp() >= time) {
                    if let Some(found) = first_at(segment, time, log_start, limit)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            TimeQuery::MaxTimestamp => {
                let Some(latest) = segments.iter().map(|s| s.max_timestamp()).max().filter(|t| *t >= 0)
                else {
                    return Ok(None);
                };
                for segment in segments.iter().filter(|s| s.max_timestamp() == latest) {
                    if let Some(found) = first_at(segment, latest, log_start, limit)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Shows every record from `from` on, and the markers that end transactions, in order; returns the offset after
    /// the last. Records of transactions carry their producer: whoever replays must hold them back until the marker.
    ///
    /// # Errors
    /// [`LogError::Storage`], [`LogError::Corrupt`].
    pub fn replay(&self, from: i64, show: &mut dyn FnMut(LogRecord)) -> Result<i64, LogError> {
        let (segments, end) = {
            let view = self.view.read();
            (view.segments[view.segment_index(from)..].to_vec(), view.end)
        };
        for segment in segments {
            let start = segment.floor(from)?;
            let mut batches = segment.batches(start, segment.len(), BODY_CHUNK);
            while let Some((position, header)) = batches.next().map_err(std::io::Error::from)? {
                if header.last_offset() >= from && header.base_offset < end {
                    let body = batches.body(position, &header)?;
                    replay_batch(&header, &body, from, show)?;
                }
            }
        }
        Ok(end)
    }
}

fn replay_batch(
    header: &Header,
    body: &Bytes,
    from: i64,
    show: &mut dyn FnMut(LogRecord),
) -> Result<(), LogError> {
    let producer = header.is_transactional().then_some(batch::ProducerTag {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
    });
    if header.is_control() {
        if let Some((committed, _)) = super::append::decode_marker(header, body) {
            show(LogRecord {
                offset: header.base_offset,
                timestamp_ms: header.max_timestamp,
                key: None,
                value: None,
                producer,
                marker: Some(committed),
            });
        }
        return Ok(());
    }
    for record in batch::records(header, body).map_err(|e| LogError::Corrupt(e.to_string()))? {
        let offset = header.base_offset + i64::from(record.offset_delta);
        if offset >= from {
            let timestamp_ms = header.base_timestamp.wrapping_add(record.timestamp_delta);
            show(LogRecord {
                offset,
                timestamp_ms,
                key: record.key,
                value: record.value,
                producer,
                marker: None,
            });
        }
    }
    Ok(())
}

/// Bytes of one segment from the batch that holds `offset` (or the next one) on; `None` if all batches are before it.
///
/// Where they begin and end is found by headers alone, so that nothing is read, sent and received that no reader can
/// use: of a batch that does not fit any more it would only see a part.
fn read_slice(
    slice: &Slice,
    offset: i64,
    max_bytes: usize,
    whole_batch: bool,
) -> Result<Option<Bytes>, LogError> {
    let Slice { segment, end } = slice;
    let floor = segment.floor(offset)?.min(*end);
    let mut batches = segment.batches(floor, *end, HEADERS_CHUNK);
    let (from, size) = loop {
        match batches.next().map_err(std::io::Error::from)? {
            None => return Ok(None),
            Some((from, header)) if header.last_offset() >= offset => break (from, header.size()),
            Some(_) => {}
        }
    };
    let to = match from + max_bytes as u64 {
        limit if limit >= *end => *end,
        limit if limit >= from + size as u64 => last_boundary(segment, from, limit, *end)?,
        _ if whole_batch => from + size as u64,
        _ => return Ok(Some(Bytes::new())),
    };
    Ok(Some(segment.read(from, (to - from) as usize)?))
}

/// The last end of a batch up to `limit`, which lies between `from`, where a batch begins, and `end`, where one ends.
fn last_boundary(segment: &Segment, from: u64, limit: u64, end: u64) -> Result<u64, LogError> {
    let indexed = segment.floor_by_position(limit)?.max(from);
    let mut batches = segment.batches(indexed, end, HEADERS_CHUNK);
    loop {
        let boundary = batches.position();
        match batches.next().map_err(std::io::Error::from)? {
            Some(_) if batches.position() <= limit => {}
            _ => return Ok(boundary),
        }
    }
}

/// Drops the batches at `limit` and later.
fn cut_at_offset(bytes: Bytes, limit: i64) -> Bytes {
    let mut at = 0;
    while let Ok(header) = Header::parse(&bytes[at..]) {
        if header.base_offset >= limit {
            return bytes.slice(..at);
        }
        at += header.size();
        if at >= bytes.len() {
            break;
        }
    }
    bytes
}

fn last_offset(bytes: &Bytes) -> Option<i64> {
    let mut at = 0;
    let mut last = None;
    while at < bytes.len()
        && let Ok(header) = Header::parse(&bytes[at..])
    {
        last = Some(header.last_offset());
        at += header.size();
    }
    last
}

/// The first record of a segment at or after `time`, within `from..limit`.
fn first_at(segment: &Segment, time: i64, from: i64, limit: i64) -> Result<Option<(i64, i64)>, LogError> {
    let start = segment.floor_by_time(time)?;
    let mut batches = segment.batches(start, segment.len(), WALK_CHUNK);
    while let Some((position, header)) = batches.next().map_err(std::io::Error::from)? {
        if header.base_offset >= limit {
            break;
        }
        if header.max_timestamp < time || header.last_offset() < from {
            continue;
        }
        if header.is_append_time() {
            return Ok(Some((header.base_offset.max(from), header.max_timestamp)));
        }
        let body = batches.body(position, &header)?;
        for record in batch::records(&header, &body).map_err(|e| LogError::Corrupt(e.to_string()))? {
            let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
            let offset = header.base_offset + i64::from(record.offset_delta);
            if timestamp >= time && offset >= from {
                return Ok(Some((offset, timestamp)));
            }
        }
    }
    Ok(None)
}
