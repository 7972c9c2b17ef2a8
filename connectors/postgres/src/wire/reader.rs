//! The reader of the WAL stream: a task of its own that reads the socket, answers keepalives and reports positions.
//!
//! # Why nothing is lost here
//! The task hands on whole frames in the order in which they came, and nothing else: a frame that is not handed on was
//! not read by us, and its position is never reported as flushed, because what is flushed is told by who stores offsets
//! ([`WalStream::confirm`]) and not by the reader. So whenever the task ends, the server still has all of it.
//!
//! # Why the server is never left waiting
//! The socket is read whether or not somebody polls, up to a budget of bytes. When that is spent, reading stops (the
//! server then waits in its send), but positions are still reported every `status.update.interval.ms`, which is what the
//! server measures `wal_sender_timeout` by. So a slow topic slows the stream down and never breaks it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::low_water::Gathering;
use super::session::{closed, error_in, frame_length};
use super::socket::Socket;
use super::{Lsn, WireError};

/// How much is read at once, and how large the buffers are that cells of rows point into.
pub(super) const READ_BYTES: usize = 128 * 1024;
/// A permit of the budget stands for so many bytes.
const PERMIT_BYTES: usize = 1024;
/// How many chunks may wait; small ones come one per transaction.
const CHUNKS_MAX: usize = 1024;
/// In a stream whose reads follow each other faster than this, …
const BUSY: Duration = Duration::from_millis(2);
/// … so many times in a row, …
const BUSY_READS: u32 = 16;
/// … a read waits until so many bytes are there, …
const GATHERED_BYTES: u16 = 32 * 1024;
/// … but not longer than this.
const GATHERED_TIME: Duration = Duration::from_millis(1);
/// How long the end of a session may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Seconds between 1970 and PostgreSQL's epoch, 2000-01-01.
pub const POSTGRES_EPOCH_S: i64 = 946_684_800;

/// How the reader behaves.
#[derive(Clone, Copy, Debug)]
pub struct ReaderSettings {
    /// Between reports of positions.
    pub status_interval: Duration,
    /// How many bytes may be read and not taken yet.
    pub budget_bytes: usize,
    /// How long a report may take.
    pub flush_timeout: Duration,
    /// What is done when it takes longer.
    pub flush_timeout_action: FlushTimeoutAction,
}

/// `lsn.flush.timeout.action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushTimeoutAction {
    /// The task fails.
    Fail,
    /// It is said, and waited for.
    Warn,
    /// It is waited for.
    Ignore,
}

impl FlushTimeoutAction {
    /// Reads the value of `lsn.flush.timeout.action`.
    pub fn of(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "warn" => Self::Warn,
            "ignore" => Self::Ignore,
            _ => Self::Fail,
        }
    }
}

/// Whole frames of the stream, in order.
pub struct Chunk {
    /// The frames, each with tag and length.
    pub frames: Bytes,
    _budget: OwnedSemaphorePermit,
}

/// The stream behind START_REPLICATION.
pub struct WalStream {
    chunks: mpsc::Receiver<Result<Chunk, WireError>>,
    confirmed: watch::Sender<Lsn>,
    questions: Arc<Notify>,
    reader: AbortOnDropHandle<()>,
}

