//! Checks of the keys that concern REST.

use raccord_config::{Validator, Value};

/// At least one URL, none of them blank.
pub(super) fn listeners() -> Validator {
    let description = "List of comma-separated URLs, ex: http://localhost:8080,https://localhost:8443.";
    Validator::new(description, |_, value| {
        let Value::List(items) = value else {
            return Err("Invalid value type for listeners (expected list of URLs , ex: \
                        http://localhost:8080,https://localhost:8443)."
                .to_owned());
        };
        if items.is_empty() {
            return Err("Invalid value for listeners, at least one URL is expected, ex: \
                        http://localhost:8080,https://localhost:8443."
                .to_owned());
        }
        if items.iter().any(|item| item.trim().is_empty()) {
            return Err("Empty URL found when parsing listeners list.".to_owned());
        }
        Ok(())
    })
}

/// Rules for headers of answers.
pub(super) fn response_headers() -> Validator {
    let description = "Comma-separated header rules, where each header rule is of the form '[action] [header \
                       name]:[header value]' and optionally surrounded by double quotes if any part of a header \
                       rule contains a comma";
    Validator::new(description, |_, value| match value.as_str() {
        Some(text) => split_rules(text).iter().try_for_each(|rule| check_rule(rule)),
        None => Ok(()),
    })
}

/// Splits at commas outside double quotes and drops the quotes; empty rules are left out.
pub(super) fn split_rules(text: &str) -> Vec<String> {
    let (mut rules, mut rule, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => rules.push(std::mem::take(&mut rule)),
            c => rule.push(c),
        }
    }
    rules.push(rule);
    rules.into_iter().map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect()
}

fn check_rule(rule: &str) -> Result<(), String> {
    const ACTIONS: [&str; 4] = ["set", "add", "setDate", "addDate"];
    let Some((action, header)) = rule.trim().split_once(char::is_whitespace) else {
        return Err(format!(
            "Invalid format of header config '{rule}'. Expected: '[action] [header name]:[header value]'"
        ));
    };
    if !ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action)) {
        return Err(format!(
            "Invalid header config action: '{action}'. Expected one of [{}]",
            ACTIONS.join(", ")
        ));
    }
    let header = header.trim_start();
    // As Java's String.split(":"), which drops empty parts at the end.
    let mut parts: Vec<&str> = header.trim().split(':').collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    let [name, _value] = parts[..] else {
        return Err(format!(
            "Invalid format of header name and header value pair '{header}'. Expected: '[header name]:[header value]'"
        ));
    };
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!("Invalid header name '{name}'. The '[header name]' cannot contain whitespace"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_header_rules() {
        let check = |text: &str, expect: Result<(), &str>| {
            let got = response_headers().check("response.http.headers.config", &Value::String(text.into()));
            assert_eq!(got, expect.map_err(str::to_owned), "{text}");
        };
        check("", Ok(()));
        check("add Cache-Control: no-cache, setDate Last-Modified: 0", Ok(()));
        check("\"add Cache-Control: no-cache, no-store\", SET X-Frame-Options: DENY", Ok(()));
        check(
            "nothing",
            Err(
                "Invalid format of header config 'nothing'. Expected: '[action] [header name]:[header value]'",
            ),
        );
        check(
            "put a:b",
            Err("Invalid header config action: 'put'. Expected one of [set, add, setDate, addDate]"),
        );
        check(
            "set a",
            Err(
                "Invalid format of header name and header value pair 'a'. Expected: '[header name]:[header value]'",
            ),
        );
        check("set a b: c", Err("Invalid header name 'a b'. The '[header name]' cannot contain whitespace"));
    }

    #[test]
    fn checks_listeners() {
        let check = |items: &[&str], valid: bool| {
            let value = Value::List(items.iter().map(|item| (*item).to_owned()).collect());
            assert_eq!(listeners().check("listeners", &value).is_ok(), valid, "{items:?}");
        };
        check(&["http://:8083"], true);
        check(&[], false);
        check(&["http://:8083", " "], false);
    }
}
