//! `response.http.headers.config`: headers that every answer of a resource gets.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use raccord_plugin::Error;

/// What is done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Set,
    Add,
    SetDate,
    AddDate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    action: Action,
    name: HeaderName,
    value: HeaderValue,
    /// For dates: how far from now, in milliseconds.
    offset_ms: i64,
}

/// The rules in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules(Vec<Rule>);

impl HeaderRules {
    /// Reads the key's value: rules `[action] [name]:[value]` with commas between them, in double quotes when a rule has a
    /// comma itself.
    ///
    /// # Errors
    /// Config, in Connect's words.
    pub fn parse(text: &str) -> Result<Self, Error> {
        split(text).iter().map(|rule| parse_rule(rule)).collect::<Result<_, _>>().map(Self)
    }

    /// Applies them.
    pub fn apply(&self, headers: &mut HeaderMap, now: SystemTime) {
        for rule in &self.0 {
            let value = match rule.action {
                Action::Set | Action::Add => rule.value.clone(),
                Action::SetDate | Action::AddDate => date(now, rule.offset_ms),
            };
            match rule.action {
                Action::Set | Action::SetDate => {
                    headers.insert(rule.name.clone(), value);
                }
                Action::Add | Action::AddDate => {
                    headers.append(rule.name.clone(), value);
                }
            }
        }
    }
}

fn date(now: SystemTime, offset_ms: i64) -> HeaderValue {
    let offset = Duration::from_millis(offset_ms.unsigned_abs());
    let time = if offset_ms < 0 { now.checked_sub(offset) } else { now.checked_add(offset) };
    // httpdate knows the years up to 9999 only.
    let limit = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let time = time.unwrap_or(now).clamp(SystemTime::UNIX_EPOCH, limit);
    HeaderValue::from_str(&httpdate::fmt_http_date(time)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Splits at commas outside quotes; quotes and backslashes before a character go away.
fn split(text: &str) -> Vec<String> {
    let (mut rules, mut rule, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => rule.extend(chars.next()),
            ',' if !quoted => rules.push(std::mem::take(&mut rule)),
            c => rule.push(c),
        }
    }
    rules.push(rule);
    rules.into_iter().map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect()
}

fn parse_rule(rule: &str) -> Result<Rule, Error> {
    let wrong = |text: String| Error::config(format!("response.http.headers.config: {text}"));
    let (action, header) = rule.split_once(char::is_whitespace).ok_or_else(|| {
        wrong(format!(
            "Invalid format of header config '{rule}'. Expected: '[action] [header name]:[header value]'"
        ))
    })?;
    let actions = [
        ("set", Action::Set),
        ("add", Action::Add),
        ("setDate", Action::SetDate),
        ("addDate", Action::AddDate),
    ];
    let action = actions.iter().find(|(name, _)| name.eq_ignore_ascii_case(action)).ok_or_else(|| {
        wrong(format!(
            "Invalid header config action: '{action}'. Expected one of [set, add, setDate, addDate]"
        ))
    })?;
    let header = header.trim();
    let pair = header.split_once(':').filter(|(_, value)| !value.is_empty() && !value.contains(':'));
    let (name, value) = pair.ok_or_else(|| {
        wrong(format!(
            "Invalid format of header name and header value pair '{header}'. Expected: '[header name]:[header value]'"
        ))
    })?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| {
        wrong(format!("Invalid header name '{}'. The '[header name]' cannot contain whitespace", name.trim()))
    })?;
    let value = value.trim();
    let offset_ms = match action.1 {
        Action::Set | Action::Add => 0,
        Action::SetDate | Action::AddDate => value.parse().map_err(|_| {
            wrong(format!("Invalid header value '{value}'. A date is a number of milliseconds from now"))
        })?,
    };
    let value = HeaderValue::from_str(value).map_err(|_| wrong(format!("Invalid header value of {name}")))?;
    Ok(Rule { action: action.1, name, value, offset_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_all_actions_in_order() {
        let rules = HeaderRules::parse(
            "set X-One: two, ADD x-one: three, setDate Expires: 1000, \"set X-C: a\\, b, c\"",
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_static("before"));
        rules.apply(&mut headers, SystemTime::UNIX_EPOCH);
        assert_eq!(headers.get_all("x-one").iter().collect::<Vec<_>>(), ["two", "three"]);
        assert_eq!(headers["expires"], "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(headers["x-c"], "a, b, c");
    }

    #[test]
    fn refuses_what_is_no_rule() {
        for bad in ["nothing", "put a:b", "set a", "set a b: c", "set a:", "set a:b:c", "setDate a: soon"] {
            assert!(HeaderRules::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(HeaderRules::parse("").unwrap(), HeaderRules::default());
    }
}
