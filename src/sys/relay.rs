//! A private socket for drivers that open their own connections: behind it we dial, speak TLS and limit every answer.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::model::fault::Fault;
use crate::sys::net::{Address, Meter, Stream, dial};
use crate::sys::task::{self, Handle};
use crate::sys::tls::{Wish, secure};

/// How many bytes are carried at a time, in each direction.
const CHUNK_BYTES: usize = 16 << 10;

/// Where a relay leads, and what it lets through.
#[derive(Clone, Debug)]
pub struct Road {
    pub address: Address,
    /// TLS towards the server; the driver's side is always plain, for it never leaves the process.
    pub tls: Option<Wish>,
    /// The most that may come back for what was sent last, in bytes.
    pub answer_bytes_max: usize,
    /// How the server's messages are told apart, so that one which announces too much is stopped before the driver
    /// reserves memory for it.
    pub framing: Framing,
    /// Looks at each message that can be told apart before the driver sees it: what is wrong with it, as the rest of a
    /// sentence.
    pub inspect: fn(&[u8]) -> Result<(), &'static str>,
    pub connections_max: usize,
    /// How long connecting, TLS included, may take.
    pub connect: Duration,
}

/// How messages follow each other in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    /// Each begins with its own whole length: four bytes, the lowest first.
    LengthFirst,
}

/// An open relay. Dropping it closes its connections and its socket.
///
/// The socket has no file: its name is a random one in the kernel's abstract namespace, it is gone with the process
/// however that ends, and only this very process may connect.
pub struct Relay {
    path: PathBuf,
    shared: Arc<Shared>,
    _acceptor: Handle<()>,
}

struct Shared {
    road: Road,
    opened: AtomicU64,
    /// The newest reason why a connection could not be made or had to end.
    fault: Mutex<Option<Fault>>,
    faults: watch::Sender<u64>,
}

impl Shared {
    fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        self.faults.send_modify(|count| *count += 1);
    }
}

impl Relay {
    /// Opens the socket; nothing is dialled before the driver connects.
    ///
    /// # Errors
    /// `relay-01`: the system gives no socket.
    pub fn open(road: Road) -> Result<Relay, Fault> {
        let unmade = |error: &dyn std::fmt::Display| {
            Fault::new("relay-01", format!("no private socket for {}: {error}", road.address.text()))
        };
        let path = hidden_path().map_err(|error| unmade(&error))?;
        let listener = UnixListener::bind(&path).map_err(|error| unmade(&error))?;
        let shared = Arc::new(Shared {
            road,
            opened: AtomicU64::new(0),
            fault: Mutex::new(None),
            faults: watch::Sender::new(0),
        });
        let acceptor = task::spawn("relay", accept(listener, shared.clone()));
        Ok(Relay { path, shared, _acceptor: acceptor })
    }

    /// What the driver is to connect to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Connections made to the server so far.
    pub fn opened(&self) -> u64 {
        self.shared.opened.load(Ordering::Relaxed)
    }

    /// The newest reason why a connection could not be made or had to end, in better words than the driver can have.
    pub fn fault(&self) -> Option<Fault> {
        self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the newest reason, so that the next one is known to be new.
    pub fn forget(&self) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for a reason; one that is already known counts.
    pub async fn failed(&self) -> Fault {
        let mut faults = self.shared.faults.subscribe();
        loop {
            if let Some(fault) = self.fault() {
                return fault;
            }
            // The sender lives as long as this relay, so waiting cannot fail.
            let _ = faults.changed().await;
        }
    }
}

/// A name that nobody can guess. Its first byte is zero, which makes it an abstract one.
fn hidden_path() -> io::Result<PathBuf> {
    let mut random = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system has no random bytes"))?;
    let name = random.iter().fold(String::from("\0watchward-"), |name, byte| format!("{name}{byte:02x}"));
    Ok(PathBuf::from(OsString::from_vec(name.into_bytes())))
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((near, _)) if !is_own(&near) => drop(near), // abstract names are open to every local user
                Ok((near, _)) if carried.len() < shared.road.connections_max => {
                    let shared = shared.clone();
                    carried.spawn(async move { carry(near, &shared).await });
                }
                Ok(_) => shared.fail(Fault::new("relay-02", "the driver wants more connections than it may have")),
                // Out of file descriptors: the driver sees its connection fail or hang, and its caller has a deadline.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = carried.join_next() => {}
        }
    }
}

fn is_own(near: &UnixStream) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    near.peer_cred().is_ok_and(|peer| peer.pid().is_some() && peer.pid() == own)
}

/// Carries one connection of the driver to its end.
async fn carry(near: UnixStream, shared: &Shared) {
    let road = &shared.road;
    let connected = timeout(road.connect, connect(road)).await.unwrap_or_else(|_| {
        Err(Fault::new("relay-03", format!("{} did not answer within {:?}", road.address.text(), road.connect))
            .hint("Does something drop packets between here and there, or is the server overloaded?"))
    });
    let far = match connected {
        Ok(far) => far,
        Err(fault) => return shared.fail(fault),
    };
    shared.opened.fetch_add(1, Ordering::Relaxed);
    let meter = far.meter();
    let (far_read, far_write) = tokio::io::split(far);
    let (near_read, near_write) = tokio::io::split(near);
    tokio::select! {
        () = requests(near_read, far_write, &meter) => {}
        fault = answers(far_read, near_write, &meter, road) => if let Some(fault) = fault { shared.fail(fault) },
    }
}

