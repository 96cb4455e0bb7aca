//! Outbound streams with a limit on every answer: a server gone mad must not kill the agent.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use crate::model::fault::Fault;
use crate::sys::task;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// As people write it: `db1:5432`, `[::1]:5432`, `/run/x.sock`.
    pub fn text(&self) -> String {
        match self {
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(path) => path.display().to_string(),
        }
    }
}

/// The allowance of a stream: how many bytes the answer under way may still have.
#[derive(Clone, Debug)]
pub struct Meter {
    left: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    answer_bytes_max: u64,
}

impl Meter {
    fn new(answer_bytes_max: usize) -> Meter {
        let answer_bytes_max = answer_bytes_max as u64;
        Meter { left: Arc::new(AtomicU64::new(answer_bytes_max)), read: Arc::default(), answer_bytes_max }
    }

    /// Grants the next answer its full allowance. Call before each request.
    pub fn renew(&self) {
        self.left.store(self.answer_bytes_max, Ordering::Relaxed);
    }

    /// Whether the last answer was cut off for its size.
    pub fn is_exhausted(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// All bytes ever read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// The words of the error that ends an answer which is too large.
pub const TOO_LARGE: &str = "the answer is larger than allowed";

/// A connected stream whose answers are limited: plain TCP, Unix, or TLS on one of them.
pub struct Stream {
    inner: Box<dyn Duplex>,
    meter: Meter,
}

/// What a stream is made of.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Stream {
    /// Puts a limit on any stream.
    pub fn limited(inner: impl Duplex + 'static, answer_bytes_max: usize) -> Stream {
        Stream { inner: Box::new(inner), meter: Meter::new(answer_bytes_max) }
    }

    /// The same allowance over another layer, such as TLS on this stream.
    pub fn layered(self, wrap: impl FnOnce(Box<dyn Duplex>) -> Box<dyn Duplex>) -> Stream {
        Stream { inner: wrap(self.inner), meter: self.meter }
    }

    /// A handle on this stream's allowance.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Its parts, for a layer that is put on it by an asynchronous handshake.
    pub fn into_parts(self) -> (Box<dyn Duplex>, Meter) {
        (self.inner, self.meter)
    }

    /// A stream of parts taken apart before.
    pub fn from_parts(inner: Box<dyn Duplex>, meter: Meter) -> Stream {
        Stream { inner, meter }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.meter.left.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(TOO_LARGE)));
        }
        let room = buf.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let got = part.filled().len();
        buf.advance(got);
        self.meter.left.store(left - got as u64, Ordering::Relaxed);
        self.meter.read.fetch_add(got as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Connects, without TLS. The caller sets the deadline.
///
/// # Errors
/// `net-01`: nobody listens there, the name is unknown, or the network refuses.
pub async fn dial(address: &Address, answer_bytes_max: usize) -> Result<Stream, Fault> {
    let opened = match address {
        Address::Tcp { host, port } => connect(host, *port).await.map(|stream| {
            let _ = stream.set_nodelay(true); // an answer may wait for a delayed acknowledgement; not worth failing for
            Stream::limited(stream, answer_bytes_max)
        }),
        Address::Unix(path) => UnixStream::connect(path).await.map(|stream| Stream::limited(stream, answer_bytes_max)),
    };
    opened.map_err(|error| refused(address, &error))
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = resolve(host, port).await?;
    TcpStream::connect(&addresses[..]).await
}

/// Looks a name up on a thread of its own: a name server that does not answer holds up whoever asked for that name,
/// and nobody else. A link does one thing at a time, so there are as many look-ups as it dials at once: one, or a few
/// where a name stands for several servers.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (tell, told) = oneshot::channel();
    let name = host.to_string();
    task::thread("resolve", move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        let _ = tell.send(found); // whoever asked may have given up
    })?;
    told.await.unwrap_or_else(|_| Err(io::Error::other("the look-up broke off")))
}

fn refused(address: &Address, error: &io::Error) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "Is the server running, and does it listen on this address?",
        io::ErrorKind::NotFound => "Is the server running, and is this the path of its socket?",
        io::ErrorKind::PermissionDenied => "May the agent's user open this socket?",
        _ => "Is the host name right, and does the network let this machine reach it?",
    };
    Fault::new("net-01", format!("cannot connect to {}: {error}", address.text())).hint(hint)
}
