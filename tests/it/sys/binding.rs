//! The channel binding of a server's certificate.

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use proptest::prelude::*;
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm,
};
use watchward::sys::binding::server_end_point;

fn certificate(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let params = CertificateParams::new(vec!["db1".to_string()]).expect("a name");
    params.self_signed(&key).expect("a certificate").der().to_vec()
}

#[test]
fn a_certificate_is_hashed_by_the_algorithm_of_its_signature() {
    let p256 = certificate(&PKCS_ECDSA_P256_SHA256);
    assert_eq!(server_end_point(&p256).as_deref(), Some(digest(&SHA256, &p256).as_ref()));
    let p384 = certificate(&PKCS_ECDSA_P384_SHA384);
    assert_eq!(server_end_point(&p384).as_deref(), Some(digest(&SHA384, &p384).as_ref()));
    assert_eq!(server_end_point(&certificate(&PKCS_ED25519)), None, "for which the RFC defines none");
}

proptest! {
    #[test]
    fn what_is_no_certificate_has_no_binding_and_breaks_nothing(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = server_end_point(&bytes);
        let mut cut = certificate(&PKCS_ECDSA_P256_SHA256);
        cut.truncate(bytes.len());
        prop_assert_eq!(server_end_point(&cut), None);
    }
}
