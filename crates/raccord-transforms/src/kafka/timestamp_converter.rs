//! `TimestampConverter`: timestamps between text, numbers since the epoch, and Connect's Date, Time and Timestamp.

use std::sync::Arc;

use raccord_config::{Config, Validator};
use raccord_data::java_map::HashEntries;
use raccord_data::java_text::DAY_MS;
use raccord_data::{Record, Schema, Struct, Text, Type, Value, logical};
use raccord_plugin::{Error, Result, Transform};

use crate::building::{Fields, copy_basics, fields_of, set_default};
use crate::date_format::SimpleDateFormat;
use crate::part::{Part, require_struct, require_struct_mut, take_map};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(TimestampConverter, TimestampConverterConfig, "TimestampConverter");

const PURPOSE: &str = "converting timestamp formats";

#[derive(Debug, Config)]
struct TimestampConverterConfig {
    /// The name of the field that holds the timestamp. Empty: the whole key or value is one.
    #[config(default = "", importance = High)]
    field: String,
    /// What the timestamp becomes: `string`, `unix` (a number since 1970), `Date`, `Time` or `Timestamp`.
    #[config(importance = High, validator = Validator::one_of(&["string", "unix", "Date", "Time", "Timestamp"]))]
    target_type: String,
    /// How text is written and read, in UTC: a pattern of Java's SimpleDateFormat. Needed for `string`.
    #[config(default = "")]
    format: String,
    /// The unit of numbers, written and read: `seconds`, `milliseconds`, `microseconds` or `nanoseconds`. What is smaller
    /// than a millisecond is lost.
    #[config(
        default = "milliseconds",
        importance = Low,
        validator = Validator::one_of(&["nanoseconds", "microseconds", "milliseconds", "seconds"])
    )]
    unix_precision: String,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

/// The forms of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

/// The unit of numbers.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// How a timestamp is converted.
struct Conversion {
    target: Form,
    format: Option<SimpleDateFormat>,
    unit: Unit,
}

struct TimestampConverter {
    part: Part,
    field: String,
    conversion: Conversion,
    with_default: bool,
    plans: SchemaCache<Plan>,
}

/// What to do with values of a schema.
struct Plan {
    schema: Arc<Schema>,
    /// The place of the field and its form, which may be none that can be converted; nothing when there is no such field.
    field: Option<(usize, Option<Form>)>,
}

impl TimestampConverter {
    fn new(config: TimestampConverterConfig, part: Part) -> Result<Self> {
        let target = Form::named(&config.target_type);
        let blank = config.format.chars().all(char::is_whitespace);
        if target == Form::Text && blank {
            return Err(Error::config(
                "TimestampConverter requires format option to be specified when using string timestamps",
            ));
        }
        let format = match blank {
            true => None,
            false => Some(SimpleDateFormat::new(&config.format).map_err(|error| {
                // The real one takes the exception for the value of a key that is called like the message.
                Error::config(format!(
                    "Invalid value java.lang.IllegalArgumentException: {error} for configuration TimestampConverter \
                     requires a SimpleDateFormat-compatible pattern for string timestamps: {}",
                    config.format
                ))
            })?),
        };
        Ok(Self {
            part,
            field: config.field,
            conversion: Conversion { target, format, unit: Unit::named(&config.unix_precision) },
            with_default: config.replace_null_with_default,
            plans: SchemaCache::default(),
        })
    }
}

impl Form {
    fn named(name: &str) -> Self {
        match name {
            "string" => Self::Text,
            "unix" => Self::Unix,
            "Date" => Self::Date,
            "Time" => Self::Time,
            _ => Self::Timestamp,
        }
    }

    /// The form of values of a schema.
    fn of_schema(schema: &Schema) -> Option<Self> {
        Some(match (schema.name.as_deref(), &schema.ty) {
            (Some(logical::TIMESTAMP), _) => Self::Timestamp,
            (Some(logical::DATE), _) => Self::Date,
            (Some(logical::TIME), _) => Self::Time,
            (_, Type::String) => Self::Text,
            (_, Type::Int64) => Self::Unix,
            _ => return None,
        })
    }

    /// The form of a value without a schema.
    fn of_value(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Date(_) => Self::Timestamp,
            Value::Int64(_) => Self::Unix,
            Value::String(_) => Self::Text,
            other => {
                let class = other.java_class();
                return Err(exception::data(format!(
                    "TimestampConverter does not support class {class} objects as timestamps"
                )));
            }
        })
    }

    fn schema(self, optional: bool) -> Arc<Schema> {
        let builder = match self {
            Self::Text => Schema::of(Type::String),
            Self::Unix => Schema::of(Type::Int64),
            Self::Date => Schema::of(Type::Int32).name(logical::DATE).version(1),
            Self::Time => Schema::of(Type::Int32).name(logical::TIME).version(1),
            Self::Timestamp => Schema::of(Type::Int64).name(logical::TIMESTAMP).version(1),
        };
        if optional { builder.optional().build() } else { builder.build() }
    }

    fn expected(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("string timestamp", "String"),
            Self::Unix => ("Unix timestamp", "Long"),
            Self::Date => ("Date", "java.util.Date"),
            Self::Time => ("Time", "java.util.Date"),
            Self::Timestamp => ("Timestamp", "java.util.Date"),
        }
    }
}

impl Unit {
    fn named(name: &str) -> Self {
        match name {
            "seconds" => Self::Seconds,
            "microseconds" => Self::Micros,
            "nanoseconds" => Self::Nanos,
            _ => Self::Millis,
        }
    }

