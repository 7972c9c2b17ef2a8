//! Record batches (format v2, `magic` 2) as bytes: the header's fields, its check sum, and a walk over the records.
//!
//! The hot paths (produce, fetch, recovery) look at the 61 header bytes only. Records are decoded where nothing else
//! will do: compaction, look-up by time, key checks of compacted topics. Source of the layout: Kafka's protocol guide,
//! "Record Batch". The CRC covers everything from the attributes on, so base offset and leader epoch can be patched
//! without touching it.

use std::io::{self, Read};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::compression::{Compressor, Gzip, Lz4, Snappy, Zstd};

/// Bytes before the records.
pub(crate) const HEADER_LEN: usize = 61;
/// Bytes of base offset and length, which the length field does not count.
pub(crate) const PREFIX_LEN: usize = 12;
/// Bytes that the broker patches: base offset, length, leader epoch.
pub(crate) const PATCH_LEN: usize = 16;
/// Where the bytes covered by the CRC begin.
const CRC_FROM: usize = 21;
/// Largest record payload of one batch after decompression; more is taken for an attack or damage.
const INFLATED_MAX: usize = 128 << 20;

const ATTR_COMPRESSION: i16 = 0x07;
const ATTR_APPEND_TIME: i16 = 0x08;
const ATTR_TRANSACTIONAL: i16 = 0x10;
const ATTR_CONTROL: i16 = 0x20;
const ATTR_DELETE_HORIZON: i16 = 0x40;

/// "No producer", "no sequence", "no timestamp".
pub(crate) const NONE: i64 = -1;

/// Why bytes are not a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("batch is cut short")]
    Short,
    #[error("message format v{0} is not supported, only v2")]
    Magic(i8),
    #[error("check sum does not match")]
    Crc,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("records do not decompress: {0}")]
    Compression(String),
}

/// The header of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    pub(crate) length: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: i32,
}

fn be<const N: usize>(b: &[u8], at: usize) -> [u8; N] {
    b[at..at + N].try_into().expect("the caller checked the header's length")
}

impl Header {
    /// Reads a header; checks magic and sizes, not the CRC.
    pub(crate) fn parse(b: &[u8]) -> Result<Header, BatchError> {
        if b.len() > 16 && b[16] as i8 != 2 {
            return Err(BatchError::Magic(b[16] as i8));
        }
        if b.len() < HEADER_LEN {
            return Err(BatchError::Short);
        }
        let header = Header {
            base_offset: i64::from_be_bytes(be(b, 0)),
            length: i32::from_be_bytes(be(b, 8)),
            leader_epoch: i32::from_be_bytes(be(b, 12)),
            crc: u32::from_be_bytes(be(b, 17)),
            attributes: i16::from_be_bytes(be(b, 21)),
            last_offset_delta: i32::from_be_bytes(be(b, 23)),
            base_timestamp: i64::from_be_bytes(be(b, 27)),
            max_timestamp: i64::from_be_bytes(be(b, 35)),
            producer_id: i64::from_be_bytes(be(b, 43)),
            producer_epoch: i16::from_be_bytes(be(b, 51)),
            base_sequence: i32::from_be_bytes(be(b, 53)),
            count: i32::from_be_bytes(be(b, 57)),
        };
        if header.length < (HEADER_LEN - PREFIX_LEN) as i32 {
            return Err(BatchError::Invalid("batch length is smaller than a header"));
        }
        if header.last_offset_delta < 0 || header.count < 0 || header.base_offset < 0 {
            return Err(BatchError::Invalid("batch header has a negative offset or count"));
        }
        Ok(header)
    }

