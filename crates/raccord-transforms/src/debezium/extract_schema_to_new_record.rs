//! `io.debezium.transforms.ExtractSchemaToNewRecord`: adds to an event how the source names and types its columns.

use std::sync::{Arc, LazyLock, OnceLock};

use raccord_config::{ConfigDef, RawConfig, Type as KeyType};
use raccord_data::{Field, Record, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result, Transform};

use super::content_cache::ContentCache;
use super::envelope::{AFTER, BEFORE, SOURCE, is_envelope};
use super::field::{Field as Key, Settings};
use super::names::Adjuster;
use super::plugin;
use super::structs::{add_field, debezium_exception, get, into_struct, lookup, take};
use crate::exception::{illegal_argument, null_pointer};
use crate::fit::check_field;
use crate::part::require_struct;

plugin! {
    /// `io.debezium.transforms.ExtractSchemaToNewRecord`.
    EXTRACT_SCHEMA_TO_NEW_RECORD,
    "io.debezium.transforms.ExtractSchemaToNewRecord",
    ConfigDef::new(),
    ExtractSchemaToNewRecord::new
}

/// Read, but not shown by REST.
const SCHEMA_NAME_ADJUSTMENT_MODE: Key =
    Key::new("schema.name.adjustment.mode", KeyType::String, "", "").default("none");

/// The field that is added.
const SOURCE_SCHEMA: &str = "sourceSchema";

static STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).build());
static OPTIONAL_STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).optional().build());
static OPTIONAL_INT32: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::Int32).optional().build());

struct ExtractSchemaToNewRecord {
    block: Arc<Schema>,
    events: ContentCache<Event>,
}

/// Events of one schema.
struct Event {
    before: (usize, Arc<Schema>),
    after: (usize, Arc<Schema>),
    /// The schema with the field, and the field's value: as in Debezium that of the first event.
    extended: OnceLock<(Arc<Schema>, Value)>,
}

impl ExtractSchemaToNewRecord {
    fn new(raw: &RawConfig) -> Result<Self> {
        let mode = Settings(raw).text(&SCHEMA_NAME_ADJUSTMENT_MODE).unwrap_or_default();
        if !["none", "avro", "avro_unicode"].contains(&super::field::trim(mode).to_ascii_lowercase().as_str())
        {
            return Err(null_pointer(
                "Cannot invoke \"io.debezium.config.CommonConnectorConfig$SchemaNameAdjustmentMode.createAdjuster()\" \
                 because the return value of \
                 \"io.debezium.config.CommonConnectorConfig$SchemaNameAdjustmentMode.parse(String)\" is null",
            )
            .hint("schema.name.adjustment.mode is none, avro or avro_unicode"));
        }
        Ok(Self { block: block_schema(&Adjuster::of_schemas(mode)), events: ContentCache::default() })
    }
}

/// The schema of the field that is added.
fn block_schema(names: &Adjuster) -> Arc<Schema> {
    let column = Schema::structure([
        ("name", Arc::clone(&STRING)),
        ("typeName", Arc::clone(&STRING)),
        ("length", Arc::clone(&OPTIONAL_INT32)),
        ("scale", Arc::clone(&OPTIONAL_INT32)),
        ("comment", Arc::clone(&OPTIONAL_STRING)),
    ]);
    let column = column.name(names.adjust("io.debezium.connector.source.schema.Column")).version(1).build();
    let columns = Schema::of(Type::Array(column)).build();
    // This one name is not adjusted.
    let table = Schema::structure([("columns", columns)])
        .name("io.debezium.connector.source.schema.Table")
        .version(1);
    Schema::structure([("id", Arc::clone(&STRING)), ("table", table.build())])
        .name(names.adjust("io.debezium.connector.source.Schema"))
        .version(1)
        .build()
}