    /// As Java's `TimeUnit`: what does not fit becomes the largest or smallest, what is cut is cut towards zero.
    fn to_millis(self, number: i64) -> i64 {
        match self {
            Self::Seconds => number.saturating_mul(1000),
            Self::Millis => number,
            Self::Micros => number / 1000,
            Self::Nanos => number / 1_000_000,
        }
    }

    fn of_millis(self, millis: i64) -> i64 {
        match self {
            Self::Seconds => millis / 1000,
            Self::Millis => millis,
            Self::Micros => millis.saturating_mul(1000),
            Self::Nanos => millis.saturating_mul(1_000_000),
        }
    }
}

impl Conversion {
    /// Converts a value of a form. Null stays null.
    fn convert(&self, value: &Value, form: Form) -> Result<Value> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let millis = self.millis(value, form)?;
        Ok(match self.target {
            Form::Text => match &self.format {
                Some(format) => Value::String(Text::from(format.format(millis))),
                None => Value::Null,
            },
            Form::Unix => Value::Int64(self.unit.of_millis(millis)),
            Form::Date => Value::Date(millis - millis.rem_euclid(DAY_MS)),
            Form::Time => Value::Date(millis.rem_euclid(DAY_MS)),
            Form::Timestamp => Value::Date(millis),
        })
    }

    fn millis(&self, value: &Value, form: Form) -> Result<i64> {
        match (form, value) {
            (Form::Date | Form::Time | Form::Timestamp, Value::Date(millis)) => Ok(*millis),
            (Form::Unix, Value::Int64(number)) => Ok(self.unit.to_millis(*number)),
            (Form::Text, Value::String(text)) => self.parse(text),
            (form, other) => {
                let (what, class) = form.expected();
                let article = format!("a {class}");
                Err(exception::data(format!(
                    "Expected {what} to be {article}, but found class {}",
                    other.java_class()
                )))
            }
        }
    }

    fn parse(&self, text: &str) -> Result<i64> {
        let Some(format) = &self.format else {
            return Err(exception::null_pointer(
                "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null",
            ));
        };
        format.parse(text).map_err(|error| {
            let pattern = format.as_str();
            let message =
                format!("Could not parse timestamp: value ({text}) does not match pattern ({pattern})");
            let cause = Error::record(error.to_string()).class("java.text.ParseException");
            exception::data(message).caused_by(cause)
        })
    }
}

impl Transform for TimestampConverter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        match schema {
            None => self.convert_plain(value)?,
            Some(old) if self.field.is_empty() => {
                let new = self.conversion.target.schema(old.optional);
                *value = match Form::of_schema(old) {
                    Some(form) => self.conversion.convert(value, form)?,
                    None => return Err(unknown_form(old)),
                };
                *schema = Some(new);
            }
            Some(old) => {
                if !value.is_null() {
                    require_struct(value, PURPOSE)?;
                }
                let (field, conversion, with_default) = (&self.field, &self.conversion, self.with_default);
                let plan = self.plans.get(old, |old| Plan::of(old, field, conversion, with_default))?;
                if !value.is_null() {
                    plan.convert(require_struct_mut(value, PURPOSE)?, conversion, with_default)?;
                }
                *schema = Some(Arc::clone(&plan.schema));
            }
        }
        Ok(Some(record))
    }
}

impl TimestampConverter {
    fn convert_plain(&self, value: &mut Value) -> Result<()> {
        let convert = |value: &Value| match value {
            Value::Null => Ok(Value::Null),
            value => self.conversion.convert(value, Form::of_value(value)?),
        };
        if value.is_null() || self.field.is_empty() {
            *value = convert(value)?;
            return Ok(());
        }
        let mut entries = HashEntries::copy_of(take_map(value, PURPOSE)?);
        let converted = convert(entries.get(&self.field).unwrap_or(&Value::Null))?;
        entries.put(&self.field, converted);
        *value = entries.into_map();
        Ok(())
    }
}

fn unknown_form(schema: &Schema) -> Error {
    let schema = fit::schema_text(schema);
    exception::connect(format!("Schema {schema} does not correspond to a known timestamp type format"))
}

impl Plan {
    fn of(old: &Schema, name: &str, conversion: &Conversion, with_default: bool) -> Result<Self> {
        let (mut fields, mut found) = (Fields::default(), None);
        for (place, field) in fields_of(old)?.iter().enumerate() {
            let schema = if *field.name == *name {
                found = Some((place, Form::of_schema(&field.schema)));
                conversion.target.schema(field.schema.optional)
            } else {
                Arc::clone(&field.schema)
            };
            fields.add(Arc::clone(&field.name), schema)?;
        }
        let mut schema = copy_basics(old, fields.into_type());
        schema.optional = old.optional;
        if let Some(Value::Struct(default)) = &old.default {
            let plain = Self { schema: Arc::new(schema.clone()), field: found };
            let mut default = Struct::clone(default);
            plain.convert(&mut default, conversion, with_default)?;
            set_default(&mut schema, default.into())?;
        }
        Ok(Self { schema: Arc::new(schema), field: found })
    }

    fn convert(&self, value: &mut Struct, conversion: &Conversion, with_default: bool) -> Result<()> {
        let old = Arc::clone(value.schema());
        let fields = old.fields().iter().zip(self.schema.fields());
        for (place, ((from, to), cell)) in fields.zip(value.cells_mut()).enumerate() {
            if with_default {
                fit::fill_default(&from.schema, cell);
            }
            if let Some((_, form)) = self.field.filter(|(other, _)| *other == place) {
                *cell = match form {
                    Some(form) => conversion.convert(cell, form)?,
                    None => return Err(unknown_form(&from.schema)),
                };
            }
            fit::check_field(to, cell)?;
        }
        value.reshape(Arc::clone(&self.schema), |cells| cells);
        Ok(())
    }
}
