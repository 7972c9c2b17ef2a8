//! Keys in PKCS#8 that are encrypted in the ways of PKCS#5 1.5 and PKCS#12. pgJDBC's documentation makes them so
//! (`openssl pkcs8 -topk8 -v1 PBE-MD5-DES`), hence there are many. What they protect is read here; nothing is written.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use md5::{Digest, Md5};
use sha1::Sha1;

/// 1.2.840.113549.1.5.3: pbeWithMD5AndDES-CBC.
const PBE_MD5_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x03];
/// 1.2.840.113549.1.5.10: pbeWithSHA1AndDES-CBC.
const PBE_SHA1_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0a];
/// 1.2.840.113549.1.12.1.3: pbeWithSHAAnd3-KeyTripleDES-CBC.
const PBE_SHA1_3DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const IDENTIFIER: u8 = 0x06;
/// More rounds than anybody asks for: a file must not keep us busy for ever.
const ITERATIONS_MAX: u32 = 10_000_000;

/// An EncryptedPrivateKeyInfo of one of these ways.
pub struct OldKey<'a> {
    way: &'a [u8],
    salt: &'a [u8],
    iterations: u32,
    encrypted: &'a [u8],
}

impl<'a> OldKey<'a> {
    /// Reads DER; `None` when it is something else.
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let (info, _) = element(SEQUENCE, der)?;
        let (algorithm, rest) = element(SEQUENCE, info)?;
        let (encrypted, _) = element(OCTETS, rest)?;
        let (way, rest) = element(IDENTIFIER, algorithm)?;
        let (parameters, _) = element(SEQUENCE, rest)?;
        let (salt, rest) = element(OCTETS, parameters)?;
        let (iterations, _) = element(INTEGER, rest)?;
        let known = [PBE_MD5_DES, PBE_SHA1_DES, PBE_SHA1_3DES].contains(&way);
        let iterations = iterations
            .iter()
            .try_fold(0u32, |number, byte| number.checked_mul(256)?.checked_add(u32::from(*byte)))?;
        (known && iterations <= ITERATIONS_MAX).then_some(Self { way, salt, iterations, encrypted })
    }

    /// The key in PKCS#8; `None` when the password is wrong.
    pub fn decrypt(&self, password: &str) -> Option<Vec<u8>> {
        let decrypted = match self.way {
            PBE_MD5_DES => self.des(&self.pbkdf1::<Md5>(password)),
            PBE_SHA1_DES => self.des(&self.pbkdf1::<Sha1>(password)),
            _ => {
                let (key, iv) = (self.pkcs12(password, 1, 24), self.pkcs12(password, 2, 8));
                let cipher = cbc::Decryptor::<des::TdesEde3>::new_from_slices(&key, &iv).ok()?;
                cipher.decrypt_padded_vec::<Pkcs7>(self.encrypted).ok()
            }
        }?;
        // Padding may look right by chance; a PKCS#8 key is a sequence that takes all of it.
        element(SEQUENCE, &decrypted).is_some_and(|(_, rest)| rest.is_empty()).then_some(decrypted)
    }

    /// With the first eight bytes as key and the next eight as initial vector.
    fn des(&self, derived: &[u8]) -> Option<Vec<u8>> {
        let cipher =
            cbc::Decryptor::<des::Des>::new_from_slices(derived.get(..8)?, derived.get(8..16)?).ok()?;
        cipher.decrypt_padded_vec::<Pkcs7>(self.encrypted).ok()
    }

    /// RFC 8018, 5.1.
    fn pbkdf1<D: Digest>(&self, password: &str) -> Vec<u8> {
        let mut derived = D::new().chain_update(password.as_bytes()).chain_update(self.salt).finalize();
        for _ in 1..self.iterations {
            derived = D::digest(&derived);
        }
        derived.to_vec()
    }

    /// RFC 7292, appendix B, with SHA-1.
    fn pkcs12(&self, password: &str, id: u8, length: usize) -> Vec<u8> {
        const BLOCK: usize = 64;
        let mut text: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
        text.extend([0, 0]);
        let filled = |part: &[u8]| {
            part.iter().copied().cycle().take(part.len().div_ceil(BLOCK) * BLOCK).collect::<Vec<_>>()
        };
        let mut input = filled(self.salt);
        input.extend(filled(&text));
        let mut derived = Vec::new();
        while derived.len() < length {
            let mut hash = Sha1::new().chain_update([id; BLOCK]).chain_update(&input).finalize();
            for _ in 1..self.iterations {
                hash = Sha1::digest(hash);
            }
            derived.extend_from_slice(&hash);
            // Each block of the input, as a number, grows by the hash's repetition and one.
            for block in input.chunks_mut(BLOCK) {
                let mut carry = 1u16;
                for (place, byte) in block.iter_mut().enumerate().rev() {
                    carry += u16::from(*byte) + u16::from(hash[place % hash.len()]);
                    *byte = carry as u8;
                    carry >>= 8;
                }
            }
        }
        derived.truncate(length);
        derived
    }
}

/// The contents of the element at the beginning, and what is behind it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_key_is_none() {
        for der in [
            &b""[..],
            &[0x30],
            &[0x30, 0x03, 0x02, 0x01, 0x00],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x83, 1, 0, 0],
        ] {
            assert!(OldKey::parse(der).is_none(), "{der:?}");
        }
    }
}
