//! Levels of loggers.

use raccord_runtime::loggers::LEVELS;

use crate::answer::{Answer, Failure};
use crate::json::read_map;
use crate::routes::{Call, Reply};
use crate::wire::Wire;

/// `GET /admin/loggers`.
pub fn list<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.loggers().await?))) })
}

/// `GET /admin/loggers/{logger}`.
pub fn get<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.logger(call.name()).await?))) })
}

/// `PUT /admin/loggers/{logger}`. A scope that nobody knows counts as `worker`.
pub fn set<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let Some(body) = read_map(&call.body)? else {
            let text = "Cannot invoke \"java.util.Map.get(Object)\" because \"levelMap\" is null";
            return Err(Failure::new(500, text));
        };
        let Some(level) = body.get("level") else {
            return Err(Failure::new(400, "Desired 'level' parameter was not specified in request."));
        };
        if level.is_empty() {
            return Err(Failure::new(500, "Illegal null or empty Level name."));
        }
        let known = level.trim();
        if !LEVELS.iter().any(|name| name.eq_ignore_ascii_case(known)) {
            return Err(Failure::new(404, format!("invalid log level '{level}'.")));
        }
        let scope = call.query.first("scope").unwrap_or("worker");
        if scope.eq_ignore_ascii_case("cluster") {
            call.herder.set_logger_cluster(call.name(), known).await?;
            return Ok(Answer::empty(204));
        }
        if !scope.eq_ignore_ascii_case("worker") {
            tracing::warn!(
                target: "org.apache.kafka.connect.runtime.rest.resources.LoggingResource",
                "unknown scope {scope:?} in a request for a log level: taken for worker"
            );
        }
        Ok(Answer::ok(&call.herder.set_logger(call.name(), known).await?))
    })
}
