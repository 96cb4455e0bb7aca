//! The terminal of a verb that draws: its size, its keys, and its state, which is given back however the verb ends.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::sys::environment;
use crate::sys::task;

/// To the other screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Back to the screen as it was.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// How many keys are kept while nobody listens.
const KEYS_WAITING_MAX: usize = 16;
/// The byte that Ctrl-C is, where it is no signal.
const INTERRUPT: u8 = 3;

/// Whether we draw on it, and how it was before.
static IS_OURS: AtomicBool = AtomicBool::new(false);
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether standard output is a terminal that can be drawn on.
pub fn can_draw() -> bool {
    io::stdout().is_terminal() && environment::variable("TERM").is_none_or(|name| name != "dumb")
}

/// Whether colours are wanted: on a terminal, unless $NO_COLOR is set (no-color.org).
pub fn has_colours() -> bool {
    can_draw() && environment::variable("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Something that happened while we waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Key(u8),
    Resized,
    /// A signal, Ctrl-C, or the terminal is gone.
    Stop,
}

/// The terminal, while we draw on it. Dropping gives it back; a panic does so before it is told.
pub struct Terminal {
    /// `None` where standard input is no terminal: then there are no keys.
    keys: Option<mpsc::Receiver<u8>>,
    resized: Signal,
    stops: [Signal; 3],
}

impl Terminal {
    /// Takes the terminal over. Within a runtime.
    ///
    /// # Errors
    /// The system's own.
    pub fn open() -> io::Result<Terminal> {
        let stop = |kind: SignalKind| signal(kind);
        let stops = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(stop);
        let [terminate, interrupt, hangup] = stops;
        let mut terminal = Terminal {
            keys: None,
            resized: signal(SignalKind::window_change())?,
            stops: [terminate?, interrupt?, hangup?],
        };
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        if io::stdin().is_terminal() {
            let modes = tcgetattr(io::stdin())?;
            let mut ours = modes.clone();
            // Keys come at once, are not shown, and make no signals; what is written is taken as ever.
            ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            ours.special_codes[SpecialCodeIndex::VMIN] = 1;
            ours.special_codes[SpecialCodeIndex::VTIME] = 0;
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(modes);
            tcsetattr(io::stdin(), OptionalActions::Now, &ours)?;
            let (pressed, keys) = mpsc::channel(KEYS_WAITING_MAX);
            // It waits for a key until the process ends.
            task::thread("keys", move || read_keys(&pressed))?;
            terminal.keys = Some(keys);
        }
        IS_OURS.store(true, Ordering::Relaxed);
        write(ENTER)?;
        Ok(terminal)
    }

    /// Columns and rows; those of old where the terminal does not say.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (usize::from(size.ws_col), usize::from(size.ws_row)),
            _ => (80, 24),
        }
    }

    /// Draws lines in place of those before. There must be no more of them, and none longer, than there is room.
    ///
    /// # Errors
    /// The system's own: the terminal is gone.
    pub fn draw(&self, lines: &[String]) -> io::Result<()> {
        let body = lines.join(&format!("{CLEAR_LINE}\n"));
        write(&format!("{HOME}{body}{CLEAR_LINE}{CLEAR_BELOW}"))
    }

    /// Waits until something happens.
    pub async fn wake(&mut self) -> Wake {
        let [terminate, interrupt, hangup] = &mut self.stops;
        tokio::select! {
            _ = terminate.recv() => Wake::Stop,
            _ = interrupt.recv() => Wake::Stop,
            _ = hangup.recv() => Wake::Stop,
            _ = self.resized.recv() => Wake::Resized,
            key = key(self.keys.as_mut()) => match key {
                Some(INTERRUPT) | None => Wake::Stop,
                Some(key) => Wake::Key(key),
            },
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// The next key; `None`: there will be none any more. Forever where there is nothing to press.
async fn key(keys: Option<&mut mpsc::Receiver<u8>>) -> Option<u8> {
    match keys {
        Some(keys) => keys.recv().await,
        None => std::future::pending().await,
    }
}

fn read_keys(pressed: &mpsc::Sender<u8>) {
    let mut byte = [0];
    loop {
        match io::stdin().read(&mut byte) {
            Ok(1) if pressed.blocking_send(byte[0]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

fn give_back() {
    if IS_OURS.swap(false, Ordering::Relaxed) {
        let _ = write(LEAVE); // the terminal may be gone
    }
    if let Some(modes) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
