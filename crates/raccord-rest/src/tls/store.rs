//! Key stores and trust stores: which keys name them, and what is in them.
//!
//! The format of a file is told by its first bytes rather than by `ssl.keystore.type`: Java itself opens PKCS#12 files
//! under the name JKS, its default, so the key seldom says the truth.

use std::path::Path;

use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use raccord_plugin::{Error, RawConfig};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{ec, jks, pem};

/// The largest store that is read.
const MAX_STORE_BYTES: u64 = 16 * 1024 * 1024;

/// The `ssl.*` keys that count.
pub(super) struct Keys<'a> {
    worker: &'a RawConfig,
    prefix: &'a str,
}

impl<'a> Keys<'a> {
    /// Those with the prefix if there is any, else the plain ones.
    pub(super) fn pick(worker: &'a RawConfig, prefix: &'a str) -> Self {
        let prefixed = worker.iter().any(|(key, _)| key.starts_with(prefix));
        Self { worker, prefix: if prefixed { prefix } else { "" } }
    }

    /// The full name of a key, for messages.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.worker.get(&self.name(key)).filter(|value| !value.trim().is_empty())
    }
}

/// What the server proves who it is with.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// What a store holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) identity: Option<Identity>,
    pub(super) trusted: Vec<CertificateDer<'static>>,
}

/// The first private key of the key store with its chain, in a form that can be used.
pub(super) fn identity(keys: &Keys<'_>) -> Result<Identity, Error> {
    let mut identity = stored_identity(keys)?;
    if let (PrivateKeyDer::Pkcs8(key), Some(own)) = (&identity.key, identity.chain.first())
        && let Some(complete) = ec::with_public_key(key.secret_pkcs8_der(), own)
    {
        identity.key = PrivatePkcs8KeyDer::from(complete).into();
    }
    Ok(identity)
}

fn stored_identity(keys: &Keys<'_>) -> Result<Identity, Error> {
    let key_password = keys.get("ssl.key.password");
    if let Some(key) = keys.get("ssl.keystore.key") {
        require_pem(keys, "ssl.keystore.type", "ssl.keystore.key")?;
        let chain = keys.get("ssl.keystore.certificate.chain").ok_or_else(|| {
            Error::config(format!(
                "{} is set, {} is not",
                keys.name("ssl.keystore.key"),
                keys.name("ssl.keystore.certificate.chain")
            ))
            .hint("give both the key and its certificate chain")
        })?;
        let wrong = |name: &str, text: String| Error::config(format!("{}: {text}", keys.name(name)));
        return Ok(Identity {
            key: pem::key(key.as_bytes(), key_password).map_err(|text| wrong("ssl.keystore.key", text))?,
            chain: pem::certificates(chain.as_bytes())
                .map_err(|text| wrong("ssl.keystore.certificate.chain", text))?,
        });
    }
    let Some(location) = keys.get("ssl.keystore.location") else {
        return Err(Error::config(format!(
            "a listener is https, but {} is not set",
            keys.name("ssl.keystore.location")
        ))
        .hint("give a key store (JKS, PKCS12 or PEM) with the server's private key and certificate"));
    };
    let name = keys.name("ssl.keystore.location");
    let contents = open(&name, location, keys.get("ssl.keystore.password"), key_password, true)?;
    contents.identity.ok_or_else(|| {
        Error::config(format!("{name}: {location} has no private key with a certificate"))
            .hint("a key store for https needs both; is it a trust store?")
    })
}

/// All certificates of the trust store.
pub(super) fn roots(keys: &Keys<'_>) -> Result<RootCertStore, Error> {
    let (name, trusted) = if let Some(text) = keys.get("ssl.truststore.certificates") {
        require_pem(keys, "ssl.truststore.type", "ssl.truststore.certificates")?;
        let name = keys.name("ssl.truststore.certificates");
        let trusted =
            pem::certificates(text.as_bytes()).map_err(|text| Error::config(format!("{name}: {text}")))?;
        (name, trusted)
    } else {
        let name = keys.name("ssl.truststore.location");
        let Some(location) = keys.get("ssl.truststore.location") else {
            return Err(Error::config(format!("{} is set, but {name} is not", keys.name("ssl.client.auth")))
                .hint("give a trust store with the certificates of the authorities that sign clients"));
        };
        let contents = open(&name, location, keys.get("ssl.truststore.password"), None, false)?;
        (name, contents.trusted)
    };
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).map_err(|error| {
            Error::config(format!("{name} has a certificate that cannot be trusted: {error}"))
        })?;
    }
    Ok(roots)
}

