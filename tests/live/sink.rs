//! A webhook's other end: keeps what it was told, and answers as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// One message that came.
#[derive(Clone, Debug)]
pub struct Told {
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub body: Value,
}

impl Told {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// The sink; it listens until dropped.
pub struct Sink {
    pub port: u16,
    told: Arc<Mutex<Vec<Told>>>,
    /// The statuses of the next answers; 200 where there is none.
    statuses: Arc<Mutex<Vec<u16>>>,
    over: Arc<AtomicBool>,
}

impl Sink {
    pub fn begin() -> Sink {
        Sink::at(0)
    }

    /// A sink on a port that somebody else has been told of.
    pub fn at(port: u16) -> Sink {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("its port").port();
        let (told, statuses, over) = (Arc::default(), Arc::default(), Arc::new(AtomicBool::new(false)));
        let sink = Sink { port, told, statuses, over };
        let (told, statuses, over) = (sink.told.clone(), sink.statuses.clone(), sink.over.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (told, statuses) = (told.clone(), statuses.clone());
                std::thread::spawn(move || serve(&stream, &told, &statuses));
            }
        });
        sink
    }

    /// The statuses that the next messages are answered with.
    pub fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().expect("whole").extend(statuses);
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("whole").clone()
    }

    /// `status alertname target` of every alert in every message that was accepted.
    pub fn alerts(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("").to_string();
        let alerts = |told: &Told| told.body["alerts"].as_array().cloned().unwrap_or_default();
        let line = |alert: &Value| {
            let labels = &alert["labels"];
            format!("{} {} {}", text(&alert["status"]), text(&labels["alertname"]), text(&labels["target"]))
        };
        self.told().iter().flat_map(|told| alerts(told).iter().map(line).collect::<Vec<_>>()).collect()
    }

    pub fn count(&self, line: &str) -> usize {
        self.alerts().iter().filter(|alert| *alert == line).count()
    }

    /// The part of a configuration that sends everything here.
    pub fn config(&self) -> String {
        self.config_with("")
    }

    /// As `config`, with further keys of the webhook, each after a comma.
    pub fn config_with(&self, keys: &str) -> String {
        format!(
            "[[alert.receiver]]\nname = \"hook\"\nwebhook = {{ url = \"http://127.0.0.1:{}/hook\"{keys} }}\n\
             [alert.route]\nreceiver = \"hook\"\n",
            self.port
        )
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the listener
    }
}

fn serve(stream: &TcpStream, told: &Mutex<Vec<Told>>, statuses: &Mutex<Vec<u16>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_string(), value.to_string()));
        }
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let mut bytes = vec![0; length?.1.parse().ok()?];
        reader.read_exact(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let next = {
            let mut statuses = statuses.lock().ok()?;
            if statuses.is_empty() { 200 } else { statuses.remove(0) }
        };
        if next == 200 {
            let body = serde_json::from_str(&text).ok()?;
            told.lock().ok()?.push(Told { headers, text, body });
        }
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {next} X\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n").ok()?;
    }
}
