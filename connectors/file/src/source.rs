//! The source task: follows a file as it grows, or reads standard input.
//!
//! The position of a record is the byte behind its line. It moves only when a line is put into a batch, so a poll that
//! is dropped half-way loses nothing: bytes read by then stay in the line buffer, and a read still under way is picked
//! up by the next poll.
//!
//! A file that was replaced (another inode under the same name) is read to its end before the new one is opened from
//! its beginning; a file that became shorter than what was read is read again from its beginning. Kafka's connector
//! keeps reading the old file until it is restarted.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::BytesMut;
use raccord_data::{Position, Record, Schema, Type, Value};
use raccord_plugin::{
    Error, OffsetMap, RawConfig, Result, SourceBatch, SourceContext, SourceOffset, SourceTask,
};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::config::SourceConfig;
use crate::lines::LineBuffer;

/// The key of the source partition.
pub const FILENAME_FIELD: &str = "filename";
/// The key of the source offset: a byte in the file.
pub const POSITION_FIELD: &str = "position";

/// How often a file at its end is looked at for more.
const POLL_INTERVAL: Duration = Duration::from_millis(40);
/// How often a missing or unreadable file is tried again.
const MISSING_INTERVAL: Duration = Duration::from_millis(500);
/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;
/// The longest line; anything longer is surely not text in lines, and would fill the memory.
const LINE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Reads lines of a file or of standard input.
pub struct FileStreamSourceTask {
    config: SourceConfig,
    topic: Arc<str>,
    schema: Arc<Schema>,
    committed: Option<u64>,
    input: Option<Input>,
    lines: LineBuffer,
    /// The byte behind the last line put into a batch.
    position: u64,
    /// What was last warned about, so that a file that stays away is mentioned once.
    complaint: Option<String>,
}

/// What is being read. `reading` holds a read that has not ended yet, with the buffer it fills.
struct Input {
    source: Option<ReadSource>,
    reading: Option<JoinHandle<ReadOutcome>>,
    /// Whether it is a regular file, which can be replaced, truncated and sought in.
    followed: Option<Identity>,
}

struct ReadOutcome {
    source: ReadSource,
    tail: BytesMut,
    read: io::Result<usize>,
}

/// A file, a pipe or standard input.
type ReadSource = Box<dyn Read + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What a file at its end turned out to be.
enum AtEnd {
    /// Nothing new.
    Same,
    /// Another file has the name now.
    Replaced,
    /// Shorter than what was read.
    Truncated,
}

impl FileStreamSourceTask {
    /// A task that is not opened yet.
    pub fn new() -> Self {
        Self {
            config: SourceConfig::default(),
            topic: Arc::from(""),
            schema: Schema::of(Type::String).build(),
            committed: None,
            input: None,
            lines: LineBuffer::default(),
            position: 0,
            complaint: None,
        }
    }

    fn filename(&self) -> Option<&str> {
        self.config.file.as_deref().filter(|file| !file.is_empty())
    }

    /// Opens the file where the last committed offset says, or from its beginning.
    fn open_input(&mut self) -> Result<bool> {
        let Some(filename) = self.filename() else {
            self.input = Some(Input { source: Some(Box::new(io::stdin())), reading: None, followed: None });
            return Ok(true);
        };
        let filename = filename.to_owned();
        let mut file = match File::open(&filename) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.complain(format!(
                    "Couldn't find file {filename} for FileStreamSourceTask, waiting for it to be created"
                ));
                return Ok(false);
            }
            Err(error) => return Err(open_error(&filename, &error)),
        };
        let metadata = file.metadata().map_err(|error| open_error(&filename, &error))?;
        let followed = metadata.is_file().then(|| Identity::of(&metadata));
        self.position = self.start_position(&filename, &metadata);
        if followed.is_some() {
            file.seek(SeekFrom::Start(self.position)).map_err(|error| open_error(&filename, &error))?;
        }
        info!(file = filename, position = self.position, "opened for reading");
        self.complaint = None;
        self.lines.clear();
        self.input = Some(Input { source: Some(Box::new(file)), reading: None, followed });
        Ok(true)
    }

    fn start_position(&mut self, filename: &str, metadata: &Metadata) -> u64 {
        match self.committed.take() {
            Some(position) if metadata.is_file() && position > metadata.len() => {
                warn!(
                    file = filename,
                    position,
                    length = metadata.len(),
                    "the file is shorter than the committed position: it was truncated or replaced, reading it from the beginning"
                );
                0
            }
            Some(position) => position,
            None => 0,
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaint.as_deref() != Some(&complaint) {
            warn!("{complaint}");
            self.complaint = Some(complaint);
        }
    }

    /// Reads once and gives the number of bytes. Cancel-safe: a read that is under way stays in `self.input`.
    async fn read(&mut self) -> Result<io::Result<usize>> {
        let Some(input) = &mut self.input else { return Ok(Ok(0)) };
        let reading = match &mut input.reading {
            Some(reading) => reading,
            None => {
                let Some(source) = input.source.take() else { return Ok(Ok(0)) };
                let tail = self.lines.take_tail();
                input.reading.insert(tokio::task::spawn_blocking(move || read_more(source, tail)))
            }
        };
        let outcome = reading
            .await
            .map_err(|error| Error::fatal("reading the file was interrupted").caused_by(error))?;
        input.reading = None;
        input.source = Some(outcome.source);
        self.lines.refill(outcome.tail);
        Ok(outcome.read)
    }

    fn put_lines(&mut self, batch: &mut SourceBatch) {
        let timestamp =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        while !batch.is_full() && batch.len() < self.config.batch_size.max(1) as usize {
            let Some(line) = self.lines.next_line() else { break };
            self.position += line.consumed;
            let bytes = line.text.len();
            let position = Position { stream: 0, sequence: self.position };
            let mut record = Record::new(
                self.topic.clone(),
                Some(self.schema.clone()),
                Value::String(line.text),
                position,
            );
            record.timestamp = Some(timestamp);
            batch.push(record, bytes);
        }
    }

    /// Looks whether a regular file that has been read to its end was replaced or truncated.
    fn look_at_end(&self) -> AtEnd {
        let (Some(filename), Some(input)) = (self.filename(), &self.input) else { return AtEnd::Same };
        let Some(identity) = input.followed else { return AtEnd::Same };
        let read = self.position + self.lines.half_line_bytes() as u64;
        match std::fs::metadata(filename) {
            Ok(metadata) if Identity::of(&metadata) != identity => AtEnd::Replaced,
            Ok(metadata) if metadata.len() < read => AtEnd::Truncated,
            // A file that is gone for a moment is being rotated: its successor will have another identity.
            _ => AtEnd::Same,
        }
    }

    /// Starts again at the beginning of what has the name now.
    fn start_over(&mut self, why: &str) {
        warn!(
            file = self.filename().unwrap_or_default(),
            position = self.position,
            half_line_bytes = self.lines.half_line_bytes(),
            "{why}: reading from the beginning"
        );
        self.committed = None;
        self.position = 0;
        self.lines.clear();
        self.input = None;
    }
}

