//! The doors: a TCP listener with or without TLS, the agent's Unix socket, and a plain listener for the health of the
//! process alone. Limits on headers, time and connections; who comes in by which door is the door's to say.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::time::{interval, sleep, timeout};

use crate::model::fault::Fault;
use crate::serve::config::Config;
use crate::serve::peers::network;
use crate::serve::routes;
use crate::serve::shared::{Shared, stopped};
use crate::serve::visitor::Visitor;
use crate::sys::identity::{Identity, Refreshed};
use crate::sys::listen::{Tcp, Unix};
use crate::sys::task;

/// How long a client may take to send its request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The most that a request's head may weigh.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long a client may take to agree on TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a connection may last; then it is ended at its next pause. Upgraded streams have rules of their own.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// How long what is under way then may still take: who does not read is not waited for.
const LEAVING_TIME: Duration = Duration::from_secs(15);
/// The files of our certificate are looked at this often.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// A door whose system has no descriptors left breathes this long.
const BREATH: Duration = Duration::from_millis(50);

/// The bound doors, before anybody is let in.
pub struct Doors {
    tcp: Tcp,
    unix: Option<Unix>,
    health: Option<Tcp>,
    identity: Option<Arc<Identity>>,
    connections_max: usize,
    connections_per_peer_max: usize,
}

impl Doors {
    /// Opens all doors. A socket file that is there already is a dead agent's: the lock on the folder is ours.
    ///
    /// # Errors
    /// `serve-02`: an address is taken or not ours; `serve-03`: the socket cannot be made; `tls-*`: the certificate or its
    /// key cannot be used.
    pub async fn open(config: &Config, socket: Option<&Path>) -> Result<Doors, Fault> {
        let identity = config.tls.clone().map(Identity::load).transpose()?.map(Arc::new);
        if identity.is_none() && !config.listen.ip().is_loopback() {
            // The configuration's check says this with its place; here it must not be forgotten either.
            return Err(Fault::new("serve-36", format!("{} needs TLS: other machines can reach it", config.listen)));
        }
        let tcp = bind(config.listen, "listen").await?;
        let health = match config.health_listen {
            Some(address) => Some(bind(address, "health_listen").await?),
            None => None,
        };
        let unix = match socket {
            Some(path) => {
                let (unix, fault) =
                    Unix::bind(path, &config.socket_group).map_err(|error| socket_fault(path, &error))?;
                fault.inspect(|fault| tracing::warn!("{fault}"));
                Some(unix)
            }
            None => None,
        };
        let (connections_max, connections_per_peer_max) = (config.connections_max, config.connections_per_peer_max);
        Ok(Doors { tcp, unix, health, identity, connections_max, connections_per_peer_max })
    }

    /// The TCP address that was bound; tests bind port 0.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.address()
    }

    /// The address of the door for health.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(Tcp::address)
    }

    /// Our certificate, where we speak TLS.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.clone()
    }

    /// Lets clients in until `stop` turns true.
    pub async fn serve(self, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
        let Doors { tcp, unix, health, identity, connections_max, connections_per_peer_max } = self;
        let hall = |router| Hall {
            router,
            shared: shared.clone(),
            places: Arc::new(Semaphore::new(connections_max)),
            stop: stop.clone(),
        };
        let router = routes::router(shared.clone());
        // The doors do not share places: whoever takes all of one locks nobody out of the other.
        let (tcp_hall, unix_hall) = (hall(router.clone()), hall(router));
        let health_hall = hall(routes::health_router(shared.clone()));
        let is_remote = |door: &Tcp| door.address().is_none_or(|address| !address.ip().is_loopback());
        let crowd = |door: &Tcp| is_remote(door).then(|| Crowd::new(connections_per_peer_max));
        let remote = is_remote(&tcp);
        let mut stopping = stop.clone();
        tokio::select! {
            () = tcp_door(&tcp, identity.as_ref(), remote, crowd(&tcp), tcp_hall) => {}
            () = unix_door(unix.as_ref(), unix_hall) => {}
            () = health_door(health.as_ref(), health.as_ref().and_then(crowd), health_hall) => {}
            () = refresh(identity.as_ref(), &shared) => {}
            () = stopped(&mut stopping) => {}
        }
    }
}

async fn bind(address: SocketAddr, key: &str) -> Result<Tcp, Fault> {
    Tcp::bind(address).await.map_err(|error| {
        Fault::new("serve-02", format!("cannot listen on {address}: {error}"))
            .hint(format!("Does another agent or program use this port? Choose another with [serve] {key}."))
    })
}

fn socket_fault(path: &Path, error: &io::Error) -> Fault {
    Fault::new("serve-03", format!("cannot make the socket {}: {error}", path.display()))
        .hint("May the agent's user write to its state_dir? A socket's path may have 107 bytes at most.")
}

