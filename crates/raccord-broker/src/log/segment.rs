//! One file of a partition's log, `<base offset, 20 digits>.log` as Kafka names and fills it, and its sparse index.
//!
//! The index has an entry about every `index.interval.bytes`. One entry serves both look-ups: by offset (where does
//! the batch with this offset begin, at the latest) and by time (no batch before this position is as late as that).
//! The active segment's entries are in memory and written out at checkpoints; a sealed segment's are read from the
//! `.idx` file by binary search, so a large log costs no memory. An `.idx` file that does not fit its log file (other
//! length, damaged) is rebuilt from the batch headers: it is only ever a copy of what the log says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;

use super::batch::{BatchError, HEADER_LEN, Header, NONE};

/// `raccord` index, version 1.
const INDEX_MAGIC: u64 = 0x7261_6363_6964_7801;
const INDEX_HEAD: usize = 24;
const ENTRY_LEN: usize = 16;

/// A known batch start: its offset and position, and the latest time of all batches before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    relative_offset: u32,
    position: u32,
    max_timestamp_before: i64,
}

enum Index {
    Memory(Vec<Entry>),
    Disk(File, usize),
}

impl Index {
    fn len(&self) -> usize {
        match self {
            Index::Memory(entries) => entries.len(),
            Index::Disk(_, len) => *len,
        }
    }

    fn get(&self, i: usize) -> io::Result<Entry> {
        match self {
            Index::Memory(entries) => Ok(entries[i]),
            Index::Disk(file, _) => {
                let mut b = [0; ENTRY_LEN];
                file.read_exact_at(&mut b, (INDEX_HEAD + i * ENTRY_LEN) as u64)?;
                Ok(decode_entry(&b))
            }
        }
    }

