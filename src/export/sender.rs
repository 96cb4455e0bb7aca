//! The sender: one connection, one request at a time, tried again as the specification says; nobody waits for it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::Method;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::export::config::Otlp;
use crate::export::headers;
use crate::export::queue::{Parcel, Queue};
use crate::export::statistics::Counters;
use crate::export::verdict::{self, Success, Verdict};
use crate::model::duration;
use crate::model::secret::Secret;
use crate::sys::clock::Clock;
use crate::sys::http::{Base, Client, Response};
use crate::sys::task;
use crate::sys::tls::{Trust, Wish};

/// The most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The most of an answer that is told, in characters.
const WORDS_MAX: usize = 300;
/// A header's value shorter than this is no secret, in bytes: words that merely resemble it stay readable.
const SECRET_BYTES_MIN: usize = 4;
/// The same complaint is not logged more often.
const LOG_EVERY: Duration = Duration::from_secs(300);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    verdict: Verdict,
    /// The collector's words, cut short and without secrets; or why there are none.
    words: String,
    /// Items that it did not take although it took the request.
    rejected: u64,
    /// It took the request, and answered as no collector does.
    is_strange: bool,
}

/// Sends what waits, until the queue is closed.
pub struct Sender {
    config: Otlp,
    client: Client,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    clock: Arc<Clock>,
    /// When something was last logged (since the agent's start), by what was wrong.
    told: [Option<Duration>; 4],
    scatter: RandomState,
}

/// What is logged, each no more often than it helps.
#[derive(Clone, Copy, Debug)]
enum Complaint {
    Failing,
    Refused,
    Rejected,
    Strange,
}

impl Sender {
    pub fn new(config: Otlp, queue: Arc<Queue>, counters: Arc<Counters>, clock: Arc<Clock>) -> Sender {
        let trust = match (&config.ca_file, config.insecure) {
            (Some(file), _) => Trust::File(file.clone()),
            (None, true) => Trust::Anybody,
            (None, false) => Trust::System,
        };
        let endpoint = &config.endpoint;
        let wish = Wish { server_name: endpoint.host.clone(), trust, ..Wish::default() };
        let client = Client::new(Base {
            address: endpoint.address(),
            host: endpoint.authority(),
            tls: endpoint.tls.then_some(wish),
            user_agent: format!("watchward/{}", env!("CARGO_PKG_VERSION")),
            answer_bytes_max: ANSWER_BYTES_MAX,
        });
        Sender { config, client, queue, counters, clock, told: [None; 4], scatter: RandomState::new() }
    }

