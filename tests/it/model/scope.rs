//! Scopes: what the configuration opens, and nothing else.

use watchward::model::scope::Scope;

#[test]
fn a_star_is_everybody_and_nothing_is_nobody() {
    assert!(Scope::from_anonymous("*").sees("acme"));
    assert!(!Scope::from_anonymous("").sees("acme"));
    assert!(!Scope::from_anonymous("").sees(""));
    let two = Scope::from_anonymous(" acme, zeta ");
    assert!(two.sees("acme") && two.sees("zeta") && !two.sees("acm"));
    assert_eq!(two.tenants().map(std::collections::BTreeSet::len), Some(2));
    assert!(Scope::of_socket_peer().tenants().is_none());
    assert!(Scope::of_tenant("acme").sees("acme") && !Scope::of_tenant("acme").sees("*"));
}
