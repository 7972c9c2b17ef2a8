//! The derive, seen from outside: definition, parsing, findings, validation JSON and reference of one declared config.

use raccord_config::{
    AnyClass, Class, Config, ConfigDef, ConfigKey, RawConfig, Recommender, Secret, Type, Validator, Value,
    markdown,
};
use serde_json::json;

/// Keys of every type.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(group = "Main", importance = Low)]
struct Sample {
    /// The place
    /// to read.
    ///
    /// More about it.
    #[config(importance = High, width = Long, display = "Place")]
    connection_url: String,
    /// The password.
    #[config(group = "Login")]
    connection_password: Option<Secret>,
    /// How it is done.
    #[config(
        default = "bulk",
        validator = Validator::one_of(&["bulk", "incrementing"]),
        recommender = Recommender::texts(&["bulk", "incrementing"]),
        dependents = ["incrementing.column.name"]
    )]
    mode: String,
    /// The column.
    #[config(
        default = "",
        recommender = Recommender::values(|_, _| Ok(vec![]))
            .visible_if(|_, parsed| parsed["mode"].as_str() == Some("incrementing"))
    )]
    incrementing_column_name: String,
    /// How many.
    #[config(default = 100, validator = Validator::at_least(1), aliases = ["rows.max"])]
    batch_max_rows: i32,
    /// A small number.
    #[config(default = -1)]
    retries: i16,
    /// How long.
    #[config(default = 5000, key = "poll.interval.ms")]
    poll: i64,
    /// A share.
    #[config(default = 0.5)]
    share: f64,
    /// A switch.
    #[config(default = false)]
    enabled: bool,
    /// Names.
    #[config(default = &["a", "b"], validator = Validator::list_without_duplicates(true, false))]
    names: Vec<String>,
    /// A class.
    handler: Option<Class>,
    /// For tests.
    #[config(default = 1, internal)]
    hidden: i32,
    /// As read.
    #[config(raw)]
    raw: RawConfig,
}

/// One inside the other.
#[derive(Debug, Config)]
struct Outer {
    #[config(flatten)]
    sample: Sample,
    /// Its own.
    #[config(default = 1)]
    own: i32,
}

#[test]
fn parses_every_type() {
    let raw = RawConfig::from([
        ("connection.url", " jdbc:x "),
        ("connection.password", "secret"),
        ("retries", "3"),
        ("poll.interval.ms", "9999999999"),
        ("share", "1e-1"),
        ("enabled", "True"),
        ("names", "x , y, x"),
        ("handler", "a.B"),
        ("rows.max", "7"),
        ("unknown", "kept"),
    ]);
    let sample = Sample::parse(&raw).unwrap();
    assert_eq!(
        sample,
        Sample {
            connection_url: "jdbc:x".into(),
            connection_password: Some(Secret::new("secret")),
            batch_max_rows: 7,
            retries: 3,
            poll: 9_999_999_999,
            share: 0.1,
            enabled: true,
            names: vec!["x".into(), "y".into()],
            handler: Some(Class::new("a.B")),
            raw: raw.clone(),
            ..Sample::default()
        }
    );
    assert!(!format!("{:?}", sample.connection_password).contains("secret"));
    let outer = Outer::parse(&raw).unwrap();
    assert_eq!((outer.own, outer.sample), (1, sample));
}

#[test]
fn reports_all_findings_in_order() {
    let raw = RawConfig::from([("mode", "x"), ("retries", "y"), ("rows.max", "0"), ("names", "a,,b")]);
    let findings = Sample::parse(&raw).unwrap_err();
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "Missing required configuration \"connection.url\" which has no default value.",
            "Invalid value x for configuration mode: String must be one of: bulk, incrementing",
            "Invalid value 0 for configuration batch.max.rows: Value must be at least 1",
            "Invalid value y for configuration retries: Not a number of type SHORT",
            "Configuration 'names' values must not be empty.",
        ]
    );
    assert_eq!(findings.first(), messages[0]);
}

#[test]
fn a_default_value_of_the_struct_has_the_declared_defaults() {
    let sample = Sample::default();
    assert_eq!(
        (sample.batch_max_rows, sample.mode.as_str(), sample.connection_url.as_str()),
        (100, "bulk", "")
    );
    assert_eq!(sample.names, ["a", "b"]);
}

