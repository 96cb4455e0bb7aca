//! Protobuf by parts: fields are written beside each other, so that what never changes is encoded once and copied.
//!
//! The leaves are the types of `opentelemetry-proto`. What is repeated a thousand times (the attributes of a stream, the
//! head of a metric) is kept as the bytes of its fields; a message is the concatenation of its fields, in any order.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use prost::encoding::{WireType, encode_key, encode_varint};

/// Appends a field that is a message, already encoded.
pub fn put_message(out: &mut Vec<u8>, field: u32, message: &[u8]) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
}

/// An attribute with a text.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_string())) };
    KeyValue { key: key.to_string(), value: Some(value), ..KeyValue::default() }
}

/// An attribute with a whole number.
pub fn attribute_whole(key: &str, value: i64) -> KeyValue {
    KeyValue {
        key: key.to_string(),
        value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
        ..KeyValue::default()
    }
}

/// The scope of all that is pushed: the agent.
pub fn scope() -> InstrumentationScope {
    let (name, version) = ("watchward".to_string(), env!("CARGO_PKG_VERSION").to_string());
    InstrumentationScope { name, version, ..InstrumentationScope::default() }
}

/// Stored milliseconds as OTLP has time. Times before 1970 do not exist.
pub fn nanos(at_ms: i64) -> u64 {
    u64::try_from(at_ms).unwrap_or(0).saturating_mul(1_000_000)
}
