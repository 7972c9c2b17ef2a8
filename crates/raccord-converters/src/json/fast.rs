//! Reading well-formed JSON of the expected shape straight into values.
//!
//! Every function gives `None` for anything unusual: malformed input, a value of another type than the schema's,
//! repeated keys, great depth or length. The caller then takes the slow way, which decides what it means.

use std::sync::Arc;

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use raccord_data::{Decimal, Struct, Text, Value, java_order};

use super::plan::{FieldPlan, MapPlan, NullMeans, Plan, Step};
use super::text::find_special;
use raccord_data::java_text::DAY_MS;

/// Deeper values take the slow way, which does not recurse while it parses.
const MAX_DEPTH: u32 = 64;
/// Longer numbers take the slow way, which knows Jackson's limit.
const MAX_NUMBER: usize = 300;
/// Larger schemaless objects take the slow way, which finds repeated keys by hash.
const MAX_KEYS: usize = 64;
/// Longer names and texts take the slow way, which knows Jackson's limits.
const MAX_TEXT: usize = 50_000;

/// A place in the input, which is UTF-8.
pub(super) struct Cursor<'a> {
    text: &'a Text,
    bytes: &'a [u8],
    pub at: usize,
}

/// A number as it stands in the input.
struct Number<'a> {
    text: &'a str,
    /// The value when it is whole and short.
    small: Option<i64>,
    is_whole: bool,
}

