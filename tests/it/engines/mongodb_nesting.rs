//! How deep a message's documents go: whatever a driver writes passes, and whatever else comes is an error, not a panic.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Decimal128, JavaScriptCodeWithScope, Regex, Timestamp, cstr, doc};
use proptest::prelude::*;
use watchward::engines::mongodb::session::nesting::{check_document, check_message};

use crate::engines::mongodb_fake::nested;

/// A document with a value of each kind that a driver can write.
fn every_kind() -> Vec<u8> {
    let all = vec![
        Bson::Double(1.5),
        Bson::String("text".to_string()),
        Bson::Document(doc! { "a": { "b": [] } }),
        Bson::Array(vec![Bson::Int32(1), Bson::Null]),
        Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] }),
        Bson::Undefined,
        Bson::ObjectId(ObjectId::from_bytes([7; 12])),
        Bson::Boolean(true),
        Bson::DateTime(DateTime::from_millis(1)),
        Bson::Null,
        Bson::RegularExpression(Regex { pattern: cstr!("^a").into(), options: cstr!("i").into() }),
        Bson::JavaScriptCode("f()".to_string()),
        Bson::Symbol("symbol".to_string()),
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: "f()".to_string(), scope: doc! { "a": 1 } }),
        Bson::Int32(1),
        Bson::Timestamp(Timestamp { time: 1, increment: 2 }),
        Bson::Int64(1),
        Bson::Decimal128(Decimal128::from_bytes([0; 16])),
        Bson::MinKey,
        Bson::MaxKey,
    ];
    doc! { "all": all }.to_vec().expect("BSON")
}

fn message(kind: u32, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = (16 + body.len()) as u32;
    [length.to_le_bytes(), [0; 4], [0; 4], kind.to_le_bytes()].concat().into_iter().chain(body).collect()
}

#[test]
fn whatever_a_driver_writes_passes() {
    let document = every_kind();
    assert_eq!(check_document(&document, 1), Ok(()));
    let list = [&((4 + 2 + 2 * document.len()) as u32).to_le_bytes()[..], b"a\0", &document, &document].concat();
    for (kind, parts) in [
        (2013, vec![&[0, 0, 0, 0][..], &[0], &document]),
        (2013, vec![&[0, 0, 0, 0], &[0], &document, &[1], &list]),
        (2013, vec![&[1, 0, 0, 0], &[0], &document, &[9, 9, 9, 9]]),
        (1, vec![&[0; 20], &document, &document]),
    ] {
        assert_eq!(check_message(&message(kind, &parts)), Ok(()), "{kind} {parts:?}");
    }
    assert_eq!(check_document(&nested(200), 1), Ok(()));
}

#[test]
fn what_is_too_deep_or_broken_is_told() {
    let check = |wrong: &[u8]| check_message(&message(2013, &[&[0; 5], wrong]));
    let deep = Err("documents within documents without end");
    assert_eq!(check(&nested(201)), deep);
    assert_eq!(check(&nested(500_000)), deep);
    let within = |kind: u8, before: &[u8]| {
        let inner = [before, &nested(300)].concat();
        // The length of code with a scope is its own, and counts itself.
        let inner = if kind == 0x0F { [&((4 + inner.len()) as u32).to_le_bytes()[..], &inner].concat() } else { inner };
        [&((4 + 2 + inner.len() + 1) as u32).to_le_bytes()[..], &[kind, 0], &inner, &[0]].concat()
    };
    assert_eq!(check(&within(0x04, &[])), deep);
    assert_eq!(check(&within(0x0F, &[1, 0, 0, 0, 0])), deep);
    let listed = [&((4 + 1 + nested(300).len()) as u32).to_le_bytes()[..], &[0], &nested(300)].concat();
    assert_eq!(check_message(&message(2013, &[&[0; 4], &[1], &listed])), deep);
    assert_eq!(check_message(&message(1, &[&[0; 20], &nested(300)])), deep);
    assert_eq!(check(&[8, 0, 0, 0, 0x77, 0, 1, 0]), Err("a value of an unknown kind"));
    assert_eq!(check_message(&message(2012, &[&nested(1)])), Err("a message of an unknown kind"));
    let broken = Err("a message that is not whole");
    assert_eq!(check(&[0, 0, 0, 0]), broken);
    assert_eq!(check(&[255; 12]), broken);
    let document = every_kind();
    for end in 0..document.len() {
        assert!(check(&document[..end]).is_err() || end == 0, "{end}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..200, byte: u8) {
        let _ = check_message(&bytes);
        let _ = check_document(&bytes, 1);
        bytes = message(2013, &[&[0; 5], &every_kind()]);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = check_message(&bytes);
    }
}
