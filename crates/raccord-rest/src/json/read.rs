//! Connect's request types, read from tokens as Jackson binds them to Connect's classes.

use raccord_plugin::{OffsetMap, RawConfig};
use raccord_runtime::herder::TargetState;
use serde_json::{Number, Value};

use super::tokens::{Token, Tokens};
use super::{BodyError, Location};

const CREATE: &str = "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest";
const INITIAL_STATE: &str =
    "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest$InitialState";
const OFFSETS: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets";
const OFFSET: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset";
const MAP: &str = "java.util.LinkedHashMap";
const TEXT_MAP: &str = "java.util.LinkedHashMap<java.lang.String,java.lang.String>";
const OBJECT_MAP: &str = "java.util.LinkedHashMap<java.lang.String,java.lang.Object>";
const LIST: &str = "java.util.ArrayList";

/// The body of `POST /connectors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateRequest {
    /// The name; null and missing are the same.
    pub name: Option<String>,
    /// The config, in the body's order.
    pub config: Option<RawConfig>,
    /// The state in which it is to be created.
    pub initial_state: Option<TargetState>,
}

/// The body of `PATCH /connectors/{name}/offsets`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetsRequest {
    /// The entries; an entry may be null, and so may be both of its parts.
    pub offsets: Option<Vec<Entry>>,
}

/// A partition with its offset.
pub type Entry = Option<(Option<OffsetMap>, Option<OffsetMap>)>;

type Read<T> = Result<T, BodyError>;

/// Reads the body of `POST /connectors`; none when it is empty or null.
///
/// # Errors
/// With Jackson's text.
pub fn read_create(body: &[u8]) -> Read<Option<CreateRequest>> {
    whole(body, CREATE, |tokens, token| {
        let mut request = CreateRequest::default();
        let known = ["config", "name", "initial_state"];
        bean(tokens, token, CREATE, &known, |tokens, field, token| {
            match field {
                "name" => request.name = text(tokens, token)?,
                "config" => request.config = text_map(tokens, token)?,
                _ => request.initial_state = initial_state(tokens, token)?,
            }
            Ok(())
        })?;
        Ok(request)
    })
}

/// Reads a config or another map of texts; none when it is empty or null.
///
/// # Errors
/// With Jackson's text.
pub fn read_map(body: &[u8]) -> Read<Option<RawConfig>> {
    whole(body, "java.util.Map", |tokens, token| text_map(tokens, token).map(Option::unwrap_or_default))
}

/// Reads the body of `PATCH /connectors/{name}/offsets`; none when it is empty or null.
///
/// # Errors
/// With Jackson's text.
pub fn read_offsets(body: &[u8]) -> Read<Option<OffsetsRequest>> {
    whole(body, OFFSETS, |tokens, token| {
        let mut request = OffsetsRequest::default();
        bean(tokens, token, OFFSETS, &["offsets"], |tokens, _, token| {
            request.offsets = offset_list(tokens, token)?;
            Ok(())
        })?;
        Ok(request)
    })
}

