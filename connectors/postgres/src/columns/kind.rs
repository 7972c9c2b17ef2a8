//! What a column's values are, decided once, and how each kind is read from both forms.

use std::sync::Arc;

use bytes::Bytes;
use raccord_data::{Schema, Type, Value};

use super::arrays::{Element, elements};
use super::numbers::{MoneyForm, NumericForm};
use super::settings::{BinaryMode, HstoreMode, IntervalMode, TimePrecision};
use super::temporal::{Bounded, Moment, Unit, Way};
use super::{binary, hstore, interval, network, numbers, temporal, vectors};
use crate::raw::Raw;

/// Where a value in text form comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The log.
    Log,
    /// A snapshot.
    Snapshot,
    /// An array, of either.
    Array,
}

impl Origin {
    fn way(self) -> Way {
        match self {
            Self::Log => Way::Log,
            Self::Snapshot | Self::Array => Way::Driver,
        }
    }
}

/// A kind of values.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `bool`.
    Boolean,
    /// `int2`.
    Int16,
    /// `int4`.
    Int32,
    /// `int8`.
    Int64,
    /// `oid`: 32 bits without sign.
    Oid,
    /// `float4`.
    Float32,
    /// `float8`.
    Float64,
    /// `numeric`.
    Numeric(NumericForm),
    /// `money`.
    Money(MoneyForm),
    /// Text whose binary form is its text.
    Text,
    /// `name` where types without mapping are left out: Debezium reads it in snapshots and leaves it null in the log.
    Name,
    /// Text whose binary form is another: it is copied as text.
    CastText,
    /// `jsonb`: a version before the text.
    Jsonb,
    /// `uuid`.
    Uuid,
    /// `inet`, `cidr`.
    Network,
    /// `macaddr`, `macaddr8`.
    Mac,
    /// `bytea`.
    Binary(BinaryMode),
    /// One bit.
    Bit,
    /// Several bits.
    Bits,
    /// `date`.
    Date(TimePrecision),
    /// `time`.
    Time(Unit),
    /// `timetz`.
    ZonedTime,
    /// `timestamp`.
    Timestamp(Unit),
    /// `timestamptz`, with the column's number of digits.
    ZonedTimestamp(i32),
    /// `interval`.
    Interval(IntervalMode),
    /// `hstore`.
    Hstore(HstoreMode),
    /// `point`.
    Point(Arc<Schema>),
    /// pgvector's `vector`.
    Vector,
    /// pgvector's `halfvec`.
    HalfVector,
    /// pgvector's `sparsevec`.
    SparseVector(Arc<Schema>),
    /// An array.
    Array(Box<Elements>),
    /// A geometric type that has no mapping, as bytes of its text with numbers as Java writes them.
    Geometric(BinaryMode),
    /// A type that has no mapping, as bytes of its text.
    Unknown(BinaryMode),
    /// A type that has a schema in Debezium, but no values that fit it: null.
    Unreadable,
}

/// What the elements of an array are.
#[derive(Clone, Debug)]
pub struct Elements {
    /// Their kind.
    pub kind: Kind,
    /// Whether null elements are allowed; else an array that has one is null.
    pub optional: bool,
    /// The oid of their type.
    pub oid: u32,
}

impl Kind {
    /// Whether the column is to be copied as `::text`.
    pub fn is_copied_as_text(&self) -> bool {
        matches!(
            self,
            Self::Money(_)
                | Self::CastText
                | Self::Hstore(_)
                | Self::Vector
                | Self::HalfVector
                | Self::SparseVector(_)
                | Self::Array(_)
                | Self::Geometric(_)
                | Self::Unknown(_)
        )
    }

