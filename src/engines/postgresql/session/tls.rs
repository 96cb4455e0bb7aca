//! How a connection is encrypted: libpq's `sslmode` in our terms, and the driver's door to `sys::tls`.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::model::fault::Fault;
use crate::model::target::Target;
use crate::sys::net::Stream;
use crate::sys::tls::{Shown, Trust, Wish, secure_bound};

/// What a mode checks of the server's certificate.
#[derive(Clone, Copy, PartialEq)]
enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

/// One value of `sslmode`. The sentence says what a remote connection lacks with it.
struct Mode {
    word: &'static str,
    driver: SslMode,
    check: Check,
    lacks: &'static str,
}

/// `allow` is taken as `prefer`: it would begin in plain text and encrypt only where the server insists.
const MODES: [Mode; 6] = [
    Mode {
        word: "disable",
        driver: SslMode::Disable,
        check: Check::Nothing,
        lacks: "sslmode=disable sends everything in plain text",
    },
    Mode {
        word: "allow",
        driver: SslMode::Prefer,
        check: Check::Nothing,
        lacks: "sslmode=allow goes on in plain text where the server offers no TLS",
    },
    Mode {
        word: "prefer",
        driver: SslMode::Prefer,
        check: Check::Nothing,
        lacks: "sslmode=prefer goes on in plain text where the server offers no TLS",
    },
    Mode {
        word: "require",
        driver: SslMode::Require,
        check: Check::Nothing,
        lacks: "sslmode=require encrypts but does not check who answers",
    },
    Mode {
        word: "verify-ca",
        driver: SslMode::Require,
        check: Check::Chain,
        lacks: "sslmode=verify-ca without ca_file takes any certificate that a public authority signed",
    },
    Mode { word: "verify-full", driver: SslMode::Require, check: Check::ChainAndName, lacks: "" },
];

/// How a target's connection is encrypted.
pub struct Encryption {
    pub mode: SslMode,
    pub wish: Wish,
    /// Whether a stranger in between would be noticed; else the sentence that says why not.
    pub verified: Result<(), &'static str>,
}

/// Works it out from the URL's `sslmode`, `sslrootcert`, `sslcert`, `sslkey` and the target's `ca_file`. Without
/// `sslmode` a remote server must prove itself (`verify-full`), unless the target is `insecure`; loopback `prefer`s.
/// As in libpq, `require` with an authority's certificate is `verify-ca`.
///
/// # Errors
/// `postgresql-02`: there is no such mode.
pub fn encryption(target: &Target) -> Result<Encryption, Fault> {
    let parameter = |name: &str| target.url.parameters.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let usual = if target.is_local() || target.insecure { "prefer" } else { "verify-full" };
    let on_socket = target.url.host.starts_with('/');
    let word = if on_socket { "disable" } else { parameter("sslmode").unwrap_or(usual) };
    let Some(mode) = MODES.iter().find(|mode| mode.word == word) else {
        let words: Vec<&str> = MODES.iter().map(|mode| mode.word).collect();
        return Err(Fault::new("postgresql-02", format!("'{word}' is no sslmode"))
            .hint(format!("Use one of {}.", words.join(", "))));
    };
    let authority = target.ca_file.clone().or_else(|| parameter("sslrootcert").map(PathBuf::from));
    let check = if mode.word == "require" && authority.is_some() { Check::Chain } else { mode.check };
    let private_chain = check == Check::Chain && authority.is_some();
    let trust = match (check, authority) {
        (Check::Nothing, _) => Trust::Anybody,
        (_, Some(file)) => Trust::File(file),
        (_, None) => Trust::System,
    };
    let identity = parameter("sslcert").zip(parameter("sslkey")).map(|(cert, key)| (cert.into(), key.into()));
    Ok(Encryption {
        mode: mode.driver,
        wish: Wish {
            server_name: target.url.host.clone(),
            trust,
            any_name: check == Check::Chain,
            identity,
            only_13: false,
        },
        verified: if check == Check::ChainAndName || private_chain { Ok(()) } else { Err(mode.lacks) },
    })
}

/// Does the handshake when the driver has asked the server for it.
pub struct Tls {
    pub wish: Wish,
    /// Is told when the server's certificate ends.
    pub expires_ms: Arc<OnceLock<i64>>,
}

impl TlsConnect<Stream> for Tls {
    type Stream = Secured;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Secured, Fault>> + Send>>;

    fn connect(self, stream: Stream) -> Self::Future {
        Box::pin(async move {
            let (stream, Shown { end_point, expires_ms }) = secure_bound(stream, &self.wish).await?;
            if let Some(ends) = expires_ms {
                let _ = self.expires_ms.set(ends); // told once: there is one handshake
            }
            Ok(Secured { stream, end_point })
        })
    }
}

/// An encrypted stream that can prove to a SCRAM login which certificate it ends at.
pub struct Secured {
    stream: Stream,
    end_point: Option<Vec<u8>>,
}

impl TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        self.end_point.clone().map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
