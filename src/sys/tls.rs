//! TLS for outbound connections: rustls with aws-lc-rs, and faults that say in plain words what is wrong with a certificate.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::model::fault::Fault;
use crate::sys::binding;
use crate::sys::certificate;
use crate::sys::net::Stream;

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Trust {
    /// The system's authorities.
    #[default]
    System,
    /// The authorities in this PEM file, and no others.
    File(PathBuf),
    /// Anybody: encrypted, not verified. Only where the target says `insecure = true`, or asks for no more.
    Anybody,
}

/// What a TLS connection must be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wish {
    /// The name the certificate must be for.
    pub server_name: String,
    pub trust: Trust,
    /// Checks the chain but not the name, as `verify-ca` means.
    pub any_name: bool,
    /// Our own certificate and key, PEM, for servers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Refuses everything below TLS 1.3.
    pub only_13: bool,
}

/// Makes aws-lc-rs the process' one provider. Called first thing in main and in tests; a second call does nothing.
pub fn install_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Speaks TLS on a connected stream.
///
/// # Errors
/// `tls-01` to `tls-04`: what is wrong with the certificate, with a hint; or that the files cannot be used.
pub async fn secure(stream: Stream, wish: &Wish) -> Result<Stream, Fault> {
    secure_bound(stream, wish).await.map(|(secured, _)| secured)
}

/// What the server's certificate says.
pub struct Shown {
    /// The channel binding `tls-server-end-point`, which proves to a login that nobody sits in between. `None` where the
    /// certificate defines none.
    pub end_point: Option<Vec<u8>>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// Speaks TLS on a connected stream, and returns beside it what the server's certificate says.
///
/// # Errors
/// As `secure`.
pub async fn secure_bound(stream: Stream, wish: &Wish) -> Result<(Stream, Shown), Fault> {
    let config = client_config(wish)?;
    let name = ServerName::try_from(wish.server_name.clone())
        .map_err(|_| Fault::new("tls-01", format!("'{}' is not a name a certificate can be for", wish.server_name)))?;
    let (inner, meter) = stream.into_parts();
    let secured = TlsConnector::from(config).connect(name, inner).await.map_err(|error| failed(wish, &error))?;
    let certificate = secured.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let shown = Shown {
        end_point: certificate.and_then(|certificate| binding::server_end_point(certificate)),
        expires_ms: certificate.and_then(|certificate| certificate::expires_ms(certificate)),
    };
    Ok((Stream::from_parts(Box::new(secured), meter), shown))
}

/// The rustls configuration for a wish, for libraries that do the handshake themselves.
///
/// # Errors
/// `tls-02`, `tls-03`: a file of certificates or keys cannot be read or holds none.
pub fn client_config(wish: &Wish) -> Result<Arc<ClientConfig>, Fault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if wish.only_13 { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS13, &rustls::version::TLS12] };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| Fault::new("tls-02", format!("TLS cannot be set up: {error}")))?;
    let builder = match &wish.trust {
        Trust::Anybody => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient { chain: None, provider }))
        }
        trust if wish.any_name => {
            let roots = Arc::new(roots(trust)?);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| Fault::new("tls-02", format!("TLS cannot be set up: {error}")))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient { chain: Some(chain), provider }))
        }
        trust => builder.with_root_certificates(roots(trust)?),
    };
    let config = match &wish.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("private key", key, &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let file = certificate.display();
                Fault::new("tls-02", format!("the client certificate in {file} cannot be used: {error}"))
                    .hint("Is the key the one that was made for it?")
            })?
        }
    };
    Ok(Arc::new(config))
}

/// A file of certificates or keys that is no good.
pub fn unreadable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::new("tls-03", format!("cannot read the {what} in {}: {error}", path.display()))
        .hint("Is it a PEM file, and may the agent's user read it?")
}

/// All certificates of a PEM file, at least one.
///
/// # Errors
/// `tls-03`: the file cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| unreadable("certificates", path, &error))?.collect();
    let all = all.map_err(|error| unreadable("certificates", path, &error))?;
    if all.is_empty() { Err(unreadable("certificates", path, &"there is none in it")) } else { Ok(all) }
}

fn roots(trust: &Trust) -> Result<RootCertStore, Fault> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    match trust {
        Trust::File(path) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates(path)? {
                store.add(certificate).map_err(|error| unreadable("certificates", path, &error))?;
            }
            Ok(store)
        }
        Trust::System | Trust::Anybody => Ok(SYSTEM
            .get_or_init(|| {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                store
            })
            .clone()),
    }
}

fn failed(wish: &Wish, error: &std::io::Error) -> Fault {
    let name = &wish.server_name;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = inner else {
        return Fault::new("tls-04", format!("TLS with '{name}' failed: {error}"))
            .hint("Does the server speak TLS on this port, in version 1.2 or newer?");
    };
    let (what, hint) = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired", "Renew the server's certificate; is this machine's clock right?")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "Is this machine's clock right?")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("is for another host", "Use the name that stands in the certificate, or issue one for this name.")
        }
        // A bad signature mostly means an authority made anew under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ("is signed by an authority that is not trusted", "Name the authority's certificate in ca_file.")
        }
        CertificateError::Revoked => ("is revoked", "Issue a new certificate."),
        _ => ("is not acceptable", "Look at the certificate with openssl s_client."),
    };
    Fault::new("tls-05", format!("the certificate of '{name}' {what}")).detail(format!("TLS said: {error}.")).hint(hint)
}

/// Forgives what the wish forgives. Signatures are still checked, so the peer does own the key it shows.
#[derive(Debug)]
struct Lenient {
    /// Checks the chain and the dates, where only the name is forgiven; `None` forgives everything.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
