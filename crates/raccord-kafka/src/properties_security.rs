//! TLS and SASL: Java's key stores and JAAS text to what librdkafka takes.

use std::collections::BTreeMap;

use raccord_plugin::{Error, RawConfig, Result};

use crate::properties::Settings;

/// The settings that `ssl.*` and `sasl.*` properties mean.
///
/// # Errors
/// `Error::config` when something cannot be used, saying what to use instead.
pub(crate) fn settings(properties: &RawConfig) -> Result<Settings> {
    let get = |key: &str| properties.get(key).map(str::trim).filter(|value| !value.is_empty());
    let protocol = get("security.protocol").unwrap_or("PLAINTEXT").to_ascii_uppercase();
    let mut settings = Settings::new();
    if protocol.ends_with("SSL") {
        trust_store(&get, &mut settings)?;
        key_store(&get, &mut settings)?;
        // Present and empty turns the check of host names off.
        let algorithm = properties.get("ssl.endpoint.identification.algorithm").map(str::trim);
        let algorithm = if algorithm == Some("") { "none" } else { "https" };
        settings.push(("ssl.endpoint.identification.algorithm", algorithm.to_owned()));
    }
    if protocol.starts_with("SASL") {
        sasl(&get, &mut settings)?;
    }
    Ok(settings)
}

fn trust_store<'a>(get: &impl Fn(&str) -> Option<&'a str>, settings: &mut Settings) -> Result<()> {
    if let Some(certificates) = get("ssl.truststore.certificates") {
        settings.push(("ssl.ca.pem", certificates.to_owned()));
        return Ok(());
    }
    let Some(location) = get("ssl.truststore.location") else { return Ok(()) };
    match store_type(get("ssl.truststore.type"), location).as_str() {
        "PEM" => settings.push(("ssl.ca.location", location.to_owned())),
        other => {
            return Err(Error::config(format!(
                "Invalid value {location} for configuration ssl.truststore.location: a store of type {other} cannot be read"
            ))
            .hint(
                "export the certificates with `keytool -list -rfc -keystore STORE > ca.pem`, then set \
                 ssl.truststore.type=PEM and ssl.truststore.location to that file",
            ));
        }
    }
    Ok(())
}

fn key_store<'a>(get: &impl Fn(&str) -> Option<&'a str>, settings: &mut Settings) -> Result<()> {
    if let Some(key) = get("ssl.keystore.key") {
        settings.push(("ssl.key.pem", key.to_owned()));
        if let Some(chain) = get("ssl.keystore.certificate.chain") {
            settings.push(("ssl.certificate.pem", chain.to_owned()));
        }
    } else if let Some(location) = get("ssl.keystore.location") {
        match store_type(get("ssl.keystore.type"), location).as_str() {
            "PEM" => {
                settings.push(("ssl.certificate.location", location.to_owned()));
                settings.push(("ssl.key.location", location.to_owned()));
            }
            "PKCS12" => {
                settings.push(("ssl.keystore.location", location.to_owned()));
                settings.push((
                    "ssl.keystore.password",
                    get("ssl.keystore.password").unwrap_or_default().to_owned(),
                ));
                return Ok(());
            }
            other => {
                return Err(Error::config(format!(
                    "Invalid value {location} for configuration ssl.keystore.location: a store of type {other} cannot be \
                     read"
                ))
                .hint(
                    "convert it with `keytool -importkeystore -srckeystore STORE -destkeystore store.p12 \
                     -deststoretype PKCS12`, then set ssl.keystore.type=PKCS12",
                ));
            }
        }
    }
    if let Some(password) = get("ssl.key.password") {
        settings.push(("ssl.key.password", password.to_owned()));
    }
    Ok(())
}

/// The type of a store. Java's default is JKS; the name of a file that says otherwise is believed.
fn store_type(given: Option<&str>, location: &str) -> String {
    match given {
        Some(given) => given.to_ascii_uppercase(),
        None if location.ends_with(".p12") || location.ends_with(".pfx") => "PKCS12".to_owned(),
        None if location.ends_with(".pem") || location.ends_with(".crt") => "PEM".to_owned(),
        None => "JKS".to_owned(),
    }
}

fn sasl<'a>(get: &impl Fn(&str) -> Option<&'a str>, settings: &mut Settings) -> Result<()> {
    let mechanism = get("sasl.mechanism").unwrap_or("GSSAPI");
    settings.push(("sasl.mechanism", mechanism.to_owned()));
    let login = get("sasl.jaas.config").map(parse_jaas).transpose()?;
    let option = |name: &str| {
        login.as_ref().and_then(|options| options.get(name).cloned()).ok_or_else(|| {
            Error::config(format!(
                "Invalid value for configuration sasl.jaas.config: option {name} is missing"
            ))
        })
    };
    match mechanism {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
            settings.push(("sasl.username", option("username")?));
            settings.push(("sasl.password", option("password")?));
            Ok(())
        }
        "OAUTHBEARER" => oauth(get, &login.unwrap_or_default(), settings),
        other => Err(Error::config(format!(
            "Invalid value {other} for configuration sasl.mechanism: this program has PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 \
             and OAUTHBEARER"
        ))),
    }
}

