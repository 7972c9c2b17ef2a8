//! JKS, Java's own format of key stores, read only.
//!
//! Written from the description in the source comments of OpenJDK's `JavaKeyStore` and `KeyProtector`: a list of
//! entries, big-endian, and a digest at the end that covers the password. Private keys are hidden with a key stream made
//! of SHA-1 over the password. SHA-1 is what the format has; nothing is trusted because of it that is not trusted anyway
//! for lying in a file of the operator's.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::der::Elements;
use super::store::{Contents, Identity};

/// The first bytes of a file.
pub(super) const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

const DIGEST_BYTES: usize = 20;
/// Entries of a store and certificates of a chain: far more than anybody has.
const MAX_ITEMS: u32 = 10_000;
/// DER of the algorithm that hides keys: 1.3.6.1.4.1.42.2.17.1.1.
const KEY_PROTECTOR: [u8; 12] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x2a, 0x02, 0x11, 0x01, 0x01];

/// Opens a store. Without a password its digest is not checked, as in Java; the key needs one.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn open(
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<Contents, String> {
    let damaged = || "is damaged: it ends too early".to_owned();
    let body_length = bytes.len().checked_sub(DIGEST_BYTES).ok_or_else(damaged)?;
    let (body, digest) = bytes.split_at(body_length);
    if let Some(password) = password
        && sha1(&[&utf16(password), b"Mighty Aphrodite", body]) != digest
    {
        return Err("is damaged, or its password is wrong".to_owned());
    }
    let mut reader = Reader(&body[MAGIC.len()..]);
    let version = reader.number().ok_or_else(damaged)?;
    if !matches!(version, 1 | 2) {
        return Err(format!("has version {version} of the format; only 1 and 2 are known"));
    }
    let count = reader.number().filter(|count| *count <= MAX_ITEMS).ok_or_else(damaged)?;
    let mut contents = Contents::default();
    for _ in 0..count {
        let kind = reader.number().ok_or_else(damaged)?;
        reader.short_text().and_then(|_| reader.take(8)).ok_or_else(damaged)?;
        match kind {
            1 => {
                let hidden = reader.long_bytes().ok_or_else(damaged)?;
                let certificates = reader.number().filter(|count| *count <= MAX_ITEMS).ok_or_else(damaged)?;
                let chain: Option<Vec<_>> = (0..certificates).map(|_| reader.certificate(version)).collect();
                let chain = chain.ok_or_else(damaged)?;
                if contents.identity.is_none() && !chain.is_empty() {
                    let password = key_password.or(password).ok_or("needs a password for its private key")?;
                    let key = PrivatePkcs8KeyDer::from(reveal(hidden, password)?).into();
                    contents.identity = Some(Identity { chain, key });
                }
            }
            2 => contents.trusted.push(reader.certificate(version).ok_or_else(damaged)?),
            other => return Err(format!("has an entry of kind {other}, which is not known")),
        }
    }
    Ok(contents)
}

/// The private key (PKCS#8) behind the protection.
fn reveal(info: &[u8], password: &str) -> Result<Vec<u8>, String> {
    let protected = protected_bytes(info).ok_or("has a private key that is not protected as JKS does it")?;
    let length =
        protected.len().checked_sub(2 * DIGEST_BYTES).ok_or("has a private key that is cut short")?;
    let (salt, rest) = protected.split_at(DIGEST_BYTES);
    let (hidden, check) = rest.split_at(length);
    let password = utf16(password);
    let mut stream = salt.to_vec();
    let mut key = Vec::with_capacity(length);
    for chunk in hidden.chunks(DIGEST_BYTES) {
        stream = sha1(&[&password, &stream]);
        key.extend(chunk.iter().zip(&stream).map(|(byte, mask)| byte ^ mask));
    }
    if sha1(&[&password, &key]) != check {
        return Err("has a private key with another password: give ssl.key.password".to_owned());
    }
    Ok(key)
}

/// The octets in `EncryptedPrivateKeyInfo ::= SEQUENCE { SEQUENCE { OID, NULL }, OCTET STRING }`.
fn protected_bytes(info: &[u8]) -> Option<&[u8]> {
    let mut whole = Elements(Elements(info).expect(0x30)?);
    let algorithm = whole.expect(0x30)?;
    if !algorithm.starts_with(&KEY_PROTECTOR) {
        return None;
    }
    whole.expect(0x04)
}

/// A password as the format digests it: UTF-16, big-endian.
fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
    }

    fn short_text(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)?;
        self.take(usize::from(length))
    }

    fn long_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn certificate(&mut self, version: u32) -> Option<CertificateDer<'static>> {
        if version == 2 {
            self.short_text()?;
        }
        self.long_bytes().map(|bytes| bytes.to_vec().into())
    }
}
