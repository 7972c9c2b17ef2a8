//! Which keys name a store, and what is in it.
//!
//! The format of a file is told by its first bytes rather than by `ssl.keystore.type`: Java itself opens PKCS#12 files
//! under the name JKS, its default, so the key seldom says the truth.

use std::fmt;
use std::path::Path;

use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use raccord_plugin::{Error, RawConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{ec, jks, pem};

/// The largest store that is read.
const MAX_STORE_BYTES: u64 = 16 * 1024 * 1024;

/// The `ssl.*` keys that count.
pub struct Keys<'a> {
    config: &'a RawConfig,
    prefix: &'a str,
}

impl<'a> Keys<'a> {
    /// The keys without a prefix.
    pub fn plain(config: &'a RawConfig) -> Self {
        Self { config, prefix: "" }
    }

    /// Those with the prefix if there is any, else the plain ones.
    pub fn pick(config: &'a RawConfig, prefix: &'a str) -> Self {
        let prefixed = config.iter().any(|(key, _)| key.starts_with(prefix));
        Self { config, prefix: if prefixed { prefix } else { "" } }
    }

    /// The full name of a key, for messages.
    pub fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The value of a key; none when it is blank.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.config.get(&self.name(key)).filter(|value| !value.trim().is_empty())
    }
}

/// What one proves with who one is.
pub struct Identity {
    /// The own certificate, then those that vouch for it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the own certificate.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}

/// What a store holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) identity: Option<Identity>,
    pub(super) trusted: Vec<CertificateDer<'static>>,
}

/// The first private key of the key store with its chain, in a form that can be used; none when no key store is given.
///
/// # Errors
/// Config, naming the key and the remedy.
pub fn identity(keys: &Keys<'_>) -> Result<Option<Identity>, Error> {
    let Some(mut identity) = stored_identity(keys)? else { return Ok(None) };
    if let (PrivateKeyDer::Pkcs8(key), Some(own)) = (&identity.key, identity.chain.first())
        && let Some(complete) = ec::with_public_key(key.secret_pkcs8_der(), own)
    {
        identity.key = PrivatePkcs8KeyDer::from(complete).into();
    }
    Ok(Some(identity))
}

fn stored_identity(keys: &Keys<'_>) -> Result<Option<Identity>, Error> {
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
        return Ok(Some(Identity {
            key: pem::key(key.as_bytes(), key_password).map_err(|text| wrong("ssl.keystore.key", text))?,
            chain: pem::certificates(chain.as_bytes())
                .map_err(|text| wrong("ssl.keystore.certificate.chain", text))?,
        }));
    }
    let Some(location) = keys.get("ssl.keystore.location") else { return Ok(None) };
    let name = keys.name("ssl.keystore.location");
    let contents = open(&name, location, keys.get("ssl.keystore.password"), key_password, true)?;
    match contents.identity {
        Some(identity) => Ok(Some(identity)),
        None => Err(Error::config(format!("{name}: {location} has no private key with a certificate"))
            .hint("a key store needs both; is it a trust store?")),
    }
}

/// All certificates of the trust store, and the key that names it; none when no trust store is given.
///
/// # Errors
/// Config, naming the key and the remedy.
pub fn trusted(keys: &Keys<'_>) -> Result<Option<(String, Vec<CertificateDer<'static>>)>, Error> {
    if let Some(text) = keys.get("ssl.truststore.certificates") {
        require_pem(keys, "ssl.truststore.type", "ssl.truststore.certificates")?;
        let name = keys.name("ssl.truststore.certificates");
        let trusted =
            pem::certificates(text.as_bytes()).map_err(|text| Error::config(format!("{name}: {text}")))?;
        return Ok(Some((name, trusted)));
    }
    let Some(location) = keys.get("ssl.truststore.location") else { return Ok(None) };
    let name = keys.name("ssl.truststore.location");
    let contents = open(&name, location, keys.get("ssl.truststore.password"), None, false)?;
    if contents.trusted.is_empty() {
        return Err(Error::config(format!("{name}: {location} has no trusted certificates"))
            .hint("import the authority's certificate: keytool -importcert -file ca.pem -keystore <file>"));
    }
    Ok(Some((name, contents.trusted)))
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
