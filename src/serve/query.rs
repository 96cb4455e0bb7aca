//! Prometheus' query API, `/api/v1/query` and `/api/v1/query_range`, over the reader's own series.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::model::caller::Caller;
use crate::model::duration;
use crate::model::labels::Labels;
use crate::promql;
use crate::promql::Value;
use crate::promql::expression::Expression;
use crate::serve::format;
use crate::serve::shared::Shared;
use crate::sys::task;

/// How long a query may wait for its place, and how long it may be computed then, before it is given up.
const QUERY_TIME: Duration = Duration::from_secs(10);
/// Queries that are computed at once; further ones wait. The machine is there for others.
const AT_ONCE_MAX: usize = 2;
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// What queries may cost, all together.
pub struct Queries {
    places: Arc<Semaphore>,
    samples_max: usize,
}

impl Queries {
    pub fn new(samples_max: usize) -> Queries {
        Queries { places: Arc::new(Semaphore::new(AT_ONCE_MAX)), samples_max }
    }

    /// How many could begin now.
    pub fn places_free(&self) -> usize {
        self.places.available_permits()
    }

    /// A place, once there is one.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok() // nobody closes it
    }
}

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
    let store = shared.store.clone();
    compute(&shared, move |limits| {
        let source = store.scoped(&caller.scope);
        let value = promql::instant(&query, &source, at_ms, limits).map_err(|error| error.to_string())?;
        rendered(value, at_ms, ahead_ms)
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
    let store = shared.store.clone();
    compute(&shared, move |limits| {
        let source = store.scoped(&caller.scope);
        let matrix =
            promql::range(&query, &source, from_ms, to_ms, step_ms, limits).map_err(|error| error.to_string())?;
        rendered(Value::Matrix(matrix), to_ms, ahead_ms)
    })
    .await
}

/// Ends the computing when nobody waits for it any more: its time is over, or its client went away.
#[derive(Default)]
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed); // the computing thread looks at it and stops
    }
}

/// Has a query computed once there is a place for it. The text is the answer's.
async fn compute(
    shared: &Shared,
    work: impl FnOnce(&promql::Limits) -> Result<String, String> + Send + 'static,
) -> Response {
    let late = |words: &str| {
        shared.counters.queries_given_up.fetch_add(1, Ordering::Relaxed);
        failed(StatusCode::SERVICE_UNAVAILABLE, "timeout", words)
    };
    let Ok(Some(place)) = timeout(QUERY_TIME, shared.queries.place()).await else {
        return late(&format!("other queries were computed for {} s; try again in a moment", QUERY_TIME.as_secs()));
    };
    let cancel = Cancel::default();
    let samples_max = shared.queries.samples_max;
    let limits = promql::Limits { samples_max, cancel: Some(cancel.0.clone()), ..promql::Limits::default() };
    let computing = task::blocking("query", move || {
        let _place = place; // until the thread has stopped, whoever has given up waiting for it
        work(&limits)
    });
    match timeout(QUERY_TIME, computing).await {
        Ok(Ok(Ok(text))) => match shared.answers.hold(text) {
            Ok(body) => ([("content-type", "application/json")], body).into_response(),
            Err(fault) => failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &fault.what),
        },
        Ok(Ok(Err(words))) => failed(StatusCode::UNPROCESSABLE_ENTITY, "execution", &words),
        Ok(Err(panic)) => failed(StatusCode::INTERNAL_SERVER_ERROR, "internal", &panic),
        Err(_) => late(&format!("the query took longer than {} s", QUERY_TIME.as_secs())),
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

/// The answer as text, written as it goes: a tree of its values would weigh many times as much.
///
/// # Errors
/// It is too large.
fn rendered(value: Value, at_ms: i64, ahead_ms: i64) -> Result<String, String> {
    let mut answer = Rendering { text: String::from(r#"{"status":"success","data":{"resultType":""#), ahead_ms };
    match value {
        Value::Scalar(value) => {
            answer.text.push_str(r#"scalar","result":"#);
            answer.pair(at_ms, value);
        }
        Value::Text(text) => {
            answer.text.push_str(r#"string","result":["#);
            answer.time(at_ms);
            answer.text.push(',');
            answer.json(&text)?;
            answer.text.push(']');
        }
        Value::Vector(vector) => {
            answer.text.push_str(r#"vector","result":"#);
            answer.list(vector, |answer, one| {
                answer.metric(&one.labels)?;
                answer.text.push_str(r#","value":"#);
                answer.pair(at_ms, one.value);
                answer.text.push('}');
                Ok(())
            })?;
        }
        Value::Matrix(matrix) => {
            answer.text.push_str(r#"matrix","result":"#);
            answer.list(matrix, |answer, one| {
                answer.metric(&one.labels)?;
                answer.text.push_str(r#","values":"#);
                answer.list(one.samples, |answer, (at_ms, value)| {
                    answer.pair(at_ms, value);
                    Ok(())
                })?;
                answer.text.push('}');
                Ok(())
            })?;
        }
    }
    answer.text.push_str("}}");
    Ok(answer.text)
}

/// An answer as far as it is written. Times are told by the wall clock, which stored time may run ahead of.
struct Rendering {
    text: String,
    ahead_ms: i64,
}

impl Rendering {
    fn list<T>(
        &mut self,
        all: Vec<T>,
        mut write: impl FnMut(&mut Rendering, T) -> Result<(), String>,
    ) -> Result<(), String> {
        self.text.push('[');
        for (number, one) in all.into_iter().enumerate() {
            if number > 0 {
                self.text.push(',');
            }
            write(self, one)?;
            if self.text.len() > ANSWER_BYTES_MAX {
                let mib = ANSWER_BYTES_MAX >> 20;
                return Err(format!("the answer is larger than {mib} MiB; narrow the query, its range or its step"));
            }
        }
        self.text.push(']');
        Ok(())
    }

    fn metric(&mut self, labels: &Labels) -> Result<(), String> {
        self.text.push_str(r#"{"metric":"#);
        self.json(labels)
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), String> {
        self.text.push_str(&serde_json::to_string(value).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn pair(&mut self, at_ms: i64, value: f64) {
        self.text.push('[');
        self.time(at_ms);
        self.text.push_str(",\"");
        format::number(&mut self.text, value);
        self.text.push_str("\"]");
    }

    #[allow(clippy::cast_precision_loss)] // milliseconds of this era are exact
    fn time(&mut self, at_ms: i64) {
        let seconds = at_ms.saturating_sub(self.ahead_ms) as f64 / 1000.0;
        let _ = write!(self.text, "{seconds}"); // writing to a String cannot fail
    }
}
