//! A collector for tests: a real HTTP server on loopback that checks every rule of OTLP it can, and answers as told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::strict::{Point, Strict};

/// How one request is answered. After the last of a script the answer is 200.
#[derive(Clone, Debug)]
pub enum Answer {
    Taken,
    /// A status, header lines (each ending in a line break), and a body.
    Full(u16, String, Vec<u8>),
    /// Never answers.
    Hang,
    /// Reads the request and closes the connection.
    Close,
    /// Breaks off in the middle of its answer.
    Torn,
    /// Answers 200 after a while.
    Slow(Duration),
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer::Full(status, String::new(), Vec::new())
    }

    pub fn retry_after(status: u16, seconds: u32) -> Answer {
        Answer::Full(status, format!("Retry-After: {seconds}\r\n"), Vec::new())
    }
}

/// A request that came whole.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Answer>,
    /// What answers when the script is over.
    usual: Option<Answer>,
    seen: Vec<Seen>,
    strict: Strict,
    connections: u64,
}

/// The running server; it ends with this value, and its connections with it.
pub struct Collector {
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
    over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    listening: Option<JoinHandle<()>>,
}

impl Collector {
    pub fn begin() -> Collector {
        Collector::at(0)
    }

    /// One on a port that somebody else has been told of.
    pub fn at(port: u16) -> Collector {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("its port").port();
        let (shared, over, open) = (Arc::default(), Arc::default(), Arc::default());
        let mut collector = Collector { port, shared, over, open, listening: None };
        let (shared, over, open) = (collector.shared.clone(), collector.over.clone(), collector.open.clone());
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                shared.lock().expect("whole").connections += 1;
                open.lock().expect("whole").push(stream.try_clone().expect("a second handle"));
                let shared = shared.clone();
                std::thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        collector.listening = Some(listening);
        collector
    }

    /// How the next requests are answered.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().expect("whole").script.extend(answers);
    }

    /// How every request is answered after those.
    pub fn answer_always(&self, answer: Answer) {
        self.shared.lock().expect("whole").usual = Some(answer);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().expect("whole").seen.clone()
    }

    /// Every rule that was broken.
    pub fn faults(&self) -> Vec<String> {
        self.shared.lock().expect("whole").strict.faults.clone()
    }

    /// Every point that was taken.
    pub fn points(&self) -> Vec<Point> {
        self.shared.lock().expect("whole").strict.points.clone()
    }

    /// Every span that was taken.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.lock().expect("whole").strict.spans.clone()
    }

    /// The points of one metric of one target, in the order in which they came.
    pub fn points_of(&self, target: &str, metric: &str) -> Vec<Point> {
        let fits =
            |point: &Point| point.resource.get("target").is_some_and(|one| one == target) && point.name == metric;
        self.points().into_iter().filter(fits).collect()
    }

    pub fn connections(&self) -> u64 {
        self.shared.lock().expect("whole").connections
    }

    /// The part of a configuration that pushes everything here.
    #[allow(dead_code)] // of the live tests, which share this file
    pub fn config(&self, keys: &str) -> String {
        format!("[export.otlp]\nendpoint = \"http://127.0.0.1:{}\"\n{keys}\n", self.port)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the listener
        if let Some(listening) = self.listening.take() {
            let _ = listening.join(); // the port is free for a successor
        }
        for stream in self.open.lock().expect("whole").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both); // it may be gone
        }
    }
}

/// The largest request that collectors take by default.
const BODY_BYTES_MAX: usize = 20 << 20;

fn serve(mut stream: &TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = {
        let mut shared = shared.lock().ok()?;
        let usual = shared.usual.clone().unwrap_or(Answer::Taken);
        let answer = shared.script.pop_front().unwrap_or(usual);
        let was_taken = match &answer {
            Answer::Taken | Answer::Slow(_) => true,
            Answer::Full(status, ..) => *status == 200,
            Answer::Hang | Answer::Close | Answer::Torn => false,
        };
        shared.strict.envelope(&method, &path, &headers, length, BODY_BYTES_MAX);
        shared.strict.take(&path, &body, was_taken);
        shared.seen.push(Seen { path, headers, body });
        answer
    };
    let (status, more, body) = match answer {
        Answer::Taken => (200, String::new(), Vec::new()),
        Answer::Full(status, headers, body) => (status, headers, body),
        Answer::Slow(wait) => {
            std::thread::sleep(wait);
            (200, String::new(), Vec::new())
        }
        Answer::Hang => loop {
            // Until whoever asked gives up.
            let mut byte = [0];
            if (&mut stream).read(&mut byte).ok()? == 0 {
                return None;
            }
        },
        Answer::Close => {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return None;
        }
        Answer::Torn => {
            write!(stream, "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf").ok()?;
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return None;
        }
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Type: application/x-protobuf\r\n{more}").ok()?;
    write!(stream, "Content-Length: {length}\r\n\r\n").ok()?;
    stream.write_all(&body).ok()
}

/// How many requests of a kind stand in what was seen.
pub fn count_by_path(seen: &[Seen]) -> HashMap<String, usize> {
    seen.iter().fold(HashMap::new(), |mut counts, one| {
        *counts.entry(one.path.clone()).or_default() += 1;
        counts
    })
}

/// The metrics of a request.
pub fn metrics_of(body: &[u8]) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(body).expect("a request for metrics")
}
