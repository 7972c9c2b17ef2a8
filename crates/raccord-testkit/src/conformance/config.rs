//! A connector's definition and its way with configs.

use raccord_config::{AnyClass, ConfigKey, Value};
use raccord_plugin::{Make, PluginKind, RawConfig};

use super::{Fixture, Offsets, connector_context, patiently};

/// Checks the definition, validation and the division into tasks; the task configs are given back.
pub(super) async fn check(fixture: &(dyn Fixture + '_), findings: &mut Vec<String>) -> Vec<RawConfig> {
    check_definition(fixture, findings);
    check_validation(fixture, findings).await;
    divide(fixture, findings).await
}

fn check_definition(fixture: &(dyn Fixture + '_), findings: &mut Vec<String>) {
    let plugin = fixture.plugin();
    if !plugin.class.contains('.') {
        findings
            .push(format!("the class {} has no package: users look for the full Java name", plugin.class));
    }
    if plugin.version.is_empty() {
        findings.push("the version is empty".to_owned());
    }
    for key in (plugin.config)().keys() {
        if let Some(finding) = check_key(key) {
            findings.push(format!("the key {}: {finding}", key.name));
        }
    }
    let config = fixture.config();
    for (key, _) in config.iter() {
        let common = key.starts_with("topics") || key.starts_with("errors.");
        if (plugin.config)().key(key).is_none() && !common {
            findings.push(format!("the config of the fixture has the key {key}, which is not defined"));
        }
    }
}

fn check_key(key: &ConfigKey) -> Option<String> {
    if key.documentation.trim().is_empty() {
        return Some("it has no documentation".to_owned());
    }
    if key.name != key.name.to_lowercase() || key.name.contains([' ', '_']) {
        return Some("names are lower case with dots between words".to_owned());
    }
    let default = key.default.as_ref()?;
    let refused = key.validator.as_ref()?.check(&key.name, default).err()?;
    // Null stands for "not given", which a check of given values need not take.
    (!matches!(default, Value::Null)).then(|| format!("its own default is refused: {refused}"))
}

async fn check_validation(fixture: &(dyn Fixture + '_), findings: &mut Vec<String>) {
    let def = (fixture.plugin().config)();
    let errors = |raw: &RawConfig| -> Vec<String> {
        def.validate_all(raw, &AnyClass).into_values().flat_map(|value| value.errors).collect()
    };
    let config = fixture.config();
    for error in errors(&config) {
        findings.push(format!("the config of the fixture is refused: {error}"));
    }
    match live(fixture, &config).await {
        Ok(found) => findings.extend(
            found.into_iter().map(|(key, text)| format!("validate refuses the fixture's {key}: {text}")),
        ),
        Err(finding) => findings.push(finding),
    }
    // Validation is asked about anything that users write: it answers, whatever is missing or wrong.
    let mut odd = RawConfig::new();
    for key in def.keys() {
        odd.insert(key.name.as_str(), Some("\u{0}${x:y} \n".to_owned()));
    }
    for raw in [RawConfig::new(), odd] {
        let required = def.keys().any(|key| key.default.is_none());
        if raw.is_empty() && required && errors(&raw).is_empty() {
            findings.push("an empty config passes although keys are required".to_owned());
        }
        if let Err(finding) = live(fixture, &raw).await {
            findings.push(finding);
        }
    }
}

/// What the connector finds itself.
async fn live(fixture: &(dyn Fixture + '_), raw: &RawConfig) -> Result<Vec<(String, String)>, String> {
    let call = async {
        Ok(match fixture.plugin().make {
            Make::Source { connector, .. } => connector().validate(raw).await,
            Make::Sink { connector, .. } => connector().validate(raw).await,
            _ => Vec::new(),
        })
    };
    patiently("validate", call).await
}

/// Starts the connector and asks for tasks, as the worker does.
async fn divide(fixture: &(dyn Fixture + '_), findings: &mut Vec<String>) -> Vec<RawConfig> {
    let mut tasks = Vec::new();
    for max in [1, 3] {
        match divide_once(fixture, max).await {
            Ok([first, second]) => {
                if first.len() > max as usize {
                    findings.push(format!("{} task configs although tasks.max is {max}", first.len()));
                }
                if first.is_empty() {
                    findings.push(format!("no task configs with tasks.max {max}"));
                }
                if first != second {
                    findings.push(format!(
                        "task configs with tasks.max {max} differ from call to call: tasks would restart for nothing"
                    ));
                }
                if max == 1 {
                    tasks = first;
                }
            }
            Err(finding) => findings.push(finding),
        }
    }
    tasks
}

async fn divide_once(fixture: &(dyn Fixture + '_), max: u32) -> Result<[Vec<RawConfig>; 2], String> {
    let config = fixture.config();
    let context = connector_context(std::sync::Arc::new(Offsets::default()));
    let divided = match fixture.plugin().make {
        Make::Source { connector, .. } => {
            let mut connector = connector();
            patiently("start", connector.start(context, &config)).await?;
            let divided = [connector.task_configs(max), connector.task_configs(max)];
            connector.stop().await;
            divided
        }
        Make::Sink { connector, .. } => {
            let mut connector = connector();
            patiently("start", connector.start(context, &config)).await?;
            let divided = [connector.task_configs(max), connector.task_configs(max)];
            connector.stop().await;
            divided
        }
        _ => return Err(format!("a {} is no connector", kind_name(fixture.plugin().kind()))),
    };
    let [first, second] =
        divided.map(|configs| configs.map_err(|error| format!("task_configs failed: {error}")));
    Ok([first?, second?])
}

fn kind_name(kind: PluginKind) -> &'static str {
    kind.as_str()
}