    /// A cell, from the text form. `None` for text that the type does not have.
    pub fn text(&self, text: Raw<'_>, origin: Origin) -> Option<Value> {
        let way = origin.way();
        let in_array = origin == Origin::Array;
        Some(match self {
            Self::Boolean => match &text[..] {
                b"t" | b"true" => Value::Boolean(true),
                b"f" | b"false" => Value::Boolean(false),
                _ => return None,
            },
            Self::Int16 => Value::Int16(numbers::integer(&text)?),
            Self::Int32 => Value::Int32(numbers::integer(&text)?),
            Self::Int64 | Self::Oid => Value::Int64(numbers::integer(&text)?),
            Self::Float32 => Value::Float32(numbers::float(&text)?),
            Self::Float64 => Value::Float64(numbers::float(&text)?),
            Self::Numeric(form) => numbers::numeric_text(form, text)?,
            Self::Money(form) => form.cell(&text, origin != Origin::Log)?,
            Self::Text
            | Self::Name
            | Self::CastText
            | Self::Jsonb
            | Self::Uuid
            | Self::Network
            | Self::Mac => Value::String(text.text()?),
            Self::Binary(mode) => binary::cell(*mode, binary::bytea_text(&text)?),
            Self::Bit => bit(&text)?,
            Self::Bits => Value::Bytes(binary::bits_text(&text)?),
            Self::Date(mode) => date(*mode, temporal::date_text(&text)?, way),
            Self::Time(unit) => temporal::time_cell(*unit, temporal::time_text(&text)?, in_array),
            Self::ZonedTime => temporal::zoned_time_cell(temporal::timetz_text(&text)?, in_array),
            Self::Timestamp(unit) => temporal::timestamp_cell(*unit, temporal::timestamp_text(&text)?, way),
            Self::ZonedTimestamp(digits) => {
                let way = if in_array { Way::DriverFields } else { way };
                temporal::zoned_timestamp_cell(*digits, temporal::timestamp_text(&text)?, way)
            }
            Self::Interval(mode) => interval::Interval::of_text(&text)?.cell(*mode),
            Self::Hstore(mode) => hstore::cell(*mode, &text)?,
            Self::Point(schema) => vectors::point_text(schema, &text)?,
            Self::Vector => vectors::dense(&text, |number| number.parse().ok().map(Value::Float64))?,
            Self::HalfVector => vectors::dense(&text, |number| number.parse().ok().map(Value::Float32))?,
            Self::SparseVector(schema) => vectors::sparse(schema, &text)?,
            Self::Array(inner) => inner.array(&text.share())?,
            Self::Geometric(mode) if !in_array => binary::cell(*mode, vectors::with_java_numbers(&text)?),
            Self::Geometric(mode) | Self::Unknown(mode) => binary::cell(*mode, text.share()),
            Self::Unreadable => Value::Null,
        })
    }

    /// A cell of a snapshot, from the binary form, or from text for kinds that are copied as text.
    pub fn copied(&self, bytes: Raw<'_>) -> Option<Value> {
        let way = Way::Driver;
        Some(match self {
            Self::Boolean => Value::Boolean(array::<1>(&bytes)?[0] != 0),
            Self::Int16 => Value::Int16(i16::from_be_bytes(array(&bytes)?)),
            Self::Int32 => Value::Int32(i32::from_be_bytes(array(&bytes)?)),
            Self::Int64 => Value::Int64(i64::from_be_bytes(array(&bytes)?)),
            Self::Oid => Value::Int64(u32::from_be_bytes(array(&bytes)?).into()),
            Self::Float32 => Value::Float32(f32::from_be_bytes(array(&bytes)?)),
            Self::Float64 => Value::Float64(f64::from_be_bytes(array(&bytes)?)),
            Self::Numeric(form) => numbers::numeric_binary(form, &bytes)?,
            Self::Text | Self::Name => Value::String(bytes.text()?),
            Self::Jsonb => match bytes.first()? {
                1 => Value::String(bytes.behind(1).text()?),
                _ => return None,
            },
            Self::Uuid => Value::from(uuid(&array(&bytes)?)),
            Self::Network => Value::from(network::inet_binary(&bytes)?),
            Self::Mac => Value::from(network::mac_binary(&bytes)?),
            Self::Binary(mode) => binary::cell(*mode, bytes.share()),
            Self::Bit => match binary::bits_binary(&bytes)?.first() {
                None => Value::Boolean(false),
                Some(_) => Value::Boolean(true),
            },
            Self::Bits => Value::Bytes(binary::bits_binary(&bytes)?),
            Self::Date(mode) => date(*mode, temporal::date_binary(i32::from_be_bytes(array(&bytes)?)), way),
            Self::Time(unit) => temporal::time_cell(*unit, i64::from_be_bytes(array(&bytes)?), false),
            Self::ZonedTime => {
                let (micros, west) = bytes.split_first_chunk::<8>()?;
                let west = i32::from_be_bytes(west.try_into().ok()?);
                temporal::zoned_time_cell(temporal::timetz_binary(i64::from_be_bytes(*micros), west), false)
            }
            Self::Timestamp(unit) => temporal::timestamp_cell(*unit, moment(&bytes)?, way),
            Self::ZonedTimestamp(digits) => temporal::zoned_timestamp_cell(*digits, moment(&bytes)?, way),
            Self::Interval(mode) => {
                let all: [u8; 16] = array(&bytes)?;
                let micros = i64::from_be_bytes(array(&all[..8])?);
                let days = i32::from_be_bytes(array(&all[8..12])?);
                let months = i32::from_be_bytes(array(&all[12..])?);
                interval::Interval::of_binary(micros, days, months)?.cell(*mode)
            }
            Self::Point(schema) => vectors::point_binary(schema, &bytes)?,
            Self::Unreadable => Value::Null,
            Self::Money(_)
            | Self::CastText
            | Self::Hstore(_)
            | Self::Vector
            | Self::HalfVector
            | Self::SparseVector(_)
            | Self::Array(_)
            | Self::Geometric(_)
            | Self::Unknown(_) => return self.text(bytes, Origin::Snapshot),
        })
    }

