//! What no recording covers: that schemas and topics are built once.

use std::sync::Arc;

use raccord_config::RawConfig;
use raccord_data::{Position, Record, Schema, Struct, Type, Value};
use raccord_plugin::Transform;

use super::EventRouter;

fn outbox(schema: &Arc<Schema>, kind: &'static str) -> Record {
    let row = Arc::clone(&schema.fields()[0].schema);
    let row = Struct::new(row, ["1", kind, "7", "{}"].map(Value::from).to_vec());
    let value = Struct::new(Arc::clone(schema), vec![row.into(), Value::from("c"), Value::Int64(5)]);
    Record::new("outbox".into(), Some(Arc::clone(schema)), value.into(), Position::default())
}

fn change_schema() -> Arc<Schema> {
    let text = Schema::of(Type::String).optional().build();
    let columns = ["id", "aggregatetype", "aggregateid", "payload"];
    let row =
        Schema::structure(columns.map(|name| (name, Arc::clone(&text)))).optional().name("a.Value").build();
    let time = Schema::of(Type::Int64).build();
    Schema::structure([("after", row), ("op", text), ("ts_ms", time)]).name("a.Envelope").build()
}

#[test]
fn schemas_and_topics_are_built_once() {
    let raw = RawConfig::from([("table.fields.additional.placement", "id:envelope")]);
    let mut router = EventRouter::new(&raw).unwrap();
    let schema = change_schema();
    let mut routed = |kind| router.apply(outbox(&schema, kind)).unwrap().unwrap();
    let (first, second, other) = (routed("order"), routed("order"), routed("bill"));
    assert_eq!(&*first.topic, "outbox.event.order");
    assert_eq!(&*other.topic, "outbox.event.bill");
    assert!(Arc::ptr_eq(&first.topic, &second.topic));
    let schemas = [&first, &second, &other].map(|record| record.value_schema.clone().unwrap());
    assert!(schemas.iter().all(|schema| Arc::ptr_eq(schema, &schemas[0])));
    assert_eq!(schemas[0].name.as_deref(), Some("a.order.Value"));
    assert_eq!((first.timestamp, first.key.as_str()), (Some(5), Some("7")));
}
