//! The slow logs of searches and indexing: what a line says, its query without what people wrote into it, and sums by kind. Pure.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::engines::contract::{Busiest, Table};
use crate::model::row::Metric;

/// What a row asks for, in place of a path: the lines since the last reading, by query; and how the reading went.
pub const STATEMENTS_ASK: &str = "@slow_log";
pub const READING_ASK: &str = "@slow_log reading";

/// The most kinds of query that are summed up at once.
const KINDS_MAX: usize = 1000;

/// All that is counted since the session began is in the answer, so what is new in it began just now.
pub const BUSIEST: Busiest =
    Busiest { labels: &["phase", "query_hash"], rank_by: "seconds", keep: 20, most: KINDS_MAX + 1 };

pub static STATEMENTS: [Metric; 2] = [
    Metric::counter(
        "elasticsearch_statement_calls_total",
        "Lines in the slow log of a kind of query, one for each shard, by phase: query, fetch, index.",
    )
    .unit("{line}")
    .from("calls"),
    Metric::counter("elasticsearch_statement_seconds_total", "How long these took.").unit("s").from("seconds"),
];

pub static READING: [Metric; 4] = [
    Metric::gauge("elasticsearch_slow_log_files", "Files of the slow log.").unit("{file}").from("files"),
    Metric::counter("elasticsearch_slow_log_lines_total", "Lines of the slow log that were read.")
        .unit("{line}")
        .from("lines"),
    Metric::counter("elasticsearch_slow_log_unparsed_lines_total", "Those of them that could not be understood.")
        .unit("{line}")
        .from("unparsed"),
    Metric::counter(
        "elasticsearch_slow_log_unread_bytes_total",
        "What was passed over: the log grew faster than is read, or a line was too long.",
    )
    .unit("By")
    .from("unread"),
];

/// What a line of the slow log says.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `query`, `fetch`, or `index`.
    pub phase: &'static str,
    pub seconds: f64,
    /// The query, or the document, without what people wrote into it.
    pub text: String,
}

impl Entry {
    /// What tells kinds of query apart: the same for the same text, on every server and in every version of the agent.
    pub fn hash(&self) -> String {
        // FNV-1a over 64 bits: short, and nobody gains by finding two texts of one hash.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        format!("{:016x}", self.text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

/// Understands a line: JSON as Elasticsearch 7 and OpenSearch write it, JSON as Elasticsearch 8 does, or plain text.
pub fn parse(line: &str) -> Option<Entry> {
    if line.starts_with('{') { parse_json(line) } else { parse_plain(line) }
}

fn parse_json(line: &str) -> Option<Entry> {
    let all: Value = serde_json::from_str(line).ok()?;
    // From 8 on the names are the Elastic Common Schema's.
    let field = |name: &str| all.get(name).or_else(|| all.get(format!("elasticsearch.slowlog.{name}")));
    let logger = all.get("log.logger").or_else(|| all.get("component"))?.as_str()?;
    let millis = || match field("took_millis")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64(),
    };
    let took = field("took").and_then(Value::as_str).and_then(seconds);
    let took = took.or_else(|| millis().map(|millis| millis / 1000.0))?;
    entry(phase(logger)?, took, field("source")?.as_str()?)
}

/// `[time][level][logger ] [node] [index][shard] took[1.2ms], …, source[{…}], id[]`
fn parse_plain(line: &str) -> Option<Entry> {
    let logger = line.split(['[', ']']).filter(|part| !part.is_empty()).nth(2)?;
    let (_, after) = line.split_once(" took[")?;
    let (took, after) = after.split_once(']')?;
    let (_, source) = after.split_once(", source[")?;
    entry(phase(logger.trim())?, seconds(took)?, source)
}

fn entry(phase: &'static str, seconds: f64, source: &str) -> Option<Entry> {
    (seconds.is_finite() && seconds >= 0.0).then(|| Entry { phase, seconds, text: without_literals(source) })
}

/// The last word of a logger's name, which may be shortened: `i.s.s.query`, `index.search.slowlog.fetch`.
fn phase(logger: &str) -> Option<&'static str> {
    let last = logger.rsplit('.').next()?;
    ["query", "fetch", "index"].into_iter().find(|phase| *phase == last)
}

/// A time as the servers write it: `1.2ms`, `747.3micros`, `3.5s`, `2m`.
fn seconds(text: &str) -> Option<f64> {
    // Before units that end like them.
    let units =
        [("nanos", 1e-9), ("micros", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
    units.iter().find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale))
}

/// The longest name of a field that is kept whole, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// How deep objects and lists may be within each other; what is below is `?`.
const DEPTH_MAX: usize = 48;

/// A query or document with `?` for each of its values. Names of fields stay in their order; of a list each shape stands once,
/// however many there are. The text may end anywhere: servers cut documents short.
pub fn without_literals(source: &str) -> String {
    let mut text = String::new();
    Reader { rest: source.as_bytes(), source }.value(&mut text, 0);
    text
}

