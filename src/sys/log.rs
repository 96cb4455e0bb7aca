//! The log: one line for each thing that happened, to standard error, as text or JSON; the journal gets priorities. What
//! repeats is told once and then counted. Never a secret: those cannot be printed.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::model::moment::{Moment, rfc3339};
use crate::sys::clock::Clock;
use crate::sys::environment;

/// How long a warning or an error that was told stands for the same that follow.
pub const WINDOW: Duration = Duration::from_secs(600);
/// How many different warnings and errors are remembered. Beyond it the oldest is forgotten, and would be told anew.
pub const REMEMBERED_MAX: usize = 256;
/// The longest message, in bytes; a server's words may be long.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// How a line is written: `[agent] log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    Text,
    Json,
}

impl Form {
    pub const WORDS: &[&str] = &["text", "json"];

    /// The form of a word of `WORDS`; text for any other.
    pub fn of(word: &str) -> Form {
        if word == "json" { Form::Json } else { Form::Text }
    }
}

/// The words of `[agent] log_level`, from few lines to many.
pub const LEVELS: &[&str] = &["error", "warn", "info", "debug"];

/// Where lines go, and how they look there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Style {
    pub form: Form,
    /// Standard error is the journal: it takes the priority from `<3>` before each line, and has a time of its own.
    pub to_journal: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    pub level: Level,
    /// The module that says it.
    pub target: String,
    pub message: String,
    pub fields: Map<String, Value>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    ts: String,
    level: &'a str,
    target: &'a str,
    message: &'a str,
    fields: &'a Map<String, Value>,
}

impl Line {
    /// The line with its end. A message of several lines stays one: what a server said cannot look like a line of ours.
    pub fn render(&self, style: Style) -> String {
        let text = match style.form {
            Form::Json => self.json(),
            Form::Text if style.to_journal => self.words(),
            Form::Text => format!("{} {:>5} {}", rfc3339(self.at_ms), self.level, self.words()),
        };
        if !style.to_journal {
            return format!("{}\n", text.replace('\n', "\n  "));
        }
        let priority = self.priority();
        let lines: Vec<&str> = text.split('\n').collect();
        format!("<{priority}>{}\n", lines.join(&format!("\n<{priority}>  ")))
    }

