//! Private keys of elliptic curves that come without their public half.
//!
//! Java leaves it out when it writes such a key, as the format allows; ring takes no key without. The certificate that
//! goes with the key has it.

use super::der::{Elements, element};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
/// `[1]` of `ECPrivateKey`: the public key (RFC 5915, 3).
const PUBLIC_KEY: u8 = 0xa1;
/// 1.2.840.10045.2.1, id-ecPublicKey.
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The key (PKCS#8) with the public half that the certificate has; none when it is no such key or has it already.
pub(super) fn with_public_key(key: &[u8], certificate: &[u8]) -> Option<Vec<u8>> {
    let mut info = Elements(Elements(key).expect(SEQUENCE)?);
    let version = info.expect(INTEGER)?;
    let algorithm = info.expect(SEQUENCE).filter(|algorithm| algorithm.starts_with(&EC_PUBLIC_KEY))?;
    let mut private = Elements(Elements(info.expect(OCTET_STRING)?).expect(SEQUENCE)?);
    let private_version = private.expect(INTEGER)?;
    let scalar = private.expect(OCTET_STRING)?;
    if private.any(|(tag, _)| tag == PUBLIC_KEY) {
        return None;
    }
    let public = element(PUBLIC_KEY, &element(BIT_STRING, public_key(certificate)?));
    let private = [element(INTEGER, private_version), element(OCTET_STRING, scalar), public].concat();
    let info = [
        element(INTEGER, version),
        element(SEQUENCE, algorithm),
        element(OCTET_STRING, &element(SEQUENCE, &private)),
    ];
    Some(element(SEQUENCE, &info.concat()))
}

/// The bits of `subjectPublicKeyInfo` (RFC 5280, 4.1).
fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut signed = Elements(Elements(Elements(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    // The version is there or not; serial number, signature, issuer, validity and subject are.
    let fields = signed.clone().next().filter(|(tag, _)| *tag == 0xa0).map_or(5, |_| 6);
    let info = signed.nth(fields).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    let mut info = Elements(info);
    info.expect(SEQUENCE)?;
    info.expect(BIT_STRING)
}
