//! The decoder of pgoutput, the output plugin of PostgreSQL's logical replication, protocol version 1.
//!
//! Bytes in, messages out; no IO. Total: every input gives a message or an error, never a panic, and every length is
//! checked against what is there. Nothing is copied: tuples and texts are slices of the input. Source of the format:
//! PostgreSQL's documentation, "Logical Replication Message Formats".

use bytes::{Buf, Bytes};

use crate::raw::Raw;
use crate::wire::Lsn;

/// A message that is not what the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError(pub &'static str);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a message of pgoutput is broken: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

type Result<T> = std::result::Result<T, DecodeError>;

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A transaction begins. Its changes follow, then its commit.
    Begin {
        /// Where its commit record begins.
        final_lsn: Lsn,
        /// Microseconds since 2000-01-01 UTC.
        commit_time_us: i64,
        /// Transaction id.
        xid: u32,
    },
    /// The transaction is complete.
    Commit {
        /// Where its commit record begins.
        commit_lsn: Lsn,
        /// Where its commit record ends.
        end_lsn: Lsn,
        /// Microseconds since 2000-01-01 UTC.
        commit_time_us: i64,
    },
    /// What a table looks like from here on.
    Relation(Relation),
    /// A row was inserted.
    Insert {
        /// The table's oid.
        relation: u32,
        /// The row.
        new: Tuple,
    },
    /// A row was updated.
    Update {
        /// The table's oid.
        relation: u32,
        /// The old row or its key, if the replica identity gives it.
        old: Option<Tuple>,
        /// The new row.
        new: Tuple,
    },
    /// A row was deleted.
    Delete {
        /// The table's oid.
        relation: u32,
        /// The old row or its key.
        old: Tuple,
    },
    /// Tables were emptied.
    Truncate {
        /// The tables' oids.
        relations: Vec<u32>,
    },
    /// `pg_logical_emit_message`.
    Logical {
        /// Whether it belongs to the transaction it stands in.
        transactional: bool,
        /// Where it stands in the log.
        lsn: Lsn,
        /// Who it is for.
        prefix: Bytes,
        /// What it says.
        content: Bytes,
    },
    /// Types and origins, of which we make nothing.
    Ignored,
}

/// A table as the stream describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// The table's oid.
    pub id: u32,
    /// Schema; empty means pg_catalog.
    pub schema: String,
    /// Table.
    pub table: String,
    /// `d`efault, `n`othing, `f`ull or `i`ndex.
    pub replica_identity: u8,
    /// Its columns in order.
    pub columns: Vec<RelationColumn>,
}

/// A column of a [`Relation`].
#[derive(Clone, Debug, PartialEq)]
pub struct RelationColumn {
    /// Whether it belongs to the replica identity.
    pub key: bool,
    /// Name.
    pub name: String,
    /// The type's oid.
    pub type_oid: u32,
    /// The type modifier, -1 when there is none.
    pub type_modifier: i32,
}

/// The cells of a row, not looked into yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuple {
    count: u16,
    cells: Bytes,
}

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A TOASTed value that did not change and was not sent.
    Unchanged,
    /// The value's text form.
    Text(Part),
}

/// Where a value is in its tuple.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    start: u32,
    end: u32,
}

impl Tuple {
    /// How many cells there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes the cells take.
    pub fn bytes(&self) -> usize {
        self.cells.len()
    }

    /// The cells in order.
    pub fn cells(&self) -> Cells<'_> {
        Cells { cells: &self.cells, at: 0 }
    }

    /// A value. `part` is of this tuple.
    ///
    /// # Panics
    /// When the part is that of a longer tuple.
    #[inline]
    pub fn raw(&self, part: Part) -> Raw<'_> {
        Raw::part(&self.cells, part.start as usize, part.end as usize)
    }
}

/// Gives the cells of a [`Tuple`]. The tuple has been checked, so it gives as many as that says.
pub struct Cells<'a> {
    cells: &'a [u8],
    at: usize,
}

