//! `io.debezium.transforms.TimezoneConverter`: moves times into another time zone.

mod rules;
mod zone;

use std::sync::Arc;

use raccord_config::{ConfigDef, Importance, RawConfig, Type as KeyType, Width};
use raccord_data::{Record, Schema, Struct, Value, logical};
use raccord_plugin::{Error, Result, Transform};
use tracing::warn;

use super::envelope::{AFTER, BEFORE, SOURCE, is_envelope};
use super::field::{Check, Field, Settings, definition};
use super::plugin;
use super::structs::{debezium_exception, into_struct, lookup_typed, take};
use crate::exception::null_pointer;
use crate::schema_cache::SchemaCache;
use rules::{Mode, Rules};
use zone::{OffsetDateTime, OffsetTime, Zone};

plugin! {
    /// `io.debezium.transforms.TimezoneConverter`.
    TIMEZONE_CONVERTER, "io.debezium.transforms.TimezoneConverter", config_def(), TimezoneConverter::new
}

const TIMEZONE: Field = Field::new(
    "converted.timezone",
    KeyType::String,
    "Converted Timezone",
    "The time zone into which times are moved: a name such as America/Los_Angeles, or an offset such as +08:00.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Required]);

const INCLUDE: Field = Field::new(
    "include.list",
    KeyType::List,
    "Include List",
    "The events and fields to convert: `source:<table>`, `source:<table>:<field>`, `topic:<topic>`, \
     `topic:<topic>:<field>`, or `<table or topic>:<field>`. Without a list, all are.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Regexes]);

const EXCLUDE: Field = Field::new(
    "exclude.list",
    KeyType::List,
    "Exclude List",
    "The events and fields not to convert, written as for `include.list`.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Regexes]);

fn config_def() -> ConfigDef {
    definition(&[(None, &[TIMEZONE, INCLUDE, EXCLUDE])])
}

struct TimezoneConverter {
    zone: Zone,
    rules: Rules,
    events: SchemaCache<Event>,
    rows: SchemaCache<Vec<TimeField>>,
}

/// Where the structs are in events of one schema.
struct Event {
    before: Option<usize>,
    after: Option<usize>,
    source: Option<usize>,
    /// The name of the table in the source.
    table: Option<usize>,
}

/// A field with a time in rows of one schema.
struct TimeField {
    place: usize,
    name: Arc<str>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Millis,
    Micros,
    Nanos,
    /// `java.util.Date`.
    Date,
    ZonedTimestamp,
    ZonedTime,
}

impl TimezoneConverter {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check(&[TIMEZONE, INCLUDE, EXCLUDE])?;
        let rules = Rules::read(&settings.list(&INCLUDE), &settings.list(&EXCLUDE))?;
        let zone = Zone::of(settings.text(&TIMEZONE).unwrap_or_default()).ok_or_else(|| {
            debezium_exception(
                "Invalid timezone format. Please specify either a geographic timezone (e.g. America/Los_Angeles) or a UTC \
                 offset in the format of +/-hh:mm, (e.g. +08:00).",
            )
        })?;
        if rules.has_both() {
            return Err(debezium_exception(
                "Both include and exclude lists are specified. Please specify only one.",
            ));
        }
        Ok(Self { zone, rules, events: SchemaCache::default(), rows: SchemaCache::default() })
    }
}

impl Transform for TimezoneConverter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() || !is_envelope(&record) {
            return Ok(Some(record));
        }
        let mut event = into_struct(std::mem::take(&mut record.value), "event")?;
        let known = self.events.get(event.schema(), |schema| Ok(Event::compile(schema)))?;
        let table = match (known.source.map(|place| &event.cells()[place]), known.table) {
            (Some(Value::Null), _) => {
                return Err(null_pointer(
                    "Cannot invoke \"org.apache.kafka.connect.data.Struct.getString(String)\" because \"source\" is null",
                ));
            }
            (Some(Value::Struct(source)), Some(place)) => source.cells()[place].as_str(),
            _ => None,
        };
        if let Some((mode, fields)) = self.rules.of(table, &record.topic) {
            let mut parts = vec![(known.before, mode, &fields.before), (known.after, mode, &fields.after)];
            if !fields.source.is_empty() {
                parts.push((known.source, mode, &fields.source));
            }
            let (zone, rows) = (&self.zone, &mut self.rows);
            for (place, mode, fields) in parts {
                let Some(place) = place else { continue };
                if let Value::Struct(row) = &mut event.cells_mut()[place] {
                    let times = rows.get(row.schema(), |schema| Ok(TimeField::all_of(schema)))?;
                    convert(row, times, zone, |name| match mode {
                        Mode::All => true,
                        Mode::Include => fields.contains(name),
                        Mode::Exclude => !fields.contains(name),
                    })?;
                }
            }
        }
        record.value = Value::Struct(event);
        Ok(Some(record))
    }
}

