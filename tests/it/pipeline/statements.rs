//! Whose statement is meant: of the caller's own tenants only, and said where one name is several tenants'.

use std::sync::Arc;

use watchward::model::caller::{Caller, Role};
use watchward::model::command::Wanted;
use watchward::model::scope::Scope;
use watchward::model::target::Target;
use watchward::pipeline::statements::find;

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
    assert_eq!(found.map_err(|fault| fault.what), expected.map(str::to_string).map_err(str::to_string));
}

#[test]
fn a_target_of_another_tenant_is_none() {
    check(Scope::of_tenant("acme"), "orders", None, Ok("acme/orders"));
    check(Scope::of_tenant("zeta"), "orders", None, Ok("zeta/orders"));
    check(Scope::of_tenant("zeta"), "stock", None, Err("there is no target 'stock'"));
    check(Scope::of_tenant("zeta"), "stock", Some("acme"), Err("there is no target 'stock'"));
    check(Scope::of_socket_peer(), "stock", None, Ok("acme/stock"));
    check(Scope::of_socket_peer(), "orders", None, Err("several tenants have a target 'orders'"));
    check(Scope::of_socket_peer(), "orders", Some("zeta"), Ok("zeta/orders"));
}