impl Iterator for Cells<'_> {
    type Item = Cell;

    #[inline]
    fn next(&mut self) -> Option<Cell> {
        let kind = self.cells.get(self.at)?;
        self.at += 1;
        Some(match kind {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            _ => {
                let length = u32::from_be_bytes(*self.cells.get(self.at..)?.first_chunk()?);
                // A message has less than 2^31 bytes.
                let start = self.at as u32 + 4;
                let end = start.checked_add(length).filter(|end| *end as usize <= self.cells.len())?;
                self.at = end as usize;
                Cell::Text(Part { start, end })
            }
        })
    }
}

/// Decodes one message.
///
/// # Errors
/// Says what is wrong with it.
pub fn decode(mut bytes: Bytes) -> Result<Message> {
    let input = &mut bytes;
    Ok(match u8(input)? {
        b'B' => Message::Begin { final_lsn: lsn(input)?, commit_time_us: i64(input)?, xid: u32(input)? },
        b'C' => {
            u8(input)?;
            Message::Commit { commit_lsn: lsn(input)?, end_lsn: lsn(input)?, commit_time_us: i64(input)? }
        }
        b'R' => Message::Relation(relation(input)?),
        b'I' => {
            let relation = u32(input)?;
            expect(input, b"N", "an insert without a new row")?;
            Message::Insert { relation, new: tuple(input)? }
        }
        b'U' => {
            let relation = u32(input)?;
            let mut kind = u8(input)?;
            let mut old = None;
            if matches!(kind, b'K' | b'O') {
                old = Some(tuple(input)?);
                kind = u8(input)?;
            }
            if kind != b'N' {
                return Err(DecodeError("an update without a new row"));
            }
            Message::Update { relation, old, new: tuple(input)? }
        }
        b'D' => {
            let relation = u32(input)?;
            expect(input, b"KO", "a delete without an old row")?;
            Message::Delete { relation, old: tuple(input)? }
        }
        b'T' => {
            let count = u32(input)? as usize;
            u8(input)?;
            // Checked first, so that a wrong count makes no huge allocation.
            if input.len() < count.saturating_mul(4) {
                return Err(DecodeError("it is cut short"));
            }
            let relations = (0..count).map(|_| u32(input)).collect::<Result<_>>()?;
            Message::Truncate { relations }
        }
        b'M' => {
            let transactional = u8(input)? & 1 == 1;
            let lsn = lsn(input)?;
            let prefix = c_string(input)?;
            let length = u32(input)? as usize;
            Message::Logical { transactional, lsn, prefix, content: take(input, length)? }
        }
        b'Y' | b'O' => Message::Ignored,
        _ => return Err(DecodeError("its kind is not known")),
    })
}

fn relation(input: &mut Bytes) -> Result<Relation> {
    let id = u32(input)?;
    let (schema, table) = (text(input)?, text(input)?);
    let replica_identity = u8(input)?;
    let count = u16(input)?;
    let column = |input: &mut Bytes| {
        Ok(RelationColumn {
            key: u8(input)? & 1 == 1,
            name: text(input)?,
            type_oid: u32(input)?,
            type_modifier: u32(input)? as i32,
        })
    };
    let columns = (0..count).map(|_| column(input)).collect::<Result<_>>()?;
    Ok(Relation { id, schema, table, replica_identity, columns })
}

/// Checks a tuple and cuts it off.
fn tuple(input: &mut Bytes) -> Result<Tuple> {
    let count = u16(input)?;
    let mut rest = &input[..];
    for _ in 0..count {
        match rest.try_get_u8() {
            Ok(b'n' | b'u') => {}
            Ok(b't') => {
                let length = rest.try_get_u32().map_err(|_| DecodeError("it is cut short"))? as usize;
                rest = rest.get(length..).ok_or(DecodeError("a cell is longer than the message"))?;
            }
            Ok(_) => return Err(DecodeError("the kind of a cell is not known")),
            Err(_) => return Err(DecodeError("it is cut short")),
        }
    }
    let length = input.len() - rest.len();
    Ok(Tuple { count, cells: input.split_to(length) })
}

fn take(input: &mut Bytes, length: usize) -> Result<Bytes> {
    if length > input.len() {
        return Err(DecodeError("it is cut short"));
    }
    Ok(input.split_to(length))
}

/// A text that ends with a zero byte, without that.
fn c_string(input: &mut Bytes) -> Result<Bytes> {
    let end = memchr::memchr(0, input).ok_or(DecodeError("a text without end"))?;
    let text = input.split_to(end);
    input.advance(1);
    Ok(text)
}

