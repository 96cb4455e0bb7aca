//! The states of systemd's units over D-Bus: a bus that answers as the specification says, one that refuses, one that lies.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use watchward::engines::contract::Session;
use watchward::engines::host::session::systemd::{Call, decode, encode, parse_units, parse_variant_text};
use watchward::model::reading::UnknownKind;
use watchward::sys::task;

use super::{BUDGET, Folder, read, row, session};

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
    bytes.extend(text.bytes().chain([0]));
}

/// A message from the bus: 2 is an answer, 3 an error, 4 a signal.
fn message(kind: u8, answers: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'l', kind, 0, 1];
    bytes.extend(u32::try_from(body.len()).expect("short").to_le_bytes());
    bytes.extend([9, 0, 0, 0, 0, 0, 0, 0]);
    if kind == 3 {
        bytes.extend([4, 1, b's', 0]);
        text(&mut bytes, "org.freedesktop.DBus.Error.AccessDenied");
        pad(&mut bytes, 8);
    }
    if kind == 4 {
        bytes.extend([3, 1, b's', 0]);
        text(&mut bytes, "NameAcquired");
    } else {
        bytes.extend([5, 1, b'u', 0]);
        bytes.extend(answers.to_le_bytes());
    }
    let fields = u32::try_from(bytes.len() - 16).expect("short");
    bytes[12..16].copy_from_slice(&fields.to_le_bytes());
    pad(&mut bytes, 8);
    bytes.extend(body);
    bytes
}

/// The answer of ListUnits for units of name, load state and active state.
fn unit_list(units: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut inner = vec![0; 8]; // the array's elements begin at a multiple of 8
    for (name, load, active) in units {
        pad(&mut inner, 8);
        let path = format!("/org/freedesktop/systemd1/unit/{}", name.replace('.', "_2e"));
        for word in [name, "A description", load, active, "running", "", path.as_str()] {
            text(&mut inner, word);
        }
        pad(&mut inner, 4);
        inner.extend([0; 4]);
        text(&mut inner, "");
        text(&mut inner, "/");
    }
    let bytes = u32::try_from(inner.len() - 8).expect("short");
    inner[..4].copy_from_slice(&bytes.to_le_bytes());
    inner
}

async fn next_call(stream: &mut UnixStream) -> Option<(u32, String)> {
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.ok()?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let mut rest = vec![0; (word(12) as usize).next_multiple_of(8) + word(4) as usize];
    stream.read_exact(&mut rest).await.ok()?;
    Some((word(8), String::from_utf8_lossy(&rest).into_owned()))
}

async fn login(stream: &mut UnixStream, answer: &[u8]) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.expect("a line"));
    }
    stream.write_all(answer).await.expect("written");
    String::from_utf8(line).expect("text")
}

/// A bus in a tree; it answers one session by `answer`, which is given what was called.
fn bus(folder: &Folder, greeting: &'static str, answer: fn(u32, &str) -> Vec<u8>) -> task::Handle<()> {
    std::fs::create_dir_all(folder.0.join("run/dbus")).expect("a folder");
    let listener = UnixListener::bind(folder.0.join("run/dbus/system_bus_socket")).expect("a socket");
    task::spawn("bus", async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let line = login(&mut stream, greeting.as_bytes()).await;
        assert!(line.starts_with("\0AUTH EXTERNAL 3"), "{line:?}");
        if greeting.starts_with("OK") {
            assert_eq!(login(&mut stream, b"").await, "BEGIN\r\n");
        }
        while let Some((serial, call)) = next_call(&mut stream).await {
            stream.write_all(&message(4, 0, &[])).await.expect("a signal between");
            if stream.write_all(&answer(serial, &call)).await.is_err() {
                return;
            }
        }
    })
}

fn tree() -> Folder {
    let folder = Folder::new();
    folder.file("proc/loadavg", "0 0 0 1/2 3\n");
    folder
}

