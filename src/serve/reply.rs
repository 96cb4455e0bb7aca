//! Answers: JSON, and faults as JSON with the status that fits.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::model::fault::Fault;

/// A JSON answer.
pub fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, &Fault::new("serve-01", error.to_string())),
    }
}

/// A value that was sent, in words short enough for a line.
pub fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A fault as an answer: `{"error": {"code", "what", "detail", "hint"}}`.
pub fn fault(status: StatusCode, fault: &Fault) -> Response {
    let body = serde_json::json!({ "error": fault });
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