impl WalStream {
    pub(super) fn spawn(socket: Socket, buffer: BytesMut, settings: ReaderSettings) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let (confirmed, confirmations) = watch::channel(Lsn(0));
        let questions = Arc::<Notify>::default();
        let budget_permits = (settings.budget_bytes / PERMIT_BYTES).max(1);
        let reader = Reader {
            socket,
            buffer,
            spare: BytesMut::new(),
            buffer_bytes: READ_BYTES,
            sender,
            confirmations,
            questions: Arc::clone(&questions),
            budget: Arc::new(Semaphore::new(budget_permits)),
            budget_permits,
            received: Lsn(0),
            settings,
            pace: Pace { last: Instant::now(), quick: 0 },
        };
        let reader = AbortOnDropHandle::new(tokio::spawn(reader.run()));
        Self { chunks, confirmed, questions, reader }
    }

    /// Waits for frames; `None` when the stream is over, which is told by an error before. Cancel-safe.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn next(&mut self) -> Result<Option<Chunk>, WireError> {
        self.chunks.recv().await.transpose()
    }

    /// Frames that are there already.
    ///
    /// # Errors
    /// What ended the stream.
    pub fn try_next(&mut self) -> Result<Option<Chunk>, WireError> {
        self.chunks.try_recv().ok().transpose()
    }

    /// Tells the server that it may forget everything before this position. Goes out at once; never goes backwards.
    pub fn confirm(&self, lsn: Lsn) {
        self.confirmed.send_if_modified(|confirmed| {
            let later = lsn > *confirmed;
            if later {
                *confirmed = lsn;
            }
            later
        });
    }
}

impl WalStream {
    /// Asks the server for a keepalive, which says how far it has come.
    pub fn ask(&self) {
        self.questions.notify_one();
    }

    /// Tells the server what was confirmed last, and ends the session.
    pub async fn close(self) {
        let Self { chunks, confirmed, mut reader, .. } = self;
        drop((chunks, confirmed));
        if tokio::time::timeout(CLOSE_TIMEOUT, &mut reader).await.is_err() {
            reader.abort();
        }
    }
}

struct Reader {
    socket: Socket,
    buffer: BytesMut,
    /// The buffer before, to be used again once nobody has a share in its frames any more.
    spare: BytesMut,
    /// What `buffer` was made for.
    buffer_bytes: usize,
    sender: mpsc::Sender<Result<Chunk, WireError>>,
    confirmations: watch::Receiver<Lsn>,
    questions: Arc<Notify>,
    budget: Arc<Semaphore>,
    budget_permits: usize,
    /// The furthest position that the server has told of.
    received: Lsn,
    settings: ReaderSettings,
    pace: Pace,
}

/// How reads follow each other.
struct Pace {
    last: Instant,
    /// How many in a row came soon behind the one before.
    quick: u32,
}

impl Pace {
    /// Takes note of a read.
    fn read(&mut self) {
        let now = Instant::now();
        self.quick = if now - self.last < BUSY { self.quick.saturating_add(1) } else { 0 };
        self.last = now;
    }

    fn is_busy(&self) -> bool {
        self.quick >= BUSY_READS
    }
}

/// Reads what there is; of a busy stream, what comes within a moment. Cancel-safe.
async fn receive(socket: &mut Socket, buffer: &mut BytesMut, gather: bool) -> std::io::Result<usize> {
    if gather {
        let _gathering = socket.tcp().map(|tcp| Gathering::begin(tcp, GATHERED_BYTES));
        if let Ok(read) = tokio::time::timeout(GATHERED_TIME, socket.read_buf(buffer)).await {
            return read;
        }
    }
    socket.read_buf(buffer).await
}

/// What the frames in the buffer are.
struct Scan {
    /// The end of the last frame to hand on.
    end: usize,
    /// Whether a keepalive wants an answer.
    answer: bool,
    /// How many bytes the frame behind `end` has, if that is known.
    next_bytes: usize,
}

impl Reader {
    async fn run(mut self) {
        if let Err(error) = self.read().await {
            // Nobody listens any more when the task is stopping.
            let _ = self.sender.send(Err(error)).await;
        }
    }