#[test]
fn definition_json_is_connects() {
    let json = Sample::def().to_json();
    let keys = json.as_array().unwrap();
    assert_eq!(keys.len(), 11, "the internal key is not shown");
    assert_eq!(
        serde_json::to_string(&keys[0]).unwrap(),
        r#"{"name":"connection.url","type":"STRING","required":true,"default_value":null,"importance":"HIGH","documentation":"The place to read.\nMore about it.","group":"Main","order_in_group":1,"width":"LONG","display_name":"Place","dependents":[]}"#
    );
    assert_eq!(keys[2]["dependents"], json!(["incrementing.column.name"]));
    assert_eq!((&keys[2]["group"], &keys[2]["order_in_group"]), (&json!("Main"), &json!(2)));
    assert_eq!((&keys[1]["type"], &keys[1]["order_in_group"]), (&json!("PASSWORD"), &json!(1)));
    assert_eq!(keys[9]["default_value"], json!("a,b"));
    assert_eq!(Sample::def().groups(), ["Main", "Login"]);
}

#[test]
fn validation_tells_value_findings_choices_and_visibility() {
    let check = |raw: RawConfig, key: &str, expect: serde_json::Value| {
        let values = Sample::def().validate_all(&raw, &AnyClass);
        assert_eq!(values[key].to_json(), expect);
    };
    let bulk = RawConfig::from([("connection.password", "secret"), ("retries", "x"), ("names", "a,a")]);
    check(
        bulk.clone(),
        "mode",
        json!({"name": "mode", "value": "bulk", "recommended_values": ["bulk", "incrementing"], "errors": [], "visible": true}),
    );
    check(
        bulk.clone(),
        "incrementing.column.name",
        json!({"name": "incrementing.column.name", "value": "", "recommended_values": [], "errors": [], "visible": false}),
    );
    check(
        bulk.clone(),
        "connection.password",
        json!({"name": "connection.password", "value": "[hidden]", "recommended_values": [], "errors": [], "visible": true}),
    );
    check(
        bulk.clone(),
        "retries",
        json!({"name": "retries", "value": null, "recommended_values": [], "errors": ["Invalid value x for configuration retries: Not a number of type SHORT"], "visible": true}),
    );
    check(
        bulk,
        "names",
        json!({"name": "names", "value": "a,a", "recommended_values": [], "errors": ["Configuration 'names' values must not be duplicated."], "visible": true}),
    );
    let values = Sample::def().validate_all(&RawConfig::from([("mode", "incrementing")]), &AnyClass);
    assert!(values["incrementing.column.name"].visible);
    // A required number with a range gives two findings, as in Kafka.
    let mut def = ConfigDef::new();
    def.define(ConfigKey { validator: Some(Validator::at_least(1)), ..ConfigKey::new("n", Type::Int) });
    assert_eq!(
        def.validate_all(&RawConfig::new(), &AnyClass)["n"].errors,
        [
            "Missing required configuration \"n\" which has no default value.",
            "Invalid value null for configuration n: Value must be non-null",
        ]
    );
}

#[test]
fn a_dependent_that_is_not_defined_is_a_finding() {
    let mut def = ConfigDef::new();
    def.define(ConfigKey {
        dependents: vec!["ghost".into()],
        default: Some(Value::Null),
        ..ConfigKey::new("a", Type::String)
    });
    let values = def.validate_all(&RawConfig::new(), &AnyClass);
    assert_eq!(values["ghost"].errors, ["ghost is referred in the dependents, but not defined."]);
    assert!(!values["ghost"].visible);
}

#[test]
fn embedding_adds_prefix_group_and_order_but_not_to_messages() {
    let mut def = ConfigDef::new();
    def.embed("transforms.t.", "Transforms: t", 2, Sample::def());
    let keys: Vec<(&str, &str, i32)> =
        def.keys().map(|key| (key.name.as_str(), key.group.as_deref().unwrap(), key.order)).take(3).collect();
    assert_eq!(
        keys,
        [
            ("transforms.t.connection.url", "Transforms: t: Main", 2),
            ("transforms.t.mode", "Transforms: t: Main", 3),
            ("transforms.t.incrementing.column.name", "Transforms: t: Main", 4),
        ]
    );
    let raw = RawConfig::from([("transforms.t.mode", "incrementing"), ("transforms.t.batch.max.rows", "0")]);
    let values = def.validate_all(&raw, &AnyClass);
    assert!(values["transforms.t.incrementing.column.name"].visible);
    assert_eq!(
        values["transforms.t.batch.max.rows"].errors,
        ["Invalid value 0 for configuration batch.max.rows: Value must be at least 1"]
    );
}

#[test]
fn the_reference_lists_keys_by_group() {
    let text = markdown(Outer::def(), 2);
    assert!(
        text.starts_with("## General\n\n### `own`\n\nIts own.\n\n- Type: int\n- Default: `1`\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "### `batch.max.rows`\n\nHow many.\n\n- Type: int\n- Default: `100`\n- Valid values: [1,...]\n\
             - Importance: low\n- Old names: `rows.max`\n"
        ),
        "{text}"
    );
    assert!(!text.contains("hidden"));
}