    /// Bytes of the whole batch.
    pub(crate) fn size(&self) -> usize {
        PREFIX_LEN + self.length as usize
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            self.base_sequence
        } else {
            add_sequence(self.base_sequence, self.last_offset_delta)
        }
    }

    pub(crate) fn compression(&self) -> i16 {
        self.attributes & ATTR_COMPRESSION
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & ATTR_CONTROL != 0
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & ATTR_TRANSACTIONAL != 0
    }

    pub(crate) fn is_append_time(&self) -> bool {
        self.attributes & ATTR_APPEND_TIME != 0
    }

    /// Time after which compaction may drop this batch's tombstones, once compaction has set it.
    pub(crate) fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & ATTR_DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    pub(crate) fn set_delete_horizon(&mut self, horizon_ms: i64) {
        self.attributes |= ATTR_DELETE_HORIZON;
        self.base_timestamp = horizon_ms;
    }

    pub(crate) fn set_append_time(&mut self, now_ms: i64) {
        self.attributes |= ATTR_APPEND_TIME;
        self.max_timestamp = now_ms;
    }

    pub(crate) fn set_create_time(&mut self) {
        self.attributes &= !ATTR_APPEND_TIME;
    }

    /// The first 16 bytes with this offset and epoch, to be written before the batch's bytes from 16 on.
    pub(crate) fn patch(&self, base_offset: i64, leader_epoch: i32) -> [u8; PATCH_LEN] {
        let mut out = [0; PATCH_LEN];
        out[..8].copy_from_slice(&base_offset.to_be_bytes());
        out[8..12].copy_from_slice(&self.length.to_be_bytes());
        out[12..].copy_from_slice(&leader_epoch.to_be_bytes());
        out
    }

    /// Encodes a batch of this header around an encoded (and already compressed) payload; length and CRC are computed.
    pub(crate) fn encode(&self, payload: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_LEN + payload.len());
        out.put_i64(self.base_offset);
        out.put_i32((HEADER_LEN - PREFIX_LEN + payload.len()) as i32);
        out.put_i32(self.leader_epoch);
        out.put_u8(2);
        out.put_u32(0);
        out.put_i16(self.attributes);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.count);
        out.put_slice(payload);
        let crc = crc32c::crc32c(&out[CRC_FROM..]);
        out[17..21].copy_from_slice(&crc.to_be_bytes());
        out.freeze()
    }
}

/// Adds to a sequence number, which wraps from `i32::MAX` to 0.
pub(crate) fn add_sequence(sequence: i32, delta: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(delta);
    (sum % (i64::from(i32::MAX) + 1)) as i32
}

/// Whether the CRC of the complete batch `b` matches.
pub(crate) fn crc_matches(header: &Header, b: &[u8]) -> bool {
    crc32c::crc32c(&b[CRC_FROM..header.size()]) == header.crc
}

/// One record inside a batch, as slices of the (decompressed) payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawRecord {
    pub(crate) offset_delta: i32,
    pub(crate) timestamp_delta: i64,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    /// Everything after the timestamp delta (offset delta, key, value, headers), to be copied as it is.
    tail: Bytes,
}

impl RawRecord {
    /// Appends the record with another timestamp delta.
    pub(crate) fn write(&self, timestamp_delta: i64, out: &mut BytesMut) {
        put_varint(out, (1 + varint_len(timestamp_delta) + self.tail.len()) as i64);
        out.put_u8(0);
        put_varint(out, timestamp_delta);
        out.put_slice(&self.tail);
    }
}

/// The payload (bytes after the header) without compression. Stops at a limit, so that a small batch of endless
/// repetition cannot fill the memory.
pub(crate) fn inflate(compression: i16, payload: Bytes) -> Result<Bytes, BatchError> {
    let failed = |e: io::Error| BatchError::Compression(e.to_string());
    match compression {
        0 => Ok(payload),
        1 => read_bounded(flate2::read::MultiGzDecoder::new(&payload[..])),
        2 => unsnap(&payload),
        3 => read_bounded(lz4::Decoder::new(&payload[..]).map_err(failed)?),
        4 => read_bounded(zstd::stream::read::Decoder::with_buffer(&payload[..]).map_err(failed)?),
        other => Err(BatchError::Compression(format!("codec {other} is unknown"))),
    }
}

fn too_large() -> BatchError {
    BatchError::Compression(format!("more than {INFLATED_MAX} bytes in one batch"))
}

fn read_bounded(reader: impl Read) -> Result<Bytes, BatchError> {
    let mut out = Vec::new();
    let read = reader.take(INFLATED_MAX as u64 + 1).read_to_end(&mut out);
    read.map_err(|e| BatchError::Compression(e.to_string()))?;
    if out.len() > INFLATED_MAX { Err(too_large()) } else { Ok(out.into()) }
}