    /// Number of entries for which `before` holds (it must hold for a prefix).
    fn partition_point(&self, before: impl Fn(&Entry) -> bool) -> io::Result<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if before(&self.get(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

fn decode_entry(b: &[u8]) -> Entry {
    let word = |at: usize| u32::from_be_bytes(b[at..at + 4].try_into().expect("an entry has 16 bytes"));
    Entry {
        relative_offset: word(0),
        position: word(4),
        max_timestamp_before: i64::from_be_bytes(b[8..16].try_into().expect("an entry has 16 bytes")),
    }
}

/// One log file. Written by one thread at a time (the partition's writer lock), read by any.
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    path: PathBuf,
    file: File,
    len: AtomicU64,
    max_timestamp: AtomicI64,
    indexed_to: AtomicU64,
    /// A write failed half-way and could not be undone: nothing may be written behind it.
    torn: AtomicBool,
    index: RwLock<Index>,
}

/// `00000000000000000042.log` and the like.
pub(crate) fn file_name(base_offset: i64, extension: &str) -> String {
    format!("{base_offset:020}.{extension}")
}

impl Segment {
    /// Creates an empty segment; an older file of the name is emptied.
    pub(crate) fn create(dir: &Path, base_offset: i64, extension: &str) -> io::Result<Segment> {
        let path = dir.join(file_name(base_offset, extension));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Segment {
            base_offset,
            path,
            file,
            len: AtomicU64::new(0),
            max_timestamp: AtomicI64::new(NONE),
            indexed_to: AtomicU64::new(0),
            torn: AtomicBool::new(false),
            index: RwLock::new(Index::Memory(Vec::new())),
        })
    }

    /// Opens an existing file without looking inside.
    pub(crate) fn open(dir: &Path, base_offset: i64) -> io::Result<Segment> {
        let path = dir.join(file_name(base_offset, "log"));
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Segment {
            base_offset,
            path,
            file,
            len: AtomicU64::new(len),
            max_timestamp: AtomicI64::new(NONE),
            indexed_to: AtomicU64::new(0),
            torn: AtomicBool::new(false),
            index: RwLock::new(Index::Memory(Vec::new())),
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.max_timestamp.load(Ordering::Acquire)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn index_path(&self) -> PathBuf {
        self.path.with_extension("idx")
    }

    /// When the file was last written; the time of creation of an empty one.
    pub(crate) fn modified_ms(&self) -> io::Result<i64> {
        let modified = self.file.metadata()?.modified()?;
        Ok(modified.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64))
    }

    /// Appends one batch as `parts` (its bytes in order). On failure the file is cut back to what it was.
    pub(crate) fn append(&self, header: &Header, parts: &mut [IoSlice<'_>], interval: u64) -> io::Result<()> {
        if self.torn.load(Ordering::Acquire) {
            return Err(io::Error::other("the log file has a torn end: restart the broker to cut it"));
        }
        let position = self.len();
        if let Err(e) = write_all_vectored(&self.file, parts) {
            if self.truncate(position).is_err() {
                self.torn.store(true, Ordering::Release);
            }
            return Err(e);
        }
        self.note(position, header, interval);
        self.len.store(position + header.size() as u64, Ordering::Release);
        Ok(())
    }

    /// Enters a batch at `position` into the index and the time statistics.
    pub(crate) fn note(&self, position: u64, header: &Header, interval: u64) {
        if position >= self.indexed_to.load(Ordering::Relaxed) + interval {
            let entry = Entry {
                relative_offset: (header.base_offset - self.base_offset) as u32,
                position: position as u32,
                max_timestamp_before: self.max_timestamp(),
            };
            if let Index::Memory(entries) = &mut *self.index.write() {
                entries.push(entry);
                self.indexed_to.store(position, Ordering::Relaxed);
            }
        }
        self.max_timestamp.fetch_max(header.max_timestamp, Ordering::AcqRel);
    }

    /// Cuts the file; the index must be rebuilt or not reach there.
    pub(crate) fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        (&self.file).seek(SeekFrom::Start(len))?;
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Last indexed batch start at or before `offset`.
    pub(crate) fn floor(&self, offset: i64) -> io::Result<u64> {
        let relative = offset - self.base_offset;
        self.floor_by(|e| i64::from(e.relative_offset) <= relative)
    }

    /// Last indexed batch start before which everything is earlier than `timestamp_ms`.
    pub(crate) fn floor_by_time(&self, timestamp_ms: i64) -> io::Result<u64> {
        self.floor_by(|e| e.max_timestamp_before < timestamp_ms)
    }

    /// Last indexed batch start at or before a position.
    pub(crate) fn floor_by_position(&self, position: u64) -> io::Result<u64> {
        self.floor_by(|e| u64::from(e.position) <= position)
    }

    /// Position of the last entry for which `before` holds; the file's begin if there is none.
    fn floor_by(&self, before: impl Fn(&Entry) -> bool) -> io::Result<u64> {
        let index = self.index.read();
        match index.partition_point(before)? {
            0 => Ok(0),
            after => Ok(u64::from(index.get(after - 1)?.position)),
        }
    }

    /// Reads `len` bytes at `position`, which must be there.
    pub(crate) fn read(&self, position: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = BytesMut::zeroed(len);
        self.file.read_exact_at(&mut buffer, position)?;
        Ok(buffer.freeze())
    }

    /// Writes the index file for the first `len` bytes of the log; `seal` drops the copy in memory.
    pub(crate) fn write_index(&self, seal: bool) -> io::Result<()> {
        let entries = match &*self.index.read() {
            Index::Memory(entries) => entries.clone(),
            Index::Disk(..) => return Ok(()),
        };
        let mut out = Vec::with_capacity(INDEX_HEAD + entries.len() * ENTRY_LEN);
        out.extend(INDEX_MAGIC.to_be_bytes());
        out.extend(self.len().to_be_bytes());
        out.extend(self.max_timestamp().to_be_bytes());
        for e in &entries {
            out.extend(e.relative_offset.to_be_bytes());
            out.extend(e.position.to_be_bytes());
            out.extend(e.max_timestamp_before.to_be_bytes());
        }
        let temporary = self.path.with_extension("idx.tmp");
        fs::write(&temporary, &out)?;
        fs::rename(&temporary, self.index_path())?;
        if seal {
            *self.index.write() = Index::Disk(File::open(self.index_path())?, entries.len());
        }
        Ok(())
    }

    /// Takes the index from its file if that describes exactly `len` bytes. A sealed index stays on disk.
    pub(crate) fn load_index(&self, len: u64, sealed: bool) -> io::Result<bool> {
        let file = match File::open(self.index_path()) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        };
        let size = file.metadata()?.len() as usize;
        if size < INDEX_HEAD || !(size - INDEX_HEAD).is_multiple_of(ENTRY_LEN) {
            return Ok(false);
        }
        let mut head = [0; INDEX_HEAD];
        file.read_exact_at(&mut head, 0)?;
        let word =
            |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("the head has 24 bytes"));
        if word(0) != INDEX_MAGIC || word(8) != len {
            return Ok(false);
        }
        let count = (size - INDEX_HEAD) / ENTRY_LEN;
        self.max_timestamp.store(word(16) as i64, Ordering::Release);
        if sealed {
            *self.index.write() = Index::Disk(file, count);
            return Ok(true);
        }
        let mut b = vec![0; count * ENTRY_LEN];
        file.read_exact_at(&mut b, INDEX_HEAD as u64)?;
        let entries: Vec<Entry> = b.chunks_exact(ENTRY_LEN).map(decode_entry).collect();
        self.indexed_to.store(entries.last().map_or(0, |e| u64::from(e.position)), Ordering::Relaxed);
        *self.index.write() = Index::Memory(entries);
        Ok(true)
    }

    /// Forgets index and time statistics, before they are rebuilt by [`note`](Self::note).
    pub(crate) fn clear_index(&self) {
        *self.index.write() = Index::Memory(Vec::new());
        self.indexed_to.store(0, Ordering::Relaxed);
        self.max_timestamp.store(NONE, Ordering::Release);
    }

    /// Turns a sealed segment back into one that can be appended to.
    pub(crate) fn reactivate(&self) -> io::Result<()> {
        let entries = {
            let index = self.index.read();
            (0..index.len()).map(|i| index.get(i)).collect::<io::Result<Vec<_>>>()?
        };
        self.indexed_to.store(entries.last().map_or(0, |e| u64::from(e.position)), Ordering::Relaxed);
        *self.index.write() = Index::Memory(entries);
        (&self.file).seek(SeekFrom::End(0))?;
        Ok(())
    }

    /// Removes both files. Readers that hold the segment go on reading.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for path in [self.path.clone(), self.index_path()] {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Batches from `position` (a batch start) to `end`.
    pub(crate) fn batches(&self, position: u64, end: u64, chunk: usize) -> Batches<'_> {
        Batches { segment: self, position, end, chunk, buffer: Bytes::new(), buffer_at: position }
    }
}

