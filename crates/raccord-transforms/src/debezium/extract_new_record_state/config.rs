//! The keys of `ExtractNewRecordState` and what they make of deletes and tombstones.

use raccord_config::{ConfigDef, Importance, RawConfig, Type, Width};
use raccord_plugin::Result;
use tracing::warn;

use super::reference::{FieldReference, parse};
use crate::debezium::field::{Check, Field, Settings, definition, is_blank, trim};

const HANDLING: Field = Field::new(
    "delete.tombstone.handling.mode",
    Type::String,
    "Handle delete and tombstone records",
    "What becomes of deletes and of the tombstones behind them: drop leaves out both, tombstone makes one tombstone of \
     them, rewrite gives the deleted row with `__deleted` set to `true`, rewrite-with-tombstone gives that and the \
     tombstone, delete-to-tombstone turns the delete itself into a tombstone and leaves out the one behind it.",
)
.default("tombstone")
.width(Width::Medium)
.checks(&[Check::OneOf(&["drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"])]);

const ROUTE_BY_FIELD: Field = Field::new(
    "route.by.field",
    Type::String,
    "Route by field name",
    "The column whose value becomes the topic.",
)
.default("")
.width(Width::Long)
.importance(Importance::Low);

const ADD_FIELDS_PREFIX: Field = Field::new(
    "add.fields.prefix",
    Type::String,
    "Field prefix to be added to each field.",
    "What the names of added fields begin with.",
)
.default("__")
.width(Width::Short)
.importance(Importance::Low);

const ADD_FIELDS: Field = Field::new(
    "add.fields",
    Type::List,
    "Adds the specified field(s) to the message if they exist.",
    "Fields of the event to add to the row: `op`, `table`, `source.ts_ms`, or with a name of your own \
     `op:OPERATION`. Fields that the event does not have are left out.",
)
.default("")
.width(Width::Long)
.importance(Importance::Low);

const ADD_HEADERS_PREFIX: Field = Field::new(
    "add.headers.prefix",
    Type::String,
    "Header prefix to be added to each header.",
    "What the names of added headers begin with.",
)
.default("__")
.width(Width::Short)
.importance(Importance::Low);

const ADD_HEADERS: Field = Field::new(
    "add.headers",
    Type::List,
    "Adds the specified fields to the header if they exist.",
    "Fields of the event to add as headers, written as for `add.fields`. A tombstone gets the operation only.",
)
.default("")
.width(Width::Long)
.importance(Importance::Low);

const DROP_FIELDS_HEADER: Field = Field::new(
    "drop.fields.header.name",
    Type::String,
    "Specifies a header that contains a list of field names to be removed",
    "The header that lists fields to leave out of the row.",
)
.width(Width::Short)
.importance(Importance::Low);

const DROP_FIELDS_FROM_KEY: Field = Field::new(
    "drop.fields.from.key",
    Type::Boolean,
    "Specifies whether the fields to be dropped should also be omitted from the key",
    "Whether these fields are left out of the key as well.",
)
.default("false")
.width(Width::Short)
.importance(Importance::Low);

const DROP_FIELDS_KEEP_SCHEMA_COMPATIBLE: Field = Field::new(
    "drop.fields.keep.schema.compatible",
    Type::Boolean,
    "Specifies if fields are dropped, will the event's schemas be compatible",
    "Whether only optional fields are left out, so that the schemas stay compatible.",
)
.default("true")
.width(Width::Short)
.importance(Importance::Low);

/// What REST shows. Debezium reads `replace.null.with.default` as well, without showing it.
const FIELDS: &[Field] = &[
    HANDLING,
    ROUTE_BY_FIELD,
    ADD_FIELDS_PREFIX,
    ADD_FIELDS,
    ADD_HEADERS_PREFIX,
    ADD_HEADERS,
    DROP_FIELDS_HEADER,
    DROP_FIELDS_FROM_KEY,
    DROP_FIELDS_KEEP_SCHEMA_COMPATIBLE,
];

const REPLACE_NULL_WITH_DEFAULT: Field =
    Field::new("replace.null.with.default", Type::Boolean, "", "").default("true");

