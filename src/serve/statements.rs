//! `/api/v1/statements`: the text of a statement, whose series have only its id. Texts are not for everybody on this machine.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::model::caller::Caller;
use crate::model::command::{Command, Wanted};
use crate::model::fault::Fault;
use crate::serve::commands;
use crate::serve::reply;
use crate::serve::shared::Shared;

/// `GET /api/v1/statements?target=NAME&id=ID[&tenant=ID]`.
pub async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(mut parameters): Query<HashMap<String, String>>,
) -> Response {
    let tenant = parameters.remove("tenant");
    let (Some(target), Some(id)) = (parameters.remove("target"), parameters.remove("id")) else {
        let fault = Fault::new("serve-37", "target and id are both needed")
            .hint("The id is the label queryid or query_hash of the statement's series: ?target=NAME&id=ID.");
        return reply::fault(StatusCode::BAD_REQUEST, &fault);
    };
    commands::answer(&shared, caller, Command::Statement(Wanted { target, tenant, id })).await
}
