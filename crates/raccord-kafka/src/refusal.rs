//! Brokers that do not let a client in. librdkafka goes on trying and only logs it; Kafka's own clients fail, because
//! trying again with the same password or certificate does not help. So its log is read for these lines.

use std::time::{Duration, Instant};

use raccord_plugin::Error;

/// For how long a refusal counts: librdkafka repeats the line every 30 seconds while it lasts.
const VALID_FOR: Duration = Duration::from_secs(30);

const SASL: &str = "org.apache.kafka.common.errors.SaslAuthenticationException";
const SSL: &str = "org.apache.kafka.common.errors.SslAuthenticationException";

const CHECK_LOGIN: &str = "check sasl.mechanism and the options in sasl.jaas.config (user and password, or what the token \
                           comes from)";
const CHECK_MECHANISM: &str = "set sasl.mechanism to one that the broker offers";
const CHECK_TRUST: &str = "name a trust store that has the authority's certificate in ssl.truststore.location (JKS, PKCS12 \
                           or PEM), and reach the broker under a name that its certificate has";
const CHECK_KEY_STORE: &str = "the broker wants a client's certificate that it trusts: name a key store in \
                               ssl.keystore.location";

/// What a broker, or the check of its certificate, said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    class: &'static str,
    text: String,
    hint: &'static str,
    at: Instant,
}

impl Refusal {
    /// Reads a line of librdkafka's log; `None` for every line about something else.
    pub(crate) fn of_log(facility: &str, line: &str) -> Option<Self> {
        if facility != "FAIL" {
            return None;
        }
        let refused = |class, text: &str, hint| {
            let text = text.rsplit_once(" (after ").map_or(text, |(text, _)| text);
            Some(Self { class, text: text.to_owned(), hint, at: Instant::now() })
        };
        if let Some((_, text)) = line
            .split_once("SASL authentication error: ")
            .or_else(|| line.split_once("SASL authentication failure: "))
        {
            return refused(SASL, text, CHECK_LOGIN);
        }
        if line.contains(" mechanism handshake failed: ")
            && let Some((_, text)) = line.split_once(": SASL ")
        {
            return refused(SASL, text, CHECK_MECHANISM);
        }
        // With or without words before it, and with TLS 1.3 after the handshake: the error of OpenSSL. Connections that end
        // are not refused: a broker that restarts ends them as well.
        let text = &line[line.find("error:")?..];
        if text.contains("certificate verify failed") {
            let text =
                text.split_once(": broker certificate could not be verified").map_or(text, |(text, _)| text);
            return refused(SSL, text, CHECK_TRUST);
        }
        let reasons = ["certificate", "unknown ca", "handshake failure", "access denied"];
        let about_us = text.contains(" alert ") && reasons.iter().any(|reason| text.contains(reason));
        if about_us { refused(SSL, text, CHECK_KEY_STORE) } else { None }
    }

    /// No token can be had for OAUTHBEARER.
    pub(crate) fn no_token(text: String) -> Self {
        Self { class: SASL, text, hint: CHECK_LOGIN, at: Instant::now() }
    }

    /// Whether it may still be so.
    pub(crate) fn is_current(&self) -> bool {
        self.at.elapsed() < VALID_FOR
    }

    /// The error of what was being done.
    pub(crate) fn error(&self, doing: &str) -> Error {
        Error::fatal(format!("Failed to {doing}: {}", self.text)).class(self.class).hint(self.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_refusals_from_other_failures() {
        let check = |line: &str, expect: Option<(&str, &str, &str)>| {
            let refusal = Refusal::of_log("FAIL", line);
            let got = refusal.as_ref().map(|refusal| (refusal.class, refusal.text.as_str(), refusal.hint));
            assert_eq!(got, expect, "{line}");
        };
        check(
            "[thrd:sasl_plaintext://h:1/bootstrap]: sasl_plaintext://h:1/bootstrap: SASL authentication error: \
             Authentication failed: Invalid username or password (after 305ms in state AUTH_REQ)",
            Some((SASL, "Authentication failed: Invalid username or password", CHECK_LOGIN)),
        );
        check(
            "[thrd:x]: sasl_ssl://h:1/1: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: \
             broker's supported mechanisms: SCRAM-SHA-512 (after 2ms in state AUTH_HANDSHAKE)",
            Some((
                SASL,
                "PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: \
                 SCRAM-SHA-512",
                CHECK_MECHANISM,
            )),
        );
        check(
            "[thrd:x]: ssl://h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify \
             failed: broker certificate could not be verified, verify that ssl.ca.location is right (after 3ms in state X)",
            Some((SSL, "error:0A000086:SSL routines::certificate verify failed", CHECK_TRUST)),
        );
        check(
            "ssl://h:1/1: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 \
             (after 4ms in state APIVERSION_QUERY)",
            Some((
                SSL,
                "error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
                CHECK_KEY_STORE,
            )),
        );
        check(
            "ssl://h:1/1: SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading (after 1ms in \
             state SSL_HANDSHAKE)",
            None,
        );
        check(
            "ssl://h:1/1: SSL handshake failed: Disconnected: connection reset by peer: connecting to a PLAINTEXT broker?",
            None,
        );
        check(
            "h:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            None,
        );
        assert_eq!(Refusal::of_log("SASL", "SASL authentication error: x"), None);
    }
}
