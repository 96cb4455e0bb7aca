//! A small HTTP server that gives prepared answers, and keeps what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use watchward::sys::task::{self, Handle};

/// What is to be answered: a status line's code, and a body.
pub type Answers = fn(&Asked) -> (u16, String);

/// In place of a code: the body again and again, without an end.
pub const ENDLESS: u16 = 0;

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

pub struct HttpAnswers {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Requests after which a connection is closed: when the next one has come, and without an answer to it.
    pub patience: Arc<AtomicUsize>,
    _server: Handle<()>,
}

impl HttpAnswers {
    pub async fn start(answers: Answers) -> HttpAnswers {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = asked.clone();
        let patience = Arc::new(AtomicUsize::new(usize::MAX));
        let kept = patience.clone();
        let server = task::spawn("http answers", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = converse(stream, answers, &seen, &kept).await;
            }
        });
        HttpAnswers { port, asked, patience, _server: server }
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the list").clone()
    }
}

async fn converse(
    stream: TcpStream,
    answers: Answers,
    seen: &Mutex<Vec<Asked>>,
    patience: &AtomicUsize,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    for answered in 0.. {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_string);
        let mut asked = Asked {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            ..Asked::default()
        };
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            asked.headers.push((name.to_ascii_lowercase(), value.to_string()));
        }
        let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        asked.body = String::from_utf8_lossy(&body).into_owned();
        if answered >= patience.load(Ordering::Relaxed) {
            break;
        }
        let (status, body) = answers(&asked);
        seen.lock().expect("the list").push(asked);
        if status == ENDLESS {
            stream.write_all(b"HTTP/1.1 200 Said\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(format!("{:x}\r\n{body}\r\n", body.len()).as_bytes()).await?;
            }
        }
        let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
    }
    Ok(())
}
