//! `ssl.cipher.suites`: Java names suites as IANA's registry does, librdkafka as OpenSSL does.
//!
//! librdkafka hands the list to OpenSSL's `SSL_CTX_set_cipher_list`, which is about TLS 1.2 and older; the three suites of
//! TLS 1.3 are always offered.

use raccord_plugin::{Error, Result};

/// IANA's names and OpenSSL's (`openssl ciphers -stdname`), of the suites that Java 17 offers for TLS 1.2.
const SUITES: &[(&str, &str)] = &[
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
    ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"),
    ("TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"),
    ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
    ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"),
    ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE-RSA-AES256-SHA"),
    ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "DHE-RSA-AES128-SHA"),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    ("TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
];

/// The suites of TLS 1.3.
const ALWAYS: &[&str] = &["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];

/// The list in OpenSSL's words. `None` for an empty list, which leaves the choice to OpenSSL.
///
/// # Errors
/// `Error::config` for a suite that cannot be used, and for a list that would leave TLS 1.2 out, which librdkafka cannot.
pub(crate) fn openssl_list(value: &str) -> Result<Option<String>> {
    let names: Vec<&str> = value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let mut suites = Vec::new();
    for name in names.iter().filter(|name| !ALWAYS.contains(name)) {
        match SUITES.iter().find(|(java, _)| java == name) {
            Some((_, openssl)) => suites.push(*openssl),
            None => {
                let known: Vec<&str> = SUITES.iter().map(|(java, _)| *java).collect();
                return Err(invalid(value, &format!("Unsupported CipherSuite: {name}"))
                    .hint(format!("use some of {}", known.join(", "))));
            }
        }
    }
    if suites.is_empty() {
        return Err(invalid(value, "suites of TLS 1.3 alone cannot be asked for").hint(
            "name suites for TLS 1.2 as well, or leave the key out: those of TLS 1.3 are always offered, and a broker \
             that has TLS 1.3 only is reached without the key",
        ));
    }
    Ok(Some(suites.join(":")))
}

fn invalid(value: &str, reason: &str) -> Error {
    Error::config(format!("Invalid value {value} for configuration ssl.cipher.suites: {reason}"))
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, DefaultProducerContext};

    use super::*;

    #[test]
    fn lists_are_translated_in_their_order() {
        let check = |value: &str, expect: Option<&str>| {
            assert_eq!(openssl_list(value).unwrap().as_deref(), expect, "{value}");
        };
        check("", None);
        check(" , ", None);
        check(
            "TLS_AES_256_GCM_SHA384, TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Some("AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384"),
        );
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused() {
        let check = |value: &str, expect: &str| {
            let error = openssl_list(value).unwrap_err();
            assert_eq!(
                error.message(),
                format!("Invalid value {value} for configuration ssl.cipher.suites: {expect}")
            );
            assert!(error.hint_text().is_some_and(|hint| hint.contains("TLS")));
        };
        check("TLS_NOPE", "Unsupported CipherSuite: TLS_NOPE");
        check("ECDHE-RSA-AES256-SHA", "Unsupported CipherSuite: ECDHE-RSA-AES256-SHA");
        check("TLS_AES_128_GCM_SHA256", "suites of TLS 1.3 alone cannot be asked for");
    }

    #[test]
    fn openssl_knows_every_suite() {
        for (java, openssl) in SUITES {
            let mut config = ClientConfig::new();
            config.set("security.protocol", "ssl").set("ssl.cipher.suites", *openssl);
            let made: Result<BaseProducer, _> = config.create_with_context(DefaultProducerContext);
            assert!(made.is_ok(), "{java}: {:?}", made.err());
        }
    }
}