    /// syslog(3)'s priority.
    fn priority(&self) -> u8 {
        match self.level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        }
    }

    fn words(&self) -> String {
        let mut out = String::new();
        if !self.target.starts_with("watchward") {
            let _ = write!(out, "{}: ", self.target); // writing to a String does not fail
        }
        out.push_str(&printable(&self.message));
        for (name, value) in &self.fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            let _ = write!(out, " {name}={}", printable(&value));
        }
        out
    }

    fn json(&self) -> String {
        let level = self.level.as_str().to_ascii_lowercase();
        let (ts, target, message) = (rfc3339(self.at_ms), self.target.as_str(), self.message.as_str());
        let line = JsonLine { ts, level: &level, target, message, fields: &self.fields };
        serde_json::to_string(&line).unwrap_or_default() // text, numbers and flags: nothing in it can fail
    }

    /// The message with its numbers taken out: what makes it the same as another. Numbers within names and addresses
    /// (`db-1`, `127.0.0.1:5432`) stay: they tell one server from another.
    fn template(&self) -> String {
        let words = self.message.split(' ').map(|word| {
            let bare = word.trim_matches(|one: char| "()[],;:'\"".contains(one)).trim_end_matches('.');
            let number = bare.trim_end_matches(|one: char| one.is_ascii_alphabetic() || one == '%');
            let is_number = bare.starts_with(|one: char| one.is_ascii_digit()) && number.parse::<f64>().is_ok();
            if is_number { word.replace(bare, "#") } else { word.to_string() }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Text that moves no terminal's cursor.
pub fn printable(text: &str) -> String {
    let harmless = |one: char| one == '\n' || one == '\t' || !one.is_control();
    text.chars().map(|one| if harmless(one) { one.to_string() } else { one.escape_default().to_string() }).collect()
}

fn shortened(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        let end = text.floor_char_boundary(MESSAGE_BYTES_MAX);
        let more = text.len() - end;
        text.truncate(end);
        let _ = write!(text, "… ({more} bytes more)"); // writing to a String does not fail
    }
    text
}

/// The warnings and errors of late, and how often each was held back. What is told at `info` is told every time: it
/// happened each time, and somebody may wait for it.
#[derive(Debug, Default)]
pub struct Repeats {
    told: HashMap<(String, Level, String), Told>,
}

#[derive(Debug)]
struct Told {
    since: Duration,
    held_back: u64,
    /// The newest of those held back.
    last: Line,
}

impl Repeats {
    /// Takes in a line; gives the lines to write now, in order.
    pub fn take(&mut self, line: Line, now: Moment) -> Vec<Line> {
        let mut out = self.sweep(now);
        if line.level > Level::WARN {
            out.push(line);
            return out;
        }
        let key = (line.target.clone(), line.level, line.template());
        if let Some(told) = self.told.get_mut(&key) {
            told.held_back += 1;
            told.last = line;
            return out;
        }
        if self.told.len() >= REMEMBERED_MAX {
            let oldest = self.told.iter().min_by_key(|(_, told)| told.since).map(|(key, _)| key.clone());
            let forgotten = oldest.and_then(|key| self.told.remove(&key));
            out.extend(forgotten.and_then(|told| told.count(now)));
        }
        self.told.insert(key, Told { since: now.since_start, held_back: 0, last: line.clone() });
        out.push(line);
        out
    }

    /// The counts that are due. What repeated goes on being counted; what did not is forgotten.
    pub fn sweep(&mut self, now: Moment) -> Vec<Line> {
        let mut out = Vec::new();
        self.told.retain(|_, told| {
            if now.since_start.saturating_sub(told.since) < WINDOW {
                return true;
            }
            let count = told.count(now);
            let repeats = count.is_some();
            out.extend(count);
            (told.since, told.held_back) = (now.since_start, 0);
            repeats
        });
        out.sort_by(|one, other| one.message.cmp(&other.message));
        out
    }

    /// The counts of all that was held back, for the end of the process.
    pub fn finish(&mut self, now: Moment) -> Vec<Line> {
        let mut out: Vec<Line> = self.told.drain().filter_map(|(_, told)| told.count(now)).collect();
        out.sort_by(|one, other| one.message.cmp(&other.message));
        out
    }
}

impl Told {
    /// The line that says how often; `None`: never.
    fn count(&self, now: Moment) -> Option<Line> {
        if self.held_back == 0 {
            return None;
        }
        let span_s = now.since_start.saturating_sub(self.since).as_secs();
        let span = if span_s < 120 { format!("{span_s} s") } else { format!("{} minutes", span_s / 60) };
        let times = if self.held_back == 1 { "once".to_string() } else { format!("{} times", self.held_back) };
        let mut line = self.last.clone();
        line.at_ms = now.wall_ms;
        line.message.push_str(&format!(" (repeated {times} in the last {span})"));
        line.fields.insert("repeated".to_string(), self.held_back.into());
        Some(line)
    }
}

/// The process' log.
struct Log {
    style: Style,
    clock: Clock,
    repeats: Mutex<Repeats>,
}

static LOG: OnceLock<Log> = OnceLock::new();

impl Log {
    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, lines: &[Line]) {
        for line in lines {
            write(&line.render(self.style));
        }
    }
}

/// One write() for each line, so that lines of several threads do not mix.
fn write(line: &str) {
    let _ = std::io::stderr().lock().write_all(line.as_bytes()); // nowhere to say that nothing can be said
}

/// Begins logging what is at least as grave as a word of `LEVELS`. A second call does nothing.
pub fn begin(form: Form, level: &str) {
    let style = Style { form, to_journal: is_journal() };
    if LOG.set(Log { style, clock: Clock::begin(None), repeats: Mutex::default() }).is_err() {
        return;
    }
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let subscriber = tracing_subscriber::registry().with(level).with(ToLog);
    let _ = tracing::subscriber::set_global_default(subscriber); // somebody was first, in tests
    std::panic::set_hook(Box::new(|panic| tracing::error!("a fault of ours: {panic}")));
}

/// Writes the counts that are due. Somebody must call it now and then: what stops repeating would never be counted.
pub fn sweep() {
    if let Some(log) = LOG.get() {
        let lines = log.repeats().sweep(log.clock.now());
        log.write(&lines);
    }
}

/// Writes all counts, at the end of the process.
pub fn finish() {
    if let Some(log) = LOG.get() {
        let lines = log.repeats().finish(log.clock.now());
        log.write(&lines);
    }
}

/// Says why the agent does not start or go on: as a line of the log where a machine reads it, else as verbs do, with a
/// mark such as `error: ` before it.
pub fn refuse(mark: &str, words: &str, form: Form) {
    let style = LOG.get().map_or_else(|| Style { form, to_journal: is_journal() }, |log| log.style);
    if style == Style::default() {
        return write(&format!("{mark}{words}\n"));
    }
    let (at_ms, target) = (Clock::begin(None).now().wall_ms, "watchward".to_string());
    let line = Line { at_ms, level: Level::ERROR, target, message: words.to_string(), fields: Map::new() };
    write(&line.render(style));
}

/// Whether standard error is the journal, by what systemd.exec(5) says of $JOURNAL_STREAM.
fn is_journal() -> bool {
    let Some(named) = environment::variable("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|seen| named == format!("{}:{}", seen.st_dev, seen.st_ino))
}

/// Brings what `tracing` is told to the log.
struct ToLog;

impl<S: Subscriber> Layer<S> for ToLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(log) = LOG.get() else { return };
        let now = log.clock.now();
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_string());
        let mut line = Line { at_ms: now.wall_ms, level, target, message: String::new(), fields: Map::new() };
        event.record(&mut line);
        line.message = shortened(line.message);
        let lines = log.repeats().take(line, now);
        log.write(&lines);
    }
}

impl Line {
    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_string(), value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::String(shortened(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::String(shortened(value.to_string())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}