/// Snappy as the JVM's library frames it (magic, two versions, then blocks with a length), or one bare block.
fn unsnap(payload: &[u8]) -> Result<Bytes, BatchError> {
    const MAGIC: &[u8] = b"\x82SNAPPY\0";
    const HEAD: usize = 16;
    let mut out = Vec::new();
    let mut block = |bytes: &[u8]| {
        let failed = |e: snap::Error| BatchError::Compression(e.to_string());
        let len = snap::raw::decompress_len(bytes).map_err(failed)?;
        let at = out.len();
        if at + len > INFLATED_MAX {
            return Err(too_large());
        }
        out.resize(at + len, 0);
        snap::raw::Decoder::new().decompress(bytes, &mut out[at..]).map_err(failed).map(drop)
    };
    if !payload.starts_with(MAGIC) {
        block(payload)?;
        return Ok(out.into());
    }
    let mut rest = payload.get(HEAD..).ok_or(BatchError::Short)?;
    while let Some((len, after)) = rest.split_first_chunk() {
        let len = u32::from_be_bytes(*len) as usize;
        block(after.get(..len).ok_or(BatchError::Short)?)?;
        rest = &after[len..];
    }
    Ok(out.into())
}

/// The payload with compression.
pub(crate) fn deflate(compression: i16, payload: &[u8]) -> Result<Bytes, BatchError> {
    let mut out = BytesMut::with_capacity(payload.len() / 2 + 64);
    let fill = |b: &mut BytesMut| {
        b.put_slice(payload);
        Ok(())
    };
    let done = match compression {
        0 => {
            out.put_slice(payload);
            Ok(())
        }
        1 => Gzip::compress(&mut out, fill),
        2 => Snappy::compress(&mut out, fill),
        3 => Lz4::compress(&mut out, fill),
        4 => Zstd::compress(&mut out, fill),
        other => Err(BatchError::Compression(format!("codec {other} is unknown")).into()),
    };
    done.map_err(|e| BatchError::Compression(e.to_string()))?;
    Ok(out.freeze())
}

/// All records of the complete batch `b`. Trusts no count: a lying header costs no memory.
pub(crate) fn records(header: &Header, b: &Bytes) -> Result<Vec<RawRecord>, BatchError> {
    let payload = inflate(header.compression(), b.slice(HEADER_LEN..header.size()))?;
    // A record is 7 bytes or more, so the capacity is bounded by what is really there.
    let mut out = Vec::with_capacity((header.count as usize).min(payload.len() / 7));
    let mut at = 0;
    for _ in 0..header.count {
        out.push(read_record(&payload, &mut at)?);
    }
    if at != payload.len() {
        return Err(BatchError::Invalid("bytes after the last record of a batch"));
    }
    Ok(out)
}

fn read_record(payload: &Bytes, at: &mut usize) -> Result<RawRecord, BatchError> {
    let size =
        usize::try_from(get_varint(payload, at)?).map_err(|_| BatchError::Invalid("negative record size"))?;
    let end = at.checked_add(size).filter(|end| *end <= payload.len()).ok_or(BatchError::Short)?;
    let body = payload.slice(*at..end);
    *at = end;
    let mut p = 1;
    let timestamp_delta = get_varint(&body, &mut p)?;
    let tail = body.slice(p..);
    let mut p = 0;
    let offset_delta = i32::try_from(get_varint(&tail, &mut p)?)
        .map_err(|_| BatchError::Invalid("offset delta too large"))?;
    let key = get_bytes(&tail, &mut p)?;
    let value = get_bytes(&tail, &mut p)?;
    check_headers(&tail, &mut p)?;
    if p != tail.len() {
        return Err(BatchError::Invalid("bytes after the headers of a record"));
    }
    Ok(RawRecord { offset_delta, timestamp_delta, key, value, tail })
}

