//! Appending: the rules a batch must keep, then one `write` of the client's bytes.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{self, BatchError, Header, NewRecord, PATCH_LEN, ProducerTag};
use super::producers::Verdict;
use super::segment::Segment;
use super::{LEADER_EPOCH, LogError, LogSettings, PartitionLog, Writer};
use crate::clock::now_ms;

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client's Produce: all rules apply.
    Client,
    /// The broker's own coordinators.
    Coordinator,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// Time the broker gave the batch, or -1 if it kept the producer's.
    pub(crate) append_time_ms: i64,
    pub(crate) log_start_offset: i64,
}

/// The end of a transaction in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlMarker {
    /// Producer of the transaction.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Commit, or abort.
    pub committed: bool,
    /// Epoch of the coordinator that decided.
    pub coordinator_epoch: i32,
}

impl PartitionLog {
    /// Appends exactly one batch as Produce brings it.
    pub(crate) fn append(&self, bytes: Bytes, origin: Origin) -> Result<Appended, LogError> {
        let settings = self.settings();
        let now = now_ms();
        let (header, bytes) = check_batch(bytes, &settings, origin, now)?;
        let mut writer = self.writer.lock();
        if header.producer_id >= 0
            && origin == Origin::Client
            && let Verdict::Duplicate(seen) = writer.producers.check(&header)?
        {
            let append_time_ms = if settings.append_time { seen.timestamp_ms } else { -1 };
            return Ok(Appended {
                base_offset: seen.first_offset,
                append_time_ms,
                log_start_offset: self.log_start_offset(),
            });
        }
        let header = self.write(&mut writer, header, &bytes, &settings, now)?;
        writer.producers.note(&header);
        let log_start_offset = self.publish(&writer, None);
        let append_time_ms = if header.is_append_time() { now } else { -1 };
        Ok(Appended { base_offset: header.base_offset, append_time_ms, log_start_offset })
    }

    /// Appends the broker's own records as one batch; returns the offset of the first.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] above `max.message.bytes`, [`LogError::Deleted`], [`LogError::Storage`].
    pub fn append_records(&self, records: &[NewRecord]) -> Result<i64, LogError> {
        Ok(self.append(batch::build(records, None, false), Origin::Coordinator)?.base_offset)
    }

    /// Appends the broker's own records as part of `producer`'s open transaction (TxnOffsetCommit).
    ///
    /// # Errors
    /// As [`append_records`](Self::append_records).
    pub fn append_records_as(&self, records: &[NewRecord], producer: ProducerTag) -> Result<i64, LogError> {
        Ok(self.append(batch::build(records, Some(producer), false), Origin::Coordinator)?.base_offset)
    }

    /// Ends a producer's transaction here; returns the marker's offset. Harmless when none is open.
    ///
    /// # Errors
    /// [`LogError::ProducerEpoch`], [`LogError::CoordinatorFenced`], [`LogError::Deleted`], [`LogError::Storage`].
    pub fn append_control_batch(&self, marker: &ControlMarker) -> Result<i64, LogError> {
        let now = now_ms();
        let bytes = encode_marker(marker, now);
        let header = Header::parse(&bytes).map_err(corrupt)?;
        let settings = self.settings();
        let mut writer = self.writer.lock();
        writer.producers.check_marker(marker.producer_id, marker.producer_epoch, marker.coordinator_epoch)?;
        let header = self.write(&mut writer, header, &bytes, &settings, now)?;
        let aborted = writer.producers.note_marker(&header, marker.coordinator_epoch, marker.committed);
        self.publish(&writer, aborted);
        Ok(header.base_offset)
    }

    /// Writes one checked batch at the end of the log; returns its header with the final offset.
    fn write(
        &self,
        writer: &mut Writer,
        mut header: Header,
        bytes: &Bytes,
        settings: &LogSettings,
        now: i64,
    ) -> Result<Header, LogError> {
        if writer.closed {
            return Err(LogError::Deleted);
        }
        self.roll_if_due(writer, header.size() as u64, i64::from(header.last_offset_delta), settings, now)?;
        header.base_offset = writer.next_offset;
        header.leader_epoch = LEADER_EPOCH;
        let patch = header.patch(header.base_offset, LEADER_EPOCH);
        let mut parts = [IoSlice::new(&patch), IoSlice::new(&bytes[PATCH_LEN..])];
        writer.active.append(&header, &mut parts, settings.index_interval_bytes)?;
        writer.next_offset = header.last_offset() + 1;
        writer.segment_since_ms.get_or_insert(now);
        writer.dirty_since_ms.get_or_insert(now);
        writer.dirty_bytes += header.size() as u64;
        Ok(header)
    }

