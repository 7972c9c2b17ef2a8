//! Writing values: the compiled encoder.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use raccord_data::{Decimal, Schema, Value};
use raccord_plugin::{Encoded, Encoder, Error, Result};

use super::plan::{FieldPlan, MapPlan, NullMeans, Plan, Step};
use super::schema_out::write_schema;
use super::text::append_quoted;
use super::{DecimalFormat, SERIALIZATION_EXCEPTION, Settings};
use raccord_data::java_text::{DAY_MS, append_f32, append_f64};

/// Writes values of one schema.
#[derive(Debug)]
pub struct JsonEncoder {
    /// What stands before each value: `{"schema":…,"payload":`, or nothing.
    prefix: Box<[u8]>,
    suffix: &'static [u8],
    plan: Plan,
    decimals: DecimalFormat,
}

impl JsonEncoder {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When a default in the schema does not fit it and the schema is to be written.
    pub fn new(schema: Option<&Arc<Schema>>, settings: &Settings) -> Result<Self> {
        let (mut prefix, mut suffix) = (Vec::new(), &b""[..]);
        if settings.schemas_enable {
            prefix.extend_from_slice(b"{\"schema\":");
            match schema {
                Some(schema) => write_schema(schema, None, settings, &mut prefix)?,
                None => prefix.extend_from_slice(b"null"),
            }
            prefix.extend_from_slice(b",\"payload\":");
            suffix = b"}";
        }
        Ok(Self {
            prefix: prefix.into(),
            suffix,
            plan: schema.map_or_else(Plan::any, |schema| Plan::of(schema, settings)),
            decimals: settings.decimal_format,
        })
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        if value.is_null() && self.plan.schema.is_none() {
            return Ok(Encoded::Null);
        }
        out.extend_from_slice(&self.prefix);
        let depth = usize::from(!self.suffix.is_empty());
        Writer { out, decimals: self.decimals }.write(&self.plan, value, depth)?;
        out.extend_from_slice(self.suffix);
        Ok(Encoded::Bytes)
    }
}

/// Appends the default of a schema that has one.
pub(super) fn write_default(schema: &Arc<Schema>, settings: &Settings, out: &mut Vec<u8>) -> Result<()> {
    let Some(default) = &schema.default else { return Ok(()) };
    Writer { out, decimals: settings.decimal_format }.write(&Plan::of(schema, settings), default, 0)
}

/// How deep Jackson writes, and this too, so that what is written can be read.
const MAX_DEPTH: usize = 1000;

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    decimals: DecimalFormat,
}