fn write_all_vectored(mut file: &File, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !parts.is_empty() {
        match file.write_vectored(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut parts, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Why a walk over batches stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{error} at byte {position}")]
    Batch { position: u64, error: BatchError },
}

impl From<ScanError> for io::Error {
    fn from(e: ScanError) -> io::Error {
        match e {
            ScanError::Io(e) => e,
            ScanError::Batch { .. } => io::Error::new(io::ErrorKind::InvalidData, e.to_string()),
        }
    }
}

/// A walk over the batches of a segment: headers, and bodies where asked for.
pub(crate) struct Batches<'a> {
    segment: &'a Segment,
    position: u64,
    end: u64,
    chunk: usize,
    buffer: Bytes,
    buffer_at: u64,
}

impl Batches<'_> {
    /// Position of the batch that `next` returns next.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn bytes(&mut self, position: u64, len: usize) -> io::Result<Bytes> {
        let within =
            position >= self.buffer_at && position + len as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !within {
            let size = (self.end - position).min(self.chunk.max(len) as u64) as usize;
            self.buffer = self.segment.read(position, size)?;
            self.buffer_at = position;
        }
        let at = (position - self.buffer_at) as usize;
        Ok(self.buffer.slice(at..(at + len).min(self.buffer.len())))
    }

    /// The next header and its position, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Header)>, ScanError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let len = HEADER_LEN.min((self.end - position) as usize);
        let head = self.bytes(position, len)?;
        let header = Header::parse(&head).map_err(|error| ScanError::Batch { position, error })?;
        if position + header.size() as u64 > self.end {
            return Err(ScanError::Batch { position, error: BatchError::Short });
        }
        self.position = position + header.size() as u64;
        Ok(Some((position, header)))
    }

    /// The whole batch that [`next`](Self::next) found at `position`.
    pub(crate) fn body(&mut self, position: u64, header: &Header) -> io::Result<Bytes> {
        self.bytes(position, header.size())
    }
}
