//! The matrix of events and modes, and the old keys, which no recording of Debezium 3 covers.

use std::sync::Arc;

use raccord_config::RawConfig;
use raccord_data::{Header, Position, Record, Schema, Struct, Type, Value, java_text};
use raccord_plugin::Transform;

use super::ExtractNewRecordState;

fn event_schema() -> Arc<Schema> {
    let required = |ty: Type| Schema::of(ty).build();
    let row = Schema::structure([
        ("id", required(Type::Int32)),
        ("qty", Schema::of(Type::Int32).optional().default(Value::Int32(7)).build()),
    ]);
    let row = row.optional().name("s.t.Value").build();
    let source =
        Schema::structure([("table", required(Type::String)), ("ts_ms", required(Type::Int64))]).build();
    Schema::structure([
        ("before", Arc::clone(&row)),
        ("after", row),
        ("source", source),
        ("op", required(Type::String)),
    ])
    .name("s.t.Envelope")
    .build()
}

fn row(schema: &Arc<Schema>, id: Option<i32>) -> Value {
    let row = &schema.fields()[0].schema;
    id.map_or(Value::Null, |id| Struct::new(Arc::clone(row), vec![Value::Int32(id), Value::Null]).into())
}

fn event(schema: &Arc<Schema>, op: &'static str, before: Option<i32>, after: Option<i32>) -> Record {
    let source =
        Struct::new(Arc::clone(&schema.fields()[2].schema), vec![Value::from("t"), Value::Int64(11)]);
    let cells = vec![row(schema, before), row(schema, after), source.into(), Value::from(op)];
    let value = Struct::new(Arc::clone(schema), cells);
    Record::new("s.t".into(), Some(Arc::clone(schema)), value.into(), Position::default())
}

fn tombstone() -> Record {
    Record::new("s.t".into(), None, Value::Null, Position::default())
}

fn transform(config: &[(&str, &str)]) -> ExtractNewRecordState {
    let raw: RawConfig =
        config.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    ExtractNewRecordState::new(&raw).unwrap()
}

/// The value, or what became of the record instead.
fn show(transform: &mut ExtractNewRecordState, record: Record) -> String {
    match transform.apply(record) {
        Err(error) => error.trace(),
        Ok(None) => "dropped".to_owned(),
        Ok(Some(record)) if record.value.is_null() => match record.value_schema {
            None => "tombstone".to_owned(),
            Some(_) => "null".to_owned(),
        },
        Ok(Some(record)) => {
            let mut out = Vec::new();
            java_text::append_value(&record.value, &mut out);
            String::from_utf8(out).unwrap()
        }
    }
}

/// What becomes of a create, a delete, a truncate and a tombstone.
fn matrix(config: &[(&str, &str)]) -> [String; 4] {
    let schema = event_schema();
    let mut transform = transform(config);
    let events = [
        event(&schema, "c", None, Some(1)),
        event(&schema, "d", Some(2), None),
        event(&schema, "t", None, None),
        tombstone(),
    ];
    events.map(|record| show(&mut transform, record))
}

#[test]
fn deletes_and_tombstones_are_handled_by_mode() {
    let check = |mode: &str, expect: [&str; 4]| {
        assert_eq!(matrix(&[("delete.tombstone.handling.mode", mode)]), expect, "{mode}");
    };
    let (plain, live, gone) =
        ("Struct{id=1}", "Struct{id=1,qty=7,__deleted=false}", "Struct{id=2,qty=7,__deleted=true}");
    check("drop", [plain, "dropped", "dropped", "dropped"]);
    check("tombstone", [plain, "null", "dropped", "dropped"]);
    check("rewrite", [live, gone, "dropped", "dropped"]);
    check("rewrite-with-tombstone", [live, gone, "dropped", "tombstone"]);
    check("delete-to-tombstone", [plain, "tombstone", "dropped", "dropped"]);
}

#[test]
fn old_keys_mean_what_they_meant() {
    let check = |config: &[(&str, &str)], expect: [&str; 4]| assert_eq!(matrix(config), expect, "{config:?}");
    let (tombstones, deletes) = ("drop.tombstones", "delete.handling.mode");
    let (plain, live, gone) =
        ("Struct{id=1}", "Struct{id=1,qty=7,__deleted=false}", "Struct{id=2,qty=7,__deleted=true}");
    check(&[(tombstones, "true")], [plain, "dropped", "dropped", "dropped"]);
    check(&[(tombstones, "false")], [plain, "dropped", "dropped", "tombstone"]);
    check(&[(deletes, "drop")], [plain, "dropped", "dropped", "dropped"]);
    check(&[(deletes, "none")], [plain, "null", "dropped", "dropped"]);
    check(&[(deletes, "none"), (tombstones, "false")], [plain, "null", "dropped", "tombstone"]);
    check(&[(deletes, "rewrite")], [live, gone, "dropped", "dropped"]);
    check(&[(deletes, "Rewrite"), (tombstones, "false")], [live, gone, "dropped", "tombstone"]);
    // The new key wins.
    let both = [(deletes, "rewrite"), ("delete.tombstone.handling.mode", "drop")];
    check(&both, [plain, "dropped", "dropped", "dropped"]);
}

#[test]
fn a_common_config_of_debezium_2_works() {
    let schema = event_schema();
    let mut transform = transform(&[
        ("drop.tombstones", "false"),
        ("delete.handling.mode", "rewrite"),
        ("add.fields", "op,table,source.ts_ms"),
    ]);
    let events = [event(&schema, "c", None, Some(1)), event(&schema, "d", Some(1), None), tombstone()];
    let shown = events.map(|record| show(&mut transform, record));
    assert_eq!(
        shown,
        [
            "Struct{id=1,qty=7,__deleted=false,__op=c,__table=t,__source_ts_ms=11}",
            "Struct{id=1,qty=7,__deleted=true,__op=d,__table=t,__source_ts_ms=11}",
            "tombstone",
        ]
    );
}

#[test]
fn bad_values_of_old_keys_are_refused() {
    for config in [[("delete.handling.mode", "x")], [("drop.tombstones", "x")]] {
        let error = ExtractNewRecordState::new(&RawConfig::from(config)).err().unwrap();
        assert_eq!(error.message(), "Unable to validate config.");
        assert!(error.hint_text().unwrap().contains(config[0].0), "{:?}", error.hint_text());
    }
}

#[test]
fn rows_of_one_schema_come_out_with_one_schema() {
    let schema = event_schema();
    let mut transform = transform(&[("add.fields", "op")]);
    let mut out = |id: i32| {
        transform.apply(event(&schema, "c", None, Some(id))).unwrap().unwrap().value_schema.unwrap()
    };
    let (first, second) = (out(1), out(2));
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!first.optional);
}

#[test]
fn a_row_that_is_dropped_from_keeps_what_was_added_before() {
    let schema = event_schema();
    let mut transform = transform(&[
        ("drop.fields.header.name", "drop"),
        ("delete.tombstone.handling.mode", "rewrite"),
        ("add.fields", "op,before.qty"),
    ]);
    let with_header = |mut record: Record| {
        let value = Value::Array(vec![Value::from("qty"), Value::from("__op")]);
        record.headers.to_mut().push(Header { key: "drop".into(), schema: None, value });
        record
    };
    // A create loses fields after others were added, a delete before.
    let live = show(&mut transform, with_header(event(&schema, "c", None, Some(1))));
    assert_eq!(live, "Struct{id=1,__deleted=false}");
    let gone = show(&mut transform, with_header(event(&schema, "d", Some(1), None)));
    assert_eq!(gone, "Struct{id=1,__deleted=true,__op=d}");
}
