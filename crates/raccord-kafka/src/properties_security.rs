//! TLS and SASL: Java's key stores and JAAS text to what librdkafka takes.

use raccord_keystore::Keys;
use raccord_plugin::{Error, RawConfig, Result};

use crate::cipher_suites::openssl_list;
use crate::oauth_token::jaas_options;
use crate::properties::Settings;

/// The settings that `ssl.*` and `sasl.*` properties mean. Tokens for OAUTHBEARER are not among them: see [`crate::oauth`].
///
/// # Errors
/// `Error::config` when something cannot be used, saying what to use instead.
pub(crate) fn settings(properties: &RawConfig) -> Result<Settings> {
    let get = |key: &str| properties.get(key).map(str::trim).filter(|value| !value.is_empty());
    let protocol = get("security.protocol").unwrap_or("PLAINTEXT").to_ascii_uppercase();
    let mut settings = Settings::new();
    if protocol.ends_with("SSL") {
        tls(properties, &mut settings)?;
    }
    if protocol.starts_with("SASL") {
        sasl(&get, &mut settings)?;
    }
    Ok(settings)
}

fn tls(properties: &RawConfig, settings: &mut Settings) -> Result<()> {
    let keys = Keys::plain(properties);
    if let Some((_, trusted)) = raccord_keystore::trusted(&keys)? {
        settings.push(("ssl.ca.pem", raccord_keystore::to_pem(&trusted)));
    }
    if let Some(identity) = raccord_keystore::identity(&keys)? {
        settings.push(("ssl.certificate.pem", identity.chain_pem()));
        settings.push(("ssl.key.pem", identity.key_pem()));
    }
    if let Some(suites) = openssl_list(properties.get("ssl.cipher.suites").unwrap_or_default())? {
        settings.push(("ssl.cipher.suites", suites));
    }
    // Present and empty turns the check of host names off.
    let algorithm = properties.get("ssl.endpoint.identification.algorithm").map(str::trim);
    let algorithm = if algorithm == Some("") { "none" } else { "https" };
    settings.push(("ssl.endpoint.identification.algorithm", algorithm.to_owned()));
    Ok(())
}

fn sasl<'a>(get: &impl Fn(&str) -> Option<&'a str>, settings: &mut Settings) -> Result<()> {
    let mechanism = get("sasl.mechanism").unwrap_or("GSSAPI");
    settings.push(("sasl.mechanism", mechanism.to_owned()));
    match mechanism {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
            let text = get("sasl.jaas.config").ok_or_else(|| {
                Error::config(
                    "Could not find a 'KafkaClient' entry in the JAAS configuration: sasl.jaas.config is not set",
                )
                .hint(
                    "set it to `org.apache.kafka.common.security.plain.PlainLoginModule required username=\"...\" \
                     password=\"...\";`, or to ScramLoginModule",
                )
            })?;
            let options = jaas_options(text)?;
            for (option, setting) in [("username", "sasl.username"), ("password", "sasl.password")] {
                let value = options.get(option).ok_or_else(|| {
                    Error::config(format!(
                        "Invalid value [hidden] for configuration sasl.jaas.config: option {option} is missing"
                    ))
                })?;
                settings.push((setting, value.clone()));
            }
            Ok(())
        }
        "OAUTHBEARER" => Ok(()),
        other => Err(Error::config(format!(
            "Invalid value {other} for configuration sasl.mechanism: this program has PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 \
             and OAUTHBEARER"
        ))),
    }
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
    fn host_names_are_checked_unless_that_is_turned_off() {
        check(&[("security.protocol", "SSL")], &[("ssl.endpoint.identification.algorithm", "https")]);
        let off = [("security.protocol", "ssl"), ("ssl.endpoint.identification.algorithm", "")];
        check(&off, &[("ssl.endpoint.identification.algorithm", "none")]);
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
        check(&[("security.protocol", "SSL"), ("ssl.truststore.location", "/no.jks")], "cannot read /no.jks");
        check(
            &[("security.protocol", "SSL"), ("ssl.keystore.type", "PEM"), ("ssl.keystore.key", "pa55")],
            "ssl.keystore.certificate.chain is not",
        );
        check(&[sasl, plain], "sasl.jaas.config is not set");
        check(&[sasl], "sasl.mechanism");
        check(&[sasl, plain, ("sasl.jaas.config", "X required password=pa55;")], "username is missing");
        check(&[sasl, plain, ("sasl.jaas.config", "X required username=a password=\"pa55")], "a quote");
        check(&[sasl, plain, ("sasl.jaas.config", "X required username=a password=pa55")], "semicolon");
    }
}
