//! Log compaction: of each key only the latest value stays.
//!
//! A pass reads the dirty part (decided, not active, old enough) into a map from key to last offset, then rewrites
//! the segments from the log's start to the end of that part. Batches in which nothing changes are copied as bytes.
//! Tombstones, and markers of transactions of which nothing is left, get a *delete horizon* in their batch header when
//! a pass first sees them so (Kafka's KIP-534 layout: attribute bit 6, base timestamp = horizon), and are dropped by the
//! first pass after it; until then a slow reader can still see them. Records of aborted transactions are dropped.
//!
//! A rewritten group becomes visible in three steps that recovery can finish or undo: `.cleaned` (ignored), synced and
//! renamed to `.swap` (counts from here on), old files removed and renamed to `.log`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::batch::{self, Header, RawRecord};
use super::read::BODY_CHUNK;
use super::recovery::{finish_swap, swap_name};
use super::segment::Segment;
use super::{Aborted, LogError, LogSettings, PartitionLog};

/// Keys of one pass; about 50 bytes each. A dirty part with more keys is cleaned in several passes.
const KEYS_MAX: usize = 1_000_000;

/// Last offset per key, by a keyed 128-bit hash: an attacker cannot aim at a collision, and none happens by chance.
struct KeyOffsets {
    hashers: [RandomState; 2],
    last: HashMap<(u64, u64), i64>,
}

impl KeyOffsets {
    fn new() -> KeyOffsets {
        KeyOffsets { hashers: [RandomState::new(), RandomState::new()], last: HashMap::new() }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one(key), self.hashers[1].hash_one(key))
    }

    fn put(&mut self, key: &[u8], offset: i64) {
        self.last.insert(self.hash(key), offset);
    }

    /// Whether a record of this key at `offset` has a later one.
    fn superseded(&self, key: &[u8], offset: i64) -> bool {
        self.last.get(&self.hash(key)).is_some_and(|last| *last > offset)
    }
}

/// What one pass over a log knows.
struct Pass<'a> {
    keys: KeyOffsets,
    /// Aborted transactions by producer.
    aborted: HashMap<i64, Vec<Aborted>>,
    settings: &'a LogSettings,
    now: i64,
    /// Producers with a surviving record in the transaction whose marker is still to come.
    alive: HashSet<i64>,
    /// Abort markers that were dropped: their entry in the aborted index must go, too.
    dropped_markers: HashSet<i64>,
}

/// What becomes of a batch.
enum Fate {
    Keep,
    Drop,
    Replace(Bytes),
}

impl PartitionLog {
    /// Compacts if the topic wants it and enough is dirty. Returns whether a pass ran.
    pub(crate) fn compact_if_due(&self, now: i64) -> Result<bool, LogError> {
        let mut maintenance = self.maintenance.lock();
        let settings = self.settings();
        if !settings.cleanup.compact {
            return Ok(false);
        }
        let (segments, log_start, stable) = {
            let view = self.view.read();
            (view.segments.clone(), view.log_start, view.stable)
        };
        let clean_to = maintenance.clean_to.max(log_start).min(stable);
        let cleanable = cleanable(&segments, clean_to, stable, &settings, now);
        let dirty: u64 = cleanable.iter().filter(|s| end_of(&segments, s) > clean_to).map(|s| s.len()).sum();
        let clean: u64 = cleanable.iter().filter(|s| end_of(&segments, s) <= clean_to).map(|s| s.len()).sum();
        let ratio = dirty as f64 / (dirty + clean).max(1) as f64;
        let overdue = cleanable.iter().any(|s| {
            end_of(&segments, s) > clean_to
                && s.max_timestamp() >= 0
                && now.saturating_sub(s.max_timestamp()) > settings.max_compaction_lag_ms
        });
        if dirty == 0 || ratio < settings.min_cleanable_dirty_ratio && !overdue {
            return Ok(false);
        }
        let cleaned_to = self.compact(&segments, &cleanable, clean_to, &settings, now)?;
        maintenance.clean_to = cleaned_to;
        self.checkpoint_locked(cleaned_to)?;
        Ok(true)
    }

    fn compact(
        &self,
        segments: &[Arc<Segment>],
        cleanable: &[Arc<Segment>],
        clean_to: i64,
        settings: &LogSettings,
        now: i64,
    ) -> Result<i64, LogError> {
        let aborted = self.view.read().aborted.clone();
        let mut by_producer: HashMap<i64, Vec<Aborted>> = HashMap::new();
        for a in aborted {
            by_producer.entry(a.producer_id).or_default().push(a);
        }
        let mut pass = Pass {
            keys: KeyOffsets::new(),
            aborted: by_producer,
            settings,
            now,
            alive: HashSet::new(),
            dropped_markers: HashSet::new(),
        };
        let mut cleaned_to = clean_to;
        let mut last = 0;
        for (i, segment) in cleanable.iter().enumerate() {
            let end = end_of(segments, segment);
            last = i + 1;
            if end > clean_to {
                pass.read_keys(segment, clean_to)?;
                cleaned_to = end;
                if pass.keys.last.len() >= KEYS_MAX {
                    break;
                }
            }
        }
        let mut rest = &cleanable[..last];
        while !rest.is_empty() {
            let (group, others) = rest.split_at(group_len(rest, segments, settings.segment_bytes));
            let end = end_of(segments, &group[group.len() - 1]);
            self.rewrite_group(group, end, clean_to, &mut pass)?;
            rest = others;
        }
        Ok(cleaned_to)
    }

