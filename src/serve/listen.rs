//! The doors: a TCP listener on loopback and the agent's Unix socket. Limits on headers, time and connections.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::model::fault::Fault;
use crate::serve::gate::Visitor;
use crate::serve::shared::{Shared, stopped};
use crate::sys::listen::{Tcp, Unix};
use crate::sys::task;

/// How long a client may take to send its request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The most that a request's head may weigh.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long a connection may last; then it is ended at its next pause. Upgraded streams have rules of their own.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// How long what is under way then may still take: who does not read is not waited for.
const LEAVING_TIME: Duration = Duration::from_secs(15);
/// Connections at once at each door; more wait in the system's queue. The doors do not share: whoever takes all places
/// of one locks nobody out of the other.
const CONNECTIONS_MAX: usize = 256;

/// The bound doors, before anybody is let in.
pub struct Doors {
    tcp: Tcp,
    unix: Option<Unix>,
}

impl Doors {
    /// Opens both doors. A socket file that is there already is a dead agent's: the lock on the folder is ours.
    ///
    /// # Errors
    /// `serve-02`: the address is taken or not ours; `serve-03`: the socket cannot be made.
    pub async fn open(listen: SocketAddr, socket: Option<&Path>) -> Result<Doors, Fault> {
        let tcp = Tcp::bind(listen).await.map_err(|error| {
            Fault::new("serve-02", format!("cannot listen on {listen}: {error}"))
                .hint("Does another agent or program use this port? Choose another with [serve] listen.")
        })?;
        let unix = socket.map(|path| Unix::bind(path).map_err(|error| socket_fault(path, &error))).transpose()?;
        Ok(Doors { tcp, unix })
    }

    /// The TCP address that was bound; tests bind port 0.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.address()
    }

    /// Lets clients in until `stop` turns true.
    pub async fn serve(self, router: Router, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
        let mut stopping = stop.clone();
        let tcp_places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let unix_places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            tokio::select! {
                (place, accepted) = placed(&tcp_places, self.tcp.accept()) => match accepted {
                    Ok(stream) => connection(stream, Visitor::Loopback, router.clone(), shared.clone(), place, stop.clone()),
                    Err(_) => sleep(Duration::from_millis(50)).await, // out of descriptors: breathe
                },
                (place, accepted) = placed(&unix_places, accept_unix(self.unix.as_ref())) => match accepted {
                    Ok(Some((stream, user_id))) => {
                        connection(stream, Visitor::Socket { user_id }, router.clone(), shared.clone(), place, stop.clone());
                    }
                    Ok(None) => { shared.counters.refused.fetch_add(1, Ordering::Relaxed); }
                    Err(_) => sleep(Duration::from_millis(50)).await,
                },
                () = stopped(&mut stopping) => break,
            }
        }
    }
}

/// A place first, then a client: a full door leaves its clients in the system's queue.
async fn placed<T>(places: &Arc<Semaphore>, accept: impl Future<Output = T>) -> (OwnedSemaphorePermit, T) {
    match places.clone().acquire_owned().await {
        Ok(place) => (place, accept.await),
        Err(_) => std::future::pending().await, // nobody closes it
    }
}

async fn accept_unix(
    listener: Option<&Unix>,
) -> io::Result<Option<(impl AsyncRead + AsyncWrite + Unpin + Send + 'static, u32)>> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

fn socket_fault(path: &Path, error: &io::Error) -> Fault {
    Fault::new("serve-03", format!("cannot make the socket {}: {error}", path.display()))
        .hint("May the agent's user write to its state_dir? A socket's path may have 107 bytes at most.")
}

fn connection<S>(
    stream: S,
    visitor: Visitor,
    router: Router,
    shared: Arc<Shared>,
    place: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    shared.counters.connections.fetch_add(1, Ordering::Relaxed);
    let serving = async move {
        let _place = place;
        let routed = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(visitor.clone());
            routed.call(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES_MAX);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        tokio::select! {
            _ = connection.as_mut() => {} // how a client left is its own affair
            () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
            () = sleep(CONNECTION_TIME) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(LEAVING_TIME, connection).await; // what is left then is dropped
            }
        }
    };
    task::spawn("connection", serving).detach();
}