/// The keys that Debezium had for deletes and tombstones up to 2.5. It ignores them today.
const DROP_TOMBSTONES: Field = Field::new("drop.tombstones", Type::Boolean, "", "").default("true");
const HANDLE_DELETES: Field = Field::new("delete.handling.mode", Type::String, "", "")
    .default("drop")
    .checks(&[Check::OneOf(&["drop", "rewrite", "none"])]);

/// The definition that REST shows.
pub(super) fn config_def() -> ConfigDef {
    definition(&[(None, FIELDS)])
}

/// What becomes of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletes {
    Drop,
    /// Null with the schema of the row, which the JDBC sink takes for a delete.
    Null,
    /// Null without a schema.
    Tombstone,
    /// The row before, marked; other rows are marked as well.
    Rewrite,
}

/// What becomes of deletes and tombstones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handling {
    pub keep_tombstones: bool,
    pub deletes: Deletes,
}

pub(super) struct Options {
    pub handling: Handling,
    pub fields: Vec<FieldReference>,
    pub headers: Vec<FieldReference>,
    pub route_by_field: Option<String>,
    pub replace_null_with_default: bool,
    /// The header that lists fields to drop. Blank text never finds one.
    pub drop_header: Option<String>,
    pub drop_from_key: bool,
    pub drop_optional_only: bool,
}

impl Options {
    /// Reads the transform's config.
    ///
    /// # Errors
    /// As Debezium: `Unable to validate config.` or the exception that a malformed entry ends in.
    pub fn read(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check_and_record(FIELDS)?;
        let text = |field: &Field| settings.text(field).unwrap_or_default();
        Ok(Self {
            fields: parse(text(&ADD_FIELDS_PREFIX), text(&ADD_FIELDS))?,
            headers: parse(text(&ADD_HEADERS_PREFIX), text(&ADD_HEADERS))?,
            route_by_field: Some(text(&ROUTE_BY_FIELD).to_owned()).filter(|field| !field.is_empty()),
            handling: handling(settings)?,
            replace_null_with_default: settings.flag(&REPLACE_NULL_WITH_DEFAULT),
            drop_header: settings.text(&DROP_FIELDS_HEADER).filter(|name| !is_blank(name)).map(str::to_owned),
            drop_from_key: settings.flag(&DROP_FIELDS_FROM_KEY),
            drop_optional_only: settings.flag(&DROP_FIELDS_KEEP_SCHEMA_COMPATIBLE),
        })
    }
}

/// The old keys count where the new one is not given, as in Debezium 2.5, which had both.
fn handling(settings: Settings<'_>) -> Result<Handling> {
    let old = [DROP_TOMBSTONES, HANDLE_DELETES].iter().any(|field| settings.is_set(field.name()));
    if !old || settings.is_set(HANDLING.name()) {
        let mode = trim(settings.text(&HANDLING).unwrap_or_default()).to_ascii_lowercase();
        let (keep_tombstones, deletes) = match mode.as_str() {
            "drop" => (false, Deletes::Drop),
            "rewrite" => (false, Deletes::Rewrite),
            "rewrite-with-tombstone" => (true, Deletes::Rewrite),
            "delete-to-tombstone" => (false, Deletes::Tombstone),
            _ => (false, Deletes::Null),
        };
        return Ok(Handling { keep_tombstones, deletes });
    }
    settings.check_and_record(&[DROP_TOMBSTONES, HANDLE_DELETES])?;
    let deletes = match trim(settings.text(&HANDLE_DELETES).unwrap_or_default()).to_ascii_lowercase().as_str()
    {
        "rewrite" => Deletes::Rewrite,
        "none" => Deletes::Null,
        _ => Deletes::Drop,
    };
    let handling = Handling { keep_tombstones: !settings.flag(&DROP_TOMBSTONES), deletes };
    warn!(
        tombstones = if handling.keep_tombstones { "kept" } else { "dropped" },
        deletes = ?handling.deletes,
        "drop.tombstones and delete.handling.mode mean here what they meant in Debezium 2.5; Debezium 3 ignores them: \
         set delete.tombstone.handling.mode instead"
    );
    Ok(handling)
}