struct Reader<'s> {
    rest: &'s [u8],
    source: &'s str,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn peek(&mut self) -> Option<u8> {
        let blanks = self.rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.rest = &self.rest[blanks..];
        self.rest.first().copied()
    }

    /// Reads one value, whatever it is, and writes its shape.
    fn value(&mut self, out: &mut String, depth: usize) {
        match self.peek() {
            Some(b'{') if depth < DEPTH_MAX => self.object(out, depth),
            Some(b'[') if depth < DEPTH_MAX => self.list(out, depth),
            Some(b'{' | b'[') => {
                self.nested();
                out.push('?');
            }
            Some(b'"') => {
                self.string();
                out.push('?');
            }
            _ => {
                let is_end = |byte: &u8| b",:]}[{\"".contains(byte) || byte.is_ascii_whitespace();
                let length = self.rest.iter().take_while(|byte| !is_end(byte)).count();
                self.rest = &self.rest[length..];
                out.push('?');
            }
        }
    }

    fn object(&mut self, out: &mut String, depth: usize) {
        self.next();
        out.push('{');
        let mut is_first = true;
        loop {
            match self.peek() {
                None => break,
                Some(b'}') => {
                    self.next();
                    break;
                }
                Some(b'"') => {
                    let name = self.string();
                    if self.peek() != Some(b':') {
                        continue; // cut short within its name, or no JSON
                    }
                    self.next();
                    if !is_first {
                        out.push(',');
                    }
                    is_first = false;
                    let _ = write!(out, "\"{name}\":"); // a String takes everything
                    self.value(out, depth + 1);
                }
                Some(_) => {
                    self.next();
                }
            }
        }
        out.push('}');
    }

    fn list(&mut self, out: &mut String, depth: usize) {
        self.next();
        let mut shapes: Vec<String> = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some(b']') => {
                    self.next();
                    break;
                }
                Some(b',' | b':' | b'}') => {
                    self.next();
                }
                Some(_) => {
                    let mut shape = String::new();
                    self.value(&mut shape, depth + 1);
                    if shapes.len() < SHAPES_MAX && !shapes.contains(&shape) {
                        shapes.push(shape);
                    }
                }
            }
        }
        let _ = write!(out, "[{}]", shapes.join(","));
    }

    /// Reads a text in quotes; what stands between them, at most as long as a name may be.
    fn string(&mut self) -> String {
        self.next();
        let begin = self.source.len() - self.rest.len();
        let mut end = begin;
        while let Some(byte) = self.next() {
            match byte {
                b'"' => break,
                b'\\' => {
                    self.next();
                }
                _ => {}
            }
            end = self.source.len() - self.rest.len();
        }
        let mut end = end.min(begin + NAME_BYTES_MAX);
        while !self.source.is_char_boundary(end) {
            end -= 1;
        }
        self.source.get(begin..end).unwrap_or("").to_string()
    }

    /// Passes over an object or a list, with all that is in it.
    fn nested(&mut self) {
        let mut open = 0_usize;
        while let Some(byte) = self.rest.first() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open = open.saturating_sub(1),
                _ => {}
            }
            self.next();
            if open == 0 {
                return;
            }
        }
    }
}

/// The most shapes of a list's items that are told apart.
const SHAPES_MAX: usize = 32;

/// Sums since the session began; a session that begins anew begins at zero.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    all: HashMap<(&'static str, String), Sum>,
    pub lines: u64,
    pub unparsed: u64,
    readings: u64,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    calls: u64,
    seconds: f64,
    /// The last reading that had it.
    seen: u64,
}

impl Sums {
    /// Adds the lines of one reading.
    pub fn add<'l>(&mut self, lines: impl Iterator<Item = &'l str>) {
        self.readings += 1;
        for line in lines.filter(|line| !line.trim().is_empty()) {
            self.lines += 1;
            let Some(entry) = parse(line) else {
                self.unparsed += 1;
                continue;
            };
            let sum = self.all.entry((entry.phase, entry.hash())).or_default();
            sum.calls += 1;
            sum.seconds += entry.seconds;
            sum.seen = self.readings;
        }
        self.forget();
    }

    /// Of more kinds than may be, those that were not seen for longest go.
    fn forget(&mut self) {
        if self.all.len() <= KINDS_MAX {
            return;
        }
        let mut by_age: Vec<_> = self.all.iter().map(|(key, sum)| (sum.seen, key.clone())).collect();
        by_age.sort();
        for (_, key) in by_age.iter().take(self.all.len() - KINDS_MAX) {
            self.all.remove(key);
        }
    }

    /// A kind of query a row.
    pub fn table(&self) -> Table {
        let columns = ["phase", "query_hash", "calls", "seconds"].map(str::to_string).to_vec();
        let mut all: Vec<_> = self.all.iter().collect();
        all.sort_by(|a, b| a.0.cmp(b.0));
        let row = |((phase, hash), sum): (&(&str, String), &Sum)| {
            [(*phase).to_string(), hash.clone(), sum.calls.to_string(), sum.seconds.to_string()].map(Some).to_vec()
        };
        Table { columns, rows: all.into_iter().map(row).collect() }
    }
}