fn require_pem(keys: &Keys<'_>, type_key: &str, key: &str) -> Result<(), Error> {
    match keys.get(type_key) {
        Some(kind) if kind.eq_ignore_ascii_case("PEM") => Ok(()),
        other => Err(Error::config(format!(
            "{} is set, but {} is {}",
            keys.name(key),
            keys.name(type_key),
            other.unwrap_or("JKS")
        ))
        .hint(format!("set {} to PEM", keys.name(type_key)))),
    }
}

/// Reads a store of any format.
fn open(
    name: &str,
    location: &str,
    password: Option<&str>,
    key_password: Option<&str>,
    with_key: bool,
) -> Result<Contents, Error> {
    let bytes = read(name, location)?;
    let read = if bytes.starts_with(&jks::MAGIC) {
        jks::open(&bytes, password, key_password)
    } else if bytes.first() == Some(&0x30) {
        pkcs12(&bytes, password.unwrap_or_default())
    } else if bytes.windows(10).any(|window| window == b"-----BEGIN") {
        pem_file(&bytes, key_password.or(password), with_key)
    } else {
        Err("is neither JKS nor PKCS#12 nor PEM".to_owned())
    };
    read.map_err(|text| {
        Error::config(format!("{name}: {location} {text}"))
            .hint("check the file and its password; keytool -list -keystore <file> shows what is in it")
    })
}

fn read(name: &str, location: &str) -> Result<Vec<u8>, Error> {
    let wrong = |text: String| {
        Error::config(format!("{name}: cannot read {location}: {text}")).hint("check path and permissions")
    };
    let length = std::fs::metadata(Path::new(location)).map_err(|error| wrong(error.to_string()))?.len();
    if length > MAX_STORE_BYTES {
        return Err(wrong(format!("{length} bytes are too many for a store (at most {MAX_STORE_BYTES})")));
    }
    std::fs::read(location).map_err(|error| wrong(error.to_string()))
}

fn pkcs12(bytes: &[u8], password: &str) -> Result<Contents, String> {
    let open = |policy| {
        KeyStore::from_pkcs12(bytes, password, policy)
            .map_err(|error| format!("cannot be opened as PKCS#12: {error} (is the password right?)"))
    };
    let mut contents = Contents::default();
    let store = open(Pkcs12ImportPolicy::Relaxed)?;
    if let Some((_, chain)) = store.private_key_chain().filter(|(_, chain)| !chain.certs().is_empty()) {
        contents.identity = Some(Identity {
            key: PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()).into(),
            chain: chain.certs().iter().map(|cert| cert.as_der().to_vec().into()).collect(),
        });
    }
    contents.trusted = certificates(&store);
    if contents.identity.is_none() && contents.trusted.is_empty() {
        // Certificates that openssl wrote are not marked as trusted, which Java insists on; here they count.
        contents.trusted = certificates(&open(Pkcs12ImportPolicy::Raw)?);
    }
    Ok(contents)
}

fn certificates(store: &KeyStore) -> Vec<CertificateDer<'static>> {
    store
        .entries()
        .filter_map(|(_, entry)| match entry {
            KeyStoreEntry::Certificate(certificate) => Some(certificate.as_der().to_vec().into()),
            _ => None,
        })
        .collect()
}

fn pem_file(bytes: &[u8], key_password: Option<&str>, with_key: bool) -> Result<Contents, String> {
    let certificates = pem::certificates(bytes).map_err(|text| format!("cannot be read as PEM: {text}"))?;
    if !with_key {
        return Ok(Contents { identity: None, trusted: certificates });
    }
    let key = pem::key(bytes, key_password).map_err(|text| format!("cannot be read as PEM: {text}"))?;
    Ok(Contents { identity: Some(Identity { chain: certificates, key }), trusted: Vec::new() })
}
