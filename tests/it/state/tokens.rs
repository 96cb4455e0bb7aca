//! Tokens: kept with the event that tells of them, found after a kill, gone when removed.

use std::collections::BTreeSet;

use serde_json::json;
use watchward::model::caller::Role;
use watchward::model::scope::Scope;
use watchward::model::status::Event;
use watchward::state::tokens::Token;

use crate::state::{Folder, moment, open};

fn token(id: &str, tenants: Option<&[&str]>) -> Token {
    Token {
        id: id.to_string(),
        hash: [7; 32],
        name: format!("name of {id}"),
        tenants: tenants.map(|tenants| tenants.iter().map(ToString::to_string).collect::<BTreeSet<_>>()),
        role: Role::Operator,
        created_ms: 5,
        created_by: "socket:uid 0".to_string(),
        expires_ms: Some(99),
        used_ms: None,
    }
}

fn event(kind: &str) -> Event {
    Event {
        at_ms: moment(0).stored_ms,
        tenant: "acme".to_string(),
        target: String::new(),
        kind: kind.to_string(),
        summary: "it happened".to_string(),
        detail: json!({}),
    }
}

#[tokio::test]
async fn tokens_stand_after_a_kill_and_events_tell_of_them() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let (mut one, two) = (token("one", Some(&["acme", "zeta"])), token("two", None));
    state.add_token(&one, &event("token.created")).await.unwrap();
    state.add_token(&two, &event("token.created")).await.unwrap();
    state.note_token_use("one", 42).await.unwrap();
    assert!(state.remove_token("two", &event("token.revoked")).await.unwrap());
    assert!(!state.remove_token("two", &event("token.revoked")).await.unwrap(), "it is gone already");

    let image = folder.image();
    drop(state);
    let state = open(&image).await;
    one.used_ms = Some(42);
    assert_eq!(state.tokens().await.unwrap(), [one]);
    let told = state.events(&Scope::of_tenant("acme"), 9).await.unwrap();
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["token.revoked", "token.created", "token.created"]);
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_leaves_no_event() {
    let folder = Folder::new();
    let state = open(&folder).await;
    state.add_token(&token("one", None), &event("token.created")).await.unwrap();
    let taken = Token { name: "name of one".to_string(), ..token("two", None) };
    assert!(state.add_token(&taken, &event("token.created")).await.is_err());
    assert_eq!(state.events(&Scope::of_tenant("acme"), 9).await.unwrap().len(), 1);
}