    /// Shows the writer's state to readers and wakes those who wait; returns the log start offset.
    fn publish(&self, writer: &Writer, aborted: Option<super::Aborted>) -> i64 {
        let log_start = {
            let mut view = self.view.write();
            view.end = writer.next_offset;
            view.stable = writer.producers.first_unstable().unwrap_or(writer.next_offset);
            view.aborted.extend(aborted);
            view.log_start
        };
        self.waiters.wake();
        log_start
    }

    fn roll_if_due(
        &self,
        writer: &mut Writer,
        size: u64,
        last_offset_delta: i64,
        settings: &LogSettings,
        now: i64,
    ) -> Result<(), LogError> {
        let len = writer.active.len();
        if len == 0 {
            return Ok(());
        }
        let full = len + size > settings.segment_bytes;
        let old =
            writer.segment_since_ms.is_some_and(|since| now.saturating_sub(since) > settings.segment_ms);
        let far = writer.next_offset + last_offset_delta - writer.active.base_offset > i64::from(i32::MAX);
        if full || old || far {
            self.roll(writer)?;
        }
        Ok(())
    }

    /// Seals the active segment and begins an empty one.
    pub(super) fn roll(&self, writer: &mut Writer) -> Result<(), LogError> {
        if writer.active.len() == 0 {
            return Ok(());
        }
        writer.active.write_index(true)?;
        let fresh = Arc::new(Segment::create(&self.dir, writer.next_offset, "log")?);
        self.view.write().segments.push(fresh.clone());
        writer.active = fresh;
        writer.segment_since_ms = None;
        Ok(())
    }
}

fn corrupt(e: BatchError) -> LogError {
    match e {
        BatchError::Invalid(text) => LogError::InvalidRecord(text.to_string()),
        BatchError::Magic(_) => LogError::InvalidRecord(e.to_string()),
        _ => LogError::Corrupt(e.to_string()),
    }
}

/// Checks a batch and applies what the topic wants changed in it (time of append, codec).
fn check_batch(
    bytes: Bytes,
    settings: &LogSettings,
    origin: Origin,
    now: i64,
) -> Result<(Header, Bytes), LogError> {
    let header = Header::parse(&bytes).map_err(corrupt)?;
    if header.size() > bytes.len() {
        return Err(LogError::Corrupt(BatchError::Short.to_string()));
    }
    if header.size() < bytes.len() {
        return Err(LogError::InvalidRecord(
            "a partition must be given exactly one record batch".to_string(),
        ));
    }
    let max = settings.max_message_bytes;
    if header.size() > max {
        return Err(LogError::TooLarge { size: header.size(), max });
    }
    if origin == Origin::Coordinator {
        return Ok((header, bytes));
    }
    check_header(&header, &bytes)?;
    check_time(&header, settings, now)?;
    if settings.cleanup.compact || header.compression() != 0 && settings.compression.is_some() {
        check_keys(&header, &bytes, settings)?;
    }
    rewrite(header, bytes, settings, now)
}

fn check_header(header: &Header, bytes: &Bytes) -> Result<(), LogError> {
    let invalid = |text: &str| Err(LogError::InvalidRecord(text.to_string()));
    if !batch::crc_matches(header, bytes) {
        return Err(LogError::Corrupt(BatchError::Crc.to_string()));
    }
    if header.is_control() {
        return invalid("clients are not allowed to write control records");
    }
    if header.compression() > 4 {
        return Err(LogError::UnsupportedCompression(format!("codec {} is unknown", header.compression())));
    }
    if header.count == 0 || header.count - 1 != header.last_offset_delta {
        return invalid("the record count does not match the last offset delta");
    }
    if header.compression() == 0 && (header.count as usize) > (bytes.len() - batch::HEADER_LEN) / 7 {
        return invalid("the batch is too small for its record count");
    }
    if header.producer_id >= 0 && header.producer_epoch < 0 {
        return invalid("a producer id needs a producer epoch");
    }
    if header.is_transactional() && header.producer_id < 0 {
        return invalid("a transactional batch needs a producer id");
    }
    Ok(())
}

