//! TLS by rustls: what `database.sslmode` lets pass as a server's certificate, and the client's own certificate.

use std::path::Path;
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::WireError;
use super::old_keys::OldKey;
use super::socket::{Endpoint, SslMode, TlsFiles};

/// Runs the handshake on a socket whose server has agreed to TLS.
pub(super) async fn handshake(
    tcp: TcpStream,
    endpoint: &Endpoint,
) -> Result<TlsStream<TcpStream>, WireError> {
    let config = client_config(endpoint)?;
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|_| WireError::Tls(format!("{} cannot be the name in a certificate", endpoint.host)))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(|error| WireError::Tls(format!("SSL error: {error}")))
}

fn client_config(endpoint: &Endpoint) -> Result<ClientConfig, WireError> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match endpoint.ssl_mode {
        SslMode::VerifyCa | SslMode::VerifyFull => {
            let known = WebPkiServerVerifier::builder_with_provider(
                Arc::new(roots(&endpoint.tls)?),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| WireError::Tls(format!("database.sslrootcert: {error}")))?;
            match endpoint.ssl_mode {
                SslMode::VerifyFull => known,
                _ => Arc::new(AnyName(known)),
            }
        }
        _ => Arc::new(AnyCertificate(Arc::clone(&provider))),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| WireError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match identity(&endpoint.tls)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| WireError::Tls(format!("database.sslcert and database.sslkey: {error}"))),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The file of a key, or the place where libpq and pgjdbc look when the key is not set.
fn or_default(configured: &Option<String>, default: &str) -> Option<String> {
    configured.clone().filter(|path| !path.is_empty()).or_else(|| {
        let path = format!("{}/.postgresql/{default}", std::env::var("HOME").ok()?);
        Path::new(&path).is_file().then_some(path)
    })
}

fn read(key: &str, path: &str) -> Result<Vec<u8>, WireError> {
    std::fs::read(path).map_err(|error| WireError::Tls(format!("{key}: cannot read {path}: {error}")))
}

fn roots(files: &TlsFiles) -> Result<RootCertStore, WireError> {
    let path = or_default(&files.root_certificate, "root.crt").ok_or_else(|| {
        WireError::Tls(
            "database.sslrootcert is not set: verify-ca and verify-full need the authority's certificate"
                .to_owned(),
        )
    })?;
    let mut store = RootCertStore::empty();
    for certificate in certificates("database.sslrootcert", &path)? {
        store.add(certificate).map_err(|error| WireError::Tls(format!("database.sslrootcert: {error}")))?;
    }
    Ok(store)
}

fn certificates(key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let bytes = read(key, path)?;
    if !bytes.starts_with(b"-----") && !bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let found: Vec<_> = rustls_pemfile::certs(&mut bytes.as_slice())
        .collect::<Result<_, _>>()
        .map_err(|error| WireError::Tls(format!("{key}: {path}: {error}")))?;
    match found.is_empty() {
        true => Err(WireError::Tls(format!("{key}: {path} has no certificate in it"))),
        false => Ok(found),
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(files: &TlsFiles) -> Result<Option<Identity>, WireError> {
    let Some(key_path) = or_default(&files.key, "postgresql.pk8") else { return Ok(None) };
    let password = files.key_password.as_ref().map_or("", |password| password.reveal());
    if key_path.ends_with(".p12") || key_path.ends_with(".pfx") {
        return pkcs12(&key_path, password).map(Some);
    }
    let Some(certificate_path) = or_default(&files.certificate, "postgresql.crt") else { return Ok(None) };
    let chain = certificates("database.sslcert", &certificate_path)?;
    Ok(Some((chain, private_key(&key_path, password)?)))
}

fn private_key(path: &str, password: &str) -> Result<PrivateKeyDer<'static>, WireError> {
    let bytes = read("database.sslkey", path)?;
    let unusable = |what: String| WireError::Tls(format!("database.sslkey: {path}: {what}"));
    if let Ok(Some(key)) = rustls_pemfile::private_key(&mut bytes.as_slice()) {
        return Ok(key);
    }
    let der = match pkcs8::SecretDocument::from_pem(std::str::from_utf8(&bytes).unwrap_or_default()) {
        Ok((_, document)) => document.as_bytes().to_vec(),
        Err(_) => bytes,
    };
    let wrong_password = |error: &str| unusable(format!("{error} (is database.sslpassword right?)"));
    if let Some(old) = OldKey::parse(&der) {
        let plain = old.decrypt(password).ok_or_else(|| wrong_password("it cannot be decrypted"))?;
        return Ok(PrivatePkcs8KeyDer::from(plain).into());
    }
    match EncryptedPrivateKeyInfoRef::try_from(der.as_slice()) {
        Ok(info) => {
            let plain = info
                .decrypt(password.as_bytes())
                .map_err(|error| wrong_password(&error.to_string()))?;
            Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
        }
        Err(_) => PrivateKeyDer::try_from(der).map_err(|error| {
            unusable(format!("{error} (a key in PKCS#8 is needed, encrypted as `openssl pkcs8 -topk8 -v2 aes-256-cbc` does, or not)"))
        }),
    }
}

fn pkcs12(path: &str, password: &str) -> Result<Identity, WireError> {
    let bytes = read("database.sslkey", path)?;
    let unusable = |what: String| WireError::Tls(format!("database.sslkey: {path}: {what}"));
    let store =
        p12_keystore::KeyStore::from_pkcs12(&bytes, password, p12_keystore::Pkcs12ImportPolicy::Relaxed)
            .map_err(|error| unusable(format!("{error} (is database.sslpassword right?)")))?;
    let (_, chain) = store.private_key_chain().ok_or_else(|| unusable("there is no key in it".to_owned()))?;
    let certificates = chain.certs().iter().map(|certificate| certificate.as_der().to_vec().into()).collect();
    Ok((certificates, PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()).into()))
}

/// `require` and below: encrypted, but whoever answers is believed.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// `verify-ca`: a known authority vouches for the certificate, whatever name is in it.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
