//! What a header's text is: Connect's `Values.parseString`, with all that it takes for a number, a date or a map.

use std::sync::{Arc, LazyLock};

use crate::java_map::LinkedEntries;
use crate::{Decimal, Schema, SchemaAndValue, Text, Type, Value, logical};
use num_bigint::{BigInt, Sign};

use super::merge::{Merger, align};
use super::temporal;
use super::tokens::{Tokens, is_blank, trim, with_ascii_digits};

/// The text cannot be read that way; it is tried as something simpler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotThat;

/// What ends parsing: see [`NotThat`], or text nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    NotThat,
    TooDeep,
}

impl From<NotThat> for Stop {
    fn from(_: NotThat) -> Self {
        Self::NotThat
    }
}

/// Java's parser ends in a stack overflow somewhat deeper than this.
const MAX_DEPTH: usize = 500;

/// Schemas that are the same for all values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    String,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Bytes,
    Date,
    Time,
    Timestamp,
}

static KNOWN: LazyLock<[Arc<Schema>; 12]> = LazyLock::new(|| {
    let plain = |ty| Schema::of(ty).build();
    let logical = |ty, name| Schema::of(ty).name(name).version(1).build();
    [
        plain(Type::String),
        plain(Type::Boolean),
        plain(Type::Int8),
        plain(Type::Int16),
        plain(Type::Int32),
        plain(Type::Int64),
        plain(Type::Float32),
        plain(Type::Float64),
        plain(Type::Bytes),
        logical(Type::Int32, logical::DATE),
        logical(Type::Int32, logical::TIME),
        logical(Type::Int64, logical::TIMESTAMP),
    ]
});

fn known(known: Known, value: Value) -> SchemaAndValue {
    SchemaAndValue { schema: Some(Arc::clone(&KNOWN[known as usize])), value }
}

/// The schema of bytes.
pub fn bytes_schema() -> Arc<Schema> {
    Arc::clone(&KNOWN[Known::Bytes as usize])
}

/// Reads a header's text. `None` when it is nested too deeply.
///
/// Numbers get the smallest type that holds them, ISO 8601 dates and times the logical types, brackets and braces
/// arrays and maps whose schemas are those of their entries if they agree. All else is text.
pub fn parse_string(text: &Text) -> Option<SchemaAndValue> {
    if text.is_empty() {
        return Some(known(Known::String, Value::String(text.clone())));
    }
    let mut parser = Parser { tokens: Tokens::new(text), text };
    match parser.parse(false, 0) {
        Ok(parsed) => Some(parsed.unwrap_or_default()),
        Err(_) => None,
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    text: &'a Text,
}

/// `None` is null without a schema.
type Parsed = Result<Option<SchemaAndValue>, Stop>;

impl Parser<'_> {
    fn parse(&mut self, embedded: bool, depth: usize) -> Parsed {
        if depth > MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        if !self.tokens.has_next() {
            return Ok(None);
        }
        if embedded && self.tokens.take("\"") {
            return Ok(Some(self.quoted()));
        }
        if self.literal("null", embedded) {
            return Ok(None);
        }
        for (word, flag) in [("true", true), ("false", false)] {
            if self.literal(word, embedded) {
                return Ok(Some(known(Known::Boolean, Value::Boolean(flag))));
            }
        }
        let start = self.tokens.mark();
        let nested = if self.tokens.take("[") {
            Some(self.array(depth))
        } else if self.tokens.take("{") {
            Some(self.map(depth))
        } else {
            None
        };
        match nested {
            Some(Err(Stop::NotThat)) => self.tokens.rewind(start),
            Some(parsed) => return parsed,
            None => {}
        }
        let token = self.tokens.next();
        if is_blank(token) {
            return Ok(Some(known(Known::String, Value::from(token.to_owned()))));
        }
        self.single(trim(token), embedded)
    }

    fn literal(&mut self, word: &str, embedded: bool) -> bool {
        let start = self.tokens.mark();
        if self.tokens.take(word) && (embedded || !self.tokens.has_next()) {
            return true;
        }
        self.tokens.rewind(start);
        false
    }

    /// Reads a date, a number or plain text. What follows it is not looked at.
    fn single(&mut self, token: &str, embedded: bool) -> Parsed {
        let token = &*with_ascii_digits(token);
        let first = token.as_bytes().first().copied().unwrap_or(b' ');
        if first.is_ascii_digit()
            && let Some((kind, value)) = self.temporal(token)
        {
            return Ok(Some(known(kind, value)));
        }
        if matches!(first, b'0'..=b'9' | b'+' | b'-')
            && let Ok(decimal) = token.parse::<Decimal>()
        {
            return Ok(Some(number(decimal)));
        }
        if embedded {
            return Err(Stop::NotThat);
        }
        debug_assert_eq!(self.tokens.original(), self.text.as_str());
        Ok(Some(known(Known::String, Value::String(self.text.clone()))))
    }

    /// Reads a date or time. The colons of a time split it into five tokens.
    fn temporal(&mut self, token: &str) -> Option<(Known, Value)> {
        let position = self.tokens.mark();
        if let Some(rest) = self.tokens.next_many(4) {
            // The longest has 24 characters; do not copy whole documents.
            if rest.len() < 100
                && let Some(found) = temporal::parse(&with_ascii_digits(&[token, rest].concat()))
            {
                return Some(found);
            }
        }
        self.tokens.rewind(position);
        if token.len() < 100 { temporal::parse(token) } else { None }
    }

    fn quoted(&mut self) -> SchemaAndValue {
        let mut content = String::new();
        while self.tokens.has_next() && !self.tokens.take("\"") {
            content.push_str(self.tokens.next());
        }
        if content.len() < 100
            && let Some((kind, value)) = temporal::parse(&with_ascii_digits(&content))
        {
            return known(kind, value);
        }
        known(Known::String, Value::from(content))
    }

    fn array(&mut self, depth: usize) -> Parsed {
        let mut values = Vec::new();
        let mut merger = Merger::default();
        while self.tokens.has_next() {
            if self.tokens.take("]") {
                let items = match merger.common() {
                    Some(common) => {
                        values = values
                            .into_iter()
                            .map(|value| align(&common, value))
                            .collect::<Result<_, NotThat>>()?;
                        common
                    }
                    None => Schema::unknown(),
                };
                let schema = Some(Schema::of(Type::Array(items)).build());
                return Ok(Some(SchemaAndValue { schema, value: Value::Array(values) }));
            }
            if self.tokens.take(",") {
                return Err(Stop::NotThat);
            }
            let element = self.parse(true, depth + 1)?.unwrap_or_default();
            merger.merge(element.schema.as_ref());
            values.push(element.value);
            let position = self.tokens.mark();
            if self.tokens.take("]") {
                self.tokens.rewind(position);
            } else if !self.tokens.take(",") {
                return Err(Stop::NotThat);
            }
        }
        Err(Stop::NotThat)
    }

    fn map(&mut self, depth: usize) -> Parsed {
        let mut entries = LinkedEntries::default();
        let (mut keys, mut values) = (Merger::default(), Merger::default());
        while self.tokens.has_next() {
            if self.tokens.take("}") {
                return finish_map(entries, keys.common(), values.common()).map(Some);
            }
            if self.tokens.take(",") {
                return Err(Stop::NotThat);
            }
            let key = self.parse(true, depth + 1)?.filter(|key| !key.value.is_null()).ok_or(Stop::NotThat)?;
            if !self.tokens.take(":") {
                return Err(Stop::NotThat);
            }
            let value = self.parse(true, depth + 1)?.unwrap_or_default();
            entries.put(key.value, value.value);
            self.tokens.take(",");
            keys.merge(key.schema.as_ref());
            values.merge(value.schema.as_ref());
        }
        Err(Stop::NotThat)
    }
}