    fn rewrite_group(
        &self,
        group: &[Arc<Segment>],
        next: i64,
        clean_to: i64,
        pass: &mut Pass<'_>,
    ) -> Result<(), LogError> {
        let base = group[0].base_offset;
        let mut cleaned = Segment::create(&self.dir, base, "cleaned")?;
        let mut changed = group.len() > 1;
        for segment in group {
            let mut batches = segment.batches(0, segment.len(), BODY_CHUNK);
            while let Some((position, header)) = batches.next().map_err(std::io::Error::from)? {
                let body = batches.body(position, &header)?;
                let out = match pass.fate(&header, &body)? {
                    Fate::Keep => body,
                    Fate::Drop => {
                        changed = true;
                        continue;
                    }
                    Fate::Replace(bytes) => {
                        changed = true;
                        bytes
                    }
                };
                let header = Header::parse(&out).map_err(|e| LogError::Corrupt(e.to_string()))?;
                cleaned.append(&header, &mut [IoSlice::new(&out)], pass.settings.index_interval_bytes)?;
            }
        }
        if !changed {
            fs::remove_file(cleaned.path())?;
            return Ok(());
        }
        cleaned.sync()?;
        self.forget_aborted(&mut pass.dropped_markers, clean_to)?;
        fs::rename(cleaned.path(), self.dir.join(swap_name(base, next)))?;
        let mut bases: Vec<i64> = group.iter().map(|s| s.base_offset).collect();
        finish_swap(&self.dir, base, next, &mut bases)?;
        cleaned = reopen(&self.dir, cleaned, pass.settings.index_interval_bytes)?;
        self.replace(group, cleaned)
    }

    /// Takes transactions whose abort marker is about to go out of the index, in memory and on disk, before it goes.
    /// An entry without its marker would make consumers drop the producer's later records; a marker without its entry
    /// does no harm, because its records went in an earlier pass.
    fn forget_aborted(&self, markers: &mut HashSet<i64>, clean_to: i64) -> Result<(), LogError> {
        if markers.is_empty() {
            return Ok(());
        }
        self.view.write().aborted.retain(|a| !markers.contains(&a.last_offset));
        markers.clear();
        self.checkpoint_locked(clean_to)
    }

    fn replace(&self, group: &[Arc<Segment>], cleaned: Segment) -> Result<(), LogError> {
        let empty = cleaned.len() == 0;
        let base = cleaned.base_offset;
        let mut view = self.view.write();
        let first = view.segments.partition_point(|s| s.base_offset < base);
        let count = view.segments[first..]
            .iter()
            .take_while(|s| group.iter().any(|g| g.base_offset == s.base_offset))
            .count();
        let cleaned = Arc::new(cleaned);
        // An empty segment is of use only as the first one: it holds the place of the log start.
        let replacement = (!empty || first == 0).then(|| cleaned.clone());
        view.segments.splice(first..first + count, replacement);
        drop(view);
        if empty && first != 0 {
            cleaned.remove()?;
        }
        Ok(())
    }
}

/// Opens the renamed file in place of the one written, and seals its index.
fn reopen(dir: &std::path::Path, cleaned: Segment, interval: u64) -> Result<Segment, LogError> {
    let base = cleaned.base_offset;
    drop(cleaned);
    let segment = Segment::open(dir, base)?;
    {
        let mut batches = segment.batches(0, segment.len(), BODY_CHUNK);
        while let Some((position, header)) = batches.next().map_err(std::io::Error::from)? {
            segment.note(position, &header, interval);
        }
    }
    segment.write_index(true)?;
    Ok(segment)
}

/// Offset at which the segment after `segment` begins.
fn end_of(segments: &[Arc<Segment>], segment: &Segment) -> i64 {
    let next = segments.partition_point(|s| s.base_offset <= segment.base_offset);
    segments.get(next).map_or(i64::MAX, |s| s.base_offset)
}

/// The segments that may be rewritten: sealed, decided, older than the compaction lag.
fn cleanable(
    segments: &[Arc<Segment>],
    clean_to: i64,
    stable: i64,
    settings: &LogSettings,
    now: i64,
) -> Vec<Arc<Segment>> {
    let mut out = Vec::new();
    for pair in segments.windows(2) {
        let (segment, end) = (&pair[0], pair[1].base_offset);
        let young = settings.min_compaction_lag_ms > 0
            && segment.max_timestamp() > now.saturating_sub(settings.min_compaction_lag_ms);
        if end > stable || end > clean_to && young {
            break;
        }
        out.push(segment.clone());
    }
    out
}

