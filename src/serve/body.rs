//! The bodies of requests: read whole before any handler runs, within a size, a time, and a number at once.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::model::fault::Fault;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(10);
/// What anybody may send who has not said who they are.
pub const OPEN_BYTES_MAX: usize = 4 << 10;
/// Larger bodies that may be in memory at once.
const AT_ONCE_MAX: usize = 16;

/// Room for bodies: what may be in memory is bounded, however many connections there are.
pub struct Bodies {
    places: Semaphore,
    bytes_max: usize,
}

impl Bodies {
    pub fn new(bytes_max: usize) -> Bodies {
        Bodies { places: Semaphore::new(AT_ONCE_MAX), bytes_max }
    }

    /// The request with its whole body in memory. `open`: it comes from whom nobody knows.
    ///
    /// # Errors
    /// `serve-24`: it is too large. `serve-25`: it took too long. `serve-27`: too many are being read.
    pub async fn whole(&self, request: Request, open: bool) -> Result<Request, (StatusCode, Fault)> {
        if !has_body(request.method()) {
            return Ok(request);
        }
        let bytes_max = if open { self.bytes_max.min(OPEN_BYTES_MAX) } else { self.bytes_max };
        let too_large = || {
            let what = format!("the request's body is larger than {bytes_max} bytes");
            (StatusCode::PAYLOAD_TOO_LARGE, Fault::new("serve-24", what))
        };
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > bytes_max as u64) {
            return Err(too_large());
        }
        let _place = match open {
            true => None, // small enough for all connections to have one
            false => Some(self.places.try_acquire().map_err(|_| {
                let what = format!("{AT_ONCE_MAX} requests with a body are being read already");
                (StatusCode::SERVICE_UNAVAILABLE, Fault::new("serve-27", what).hint("Try again in a moment."))
            })?),
        };
        let (parts, body) = request.into_parts();
        match timeout(BODY_TIME, Limited::new(body, bytes_max).collect()).await {
            Ok(Ok(whole)) => Ok(Request::from_parts(parts, Body::from(whole.to_bytes()))),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, Fault::new("serve-26", "the request's body broke off"))),
            Err(_) => {
                let what = format!("the request's body took longer than {} s", BODY_TIME.as_secs());
                Err((StatusCode::REQUEST_TIMEOUT, Fault::new("serve-25", what)))
            }
        }
    }
}

/// Whether a verb comes with a body that anybody reads.
fn has_body(verb: &Method) -> bool {
    !matches!(*verb, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a body says that it is JSON. A page of another origin cannot send that without asking first.
pub fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The JSON object of a request. What stands in it is not repeated in any fault: it may be a secret.
///
/// # Errors
/// `serve-26`: it is none, or has a key that is not known.
pub fn object(headers: &HeaderMap, bytes: &[u8], known: &[&str]) -> Result<Value, (StatusCode, Fault)> {
    if !says_json(headers) {
        let fault = Fault::new("serve-26", "the request's body is not said to be JSON");
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            fault.hint("Send the header Content-Type: application/json."),
        ));
    }
    let wrong = |what: &str| {
        let hint = format!("It may have the keys {}.", known.join(", "));
        (StatusCode::BAD_REQUEST, Fault::new("serve-26", what).hint(hint))
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|_| wrong("the request's body is not JSON"))?;
    let Some(object) = value.as_object() else { return Err(wrong("the request's body is not a JSON object")) };
    match object.keys().all(|key| known.contains(&key.as_str())) {
        true => Ok(value),
        false => Err(wrong("the request's body has a key that is not known")),
    }
}
