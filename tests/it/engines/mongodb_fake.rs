//! A server that speaks just enough of MongoDB's protocol to be believed, and then misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use watchward::sys::task::{self, Handle};

/// What it does when it is asked what it should not be; everything else it answers well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Announces a message of this many bytes, and sends whatever is taken of it.
    Announces(u32),
    /// Announces messages of 7 MiB, one after the other.
    Floods,
    /// Sends a fair answer, a byte a second.
    Trickles,
    Hangs,
    /// Sends a document in a document, and so on, as often as this.
    Nests(usize),
    SpeaksHttp,
    Closes,
    /// Refuses in its own words.
    Refuses,
    /// Refuses, for there is no login.
    WantsLogin,
}

const MIB: usize = 1 << 20;

pub struct Fake {
    pub port: u16,
    sent: Arc<AtomicU64>,
    _server: Handle<()>,
}

impl Fake {
    /// Misbehaves when it is asked for its status.
    pub async fn start(manner: Manner) -> Fake {
        Fake::start_at("serverStatus", manner).await
    }

    /// Misbehaves at a command.
    pub async fn start_at(trouble: &'static str, manner: Manner) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sent: Arc<AtomicU64> = Arc::default();
        let counter = sent.clone();
        let server = task::spawn("fake", async move {
            let mut all = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let counter = counter.clone();
                all.push(task::spawn("connection", async move {
                    let _ = converse(stream, trouble, manner, &counter).await;
                }));
            }
        });
        Fake { port, sent, _server: server }
    }

    /// Bytes that it got rid of while misbehaving.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

async fn converse(mut stream: TcpStream, trouble: &str, manner: Manner, sent: &AtomicU64) -> std::io::Result<()> {
    loop {
        let mut head = [0; 16];
        stream.read_exact(&mut head).await?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let mut body = vec![0; length - head.len()];
        stream.read_exact(&mut body).await?;
        // Four bytes of flags and the kind of the first section come before the command.
        let command = Document::from_reader(&body[5..]).map_err(std::io::Error::other)?;
        let name = command.keys().next().map_or("", String::as_str);
        if name == trouble {
            misbehave(&mut stream, manner, [head[4], head[5], head[6], head[7]], sent).await?;
            continue;
        }
        let answer = match name {
            "buildInfo" => doc! { "version": "6.0.5", "ok": 1 },
            _ => doc! {
                // A driver that believes this takes messages of 2 GiB.
                "maxMessageSizeBytes": i32::MAX, "maxBsonObjectSize": 16 << 20, "maxWriteBatchSize": 100_000,
                "isWritablePrimary": true, "helloOk": true, "minWireVersion": 0, "maxWireVersion": 17,
                "readOnly": false, "ok": 1,
            },
        };
        stream.write_all(&message([head[4], head[5], head[6], head[7]], &answer)).await?;
    }
}

fn message(to: [u8; 4], answer: &Document) -> Vec<u8> {
    let document = answer.to_vec().expect("BSON");
    let length = 16 + 5 + document.len();
    [head(length as u32, to), vec![0; 5], document].concat()
}

fn head(length: u32, to: [u8; 4]) -> Vec<u8> {
    const OP_MSG: u32 = 2013;
    [length.to_le_bytes(), [1, 0, 0, 0], to, OP_MSG.to_le_bytes()].concat()
}

async fn misbehave(stream: &mut TcpStream, manner: Manner, to: [u8; 4], sent: &AtomicU64) -> std::io::Result<()> {
    let piece = vec![0; MIB];
    match manner {
        Manner::Announces(length) => {
            stream.write_all(&head(length, to)).await?;
            for _ in 0..length as usize / MIB {
                stream.write_all(&piece).await?;
                sent.fetch_add(MIB as u64, Ordering::Relaxed);
            }
            Ok(())
        }
        Manner::Floods => loop {
            stream.write_all(&head(7 * MIB as u32, to)).await?;
            stream.write_all(&vec![0; 7 * MIB - 16]).await?;
            sent.fetch_add(7 * MIB as u64, Ordering::Relaxed);
        },
        Manner::Trickles => {
            for byte in message(to, &doc! { "uptime": 1, "ok": 1 }) {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        Manner::Nests(depth) => {
            // An answer whose first field is well: a driver looks no further where it is not.
            let well = &doc! { "ok": 1 }.to_vec().expect("BSON")[4..12];
            let inner = nested(depth);
            let length = (4 + well.len() + 2 + inner.len() + 1) as u32;
            let document = [&length.to_le_bytes()[..], well, &[3, 0], &inner, &[0]].concat();
            stream.write_all(&[head((16 + 5 + document.len()) as u32, to), vec![0; 5], document].concat()).await
        }
        Manner::Hangs => std::future::pending().await,
        Manner::SpeaksHttp => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
        Manner::Closes => Err(std::io::Error::other("it is time to go")),
        Manner::Refuses => {
            let said = doc! { "ok": 0, "errmsg": "the disk is on fire", "code": 8, "codeName": "UnknownError" };
            stream.write_all(&message(to, &said)).await
        }
        Manner::WantsLogin => {
            let words = "Command requires authentication";
            let said = doc! { "ok": 0, "errmsg": words, "code": 13, "codeName": "Unauthorized" };
            stream.write_all(&message(to, &said)).await
        }
    }
}

/// A document within documents, so many of them in all.
pub fn nested(depth: usize) -> Vec<u8> {
    // A length, a kind, an empty name, and a zero at the end: seven bytes for each step, five for the last.
    let lengths = (1..depth).rev().map(|left| (5 + 7 * left) as u32);
    let begins = lengths.flat_map(|length| [&length.to_le_bytes()[..], &[3, 0]].concat());
    begins.chain(5_u32.to_le_bytes()).chain(vec![0; depth]).collect()
}
