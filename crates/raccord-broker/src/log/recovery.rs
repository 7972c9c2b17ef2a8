//! Opening a log: from the last checkpoint on, check every batch and cut what is torn.
//!
//! The checkpoint file says "everything before this position is on disk and whole", and holds what the log's bytes
//! before it would tell (producers, aborted transactions), plus what they cannot tell (log start offset after
//! DeleteRecords, how far compaction has cleaned). It is written after syncing the segment, as a new file renamed
//! over the old. Without one (or with a damaged one) the whole log is checked.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::batch;
use super::read::BODY_CHUNK;
use super::segment::{ScanError, Segment, file_name};
use super::{
    Aborted, LogError, LogSettings, Maintenance, PartitionLog, Producers, View, Waiters, Writer, append,
};
use crate::clock::now_ms;

const CHECKPOINT_FILE: &str = "checkpoint.json";

/// State of a log at a moment at which all of it was on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    /// Base offset of the then active segment, and its length.
    segment: i64,
    position: u64,
    next_offset: i64,
    log_start: i64,
    clean_to: i64,
    producers: Producers,
    aborted: Vec<Aborted>,
}

/// Writes `bytes` so that after any accident the file has its old content or its new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

/// What recovery builds up while it walks.
struct Rebuilt {
    next_offset: i64,
    producers: Producers,
    aborted: Vec<Aborted>,
}

impl PartitionLog {
    /// Opens the log in `dir`, creating an empty one if there is none.
    ///
    /// # Errors
    /// What the file system says. Damage is no error: the log ends where it begins.
    pub(crate) fn open(dir: &Path, settings: Arc<LogSettings>) -> io::Result<PartitionLog> {
        fs::create_dir_all(dir)?;
        let bases = segment_files(dir)?;
        let mut segments = Vec::with_capacity(bases.len().max(1));
        for base in bases {
            segments.push(Arc::new(Segment::open(dir, base)?));
        }
        let checkpoint = load_checkpoint(dir, &segments);
        if segments.is_empty() {
            segments.push(Arc::new(Segment::create(
                dir,
                checkpoint.as_ref().map_or(0, |c| c.next_offset),
                "log",
            )?));
        }
        let (log_start, clean_to) = checkpoint.as_ref().map_or((0, 0), |c| (c.log_start, c.clean_to));
        let scanned_from = checkpoint.as_ref().map_or(0, |c| c.position);
        let rebuilt = recover(&mut segments, checkpoint, settings.index_interval_bytes)?;
        let active = segments.last().expect("there is at least one segment").clone();
        let end = rebuilt.next_offset;
        let dirty_bytes = active.len().saturating_sub(scanned_from);
        let log_start = log_start.max(segments[0].base_offset).min(end);
        let stable = rebuilt.producers.first_unstable().unwrap_or(end);
        let since = (active.len() > 0).then(now_ms);
        Ok(PartitionLog {
            dir: dir.to_path_buf(),
            settings: RwLock::new(settings),
            writer: Mutex::new(Writer {
                active,
                next_offset: end,
                producers: rebuilt.producers,
                segment_since_ms: since,
                dirty_bytes,
                dirty_since_ms: (dirty_bytes > 0).then(now_ms),
                closed: false,
            }),
            view: RwLock::new(View { segments, log_start, end, stable, aborted: rebuilt.aborted }),
            maintenance: Mutex::new(Maintenance { clean_to }),
            waiters: Waiters::default(),
        })
    }

    /// Syncs the log and writes a checkpoint of it.
    pub(crate) fn checkpoint(&self) -> Result<(), LogError> {
        let maintenance = self.maintenance.lock();
        self.checkpoint_locked(maintenance.clean_to)
    }

    pub(super) fn checkpoint_locked(&self, clean_to: i64) -> Result<(), LogError> {
        let (checkpoint, active, unsynced) = {
            let mut writer = self.writer.lock();
            let view = self.view.read();
            writer.dirty_bytes = 0;
            writer.dirty_since_ms = None;
            let checkpoint = Checkpoint {
                segment: writer.active.base_offset,
                position: writer.active.len(),
                next_offset: writer.next_offset,
                log_start: view.log_start,
                clean_to,
                producers: writer.producers.clone(),
                aborted: view.aborted.clone(),
            };
            writer.active.write_index(false)?;
            // Segments sealed since the last checkpoint are synced with the active one; the last few are the likely ones.
            let unsynced: Vec<Arc<Segment>> = view.segments.iter().rev().skip(1).take(4).cloned().collect();
            (checkpoint, writer.active.clone(), unsynced)
        };
        for segment in unsynced {
            segment.sync()?;
        }
        active.sync()?;
        let json = serde_json::to_vec(&checkpoint).map_err(io::Error::from)?;
        write_atomically(&self.dir.join(CHECKPOINT_FILE), &json)?;
        Ok(())
    }

    /// Whether anything has been appended since the last checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        self.writer.lock().dirty_since_ms.is_some()
    }

    /// Whether enough has been appended since the last checkpoint to write another.
    pub(crate) fn checkpoint_due(&self, now: i64) -> bool {
        const BYTES: u64 = 64 << 20;
        const MS: i64 = 60_000;
        let writer = self.writer.lock();
        writer.dirty_bytes >= BYTES || writer.dirty_since_ms.is_some_and(|since| now - since >= MS)
    }
}