/// Where a door leads, and how many may be in.
struct Hall {
    router: Router,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Hall {
    /// A place first, then a client: a full door leaves its clients in the system's queue.
    async fn place(&self) -> OwnedSemaphorePermit {
        match self.places.clone().acquire_owned().await {
            Ok(place) => place,
            Err(_) => std::future::pending().await, // nobody closes it
        }
    }

    /// A seat for one connection of an address, where seats are counted; `None` where it has all it may have. What is
    /// dropped then is dropped at once: it must not cost what it would take.
    fn seat(&self, crowd: Option<&Arc<Crowd>>, peer: IpAddr) -> Option<Option<Seat>> {
        let Some(crowd) = crowd else { return Some(None) };
        let seat = crowd.enter(peer);
        if seat.is_none() {
            self.shared.counters.crowded.fetch_add(1, Ordering::Relaxed);
        }
        seat.map(Some)
    }

    fn refuse(&self) {
        self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// What a connection needs for itself.
    fn guest(&self, visitor: Visitor, place: impl Send + 'static) -> Guest {
        self.shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        Guest { visitor, router: self.router.clone(), stop: self.stop.clone(), _place: Box::new(place) }
    }
}

async fn tcp_door(door: &Tcp, identity: Option<&Arc<Identity>>, remote: bool, crowd: Option<Arc<Crowd>>, hall: Hall) {
    loop {
        let place = hall.place().await;
        let Ok((stream, peer, local)) = door.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        let Some(seat) = hall.seat(crowd.as_ref(), peer.ip()) else { continue };
        let visitor = Visitor::Tcp { peer: peer.ip(), local: local.ip(), tls: identity.is_some(), remote };
        let guest = hall.guest(visitor, (place, seat));
        match identity {
            None => task::spawn("connection", guest.stay(stream)).detach(),
            Some(identity) => {
                let (acceptor, shared) = (identity.acceptor(), hall.shared.clone());
                let secured = async move {
                    match timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
                        Ok(Ok(secured)) => guest.stay(secured).await,
                        Ok(Err(_)) | Err(_) => {
                            shared.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                };
                task::spawn("connection", secured).detach();
            }
        }
    }
}

async fn unix_door(door: Option<&Unix>, hall: Hall) {
    let Some(door) = door else { return std::future::pending().await };
    loop {
        let place = hall.place().await;
        match door.accept().await {
            Ok(Some((stream, user_id))) => {
                let guest = hall.guest(Visitor::Socket { user_id }, place);
                task::spawn("connection", guest.stay(stream)).detach();
            }
            Ok(None) => hall.refuse(),
            Err(_) => sleep(BREATH).await,
        }
    }
}

async fn health_door(door: Option<&Tcp>, crowd: Option<Arc<Crowd>>, hall: Hall) {
    let Some(door) = door else { return std::future::pending().await };
    loop {
        let place = hall.place().await;
        let Ok((stream, peer, local)) = door.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        let Some(seat) = hall.seat(crowd.as_ref(), peer.ip()) else { continue };
        let visitor = Visitor::Tcp { peer: peer.ip(), local: local.ip(), tls: false, remote: true };
        task::spawn("connection", hall.guest(visitor, (place, seat)).stay(stream)).detach();
    }
}

/// Takes a renewed certificate over.
async fn refresh(identity: Option<&Arc<Identity>>, shared: &Shared) {
    let Some(identity) = identity else { return std::future::pending().await };
    let mut timer = interval(REFRESH_EVERY);
    loop {
        timer.tick().await;
        let files = identity.clone();
        match task::blocking("certificate", move || files.refresh()).await {
            Ok(Refreshed::Same) => {}
            Ok(Refreshed::New) => tracing::info!("a new certificate is in use"),
            Ok(Refreshed::Refused(fault)) => {
                shared.counters.certificates_refused.fetch_add(1, Ordering::Relaxed);
                tracing::error!("the new certificate is not used, the old one stays: {fault}");
            }
            Err(panic) => tracing::error!("{panic}"),
        }
    }
}

/// How many connections each address has, where other machines can come.
struct Crowd {
    seats: Mutex<HashMap<IpAddr, usize>>,
    seats_max: usize,
}

/// One connection of an address; given back when it ends.
struct Seat {
    crowd: Arc<Crowd>,
    peer: IpAddr,
}

impl Crowd {
    fn new(seats_max: usize) -> Arc<Crowd> {
        Arc::new(Crowd { seats: Mutex::default(), seats_max })
    }

    fn enter(self: &Arc<Crowd>, peer: IpAddr) -> Option<Seat> {
        let peer = network(peer);
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(peer).or_default();
        if *taken >= self.seats_max {
            return None;
        }
        *taken += 1;
        Some(Seat { crowd: self.clone(), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.crowd.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.peer) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.peer);
            }
        }
    }
}

/// Somebody who was let in.
struct Guest {
    visitor: Visitor,
    router: Router,
    stop: watch::Receiver<bool>,
    /// Given back when the connection ends.
    _place: Box<dyn Send>,
}

impl Guest {
    /// Answers the requests of a connection until it ends, or has lasted long enough.
    async fn stay<S>(mut self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (routed, visitor) = (TowerToHyperService::new(self.router), self.visitor);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(visitor.clone());
            routed.call(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES_MAX);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        tokio::select! {
            _ = connection.as_mut() => {} // how a client left is its own affair
            () = stopped(&mut self.stop) => connection.as_mut().graceful_shutdown(),
            () = sleep(CONNECTION_TIME) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(LEAVING_TIME, connection).await; // what is left then is dropped
            }
        }
    }
}
