//! The states of systemd's units, asked over the system's D-Bus as any user may: only systemd knows that a unit has failed, no
//! file says so. As much of D-Bus as that needs: https://dbus.freedesktop.org/doc/dbus-specification.html

use std::collections::BTreeMap;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engines::contract::{ANSWER_BYTES_MAX, Answer, Table};
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::net::{self, Address, Stream};
use crate::sys::process;

const SOCKET: &str = "run/dbus/system_bus_socket";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";

/// The most messages that are read for one reading: answers, and signals that come between them.
const MESSAGES_MAX: usize = 20_000;

/// One unit as systemd lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    /// `loaded`, `not-found`, …
    pub load: String,
    /// `active`, `failed`, …
    pub active: String,
    pub path: String,
}

/// All loaded units: a table of name, type (of services: `simple`, `notify`, …) and active state.
///
/// # Errors
/// `NotHere`: there is no bus. `Privilege`, `Refused`, `Garbled`: the bus or systemd does not answer as agreed.
pub async fn units(root: &Path) -> Result<Answer, Unknown> {
    let mut bus = Bus::open(root).await?;
    let listed = bus
        .call(&[Call {
            path: MANAGER_PATH,
            interface: "org.freedesktop.systemd1.Manager",
            member: "ListUnits",
            texts: &[],
        }])
        .await?;
    let units = listed.first().and_then(|body| parse_units(body)).ok_or_else(garbled)?;
    let units: Vec<Unit> = units.into_iter().filter(|unit| unit.load == "loaded").collect();
    let services: Vec<&Unit> = units.iter().filter(|unit| unit.name.ends_with(".service")).collect();
    let asked: Vec<Call<'_>> = services
        .iter()
        .map(|unit| Call {
            path: &unit.path,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            texts: &["org.freedesktop.systemd1.Service", "Type"],
        })
        .collect();
    let answers = bus.call(&asked).await?;
    let kinds: BTreeMap<&str, String> = services
        .iter()
        .zip(&answers)
        .map(|(unit, body)| (unit.name.as_str(), parse_variant_text(body).unwrap_or_default()))
        .collect();
    let rows = units.iter().map(|unit| {
        let kind = kinds.get(unit.name.as_str()).cloned().unwrap_or_default();
        vec![Some(unit.name.clone()), Some(kind), Some(unit.active.clone())]
    });
    Ok(Answer::Table(Table { columns: ["name", "type", "active"].map(String::from).to_vec(), rows: rows.collect() }))
}

fn garbled() -> Unknown {
    Unknown::new(UnknownKind::Garbled, "systemd's answer makes no sense")
}

/// A method that is called, with texts as its arguments.
pub struct Call<'c> {
    pub path: &'c str,
    pub interface: &'c str,
    pub member: &'c str,
    pub texts: &'c [&'c str],
}

/// A connection with the bus, logged in.
struct Bus {
    stream: Stream,
    serial: u32,
}

