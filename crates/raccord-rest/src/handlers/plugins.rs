//! Plugins.

use raccord_plugin::{Plugin, PluginKind};

use super::present;
use crate::answer::{Answer, Failure};
use crate::json::read_map;
use crate::routes::{Call, Reply};
use crate::wire::Plugins;

/// Kinds in the order in which Connect lists them.
const KINDS: [PluginKind; 6] = [
    PluginKind::Sink,
    PluginKind::Source,
    PluginKind::Transformation,
    PluginKind::Predicate,
    PluginKind::Converter,
    PluginKind::HeaderConverter,
];

/// `GET /connector-plugins`.
pub fn list<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let kinds = if call.query.flag("connectorsOnly", true) { &KINDS[..2] } else { &KINDS[..] };
        let mut listed = Vec::new();
        for kind in kinds {
            let mut plugins: Vec<&'static Plugin> =
                call.herder.plugins().iter().filter(|plugin| plugin.kind() == *kind).collect();
            plugins.sort_by_key(|plugin| plugin.class);
            listed.append(&mut plugins);
        }
        Ok(Answer::ok(&Plugins(listed)))
    })
}

/// `GET /connector-plugins/{plugin}/config`.
pub fn config<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        Ok(Answer::ok(&call.herder.plugin_config(call.name(), call.query.first("version")).await?))
    })
}

/// `PUT /connector-plugins/{plugin}/config/validate`.
pub fn validate<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let config = present(read_map(&call.body)?)?;
        if let Some(class) = config.get("connector.class")
            && !short(class).ends_with(short(call.name()))
        {
            return Err(Failure::new(
                400,
                format!("Included connector type {class} does not match request type {}", call.name()),
            ));
        }
        Ok(Answer::ok(&call.herder.validate(call.name(), config).await?))
    })
}

/// A class name without `Connector` at its end.
fn short(class: &str) -> &str {
    class.strip_suffix("Connector").filter(|rest| !rest.is_empty()).unwrap_or(class)
}
