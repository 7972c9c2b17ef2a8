//! Record batches, written record by record in the form in which Kafka stores them.
//!
//! Source of the layout: Kafka's protocol guide, "Record Batch" (format v2, `magic` 2).

use std::sync::Arc;

use bytes::Bytes;
use raccord_runtime::ports::Outgoing;
use tokio::time::Instant;

/// Bytes before the records.
const HEADER_LEN: usize = 61;
/// Where the bytes begin that the check sum covers.
const CRC_FROM: usize = 21;
/// The most bytes of a record's lengths and differences, as Kafka's own producer counts them.
const RECORD_OVERHEAD: usize = 21;
/// What a record costs in memory beyond its bytes: its ticket, and the lengths in front of its parts.
const RECORD_COST: usize = 24;
/// The same of a header.
const HEADER_COST: usize = 10;
/// A record alone is never larger than its cost and this.
pub(super) const OVERHEAD: usize = HEADER_LEN + RECORD_OVERHEAD;

/// What a record counts against the bound of what waits.
#[inline]
pub(super) fn cost(record: &Outgoing<'_>) -> usize {
    let mut bytes = RECORD_COST + len(record.key) + len(record.value);
    for (name, value) in record.headers {
        bytes += name.len() + value.as_ref().map_or(0, Vec::len) + HEADER_COST;
    }
    bytes
}

/// How large a record is at most when it is written alone, by the reckoning of Kafka's own producer.
pub(super) fn size_limit(record: &Outgoing<'_>) -> usize {
    HEADER_LEN + RECORD_OVERHEAD + part_len(record.key) + part_len(record.value) + headers_len(record.headers)
}

#[inline]
fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// The records of one request for a partition.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    tickets: Vec<u64>,
    base_timestamp: i64,
    max_timestamp: i64,
    /// What its records count against the bound of what waits.
    pub(super) cost: usize,
    /// When its first record came.
    pub(super) begun: Instant,
    /// The whole batch once nothing is added any more.
    closed: Option<Bytes>,
    /// How often it was sent in vain.
    pub(super) attempts: u32,
}

impl Batch {
    /// An empty batch in a buffer whose bytes are of no use any more.
    pub(super) fn new(mut bytes: Vec<u8>, begun: Instant) -> Self {
        bytes.clear();
        bytes.resize(HEADER_LEN, 0);
        Self {
            bytes,
            tickets: Vec::new(),
            base_timestamp: 0,
            max_timestamp: i64::MIN,
            cost: 0,
            begun,
            closed: None,
            attempts: 0,
        }
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.closed.as_ref().map_or(self.bytes.len(), Bytes::len)
    }

    /// Whether a record of this cost may be added without growing beyond `limit`.
    #[inline]
    pub(super) fn has_room(&self, cost: usize, limit: usize) -> bool {
        self.closed.is_none() && self.bytes.len() + cost + RECORD_OVERHEAD <= limit
    }

