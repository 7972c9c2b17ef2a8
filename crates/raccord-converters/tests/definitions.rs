//! The config definitions are those that the real worker shows.

use std::fs;
use std::path::Path;

use raccord_converters::plugins::CONVERTERS;
use raccord_plugin::PluginKind;
use serde_json::Value as Json;

fn recorded() -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/recorded/rest/plugins.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut scenario: Json = serde_json::from_str(&text).expect("a recording is JSON");
    match scenario["exchanges"].take() {
        Json::Array(exchanges) => exchanges,
        other => panic!("a recording has exchanges, not {other}"),
    }
}

#[test]
fn definitions_are_those_of_the_real_converters() {
    let exchanges = recorded();
    for plugin in CONVERTERS {
        let step = format!("GET /connector-plugins/{}/config", plugin.class);
        let exchange = exchanges
            .iter()
            .find(|exchange| exchange["step"] == *step)
            .unwrap_or_else(|| panic!("{step} was not recorded"));
        assert_eq!((plugin.config)().to_json(), exchange["body"], "{step}");
    }
}

#[test]
fn lists_what_the_real_worker_lists_in_its_order() {
    let exchanges = recorded();
    let listed = exchanges
        .iter()
        .find(|exchange| exchange["step"] == "GET /connector-plugins?connectorsOnly=false")
        .expect("the list of all plugins was recorded");
    let is_converter =
        |plugin: &&Json| matches!(plugin["type"].as_str(), Some("converter" | "header_converter"));
    let expect: Vec<_> = listed["body"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(is_converter)
        .map(|plugin| {
            [&plugin["type"], &plugin["class"], &plugin["version"]].map(|text| text.as_str().unwrap_or(""))
        })
        .collect();
    assert_eq!(expect.len(), 19);
    let actual: Vec<_> =
        CONVERTERS.iter().map(|plugin| [plugin.kind().as_str(), plugin.class, plugin.version]).collect();
    assert_eq!(actual, expect);
    assert!(CONVERTERS.iter().any(|plugin| plugin.kind() == PluginKind::HeaderConverter));
}
