//! Values as the text that header converters write: Connect's `Values.convertToString`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Value;
use crate::java_text::{CivilTime, DAY_MS, append_value};

/// Appends a value; text is quoted if it is embedded in something else, and bytes are base64.
pub fn append(value: &Value, embedded: bool, out: &mut Vec<u8>) {
    match value {
        Value::String(text) if embedded => append_quoted(text, out),
        Value::Bytes(bytes) => {
            let text = STANDARD.encode(bytes);
            if embedded { append_quoted(&text, out) } else { out.extend_from_slice(text.as_bytes()) }
        }
        Value::Date(millis) => append_date(*millis, out),
        Value::Array(items) => append_all(*b"[]", items, out, |item, out| append(item, true, out)),
        Value::Map(entries) => append_all(*b"{}", entries, out, |(key, value), out| {
            append(key, true, out);
            out.push(b':');
            append(value, true, out);
        }),
        Value::Struct(value) => {
            let cells: Vec<_> = value.schema().fields().iter().zip(value.cells()).collect();
            append_all(*b"{}", &cells, out, |(field, cell), out| {
                append_quoted(&field.name, out);
                out.push(b':');
                let default = field.schema.default.as_ref().filter(|_| cell.is_null());
                append(default.unwrap_or(cell), true, out);
            });
        }
        Value::Null
        | Value::Boolean(_)
        | Value::Int8(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal(_)
        | Value::String(_) => append_value(value, out),
    }
}

fn append_all<T>(brackets: [u8; 2], items: &[T], out: &mut Vec<u8>, one: impl Fn(&T, &mut Vec<u8>)) {
    out.push(brackets[0]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(item, out);
    }
    out.push(brackets[1]);
}

fn append_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Which of the three forms a date takes follows from its number alone: all before the second day of the epoch are
/// times, whole days are dates.
pub fn append_date(millis: i64, out: &mut Vec<u8>) {
    let time = CivilTime::of(millis);
    let date = format!("{:04}-{:02}-{:02}", time.year, time.month, time.day);
    let clock = format!("{:02}:{:02}:{:02}.{:03}Z", time.hour, time.minute, time.second, time.milli);
    let text = if millis < DAY_MS {
        clock
    } else if millis % DAY_MS == 0 {
        date
    } else {
        format!("{date}T{clock}")
    };
    out.extend_from_slice(text.as_bytes());
}