impl Transform for ExtractSchemaToNewRecord {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() || !is_envelope(&record) {
            return Ok(Some(record));
        }
        let event = require_struct(&record.value, "field extraction")?;
        let known = self.events.get(event.schema(), Event::compile)?;
        let is_null = |(place, schema): &(usize, Arc<Schema>)| get(schema, &event.cells()[*place]).is_null();
        if is_null(&known.after) && is_null(&known.before) {
            return Ok(Some(record));
        }
        let (schema, block) = match known.extended.get() {
            Some(extended) => extended,
            None => {
                let extended = extend(event, &known.after.1, &self.block)?;
                known.extended.get_or_init(|| extended)
            }
        };
        let (schema, block) = (Arc::clone(schema), block.clone());
        let (old, mut cells) =
            into_struct(std::mem::take(&mut record.value), "field extraction")?.into_parts();
        cells.reserve_exact(1);
        for (field, cell) in old.fields().iter().zip(&mut cells) {
            if cell.is_null() {
                *cell = take(&field.schema, cell);
            }
        }
        cells.push(block);
        record.value_schema = Some(Arc::clone(&schema));
        record.value = Value::from(Struct::new(schema, cells));
        Ok(Some(record))
    }
}

impl Event {
    fn compile(schema: &Arc<Schema>) -> Result<Self> {
        let row = |name: &str| {
            let place =
                schema.index_of(name).ok_or_else(|| illegal_argument(format!("Unknown field: {name}")))?;
            Ok::<_, Error>((place, Arc::clone(&schema.fields()[place].schema)))
        };
        Ok(Self { after: row(AFTER)?, before: row(BEFORE)?, extended: OnceLock::new() })
    }
}

/// The schema of events with the field, and the field's value.
fn extend(event: &Struct, row: &Schema, block: &Arc<Schema>) -> Result<(Arc<Schema>, Value)> {
    let mut fields = event.schema().fields().to_vec();
    add_field(&mut fields, &Arc::from(SOURCE_SCHEMA), Some(block))?;
    let extended = Schema { ty: Type::Struct(fields.into()), default: None, ..(**event.schema()).clone() };

    let field = |holder: &Struct, name: &str| {
        let place = lookup(holder.schema(), name)?;
        Ok::<_, Error>(get(&holder.schema().fields()[place].schema, &holder.cells()[place]).clone())
    };
    let id = match field(event, SOURCE)? {
        Value::Struct(source) => field(&source, "table")?,
        _ => {
            return Err(null_pointer(
                "Cannot invoke \"org.apache.kafka.connect.data.Struct.get(String)\" because \"sourceStruct\" is null",
            ));
        }
    };
    let [id_field, table_field] = block.fields() else {
        return Err(Error::fatal("the block has two fields"));
    };
    check_field(id_field, &id)?;
    let Type::Array(column) = &table_field.schema.fields()[0].schema.ty else {
        return Err(Error::fatal("the columns are an array"));
    };
    let columns = row.fields().iter().map(|field| describe(field, column)).collect::<Result<Vec<_>>>()?;
    let table = Struct::new(Arc::clone(&table_field.schema), vec![Value::Array(columns)]);
    let value = Struct::new(Arc::clone(block), vec![id, Value::from(table)]);
    Ok((Arc::new(extended), Value::from(value)))
}

/// A column as the connector describes it in the parameters of its schema.
fn describe(field: &Field, column: &Arc<Schema>) -> Result<Value> {
    let parameter = |name: &str| field.schema.parameter(&format!("__debezium.source.column.{name}"));
    let (Some(name), Some(ty)) = (parameter("name"), parameter("type")) else {
        return Err(debezium_exception(
            "Ensure that enable configurations \"column.propagate.source.type\" or \"datatype.propagate.source.type\" \
             and the value is set to \".*\"",
        ));
    };
    let number = |name: &str| match parameter(name) {
        None => Ok(Value::Null),
        Some(text) => text.parse().map(Value::Int32).map_err(|_| {
            Error::record(format!("For input string: \"{text}\"")).class("java.lang.NumberFormatException")
        }),
    };
    let text = |text: &str| Value::from(text.to_owned());
    let cells = vec![
        text(name),
        text(ty),
        number("length")?,
        number("scale")?,
        parameter("comment").map_or(Value::Null, text),
    ];
    Ok(Value::from(Struct::new(Arc::clone(column), cells)))
}