#[tokio::test]
async fn units_have_the_state_that_systemd_says_and_services_their_type() {
    let folder = tree();
    let _bus = bus(&folder, "OK 0123456789abcdef\r\n", |serial, call| {
        if call.contains("Hello") {
            let mut name = Vec::new();
            text(&mut name, ":1.7");
            return message(2, serial, &name);
        }
        if call.contains("ListUnits") {
            let units = [
                ("postgresql.service", "loaded", "failed"),
                ("gone.service", "not-found", "inactive"),
                ("cron.service", "loaded", "active"),
                ("logrotate.timer", "loaded", "active"),
                ("dev-sda.device", "loaded", "active"),
            ];
            return message(2, serial, &unit_list(&units));
        }
        // One answer may fail; the others stand.
        if call.contains("cron") {
            return message(3, serial, &[]);
        }
        let mut kind = vec![1, b's', 0];
        text(&mut kind, "forking");
        message(2, serial, &kind)
    });
    let mut host = session(&folder.0);
    host.probe().await.expect("up");
    assert!(row("systemd").exists(host.facts()) && !row("systemd").optional);
    let lines = read(&mut host, row("systemd")).await.expect("a list");
    let ones: Vec<&String> =
        lines.iter().filter(|line| line.starts_with("node_systemd_unit_state") && line.ends_with(" 1")).collect();
    assert_eq!(
        ones,
        [
            "node_systemd_unit_state{name=\"postgresql.service\",state=\"failed\",type=\"forking\"} 1",
            "node_systemd_unit_state{name=\"cron.service\",state=\"active\"} 1",
            "node_systemd_unit_state{name=\"logrotate.timer\",state=\"active\"} 1",
        ]
    );
    assert!(lines.contains(
        &"node_systemd_unit_state{name=\"postgresql.service\",state=\"active\",type=\"forking\"} 0".to_string()
    ));
    assert!(lines.contains(&"node_systemd_units{state=\"active\"} 3".to_string()), "{lines:#?}");
}

#[tokio::test]
async fn a_bus_that_refuses_lies_or_is_silent_costs_its_row() {
    let refused = tree();
    let _bus = bus(&refused, "REJECTED EXTERNAL\r\n", |_, _| Vec::new());
    let unknown = read(&mut session(&refused.0), row("systemd")).await.expect_err("refused");
    assert_eq!(
        (unknown.kind, unknown.reason.as_str()),
        (UnknownKind::Privilege, "the system's D-Bus does not let the agent's user in")
    );
    let denied = tree();
    let _bus =
        bus(&denied, "OK 1\r\n", |serial, call| message(if call.contains("Hello") { 2 } else { 3 }, serial, &[]));
    let unknown = read(&mut session(&denied.0), row("systemd")).await.expect_err("denied");
    assert_eq!(
        (unknown.kind, unknown.reason.as_str()),
        (UnknownKind::Refused, "org.freedesktop.DBus.Error.AccessDenied")
    );
    let lies = tree();
    let _bus = bus(&lies, "OK 1\r\n", |serial, _| message(2, serial, &[0xff; 32]));
    let unknown = read(&mut session(&lies.0), row("systemd")).await.expect_err("no list");
    assert_eq!((unknown.kind, unknown.reason.as_str()), (UnknownKind::Garbled, "systemd's answer makes no sense"));
    let silent = tree();
    let _bus = bus(&silent, "OK 1\r\n", |_, _| Vec::new());
    let asked = session(&silent.0).ask(row("systemd"), Duration::from_millis(400)).await;
    assert_eq!(asked.expect_err("silent").kind, UnknownKind::Deadline);
    let absent = session(&tree().0).ask(row("systemd"), BUDGET).await;
    assert_eq!(absent.expect_err("no socket").kind, UnknownKind::NotHere);
}

#[test]
fn a_call_is_written_as_the_specification_says() {
    let call = Call { path: "/a", interface: "b.c", member: "D", texts: &["e", "f"] };
    let bytes = encode(7, "g.h", &call);
    let expected = b"l\x01\0\x01\x0e\0\0\0\x07\0\0\0\x48\0\0\0\
        \x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0\x02\x01s\0\x03\0\0\0b.c\0\0\0\0\0\
        \x03\x01s\0\x01\0\0\0D\0\0\0\0\0\0\0\x06\x01s\0\x03\0\0\0g.h\0\0\0\0\0\x08\x01g\0\x02ss\0\
        \x01\0\0\0e\0\0\0\x01\0\0\0f\0";
    let shown = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x} ")).collect::<String>();
    assert_eq!(bytes.len() % 8, 6, "header of whole eights, then the body: {}", shown(&bytes));
    assert_eq!(shown(&bytes[..16]), shown(&expected[..16]));
    assert_eq!(shown(&bytes[bytes.len() - 14..]), shown(&expected[expected.len() - 14..]));
}

proptest::proptest! {
    /// Whatever comes over the bus, it is read to its end or refused.
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = parse_units(&bytes);
        let _ = parse_variant_text(&bytes);
        let mut whole = message(2, 1, &[]);
        whole.extend(&bytes);
        let _ = decode(&whole);
    }
}
