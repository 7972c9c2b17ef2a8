//! What the page asks: the worker's answers, cut down to what it shows.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::upstream::{Reply, Upstream};

type Ask = State<Arc<Upstream>>;

/// `GET /api/worker`: version and cluster.
pub(crate) async fn worker(State(upstream): Ask, headers: HeaderMap) -> Response {
    answer(upstream.get("/", headers.get(header::AUTHORIZATION)).await, |body| body)
}

/// `GET /api/health`.
pub(crate) async fn health(State(upstream): Ask, headers: HeaderMap) -> Response {
    answer(upstream.get("/health", headers.get(header::AUTHORIZATION)).await, |body| body)
}

/// `GET /api/connectors`: class and status of each.
pub(crate) async fn connectors(State(upstream): Ask, headers: HeaderMap) -> Response {
    let target = "/connectors?expand=status&expand=info";
    answer(upstream.get(target, headers.get(header::AUTHORIZATION)).await, shown)
}

/// Passes an answer on. Answers other than success keep their status; a 401 gets what makes a browser ask for a password.
fn answer(reply: Result<Reply, String>, shown: impl FnOnce(Value) -> Value) -> Response {
    let reply = match reply {
        Ok(reply) => reply,
        Err(text) => {
            return (StatusCode::BAD_GATEWAY, Json(json!({ "message": text }))).into_response();
        }
    };
    let body = if reply.status.is_success() { shown(reply.body) } else { reply.body };
    let mut response = (reply.status, Json(body)).into_response();
    if reply.status == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"Kafka Connect\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    }
    response
}

/// Connectors without their configs, which may hold passwords; sorted by name.
fn shown(all: Value) -> Value {
    let Value::Object(all) = all else {
        return Value::Array(Vec::new());
    };
    let mut connectors: Vec<Value> =
        all.into_iter().map(|(name, expanded)| connector(&name, &expanded)).collect();
    connectors.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Value::Array(connectors)
}

fn connector(name: &str, expanded: &Value) -> Value {
    let status = &expanded["status"];
    let mut shown = Map::new();
    shown.insert("name".to_owned(), name.into());
    shown.insert("class".to_owned(), expanded["info"]["config"]["connector.class"].clone());
    shown.insert("type".to_owned(), status["type"].clone());
    shown.insert("connector".to_owned(), status["connector"].clone());
    shown.insert("tasks".to_owned(), status["tasks"].clone());
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_stay_behind() {
        let all = json!({
            "b": { "info": { "config": { "connector.class": "X", "password": "secret" } },
                   "status": { "type": "sink", "connector": { "state": "RUNNING" }, "tasks": [] } },
            "a": {},
        });
        let shown = shown(all);
        assert!(!shown.to_string().contains("secret"));
        assert_eq!(shown[0]["name"], "a");
        assert_eq!(shown[1]["class"], "X");
        assert_eq!(shown[1]["connector"]["state"], "RUNNING");
    }
}
