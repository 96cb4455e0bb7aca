//! `hello` without a driver and without a login: what a server says of itself to anybody who may connect.

use mongodb::bson::{Document, doc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engines::mongodb::session::nesting;
use crate::model::fault::Fault;
use crate::sys::net::{Address, dial};
use crate::sys::tls::{Wish, secure};

/// The most that a server may say of itself.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A message begins with its length, its number, that of its question, and its kind: 32 bits each, the lowest byte first.
const HEAD_BYTES: usize = 16;
const KIND: i32 = 2013;
/// Flags, and the kind of the section that follows: a document.
const BEFORE_DOCUMENT: [u8; 5] = [0; 5];

/// Says hello to one server. The caller sets the deadline.
///
/// # Errors
/// Those of the network and TLS; `mongodb-05`: what answers is no MongoDB.
pub async fn say(address: &Address, tls: Option<&Wish>) -> Result<Document, Fault> {
    let mut stream = dial(address, ANSWER_BYTES_MAX).await?;
    if let Some(wish) = tls {
        stream = secure(stream, wish).await?;
    }
    let server = address.text();
    let wrong = |why: &str| {
        Fault::new("mongodb-05", format!("no answer from {server}: {why}"))
            .hint("Is it a MongoDB server, and not overloaded or starting?")
    };
    stream.write_all(&message()).await.map_err(|error| wrong(&error.to_string()))?;
    stream.flush().await.map_err(|error| wrong(&error.to_string()))?;
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await.map_err(|error| wrong(&error.to_string()))?;
    let number = |at: usize| i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let bytes = usize::try_from(number(0)).unwrap_or(0);
    let fits = HEAD_BYTES + BEFORE_DOCUMENT.len()..=ANSWER_BYTES_MAX;
    if number(12) != KIND || !fits.contains(&bytes) {
        return Err(wrong("it is no message of MongoDB"));
    }
    let mut body = vec![0; bytes - HEAD_BYTES];
    stream.read_exact(&mut body).await.map_err(|error| wrong(&error.to_string()))?;
    let document = &body[BEFORE_DOCUMENT.len()..];
    nesting::check_document(document, 1).map_err(|why| wrong(&format!("it sent {why}")))?;
    Document::from_reader(document).map_err(|_| wrong("it is no document"))
}

fn message() -> Vec<u8> {
    let body = doc! { "hello": 1, "$db": "admin" }.to_vec().unwrap_or_default(); // numbers and short texts always fit
    let bytes = i32::try_from(HEAD_BYTES + BEFORE_DOCUMENT.len() + body.len()).unwrap_or(0);
    let mut message: Vec<u8> = [bytes, 1, 0, KIND].into_iter().flat_map(i32::to_le_bytes).collect();
    message.extend(BEFORE_DOCUMENT);
    message.extend(body);
    message
}