/// How many segments from the front fit one output segment.
fn group_len(rest: &[Arc<Segment>], segments: &[Arc<Segment>], segment_bytes: u64) -> usize {
    let base = rest[0].base_offset;
    let mut bytes = 0;
    let mut count = 0;
    for segment in rest {
        bytes += segment.len();
        if count > 0 && (bytes > segment_bytes || end_of(segments, segment) - base > i64::from(i32::MAX)) {
            break;
        }
        count += 1;
    }
    count
}

impl Pass<'_> {
    /// Enters the keys of a dirty segment from `from` on.
    fn read_keys(&mut self, segment: &Segment, from: i64) -> Result<(), LogError> {
        let mut batches = segment.batches(0, segment.len(), BODY_CHUNK);
        while let Some((position, header)) = batches.next().map_err(std::io::Error::from)? {
            if header.is_control() || header.last_offset() < from || self.is_aborted(&header) {
                continue;
            }
            let body = batches.body(position, &header)?;
            // A batch that does not decode is kept as it is (see `fate`), so it supersedes nothing.
            for record in batch::records(&header, &body).unwrap_or_default() {
                let offset = header.base_offset + i64::from(record.offset_delta);
                if offset >= from
                    && let Some(key) = &record.key
                {
                    self.keys.put(key, offset);
                }
            }
        }
        Ok(())
    }

    fn is_aborted(&self, header: &Header) -> bool {
        header.is_transactional()
            && self.aborted.get(&header.producer_id).is_some_and(|list| {
                list.iter().any(|a| (a.first_offset..=a.last_offset).contains(&header.base_offset))
            })
    }

    fn fate(&mut self, header: &Header, body: &Bytes) -> Result<Fate, LogError> {
        if header.is_control() {
            return Ok(self.marker_fate(header, body));
        }
        if self.is_aborted(header) {
            return Ok(Fate::Drop);
        }
        let Ok(records) = batch::records(header, body) else {
            tracing::warn!(offset = header.base_offset, "compaction keeps a batch that does not decode");
            return Ok(Fate::Keep);
        };
        let due = header.delete_horizon_ms().is_some_and(|horizon| self.now >= horizon);
        let kept: Vec<&RawRecord> = records.iter().filter(|r| self.keeps(header, r, due)).collect();
        if kept.is_empty() {
            return Ok(Fate::Drop);
        }
        if header.is_transactional() {
            self.alive.insert(header.producer_id);
        }
        let new_tombstone = header.delete_horizon_ms().is_none() && kept.iter().any(|r| r.value.is_none());
        if kept.len() == records.len() && !new_tombstone {
            return Ok(Fate::Keep);
        }
        let horizon = new_tombstone.then(|| self.now.saturating_add(self.settings.delete_retention_ms));
        let bytes = rebuild(header, &kept, horizon).map_err(|e| LogError::Corrupt(e.to_string()))?;
        Ok(Fate::Replace(bytes))
    }

    fn keeps(&self, header: &Header, record: &RawRecord, horizon_passed: bool) -> bool {
        let offset = header.base_offset + i64::from(record.offset_delta);
        match &record.key {
            None => false,
            Some(key) if self.keys.superseded(key, offset) => false,
            Some(_) => record.value.is_some() || !horizon_passed,
        }
    }

    /// A marker stays while a record of its transaction does, and for the delete horizon after.
    fn marker_fate(&mut self, header: &Header, body: &Bytes) -> Fate {
        if self.alive.remove(&header.producer_id) {
            return Fate::Keep;
        }
        match header.delete_horizon_ms() {
            Some(horizon) if self.now >= horizon => {
                self.dropped_markers.insert(header.base_offset);
                Fate::Drop
            }
            Some(_) => Fate::Keep,
            None => {
                let horizon = self.now.saturating_add(self.settings.delete_retention_ms);
                let records = batch::records(header, body).unwrap_or_default();
                let all: Vec<&RawRecord> = records.iter().collect();
                rebuild(header, &all, Some(horizon)).map_or(Fate::Keep, Fate::Replace)
            }
        }
    }
}

/// A batch with only `kept` of its records, at their old offsets and times, optionally with a delete horizon.
fn rebuild(header: &Header, kept: &[&RawRecord], horizon: Option<i64>) -> Result<Bytes, batch::BatchError> {
    let mut out = *header;
    if let Some(horizon) = horizon {
        out.set_delete_horizon(horizon);
    }
    let mut payload = BytesMut::new();
    let mut latest = i64::MIN;
    for record in kept {
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        latest = latest.max(timestamp);
        record.write(timestamp.wrapping_sub(out.base_timestamp), &mut payload);
    }
    if !header.is_append_time() {
        out.max_timestamp = latest;
    }
    out.count = kept.len() as i32;
    Ok(out.encode(&batch::deflate(header.compression(), &payload)?))
}
