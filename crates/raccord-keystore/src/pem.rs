//! PEM: certificates and keys as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::store::Identity;

/// All certificates in order.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = whole_lines(text);
    let all: Vec<_> =
        rustls_pemfile::certs(&mut &text[..]).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    if all.is_empty() {
        return Err("there is no certificate in it (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(all)
}

/// The first private key; decrypted with the password when it is encrypted.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn key(text: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let text = whole_lines(text);
    if let Some(der) = block(&text, "ENCRYPTED PRIVATE KEY")? {
        let password = password.ok_or("the private key is encrypted: give ssl.key.password")?;
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(&der[..])
            .map_err(|error| format!("the encrypted private key is damaged: {error}"))?;
        let plain = encrypted.decrypt(password).map_err(|error| {
            format!("the private key cannot be decrypted: {error} (is ssl.key.password right?)")
        })?;
        return Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into());
    }
    rustls_pemfile::private_key(&mut &text[..])
        .map_err(|error| error.to_string())?
        .ok_or_else(|| "there is no private key in it (-----BEGIN PRIVATE KEY-----)".to_owned())
}

/// DER as PEM, one block for each item.
fn blocks<'a>(label: &str, items: impl Iterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&format!("-----BEGIN {label}-----\n"));
        let encoded = STANDARD.encode(item);
        for line in encoded.as_bytes().chunks(64) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str(&format!("-----END {label}-----\n"));
    }
    text
}

/// Certificates as PEM text.
pub fn to_pem(certificates: &[CertificateDer<'_>]) -> String {
    blocks("CERTIFICATE", certificates.iter().map(|certificate| certificate.as_ref()))
}

impl Identity {
    /// The certificate chain as PEM text.
    pub fn chain_pem(&self) -> String {
        to_pem(&self.chain)
    }

    /// The private key as PEM text, not encrypted.
    pub fn key_pem(&self) -> String {
        let label = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        blocks(label, std::iter::once(self.key.secret_der()))
    }
}

/// Text from a properties file may have its lines joined by blanks: gives it the line ends that readers want.
fn whole_lines(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut lines = String::with_capacity(text.len() + 64);
    for (index, part) in text.split("-----").enumerate() {
        if index % 2 == 1 {
            lines.push_str("\n-----");
            lines.push_str(part);
            lines.push_str("-----\n");
        } else {
            lines.push_str(&part.split_whitespace().collect::<Vec<_>>().join("\n"));
        }
    }
    lines.push('\n');
    lines.into_bytes()
}

/// The bytes of the first block with the label.
fn block(text: &[u8], label: &str) -> Result<Option<Vec<u8>>, String> {
    let text = String::from_utf8_lossy(text);
    let Some((_, rest)) = text.split_once(&format!("-----BEGIN {label}-----")) else {
        return Ok(None);
    };
    let (body, _) = rest.split_once("-----END").ok_or("a block has no end")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).map(Some).map_err(|error| format!("a block is not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let key = PrivatePkcs8KeyDer::from((0u8..100).collect::<Vec<_>>()).into();
        let identity = Identity { chain: vec![vec![1u8; 100].into(), vec![2u8; 3].into()], key };
        assert_eq!(certificates(identity.chain_pem().as_bytes()).unwrap(), identity.chain);
        let read = self::key(identity.key_pem().as_bytes(), None).unwrap();
        assert_eq!(read.secret_der(), identity.key.secret_der());
    }
}
