//! Random conditions in Groovy and JavaScript, of what both sides take.

use rand::Rng;
use rand::rngs::StdRng;

use super::data::pick;

/// The keys of a `Filter` or a `ContentBasedRouter`.
pub(super) struct Script {
    pub class: &'static str,
    pub is_java_script: bool,
    pub keys: Vec<(&'static str, String)>,
}

/// One of both transforms with an expression.
pub(super) fn script(rng: &mut StdRng) -> Script {
    let is_java_script = rng.random_bool(0.35);
    let language = if is_java_script { "jsr223.graal.js" } else { "jsr223.groovy" };
    let mut keys = vec![("language", language.to_owned())];
    let class = match rng.random_bool(0.55) {
        true => {
            keys.push(("condition", condition(rng, is_java_script, 2)));
            "io.debezium.transforms.Filter"
        }
        false => {
            keys.push(("topic.expression", route(rng, is_java_script)));
            "io.debezium.transforms.ContentBasedRouter"
        }
    };
    if rng.random_bool(0.3) {
        keys.push(("topic.regex", (*pick(rng, &["srv\\..*", "t.*", ".*orders", "none", ""])).to_owned()));
    }
    if rng.random_bool(0.4) {
        // What JavaScript is given for null is an object that takes no question.
        let modes: &[&str] = if is_java_script { &["keep", "drop"] } else { &["keep", "drop", "evaluate"] };
        keys.push(("null.handling.mode", (*pick(rng, modes)).to_owned()));
    }
    Script { class, is_java_script, keys }
}

fn route(rng: &mut StdRng, java_script: bool) -> String {
    let condition = condition(rng, java_script, 1);
    match rng.random_range(0..6) {
        0 => text(rng, java_script),
        1 => format!("{condition} ? 'yes' : null"),
        2 => format!("{condition} ? topic + '_x' : topic"),
        3 => format!("'n' + {}", number(rng, java_script)),
        4 if java_script => format!("`${{topic}}-${{{}}}`", text(rng, java_script)),
        4 => format!("\"${{topic}}-${{{}}}\".toString()", text(rng, java_script)),
        _ => format!("{condition} ? 'a' : ({} == 'u' ? 'b' : 'c')", text(rng, java_script)),
    }
}

fn condition(rng: &mut StdRng, java_script: bool, depth: u32) -> String {
    if depth > 0 && rng.random_bool(0.5) {
        let (left, right) = (condition(rng, java_script, depth - 1), condition(rng, java_script, depth - 1));
        return match rng.random_range(0..4) {
            0 => format!("{left} && {right}"),
            1 => format!("{left} || {right}"),
            2 => format!("!({left})"),
            _ => format!("({left} ? {right} : false)"),
        };
    }
    let equals = if java_script { &["==", "!=", "===", "!=="][..] } else { &["==", "!="] };
    match rng.random_range(0..8) {
        0 | 1 => format!(
            "{} {} '{}'",
            text(rng, java_script),
            pick(rng, equals),
            pick(rng, &["u", "c", "x", "orders", ""])
        ),
        2 | 3 => {
            let relation = *pick(rng, &["<", "<=", ">", ">=", "==", "!="]);
            format!("{} {relation} {}", number(rng, java_script), pick(rng, &["2", "0", "-1", "1.5"]))
        }
        4 => format!("{} {} null", path(rng, java_script), pick(rng, &["==", "!="])),
        5 if java_script => format!("['c', 'u'].includes({})", text(rng, true)),
        5 => format!("{} {} ['c', 'u']", text(rng, false), pick(rng, &["in", "!in"])),
        6 => format!("{}.startsWith('{}')", text(rng, java_script), pick(rng, &["s", "N", ""])),
        _ => {
            let flag = image(rng, "flag", java_script);
            format!("{flag} == {}", pick(rng, &["true", "false"]))
        }
    }
}

/// The way to a column of one of the images of the row.
fn image(rng: &mut StdRng, column: &str, java_script: bool) -> String {
    let dot = if !java_script && rng.random_bool(0.6) { "?." } else { "." };
    format!("value.{}{dot}{column}", pick(rng, &["before", "after", "after"]))
}

fn path(rng: &mut StdRng, java_script: bool) -> String {
    match rng.random_range(0..4) {
        0 => format!("value.{}", pick(rng, &["before", "after", "source"])),
        1 => "header.kind".to_owned(),
        _ => {
            let column = *pick(rng, &["name", "n", "flag", "tags", "f"]);
            image(rng, column, java_script)
        }
    }
}

fn text(rng: &mut StdRng, java_script: bool) -> String {
    match rng.random_range(0..6) {
        0 | 1 => "value.op".to_owned(),
        2 => "value.source.table".to_owned(),
        3 => "topic".to_owned(),
        4 if java_script => "header.kind.value".to_owned(),
        4 => format!("header.kind{}value", pick(rng, &["?.", "."])),
        _ => image(rng, "name", java_script),
    }
}

fn number(rng: &mut StdRng, java_script: bool) -> String {
    match rng.random_range(0..6) {
        0 => "value.source.ts_ms".to_owned(),
        1 => format!("({} + 1)", image(rng, "n", java_script)),
        2 => format!("{} % 2", image(rng, "id", java_script)),
        column => image(rng, ["id", "n", "f"][column as usize - 3], java_script),
    }
}
