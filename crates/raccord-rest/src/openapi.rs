//! The OpenAPI document, made of the table of routes.
//!
//! Connect's worker publishes none. It is served below `/raccord/`, a prefix of our own with which no path of Connect's
//! can ever collide.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::routes::{Call, Gives, Parameter, ROUTES, Reply, Route, Takes};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /raccord/openapi.json`.
pub fn serve<'a>(_call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async { Ok(Answer::ok(&*DOCUMENT)) })
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Kafka Connect REST API, served by raccord",
            "version": raccord_plugin::KAFKA_VERSION,
            "description": "The REST interface of Apache Kafka Connect. Every path may have a slash at its end; HEAD and \
                            OPTIONS work on all of them.",
        },
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

/// The schemas, kept as JSON because they are data.
fn schemas() -> Value {
    serde_json::from_str(include_str!("schemas.json")).expect("schemas.json is part of this crate and tested")
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({ "summary": route.summary });
    let variables = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = variables.map(|name| {
        let kind = if name == "task" { "integer" } else { "string" };
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
    });
    let parameters: Vec<Value> = in_path.chain(route.parameters.iter().map(query_parameter)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    match route.takes {
        Takes::Nothing => {}
        Takes::Json(schema) => {
            operation["requestBody"] = json!({ "required": true, "content": content(schema) });
        }
        Takes::Signed => operation["x-internal"] = Value::Bool(true),
    }
    operation["responses"] = responses(route);
    operation
}

fn query_parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "schema": { "type": parameter.kind },
    })
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, schema, meaning) in route.answers {
        let mut answer = json!({ "description": meaning });
        if !schema.is_empty() {
            answer["content"] = match route.gives {
                Gives::Json => content(schema),
                Gives::Text(media_type) => content_of(media_type, schema),
            };
        }
        responses.insert(status.to_string(), answer);
    }
    responses.insert(
        "default".to_owned(),
        json!({ "description": "What went wrong", "content": content("ErrorMessage") }),
    );
    Value::Object(responses)
}

fn content(schema: &str) -> Value {
    content_of("application/json", schema)
}

fn content_of(media_type: &str, schema: &str) -> Value {
    json!({ media_type: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_every_route_and_every_schema_it_names() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            assert_eq!(operation["summary"], route.summary, "{} {}", route.method, route.path);
            for (status, ..) in route.answers {
                assert!(operation["responses"][status.to_string()].is_object(), "{} {status}", route.path);
            }
        }
        let operations: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(operations, ROUTES.len(), "a method and path must not come twice");
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    /// Rewrites the reference and fails when it was not up to date.
    #[test]
    fn the_reference_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
        let mut expect = serde_json::to_string_pretty(&document()).unwrap();
        expect.push('\n');
        let found = std::fs::read_to_string(path).unwrap_or_default();
        if found != expect {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, &expect).unwrap();
            panic!("docs/reference/openapi.json was not up to date; it was rewritten: commit it");
        }
    }
}