    /// Runs until the queue is closed and empty, or closed and what is left cannot be sent.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        self.counters.arrived(); // what another collector did not take is not this one's failing
        while let Some(parcel) = self.queue.first().await {
            let is_over = self.deliver(&parcel, &mut stopping).await;
            self.queue.done();
            self.note_level();
            if is_over {
                return;
            }
        }
    }

    /// Tries until the request is dealt with. Returns whether the agent stops and the collector does not answer.
    async fn deliver(&mut self, parcel: &Parcel, stopping: &mut watch::Receiver<bool>) -> bool {
        let mut failures = 0_u32;
        loop {
            let reply = self.attempt(parcel).await;
            match reply.verdict {
                Verdict::Taken => {
                    self.taken(parcel, &reply);
                    return false;
                }
                Verdict::Refused => {
                    Counters::add(&self.counters.refused, parcel.items);
                    self.counters.failed(self.clock.now().since_start, &format!("{}: {}", self.name(), reply.words));
                    let words = format!("refused {} points for good: {}", parcel.items, reply.words);
                    self.complain(Complaint::Refused, &words);
                    return false;
                }
                Verdict::Retry { after } => {
                    failures = failures.saturating_add(1);
                    Counters::add(&self.counters.failed, 1);
                    self.counters.failed(self.clock.now().since_start, &format!("{}: {}", self.name(), reply.words));
                    self.complain(Complaint::Failing, &format!("cannot be told anything: {}", reply.words));
                    if *stopping.borrow() {
                        return true;
                    }
                    let usual = verdict::wait(failures, self.scatter.hash_one(failures));
                    tokio::select! {
                        () = sleep(after.map_or(usual, |asked| asked.max(usual))) => {}
                        _ = stopping.changed() => {} // one last attempt
                    }
                }
            }
        }
    }

    fn taken(&mut self, parcel: &Parcel, reply: &Reply) {
        let rejected = reply.rejected.min(parcel.items);
        Counters::add(&self.counters.sent, parcel.items - rejected);
        Counters::add(&self.counters.rejected, rejected);
        if rejected == parcel.items && rejected > 0 {
            let words = format!("{}: rejected everything: {}", self.name(), reply.words);
            self.counters.failed(self.clock.now().since_start, &words);
        } else {
            self.recovered();
        }
        if reply.is_strange {
            let words = format!("does not answer as one does; is the endpoint right? {}", reply.words);
            self.complain(Complaint::Strange, &words);
        } else if !reply.words.is_empty() {
            let words = format!("rejected {rejected} of {} points: {}", parcel.items, reply.words);
            self.complain(Complaint::Rejected, &words);
        }
    }

    fn recovered(&mut self) {
        if let Some(since) = self.counters.arrived() {
            let lasted = self.clock.now().since_start.saturating_sub(since);
            tracing::info!("the collector {} takes what it is sent again, after {} s", self.name(), lasted.as_secs());
            self.told[Complaint::Failing as usize] = None;
            self.told[Complaint::Refused as usize] = None;
        }
    }

    fn complain(&mut self, complaint: Complaint, words: &str) {
        let now = self.clock.now().since_start;
        let told = &mut self.told[complaint as usize];
        if told.is_none_or(|at| now.saturating_sub(at) >= LOG_EVERY) {
            *told = Some(now);
            tracing::warn!("the collector {} {words}", self.name());
        }
    }

    fn name(&self) -> String {
        self.config.endpoint.address().text()
    }

    fn note_level(&self) {
        note_level(&self.queue, &self.counters);
    }

    /// One attempt; takes no longer than the configured time-out.
    async fn attempt(&mut self, parcel: &Parcel) -> Reply {
        let headers = match self.headers().await {
            Ok(headers) => headers,
            Err(words) => return unanswered(words),
        };
        let mut all = vec![("content-type", "application/x-protobuf")];
        all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.expose())));
        let path = self.config.endpoint.path(parcel.signal);
        let sent = self.client.send(Method::POST, &path, &all, parcel.body.clone());
        match timeout(self.config.timeout, sent).await {
            Ok(Ok(response)) => read(&response, &headers, self.clock.now().wall_ms),
            // It said too much; what it meant stands in the status, if that came.
            Ok(Err(fault)) if fault.code == "http-02" => {
                let status = self.client.status;
                let verdict = verdict::verdict(status, "", self.clock.now().wall_ms);
                let is_strange = verdict == Verdict::Taken;
                let words = if status == 0 { fault.what } else { format!("{status} {}", fault.what) };
                Reply { verdict, is_strange, ..unanswered(words) }
            }
            Ok(Err(fault)) => unanswered(fault.what),
            Err(_) => unanswered(format!("no answer within {}", duration::format(self.config.timeout))),
        }
    }

    /// The configured headers, those of the file read anew.
    async fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        let mut all: Vec<(String, Secret)> = self.config.headers.clone().into_iter().collect();
        if let Some(path) = self.config.headers_file.clone() {
            all.extend(task::blocking("headers", move || headers::read(&path)).await??);
        }
        Ok(all)
    }
}

/// Copies what waits into the agent's own metrics.
pub fn note_level(queue: &Queue, counters: &Counters) {
    let level = queue.level();
    counters.queued_bytes.store(level.bytes as u64, Ordering::Relaxed);
    counters.queued_items.store(level.items, Ordering::Relaxed);
}

fn unanswered(words: String) -> Reply {
    Reply { verdict: Verdict::Retry { after: None }, words, rejected: 0, is_strange: false }
}

fn read(response: &Response, headers: &[(String, Secret)], wall_ms: i64) -> Reply {
    let verdict = verdict::verdict(response.status, response.header("retry-after"), wall_ms);
    let (rejected, words, is_strange) = match (verdict, response.status) {
        (Verdict::Taken, status) => match verdict::success(&response.body) {
            Success::Whole => (0, String::new(), false),
            Success::Partial(rejected, words) => (rejected, words, false),
            Success::Strange(words) => (0, format!("{status} {words}"), true),
        },
        (_, status @ 300..=399) if !response.header("location").is_empty() => {
            // What follows a '?' may be a secret.
            let location = response.header("location").split('?').next().unwrap_or("");
            (0, format!("{status} it is at {location}, and redirections are not followed"), false)
        }
        (_, status) => (0, format!("{status} {}", verdict::reason(&response.body)), false),
    };
    Reply { verdict, words: shown(&words, headers), rejected, is_strange }
}

/// The beginning of a text on one line, with everything secret struck out.
fn shown(text: &str, headers: &[(String, Secret)]) -> String {
    let mut text = text.to_string();
    let mut hidden: Vec<&str> = headers.iter().map(|(_, value)| value.expose()).collect();
    // `Bearer xyz`: the token by itself is as secret.
    hidden.extend(headers.iter().filter_map(|(_, value)| value.expose().split_once(' ').map(|(_, token)| token)));
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len())); // one may be part of another
    for secret in hidden.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
        text = text.replace(secret, "***");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}
