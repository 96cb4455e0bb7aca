//! The routes: one line for each verb of each path, with what the caller must be. The router is built of this table, and
//! the gate enforces the table before any handler runs.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, get, on};

use crate::model::caller::{Caller, Role};
use crate::model::fault::Fault;
use crate::serve::administer;
use crate::serve::config;
use crate::serve::gate;
use crate::serve::health;
use crate::serve::login;
use crate::serve::metrics;
use crate::serve::page;
use crate::serve::policies;
use crate::serve::query;
use crate::serve::reply;
use crate::serve::shared::Shared;
use crate::serve::statements;
use crate::serve::stream;

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anybody: what is behind it holds nobody's data.
    Open,
    /// A viewer: whoever has a token, and on loopback whoever asks. Sees no more than the caller's scope.
    Read,
    /// A viewer who says who they are: for what people wrote, such as statements.
    ReadKnown,
    /// An operator.
    Operate,
    /// An admin.
    Administer,
    /// An operator of all tenants: for what stops everything.
    OperateAll,
    /// An admin of all tenants: for what belongs to the agent as a whole.
    AdministerAll,
}

impl Need {
    /// Whether a caller is what is needed.
    pub fn admits(self, caller: &Caller) -> bool {
        match self {
            Need::Open => true,
            Need::Read => caller.role >= Role::Viewer,
            Need::ReadKnown => caller.role >= Role::Viewer && !caller.is_anonymous(),
            Need::Operate => caller.role >= Role::Operator,
            Need::Administer => caller.role >= Role::Admin,
            Need::OperateAll => caller.role >= Role::Operator && caller.scope.tenants().is_none(),
            Need::AdministerAll => caller.role >= Role::Admin && caller.scope.tenants().is_none(),
        }
    }

    /// What is needed, in the words of a refusal.
    pub fn words(self) -> &'static str {
        match self {
            Need::Open => "nothing",
            Need::Read => "the role viewer",
            Need::ReadKnown => "the role viewer, by a token",
            Need::Operate => "the role operator",
            Need::Administer => "the role admin",
            Need::OperateAll => "the role operator of all tenants",
            Need::AdministerAll => "the role admin of all tenants",
        }
    }
}

/// One verb of one path.
pub struct Route {
    pub verb: Method,
    /// As axum writes it: `{name}` stands for one part.
    pub path: &'static str,
    pub needs: Need,
    handler: fn(MethodFilter) -> MethodRouter<Arc<Shared>>,
}

