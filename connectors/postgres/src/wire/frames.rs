//! Frames of the WAL stream, taken one after the other from the chunks of the reader, which hold whole frames only.

use bytes::{Buf, Bytes};

use super::{Chunk, Lsn};

/// Frames that are at hand.
#[derive(Default)]
pub struct Frames {
    chunk: Option<Chunk>,
    rest: Bytes,
}

/// A frame of the stream.
pub enum Frame {
    /// A message of pgoutput with its position.
    Wal(Lsn, Bytes),
    /// The server has decoded up to here, and all that there was to send has been sent before.
    Keepalive(Lsn),
    /// Something else.
    Other,
}

impl Frames {
    /// The next frame, and how many bytes it takes.
    pub fn peek(&self) -> Option<(Frame, usize)> {
        peek_at(&self.rest)
    }

    /// The position of the message behind the next frame.
    pub fn position_behind(&self, bytes: usize) -> Option<Lsn> {
        let next = self.rest.get(bytes..)?;
        let is_wal = next.first() == Some(&b'd') && next.get(5) == Some(&b'w');
        is_wal.then(|| next.get(6..14).map(|mut lsn| Lsn(lsn.get_u64()))).flatten()
    }

    /// Goes on to the frame behind those bytes.
    pub fn advance(&mut self, bytes: usize) {
        self.rest.advance(bytes);
        if self.rest.is_empty() {
            self.chunk = None;
        }
    }

    /// Takes a chunk, when the one before is used up.
    pub fn refill(&mut self, chunk: Chunk) {
        self.rest = chunk.frames.clone();
        self.chunk = Some(chunk);
    }
}

/// See [`Frames::peek`]. The reader hands on whole frames only.
fn peek_at(frames: &Bytes) -> Option<(Frame, usize)> {
    let length = u32::from_be_bytes(frames.get(1..5)?.try_into().ok()?) as usize + 1;
    let frame = frames.get(..length)?;
    let lsn = |frame: &[u8]| Lsn((&frame[6..14]).get_u64());
    let kind = match (frame[0], frame.get(5), length) {
        (b'd', Some(b'w'), 30..) => Frame::Wal(lsn(frame), frames.slice(30..length)),
        (b'd', Some(b'k'), 14..) => Frame::Keepalive(lsn(frame)),
        _ => Frame::Other,
    };
    Some((kind, length))
}
