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

#[test]
fn one_scope_covers_another_that_sees_no_more() {
    let of = |tenants: &[&str]| Scope::of_token(Some(tenants.iter().map(ToString::to_string).collect()));
    let all = Scope::of_token(None);
    assert!(all.covers(&of(&["acme"])) && all.covers(&all) && all.tenants().is_none());
    assert!(of(&["acme", "zeta"]).covers(&of(&["zeta"])));
    assert!(!of(&["acme"]).covers(&of(&["acme", "zeta"])) && !of(&["acme"]).covers(&of(&["zeta"])));
    assert!(!of(&["acme"]).covers(&all), "not even all there are now");
}