impl Writer<'_> {
    fn write(&mut self, plan: &Plan, value: &Value, depth: usize) -> Result<()> {
        match (&plan.step, value) {
            (_, Value::Null) => return self.write_null(plan, depth),
            (Step::Boolean, Value::Boolean(flag)) => self.boolean(*flag),
            (Step::Int8, Value::Int8(number)) => self.integer(*number),
            (Step::Int16, Value::Int16(number)) => self.integer(*number),
            (Step::Int32, Value::Int32(number)) => self.integer(*number),
            (Step::Int64, Value::Int64(number)) => self.integer(*number),
            (Step::Float32, Value::Float32(number)) => self.float32(*number),
            (Step::Float64, Value::Float64(number)) => self.float64(*number),
            (Step::String, Value::String(text)) => append_quoted(text, self.out),
            (Step::Bytes, Value::Bytes(bytes)) => self.base64(bytes),
            (Step::Decimal(scale), Value::Decimal(decimal)) => return self.decimal(plan, *scale, decimal),
            (Step::Date, Value::Date(millis)) => {
                if millis % DAY_MS != 0 {
                    return Err(Error::record(
                        "Kafka Connect Date type should not have any time fields set to non-zero values.",
                    ));
                }
                self.integer((millis / DAY_MS) as i32);
            }
            (Step::Time, Value::Date(millis)) => {
                if !(0..=DAY_MS).contains(millis) {
                    return Err(Error::record(
                        "Kafka Connect Time type should not have any date fields set to non-zero values.",
                    ));
                }
                self.integer(*millis);
            }
            (Step::Timestamp, Value::Date(millis)) => self.integer(*millis),
            (Step::Array(items), Value::Array(values)) => return self.array(items, values, depth),
            (Step::Map(map), Value::Map(entries)) => return self.map(map, entries, depth),
            (Step::Struct(fields), Value::Struct(value)) => {
                let expected = plan.schema.as_ref().expect("a struct's plan has its schema");
                if !Schema::same(value.schema(), expected) {
                    return Err(Error::record("Mismatching schema."));
                }
                return self.structure(fields, value.cells(), depth);
            }
            (Step::Any, value) => return self.any(value, depth),
            (step, value) => return Err(wrong_class(step, value)),
        }
        Ok(())
    }

    fn write_null(&mut self, plan: &Plan, depth: usize) -> Result<()> {
        match &plan.null {
            NullMeans::Null => self.out.extend_from_slice(b"null"),
            NullMeans::Default(default) => return self.write(plan, default, depth),
            NullMeans::Mistake => {
                return Err(Error::record(
                    "Conversion error: null value for field that is required and has no default value",
                ));
            }
        }
        Ok(())
    }

    /// Writes a value without a schema, by its class.
    fn any(&mut self, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Boolean(flag) => self.boolean(*flag),
            Value::Int8(number) => self.integer(*number),
            Value::Int16(number) => self.integer(*number),
            Value::Int32(number) => self.integer(*number),
            Value::Int64(number) => self.integer(*number),
            Value::Float32(number) => self.float32(*number),
            Value::Float64(number) => self.float64(*number),
            Value::String(text) => append_quoted(text, self.out),
            Value::Bytes(bytes) => self.base64(bytes),
            Value::Array(values) => return self.array(&ANY, values, depth),
            Value::Map(entries) => {
                let text_keys = entries.iter().all(|(key, _)| matches!(key, Value::String(_)));
                return self.entries(text_keys, &ANY, &ANY, entries, depth);
            }
            Value::Struct(_) => return Err(Error::record("Mismatching schema.")),
            Value::Decimal(_) | Value::Date(_) => {
                return Err(Error::record(format!(
                    "Java class class {} does not have corresponding schema type.",
                    value.java_class()
                )));
            }
        }
        Ok(())
    }

    fn array(&mut self, items: &Plan, values: &[Value], depth: usize) -> Result<()> {
        check_depth(depth)?;
        self.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.write(items, value, depth + 1)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, map: &MapPlan, entries: &[(Value, Value)], depth: usize) -> Result<()> {
        if map.key.schema.is_none() {
            // The type of an empty map's keys is not known, and Java asks for it.
            return Err(Error::record(
                "Cannot invoke \"org.apache.kafka.connect.data.Schema.type()\" because the return value of \
                 \"org.apache.kafka.connect.data.Schema.keySchema()\" is null",
            )
            .class("java.lang.NullPointerException"));
        }
        self.entries(map.text_keys, &map.key, &map.value, entries, depth)
    }

    fn entries(
        &mut self,
        text_keys: bool,
        key_plan: &Plan,
        value_plan: &Plan,
        entries: &[(Value, Value)],
        depth: usize,
    ) -> Result<()> {
        check_depth(depth)?;
        let [open, close] = if text_keys { *b"{}" } else { *b"[]" };
        self.out.push(open);
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            if text_keys {
                self.key(key_plan, key)?;
                self.out.push(b':');
                self.write(value_plan, value, depth + 1)?;
            } else {
                self.out.push(b'[');
                self.write(key_plan, key, depth + 2)?;
                self.out.push(b',');
                self.write(value_plan, value, depth + 2)?;
                self.out.push(b']');
            }
        }
        self.out.push(close);
        Ok(())
    }

    /// Writes the key of an object. What is not text there (null, a logical type) becomes its text.
    fn key(&mut self, plan: &Plan, key: &Value) -> Result<()> {
        let start = self.out.len();
        self.write(plan, key, 0)?;
        if self.out.get(start) != Some(&b'"') {
            self.out.insert(start, b'"');
            self.out.push(b'"');
        }
        Ok(())
    }

    fn structure(&mut self, fields: &[FieldPlan], cells: &[Value], depth: usize) -> Result<()> {
        check_depth(depth)?;
        if fields.is_empty() {
            self.out.push(b'{');
        }
        for (field, cell) in fields.iter().zip(cells) {
            field.prefix.append(self.out);
            self.write(&field.plan, cell, depth + 1)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn decimal(&mut self, plan: &Plan, scale: Option<i32>, decimal: &Decimal) -> Result<()> {
        match self.decimals {
            DecimalFormat::Numeric => self.out.extend_from_slice(decimal.to_string().as_bytes()),
            DecimalFormat::Base64 => {
                let schema = plan.schema.as_deref().expect("a decimal's plan has its schema");
                let scale = scale.map_or_else(|| decimal_scale(schema), Ok)?;
                if decimal.scale != scale {
                    return Err(Error::record(format!(
                        "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, \
                         value has scale {}.",
                        decimal.scale
                    )));
                }
                match i128::try_from(&decimal.unscaled) {
                    Ok(number) => self.base64(shortest(&number.to_be_bytes())),
                    Err(_) => self.base64(&decimal.to_be_bytes()),
                }
            }
        }
        Ok(())
    }

    fn boolean(&mut self, flag: bool) {
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn float32(&mut self, number: f32) {
        self.quote_unless(number.is_finite(), |out| append_f32(number, out));
    }

    fn float64(&mut self, number: f64) {
        self.quote_unless(number.is_finite(), |out| append_f64(number, out));
    }

    fn quote_unless(&mut self, finite: bool, write: impl FnOnce(&mut Vec<u8>)) {
        if !finite {
            self.out.push(b'"');
        }
        write(self.out);
        if !finite {
            self.out.push(b'"');
        }
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let written = STANDARD
            .encode_slice(bytes, &mut self.out[start..])
            .expect("four bytes were added for every three");
        self.out.truncate(start + written);
        self.out.push(b'"');
    }
}

/// The bytes of a number in two's complement without those that only repeat its sign.
fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let sign = bytes[0] >> 7;
    let fill = sign * 0xff;
    let repeated = bytes.windows(2).take_while(|pair| pair[0] == fill && pair[1] >> 7 == sign).count();
    &bytes[repeated..]
}

static ANY: Plan = Plan { schema: None, step: Step::Any, null: NullMeans::Null };

/// The scale that a decimal's schema says.
pub(super) fn decimal_scale(schema: &Schema) -> Result<i32> {
    if schema.parameters.is_empty() {
        return Err(Error::record(
            "Cannot invoke \"java.util.Map.get(Object)\" because the return value of \
             \"org.apache.kafka.connect.data.Schema.parameters()\" is null",
        )
        .class("java.lang.NullPointerException"));
    }
    let scale = schema
        .parameter("scale")
        .ok_or_else(|| Error::record("Invalid Decimal schema: scale parameter not found."))?;
    scale.parse().map_err(|_| {
        Error::record("Invalid scale parameter found in Decimal schema: ").caused_by(
            Error::record(format!("For input string: \"{scale}\"")).class("java.lang.NumberFormatException"),
        )
    })
}

fn check_depth(depth: usize) -> Result<()> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    let message = format!(
        "Document nesting depth ({}) exceeds the maximum allowed ({MAX_DEPTH}, from \
         `StreamWriteConstraints.getMaxNestingDepth()`)",
        depth + 1
    );
    let jackson = Error::record(message).class("com.fasterxml.jackson.core.exc.StreamConstraintsException");
    let serialization = Error::record("Error serializing JSON message").class(SERIALIZATION_EXCEPTION);
    Err(Error::record("Converting Kafka Connect data to byte[] failed due to serialization error: ")
        .caused_by(serialization.caused_by(jackson)))
}

fn wrong_class(step: &Step, value: &Value) -> Error {
    let class = value.java_class();
    let logical = |name: &str, expected: &str| {
        Error::record(format!("Invalid type for {name}, expected {expected} but was class {class}"))
    };
    let physical = |name: &str| Error::record(format!("Invalid type for {name}: class {class}"));
    match step {
        Step::Decimal(_) => logical("Decimal", "BigDecimal"),
        Step::Date => logical("Date", "Date"),
        Step::Time => logical("Time", "Date"),
        Step::Timestamp => logical("Timestamp", "Date"),
        Step::Bytes => physical("bytes type"),
        Step::Boolean => physical("BOOLEAN"),
        Step::Int8 => physical("INT8"),
        Step::Int16 => physical("INT16"),
        Step::Int32 => physical("INT32"),
        Step::Int64 => physical("INT64"),
        Step::Float32 => physical("FLOAT32"),
        Step::Float64 => physical("FLOAT64"),
        Step::String => physical("STRING"),
        Step::Array(_) => physical("ARRAY"),
        Step::Map(_) => physical("MAP"),
        Step::Struct(_) => physical("STRUCT"),
        Step::Any => physical("unknown schema"),
    }
}
