//! What may differ between the real worker and ours, or between two runs, and why.
//!
//! Every tolerance of the comparison stands in [`RULES`]; whatever is not named there has to be equal, down to the
//! order of JSON keys.

use serde_json::{Map, Value, json};

use crate::exchange::Exchange;

/// When a rule is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before an answer is recorded: the fact differs from run to run.
    Record,
    /// Before two answers are compared: the fact is worth reading in a recording, but ours may differ.
    Compare,
}

/// One tolerance.
pub struct Rule {
    /// A short name, for reports.
    pub name: &'static str,
    /// Why the difference is no difference.
    pub reason: &'static str,
    /// When it is applied.
    pub stage: Stage,
    apply: Apply,
}

/// What a rule changes.
enum Apply {
    /// Each answer by itself.
    Each(fn(&mut Exchange)),
    /// The expected answer and ours: what the first one is decides whether there is a tolerance.
    Pair(fn(&mut Exchange, &mut Exchange)),
}
use Apply::{Each, Pair};

/// All tolerances, in the order in which they are applied.
pub const RULES: &[Rule] = &[
    Rule {
        name: "transport-headers",
        reason: "Date changes; Server names the HTTP library; Content-Length, Transfer-Encoding and Connection are \
                 the framing of a body that is compared itself",
        stage: Stage::Record,
        apply: Each(drop_transport_headers),
    },
    Rule {
        name: "timestamps",
        reason: "last_modified, discoverTimestamp and creation-timestamp are times of the run",
        stage: Stage::Record,
        apply: Each(|exchange| each_field(exchange, TIMES, timestamp)),
    },
    Rule {
        name: "cluster-id",
        reason: "the id belongs to the broker of the run",
        stage: Stage::Record,
        apply: Each(|exchange| {
            each_field(exchange, &["kafka_cluster_id"], |value| *value = json!("{{cluster_id}}"))
        }),
    },
    Rule {
        name: "offset-order",
        reason: "offsets are listed in the order of a hash table over their partitions, which hold a random path",
        stage: Stage::Record,
        apply: Each(sort_offsets),
    },
    Rule {
        name: "reset-offsets",
        reason: "right after a reset the real worker lists the partition with a null offset in some runs, and not at \
                 all in others: it takes the list of partitions before it reads the topic to its end",
        stage: Stage::Record,
        apply: Each(drop_reset_offsets),
    },
    Rule {
        name: "cors-method-order",
        reason: "the methods in Access-Control-Allow-Methods are a set, in a hash order that changes between runs",
        stage: Stage::Record,
        apply: Each(|exchange| sort_methods(exchange, "access-control-allow-methods")),
    },
    Rule {
        name: "plugin-locations",
        reason: "where the real worker's jars are",
        stage: Stage::Record,
        apply: Each(|exchange| each_field(exchange, &["message"], hide_locations)),
    },
    Rule {
        name: "trace-frames",
        reason: "stack frames name lines of the JVM's libraries and change with its optimisations",
        stage: Stage::Record,
        apply: Each(|exchange| each_field(exchange, &["trace"], |trace| keep_lines(trace, is_no_frame))),
    },
    Rule {
        name: "internal-values",
        reason: "the group generation counts earlier rebalances; times, keys and stack frames as in the other rules, \
                 here inside the bytes of the internal topics' records",
        stage: Stage::Record,
        apply: Each(|exchange| each_internal_value(exchange, hide_in_internal_value)),
    },
    Rule {
        name: "stacktrace-header",
        reason: "a dead letter's stack trace header: as trace-frames",
        stage: Stage::Record,
        apply: Each(|exchange| each_stacktrace_header(exchange, |trace| keep_lines(trace, is_no_frame))),
    },
    Rule {
        name: "stacktrace-header-first-line",
        reason: "as trace-first-line",
        stage: Stage::Compare,
        apply: Each(|exchange| each_stacktrace_header(exchange, first_line)),
    },
    Rule {
        name: "internal-trace-first-line",
        reason: "as trace-first-line, inside the bytes of the status topic's records",
        stage: Stage::Compare,
        apply: Each(|exchange| {
            each_internal_value(exchange, |value| change_json_text(value, "trace", first_line));
        }),
    },
    Rule {
        name: "internal-key-order",
        reason: "records of different keys come from different threads; the order of one key's records is compared",
        stage: Stage::Compare,
        apply: Each(sort_internal_keys),
    },
    Rule {
        name: "trace-first-line",
        reason: "users and tools read the class and message of the first line; below it ours gives its own causes",
        stage: Stage::Compare,
        apply: Each(|exchange| each_field(exchange, &["trace"], first_line)),
    },
    Rule {
        name: "documentation-texts",
        reason: "ours explains keys in its own words; that a key is explained is compared",
        stage: Stage::Compare,
        apply: Each(|exchange| each_field(exchange, &["documentation"], any_text)),
    },
    Rule {
        name: "server-identity",
        reason: "version and commit of GET / name the product itself",
        stage: Stage::Compare,
        apply: Each(server_identity),
    },
    Rule {
        name: "server-pages",
        reason: "an error page that the HTTP server makes without asking Connect is its own; the status is compared",
        stage: Stage::Compare,
        apply: Pair(status_only_for_server_pages),
    },
    Rule {
        name: "null-pointer-texts",
        reason: "where Connect stumbles over a missing body, the message is the JVM's account of its own code; ours \
                 says what is missing, with the same status",
        stage: Stage::Compare,
        apply: Pair(any_text_for_null_pointers),
    },
    Rule {
        name: "jackson-details",
        reason: "a parse error's message ends in the JVM parser's source location and object identity; its first \
                 line up to the location is compared",
        stage: Stage::Compare,
        apply: Each(shorten_parser_messages),
    },
    Rule {
        name: "plugin-subset",
        reason: "plugin lists and the recommended values made of them hold what is installed; only the plugins that \
                 both have by declaration are compared",
        stage: Stage::Compare,
        apply: Each(plugin_subset),
    },
    Rule {
        name: "plugin-descriptions",
        reason: "the list of all plugins in a message holds what is installed, with the JVM's descriptions",
        stage: Stage::Compare,
        apply: Each(|exchange| each_field(exchange, &["message"], cut_plugin_descriptions)),
    },
    Rule {
        name: "logger-subset",
        reason: "the list of loggers holds the JVM's own; root and those a scenario names are compared",
        stage: Stage::Compare,
        apply: Each(logger_subset),
    },
    Rule {
        name: "tasks-config",
        reason: "Connect 4.0 took this path away; ours keeps it for tools that still ask for it",
        stage: Stage::Compare,
        apply: Pair(ours_alone_has_tasks_config),
    },
    Rule {
        name: "allow-order",
        reason: "the methods in Allow are a set, and Jersey's order is that of a hash table",
        stage: Stage::Compare,
        apply: Each(|exchange| sort_methods(exchange, "allow")),
    },
];