/// Unsecured tokens, as Java's own login module makes them for tests. Tokens from an endpoint need an HTTP client in
/// librdkafka, which this program is built without.
fn oauth<'a>(
    get: &impl Fn(&str) -> Option<&'a str>,
    login: &BTreeMap<String, String>,
    settings: &mut Settings,
) -> Result<()> {
    let endpoint = ["sasl.oauthbearer.token.endpoint.url", "sasl.login.callback.handler.class"];
    if let Some(key) = endpoint.into_iter().find(|key| get(key).is_some()) {
        return Err(Error::config(format!(
            "Invalid value for configuration {key}: OAUTHBEARER with tokens from an endpoint is not supported"
        ))
        .hint("use SCRAM-SHA-512 or TLS client certificates"));
    }
    let principal = login.get("unsecuredLoginStringClaim_sub").map_or("user", String::as_str);
    settings.push(("enable.sasl.oauthbearer.unsecure.jwt", "true".to_owned()));
    settings.push(("sasl.oauthbearer.config", format!("principal={principal}")));
    Ok(())
}

/// The options of the first login module in a JAAS text: `CLASS required key="value" …;`
fn parse_jaas(text: &str) -> Result<BTreeMap<String, String>> {
    let invalid = |reason: &str| {
        Error::config(format!("Invalid value [hidden] for configuration sasl.jaas.config: {reason}"))
    };
    let mut rest = text.trim();
    for _ in ["class", "flag"] {
        let end = rest
            .find(char::is_whitespace)
            .ok_or_else(|| invalid("login module class and control flag expected"))?;
        rest = rest[end..].trim_start();
    }
    let mut options = BTreeMap::new();
    while !rest.is_empty() && !rest.starts_with(';') {
        let (key, after) = rest.split_once('=').ok_or_else(|| invalid("key=value expected"))?;
        let (value, after) =
            jaas_value(after.trim_start()).ok_or_else(|| invalid("a quote is not closed"))?;
        options.insert(key.trim().to_owned(), value);
        rest = after.trim_start();
    }
    match rest.starts_with(';') {
        true => Ok(options),
        false => Err(invalid("it must end with a semicolon")),
    }
}

/// A value, quoted or not, and what follows it.
fn jaas_value(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let Some(quote) = quote else {
        let end = text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            c if c == quote => return Some((value, &text[index + 1..])),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(properties: &[(&str, &str)], expect: &[(&str, &str)]) {
        let raw = properties.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect();
        let settings = settings(&raw).unwrap();
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(settings, expect);
    }

    #[test]
    fn users_and_passwords_come_from_the_jaas_text() {
        let jaas = r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="al=ice" password="s\"e;c" ;"#;
        check(
            &[
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.jaas.config", jaas),
            ],
            &[("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.username", "al=ice"), ("sasl.password", "s\"e;c")],
        );
    }

    #[test]
    fn stores_become_pem_files_or_texts() {
        let https = ("ssl.endpoint.identification.algorithm", "https");
        check(&[("security.protocol", "SSL")], &[https]);
        check(
            &[
                ("security.protocol", "ssl"),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", "/ca.pem"),
                ("ssl.keystore.location", "/me.p12"),
                ("ssl.keystore.password", "x"),
                ("ssl.endpoint.identification.algorithm", ""),
            ],
            &[
                ("ssl.ca.location", "/ca.pem"),
                ("ssl.keystore.location", "/me.p12"),
                ("ssl.keystore.password", "x"),
                ("ssl.endpoint.identification.algorithm", "none"),
            ],
        );
        check(&[("security.protocol", "PLAINTEXT"), ("ssl.truststore.location", "/store.jks")], &[]);
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_telling_secrets() {
        let check = |properties: &[(&str, &str)], expect: &str| {
            let raw = properties.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect();
            let error = settings(&raw).unwrap_err();
            assert!(error.message().contains(expect), "{}", error.message());
            assert!(!error.trace().contains("pa55"), "{}", error.trace());
        };
        let sasl = ("security.protocol", "SASL_SSL");
        let plain = ("sasl.mechanism", "PLAIN");
        check(&[("security.protocol", "SSL"), ("ssl.truststore.location", "/store.jks")], "type JKS");
        check(&[sasl], "sasl.mechanism");
        check(&[sasl, plain], "username is missing");
        check(&[sasl, plain, ("sasl.jaas.config", "X required username=a password=\"pa55")], "quote");
        check(&[sasl, plain, ("sasl.jaas.config", "X required username=a password=pa55")], "semicolon");
    }
}
