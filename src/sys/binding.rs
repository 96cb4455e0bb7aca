//! The TLS channel binding `tls-server-end-point` of RFC 5929: a hash of the server's certificate.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

use crate::sys::certificate::element;

/// 1.2.840.113549.1.1: RSA signatures.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4: ECDSA signatures.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// The binding for a certificate in DER: its hash by the algorithm of its own signature, MD5 and SHA-1 replaced with
/// SHA-256. `None` where the signature names no single hash (Ed25519, RSA-PSS), for which the RFC defines nothing.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = element(certificate)?;
    let (_, after_signed_part) = element(body)?;
    let (algorithm, _) = element(after_signed_part)?;
    let (identifier, _) = element(algorithm)?;
    Some(digest(hash_of(identifier)?, certificate).as_ref().to_vec())
}

fn hash_of(identifier: &[u8]) -> Option<&'static Algorithm> {
    let of_rsa = identifier.strip_prefix(RSA);
    match (of_rsa, identifier.strip_prefix(ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Some(&SHA256),
        (Some([12]), _) | (_, Some([3, 3])) => Some(&SHA384),
        (Some([13]), _) | (_, Some([3, 4])) => Some(&SHA512),
        _ => None,
    }
}