fn check_headers(tail: &Bytes, p: &mut usize) -> Result<(), BatchError> {
    let count = get_varint(tail, p)?;
    if count < 0 {
        return Err(BatchError::Invalid("negative header count"));
    }
    for _ in 0..count {
        get_bytes(tail, p)?.ok_or(BatchError::Invalid("null header key"))?;
        get_bytes(tail, p)?;
    }
    Ok(())
}

fn get_bytes(b: &Bytes, p: &mut usize) -> Result<Option<Bytes>, BatchError> {
    let len = get_varint(b, p)?;
    if len < 0 {
        return Ok(None);
    }
    let end = usize::try_from(len).ok().and_then(|l| p.checked_add(l)).filter(|e| *e <= b.len());
    let end = end.ok_or(BatchError::Short)?;
    let out = b.slice(*p..end);
    *p = end;
    Ok(Some(out))
}

/// Zigzag varint, up to ten bytes.
fn get_varint(b: &[u8], p: &mut usize) -> Result<i64, BatchError> {
    let mut raw = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *b.get(*p).ok_or(BatchError::Short)?;
        *p += 1;
        raw |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    Err(BatchError::Invalid("varint is too long"))
}

fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

fn varint_len(v: i64) -> usize {
    ((64 - (zigzag(v) | 1).leading_zeros()) as usize).div_ceil(7)
}

fn put_varint(out: &mut BytesMut, v: i64) {
    let mut raw = zigzag(v);
    while raw >= 0x80 {
        out.put_u8(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.put_u8(raw as u8);
}

fn put_bytes(out: &mut BytesMut, b: Option<&Bytes>) {
    match b {
        Some(b) => {
            put_varint(out, b.len() as i64);
            out.put_slice(b);
        }
        None => put_varint(out, -1),
    }
}

/// A record to be written by the broker itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Key, or none.
    pub key: Option<Bytes>,
    /// Value, or none for a tombstone.
    pub value: Option<Bytes>,
    /// Creation time, milliseconds since the epoch.
    pub timestamp_ms: i64,
}

/// The producer in whose name records are written or were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerTag {
    /// Producer id.
    pub producer_id: i64,
    /// Producer epoch.
    pub producer_epoch: i16,
}

/// Builds one uncompressed batch at base offset 0. `producer` makes it transactional; `control` a control batch.
pub(crate) fn build(records: &[NewRecord], producer: Option<ProducerTag>, control: bool) -> Bytes {
    let base_timestamp = records.first().map_or(NONE, |r| r.timestamp_ms);
    let mut payload = BytesMut::new();
    let mut tail = BytesMut::new();
    for (i, record) in records.iter().enumerate() {
        tail.clear();
        put_varint(&mut tail, i as i64);
        put_bytes(&mut tail, record.key.as_ref());
        put_bytes(&mut tail, record.value.as_ref());
        put_varint(&mut tail, 0);
        let delta = record.timestamp_ms.wrapping_sub(base_timestamp);
        put_varint(&mut payload, (1 + varint_len(delta) + tail.len()) as i64);
        payload.put_u8(0);
        put_varint(&mut payload, delta);
        payload.put_slice(&tail);
    }
    let header = Header {
        base_offset: 0,
        length: 0,
        leader_epoch: 0,
        crc: 0,
        attributes: if producer.is_some() { ATTR_TRANSACTIONAL } else { 0 }
            | if control { ATTR_CONTROL } else { 0 },
        last_offset_delta: records.len().saturating_sub(1) as i32,
        base_timestamp,
        max_timestamp: records.iter().map(|r| r.timestamp_ms).max().unwrap_or(NONE),
        producer_id: producer.map_or(NONE, |p| p.producer_id),
        producer_epoch: producer.map_or(-1, |p| p.producer_epoch),
        base_sequence: -1,
        count: records.len() as i32,
    };
    header.encode(&payload)
}

/// A batch with the same records under another codec.
pub(crate) fn recompress(header: &Header, b: &Bytes, compression: i16) -> Result<Bytes, BatchError> {
    let payload = inflate(header.compression(), b.slice(HEADER_LEN..header.size()))?;
    let mut header = *header;
    header.attributes = (header.attributes & !ATTR_COMPRESSION) | compression;
    Ok(header.encode(&deflate(compression, &payload)?))
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