    /// Adds a record; `timestamp` is the record's, or now, in milliseconds since the epoch.
    #[inline]
    pub(super) fn push(&mut self, record: &Outgoing<'_>, timestamp: i64, cost: usize) {
        if self.tickets.is_empty() {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let (later, number) = (timestamp - self.base_timestamp, self.tickets.len() as i64);
        let headers = headers_len(record.headers);
        let body = 1
            + varint_len(later)
            + varint_len(number)
            + part_len(record.key)
            + part_len(record.value)
            + headers;
        let out = &mut self.bytes;
        out.reserve(body + 10);
        put_varint(out, body as i64);
        out.push(0);
        put_varint(out, later);
        put_varint(out, number);
        put_part(out, record.key);
        put_part(out, record.value);
        put_varint(out, record.headers.len() as i64);
        for (name, value) in record.headers {
            put_part(out, Some(name.as_bytes()));
            put_part(out, value.as_deref());
        }
        self.tickets.push(record.ticket);
        self.cost += cost;
    }

    /// The bytes to send. Nothing can be added afterwards.
    pub(super) fn close(&mut self) -> Bytes {
        if let Some(bytes) = &self.closed {
            return bytes.clone();
        }
        let count = self.tickets.len() as i32;
        let fields: [(usize, &[u8]); 10] = [
            (0, &0_i64.to_be_bytes()),
            (8, &((self.bytes.len() - 12) as i32).to_be_bytes()),
            // No leader epoch, the format's number, no compression and no other attribute.
            (12, &(-1_i32).to_be_bytes()),
            (16, &[2]),
            (21, &0_i16.to_be_bytes()),
            (23, &(count - 1).to_be_bytes()),
            (27, &self.base_timestamp.to_be_bytes()),
            (35, &self.max_timestamp.to_be_bytes()),
            // No producer id, epoch and sequence.
            (43, &[0xff; 14]),
            (57, &count.to_be_bytes()),
        ];
        for (at, field) in fields {
            self.bytes[at..at + field.len()].copy_from_slice(field);
        }
        let sum = crc32c::crc32c(&self.bytes[CRC_FROM..]);
        self.bytes[17..CRC_FROM].copy_from_slice(&sum.to_be_bytes());
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        self.closed = Some(bytes.clone());
        bytes
    }

    /// The tickets of its records.
    pub(super) fn tickets(&self) -> &[u64] {
        &self.tickets
    }

    /// Gives up the batch for its tickets and its buffer, which is empty when somebody else still has the bytes.
    pub(super) fn into_parts(self) -> (Vec<u64>, Vec<u8>) {
        let buffer = match self.closed.map(Bytes::try_into_mut) {
            Some(Ok(bytes)) => Vec::from(bytes),
            Some(Err(_)) => Vec::new(),
            None => self.bytes,
        };
        (self.tickets, buffer)
    }

    /// Two batches of the same records in the same order; `None` when there is only one.
    pub(super) fn split(mut self) -> Option<[Self; 2]> {
        if self.tickets.len() < 2 {
            return None;
        }
        let bytes = self.close();
        let half = self.tickets.len() / 2;
        let mut halves = [0, 1].map(|_| Self {
            attempts: self.attempts,
            base_timestamp: self.base_timestamp,
            ..Self::new(Vec::with_capacity(bytes.len()), self.begun)
        });
        let mut rest = &bytes[HEADER_LEN..];
        for (index, ticket) in self.tickets.iter().enumerate() {
            let (len, body) = take_varint(rest)?;
            let (body, behind) = body.split_at_checked(usize::try_from(len).ok()?)?;
            halves[usize::from(index >= half)].push_raw(body, *ticket)?;
            rest = behind;
        }
        // Exact enough for a bound: each half stands for what its share of records is of the whole.
        let first = self.cost / 2;
        (halves[0].cost, halves[1].cost) = (first, self.cost - first);
        Some(halves)
    }

    /// Adds a record of a batch with the same base timestamp: all but its number stays as it is.
    fn push_raw(&mut self, body: &[u8], ticket: u64) -> Option<()> {
        let (attributes, rest) = body.split_first()?;
        let (later, rest) = take_varint(rest)?;
        let (_, rest) = take_varint(rest)?;
        let number = self.tickets.len() as i64;
        let len = 1 + varint_len(later) + varint_len(number) + rest.len();
        put_varint(&mut self.bytes, len as i64);
        self.bytes.push(*attributes);
        put_varint(&mut self.bytes, later);
        put_varint(&mut self.bytes, number);
        self.bytes.extend_from_slice(rest);
        self.tickets.push(ticket);
        self.max_timestamp = self.max_timestamp.max(self.base_timestamp + later);
        Some(())
    }
}

/// The length of a part with its length before it; null has the length -1.
#[inline]
fn part_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint_len(bytes.len() as i64) + bytes.len(),
        None => 1,
    }
}

#[inline]
fn headers_len(headers: &[(Arc<str>, Option<Vec<u8>>)]) -> usize {
    let mut len = varint_len(headers.len() as i64);
    for (name, value) in headers {
        len += part_len(Some(name.as_bytes())) + part_len(value.as_deref());
    }
    len
}

#[inline]
fn put_part(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

/// The number whose low bit is the sign, so that small negative numbers are short as well.
#[inline]
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

#[inline]
fn varint_len(number: i64) -> usize {
    let bits = 64 - (zigzag(number) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[inline]
fn put_varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = zigzag(number);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn take_varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(((number >> 1) as i64 ^ -((number & 1) as i64), &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
