//! What an answer of the collector means, and when to try again (the OTLP specification, "OTLP/HTTP"). Pure.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use serde_json::Value;

/// The first wait, doubled with each further failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, unless the collector asks for a longer one.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a collector is granted.
const ASKED_MAX: Duration = Duration::from_secs(600);

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    /// Try again; not before the time the collector asked for.
    Retry {
        after: Option<Duration>,
    },
    /// It will never take this request.
    Refused,
}

/// Reads a status. Only 429, 502, 503 and 504 may be tried again; everything else that is no success is the last word.
pub fn verdict(status: u16, retry_after: &str, wall_ms: i64) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        429 | 503 => Verdict::Retry { after: wait_asked(retry_after, wall_ms) },
        502 | 504 => Verdict::Retry { after: None },
        _ => Verdict::Refused,
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or a date by the wall clock (RFC 9110, 10.2.3).
pub fn wait_asked(header: &str, wall_ms: i64) -> Option<Duration> {
    let header = header.trim();
    let asked = match header.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(u64::from(seconds)),
        Err(_) => {
            let date = DateTimeParser::new().parse_timestamp(header).ok()?;
            let wait_ms = date.as_millisecond().saturating_sub(wall_ms).max(0);
            Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))
        }
    };
    Some(asked.min(ASKED_MAX))
}

/// The wait after the n-th failure in a row (1 is the first): doubling from 1 s to 30 s, and between half and all of
/// that, by `scatter`, so that many agents do not come back at the same moment.
pub fn wait(failures: u32, scatter: u64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    let full_ms = u64::try_from(doubled.min(LONGEST).as_millis()).unwrap_or(u64::MAX);
    let half_ms = full_ms / 2;
    Duration::from_millis(half_ms + scatter % (full_ms - half_ms + 1))
}

/// What the body of a success says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Success {
    /// All was taken.
    Whole,
    /// So many items were not taken after all, and why; or none, and a warning.
    Partial(u64, String),
    /// This is no answer of OTLP's: perhaps no collector is there. It holds the beginning of what was said.
    Strange(String),
}

/// Reads the body of a success. Answers to traces have the same form. It may be empty, and is JSON where a receiver does
/// not answer in kind.
pub fn success(body: &[u8]) -> Success {
    let said = match ExportMetricsServiceResponse::decode(body) {
        Ok(said) => said.partial_success.map(|said| (said.rejected_data_points, said.error_message)),
        Err(_) => match serde_json::from_slice::<serde_json::Map<String, Value>>(body) {
            Ok(said) => said.get("partialSuccess").map(partial_of_json),
            Err(_) => return Success::Strange(String::from_utf8_lossy(body).into_owned()),
        },
    };
    let (rejected, words) = said.unwrap_or_default();
    match u64::try_from(rejected).unwrap_or(0) {
        0 if words.is_empty() => Success::Whole,
        rejected => Success::Partial(rejected, words),
    }
}

/// JSON of protobuf: a whole number of 64 bits may be a text.
fn partial_of_json(said: &Value) -> (i64, String) {
    let rejected = ["rejectedDataPoints", "rejectedSpans"].iter().find_map(|key| said.get(key));
    let rejected = rejected.and_then(|one| one.as_i64().or_else(|| one.as_str()?.parse().ok()));
    (rejected.unwrap_or(0), said.get("errorMessage").and_then(Value::as_str).unwrap_or("").to_string())
}

/// The message of a refusal: a `google.rpc.Status`, or whatever text there is.
pub fn reason(body: &[u8]) -> String {
    match Status::decode(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

/// `google.rpc.Status`, as far as people read it.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}
