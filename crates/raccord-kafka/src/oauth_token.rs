//! Where tokens for OAUTHBEARER come from: an endpoint that takes client credentials, a file, or unsecured tokens made
//! here from the options of Kafka's login module, which are for tests.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use raccord_config::{Secret, jaas};
use raccord_keystore::Keys;
use raccord_plugin::{Error, RawConfig, Result};
use serde_json::{Map, Value, json};

/// How long connecting to the endpoint, and its answer, may take when nothing says otherwise.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, and how much of an error's text is shown.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const SHOWN_CHARS: usize = 200;

/// A token as librdkafka takes it.
#[derive(Clone)]
pub(crate) struct Token {
    /// The token itself.
    pub(crate) value: Secret,
    /// When it ends, in milliseconds since 1970.
    pub(crate) expires_ms: i64,
    /// Who it is for.
    pub(crate) principal: String,
    /// SASL extensions that are sent with it.
    pub(crate) extensions: BTreeMap<String, String>,
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Asking again may help.
    Retriable(String),
    /// Asking again does not help.
    Final(String),
}

/// Where tokens come from.
#[derive(Clone, PartialEq)]
pub(crate) enum TokenSource {
    /// Made here, without a signature.
    Unsecured { options: BTreeMap<String, String> },
    /// Fetched with client credentials.
    Endpoint(Box<Endpoint>),
    /// Read from a file that something else keeps fresh.
    File { path: PathBuf, claims: Claims, extensions: BTreeMap<String, String> },
}

/// A token endpoint.
#[derive(Clone, PartialEq)]
pub(crate) struct Endpoint {
    url: String,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    urlencode: bool,
    connect_timeout: Duration,
    read_timeout: Duration,
    claims: Claims,
    extensions: BTreeMap<String, String>,
    /// Certificates (DER) of authorities for this endpoint; none for those that browsers know.
    trusted: Option<Vec<Vec<u8>>>,
}

/// The names of claims.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claims {
    subject: String,
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl TokenSource {
    /// The source that the properties name; `None` when they do not ask for OAUTHBEARER.
    ///
    /// # Errors
    /// `Error::config` naming the property that is missing or cannot be used.
    pub(crate) fn of(properties: &RawConfig) -> Result<Option<Self>> {
        let get = |key: &str| properties.get(key).map(str::trim).filter(|value| !value.is_empty());
        let sasl = get("security.protocol")
            .is_some_and(|protocol| protocol.to_ascii_uppercase().starts_with("SASL"));
        if !sasl || get("sasl.mechanism") != Some("OAUTHBEARER") {
            return Ok(None);
        }
        refuse_java_classes(&get)?;
        let options = match get("sasl.jaas.config") {
            Some(text) => jaas_options(text)?,
            None => HashMap::new(),
        };
        let extensions = |prefix: &str| {
            let named = options.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
            named.map(|(key, value)| (key.to_owned(), value.clone())).collect()
        };
        let claims = Claims { subject: get("sasl.oauthbearer.sub.claim.name").unwrap_or("sub").to_owned() };
        let Some(url) = get("sasl.oauthbearer.token.endpoint.url") else {
            let endpoint = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
            if get("sasl.login.callback.handler.class") == Some(endpoint) {
                return Err(missing("sasl.oauthbearer.token.endpoint.url"));
            }
            let options: BTreeMap<String, String> = options.into_iter().collect();
            unsecured(&options, 0)?;
            return Ok(Some(Self::Unsecured { options }));
        };
        if let Some(path) = url.strip_prefix("file://") {
            let extensions = extensions("extension_");
            return Ok(Some(Self::File { path: PathBuf::from(path), claims, extensions }));
        }
        let option = |name: &str| options.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let either = |key: &'static str, name: &str| {
            get(key).or_else(|| option(name)).ok_or_else(|| missing(key)).map(str::to_owned)
        };
        let timeout = |key: &str| match get(key).map(str::parse::<u64>) {
            None => Ok(ENDPOINT_TIMEOUT),
            Some(Ok(ms)) => Ok(Duration::from_millis(ms)),
            Some(Err(_)) => {
                Err(Error::config(format!("Invalid value for configuration {key}: Not a number of type INT")))
            }
        };
        let ssl: RawConfig = options.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let trusted = raccord_keystore::trusted(&Keys::plain(&ssl))?;
        Ok(Some(Self::Endpoint(Box::new(Endpoint {
            url: url.to_owned(),
            client_id: either("sasl.oauthbearer.client.credentials.client.id", "clientId")?,
            client_secret: Secret::new(either(
                "sasl.oauthbearer.client.credentials.client.secret",
                "clientSecret",
            )?),
            scope: get("sasl.oauthbearer.scope").or_else(|| option("scope")).map(str::to_owned),
            urlencode: get("sasl.oauthbearer.header.urlencode")
                .is_some_and(|flag| flag.eq_ignore_ascii_case("true")),
            connect_timeout: timeout("sasl.login.connect.timeout.ms")?,
            read_timeout: timeout("sasl.login.read.timeout.ms")?,
            claims,
            extensions: extensions("extension_"),
            trusted: trusted.map(|(_, all)| all.iter().map(|certificate| certificate.to_vec()).collect()),
        }))))
    }

    /// Gets a token. Blocks.
    pub(crate) fn fetch(&self) -> std::result::Result<Token, Failure> {
        match self {
            Self::Unsecured { options } => {
                unsecured(options, now_ms()).map_err(|error| Failure::Final(error.message().to_owned()))
            }
            Self::Endpoint(endpoint) => endpoint.fetch(),
            Self::File { path, claims, extensions } => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::Retriable(format!("cannot read {}: {error}", path.display()))
                })?;
                claims.token(text.trim(), extensions).map_err(Failure::Final)
            }
        }
    }
}

