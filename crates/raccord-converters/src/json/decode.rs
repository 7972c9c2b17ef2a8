//! Reading values: the decoder, with the schemas it has seen.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use raccord_data::{Text, Value};
use raccord_plugin::{Decoder, Error, Result, SchemaAndValue};

use super::convert::to_value;
use super::fast::Cursor;
use super::node::Node;
use super::plan::Plan;
use super::schema_in::to_schema;
use super::{Settings, reader};

/// Reads values, and remembers schemas by their bytes so that the same bytes give the same schema.
#[derive(Debug)]
pub struct JsonDecoder {
    settings: Arc<Settings>,
    /// The plan of everything, where messages carry no schema.
    fixed: Option<Plan>,
    /// The schema read last and its bytes: most topics have one.
    latest: Option<(Arc<[u8]>, Arc<Plan>)>,
    seen: HashMap<Arc<[u8]>, Arc<Plan>>,
}

/// Where the two parts of an envelope lie.
struct Envelope {
    schema: (usize, usize),
    /// Beginning and end of the payload; without an end when it was not looked for.
    payload: (usize, Option<usize>),
}

impl JsonDecoder {
    /// A decoder that has seen nothing.
    pub fn new(settings: Arc<Settings>) -> Self {
        let fixed = match (&settings.schema, settings.schemas_enable) {
            (_, false) => Some(Plan::any()),
            (Some(schema), true) => Some(Plan::of(schema, &settings)),
            (None, true) => None,
        };
        Self { settings, fixed, latest: None, seen: HashMap::new() }
    }

    /// Reads the whole input by the slow way, which says what is wrong.
    fn slowly(&mut self, bytes: &Bytes) -> Result<SchemaAndValue> {
        let node = reader::parse(bytes).map_err(|error| {
            Error::record("Converting byte[] to Kafka Connect data failed due to serialization error: ")
                .caused_by(error.into_error())
        })?;
        if let Some(plan) = &self.fixed {
            let value = to_value(plan.schema.as_ref(), Some(&node), &self.settings)?;
            return Ok(SchemaAndValue { schema: plan.schema.clone(), value });
        }
        let (schema, payload) = match &node {
            Node::Object(fields) if fields.len() == 2 => (fields.get("schema"), fields.get("payload")),
            _ => (None, None),
        };
        let (Some(schema), Some(payload)) = (schema, payload) else {
            return Err(Error::record(
                "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain \
                 additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in \
                 your converter configuration.",
            ));
        };
        let plan = self.plan_of(bytes, schema)?;
        let value = to_value(plan.schema.as_ref(), Some(payload), &self.settings)?;
        Ok(SchemaAndValue { schema: plan.schema.clone(), value })
    }

    /// The plan of an envelope's schema, remembered by the schema's bytes.
    fn plan_of(&mut self, bytes: &Bytes, schema: &Node) -> Result<Arc<Plan>> {
        let text = Text::from_utf8(bytes.clone()).ok();
        // Repeated keys make it unclear which bytes the schema came from; then nothing is remembered.
        let raw = text.as_ref().and_then(|text| {
            let (start, end) = envelope(&mut Cursor::new(text), true)?.schema;
            Some(&text.as_bytes()[start..end])
        });
        if let Some(plan) = raw.and_then(|raw| self.seen.get(raw)) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(match to_schema(schema, &self.settings)? {
            Some(schema) => Plan::of(&schema, &self.settings),
            None => Plan::any(),
        });
        if let Some(raw) = raw.filter(|_| self.settings.cache_size > 0) {
            if self.seen.len() >= self.settings.cache_size {
                self.seen.clear();
            }
            let raw: Arc<[u8]> = raw.into();
            self.seen.insert(Arc::clone(&raw), Arc::clone(&plan));
            self.latest = Some((raw, Arc::clone(&plan)));
        }
        Ok(plan)
    }

    fn quickly(&mut self, text: &Text) -> Option<SchemaAndValue> {
        let mut cursor = Cursor::new(text);
        if let Some(plan) = &self.fixed {
            let value = cursor.root(plan)?;
            return Some(SchemaAndValue { schema: plan.schema.clone(), value });
        }
        if let Some((raw, plan)) = &self.latest {
            const BEGIN: &[u8] = b"{\"schema\":";
            const BETWEEN: &[u8] = b",\"payload\":";
            if cursor.take_exactly(BEGIN) && cursor.take_exactly(raw) && cursor.take_exactly(BETWEEN) {
                let value = cursor.value(plan, 1)?;
                cursor.take(b'}')?;
                return Some(SchemaAndValue { schema: plan.schema.clone(), value });
            }
        }
        self.by_parts(text)
    }

    /// Reads an envelope whose schema is not the latest, or which is written in another way than Connect does.
    fn by_parts(&mut self, text: &Text) -> Option<SchemaAndValue> {
        let mut cursor = Cursor::new(text);
        let envelope = envelope(&mut cursor, false)?;
        let raw = &text.as_bytes()[envelope.schema.0..envelope.schema.1];
        let (raw, plan) = self.seen.get_key_value(raw)?;
        self.latest = Some((Arc::clone(raw), Arc::clone(plan)));
        cursor.at = envelope.payload.0;
        let value = cursor.value(plan, 1)?;
        match envelope.payload.1 {
            Some(end) if end != cursor.at => return None,
            Some(_) => {}
            None => cursor.take(b'}')?,
        }
        Some(SchemaAndValue { schema: plan.schema.clone(), value })
    }
}

/// Finds the parts of an envelope that has each of its two keys once. The payload's end is not looked for when it
/// comes last, unless `whole` asks for it.
fn envelope(cursor: &mut Cursor, whole: bool) -> Option<Envelope> {
    cursor.take(b'{')?;
    let (mut schema, mut payload) = (None, None);
    loop {
        cursor.skip_space()?;
        let is_schema = cursor.take_exactly(b"\"schema\"");
        if !is_schema && !cursor.take_exactly(b"\"payload\"") {
            return None;
        }
        cursor.take(b':')?;
        cursor.skip_space()?;
        let start = cursor.at;
        if let (false, false, Some(schema)) = (is_schema, whole, schema) {
            return payload.is_none().then_some(Envelope { schema, payload: (start, None) });
        }
        cursor.skip_value()?;
        let part = if is_schema { &mut schema } else { &mut payload };
        if part.replace((start, cursor.at)).is_some() {
            return None;
        }
        match cursor.skip_space()? {
            b',' => cursor.at += 1,
            b'}' => {
                let ((start, end), schema) = (payload?, schema?);
                return Some(Envelope { schema, payload: (start, Some(end)) });
            }
            _ => return None,
        }
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let Some(bytes) = bytes else { return Ok(SchemaAndValue { schema: None, value: Value::Null }) };
        // Zeros among the first bytes are Jackson's sign of UTF-16 or UTF-32.
        let is_narrow = bytes.iter().take(4).all(|byte| *byte != 0);
        if is_narrow
            && let Ok(text) = Text::from_utf8(bytes.clone())
            && let Some(read) = self.quickly(&text)
        {
            return Ok(read);
        }
        self.slowly(bytes)
    }
}
