//! Servers that are out of their mind: one for each kind of bad weather, for any engine, counting who comes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What such a server does with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Accepts and never says a word.
    Silent,
    /// Says one byte a second of what could become an answer.
    Trickle,
    /// Answers everything with bytes that mean nothing.
    Garbage,
    /// Begins an answer as its engine would, and does not end it before a gigabyte has passed.
    Flood,
    /// Refuses, and repeats in its refusal all that it was told, passwords included.
    Echo,
}

const GIGABYTE: usize = 1 << 30;

/// A server that listens until dropped.
pub struct Faulty {
    pub port: u16,
    engine: &'static str,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    over: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    open_max: AtomicUsize,
    sent: AtomicUsize,
    clients: Mutex<Vec<TcpStream>>,
}

impl Faulty {
    pub fn begin(engine: &'static str, weather: Weather) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its port").port();
        let counts = Arc::new(Counts::default());
        let faulty = Faulty { port, engine, counts: counts.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if counts.over.load(Ordering::Relaxed) {
                    return;
                }
                counts.accepted.fetch_add(1, Ordering::Relaxed);
                let open = counts.open.fetch_add(1, Ordering::Relaxed) + 1;
                counts.open_max.fetch_max(open, Ordering::Relaxed);
                counts.clients.lock().expect("whole").extend(stream.try_clone());
                let counts = counts.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, engine, weather, &counts); // how a client leaves is its own affair
                    counts.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        faulty
    }

    /// A target that watches this server.
    pub fn target(&self, name: &str, keys: &str) -> String {
        let (engine, port) = (self.engine, self.port);
        let url = match engine {
            "postgresql" => format!("postgres://watchward@127.0.0.1:{port}/postgres?sslmode=disable"),
            "redis" => format!("redis://127.0.0.1:{port}"),
            "mongodb" => format!("mongodb://127.0.0.1:{port}"),
            _ => format!("http://watchward@127.0.0.1:{port}"),
        };
        format!("[[target]]\nname = \"{name}\"\nengine = \"{engine}\"\nurl = \"{url}\"\n{keys}\n")
    }

    /// How many connections came.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    /// The most connections that were open at once.
    pub fn open_max(&self) -> usize {
        self.counts.open_max.load(Ordering::Relaxed)
    }

    /// Bytes that clients took.
    pub fn sent(&self) -> usize {
        self.counts.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.counts.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the listener
        for client in self.counts.clients.lock().expect("whole").drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both); // ends its thread
        }
    }
}

fn serve(mut stream: TcpStream, engine: &str, weather: Weather, counts: &Counts) -> std::io::Result<()> {
    let mut heard = [0; 4096];
    match weather {
        Weather::Silent => while stream.read(&mut heard)? > 0 {},
        Weather::Trickle => {
            for byte in beginning(engine).iter().cycle() {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        Weather::Garbage => {
            while stream.read(&mut heard)? > 0 {
                let noise: Vec<u8> = (0..2048_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                stream.write_all(&noise)?;
            }
        }
        Weather::Flood => {
            let _ = stream.read(&mut heard)?;
            stream.write_all(&beginning(engine))?;
            let part = vec![b'x'; 64 << 10];
            for _ in 0..GIGABYTE / part.len() {
                stream.write_all(&part)?;
                counts.sent.fetch_add(part.len(), Ordering::Relaxed);
            }
        }
        Weather::Echo => {
            if engine == "postgresql" {
                let _ = stream.read(&mut heard)?;
                stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?; // send me your password as it is
            }
            loop {
                let count = stream.read(&mut heard)?;
                if count == 0 {
                    break;
                }
                stream.write_all(&refusal(engine, &heard[..count]))?;
            }
        }
    }
    Ok(())
}

/// How an answer of an engine begins that says it will be a gigabyte long.
fn beginning(engine: &str) -> Vec<u8> {
    match engine {
        "postgresql" => b"R\0\0\0\x08\0\0\0\0D\x3f\xff\xff\xff".to_vec(),
        "redis" => b"$1073741824\r\n".to_vec(),
        "mongodb" => b"\x00\x00\x00\x40\x01\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00".to_vec(),
        _ => {
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{\"a\":\"".to_vec()
        }
    }
}

/// An engine's refusal with all that was heard in its words.
fn refusal(engine: &str, heard: &[u8]) -> Vec<u8> {
    let words: String = String::from_utf8_lossy(heard).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match engine {
        "postgresql" => {
            let fields = format!("SFATAL\0C28P01\0Mnot with {words}\0\0");
            [b"E", &(fields.len() as u32 + 4).to_be_bytes()[..], fields.as_bytes()].concat()
        }
        "redis" => format!("-WRONGPASS not with {words}\r\n").into_bytes(),
        _ => format!("HTTP/1.1 401 X\r\nContent-Length: {}\r\n\r\nnot with {words}", words.len() + 9).into_bytes(),
    }
}