/// Base offsets of all segments, after finishing or undoing an interrupted compaction.
fn segment_files(dir: &Path) -> io::Result<Vec<i64>> {
    let mut bases = Vec::new();
    let mut swaps = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some((stem, extension)) = name.split_once('.') else { continue };
        match extension {
            "log" => bases.extend(stem.parse::<i64>().ok()),
            "swap" => swaps.extend(parse_swap(stem)),
            "cleaned" | "tmp" | "idx.tmp" => fs::remove_file(dir.join(&name))?,
            _ => {}
        }
    }
    for (base, next) in swaps {
        finish_swap(dir, base, next, &mut bases)?;
    }
    bases.sort_unstable();
    bases.dedup();
    Ok(bases)
}

/// `<base>-<next>`: the cleaned segment that replaces all segments with base <= their base < next.
pub(super) fn swap_name(base: i64, next: i64) -> String {
    format!("{base:020}-{next:020}.swap")
}

fn parse_swap(stem: &str) -> Option<(i64, i64)> {
    let (base, next) = stem.split_once('-')?;
    Some((base.parse().ok()?, next.parse().ok()?))
}

/// Removes what the swap file replaces, and gives it its name.
pub(super) fn finish_swap(dir: &Path, base: i64, next: i64, bases: &mut Vec<i64>) -> io::Result<()> {
    for old in bases.iter().filter(|b| (base..next).contains(*b)) {
        for extension in ["idx", "log"] {
            if *old != base || extension == "idx" {
                match fs::remove_file(dir.join(file_name(*old, extension))) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
        }
    }
    fs::rename(dir.join(swap_name(base, next)), dir.join(file_name(base, "log")))?;
    bases.retain(|b| !(base..next).contains(b));
    bases.push(base);
    Ok(())
}

fn load_checkpoint(dir: &Path, segments: &[Arc<Segment>]) -> Option<Checkpoint> {
    let bytes = fs::read(dir.join(CHECKPOINT_FILE)).ok()?;
    let mut checkpoint: Checkpoint = serde_json::from_slice(&bytes).ok()?;
    checkpoint.producers = checkpoint.producers.restored();
    if segments.is_empty() {
        return Some(checkpoint);
    }
    // A log shorter than its checkpoint has been tampered with or lost by the file system: trust nothing.
    let fits = segments.iter().any(|s| s.base_offset == checkpoint.segment && s.len() >= checkpoint.position);
    fits.then_some(checkpoint)
}

/// Checks everything behind the checkpoint, cuts at the first torn batch, and rebuilds indexes that do not fit.
fn recover(
    segments: &mut Vec<Arc<Segment>>,
    checkpoint: Option<Checkpoint>,
    interval: u64,
) -> io::Result<Rebuilt> {
    let (trusted, position, mut rebuilt) = match checkpoint {
        Some(c) => (
            c.segment,
            c.position,
            Rebuilt { next_offset: c.next_offset, producers: c.producers, aborted: c.aborted },
        ),
        None => {
            let first = segments[0].base_offset;
            (first, 0, Rebuilt { next_offset: first, producers: Producers::default(), aborted: Vec::new() })
        }
    };
    let count = segments.len();
    for (i, segment) in segments.iter().enumerate() {
        if segment.base_offset < trusted {
            if !segment.load_index(segment.len(), true)? {
                rebuild_index(segment, segment.len(), interval)?;
                segment.write_index(true)?;
            }
            continue;
        }
        let from = if segment.base_offset == trusted { position } else { 0 };
        if from == 0 {
            segment.clear_index();
        } else if !segment.load_index(from, false)? {
            rebuild_index(segment, from, interval)?;
        }
        let whole = scan(segment, from, interval, &mut rebuilt)?;
        if i + 1 < count {
            segment.write_index(true)?;
        }
        if !whole && i + 1 < count {
            for lost in segments.drain(i + 1..) {
                tracing::warn!(segment = %lost.path().display(), "removing the segment behind a torn batch");
                lost.remove()?;
            }
            break;
        }
    }
    let active = segments.last().expect("there is at least one segment");
    active.reactivate()?;
    Ok(rebuilt)
}

/// Checks a segment from `from` on; returns whether all of it was whole. Otherwise it has been cut.
fn scan(segment: &Segment, from: u64, interval: u64, rebuilt: &mut Rebuilt) -> io::Result<bool> {
    let mut batches = segment.batches(from, segment.len(), BODY_CHUNK);
    let mut good = from;
    let reason = loop {
        match batches.next() {
            Ok(None) => return Ok(true),
            Ok(Some((position, header))) => {
                let body = batches.body(position, &header)?;
                if !batch::crc_matches(&header, &body) {
                    break format!("check sum does not match at byte {position}");
                }
                if header.base_offset < rebuilt.next_offset || header.base_offset < segment.base_offset {
                    break format!("offset goes back at byte {position}");
                }
                segment.note(position, &header, interval);
                rebuilt.note(&header, &body);
                good = batches.position();
            }
            Err(ScanError::Batch { error, position }) => break format!("{error} at byte {position}"),
            Err(ScanError::Io(e)) => return Err(e),
        }
    };
    tracing::warn!(
        segment = %segment.path().display(), kept = good, cut = segment.len() - good, reason,
        "cutting the torn end of a log"
    );
    segment.truncate(good)?;
    Ok(false)
}

fn rebuild_index(segment: &Segment, end: u64, interval: u64) -> io::Result<()> {
    segment.clear_index();
    let mut batches = segment.batches(0, end, super::read::WALK_CHUNK);
    while let Some((position, header)) = batches.next()? {
        segment.note(position, &header, interval);
    }
    Ok(())
}

impl Rebuilt {
    fn note(&mut self, header: &batch::Header, body: &bytes::Bytes) {
        self.next_offset = header.last_offset() + 1;
        if !header.is_control() {
            self.producers.note(header);
        } else if let Some((committed, epoch)) = append::decode_marker(header, body) {
            self.aborted.extend(self.producers.note_marker(header, epoch, committed));
        }
    }
}