fn text(input: &mut Bytes) -> Result<String> {
    Ok(String::from_utf8_lossy(&c_string(input)?).into_owned())
}

fn expect(input: &mut Bytes, kinds: &[u8], wrong: &'static str) -> Result<()> {
    match kinds.contains(&u8(input)?) {
        true => Ok(()),
        false => Err(DecodeError(wrong)),
    }
}

fn u8(input: &mut Bytes) -> Result<u8> {
    input.try_get_u8().map_err(|_| DecodeError("it is cut short"))
}

fn u16(input: &mut Bytes) -> Result<u16> {
    input.try_get_u16().map_err(|_| DecodeError("it is cut short"))
}

fn u32(input: &mut Bytes) -> Result<u32> {
    input.try_get_u32().map_err(|_| DecodeError("it is cut short"))
}

fn i64(input: &mut Bytes) -> Result<i64> {
    input.try_get_i64().map_err(|_| DecodeError("it is cut short"))
}

fn lsn(input: &mut Bytes) -> Result<Lsn> {
    input.try_get_u64().map(Lsn).map_err(|_| DecodeError("it is cut short"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSERT: &[u8] = b"I\0\0\x40\x01N\0\x04t\0\0\0\x021\xc3nut\0\0\0\0";

    #[test]
    fn an_insert_with_every_kind_of_cell() {
        let Ok(Message::Insert { relation: 0x4001, new }) = decode(Bytes::from_static(INSERT)) else {
            panic!("an insert");
        };
        let cells: Vec<_> = new.cells().collect();
        let [Cell::Text(first), Cell::Null, Cell::Unchanged, Cell::Text(last)] = cells[..] else {
            panic!("{cells:?}");
        };
        assert_eq!((&*new.raw(first), &*new.raw(last)), (&b"1\xc3"[..], &b""[..]));
    }

    #[test]
    fn an_update_with_and_without_an_old_row() {
        let message = decode(Bytes::from_static(b"U\0\0\0\x01O\0\x01nN\0\x01t\0\0\0\x01x"));
        let Ok(Message::Update { old: Some(old), new, .. }) = message else { panic!("an update") };
        assert_eq!((old.len(), new.len()), (1, 1));
        let message = decode(Bytes::from_static(b"U\0\0\0\x01N\0\x01t\0\0\0\x01x"));
        assert!(matches!(message, Ok(Message::Update { old: None, .. })));
    }

    #[test]
    fn a_relation() {
        let bytes =
            b"R\0\0\0\x07public\0t\0d\0\x02\x01id\0\0\0\0\x17\xff\xff\xff\xff\0n\0\0\0\x06\xa4\0\x06\0\x06";
        let Ok(Message::Relation(relation)) = decode(Bytes::from_static(bytes)) else { panic!("a relation") };
        assert_eq!((relation.schema.as_str(), relation.table.as_str()), ("public", "t"));
        assert_eq!(
            relation.columns[1],
            RelationColumn { key: false, name: "n".to_owned(), type_oid: 1700, type_modifier: 393_222 }
        );
        assert_eq!((relation.columns[0].key, relation.columns[0].type_modifier), (true, -1));
    }

    /// Whatever is cut off or changed, there is an answer, and never more cells than the tuple says.
    #[test]
    fn broken_messages_are_errors_and_never_panics() {
        let samples: [&[u8]; 4] = [
            INSERT,
            b"U\0\0\0\x01O\0\x01nN\0\x01t\0\0\0\x01x",
            b"T\0\0\0\x02\0\0\0\0\x01\0\0\0\x02",
            b"M\x01\0\0\0\0\0\0\0\x01prefix\0\0\0\0\x02hi",
        ];
        for sample in samples {
            for end in 0..sample.len() {
                assert!(decode(Bytes::copy_from_slice(&sample[..end])).is_err(), "{sample:?} cut at {end}");
            }
            for place in 0..sample.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = sample.to_vec();
                    changed[place] = byte;
                    if let Ok(Message::Insert { new, .. }) = decode(Bytes::from(changed)) {
                        assert_eq!(new.cells().count(), new.len());
                    }
                }
            }
        }
    }
}
