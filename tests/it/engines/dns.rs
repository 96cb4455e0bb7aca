//! A name server of a test's own on loopback: it knows some SRV, TXT and A records, and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use watchward::sys::task::{self, Handle};

/// Types of records: https://www.iana.org/assignments/dns-parameters
const A: u16 = 1;
const TXT: u16 = 16;
const SRV: u16 = 33;

/// What a name server knows.
#[derive(Clone, Debug, Default)]
pub struct Zone(BTreeMap<(String, u16), Vec<Vec<u8>>>);

impl Zone {
    fn add(mut self, name: &str, kind: u16, data: Vec<u8>) -> Zone {
        self.0.entry((name.to_string(), kind)).or_default().push(data);
        self
    }

    pub fn srv(self, name: &str, host: &str, port: u16) -> Zone {
        let mut data = vec![0, 0, 0, 0]; // priority and weight
        data.extend(port.to_be_bytes());
        data.extend(labels(host));
        self.add(name, SRV, data)
    }

    pub fn txt(self, name: &str, pieces: &[&str]) -> Zone {
        let piece = |text: &&str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
        let data = pieces.iter().flat_map(piece).collect();
        self.add(name, TXT, data)
    }

    pub fn loopback(self, name: &str) -> Zone {
        self.add(name, A, vec![127, 0, 0, 1])
    }
}

fn labels(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[u8::try_from(label.len()).expect("a label")], label.as_bytes()].concat();
    let mut all: Vec<u8> = name.split('.').flat_map(label).collect();
    all.push(0);
    all
}

pub struct NameServer {
    pub address: SocketAddr,
    _server: Handle<()>,
}

impl NameServer {
    /// Answers from a zone; without one it hears everything and says nothing.
    pub async fn start(zone: Option<Zone>) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let server = task::spawn("name server", async move {
            let mut question = [0; 1500];
            while let Ok((size, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = zone.as_ref().and_then(|zone| answer(zone, &question[..size])) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        NameServer { address, _server: server }
    }
}

/// RFC 1035, 4.1: a head of twelve bytes, the question, the records.
fn answer(zone: &Zone, question: &[u8]) -> Option<Vec<u8>> {
    let (mut at, mut name) = (12, Vec::new());
    while *question.get(at)? != 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push(String::from_utf8(question.get(at + 1..end)?.to_vec()).ok()?.to_ascii_lowercase());
        at = end;
    }
    let end = at + 5;
    let kind = u16::from_be_bytes([*question.get(at + 1)?, *question.get(at + 2)?]);
    let name = name.join(".");
    let records = zone.0.get(&(name.clone(), kind)).cloned().unwrap_or_default();
    let is_known = zone.0.keys().any(|(known, _)| *known == name);
    let code = if is_known { 0 } else { 3 };
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x84, 0x80 | code, 0, 1]); // an answer, of who knows, that would ask others too
    answer.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(question.get(12..end)?);
    for data in records {
        answer.extend([0xC0, 12]); // the name of the question
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]); // of the internet, for a minute
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}