/// Tokens come from here or from an endpoint; Java's handlers and retrievers cannot run.
fn refuse_java_classes<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Result<()> {
    const KNOWN: [(&str, &[&str]); 2] = [
        (
            "sasl.login.callback.handler.class",
            &["OAuthBearerLoginCallbackHandler", "OAuthBearerUnsecuredLoginCallbackHandler"],
        ),
        (
            "sasl.oauthbearer.jwt.retriever.class",
            &["DefaultJwtRetriever", "ClientCredentialsJwtRetriever", "FileJwtRetriever"],
        ),
    ];
    for (key, known) in KNOWN {
        let Some(class) = get(key) else { continue };
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
        if !known.contains(&simple) {
            return Err(Error::config(format!(
                "Invalid value {class} for configuration {key}: Java classes cannot be used"
            ))
            .hint(
                "use client credentials: sasl.oauthbearer.token.endpoint.url with \
                     sasl.oauthbearer.client.credentials.client.id and .secret",
            ));
        }
    }
    Ok(())
}

fn missing(key: &str) -> Error {
    Error::config(format!("Missing required configuration \"{key}\" for the mechanism OAUTHBEARER")).hint(
        "it may also be given as an option of the login module in sasl.jaas.config: clientId, clientSecret",
    )
}

/// The options of the login module in a `sasl.jaas.config`.
///
/// # Errors
/// `Error::config` that quotes nothing of it.
pub(crate) fn jaas_options(text: &str) -> Result<HashMap<String, String>> {
    let module = jaas::parse_module(text).map_err(|reason| {
        Error::config(format!("Invalid value [hidden] for configuration sasl.jaas.config: {reason}"))
    })?;
    Ok(module.options)
}