async fn connect(road: &Road) -> Result<Stream, Fault> {
    let stream = dial(&road.address, road.answer_bytes_max).await?;
    match &road.tls {
        Some(wish) => secure(stream, wish).await,
        None => Ok(stream),
    }
}

/// Carries what the driver sends. Each piece is a request or a part of one, and renews what may come back.
async fn requests(mut near: ReadHalf<UnixStream>, mut far: WriteHalf<Stream>, meter: &Meter) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(size @ 1..) = near.read(&mut chunk).await {
        meter.renew();
        if far.write_all(&chunk[..size]).await.is_err() || far.flush().await.is_err() {
            // Gone: the other direction hears it too, and knows more.
            std::future::pending::<()>().await;
        }
    }
}

/// Carries what the server sends; returns why that had to end, or `None` where the driver went away.
async fn answers(
    mut far: ReadHalf<Stream>,
    mut near: WriteHalf<UnixStream>,
    meter: &Meter,
    road: &Road,
) -> Option<Fault> {
    let server = road.address.text();
    let mut frames = Frames::new(road.answer_bytes_max);
    let mut chunk = vec![0; CHUNK_BYTES];
    // What is not a whole message yet.
    let mut held = Vec::new();
    loop {
        let size = match far.read(&mut chunk).await {
            Ok(0) => return Some(closed(&server, "it closed the connection")),
            Ok(size) => size,
            Err(_) if meter.is_exhausted() => {
                let what = format!("{server} answered with more than {} bytes", road.answer_bytes_max);
                return Some(Fault::new("relay-04", what).hint(WRONG_HINT));
            }
            Err(error) => return Some(closed(&server, &error.to_string())),
        };
        if road.framing == Framing::LengthFirst
            && let Err(announced) = frames.pass(&chunk[..size])
        {
            let what = format!("{server} announced a message of {announced} bytes");
            let detail = format!("Messages of 4 to {} bytes are let through.", road.answer_bytes_max);
            return Some(Fault::new("relay-04", what).detail(detail).hint(WRONG_HINT));
        }
        if road.framing == Framing::None {
            if near.write_all(&chunk[..size]).await.is_err() {
                return None;
            }
            continue;
        }
        held.extend_from_slice(&chunk[..size]);
        let whole = match inspected(&held, road.inspect) {
            Ok(whole) => whole,
            Err(wrong) => {
                let what = format!("{server} sent {wrong}");
                return Some(Fault::new("relay-06", what).hint(WRONG_HINT));
            }
        };
        if near.write_all(&held[..whole]).await.is_err() {
            return None;
        }
        held.drain(..whole);
        if held.is_empty() {
            held.shrink_to(CHUNK_BYTES); // one large answer must not be paid for ever after
        }
    }
}

/// How many of these bytes are whole messages, all of which may pass.
fn inspected(held: &[u8], inspect: fn(&[u8]) -> Result<(), &'static str>) -> Result<usize, &'static str> {
    let mut whole = 0;
    while let Some((length, _)) = held[whole..].split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize; // not more than is allowed: it has been followed already
        let Some(message) = held[whole..].get(..length) else { break };
        inspect(message)?;
        whole += length;
    }
    Ok(whole)
}

const WRONG_HINT: &str = "Is this really the server that was meant, and in good health?";

fn closed(server: &str, why: &str) -> Fault {
    Fault::new("relay-05", format!("no whole answer from {server}: {why}"))
        .hint("Was the server stopped, or is there something between that cuts connections?")
}

/// Follows messages that begin with their own length.
pub struct Frames {
    message_bytes_max: u64,
    head: [u8; 4],
    head_bytes: usize,
    /// What is still to come of the message under way.
    left: u64,
}

impl Frames {
    pub fn new(message_bytes_max: usize) -> Frames {
        Frames { message_bytes_max: message_bytes_max as u64, head: [0; 4], head_bytes: 0, left: 0 }
    }

    /// Takes note of the next bytes, or says what length a message among them announces that it may not have.
    pub fn pass(&mut self, mut bytes: &[u8]) -> Result<(), u64> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let size = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= size as u64;
                bytes = &bytes[size..];
                continue;
            }
            self.head[self.head_bytes] = bytes[0];
            self.head_bytes += 1;
            bytes = &bytes[1..];
            if self.head_bytes == self.head.len() {
                let announced = u64::from(u32::from_le_bytes(self.head));
                if announced < self.head.len() as u64 || announced > self.message_bytes_max {
                    return Err(announced);
                }
                self.left = announced - self.head.len() as u64;
                self.head_bytes = 0;
            }
        }
        Ok(())
    }
}
