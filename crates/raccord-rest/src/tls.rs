//! HTTPS: the `ssl.*` keys of listeners become a rustls config.
//!
//! If any key with the listeners' prefix (`listeners.https.` or `admin.listeners.https.`) is set, only keys with the
//! prefix count; else the worker's plain `ssl.*` keys do.

use std::sync::Arc;

use raccord_keystore::Keys;
use raccord_plugin::{Error, RawConfig};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// The config of listeners whose keys have this prefix.
///
/// # Errors
/// Config, naming the key and the remedy.
pub fn server_config(worker: &RawConfig, prefix: &str) -> Result<Arc<ServerConfig>, Error> {
    let keys = Keys::pick(worker, prefix);
    let provider = Arc::new(provider(&keys)?);
    let verifier = client_verifier(&keys, &provider)?;
    let identity = raccord_keystore::identity(&keys)?.ok_or_else(|| {
        Error::config(format!("a listener is https, but {} is not set", keys.name("ssl.keystore.location")))
            .hint("give a key store (JKS, PKCS12 or PEM) with the server's private key and certificate")
    })?;
    let wrong = |error: rustls::Error| {
        Error::config(format!("{} cannot be used for https: {error}", keys.name("ssl.keystore.location")))
            .hint("the key store must hold a private key with its certificate chain, the server's own first")
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(&keys)?)
        .map_err(wrong)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn list<'a>(keys: &'a Keys<'_>, key: &str) -> Vec<&'a str> {
    keys.get(key).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn versions(keys: &Keys<'_>) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
    let key = "ssl.enabled.protocols";
    let names = list(keys, key);
    if names.is_empty() {
        return Ok(vec![&rustls::version::TLS12, &rustls::version::TLS13]);
    }
    let mut versions = Vec::new();
    for name in &names {
        match *name {
            "TLSv1.2" => versions.push(&rustls::version::TLS12),
            "TLSv1.3" => versions.push(&rustls::version::TLS13),
            old => tracing::warn!("{} has {old}, which is not offered: it is no longer safe", keys.name(key)),
        }
    }
    if versions.is_empty() {
        return Err(Error::config(format!(
            "{} has no version that is offered: {}",
            keys.name(key),
            names.join(",")
        ))
        .hint("use TLSv1.2, TLSv1.3 or both"));
    }
    Ok(versions)
}

/// The cryptography with the cipher suites that are named; all when none is.
fn provider(keys: &Keys<'_>) -> Result<CryptoProvider, Error> {
    let mut provider = ring::default_provider();
    let key = "ssl.cipher.suites";
    let names = list(keys, key);
    if names.is_empty() {
        return Ok(provider);
    }
    // rustls marks suites of TLS 1.3 in their names, Java does not.
    let java_name =
        |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
    let known: Vec<String> = provider.cipher_suites.iter().map(java_name).collect();
    provider.cipher_suites.retain(|suite| names.contains(&java_name(suite).as_str()));
    if provider.cipher_suites.is_empty() {
        return Err(Error::config(format!("{} has no suite that is offered", keys.name(key)))
            .hint(format!("use some of {}", known.join(", "))));
    }
    for name in names.iter().filter(|name| !known.iter().any(|suite| suite == *name)) {
        tracing::warn!("{} has {name}, which is not offered", keys.name(key));
    }
    Ok(provider)
}

/// What `ssl.client.auth` asks of clients.
fn client_verifier(
    keys: &Keys<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let key = "ssl.client.auth";
    let wanted = keys.get(key).unwrap_or("none").trim().to_ascii_lowercase();
    if wanted == "none" {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    if !matches!(wanted.as_str(), "requested" | "required") {
        return Err(Error::config(format!("{} has {wanted:?}", keys.name(key)))
            .hint("use none, requested or required"));
    }
    let roots = Arc::new(roots(keys)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    let builder = if wanted == "requested" { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| {
        Error::config(format!(
            "{} cannot be used to check clients: {error}",
            keys.name("ssl.truststore.location")
        ))
        .hint("the trust store must hold the certificates of the authorities that sign clients")
    })
}

/// All certificates of the trust store.
fn roots(keys: &Keys<'_>) -> Result<RootCertStore, Error> {
    let (name, trusted) = raccord_keystore::trusted(keys)?.ok_or_else(|| {
        Error::config(format!(
            "{} is set, but {} is not",
            keys.name("ssl.client.auth"),
            keys.name("ssl.truststore.location")
        ))
        .hint("give a trust store with the certificates of the authorities that sign clients")
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).map_err(|error| {
            Error::config(format!("{name} has a certificate that cannot be trusted: {error}"))
        })?;
    }
    Ok(roots)
}