impl Default for FileStreamSourceTask {
    fn default() -> Self {
        Self::new()
    }
}

fn read_more(mut source: ReadSource, mut tail: BytesMut) -> ReadOutcome {
    let filled = tail.len();
    tail.resize(filled + READ_BYTES, 0);
    let read = loop {
        match source.read(&mut tail[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    tail.truncate(filled + *read.as_ref().unwrap_or(&0));
    ReadOutcome { source, tail, read }
}

/// Java names the exception by what the system said.
fn open_error(filename: &str, error: &io::Error) -> Error {
    let exception = match error.kind() {
        io::ErrorKind::PermissionDenied => "java.nio.file.AccessDeniedException",
        _ => "java.nio.file.FileSystemException",
    };
    let detail =
        if error.kind() == io::ErrorKind::PermissionDenied { String::new() } else { format!(": {error}") };
    Error::fatal(format!("{exception}: {filename}{detail}"))
        .hint("check that the file exists and that the user who runs the worker may read it")
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn open(&mut self, context: SourceContext, config: &RawConfig) -> Result<()> {
        self.config = SourceConfig::read(config)?;
        self.topic = Arc::from(self.config.topic.as_str());
        if let Some(filename) = self.filename() {
            let partition = partition(Some(filename));
            let offset = context.offsets.offsets(&[partition]).await?.into_iter().next().flatten();
            self.committed = offset.as_ref().map(committed_position).transpose()?.flatten();
        }
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        while batch.is_empty() {
            if self.input.is_none() && !self.open_input()? {
                tokio::time::sleep(MISSING_INTERVAL).await;
                continue;
            }
            if !self.lines.has_lines() {
                match self.read().await? {
                    Ok(0) if self.filename().is_none() => std::future::pending().await,
                    Ok(0) => match self.look_at_end() {
                        AtEnd::Same => tokio::time::sleep(POLL_INTERVAL).await,
                        AtEnd::Replaced => self.start_over("the file was replaced by another one"),
                        AtEnd::Truncated => self.start_over("the file was truncated"),
                    },
                    Ok(_) => {}
                    Err(error) => {
                        let filename = self.filename().unwrap_or("stdin").to_owned();
                        self.complain(format!("Cannot read {filename}: {error}; trying again"));
                        tokio::time::sleep(MISSING_INTERVAL).await;
                    }
                }
            }
            self.put_lines(batch);
            if self.lines.half_line_bytes() > LINE_BYTES_MAX {
                return Err(Error::fatal(format!(
                    "the line at byte {} of {} is longer than {LINE_BYTES_MAX} bytes",
                    self.position,
                    self.filename().unwrap_or("stdin")
                ))
                .hint("the connector reads text in lines; this does not look like it"));
            }
        }
        Ok(())
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let mut offset = OffsetMap::new();
        // Standard input has no positions to come back to; Kafka's connector stores null for it.
        let place = self.filename().map(|_| position.sequence);
        offset.insert(POSITION_FIELD.to_owned(), place.into());
        SourceOffset { partition: partition(self.config.file.as_deref()), offset: Some(offset) }
    }
}

fn partition(filename: Option<&str>) -> OffsetMap {
    OffsetMap::from_iter([(FILENAME_FIELD.to_owned(), filename.into())])
}

fn committed_position(offset: &OffsetMap) -> Result<Option<u64>> {
    match offset.get(POSITION_FIELD) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(position) => match position.as_i64() {
            Some(position) => Ok(Some(position.max(0) as u64)),
            None => Err(Error::fatal("Offset position is the incorrect type")),
        },
    }
}