/// The plugins of Kafka 4.3.1 that ours declares as well.
const SHARED_PLUGINS: &[&str] = &[
    "org.apache.kafka.connect.file.",
    "org.apache.kafka.connect.converters.",
    "org.apache.kafka.connect.storage.",
    "org.apache.kafka.connect.json.",
    "org.apache.kafka.connect.transforms.",
];

const TIMES: &[&str] = &["last_modified", "discoverTimestamp", "creation-timestamp"];

/// Makes an answer fit for a recording.
pub fn for_recording(exchange: &mut Exchange) {
    for rule in RULES.iter().filter(|rule| rule.stage == Stage::Record) {
        if let Each(apply) = rule.apply {
            apply(exchange);
        }
    }
}

/// Makes the real answer and ours fit for comparison.
pub fn for_comparison(expected: &mut Exchange, actual: &mut Exchange) {
    for rule in RULES.iter().filter(|rule| rule.stage == Stage::Compare) {
        match rule.apply {
            Each(apply) => [&mut *expected, &mut *actual].into_iter().for_each(apply),
            Pair(apply) => apply(expected, actual),
        }
    }
}

fn drop_transport_headers(exchange: &mut Exchange) {
    for name in ["date", "server", "content-length", "transfer-encoding", "connection"] {
        exchange.headers.shift_remove(name);
    }
    exchange.headers.sort_keys();
}

fn each_field(exchange: &mut Exchange, names: &[&str], change: fn(&mut Value)) {
    if let Some(body) = &mut exchange.body {
        walk(body, &mut |map| {
            for (_, value) in map.iter_mut().filter(|(key, _)| names.contains(&key.as_str())) {
                change(value);
            }
        });
    }
}

fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(map);
            map.values_mut().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

fn timestamp(value: &mut Value) {
    if value.as_i64().is_some_and(|ms| ms > 1_600_000_000_000) {
        *value = json!("{{timestamp}}");
    }
}

fn sort_internal_keys(exchange: &mut Exchange) {
    if exchange.step.starts_with("internal topic ")
        && let Some(Value::Object(keys)) = &mut exchange.body
    {
        keys.sort_keys();
    }
}

fn each_internal_value(exchange: &mut Exchange, change: fn(&mut String)) {
    if !exchange.step.starts_with("internal topic ") {
        return;
    }
    if let Some(Value::Object(keys)) = &mut exchange.body {
        for value in keys.values_mut().filter_map(Value::as_array_mut).flatten() {
            if let Value::String(text) = value {
                change(text);
            }
        }
    }
}