impl Event {
    fn compile(schema: &Schema) -> Self {
        let find = |name: &str| lookup_typed(schema, name, "STRUCT").ok();
        let source = find(SOURCE);
        let table =
            source.and_then(|place| lookup_typed(&schema.fields()[place].schema, "table", "STRING").ok());
        Self { before: find(BEFORE), after: find(AFTER), source, table }
    }
}

impl TimeField {
    fn all_of(row: &Schema) -> Vec<Self> {
        let fields = row.fields().iter().enumerate();
        fields
            .filter_map(|(place, field)| {
                let kind = Kind::of(field.schema.name.as_deref()?, &field.name)?;
                Some(Self { place, name: Arc::clone(&field.name), kind })
            })
            .collect()
    }
}

impl Kind {
    fn of(schema: &str, field: &str) -> Option<Self> {
        Some(match schema {
            "io.debezium.time.Timestamp" => Self::Millis,
            "io.debezium.time.MicroTimestamp" => Self::Micros,
            "io.debezium.time.NanoTimestamp" => Self::Nanos,
            "io.debezium.time.ZonedTimestamp" => Self::ZonedTimestamp,
            "io.debezium.time.ZonedTime" => Self::ZonedTime,
            logical::TIMESTAMP => Self::Date,
            "io.debezium.time.Date"
            | "io.debezium.time.MicroTime"
            | "io.debezium.time.NanoTime"
            | "io.debezium.time.Time"
            | logical::DATE
            | logical::TIME => {
                warn!(field, schema, "dates and times of day have no time zone and stay as they are");
                return None;
            }
            _ => return None,
        })
    }

    fn convert(self, value: Value, zone: &Zone) -> Result<Value> {
        // A local time goes to the moment at which clocks of the zone show it.
        let moved = |number: i64, per_second: i64| {
            let offset = zone.offset_at(number.div_euclid(per_second))?;
            Ok::<_, Error>(number.wrapping_sub(i64::from(offset).wrapping_mul(per_second)))
        };
        Ok(match (self, value) {
            (Self::Millis, Value::Int64(millis)) => Value::Int64(moved(millis, 1_000)?),
            (Self::Micros, Value::Int64(micros)) => Value::Int64(moved(micros, 1_000_000)?),
            (Self::Nanos, Value::Int64(nanos)) => Value::Int64(moved(nanos, 1_000_000_000)?),
            (Self::Date, Value::Date(millis)) => Value::Date(moved(millis, 1_000)?),
            (Self::ZonedTimestamp, Value::String(text)) => {
                let time = OffsetDateTime::parse(&text)?;
                // Debezium takes the offset at the local time of the old offset.
                Value::from(time.at_offset(zone.offset_at(time.local_seconds)?).to_text())
            }
            (Self::ZonedTime, Value::String(text)) => {
                Value::from(OffsetTime::parse(&text)?.at_offset(zone.offset_now()?).to_text())
            }
            (_, value) => {
                return Err(Error::record(format!("class {} cannot be cast", value.java_class()))
                    .class("java.lang.ClassCastException"));
            }
        })
    }
}

fn convert(row: &mut Struct, times: &[TimeField], zone: &Zone, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let schema = Arc::clone(row.schema());
    for field in times.iter().filter(|field| wanted(&field.name)) {
        let cell = &mut row.cells_mut()[field.place];
        let value = take(&schema.fields()[field.place].schema, cell);
        if !value.is_null() {
            *cell = field.kind.convert(value, zone)?;
        }
    }
    Ok(())
}