impl Bus {
    async fn open(root: &Path) -> Result<Bus, Unknown> {
        let address = Address::Unix(root.join(SOCKET));
        let dialled = net::dial(&address, ANSWER_BYTES_MAX).await;
        let stream = dialled.map_err(|fault| Unknown::new(UnknownKind::NotHere, fault.what))?;
        let mut bus = Bus { stream, serial: 0 };
        let user: String = process::user_id().to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        bus.write(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes()).await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 512 {
            line.push(bus.stream.read_u8().await.map_err(broken)?);
        }
        if !line.starts_with(b"OK ") {
            return Err(Unknown::new(UnknownKind::Privilege, "the system's D-Bus does not let the agent's user in"));
        }
        bus.write(b"BEGIN\r\n").await?;
        let hello =
            Call { path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus", member: "Hello", texts: &[] };
        bus.send("org.freedesktop.DBus", &hello).await?;
        bus.answers(1).await?;
        Ok(bus)
    }

    /// Calls methods of systemd all at once; their answers' bodies in the same order.
    async fn call(&mut self, calls: &[Call<'_>]) -> Result<Vec<Vec<u8>>, Unknown> {
        for call in calls {
            self.send(SYSTEMD, call).await?;
        }
        self.answers(calls.len()).await
    }

    async fn send(&mut self, to: &str, call: &Call<'_>) -> Result<(), Unknown> {
        self.serial += 1;
        let message = encode(self.serial, to, call);
        self.write(&message).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Unknown> {
        self.stream.write_all(bytes).await.map_err(broken)
    }

    /// The bodies of the answers to the last calls.
    async fn answers(&mut self, count: usize) -> Result<Vec<Vec<u8>>, Unknown> {
        let first = self.serial + 1 - u32::try_from(count).unwrap_or(u32::MAX).min(self.serial);
        let mut bodies: Vec<Option<Vec<u8>>> = vec![None; count];
        for _ in 0..MESSAGES_MAX {
            if bodies.iter().all(Option::is_some) {
                return Ok(bodies.into_iter().flatten().collect());
            }
            self.stream.meter().renew();
            let mut head = [0_u8; 16];
            self.stream.read_exact(&mut head).await.map_err(broken)?;
            let rest = rest_bytes(&head).filter(|bytes| *bytes <= ANSWER_BYTES_MAX).ok_or_else(garbled)?;
            let mut message = head.to_vec();
            message.resize(16 + rest, 0);
            self.stream.read_exact(&mut message[16..]).await.map_err(broken)?;
            let reply = decode(&message).ok_or_else(garbled)?;
            let Some(at) = reply.serial.checked_sub(first).and_then(|at| usize::try_from(at).ok()) else { continue };
            let Some(body) = bodies.get_mut(at) else { continue };
            match reply.error {
                // A unit that went away meanwhile has no type; the list itself must be there.
                Some(error) if count == 1 => return Err(Unknown::new(UnknownKind::Refused, error)),
                Some(_) => *body = Some(Vec::new()),
                None => *body = Some(reply.body),
            }
        }
        Err(garbled())
    }
}

fn broken(error: std::io::Error) -> Unknown {
    Unknown::new(UnknownKind::Disconnected, format!("the system's D-Bus: {error}"))
}

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// Header fields of a message.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// A method call in the little-endian wire format.
pub fn encode(serial: u32, to: &str, call: &Call<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    call.texts.iter().for_each(|text| put_text(&mut body, text));
    let mut message = vec![b'l', METHOD_CALL, 0, 1];
    message.extend(u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
    message.extend(serial.to_le_bytes());
    message.extend([0; 4]); // the length of the header's fields, known below
    let fields = [(PATH, b'o', call.path), (INTERFACE, b's', call.interface), (MEMBER, b's', call.member)];
    for (field, kind, text) in fields.into_iter().chain([(DESTINATION, b's', to)]) {
        pad(&mut message, 8);
        message.extend([field, 1, kind, 0]);
        put_text(&mut message, text);
    }
    if !call.texts.is_empty() {
        pad(&mut message, 8);
        let kinds = "s".repeat(call.texts.len());
        message.extend([SIGNATURE, 1, b'g', 0, u8::try_from(kinds.len()).unwrap_or(0)]);
        message.extend(kinds.as_bytes());
        message.push(0);
    }
    let fields_bytes = u32::try_from(message.len() - 16).unwrap_or(0);
    message[12..16].copy_from_slice(&fields_bytes.to_le_bytes());
    pad(&mut message, 8);
    message.extend(body);
    message
}

/// How many bytes follow the first 16 of a message.
fn rest_bytes(head: &[u8; 16]) -> Option<usize> {
    let word = |at: usize| head[at..at + 4].try_into().ok().map(|bytes| u32::from_le_bytes(bytes) as usize);
    (head[0] == b'l').then_some(())?;
    Some(word(12)?.next_multiple_of(8) + word(4)?)
}

/// What a message answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Of the call that it answers; 0 for what is no answer.
    pub serial: u32,
    pub error: Option<String>,
    pub body: Vec<u8>,
}

/// Reads through a message or a body. All offsets are from its start, which the bus aligns to 8.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        let count = usize::try_from(self.number()?).ok()?;
        let text = std::str::from_utf8(self.take(count)?).ok()?;
        self.byte()?;
        Some(text)
    }

    fn signature(&mut self) -> Option<&'b str> {
        let count = usize::from(self.byte()?);
        let text = std::str::from_utf8(self.take(count)?).ok()?;
        self.byte()?;
        Some(text)
    }
}

/// Reads a whole message.
pub fn decode(message: &[u8]) -> Option<Reply> {
    let kind = *message.get(1)?;
    let mut cursor = Cursor { bytes: message, at: 12 };
    let fields_end = 16 + usize::try_from(cursor.number()?).ok()?;
    let mut reply = Reply::default();
    while cursor.at < fields_end {
        cursor.align(8);
        let field = cursor.byte()?;
        match (field, cursor.signature()?) {
            (REPLY_SERIAL, "u") => reply.serial = cursor.number()?,
            (ERROR_NAME, "s") => reply.error = Some(cursor.text()?.to_string()),
            (_, "s" | "o") => drop(cursor.text()?),
            (_, "g") => drop(cursor.signature()?),
            (_, "u") => drop(cursor.number()?),
            _ => return None,
        }
    }
    cursor.align(8);
    reply.body = message.get(cursor.at..)?.to_vec();
    match kind {
        METHOD_RETURN | ERROR => Some(reply),
        _ => Some(Reply::default()), // a signal
    }
}

/// The answer of ListUnits: `a(ssssssouso)`.
pub fn parse_units(body: &[u8]) -> Option<Vec<Unit>> {
    let mut cursor = Cursor { bytes: body, at: 0 };
    let bytes = usize::try_from(cursor.number()?).ok()?;
    cursor.align(8);
    let end = cursor.at.checked_add(bytes)?;
    let mut units = Vec::new();
    while cursor.at < end {
        cursor.align(8);
        let mut texts = [""; 7];
        for text in &mut texts {
            *text = cursor.text()?;
        }
        cursor.number()?; // of its job, with the job's type and path
        cursor.text()?;
        cursor.text()?;
        let [name, _, load, active, _, _, path] = texts.map(str::to_string);
        units.push(Unit { name, load, active, path });
    }
    Some(units)
}

/// A variant that is a text.
pub fn parse_variant_text(body: &[u8]) -> Option<String> {
    let mut cursor = Cursor { bytes: body, at: 0 };
    (cursor.signature()? == "s").then_some(())?;
    cursor.text().map(str::to_string)
}
