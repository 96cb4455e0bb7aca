//! A small HTTP/1.1 client on limited streams: one connection, one request at a time, bounded answers.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

use crate::model::fault::Fault;
use crate::sys::net::{Address, Meter, dial};
use crate::sys::task::{self, Handle};
use crate::sys::tls::{Wish, secure};

/// Where requests go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Base {
    pub address: Address,
    /// The value of the Host header.
    pub host: String,
    /// TLS, for `https`.
    pub tls: Option<Wish>,
    pub user_agent: String,
    pub answer_bytes_max: usize,
}

/// A whole answer, already in memory and within its limit.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body as text, faulty bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client with one kept connection, which is opened anew when it is gone.
pub struct Client {
    base: Base,
    open: Option<Open>,
    /// Connections opened so far.
    pub opened: u64,
    /// The status of the latest request, also where the rest of its answer did not come whole; 0 where none came.
    pub status: u16,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    meter: Meter,
    /// Ends the connection's task when dropped.
    _driver: Handle<()>,
}

impl Client {
    pub fn new(base: Base) -> Client {
        Client { base, open: None, opened: 0, status: 0 }
    }

    /// Whether a connection stands.
    pub fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.sender.is_closed())
    }

    /// Sends one request and reads its whole answer. The caller sets the deadline; a call given up by its caller
    /// closes the connection.
    ///
    /// # Errors
    /// `net-*`, `tls-*` from connecting; `http-01`: the exchange broke; `http-02`: the answer is too large.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, Fault> {
        self.status = 0;
        let mut open = match self.open.take().filter(|open| !open.sender.is_closed()) {
            Some(open) => open,
            None => self.connect().await?,
        };
        open.meter.renew();
        let request = self.request(method, path, headers, body.into())?;
        let outcome = exchange(&mut open.sender, request, &mut self.status).await;
        match outcome {
            Ok(response) => {
                self.open = Some(open);
                Ok(response)
            }
            Err(_) if open.meter.is_exhausted() => Err(Fault::new(
                "http-02",
                format!("{} answered with more than {} bytes", self.base.address.text(), self.base.answer_bytes_max),
            )),
            Err(error) => {
                Err(Fault::new("http-01", format!("no whole answer from {}: {error}", self.base.address.text())))
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let wrong = |what: String| Fault::new("http-03", format!("a request cannot be made: {what}"));
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body));
        let all = request.as_mut().map_err(|error| wrong(error.to_string()))?.headers_mut();
        let own = [(HOST.as_str(), self.base.host.as_str()), (USER_AGENT.as_str(), self.base.user_agent.as_str())];
        for (name, value) in own.iter().chain(headers) {
            let name = HeaderName::try_from(*name).map_err(|_| wrong("a header has a faulty name".to_string()))?;
            // The value may be a secret, so the fault does not show it.
            let mut value =
                HeaderValue::try_from(*value).map_err(|_| wrong(format!("the header {name} has a faulty value")))?;
            value.set_sensitive(name == "authorization");
            all.insert(name, value);
        }
        request.map_err(|error| wrong(error.to_string()))
    }

    async fn connect(&mut self) -> Result<Open, Fault> {
        let mut stream = dial(&self.base.address, self.base.answer_bytes_max).await?;
        if let Some(wish) = &self.base.tls {
            stream = secure(stream, wish).await?;
        }
        let meter = stream.meter();
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::new("http-01", format!("no HTTP with {}: {error}", self.base.address.text())))?;
        self.opened += 1;
        let driver = task::spawn("http connection", async move {
            let _ = connection.await; // its end shows as an error of the request under way
        });
        Ok(Open { sender, meter, _driver: driver })
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    status: &mut u16,
) -> Result<Response, hyper::Error> {
    sender.ready().await?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    *status = parts.status.as_u16();
    let body = body.collect().await?.to_bytes().to_vec();
    Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Whether a status says that all went well.
pub fn is_success(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.is_success())
}