/// A token without signature, as Kafka's OAuthBearerUnsecuredLoginCallbackHandler makes it of the options
/// `unsecuredLogin…`.
fn unsecured(options: &BTreeMap<String, String>, now_ms: i64) -> Result<Token> {
    let invalid = |reason: String| {
        Error::config(format!("Invalid value [hidden] for configuration sasl.jaas.config: {reason}"))
    };
    let option = |name: &str, default: &'static str| options.get(name).map_or(default, String::as_str);
    let principal_claim = option("unsecuredLoginPrincipalClaimName", "sub");
    let lifetime_s: f64 = option("unsecuredLoginLifetimeSeconds", "3600")
        .parse()
        .map_err(|_| invalid("option unsecuredLoginLifetimeSeconds is not a number".to_owned()))?;
    let now_s = now_ms as f64 / 1000.0;
    let mut claims = Map::new();
    let mut extensions = BTreeMap::new();
    for (name, value) in options {
        if let Some(claim) = name.strip_prefix("unsecuredLoginStringClaim_") {
            claims.insert(claim.to_owned(), json!(value));
        } else if let Some(claim) = name.strip_prefix("unsecuredLoginNumberClaim_") {
            let number: f64 = value.parse().map_err(|_| invalid(format!("option {name} is not a number")))?;
            claims.insert(claim.to_owned(), json!(number));
        } else if let Some(claim) = name.strip_prefix("unsecuredLoginListClaim_") {
            // The first character parts the others.
            let mut characters = value.chars();
            let parts: Vec<&str> = match characters.next() {
                Some(delimiter) => characters.as_str().split(delimiter).collect(),
                None => Vec::new(),
            };
            claims.insert(claim.to_owned(), json!(parts));
        } else if let Some(key) = name.strip_prefix("unsecuredLoginExtension_") {
            extensions.insert(key.to_owned(), value.clone());
        }
    }
    let Some(principal) = claims.get(principal_claim).and_then(Value::as_str).map(str::to_owned) else {
        return Err(invalid(format!("option unsecuredLoginStringClaim_{principal_claim} is missing")).hint(
            "for tokens of an endpoint set sasl.oauthbearer.token.endpoint.url; unsecured tokens are for tests",
        ));
    };
    claims.entry("iat").or_insert_with(|| json!(now_s));
    let expires_s =
        claims.entry("exp").or_insert_with(|| json!(now_s + lifetime_s)).as_f64().unwrap_or_default();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let value = format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&Value::Object(claims)));
    Ok(Token { value: Secret::new(value), expires_ms: (expires_s * 1000.0) as i64, principal, extensions })
}

impl Claims {
    /// Reads what librdkafka has to be told of a token. Its signature is the broker's to check.
    ///
    /// # Errors
    /// What is wrong, without the token.
    fn token(&self, text: &str, extensions: &BTreeMap<String, String>) -> std::result::Result<Token, String> {
        let no_jwt = || "the token is not a JWT: three parts of base64 with JSON, parted by dots".to_owned();
        let payload = text.split('.').nth(1).ok_or_else(no_jwt)?;
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| no_jwt())?;
        let claims: Value = serde_json::from_slice(&bytes).map_err(|_| no_jwt())?;
        let expires_s = claims["exp"].as_f64().ok_or("the token has no expiry: the claim exp is missing")?;
        let principal = claims[self.subject.as_str()]
            .as_str()
            .ok_or_else(|| format!("the token has no subject: the claim {} is missing", self.subject))?;
        Ok(Token {
            value: Secret::new(text),
            expires_ms: (expires_s * 1000.0) as i64,
            principal: principal.to_owned(),
            extensions: extensions.clone(),
        })
    }
}

impl Endpoint {
    /// Asks for a token: the grant `client_credentials` of RFC 6749, 4.4.
    fn fetch(&self) -> std::result::Result<Token, Failure> {
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &self.scope {
            form.push(("scope", scope));
        }
        let part = |text: &str| if self.urlencode { urlencoded(text) } else { text.to_owned() };
        let credentials =
            STANDARD.encode(format!("{}:{}", part(&self.client_id), part(self.client_secret.reveal())));
        let failed = |error: reqwest::Error| {
            // The causes say what the message does not: the name was not found, the certificate is not trusted.
            let error = error.without_url();
            let mut text = format!("no token from {}: {error}", self.url);
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            Failure::Retriable(text)
        };
        let response = self
            .client()
            .map_err(failed)?
            .post(&self.url)
            .header("Authorization", format!("Basic {credentials}"))
            .header("Accept", "application/json")
            .form(&form)
            .send()
            .map_err(failed)?;
        let status = response.status();
        let body = response.bytes().map_err(failed)?;
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Final(format!("no token from {}: the answer is too large", self.url)));
        }
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        if !status.is_success() {
            // What RFC 6749, 5.2 has the server say; nothing else of the answer is shown.
            let word = |key: &str| {
                let text = answer.as_ref().and_then(|answer| answer[key].as_str()).unwrap_or_default();
                text.chars().take(SHOWN_CHARS).collect::<String>()
            };
            let text = format!(
                "no token from {}: status {}, {} {}",
                self.url,
                status.as_u16(),
                word("error"),
                word("error_description")
            );
            // Asking again with the same credentials does not help.
            return Err(match status.is_client_error() && status.as_u16() != 429 && status.as_u16() != 408 {
                true => Failure::Final(text.trim_end().to_owned()),
                false => Failure::Retriable(text.trim_end().to_owned()),
            });
        }
        let token = answer.as_ref().and_then(|answer| answer["access_token"].as_str()).ok_or_else(|| {
            Failure::Final(format!("no token from {}: the answer has no access_token", self.url))
        })?;
        self.claims
            .token(token, &self.extensions)
            .map_err(|text| Failure::Final(format!("no usable token from {}: {text}", self.url)))
    }

    fn client(&self) -> reqwest::Result<reqwest::blocking::Client> {
        let mut builder = reqwest::blocking::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.connect_timeout + self.read_timeout);
        if let Some(trusted) = &self.trusted {
            builder = builder.tls_built_in_root_certs(false);
            for certificate in trusted {
                builder = builder.add_root_certificate(reqwest::Certificate::from_der(certificate)?);
            }
        }
        builder.build()
    }
}

