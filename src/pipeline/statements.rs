//! Texts of statements: read when somebody asks, over one short session beside the target's own, one at a time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::engines;
use crate::engines::contract::Access;
use crate::model::caller::Caller;
use crate::model::command::Wanted;
use crate::model::fault::Fault;
use crate::model::target::Target;
use crate::sys::{secrets, task};

/// The longest that a server may take, the login and all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever asks for texts: there is one session for all of them.
#[derive(Clone)]
pub struct Reader(Arc<Semaphore>);

impl Default for Reader {
    fn default() -> Reader {
        Reader(Arc::new(Semaphore::new(1)))
    }
}

impl Reader {
    /// Reads a text in a task of its own. The caller sees the targets of their own tenants only.
    pub fn answer(
        &self,
        targets: &[Arc<Target>],
        wanted: Wanted,
        caller: &Caller,
        reply: oneshot::Sender<Result<Value, Fault>>,
    ) {
        let found = find(targets, &wanted, caller).and_then(|target| {
            let permit = self.0.clone().try_acquire_owned();
            let busy =
                |_| Fault::new("agent-10", "another statement's text is being read").hint("Ask again in a moment.");
            Ok((target, permit.map_err(busy)?))
        });
        let work = async move {
            let answer = match found {
                Err(fault) => Err(fault),
                Ok((target, _permit)) => timeout(PATIENCE, read(&target, &wanted)).await.unwrap_or_else(|_| {
                    Err(Fault::new(
                        "agent-11",
                        format!("no text from {} within {} s", wanted.target, PATIENCE.as_secs()),
                    ))
                }),
            };
            let _ = reply.send(answer); // whoever asked may have given up
        };
        task::spawn("statement", work).detach();
    }
}

/// The one target that is meant.
///
/// # Errors
/// `agent-08`: the caller has none of that name. `agent-12`: several tenants have.
pub fn find(targets: &[Arc<Target>], wanted: &Wanted, caller: &Caller) -> Result<Arc<Target>, Fault> {
    let is_meant = |target: &&Arc<Target>| {
        target.name == wanted.target
            && caller.scope.sees(&target.tenant)
            && wanted.tenant.as_ref().is_none_or(|tenant| *tenant == target.tenant)
    };
    let mut all = targets.iter().filter(is_meant);
    let Some(first) = all.next() else {
        return Err(Fault::new("agent-08", format!("there is no target '{}'", wanted.target)));
    };
    match all.next() {
        None => Ok(first.clone()),
        Some(_) => Err(Fault::new("agent-12", format!("several tenants have a target '{}'", wanted.target))
            .hint("Say which with tenant=ID.")),
    }
}

async fn read(target: &Target, wanted: &Wanted) -> Result<Value, Fault> {
    let engine = engines::find(&target.engine).ok_or_else(|| Fault::new("agent-08", "its engine is not one"))?;
    let access = Access { password: secrets::read(&target.password)?, api_key: secrets::read(&target.api_key)? };
    let asked = async {
        let mut session = engine.connect(target, &access).await?;
        session.statement(&wanted.id).await
    };
    let text = asked.await.map_err(|fault| access.concealed(&target.url.user, fault))?;
    let Some(text) = text else {
        return Err(Fault::new("agent-09", format!("{} knows no statement '{}'", target.name, wanted.id))
            .hint("The server forgets statements that are run seldom, and all when its statistics are reset."));
    };
    Ok(json!({ "tenant": target.tenant, "target": target.name, "id": wanted.id, "text": text }))
}
