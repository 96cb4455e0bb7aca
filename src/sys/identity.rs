//! The agent's own certificate and key, for its TLS door. Both are read anew when their files change; a new pair that is
//! no good keeps the old one in force.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::model::fault::Fault;
use crate::sys::certificate;
use crate::sys::files;
use crate::sys::tls::{certificates, unreadable};

/// Where the pair stands, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities of clients: with it, who has no certificate of theirs is not let in.
    pub client_ca: Option<PathBuf>,
}

/// A pair that is in force.
pub struct Pair {
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
    /// When the certificate ends, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// What looking at the files brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// They are as they were.
    Same,
    /// A new pair is in force.
    New,
    /// They changed, and cannot be used: the old pair stays in force. Told once for each change.
    Refused(Fault),
}

type Version = Option<(u128, u64)>;

/// The pair in force, and the files it came from.
pub struct Identity {
    files: Files,
    pair: RwLock<Arc<Pair>>,
    seen: Mutex<[Version; 3]>,
    /// Why the files as they are now are not in use.
    refused: Mutex<Option<Fault>>,
}

impl Identity {
    /// Reads the pair.
    ///
    /// # Errors
    /// As `read`.
    pub fn load(files: Files) -> Result<Identity, Fault> {
        let seen = versions(&files);
        let pair = read(&files)?;
        Ok(Identity { files, pair: RwLock::new(Arc::new(pair)), seen: Mutex::new(seen), refused: Mutex::default() })
    }

    /// Looks at the files, and takes a new pair over.
    pub fn refresh(&self) -> Refreshed {
        let now = versions(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Refreshed::Same;
        }
        *seen = now;
        let pair = read(&self.files);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = pair.as_ref().err().cloned();
        match pair {
            Ok(pair) => {
                *self.pair.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                Refreshed::New
            }
            Err(fault) => Refreshed::Refused(fault),
        }
    }

    /// Why the files as they are now are not in use; `None` where they are.
    pub fn complaint(&self) -> Option<Fault> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pair in force.
    pub fn pair(&self) -> Arc<Pair> {
        self.pair.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Speaks TLS with those who come from now on.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.pair().config.clone())
    }

    /// Whether the certificate is for a name or an address.
    pub fn is_for(&self, name: &str) -> bool {
        let pair = self.pair();
        let Ok(parsed) = ParsedCertificate::try_from(&pair.leaf) else { return false };
        let name = match name.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => match ServerName::try_from(name) {
                Ok(name) => name,
                Err(_) => return false,
            },
        };
        rustls::client::verify_server_name(&parsed, &name).is_ok()
    }
}

fn versions(files: &Files) -> [Version; 3] {
    let version = |path: &Path| files::version(path);
    [version(&files.certificate), version(&files.key), files.client_ca.as_deref().and_then(version)]
}

/// Reads a pair and checks that it can be used.
///
/// # Errors
/// `tls-03`: a file cannot be read, or holds none. `tls-06`: the key is not the certificate's. `tls-07`: TLS refuses them.
pub fn read(files: &Files) -> Result<Pair, Fault> {
    let chain = certificates(&files.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable("private key", &files.key, &error))?;
    let refused = |error: &dyn std::fmt::Display| {
        Fault::new("tls-07", format!("the certificate in {} cannot be used: {error}", files.certificate.display()))
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| refused(&error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|error| unreadable("certificates", path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| refused(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let Some(leaf) = chain.first().cloned() else { return Err(refused(&"there is none in it")) };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let (certificate, key) = (files.certificate.display(), files.key.display());
            Fault::new("tls-06", format!("the key in {key} does not belong to the certificate in {certificate}"))
                .hint("Is the server's own certificate the first in its file, and was the key renewed with it?")
        }
        error => refused(&error),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let expires_ms = certificate::expires_ms(&leaf);
    Ok(Pair { config: Arc::new(config), leaf, expires_ms })
}