fn hide_in_internal_value(text: &mut String) {
    for field in TIMES.iter().chain(&["generation"]) {
        hide_number(text, field);
    }
    if text.contains("\"algorithm\"") {
        change_json_text(text, "key", |key| *key = json!("{{session_key}}"));
    }
    change_json_text(text, "trace", |trace| keep_lines(trace, is_no_frame));
}

/// Replaces the number that follows a field's name, and leaves every other byte as it is.
fn hide_number(text: &mut String, field: &str) {
    let name = format!("\"{field}\":");
    if let Some(start) = text.find(&name).map(|at| at + name.len()) {
        let digits = text[start..].bytes().take_while(|b| b.is_ascii_digit() || *b == b'-').count();
        text.replace_range(start..start + digits, &format!("{{{{{field}}}}}"));
    }
}

/// Changes a text field of a JSON object given as text; without such a field the text stays as it is.
fn change_json_text(text: &mut String, field: &str, change: fn(&mut Value)) {
    // Numbers hidden before are no JSON any more: they are quoted for the time being.
    let quoted = text.replace(":{{", ":\"{{").replace("}},", "}}\",").replace("}}}", "}}\"}");
    if let Ok(Value::Object(mut map)) = serde_json::from_str(&quoted)
        && let Some(value @ Value::String(_)) = map.get_mut(field)
    {
        change(value);
        *text = Value::Object(map).to_string();
    }
}

fn each_stacktrace_header(exchange: &mut Exchange, change: fn(&mut Value)) {
    let Some(Value::Array(records)) = &mut exchange.body else { return };
    let headers = records.iter_mut().filter_map(|record| record.get_mut("headers")?.as_array_mut()).flatten();
    for header in headers.filter_map(Value::as_array_mut) {
        if let [Value::String(name), value] = header.as_mut_slice()
            && name == "__connect.errors.exception.stacktrace"
        {
            change(value);
        }
    }
}

fn is_no_frame(line: &str) -> bool {
    let line = line.trim_start();
    !(line.starts_with("at ") || line.starts_with("... "))
}

fn keep_lines(value: &mut Value, keep: fn(&str) -> bool) {
    if let Value::String(text) = value {
        *text = text.lines().filter(|line| keep(line)).collect::<Vec<_>>().join("\n");
    }
}

fn any_text(value: &mut Value) {
    if value.as_str().is_some_and(|text| !text.is_empty()) {
        *value = json!("{{text}}");
    }
}

fn first_line(value: &mut Value) {
    if let Value::String(text) = value {
        *text = text.lines().next().unwrap_or_default().to_owned();
    }
}

fn server_identity(exchange: &mut Exchange) {
    if let Some(Value::Object(map)) = &mut exchange.body
        && map.contains_key("kafka_cluster_id")
    {
        for (key, value) in map.iter_mut().filter(|(key, _)| *key != "kafka_cluster_id") {
            *value = json!(format!("{{{{{key}}}}}"));
        }
    }
}

fn status_only_for_server_pages(expected: &mut Exchange, actual: &mut Exchange) {
    let is_page = expected.headers.get("cache-control").is_some_and(|v| v.contains("must-revalidate"));
    if is_page {
        for exchange in [expected, actual] {
            exchange.body = None;
            exchange.headers.clear();
        }
    }
}

fn ours_alone_has_tasks_config(expected: &mut Exchange, actual: &mut Exchange) {
    if expected.step.ends_with("/tasks-config") && expected.status == Some(404) {
        *actual = expected.clone();
    }
}

fn any_text_for_null_pointers(expected: &mut Exchange, actual: &mut Exchange) {
    let message = |e: &Exchange| {
        e.body.as_ref().and_then(|b| b.get("message")).and_then(Value::as_str).map(str::to_owned)
    };
    if message(expected).is_some_and(|text| text.starts_with("Cannot invoke \"")) {
        for exchange in [expected, actual] {
            each_field(exchange, &["message"], |message| *message = json!("{{null pointer}}"));
        }
    }
}

fn shorten_parser_messages(exchange: &mut Exchange) {
    each_field(exchange, &["message"], |message| {
        if let Value::String(text) = message
            && let Some(end) = text.find("\n at [Source:")
        {
            text.truncate(end);
        }
    });
}

fn is_shared(class: &Value) -> bool {
    class.as_str().is_some_and(|class| SHARED_PLUGINS.iter().any(|prefix| class.starts_with(prefix)))
}

fn plugin_subset(exchange: &mut Exchange) {
    let Some(body) = &mut exchange.body else { return };
    if exchange.step.contains("/connector-plugins")
        && let Value::Array(plugins) = body
    {
        plugins.retain(|plugin| plugin.get("class").is_none_or(is_shared));
    }
    walk(body, &mut |map| {
        if let Some(Value::Array(values)) = map.get_mut("recommended_values")
            && values.iter().any(|v| v.as_str().is_some_and(|v| v.starts_with("org.apache.kafka.connect.")))
        {
            values.retain(is_shared);
        }
    });
}

