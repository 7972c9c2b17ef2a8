//! Connectors.

use raccord_plugin::RawConfig;
use raccord_plugin::data::java_order;
use raccord_runtime::herder::{ConnectorInfo, TargetState};

use super::present;
use crate::answer::{Answer, Failure};
use crate::json::{read_create, read_map};
use crate::request_path::connector_location;
use crate::routes::{Call, Reply};
use crate::wire::{Expanded, ExpandedList, Expansion, Topics, Wire};

/// `GET /connectors`.
pub fn list<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let names = call.herder.connectors().await?;
        if call.query.first("expand").is_none() {
            return Ok(Answer::ok(&names));
        }
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            match expand(call, &name).await {
                Ok(expanded) => all.push((name, expanded)),
                // It was deleted meanwhile.
                Err(failure) if failure.status == 404 => {}
                Err(failure) => return Err(failure),
            }
        }
        java_order::sort_by_key(&mut all, |(name, _)| name);
        Ok(Answer::ok(&ExpandedList(all)))
    })
}

async fn expand(call: &Call<'_>, name: &str) -> Result<Expanded, Failure> {
    let mut expanded = Expanded::default();
    let (mut status, mut info) = (false, false);
    for part in call.query.all("expand") {
        match part {
            "status" if !std::mem::replace(&mut status, true) => {
                expanded.parts.push(Expansion::Status(call.herder.connector_status(name).await?));
            }
            "info" if !std::mem::replace(&mut info, true) => {
                expanded.parts.push(Expansion::Info(call.herder.connector_info(name).await?));
            }
            _ => {}
        }
    }
    Ok(expanded)
}

/// `POST /connectors`.
pub fn create<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let request = read_create(&call.body)?.ok_or_else(|| {
            Failure::new(
                500,
                "Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest.name()\" \
                 because \"createRequest\" is null",
            )
        })?;
        let name = trim(request.name.as_deref().unwrap_or_default());
        let config = with_name(present(request.config)?, name)?;
        let (_, info) = call.herder.put_connector(name, config, request.initial_state, false).await?;
        created(name, &info)
    })
}

/// Takes blanks and control characters off both ends, as Java's `trim` does.
fn trim(name: &str) -> &str {
    name.trim_matches(|c| c <= ' ')
}

/// The config with the connector's name in it.
fn with_name(mut config: RawConfig, name: &str) -> Result<RawConfig, Failure> {
    match config.get("name") {
        Some(inside) if inside != name => Err(Failure::new(
            400,
            format!(
                "Connector name configuration ({inside}) doesn't match connector name in the URL ({name})"
            ),
        )),
        Some(_) => Ok(config),
        None => {
            config.insert("name", name.to_owned());
            Ok(config)
        }
    }
}

fn created(name: &str, info: &ConnectorInfo) -> Result<Answer, Failure> {
    let location = connector_location(name).map_err(|text| Failure::new(500, text))?;
    Ok(Answer { location: Some(location), ..Answer::json(201, &Wire(info)) })
}

/// `GET /connectors/{connector}`.
pub fn info<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.connector_info(call.name()).await?))) })
}

/// `DELETE /connectors/{connector}`.
pub fn delete<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        call.herder.delete_connector(call.name()).await?;
        Ok(Answer::empty(204))
    })
}

/// `GET /connectors/{connector}/config`.
pub fn config<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.connector_config(call.name()).await?))) })
}

/// `PUT /connectors/{connector}/config`.
pub fn put_config<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let config = with_name(present(read_map(&call.body)?)?, call.name())?;
        let (new, info) = call.herder.put_connector(call.name(), config, None, true).await?;
        if new { created(call.name(), &info) } else { Ok(Answer::ok(&Wire(&info))) }
    })
}

/// `PATCH /connectors/{connector}/config`.
pub fn patch_config<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let Some(patch) = read_map(&call.body)? else {
            // The connector is looked up before its patch.
            call.herder.connector_info(call.name()).await?;
            let text = "Cannot invoke \"java.util.Map.forEach(java.util.function.BiConsumer)\" because \"patch\" is null";
            return Err(Failure::new(500, text));
        };
        Ok(Answer::ok(&Wire(&call.herder.patch_connector(call.name(), patch).await?)))
    })
}

/// `GET /connectors/{connector}/status`.
pub fn status<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.connector_status(call.name()).await?))) })
}

/// `POST /connectors/{connector}/restart`.
pub fn restart<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let include_tasks = call.query.flag("includeTasks", false);
        let only_failed = call.query.flag("onlyFailed", false);
        if !include_tasks && !only_failed {
            call.herder.restart_connector(call.name()).await?;
            return Ok(Answer::empty(204));
        }
        let plan = call.herder.restart_connector_and_tasks(call.name(), include_tasks, only_failed).await?;
        Ok(Answer::json(202, &Wire(&plan)))
    })
}

/// `PUT /connectors/{connector}/pause`.
pub fn pause<'a>(call: &'a Call<'a>) -> Reply<'a> {
    target(call, TargetState::Paused, 202)
}

/// `PUT /connectors/{connector}/resume`.
pub fn resume<'a>(call: &'a Call<'a>) -> Reply<'a> {
    target(call, TargetState::Started, 202)
}

/// `PUT /connectors/{connector}/stop`.
pub fn stop<'a>(call: &'a Call<'a>) -> Reply<'a> {
    target(call, TargetState::Stopped, 204)
}

fn target<'a>(call: &'a Call<'a>, state: TargetState, status: u16) -> Reply<'a> {
    Box::pin(async move {
        call.herder.set_target_state(call.name(), state).await?;
        Ok(Answer::empty(status))
    })
}

/// `GET /connectors/{connector}/topics`.
pub fn topics<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        if !call.topic_tracking.enabled {
            return Err(Failure::new(403, "Topic tracking is disabled."));
        }
        let topics = call.herder.topics(call.name()).await?;
        Ok(Answer::ok(&Topics(call.name(), &topics)))
    })
}

/// `PUT /connectors/{connector}/topics/reset`.
pub fn reset_topics<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        if !call.topic_tracking.enabled {
            return Err(Failure::new(403, "Topic tracking is disabled."));
        }
        if !call.topic_tracking.resettable {
            return Err(Failure::new(403, "Topic tracking reset is disabled."));
        }
        call.herder.reset_topics(call.name()).await?;
        Ok(Answer::empty(202))
    })
}