    /// What stands for null in a column that must not be null and has no default: rows before a change, of which only
    /// the key is known, are full of it.
    pub fn fallback(&self, schema: &Schema) -> Value {
        match self {
            Self::Boolean | Self::Bit => Value::Boolean(false),
            Self::Int16 => Value::Int16(0),
            Self::Int32 => Value::Int32(0),
            Self::Int64 | Self::Oid => Value::Int64(0),
            Self::Float32 => Value::Float32(0.0),
            Self::Float64 => Value::Float64(0.0),
            Self::Numeric(form) => numbers::numeric_zero(form),
            Self::Money(form) => form.zero(),
            Self::Bits
            | Self::Binary(BinaryMode::Bytes)
            | Self::Geometric(BinaryMode::Bytes)
            | Self::Unknown(BinaryMode::Bytes) => Value::Bytes(Bytes::new()),
            Self::Interval(mode) => interval::Interval::default().cell(*mode),
            Self::Hstore(HstoreMode::Json) => Value::from("{}"),
            Self::Hstore(HstoreMode::Map) => Value::Map(Vec::new()),
            Self::Point(schema) => vectors::point(schema, 0.0, 0.0),
            Self::Vector | Self::HalfVector | Self::Array(_) => Value::Array(Vec::new()),
            Self::SparseVector(_) | Self::Unreadable => Value::Null,
            Self::ZonedTime | Self::Time(Unit::Iso) => Value::from("00:00:00Z"),
            Self::ZonedTimestamp(_) | Self::Timestamp(Unit::Iso) => Value::from("1970-01-01T00:00:00Z"),
            Self::Date(TimePrecision::IsoString) => Value::from("1970-01-01Z"),
            Self::Date(_) | Self::Time(_) | Self::Timestamp(_) => match (&schema.name, &schema.ty) {
                (Some(name), _) if name.starts_with("org.apache.kafka.connect.data.") => Value::Date(0),
                (_, Type::Int32) => Value::Int32(0),
                _ => Value::Int64(0),
            },
            Self::Text
            | Self::Name
            | Self::CastText
            | Self::Jsonb
            | Self::Uuid
            | Self::Network
            | Self::Mac
            | Self::Binary(_)
            | Self::Geometric(_)
            | Self::Unknown(_) => Value::from(""),
        }
    }
}

impl Elements {
    fn array(&self, text: &Bytes) -> Option<Value> {
        let mut cells = Vec::new();
        for element in elements(text)? {
            let cell = match element {
                Element::Null => Value::Null,
                // The driver cannot read what is no number, and then none of the array.
                Element::Value(text) if self.is_no_number(&text) => return Some(Value::Null),
                Element::Value(text) => self.kind.text(Raw::from(&text), Origin::Array)?,
                Element::Nested(text) => self.nested(text),
            };
            // Debezium cannot put the null into the list, and gives up on all of it.
            if cell.is_null() && !self.optional {
                return Some(Value::Null);
            }
            cells.push(cell);
        }
        Some(Value::Array(cells))
    }

    fn is_no_number(&self, text: &[u8]) -> bool {
        matches!(self.kind, Kind::Numeric(_)) && matches!(text, b"NaN" | b"Infinity" | b"-Infinity")
    }

    /// Debezium has no place for further dimensions: it leaves them null, or writes the identity of Java's array where
    /// text is wanted; here that is the array's own text.
    fn nested(&self, text: Bytes) -> Value {
        match self.kind {
            Kind::Text | Kind::CastText | Kind::Jsonb | Kind::Uuid | Kind::Network | Kind::Mac => {
                Raw::from(&text).text().map(Value::String).unwrap_or_default()
            }
            _ => Value::Null,
        }
    }
}

fn bit(text: &[u8]) -> Option<Value> {
    // Debezium reads the digits as a number and asks if it is zero.
    text.iter().all(|digit| matches!(digit, b'0' | b'1')).then(|| Value::Boolean(text.contains(&b'1')))
}

fn date(mode: TimePrecision, date: Bounded<i64>, way: Way) -> Value {
    temporal::date_cell(mode, date, way).unwrap_or_default()
}

fn moment(bytes: &[u8]) -> Option<Bounded<Moment>> {
    Some(Moment::of_binary(i64::from_be_bytes(array(bytes)?)))
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn uuid(bytes: &[u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}

/// A name-based UUID of bytes: Java's `UUID.nameUUIDFromBytes` (version 3).
pub fn uuid_of(bytes: &[u8]) -> String {
    use md5::Digest;
    let mut hash: [u8; 16] = md5::Md5::digest(bytes).into();
    hash[6] = hash[6] & 0x0f | 0x30;
    hash[8] = hash[8] & 0x3f | 0x80;
    uuid(&hash)
}
