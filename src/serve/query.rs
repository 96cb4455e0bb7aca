//! Prometheus' query API, `/api/v1/query` and `/api/v1/query_range`, over the reader's own series.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use crate::model::caller::Caller;
use crate::model::duration;
use crate::promql;
use crate::promql::Value;
use crate::promql::expression::Expression;
use crate::serve::format;
use crate::serve::reply;
use crate::serve::shared::Shared;
use crate::sys::task;

/// How long a query may compute before it is given up.
const QUERY_TIME: Duration = Duration::from_secs(10);

type Parameters = Query<HashMap<String, String>>;

/// `GET /api/v1/query?query=…[&time=…]`.
pub async fn instant(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Parameters,
) -> Response {
    let (now_ms, ahead_ms) = (shared.clock.now().stored_ms, shared.clock.ahead_ms());
    let parsed = expression(&parameters).and_then(|query| Ok((query, time(&parameters, "time", now_ms, ahead_ms)?)));
    let (query, at_ms) = match parsed {
        Ok(parsed) => parsed,
        Err(words) => return failed(StatusCode::BAD_REQUEST, "bad_data", &words),
    };
    compute(move |limits| {
        let source = shared.store.scoped(&caller.scope);
        let value = promql::instant(&query, &source, at_ms, limits).map_err(|error| error.to_string())?;
        Ok(rendered(value, at_ms, ahead_ms))
    })
    .await
}

/// `GET /api/v1/query_range?query=…&start=…&end=…&step=…`.
pub async fn range(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Parameters,
) -> Response {
    let ahead_ms = shared.clock.ahead_ms();
    let parsed = expression(&parameters).and_then(|query| {
        let from_ms = time(&parameters, "start", 0, ahead_ms)?;
        let to_ms = time(&parameters, "end", 0, ahead_ms)?;
        Ok((query, from_ms, to_ms, step(&parameters)?))
    });
    let (query, from_ms, to_ms, step_ms) = match parsed {
        Ok(parsed) => parsed,
        Err(words) => return failed(StatusCode::BAD_REQUEST, "bad_data", &words),
    };
    if to_ms < from_ms {
        return failed(StatusCode::BAD_REQUEST, "bad_data", "end is before start");
    }
    compute(move |limits| {
        let source = shared.store.scoped(&caller.scope);
        let matrix =
            promql::range(&query, &source, from_ms, to_ms, step_ms, limits).map_err(|error| error.to_string())?;
        Ok(rendered(Value::Matrix(matrix), to_ms, ahead_ms))
    })
    .await
}

async fn compute(work: impl FnOnce(&promql::Limits) -> Result<Json, String> + Send + 'static) -> Response {
    let cancel = Arc::new(AtomicBool::new(false));
    let limits = promql::Limits { cancel: Some(cancel.clone()), ..promql::Limits::default() };
    let computing = task::blocking("query", move || work(&limits));
    match tokio::time::timeout(QUERY_TIME, computing).await {
        Ok(Ok(Ok(data))) => reply::json(&json!({ "status": "success", "data": data })),
        Ok(Ok(Err(words))) => failed(StatusCode::UNPROCESSABLE_ENTITY, "execution", &words),
        Ok(Err(panic)) => failed(StatusCode::INTERNAL_SERVER_ERROR, "internal", &panic),
        Err(_) => {
            cancel.store(true, Ordering::Relaxed); // the computing thread looks at it and stops
            let words = format!("the query took longer than {} s", QUERY_TIME.as_secs());
            failed(StatusCode::SERVICE_UNAVAILABLE, "timeout", &words)
        }
    }
}

fn expression(parameters: &HashMap<String, String>) -> Result<Expression, String> {
    let text = parameters.get("query").ok_or("the parameter query is missing")?;
    promql::parse(text).map_err(|error| error.to_string())
}

/// Seconds since 1970 with a fraction, or RFC 3339, by the wall clock; `ahead_ms` is how far stored time runs ahead of it.
/// Without the parameter the default, which is stored time already.
fn time(parameters: &HashMap<String, String>, name: &str, default_ms: i64, ahead_ms: i64) -> Result<i64, String> {
    let Some(text) = parameters.get(name) else {
        return if default_ms > 0 { Ok(default_ms) } else { Err(format!("the parameter {name} is missing")) };
    };
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        #[allow(clippy::cast_possible_truncation)] // saturates, which is as good an answer as any
        return Ok(((seconds * 1000.0) as i64).saturating_add(ahead_ms));
    }
    let moment: jiff::Timestamp =
        text.parse().map_err(|_| format!("{name} '{text}' is neither seconds since 1970 nor RFC 3339"))?;
    Ok(moment.as_millisecond() + ahead_ms)
}

fn step(parameters: &HashMap<String, String>) -> Result<i64, String> {
    let text = parameters.get("step").ok_or("the parameter step is missing")?;
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    let duration = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        None => duration::parse(text)?,
    };
    match i64::try_from(duration.as_millis()) {
        Ok(0) => Err("step must be longer than nothing".to_string()),
        Ok(step_ms) => Ok(step_ms),
        Err(_) => Err(format!("step '{text}' is too long")),
    }
}

fn failed(status: StatusCode, kind: &str, words: &str) -> Response {
    let body = json!({ "status": "error", "errorType": kind, "error": words });
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

#[allow(clippy::cast_precision_loss)] // milliseconds of this era are exact
/// Times are told by the wall clock, which stored time may run ahead of.
fn rendered(value: Value, at_ms: i64, ahead_ms: i64) -> Json {
    let pair = |at_ms: i64, value: f64| {
        let mut text = String::new();
        format::number(&mut text, value);
        json!([(at_ms - ahead_ms) as f64 / 1000.0, text])
    };
    match value {
        Value::Scalar(value) => json!({ "resultType": "scalar", "result": pair(at_ms, value) }),
        Value::Text(text) => {
            json!({ "resultType": "string", "result": [(at_ms - ahead_ms) as f64 / 1000.0, text] })
        }
        Value::Vector(vector) => {
            let result: Vec<Json> =
                vector.iter().map(|one| json!({ "metric": one.labels, "value": pair(at_ms, one.value) })).collect();
            json!({ "resultType": "vector", "result": result })
        }
        Value::Matrix(matrix) => {
            let row = |one: &promql::SeriesSamples| {
                let values: Vec<Json> = one.samples.iter().map(|(at, value)| pair(*at, *value)).collect();
                json!({ "metric": one.labels, "values": values })
            };
            json!({ "resultType": "matrix", "result": matrix.iter().map(row).collect::<Vec<_>>() })
        }
    }
}
