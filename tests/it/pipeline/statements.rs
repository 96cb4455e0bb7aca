//! Whose statement is meant: of the caller's own tenants only, and said where one name is several tenants'. Who waits
//! for a server that does not answer is told so, and who comes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use watchward::model::caller::{Caller, Role};
use watchward::model::command::Wanted;
use watchward::model::scope::Scope;
use watchward::model::target::Target;
use watchward::pipeline::statements::{Reader, find};

use crate::engines::targets::target;

fn check(scope: Scope, name: &str, tenant: Option<&str>, expected: Result<&str, &str>) {
    let one = |name: &str, tenant: &str| {
        let (name, tenant) = (name.to_string(), tenant.to_string());
        Arc::new(Target { name, tenant, ..target("postgresql", "postgres", 1) })
    };
    let targets = [one("orders", "acme"), one("orders", "zeta"), one("stock", "acme")];
    let wanted = Wanted { target: name.to_string(), tenant: tenant.map(str::to_string), id: "1".to_string() };
    let caller = Caller { scope, role: Role::Viewer, name: "token:x".to_string() };
    let found = find(&targets, &wanted, &caller).map(|target| target.identity());
    assert_eq!(found.map_err(|fault| fault.to_string()), expected.map(str::to_string).map_err(str::to_string));
}

#[test]
fn a_target_of_another_tenant_is_none() {
    check(Scope::of_tenant("acme"), "orders", None, Ok("acme/orders"));
    check(Scope::of_tenant("zeta"), "orders", None, Ok("zeta/orders"));
    check(Scope::of_tenant("zeta"), "stock", None, Err("there is no target 'stock' [agent-08]"));
    check(Scope::of_tenant("zeta"), "stock", Some("acme"), Err("there is no target 'stock' [agent-08]"));
    check(Scope::of_socket_peer(), "stock", None, Ok("acme/stock"));
    let several = "several tenants have a target 'orders' [agent-12]\nhint: Say which with tenant=ID.";
    check(Scope::of_socket_peer(), "orders", None, Err(several));
    check(Scope::of_socket_peer(), "orders", Some("zeta"), Ok("zeta/orders"));
}

/// It takes as long as the patience lasts: five seconds.
#[tokio::test]
async fn one_text_is_read_at_a_time_and_not_waited_for_without_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port"); // takes connections, and says nothing
    let port = silent.local_addr().expect("its address").port();
    let deadline = Duration::from_secs(60);
    let targets = [Arc::new(Target { deadline, ..target("redis", "redis", port) })];
    let wanted = || Wanted { target: "tested".to_string(), tenant: None, id: "1".to_string() };
    let caller = Caller { scope: Scope::of_socket_peer(), role: Role::Viewer, name: "peer:x".to_string() };
    let reader = Reader::default();
    let ask = || {
        let (reply, told) = oneshot::channel();
        reader.answer(&targets, wanted(), &caller, reply);
        async { told.await.expect("a reply").expect_err("there is no text").to_string() }
    };
    let (first, second) = (ask(), ask());
    assert_eq!(second.await, "another statement's text is being read [agent-10]\nhint: Ask again in a moment.");
    assert_eq!(first.await, "no text from tested within 5 s [agent-11]");
}