    async fn read(&mut self) -> Result<(), WireError> {
        let mut status = tokio::time::interval(self.settings.status_interval.max(Duration::from_millis(1)));
        status.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting: Option<Bytes> = self.take_frames().await?;
        let questions = Arc::clone(&self.questions);
        loop {
            let wanted = waiting.as_ref().map(|frames| self.permits(frames.len()));
            tokio::select! {
                _ = status.tick() => self.report().await?,
                () = questions.notified() => self.report_and(true).await?,
                changed = self.confirmations.changed() => {
                    self.report().await?;
                    if changed.is_err() {
                        return self.leave().await;
                    }
                }
                room = room(&self.budget, &self.sender, wanted), if wanted.is_some() => {
                    let Some((budget, slot)) = room else {
                        // Nobody takes frames any more: what is confirmed is still told, above.
                        waiting = None;
                        continue;
                    };
                    if let Some(frames) = waiting.take() {
                        slot.send(Ok(Chunk { frames, _budget: budget }));
                    }
                    waiting = self.take_frames().await?;
                }
                read = receive(&mut self.socket, &mut self.buffer, self.pace.is_busy()), if wanted.is_none() => {
                    if read? == 0 {
                        return Err(closed());
                    }
                    self.pace.read();
                    waiting = self.take_frames().await?;
                }
            }
        }
    }

    /// Ends the session and waits until the server has: only then may another session use the slot.
    async fn leave(&mut self) -> Result<(), WireError> {
        // CopyDone, Terminate.
        self.socket.write_all(b"c\0\0\0\x04X\0\0\0\x04").await?;
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ_BYTES);
            match self.socket.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    }

    fn permits(&self, bytes: usize) -> u32 {
        bytes.div_ceil(PERMIT_BYTES).clamp(1, self.budget_permits) as u32
    }

    /// Cuts the whole frames off the buffer, answering keepalives among them, and makes room for more.
    async fn take_frames(&mut self) -> Result<Option<Bytes>, WireError> {
        let scan = self.scan()?;
        let frames = (scan.end > 0).then(|| self.buffer.split_to(scan.end).freeze());
        let missing = scan.next_bytes.saturating_sub(self.buffer.len());
        if missing > 0 || self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
            self.make_room(missing.max(READ_BYTES));
        }
        if scan.answer {
            self.report().await?;
        }
        Ok(frames)
    }

    /// Goes over to a buffer with room for so many bytes behind those that are not handed on.
    fn make_room(&mut self, bytes: usize) {
        let bytes = self.buffer.len() + bytes;
        let mut next = std::mem::take(&mut self.spare);
        if !next.try_reclaim(bytes) {
            next = BytesMut::with_capacity(bytes);
        }
        next.extend_from_slice(&self.buffer);
        let mut before = std::mem::replace(&mut self.buffer, next);
        // One that was made for a large row is too large to be kept.
        if std::mem::replace(&mut self.buffer_bytes, bytes) <= 2 * READ_BYTES {
            before.clear();
            self.spare = before;
        }
    }

    /// Looks at the whole frames. A row at the end is held back until what follows it is there (its commit, at
    /// least), so that who takes the frames can always see whether the next one has the same position.
    fn scan(&mut self) -> Result<Scan, WireError> {
        let mut scan = Scan { end: 0, answer: false, next_bytes: 0 };
        let mut last_row = None;
        while let Some(length) = frame_length(&self.buffer[scan.end..])? {
            let Some(frame) = self.buffer.get(scan.end..scan.end + length) else {
                scan.next_bytes = length;
                break;
            };
            match (frame[0], frame.get(5)) {
                (b'd', Some(b'w' | b'k')) => {
                    if let Some(end) = frame.get(6..14).and_then(|bytes| bytes.try_into().ok()) {
                        self.received = self.received.max(Lsn(u64::from_be_bytes(end)));
                    }
                    scan.answer |= frame[5] == b'k' && frame.get(22) == Some(&1);
                }
                (b'E', _) if scan.end == 0 => return Err(error_in(&Bytes::copy_from_slice(frame))),
                // What came before the error is handed on first.
                (b'E', _) => break,
                (b'c', _) if scan.end == 0 => return Err(closed()),
                (b'c', _) => break,
                _ => {}
            }
            last_row = is_row(frame).then_some(scan.end);
            scan.end += length;
        }
        scan.end = last_row.unwrap_or(scan.end);
        Ok(scan)
    }

    /// A standby status update: how far we have read, and what need not be kept for us.
    async fn report(&mut self) -> Result<(), WireError> {
        self.report_and(false).await
    }

    /// The same, and whether the server is to answer.
    async fn report_and(&mut self, asks: bool) -> Result<(), WireError> {
        let confirmed = *self.confirmations.borrow_and_update();
        let mut message = BytesMut::with_capacity(39);
        message.put_u8(b'd');
        message.put_u32(4 + 34);
        message.put_u8(b'r');
        message.put_u64(self.received.max(confirmed).0);
        message.put_u64(confirmed.0);
        message.put_u64(confirmed.0);
        message.put_i64(postgres_now_us());
        message.put_u8(u8::from(asks));
        let ReaderSettings { flush_timeout, flush_timeout_action, .. } = self.settings;
        let write = self.socket.write_all(&message);
        tokio::pin!(write);
        if let Ok(written) = tokio::time::timeout(flush_timeout, &mut write).await {
            return Ok(written?);
        }
        match flush_timeout_action {
            FlushTimeoutAction::Fail => return Err(WireError::FlushTimeout(confirmed)),
            FlushTimeoutAction::Warn => warn!(
                lsn = %confirmed,
                "LSN flush operation did not complete within {} ms; it is waited for, as lsn.flush.timeout.action says",
                flush_timeout.as_millis()
            ),
            FlushTimeoutAction::Ignore => {}
        }
        Ok(write.await?)
    }
}

