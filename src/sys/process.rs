//! This process: its id, signals, and word to the service manager.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys::environment;

/// What a signal asks of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals the agent listens to.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// # Errors
    /// As the system says.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

/// Tells the service manager something (`READY=1`, `WATCHDOG=1`, `STOPPING=1`); does nothing where there is none.
///
/// # Errors
/// As the system says. The protocol is sd_notify(3).
pub fn notify(state: &str) -> io::Result<()> {
    let Some(name) = environment::variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    let address = match name.strip_prefix('@') {
        Some(hidden) => SocketAddr::from_abstract_name(hidden)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

/// What to tell the service manager when a reload begins: `Type=notify-reload` also wants to know when that was.
pub fn reloading() -> String {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    format!("RELOADING=1\nMONOTONIC_USEC={micros}")
}

/// How often the service manager wants to hear from us: half of what it allows. `None` where it does not ask.
pub fn watchdog_interval() -> Option<Duration> {
    let micros: u64 = environment::variable("WATCHDOG_USEC")?.parse().ok()?;
    let meant = environment::variable("WATCHDOG_PID");
    if meant.is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    Some(Duration::from_micros(micros / 2)).filter(|interval| !interval.is_zero())
}

/// Has the system write no core of this process, whatever its limits, and let no other process of the same user look into
/// its memory: passwords are in both. The page's size is read before, for `/proc/self` then belongs to root.
///
/// # Errors
/// As the system says.
pub fn forbid_dumps() -> io::Result<()> {
    page_bytes();
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The size of a page of memory, in bytes, as the kernel told this process when it began (getauxval(3)).
pub fn page_bytes() -> u64 {
    const AT_PAGESZ: u64 = 6;
    static PAGE_BYTES: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *PAGE_BYTES.get_or_init(|| {
        let pairs = std::fs::read("/proc/self/auxv").unwrap_or_default();
        let word = |pair: &[u8], at: usize| pair.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
        let size = pairs.chunks(16).find(|pair| word(pair, 0) == Some(AT_PAGESZ)).and_then(|pair| word(pair, 8));
        size.unwrap_or(4096)
    })
}

/// The name the system gives this machine; empty where it is not text.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or_default().to_string()
}

/// The user this process runs as.
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}
