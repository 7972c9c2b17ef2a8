//! Key stores and trust stores: JKS, PKCS#12 and PEM, as files or as text in a config.
//!
//! Kafka clients and HTTPS listeners name them with the same `ssl.*` keys, some with a prefix; see [`Keys`].

mod der;
mod ec;
mod jks;
mod pem;
mod store;

pub use pem::to_pem;
pub use rustls_pki_types::{CertificateDer, PrivateKeyDer};
pub use store::{Identity, Keys, identity, trusted};