/// Everything that can be asked for. GET answers HEAD as well.
#[rustfmt::skip] // a table is read across
pub static ROUTES: &[Route] = &[
    Route { verb: Method::GET, path: "/", needs: Need::Open, handler: |verb| on(verb, page::page) },
    Route { verb: Method::POST, path: "/login", needs: Need::Open, handler: |verb| on(verb, login::login) },
    Route { verb: Method::POST, path: "/logout", needs: Need::Open, handler: |verb| on(verb, login::logout) },
    Route { verb: Method::GET, path: "/healthz", needs: Need::Read, handler: |verb| on(verb, page::healthz) },
    Route { verb: Method::GET, path: "/readyz", needs: Need::Read, handler: |verb| on(verb, page::readyz) },
    Route { verb: Method::GET, path: "/metrics", needs: Need::Read, handler: |verb| on(verb, metrics::get) },
    Route { verb: Method::GET, path: "/api/v1/targets", needs: Need::Read, handler: |verb| on(verb, health::targets) },
    Route { verb: Method::GET, path: "/api/v1/alerts", needs: Need::Read, handler: |verb| on(verb, health::alerts) },
    Route { verb: Method::GET, path: "/api/v1/findings", needs: Need::Read, handler: |verb| on(verb, health::findings) },
    Route { verb: Method::GET, path: "/api/v1/database/health/{tenant_id}", needs: Need::Read, handler: |verb| on(verb, health::tenant) },
    Route { verb: Method::GET, path: "/api/v1/query", needs: Need::Read, handler: |verb| on(verb, query::instant) },
    Route { verb: Method::GET, path: "/api/v1/query_range", needs: Need::Read, handler: |verb| on(verb, query::range) },
    Route { verb: Method::GET, path: "/api/v1/statements", needs: Need::ReadKnown, handler: |verb| on(verb, statements::get) },
    Route { verb: Method::GET, path: "/api/v1/stream", needs: Need::Read, handler: |verb| on(verb, stream::upgrade) },
    Route { verb: Method::GET, path: "/api/v1/caller", needs: Need::Read, handler: |verb| on(verb, login::caller) },
    Route { verb: Method::GET, path: "/api/v1/tokens", needs: Need::Administer, handler: |verb| on(verb, administer::list) },
    Route { verb: Method::POST, path: "/api/v1/tokens", needs: Need::Administer, handler: |verb| on(verb, administer::create) },
    Route { verb: Method::DELETE, path: "/api/v1/tokens/{token_id}", needs: Need::Administer, handler: |verb| on(verb, administer::revoke) },
    Route { verb: Method::GET, path: "/api/v1/policies", needs: Need::Read, handler: |verb| on(verb, policies::list) },
    Route { verb: Method::POST, path: "/api/v1/policies/{name}/run", needs: Need::Operate, handler: |verb| on(verb, policies::run) },
    Route { verb: Method::POST, path: "/api/v1/policies/{name}/arm", needs: Need::Administer, handler: |verb| on(verb, policies::arm) },
    Route { verb: Method::POST, path: "/api/v1/policies/{name}/disarm", needs: Need::Operate, handler: |verb| on(verb, policies::disarm) },
    Route { verb: Method::POST, path: "/api/v1/actions/stop", needs: Need::OperateAll, handler: |verb| on(verb, policies::stop) },
    Route { verb: Method::POST, path: "/api/v1/actions/start", needs: Need::AdministerAll, handler: |verb| on(verb, policies::start) },
    Route { verb: Method::GET, path: "/api/v1/journal", needs: Need::Read, handler: |verb| on(verb, policies::journal) },
    Route { verb: Method::GET, path: "/api/v1/journal/{change_id}", needs: Need::Read, handler: |verb| on(verb, policies::change) },
    Route { verb: Method::POST, path: "/api/v1/journal/{change_id}/undo", needs: Need::Operate, handler: |verb| on(verb, policies::undo) },
    Route { verb: Method::POST, path: "/api/v1/journal/{change_id}/close", needs: Need::Operate, handler: |verb| on(verb, policies::close) },
    Route { verb: Method::GET, path: "/api/v1/config", needs: Need::AdministerAll, handler: |verb| on(verb, config::effective) },
];

/// What a caller of a path must be; `None` where the table has no such line, and nothing will be there.
pub fn need(verb: &Method, path: &str) -> Option<Need> {
    let verb = if verb == Method::HEAD { &Method::GET } else { verb };
    ROUTES.iter().find(|route| route.verb == verb && route.path == path).map(|route| route.needs)
}

/// The router of the door that has nothing but these two, for whoever looks after the process. No gate: there is no data.
pub fn health_router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(page::healthz))
        .route("/readyz", get(page::readyz))
        .fallback(nothing_here)
        .method_not_allowed_fallback(no_such_verb)
        .with_state(shared)
}

/// The router of the table, behind the gate.
pub fn router(shared: Arc<Shared>) -> Router {
    let add = |router: Router<Arc<Shared>>, route: &Route| match MethodFilter::try_from(route.verb.clone()) {
        Ok(verb) => router.route(route.path, (route.handler)(verb)),
        Err(_) => router, // a verb that HTTP does not have; the matrix of tests finds the hole
    };
    ROUTES
        .iter()
        .fold(Router::new(), add)
        .fallback(nothing_here)
        .method_not_allowed_fallback(no_such_verb)
        .layer(middleware::from_fn_with_state(shared.clone(), gate::pass))
        .with_state(shared)
}

async fn nothing_here(request: Request) -> Response {
    let fault = Fault::new("serve-04", format!("there is nothing at {}", request.uri().path()))
        .hint("The page at / and the manual list what there is.");
    reply::fault(StatusCode::NOT_FOUND, &fault)
}

async fn no_such_verb(request: Request) -> Response {
    let what = format!("there is no {} at {}", request.method(), request.uri().path());
    reply::fault(StatusCode::METHOD_NOT_ALLOWED, &Fault::new("serve-16", what))
}