/// One value and nothing behind it.
fn whole<T>(
    body: &[u8],
    bound_as: &str,
    read: impl FnOnce(&mut Tokens<'_>, Token) -> Read<T>,
) -> Read<Option<T>> {
    let decoded = decode(body);
    let mut tokens = Tokens::new(decoded.as_deref().unwrap_or(body));
    let Some(token) = tokens.next()? else {
        return Ok(None);
    };
    let value = if token == Token::Null { None } else { Some(read(&mut tokens, token)?) };
    match tokens.next()? {
        None => Ok(value),
        Some(token) => Err(BodyError::mismatch(
            format!(
                "Trailing token (of type {}) found after value (bound as `{bound_as}`): not allowed as per \
                 `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`",
                token.constant()
            ),
            tokens.token_start(),
        )),
    }
}

/// JSON may come in UTF-16 and UTF-32, told apart by where the zeros of the first character are (RFC 4627, 3).
fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let (width, big) = match *body {
        [0xfe, 0xff, ..] => (2, true),
        [0xff, 0xfe, 0, 0, ..] => (4, false),
        [0xff, 0xfe, ..] => (2, false),
        [0, 0, 0, _, ..] | [0, 0, 0xfe, 0xff, ..] => (4, true),
        [_, 0, 0, 0, ..] => (4, false),
        [0, _, _, _, ..] => (2, true),
        [_, 0, _, _, ..] => (2, false),
        _ => return None,
    };
    let units = body.chunks(width).map(|unit| {
        let value = |total: u32, byte: &u8| total << 8 | u32::from(*byte);
        if big { unit.iter().fold(0, value) } else { unit.iter().rev().fold(0, value) }
    });
    let text: String = if width == 2 {
        char::decode_utf16(units.map(|unit| unit as u16))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    } else {
        units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    Some(text.into_bytes())
}

/// An object with known fields. Unknown ones are reported at the object's end, unless all known ones were seen before.
fn bean(
    tokens: &mut Tokens<'_>,
    token: Token,
    class: &str,
    known: &[&str],
    mut read: impl FnMut(&mut Tokens<'_>, &str, Token) -> Read<()>,
) -> Read<()> {
    if token != Token::StartObject {
        return Err(not_a_bean(tokens, &token, class)?);
    }
    let mut seen = vec![false; known.len()];
    let mut unknown = None;
    while let Some(Token::Field(field)) = tokens.next()? {
        let Some(index) = known.iter().position(|name| *name == field) else {
            let value = tokens.next()?;
            if seen.iter().all(|seen| *seen) {
                return Err(unknown_field(&field, class, known, tokens.here()));
            }
            skip(tokens, value)?;
            unknown.get_or_insert(field);
            continue;
        };
        let value = tokens.next()?.unwrap_or(Token::Null);
        read(tokens, &field, value).map_err(|error| error.within(property(class, &field)))?;
        seen[index] = true;
    }
    match unknown {
        Some(field) => Err(unknown_field(&field, class, known, tokens.here())),
        None => Ok(()),
    }
}

fn property(class: &str, field: &str) -> String {
    format!("{class}[\"{field}\"]")
}

fn unknown_field(field: &str, class: &str, known: &[&str], at: Location) -> BodyError {
    let names: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
    let properties = match known.len() {
        1 => "one known property".to_owned(),
        count => format!("{count} known properties"),
    };
    let text = format!(
        "Unrecognized field \"{field}\" (class {class}), not marked as ignorable ({properties}: {})",
        names.join(", ")
    );
    BodyError::mismatch(text, at).within(property(class, field))
}

/// Passes over a value, nested ones included.
fn skip(tokens: &mut Tokens<'_>, token: Option<Token>) -> Read<()> {
    let mut depth = 0usize;
    let mut token = token;
    loop {
        match token {
            Some(Token::StartArray | Token::StartObject) => depth += 1,
            Some(Token::EndArray | Token::EndObject) => depth -= 1,
            Some(Token::Text) => drop(tokens.text()?),
            Some(_) => {}
            None => return Ok(()),
        }
        if depth == 0 {
            return Ok(());
        }
        token = tokens.next()?;
    }
}

/// The error for a value in the place of an object with known fields. Fails when the value itself is broken.
fn not_a_bean(tokens: &mut Tokens<'_>, token: &Token, class: &str) -> Read<BodyError> {
    let at = tokens.token_start();
    let (argument, value) = match token {
        Token::StartArray => return Ok(mismatched(class, token, at)),
        Token::Text => {
            let text = tokens.text()?;
            if text.trim().is_empty() {
                return Ok(empty_text(&format!("`{class}` value"), at));
            }
            ("String", format!("String value ('{text}')"))
        }
        Token::Int(text) if text.parse::<i32>().is_ok() => ("int/Int", format!("Number value ({text})")),
        Token::Int(text) if text.parse::<i64>().is_ok() => ("long/Long", format!("Number value ({text})")),
        Token::Int(text) => ("BigInteger", format!("Number value ({text})")),
        Token::Float(text) => ("double/Double", format!("Number value ({text})")),
        Token::True => ("boolean/Boolean", "boolean value (true)".to_owned()),
        _ => ("boolean/Boolean", "boolean value (false)".to_owned()),
    };
    Ok(no_creator(class, argument, &value, at))
}

fn no_creator(class: &str, argument: &str, value: &str, at: Location) -> BodyError {
    BodyError::mismatch(
        format!(
            "Cannot construct instance of `{class}` (although at least one Creator exists): no {argument}-argument \
             constructor/factory method to deserialize from {value}"
        ),
        at,
    )
}

fn empty_text(target: &str, at: Location) -> BodyError {
    BodyError::mismatch(
        format!(
            "Cannot coerce empty String (\"\") to {target} (but could if coercion was enabled using \
             `CoercionConfig`)"
        ),
        at,
    )
}

fn mismatched(class: &str, token: &Token, at: Location) -> BodyError {
    let kind = match token {
        Token::StartArray => "Array",
        Token::StartObject => "Object",
        Token::Text => "String",
        Token::Int(_) => "Integer",
        Token::Float(_) => "Floating-point",
        _ => "Boolean",
    };
    BodyError::mismatch(
        format!(
            "Cannot deserialize value of type `{class}` from {kind} value (token `JsonToken.{}`)",
            token.constant()
        ),
        at,
    )
}

/// A text; numbers and booleans are taken as they are written.
fn text(tokens: &mut Tokens<'_>, token: Token) -> Read<Option<String>> {
    match token {
        Token::Text => tokens.text().map(Some),
        Token::Int(text) | Token::Float(text) => Ok(Some(text)),
        Token::True => Ok(Some("true".to_owned())),
        Token::False => Ok(Some("false".to_owned())),
        Token::Null => Ok(None),
        other => Err(mismatched("java.lang.String", &other, tokens.token_start())),
    }
}

fn initial_state(tokens: &mut Tokens<'_>, token: Token) -> Read<Option<TargetState>> {
    let at = tokens.token_start();
    if token == Token::StartArray {
        return Err(BodyError::mismatch(
            format!(
                "Input mismatch reading Enum `{INITIAL_STATE}`: properties-based `@JsonCreator` ([method \
                 {INITIAL_STATE}#forValue(java.lang.String)]) expects String Value, got Array value \
                 (`JsonToken.START_ARRAY`)"
            ),
            at,
        ));
    }
    if token == Token::StartObject {
        return Err(mismatched(INITIAL_STATE, &token, at));
    }
    let Some(name) = text(tokens, token)? else {
        return Ok(None);
    };
    let name = name.to_uppercase();
    match name.as_str() {
        "RUNNING" => Ok(Some(TargetState::Started)),
        "PAUSED" => Ok(Some(TargetState::Paused)),
        "STOPPED" => Ok(Some(TargetState::Stopped)),
        _ => Err(BodyError::mismatch(
            format!(
                "Cannot construct instance of `{INITIAL_STATE}`, problem: No enum constant {}.{name}",
                INITIAL_STATE.replace('$', ".")
            ),
            at,
        )),
    }
}

/// Reads a map: `read` gets each key with the value's token. The map names itself for values that do not fit, not for
/// broken JSON.
fn map(
    tokens: &mut Tokens<'_>,
    token: &Token,
    class: &str,
    mut read: impl FnMut(&mut Tokens<'_>, String, Token) -> Read<()>,
) -> Read<()> {
    if *token != Token::StartObject {
        let at = tokens.token_start();
        if *token != Token::Text {
            return Err(mismatched(class, token, at));
        }
        let text = tokens.text()?;
        if text.trim().is_empty() {
            return Err(empty_text(&format!("element of `{MAP}`"), at));
        }
        return Err(no_creator(MAP, "String", &format!("String value ('{text}')"), at));
    }
    while let Some(Token::Field(key)) = tokens.next()? {
        let value = tokens.next()?.unwrap_or(Token::Null);
        let step = property(MAP, &key);
        read(tokens, key, value).map_err(|error| if error.syntax { error } else { error.within(step) })?;
    }
    Ok(())
}

fn text_map(tokens: &mut Tokens<'_>, token: Token) -> Read<Option<RawConfig>> {
    if token == Token::Null {
        return Ok(None);
    }
    let mut config = RawConfig::new();
    map(tokens, &token, TEXT_MAP, |tokens, key, token| {
        let value = text(tokens, token)?;
        config.insert(key, value);
        Ok(())
    })?;
    Ok(Some(config))
}

fn object_map(tokens: &mut Tokens<'_>, token: Token) -> Read<Option<OffsetMap>> {
    if token == Token::Null {
        return Ok(None);
    }
    let mut object = OffsetMap::new();
    map(tokens, &token, OBJECT_MAP, |tokens, key, token| {
        let value = any(tokens, token)?;
        object.insert(key, value);
        Ok(())
    })?;
    Ok(Some(object))
}

/// A list or object that is being read.
enum Open {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Object(OffsetMap, String),
}

/// Any value. Without recursion: the tokenizer allows a depth that a thread's stack may not have room for.
fn any(tokens: &mut Tokens<'_>, first: Token) -> Read<Value> {
    let mut open: Vec<Open> = Vec::new();
    let mut token = first;
    loop {
        let complete = match token {
            Token::StartArray => {
                open.push(Open::List(Vec::new()));
                None
            }
            Token::StartObject => {
                open.push(Open::Object(OffsetMap::new(), String::new()));
                None
            }
            Token::EndArray | Token::EndObject => open.pop().map(|done| match done {
                Open::List(items) => Value::Array(items),
                Open::Object(object, _) => Value::Object(object),
            }),
            Token::Field(name) => {
                if let Some(Open::Object(_, key)) = open.last_mut() {
                    *key = name;
                }
                None
            }
            scalar => Some(plain(tokens, scalar)?),
        };
        if let Some(value) = complete {
            match open.last_mut() {
                None => return Ok(value),
                Some(Open::List(items)) => items.push(value),
                Some(Open::Object(object, key)) => {
                    object.insert(std::mem::take(key), value);
                }
            }
        }
        token = tokens.next()?.unwrap_or(Token::Null);
    }
}

/// A value that is neither list nor object.
fn plain(tokens: &mut Tokens<'_>, token: Token) -> Read<Value> {
    Ok(match token {
        Token::Text => Value::String(tokens.text()?),
        Token::Int(text) => text.parse::<Number>().map_or(Value::Null, Value::Number),
        // A double in Java: 1e3 is 1000.0 from here on.
        Token::Float(text) => {
            text.parse().ok().and_then(Number::from_f64).map_or_else(|| Value::String(text), Value::Number)
        }
        Token::True => Value::Bool(true),
        Token::False => Value::Bool(false),
        _ => Value::Null,
    })
}

fn offset_list(tokens: &mut Tokens<'_>, token: Token) -> Read<Option<Vec<Entry>>> {
    if token == Token::Null {
        return Ok(None);
    }
    if token != Token::StartArray {
        return Err(mismatched(&format!("{LIST}<{OFFSET}>"), &token, tokens.token_start()));
    }
    let mut entries = Vec::new();
    while let Some(token) = tokens.next()?.filter(|token| *token != Token::EndArray) {
        let step = format!("{LIST}[{}]", entries.len());
        entries.push(offset_entry(tokens, token).map_err(|error| error.within(step))?);
    }
    Ok(Some(entries))
}

fn offset_entry(tokens: &mut Tokens<'_>, token: Token) -> Read<Entry> {
    if token == Token::Null {
        return Ok(None);
    }
    let (mut partition, mut offset) = (None, None);
    bean(tokens, token, OFFSET, &["partition", "offset"], |tokens, field, token| {
        let value = object_map(tokens, token)?;
        match field {
            "partition" => partition = value,
            _ => offset = value,
        }
        Ok(())
    })?;
    Ok(Some((partition, offset)))
}
