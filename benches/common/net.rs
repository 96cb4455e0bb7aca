//! As much HTTP as this needs: one question at a time, and an end for webhooks that says yes to everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::common::Outcome;

/// How much history is really there.
pub const SAMPLES_OF_A_DAY: &str = "sum(count_over_time(node_load1[1d]))";

/// A port that was free a moment ago.
pub fn free_port() -> Outcome<u16> {
    let socket = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    socket.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// The body of the answer, if there is one with status 200.
pub fn get(port: u16, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    // Version 1.0 has no chunks.
    write!(socket, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    (head.split_whitespace().nth(1)? == "200").then(|| body.to_string())
}

/// The value of an expression that gives one number; 0 where it gives nothing.
pub fn query(port: u16, expression: &str) -> Outcome<f64> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = get(port, &format!("/api/v1/query?query={encoded}")).ok_or(format!("no answer to {expression}"))?;
    let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{expression}: {error}"))?;
    let value = answer["data"]["result"][0]["value"][1].as_str();
    value.map_or(Ok(0.0), |text| text.parse().map_err(|_| format!("{expression} gives '{text}'")))
}

/// Where alerts go.
pub struct Hook {
    pub port: u16,
    heard: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Hook {
    pub fn open() -> Outcome<Hook> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no hook: {error}"))?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let hook = Hook { port, heard: Arc::default(), over: Arc::default() };
        let (heard, over) = (hook.heard.clone(), hook.over.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let heard = heard.clone();
                std::thread::spawn(move || answer(&stream, &heard));
            }
        });
        Ok(hook)
    }

    /// Messages so far.
    pub fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the listener
    }
}

/// Answers requests until the sender closes.
fn answer(stream: &TcpStream, heard: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        heard.fetch_add(1, Ordering::Relaxed);
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
