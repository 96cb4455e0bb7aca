//! The webhook: one POST, signed, with a deadline; redirects are not followed, answers are bounded.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::{Method, Uri};

use crate::alert::retry::{Verdict, verdict};
use crate::alert::signature;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::secret::Secret;
use crate::model::target::SecretSource;
use crate::sys::http::{Base, Client, Response};
use crate::sys::net::Address;
use crate::sys::tls::{Trust, Wish};
use crate::sys::{secrets, task};

/// The most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The most of an answer that is kept, in characters.
const WORDS_MAX: usize = 300;
/// A path shorter than this is no secret, in bytes: words of an answer that merely resemble it stay readable.
const SECRET_PATH_BYTES_MIN: usize = 8;

/// How a receiver is posted to.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    pub endpoint: Endpoint,
    /// What messages are signed with; they go unsigned where there is none.
    pub secret: SecretSource,
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
}

/// A URL, taken apart. Path, query and user may be secrets, and are kept as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    path: Secret,
    /// The password of the URL, and what name and password become in the Authorization header.
    user: Option<(Secret, Secret)>,
}

impl Endpoint {
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn read(url: &str) -> Result<Endpoint, String> {
        if !url.contains("://") {
            return Err("it has no scheme".to_string());
        }
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            other => return Err(format!("'{}' is not a scheme for webhooks", other.unwrap_or(""))),
        };
        let host = uri.host().unwrap_or("").trim_start_matches('[').trim_end_matches(']').to_string();
        if host.is_empty() {
            return Err("it names no host".to_string());
        }
        let user = uri.authority().and_then(|all| all.as_str().rsplit_once('@')).map(|(user, _)| basic(user));
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Endpoint { tls, host, port, path: Secret::new(path), user })
    }

    fn address(&self) -> Address {
        Address::Tcp { host: self.host.clone(), port: self.port }
    }

    /// The Host header: the port only where it is not the scheme's own.
    fn authority(&self) -> String {
        let text = self.address().text();
        let usual = if self.tls { ":443" } else { ":80" };
        text.strip_suffix(usual).map_or(text.clone(), str::to_string)
    }
}

/// A user part `name:password` as password and credentials (RFC 7617).
fn basic(user: &str) -> (Secret, Secret) {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (name, password) = (decoded(name), decoded(password));
    let credentials = BASE64.encode(format!("{name}:{password}"));
    (Secret::new(password), Secret::new(credentials))
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub verdict: Verdict,
    /// `None` where there was no answer.
    pub status: Option<u16>,
    /// The receiver's words, cut short and without secrets; or why there are none.
    pub words: String,
    /// Whether the answer was too large to be read to its end: then nobody knows what it was.
    pub is_oversized: bool,
}

/// One webhook with its kept connection.
pub struct Poster {
    webhook: Webhook,
    client: Client,
}

impl Poster {
    pub fn new(webhook: &Webhook) -> Poster {
        let endpoint = &webhook.endpoint;
        let trust = webhook.ca_file.clone().map_or(Trust::System, Trust::File);
        let wish = Wish { server_name: endpoint.host.clone(), trust, ..Wish::default() };
        let client = Client::new(Base {
            address: endpoint.address(),
            host: endpoint.authority(),
            tls: endpoint.tls.then_some(wish),
            user_agent: format!("watchward/{}", env!("CARGO_PKG_VERSION")),
            answer_bytes_max: ANSWER_BYTES_MAX,
        });
        Poster { webhook: webhook.clone(), client }
    }

    /// Whether this still posts as configured.
    pub fn is_for(&self, webhook: &Webhook) -> bool {
        self.webhook == *webhook
    }

    /// Sends one message and reads the answer; takes no longer than the webhook's time-out.
    pub async fn post(&mut self, delivery: &str, body: Vec<u8>, wall_ms: i64) -> Reply {
        let source = self.webhook.secret.clone();
        let secret = match task::blocking("secret", move || secrets::read(&source)).await {
            Ok(Ok(secret)) => secret,
            Ok(Err(fault)) => return unanswered(fault.what, false),
            Err(words) => return unanswered(words, false),
        };
        if secret.as_ref().is_some_and(Secret::is_empty) {
            return unanswered("the secret to sign with is empty".to_string(), false);
        }
        let signature = secret.as_ref().map(|secret| signature::header(secret, wall_ms.div_euclid(1000), &body));
        let mut headers = vec![("content-type", "application/json"), ("x-watchward-delivery", delivery)];
        headers.extend(signature.as_deref().map(|value| ("x-watchward-signature", value)));
        let user = self.webhook.endpoint.user.as_ref();
        let authorization = user.map(|(_, credentials)| format!("Basic {}", credentials.expose()));
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let path = self.webhook.endpoint.path.clone();
        let sent = self.client.send(Method::POST, path.expose(), &headers, body);
        match tokio::time::timeout(self.webhook.timeout, sent).await {
            Ok(Ok(response)) => self.answered(&response, secret.as_ref(), wall_ms),
            Ok(Err(fault)) => failed(fault),
            Err(_) => unanswered(format!("no answer within {}", duration::format(self.webhook.timeout)), false),
        }
    }

    fn answered(&self, response: &Response, secret: Option<&Secret>, wall_ms: i64) -> Reply {
        let verdict = verdict(response.status, response.header("retry-after"), wall_ms);
        let endpoint = &self.webhook.endpoint;
        let path = endpoint.path.expose().trim_start_matches('/');
        let mut hidden: Vec<&str> = secret.iter().map(|secret| secret.expose()).collect();
        hidden.extend(endpoint.user.iter().flat_map(|(password, both)| [password.expose(), both.expose()]));
        hidden.extend(Some(path).filter(|path| path.len() >= SECRET_PATH_BYTES_MIN));
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len())); // one may be part of another
        Reply { verdict, status: Some(response.status), words: words(&response.text(), &hidden), is_oversized: false }
    }
}

fn failed(fault: Fault) -> Reply {
    let is_oversized = fault.code == "http-02";
    unanswered(fault.what, is_oversized)
}

fn unanswered(words: String, is_oversized: bool) -> Reply {
    Reply { verdict: Verdict::Retry { not_before: None }, status: None, words, is_oversized }
}

/// The beginning of an answer on one line, with everything secret struck out.
fn words(answer: &str, hidden: &[&str]) -> String {
    let mut text = answer.to_string();
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}