/// Brings the entries of a map to the schemas they have in common.
fn finish_map(
    entries: LinkedEntries,
    keys: Option<Arc<Schema>>,
    values: Option<Arc<Schema>>,
) -> Result<SchemaAndValue, Stop> {
    // Without a common schema of the keys, one of the values is of no use to Connect.
    let (keys, values) = match (keys, values) {
        (Some(keys), values) => (keys, values.unwrap_or_else(Schema::unknown)),
        (None, _) => (Schema::unknown(), Schema::unknown()),
    };
    let mut aligned = LinkedEntries::default();
    for (key, value) in entries.into_vec() {
        let key = if keys.is_unknown() { key } else { align(&keys, key)? };
        aligned.put(key, if values.is_unknown() { value } else { align(&values, value)? });
    }
    let schema = Some(Schema::of(Type::Map(keys, values)).build());
    Ok(SchemaAndValue { schema, value: Value::Map(aligned.into_vec()) })
}

/// The smallest type for a number: integers, then floats, then decimals.
fn number(decimal: Decimal) -> SchemaAndValue {
    if let Some(whole) = whole(&decimal) {
        return if let Ok(number) = i8::try_from(whole) {
            known(Known::Int8, Value::Int8(number))
        } else if let Ok(number) = i16::try_from(whole) {
            known(Known::Int16, Value::Int16(number))
        } else if let Ok(number) = i32::try_from(whole) {
            known(Known::Int32, Value::Int32(number))
        } else {
            known(Known::Int64, Value::Int64(whole))
        };
    }
    let (float, double) = (decimal.to_f32(), decimal.to_f64());
    if decimal.scale != 0 && float.is_finite() {
        known(Known::Float32, Value::Float32(float))
    } else if decimal.scale != 0 && double.is_finite() {
        known(Known::Float64, Value::Float64(double))
    } else {
        let schema = Schema::of(Type::Bytes)
            .name(logical::DECIMAL)
            .parameter("scale", decimal.scale.to_string())
            .version(1)
            .build();
        SchemaAndValue { schema: Some(schema), value: Value::Decimal(Box::new(decimal)) }
    }
}

/// The number as a long when it is whole and fits.
fn whole(decimal: &Decimal) -> Option<i64> {
    if decimal.unscaled.sign() == Sign::NoSign {
        return Some(0);
    }
    if decimal.scale == 0 {
        return i64::try_from(&decimal.unscaled).ok();
    }
    let digits = decimal.unscaled.magnitude().to_string().len() as i64;
    // Nineteen digits before the point at most, and one at least.
    if !(1..=19).contains(&(digits - i64::from(decimal.scale))) {
        return None;
    }
    let power = BigInt::from(10).pow(decimal.scale.unsigned_abs());
    if decimal.scale < 0 {
        return i64::try_from(&decimal.unscaled * power).ok();
    }
    let whole = &decimal.unscaled / &power;
    (&whole * power == decimal.unscaled).then(|| i64::try_from(&whole).ok()).flatten()
}