impl<'a> Cursor<'a> {
    /// Stands at the beginning.
    pub fn new(text: &'a Text) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// The bytes from here on.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Goes to the next byte that is not white space.
    pub fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Takes that byte, white space before it being skipped.
    pub fn take(&mut self, expected: u8) -> Option<()> {
        (self.skip_space()? == expected).then(|| self.at += 1)
    }

    /// Takes these bytes if they are next.
    pub fn take_exactly(&mut self, expected: &[u8]) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Reads a value that is the whole input, or the beginning of it as far as Jackson looks.
    pub fn root(&mut self, plan: &Plan) -> Option<Value> {
        let first = self.skip_space()?;
        let value = self.value(plan, 0)?;
        let ends_well = match first {
            b'{' | b'[' | b'"' => true,
            _ => matches!(self.bytes.get(self.at), None | Some(b' ' | b'\t' | b'\n' | b'\r')),
        };
        ends_well.then_some(value)
    }

    /// Reads a value.
    pub fn value(&mut self, plan: &Plan, depth: u32) -> Option<Value> {
        let byte = self.skip_space()?;
        if byte == b'n' {
            if !self.take_exactly(b"null") {
                return None;
            }
            return match &plan.null {
                NullMeans::Null => Some(Value::Null),
                NullMeans::Default(default) => Some(Value::clone(default)),
                NullMeans::Mistake => None,
            };
        }
        Some(match &plan.step {
            Step::Any => return self.any(byte, depth),
            Step::Boolean => Value::Boolean(self.boolean(byte)?),
            Step::Int8 => Value::Int8(self.integer()? as i8),
            Step::Int16 => Value::Int16(self.integer()? as i16),
            Step::Int32 => Value::Int32(self.integer()? as i32),
            Step::Int64 => Value::Int64(self.integer()?),
            Step::Float32 => {
                let number: f32 = self.number()?.text.parse().ok()?;
                Value::Float32(if number == 0.0 { self.zero(number.into())? as f32 } else { number })
            }
            Step::Float64 => Value::Float64(self.double()?),
            Step::String => Value::String(self.string()?),
            Step::Bytes => Value::Bytes(self.binary()?),
            Step::Decimal(scale) => Value::Decimal(Box::new(self.decimal(byte, *scale)?)),
            Step::Date => Value::Date(i64::from(i32::try_from(self.integer()?).ok()?) * DAY_MS),
            Step::Time => {
                let millis = self.integer()?;
                if !(0..=DAY_MS).contains(&millis) {
                    return None;
                }
                Value::Date(millis)
            }
            Step::Timestamp => Value::Date(self.integer()?),
            Step::Array(items) => Value::Array(self.array(items, depth)?),
            Step::Map(map) => self.map(map, depth)?,
            Step::Struct(fields) => {
                let cells = self.structure(fields, depth)?;
                Value::Struct(Struct::new(Arc::clone(plan.schema.as_ref()?), cells))
            }
        })
    }

    fn any(&mut self, byte: u8, depth: u32) -> Option<Value> {
        static ANY: Plan = Plan { schema: None, step: Step::Any, null: NullMeans::Null };
        Some(match byte {
            b'"' => Value::String(self.string()?),
            b't' | b'f' => Value::Boolean(self.boolean(byte)?),
            b'[' => Value::Array(self.array(&ANY, depth)?),
            b'{' => self.object(&ANY, depth)?,
            _ => {
                let number = self.number()?;
                if number.is_whole {
                    Value::Int64(number.small?)
                } else {
                    Value::Float64(self.as_double(&number)?)
                }
            }
        })
    }

    fn boolean(&mut self, byte: u8) -> Option<bool> {
        let (word, flag): (&[u8], bool) = if byte == b't' { (b"true", true) } else { (b"false", false) };
        // What may follow a value is checked by who asked for it; a longer word fails there.
        self.take_exactly(word).then_some(flag)
    }

    fn integer(&mut self) -> Option<i64> {
        self.number()?.small
    }

    fn double(&mut self) -> Option<f64> {
        let number = self.number()?;
        self.as_double(&number)
    }

    fn as_double(&self, number: &Number) -> Option<f64> {
        let double: f64 = number.text.parse().ok()?;
        if double == 0.0 { self.zero(double) } else { Some(double) }
    }

    /// A number that came out as zero. Digits that are all zero make a positive one; anything else was too small.
    fn zero(&self, zero: f64) -> Option<f64> {
        (!zero.is_sign_negative()).then_some(zero)
    }

    /// Scans a number. Exponents of more digits than any double has take the slow way.
    fn number(&mut self) -> Option<Number<'a>> {
        let start = self.at;
        let negative = self.bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let digits = self.at;
        let mut magnitude: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let count = self.at - digits;
        if count == 0 {
            return None;
        }
        let mut is_whole = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            is_whole = false;
            self.at += 1;
            self.some_digits(MAX_NUMBER)?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.some_digits(4)?;
        }
        if self.at - start > MAX_NUMBER {
            return None;
        }
        let magnitude = magnitude as i64;
        let small = (is_whole && count <= 18).then(|| if negative { -magnitude } else { magnitude });
        Some(Number { text: &self.text.as_str()[start..self.at], small, is_whole })
    }

    fn some_digits(&mut self, most: usize) -> Option<()> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (1..=most).contains(&count).then_some(())
    }

    /// Reads a string. Without escapes it is a slice of the input.
    fn string(&mut self) -> Option<Text> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = find_special(self.bytes, start);
        match self.bytes.get(end)? {
            b'"' if end - start <= MAX_TEXT => {
                self.at = end + 1;
                Some(self.text.slice(start, end))
            }
            b'\\' => self.escaped(start, end),
            _ => None,
        }
    }

    /// Reads a string whose first escape stands at `end`.
    fn escaped(&mut self, mut start: usize, mut end: usize) -> Option<Text> {
        let text = self.text.as_str();
        let mut out = String::with_capacity(end - start + 16);
        loop {
            out.push_str(&text[start..end]);
            if out.len() > MAX_TEXT {
                return None;
            }
            match self.bytes.get(end)? {
                b'"' => {
                    self.at = end + 1;
                    return Some(out.into());
                }
                b'\\' => {}
                _ => return None,
            }
            let char = match self.bytes.get(end + 1)? {
                b'"' => '"',
                b'\\' => '\\',
                b'/' => '/',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let unit = self.hex(end + 2)?;
                    if (0xd800..0xe000).contains(&unit) {
                        let low = self.bytes.get(end + 6..end + 8).filter(|next| *next == b"\\u");
                        let low = low.and_then(|_| self.hex(end + 8))?;
                        end += 6;
                        char::decode_utf16([unit, low]).next()?.ok()?
                    } else {
                        char::from_u32(u32::from(unit))?
                    }
                }
                _ => return None,
            };
            start = end + if self.bytes[end + 1] == b'u' { 6 } else { 2 };
            out.push(char);
            end = find_special(self.bytes, start);
        }
    }

    fn hex(&self, at: usize) -> Option<u16> {
        self.bytes
            .get(at..at + 4)?
            .iter()
            .try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)? as u16))
    }

    fn binary(&mut self) -> Option<Bytes> {
        let text = self.string()?;
        STANDARD.decode(text.as_bytes()).ok().map(Bytes::from)
    }

    fn decimal(&mut self, byte: u8, scale: Option<i32>) -> Option<Decimal> {
        if byte != b'"' {
            return self.number()?.text.parse().ok();
        }
        let start = self.at + 1;
        let end = find_special(self.bytes, start);
        if self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        // Room for the numbers of 38 digits that databases have, and more; longer ones take the slow way.
        let mut unscaled = [0; 48];
        let length = STANDARD.decode_slice(&self.bytes[start..end], &mut unscaled).ok()?;
        let scale = scale.filter(|_| length > 0)?;
        Some(Decimal::from_be_bytes(&unscaled[..length], scale))
    }

    /// Whether another item follows in what ends with that byte; takes the comma or the end.
    fn more(&mut self, end: u8) -> Option<bool> {
        match self.skip_space()? {
            b',' => {
                self.at += 1;
                Some(true)
            }
            byte if byte == end => {
                self.at += 1;
                Some(false)
            }
            _ => None,
        }
    }

    /// Takes the beginning of an array or object; `false` when it is empty, and then all of it.
    fn open(&mut self, begin: u8, end: u8, depth: u32) -> Option<bool> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.take(begin)?;
        if self.skip_space()? == end {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    fn array(&mut self, items: &Plan, depth: u32) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        if self.open(b'[', b']', depth)? {
            loop {
                values.push(self.value(items, depth + 1)?);
                if !self.more(b']')? {
                    break;
                }
            }
        }
        Some(values)
    }

    fn map(&mut self, map: &MapPlan, depth: u32) -> Option<Value> {
        // Other keys are rare, and need equality as Java defines it.
        if map.text_keys { self.object(&map.value, depth) } else { None }
    }

    /// Reads an object as a map in the order of Java's `HashMap`.
    fn object(&mut self, values: &Plan, depth: u32) -> Option<Value> {
        if !self.open(b'{', b'}', depth)? {
            return Some(Value::Map(Vec::new()));
        }
        let mut hashed: Vec<(i32, Text, Value)> = Vec::new();
        loop {
            self.skip_space()?;
            let key = self.string()?;
            let hash = java_order::string_hash(&key);
            let repeated = hashed.iter().any(|(other, name, _)| *other == hash && *name == key);
            if repeated || hashed.len() == MAX_KEYS {
                return None;
            }
            self.take(b':')?;
            hashed.push((hash, key, self.value(values, depth + 1)?));
            if !self.more(b'}')? {
                break;
            }
        }
        java_order::sort_by_hash(&mut hashed, |(hash, _, _)| *hash, 16);
        Some(Value::Map(hashed.into_iter().map(|(_, key, value)| (Value::String(key), value)).collect()))
    }

    /// Reads the cells of a struct. Keys usually stand in the order of the fields.
    fn structure(&mut self, fields: &[FieldPlan], depth: u32) -> Option<Vec<Value>> {
        let mut cells = Vec::with_capacity(fields.len());
        if !self.open(b'{', b'}', depth)? {
            return self.missing(fields, cells);
        }
        let mut more = true;
        while more && cells.len() < fields.len() {
            let field = &fields[cells.len()];
            self.skip_space()?;
            if !self.take_exactly(field.quoted()) {
                return self.any_order(fields, cells, depth);
            }
            self.take(b':')?;
            cells.push(self.value(&field.plan, depth + 1)?);
            more = self.more(b'}')?;
        }
        if more { self.any_order(fields, cells, depth) } else { self.missing(fields, cells) }
    }

    /// Goes on reading a struct whose keys are not all in the order of the fields, or not fields at all.
    fn any_order(&mut self, fields: &[FieldPlan], mut cells: Vec<Value>, depth: u32) -> Option<Vec<Value>> {
        let mut seen = vec![false; fields.len()];
        seen[..cells.len()].fill(true);
        cells.resize(fields.len(), Value::Null);
        loop {
            self.skip_space()?;
            let key = self.string()?;
            self.take(b':')?;
            match fields.iter().position(|field| *field.name == *key) {
                Some(index) if seen[index] => return None,
                Some(index) => {
                    seen[index] = true;
                    cells[index] = self.value(&fields[index].plan, depth + 1)?;
                }
                None => {
                    self.skip_space()?;
                    let byte = self.bytes[self.at];
                    if byte != b'n' || !self.take_exactly(b"null") {
                        self.any(byte, depth + 1)?;
                    }
                }
            }
            if !self.more(b'}')? {
                break;
            }
        }
        for ((field, cell), seen) in fields.iter().zip(&mut cells).zip(seen) {
            if !seen {
                *cell = absent(field)?;
            }
        }
        Some(cells)
    }

    fn missing(&self, fields: &[FieldPlan], mut cells: Vec<Value>) -> Option<Vec<Value>> {
        for field in &fields[cells.len()..] {
            cells.push(absent(field)?);
        }
        Some(cells)
    }

    /// Goes over a value without reading it: to its end if it is well-formed, somewhere if it is not.
    pub fn skip_value(&mut self) -> Option<()> {
        let mut open = 0usize;
        loop {
            match self.skip_space()? {
                b'"' => {
                    let mut end = find_special(self.bytes, self.at + 1);
                    while *self.bytes.get(end)? != b'"' {
                        end = find_special(self.bytes, end + 2);
                    }
                    self.at = end + 1;
                }
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if open > 0 => self.at += 1,
                _ => {
                    let word = self.rest();
                    let length = word
                        .iter()
                        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
                        .count();
                    if length == 0 {
                        return None;
                    }
                    self.at += length;
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }
}

/// The value of a field that the object does not have.
fn absent(field: &FieldPlan) -> Option<Value> {
    match &field.plan.null {
        NullMeans::Null => Some(Value::Null),
        NullMeans::Default(default) => Some(Value::clone(default)),
        NullMeans::Mistake => None,
    }
}
