//! Commands on their way to the agent: a bounded queue, an answer within a deadline, and exact words where there is none.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::model::caller::Caller;
use crate::model::command::Command;
use crate::model::fault::Fault;
use crate::serve::reply;
use crate::serve::shared::Shared;

/// Commands that may wait for the agent; a further one is turned away.
pub const WAITING_MAX: usize = 32;
/// How long the agent may take for an answer.
pub const ANSWER_TIME: Duration = Duration::from_secs(8);

const BUSY: &str = "serve-14";
const LATE: &str = "serve-15";

/// A command with who gave it, and where the answer goes. The answer is within the caller's scope.
#[derive(Debug)]
pub struct Asked {
    pub caller: Caller,
    pub command: Command,
    pub reply: oneshot::Sender<Result<Value, Fault>>,
}

/// Has a command carried out, and waits for its answer no longer than `limit`.
///
/// # Errors
/// `serve-14`: too many wait already, or the agent stops. `serve-15`: no answer in time; it may still be carried out.
/// Else what the agent says.
pub async fn ask(
    commands: &mpsc::Sender<Asked>,
    caller: Caller,
    command: Command,
    limit: Duration,
) -> Result<Value, Fault> {
    let (reply, answer) = oneshot::channel();
    if commands.try_send(Asked { caller, command, reply }).is_err() {
        return Err(Fault::new(BUSY, format!("the agent is busy: {WAITING_MAX} commands wait already, or it stops"))
            .hint("Nothing was done. Try again in a moment."));
    }
    match timeout(limit, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Fault::new(BUSY, "the agent stops").hint("Ask again when it runs.")),
        Err(_) => Err(Fault::new(LATE, format!("the agent gave no answer within {} s", limit.as_secs_f32()))
            .detail("The command may still be carried out.")
            .hint("Look at what happened before you try again.")),
    }
}

/// Has a command carried out, and answers the request with what came of it.
pub async fn answer(shared: &Shared, caller: Caller, command: Command) -> Response {
    match ask(&shared.commands, caller, command, ANSWER_TIME).await {
        Ok(value) => reply::json(&value),
        Err(fault) => reply::fault(status(&fault), &fault),
    }
}

/// What the agent itself refuses stands in conflict with how things are; the rest is told apart by its code.
fn status(fault: &Fault) -> StatusCode {
    match fault.code {
        BUSY => StatusCode::SERVICE_UNAVAILABLE,
        LATE => StatusCode::GATEWAY_TIMEOUT,
        "act-40" | "act-42" | "agent-08" | "agent-09" => StatusCode::NOT_FOUND,
        _ => StatusCode::CONFLICT,
    }
}