/// As `application/x-www-form-urlencoded` writes a value.
fn urlencoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth(entries: &[(&str, &str)]) -> RawConfig {
        let base = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")];
        base.iter().chain(entries).map(|(key, value)| (*key, Some((*value).to_owned()))).collect()
    }

    const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";

    #[test]
    fn makes_unsecured_tokens_of_the_options() {
        let jaas = format!(
            "{MODULE} unsecuredLoginStringClaim_sub=\"joe\" unsecuredLoginListClaim_scope=\"|a|b\" \
             unsecuredLoginNumberClaim_n=\"3\" unsecuredLoginLifetimeSeconds=\"60\" unsecuredLoginExtension_zone=\"x\";"
        );
        let source = TokenSource::of(&oauth(&[("sasl.jaas.config", &jaas)])).unwrap().unwrap();
        let TokenSource::Unsecured { options } = source else { panic!("unsecured") };
        let token = unsecured(&options, 1_000_000).unwrap();
        assert_eq!((token.principal.as_str(), token.expires_ms), ("joe", 1_060_000));
        assert_eq!(token.extensions["zone"], "x");
        let parts: Vec<&str> = token.value.reveal().split('.').collect();
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[0]).unwrap(), br#"{"alg":"none"}"#);
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!(claims["scope"], json!(["a", "b"]));
        assert_eq!((claims["n"].as_f64(), claims["iat"].as_f64()), (Some(3.0), Some(1000.0)));
        assert_eq!(parts[2], "");
        let read =
            Claims { subject: "sub".to_owned() }.token(token.value.reveal(), &BTreeMap::new()).unwrap();
        assert_eq!((read.principal.as_str(), read.expires_ms), ("joe", 1_060_000));
    }

    #[test]
    fn credentials_come_from_keys_or_from_the_options() {
        let jaas = format!("{MODULE} clientId=\"me\" clientSecret=\"pa55\" scope=\"s\" extension_x=\"y\";");
        let url = ("sasl.oauthbearer.token.endpoint.url", "https://idp/token");
        let check = |entries: &[(&str, &str)], expect: (&str, &str)| {
            let Some(TokenSource::Endpoint(endpoint)) = TokenSource::of(&oauth(entries)).unwrap() else {
                panic!("endpoint")
            };
            assert_eq!((endpoint.client_id.as_str(), endpoint.client_secret.reveal()), expect);
        };
        check(&[url, ("sasl.jaas.config", &jaas)], ("me", "pa55"));
        let (id, secret) = (
            ("sasl.oauthbearer.client.credentials.client.id", "you"),
            ("sasl.oauthbearer.client.credentials.client.secret", "w0rd"),
        );
        check(&[url, id, secret, ("sasl.jaas.config", &jaas)], ("you", "w0rd"));
    }

    #[test]
    fn says_what_is_missing_and_no_secret() {
        let check = |entries: &[(&str, &str)], expect: &str| {
            let error = TokenSource::of(&oauth(entries)).err().expect("an error");
            assert!(error.message().contains(expect), "{}", error.message());
            assert!(!error.trace().contains("pa55"), "{}", error.trace());
        };
        let url = ("sasl.oauthbearer.token.endpoint.url", "https://idp/token");
        check(&[], "unsecuredLoginStringClaim_sub is missing");
        check(&[url], "client.credentials.client.id");
        check(&[url, ("sasl.jaas.config", "X required clientSecret=\"pa55")], "[hidden]");
        check(&[("sasl.login.callback.handler.class", "com.example.Mine")], "Java classes");
        check(
            &[(
                "sasl.oauthbearer.jwt.retriever.class",
                "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever",
            )],
            "JwtBearerJwtRetriever",
        );
        let other = RawConfig::from([("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN")]);
        assert!(TokenSource::of(&other).unwrap().is_none());
    }
}