fn check_time(header: &Header, settings: &LogSettings, now: i64) -> Result<(), LogError> {
    if settings.append_time {
        return Ok(());
    }
    let refuse = |t: i64| {
        let allowed = (
            now.saturating_sub(settings.timestamp_before_max_ms),
            now.saturating_add(settings.timestamp_after_max_ms),
        );
        Err(LogError::InvalidTimestamp(format!("timestamp {t} is outside of {} to {}", allowed.0, allowed.1)))
    };
    if header.max_timestamp.saturating_sub(now) > settings.timestamp_after_max_ms {
        return refuse(header.max_timestamp);
    }
    // The base time is the first record's; good enough for the lower bound, which is off by default.
    if header.base_timestamp >= 0
        && now.saturating_sub(header.base_timestamp) > settings.timestamp_before_max_ms
    {
        return refuse(header.base_timestamp);
    }
    Ok(())
}

fn check_keys(header: &Header, bytes: &Bytes, settings: &LogSettings) -> Result<(), LogError> {
    let records = batch::records(header, bytes).map_err(corrupt)?;
    if settings.cleanup.compact {
        let missing: Vec<i32> =
            records.iter().enumerate().filter(|(_, r)| r.key.is_none()).map(|(i, _)| i as i32).collect();
        if !missing.is_empty() {
            return Err(LogError::MissingKeys(missing));
        }
    }
    Ok(())
}

fn rewrite(
    mut header: Header,
    mut bytes: Bytes,
    settings: &LogSettings,
    now: i64,
) -> Result<(Header, Bytes), LogError> {
    if let Some(codec) = settings.compression.filter(|codec| *codec != header.compression()) {
        bytes = batch::recompress(&header, &bytes, codec).map_err(corrupt)?;
        header = Header::parse(&bytes).map_err(corrupt)?;
    }
    if settings.append_time != header.is_append_time() {
        if settings.append_time {
            header.set_append_time(now)
        } else {
            header.set_create_time()
        }
        bytes = header.encode(&bytes[batch::HEADER_LEN..]);
        header = Header::parse(&bytes).map_err(corrupt)?;
    } else if settings.append_time {
        header.set_append_time(now);
        bytes = header.encode(&bytes[batch::HEADER_LEN..]);
        header = Header::parse(&bytes).map_err(corrupt)?;
    }
    Ok((header, bytes))
}

/// Key: version, type (0 abort, 1 commit). Value: version, coordinator epoch. (Kafka: EndTransactionMarker.)
fn encode_marker(marker: &ControlMarker, now: i64) -> Bytes {
    let mut key = BytesMut::with_capacity(4);
    key.put_i16(0);
    key.put_i16(i16::from(marker.committed));
    let mut value = BytesMut::with_capacity(6);
    value.put_i16(0);
    value.put_i32(marker.coordinator_epoch);
    let record = NewRecord { key: Some(key.freeze()), value: Some(value.freeze()), timestamp_ms: now };
    let producer = ProducerTag { producer_id: marker.producer_id, producer_epoch: marker.producer_epoch };
    batch::build(&[record], Some(producer), true)
}

/// What the control batch `bytes` says: committed?, and the coordinator's epoch. `None` for other control records.
pub(super) fn decode_marker(header: &Header, bytes: &Bytes) -> Option<(bool, i32)> {
    let records = batch::records(header, bytes).ok()?;
    let record = records.first()?;
    let kind = record.key.as_ref()?.get(2..4)?;
    let epoch = record
        .value
        .as_ref()
        .and_then(|v| v.get(2..6))
        .map_or(0, |b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    match i16::from_be_bytes([kind[0], kind[1]]) {
        0 => Some((false, epoch)),
        1 => Some((true, epoch)),
        _ => None,
    }
}