/// Whether a frame is an insert, update or delete.
fn is_row(frame: &[u8]) -> bool {
    frame[0] == b'd' && frame.get(5) == Some(&b'w') && matches!(frame.get(30), Some(b'I' | b'U' | b'D'))
}

/// Waits for permission to hand on a chunk; `None` when nobody takes it any more.
async fn room(
    budget: &Arc<Semaphore>,
    sender: &mpsc::Sender<Result<Chunk, WireError>>,
    permits: Option<u32>,
) -> Option<(OwnedSemaphorePermit, mpsc::OwnedPermit<Result<Chunk, WireError>>)> {
    let budget = Arc::clone(budget).acquire_many_owned(permits?).await.ok()?;
    Some((budget, sender.clone().reserve_owned().await.ok()?))
}

fn postgres_now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64) - POSTGRES_EPOCH_S * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::socket::ByteStream;

    impl ByteStream for tokio::io::DuplexStream {
        fn tcp(&self) -> Option<&tokio::net::TcpStream> {
            None
        }
    }

    /// A stream over a pipe that takes less than one report, and the server's end of it.
    fn stalled(action: FlushTimeoutAction) -> (WalStream, tokio::io::DuplexStream) {
        let (ours, servers) = tokio::io::duplex(16);
        let settings = ReaderSettings {
            status_interval: Duration::from_millis(5),
            budget_bytes: 1024,
            flush_timeout: Duration::from_millis(30),
            flush_timeout_action: action,
        };
        (WalStream::spawn(Box::new(ours), BytesMut::new(), settings), servers)
    }

    #[tokio::test]
    async fn a_report_that_is_not_taken_in_time_fails_the_stream() {
        let (mut stream, _servers) = stalled(FlushTimeoutAction::Fail);
        stream.confirm(Lsn(5));
        assert!(matches!(stream.next().await, Err(WireError::FlushTimeout(Lsn(5)))));
    }

    #[tokio::test]
    async fn a_report_that_is_not_taken_in_time_is_waited_for() {
        for action in [FlushTimeoutAction::Warn, FlushTimeoutAction::Ignore] {
            let (stream, mut servers) = stalled(action);
            stream.confirm(Lsn(5));
            tokio::time::sleep(Duration::from_millis(60)).await;
            let mut report = [0; 39];
            servers.read_exact(&mut report).await.unwrap();
            // CopyData with a status: written, flushed, applied.
            assert_eq!((report[0], report[5], report[21]), (b'd', b'r', 5));
        }
    }
}
