//! A receiver for tests: a real HTTP server on loopback that answers as told and remembers what it got.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use watchward::sys::task::{self, Handle};

/// How the sink answers one request. After the last of a script it answers 200.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// A status, header lines, and a body.
    Full(u16, String, String),
    /// Never answers.
    Hang,
    /// Reads the request and closes the connection.
    Close,
    /// Answers 200 after a while.
    Slow(Duration),
}

/// A request that the sink got whole.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub raw: Vec<u8>,
    pub body: Value,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split(':').next().is_some_and(|part| part.eq_ignore_ascii_case(name));
        self.head.lines().skip(1).find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    /// `firing +A -B`: the status, then each alert with its own.
    pub fn short(&self) -> String {
        let mut text = self.body["status"].as_str().unwrap_or("?").to_string();
        for alert in self.body["alerts"].as_array().unwrap_or(&Vec::new()) {
            let sign = if alert["status"] == "firing" { '+' } else { '-' };
            text.push_str(&format!(" {sign}{}", alert["labels"]["alertname"].as_str().unwrap_or("?")));
        }
        text
    }
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Answer>,
    seen: Vec<Seen>,
}

/// The running server; it ends with this value.
pub struct Sink {
    address: SocketAddr,
    /// The certificate of its authority, where it speaks TLS.
    pub authority: Option<String>,
    shared: Arc<Mutex<Shared>>,
    _server: Handle<()>,
}

impl Sink {
    pub async fn start() -> Sink {
        Sink::start_with(None, None).await
    }

    /// One that speaks TLS, with a certificate for 127.0.0.1 of an authority made for it.
    pub async fn start_tls() -> Sink {
        watchward::sys::tls::install_provider();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Sink::start_with(Some(TlsAcceptor::from(Arc::new(config))), Some(authority.pem())).await
    }

    async fn start_with(acceptor: Option<TlsAcceptor>, authority: Option<String>) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let server = serve(listener, acceptor, shared.clone());
        Sink { address, authority, shared, _server: task::spawn("sink", server) }
    }

    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/hook", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().unwrap().script.extend(answers);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    /// What came, message by message, since the last call.
    pub fn take(&self) -> String {
        let seen = std::mem::take(&mut self.shared.lock().unwrap().seen);
        seen.iter().map(Seen::short).collect::<Vec<_>>().join(" | ")
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Mutex<Shared>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, acceptor) = (shared.clone(), acceptor.clone());
        task::spawn("sink connection", async move {
            let _ = match acceptor {
                None => converse(stream, &shared).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => converse(stream, &shared).await,
                    Err(error) => Err(error),
                },
            };
        })
        .detach();
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Mutex<Shared>) -> io::Result<()> {
    while let Some(seen) = read_request(&mut stream).await? {
        let answer = {
            let mut shared = shared.lock().unwrap();
            shared.seen.push(seen);
            shared.script.pop_front().unwrap_or(Answer::Status(200))
        };
        match answer {
            Answer::Status(status) => write_answer(&mut stream, status, "", "").await?,
            Answer::Full(status, headers, body) => write_answer(&mut stream, status, &headers, &body).await?,
            Answer::Slow(wait) => {
                tokio::time::sleep(wait).await;
                write_answer(&mut stream, 200, "", "").await?;
            }
            Answer::Hang => std::future::pending().await,
            Answer::Close => return Ok(()),
        }
    }
    Ok(())
}

async fn write_answer(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} Words\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(text.as_bytes()).await
}

/// One request with its body; `None` at the end of the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Seen>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let end = at + 4 + length.unwrap_or(0_usize);
            while bytes.len() < end {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(None);
                }
            }
            let raw = bytes[at + 4..end].to_vec();
            let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
            return Ok(Some(Seen { head, raw, body }));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}