fn logger_subset(exchange: &mut Exchange) {
    if !exchange.step.contains("/admin/loggers") || exchange.status != Some(200) {
        return;
    }
    let named = |name: &str| name == "root" || name.starts_with("parity.");
    match &mut exchange.body {
        Some(Value::Object(map)) if !map.contains_key("level") => map.retain(|name, _| named(name)),
        Some(Value::Array(names)) => names.retain(|name| name.as_str().is_some_and(named)),
        _ => {}
    }
}

fn sort_methods(exchange: &mut Exchange, header: &str) {
    if let Some(list) = exchange.headers.get_mut(header) {
        let mut methods: Vec<&str> = list.split(',').map(str::trim).collect();
        methods.sort_unstable();
        *list = methods.join(",");
    }
}

fn drop_reset_offsets(exchange: &mut Exchange) {
    let offsets = exchange.body.as_mut().and_then(|body| body.get_mut("offsets"));
    if let Some(Value::Array(offsets)) = offsets {
        offsets.retain(|entry| !entry.get("offset").is_some_and(Value::is_null));
    }
}

fn sort_offsets(exchange: &mut Exchange) {
    let offsets = exchange.body.as_mut().and_then(|body| body.get_mut("offsets"));
    if let Some(Value::Array(offsets)) = offsets {
        offsets.sort_by_key(Value::to_string);
    }
}

fn hide_locations(message: &mut Value) {
    const START: &str = "location='file:";
    if let Value::String(text) = message {
        let parts: Vec<&str> = text.split(START).collect();
        let rest = parts[1..]
            .iter()
            .map(|part| format!("{START}{{{{plugins}}}}{}", &part[part.find('\'').unwrap_or(0)..]));
        *text = std::iter::once(parts[0].to_owned()).chain(rest).collect();
    }
}

fn cut_plugin_descriptions(message: &mut Value) {
    if let Value::String(text) = message
        && let Some(end) = text.find(" PluginDesc{")
    {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stage: Stage, body: Value, expect: Value) {
        let mut exchange: Exchange = serde_json::from_value(json!({"step": "GET /x", "body": body})).unwrap();
        match stage {
            Stage::Record => for_recording(&mut exchange),
            Stage::Compare => for_comparison(&mut exchange.clone(), &mut exchange),
        }
        assert_eq!(exchange.body, Some(expect));
    }

    #[test]
    fn rules_touch_only_what_they_name() {
        let trace = "a.B: wrong\n\tat x.Y(Z.java:1)\nCaused by: c.D: why\n\t... 3 more\n";
        check(Stage::Record, json!({"trace": trace}), json!({"trace": "a.B: wrong\nCaused by: c.D: why"}));
        check(Stage::Compare, json!([{"trace": trace}]), json!([{"trace": "a.B: wrong"}]));
        check(
            Stage::Record,
            json!({"last_modified": 1_700_000_000_000_i64}),
            json!({"last_modified": "{{timestamp}}"}),
        );
        check(Stage::Record, json!({"last_modified": null}), json!({"last_modified": null}));
        let message = "no x, available are: PluginDesc{location='file:/a/'}, PluginDesc{location='file:/b/'}";
        let hidden = "no x, available are: PluginDesc{location='file:{{plugins}}'}, PluginDesc{location='file:{{plugins}}'}";
        check(Stage::Record, json!({"message": message}), json!({"message": hidden}));
        check(Stage::Compare, json!({"message": message}), json!({"message": "no x, available are:"}));
        let status =
            r#"{"state":"FAILED","trace":"a: b\n\tat x\nCaused by: y","generation":12,"version":"1"}"#;
        let hidden =
            r#"{"state":"FAILED","trace":"a: b\nCaused by: y","generation":"{{generation}}","version":"1"}"#;
        let mut exchange: Exchange =
            serde_json::from_value(json!({"step": "internal topic status of x", "body": {"k": [status]}}))
                .unwrap();
        for_recording(&mut exchange);
        assert_eq!(exchange.body, Some(json!({"k": [hidden]})));
        let offsets = json!({"offsets": [{"partition": 2, "offset": 1}, {"partition": 1, "offset": null}, {"partition": 1}]});
        let sorted = json!({"offsets": [{"partition": 1}, {"partition": 2, "offset": 1}]});
        check(Stage::Record, offsets, sorted);
        check(Stage::Compare, json!({"version": "1"}), json!({"version": "1"}));
        check(
            Stage::Compare,
            json!({"version": "1", "kafka_cluster_id": "x"}),
            json!({"version": "{{version}}", "kafka_cluster_id": "x"}),
        );
    }
}
