//! Tokens: their text, their life, what nobody may give away, and those that are wrong.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde_json::{Value, json};
use watchward::model::caller::{Caller, Role};
use watchward::model::moment::Moment;
use watchward::model::scope::Scope;
use watchward::serve::token;
use watchward::serve::tokens::{TOKENS_MAX, TOKENS_OF_SOME_MAX, Tokens, Wish};

use crate::serve::{JSON, Served, told, what};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn bearer(made: &Value) -> String {
    format!("Bearer {}", text(&made["token"]))
}

#[test]
fn a_token_has_the_form_that_scanners_look_for() {
    let form = regex::Regex::new("^ww_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$").unwrap();
    let made: Vec<(String, String)> =
        (0..50).map(|_| token::make().unwrap()).map(|(id, secret)| (id, secret.expose().to_string())).collect();
    for (id, text) in &made {
        assert!(form.is_match(text), "{text}");
        assert_eq!(token::id(text), Some(id.as_str()));
    }
    assert_eq!(made.iter().map(|(_, text)| text).collect::<BTreeSet<_>>().len(), 50);
    // Worked out by hand elsewhere: CRC-32 (zlib's) of all before the last six letters, in base 62.
    let body = "ww_0123456789_0123456789012345678901234567890123456789012";
    assert_eq!(token::id(&format!("{body}27Wsse")), Some("0123456789"));
}

proptest! {
    #[test]
    fn a_token_with_one_letter_changed_is_none(at in 0..63_usize, letter in "[0-9A-Za-z_ é]") {
        let (_, secret) = token::make().unwrap();
        let text = secret.expose();
        let changed = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
        prop_assert!(changed == text || token::id(&changed).is_none(), "{changed}");
    }

    #[test]
    fn no_text_is_too_odd_to_be_looked_at(text in "\\PC{0,80}") {
        prop_assert_eq!(token::id(&text), None);
    }
}

#[tokio::test]
async fn a_token_is_shown_once_works_until_it_is_revoked_and_is_kept_as_a_hash() {
    let served = Served::begin("", 1).await;
    let made = served.token(json!({ "tenants": "acme", "role": "operator", "name": "ci" })).await;
    assert_eq!((&made["name"], &made["role"], &made["tenants"]), (&json!("ci"), &json!("operator"), &json!(["acme"])));
    assert_eq!((&made["expires"], &made["expired"], &made["last_used"]), (&Value::Null, &json!(false), &Value::Null));
    assert!(text(&made["created_by"]).starts_with("socket:uid "), "{made}");
    assert!(text(&made["created"]).ends_with('Z'), "{made}");
    assert_eq!(made.get("warning"), None);

    let who = served.ask("GET", "/api/v1/caller", &[("authorization", &bearer(&made))], "").await;
    let who: Value = serde_json::from_slice(&who.body).unwrap();
    assert_eq!(who, json!({ "name": "token:ci", "role": "operator", "tenants": ["acme"] }));

    let secret = text(&made["token"]);
    let listed = served.ask_socket("GET", "/api/v1/tokens", &[], "").await.text();
    assert!(listed.contains("\"ci\"") && !listed.contains(&secret[14..]) && !listed.contains("hash"), "{listed}");
    let all: Value = serde_json::from_str(&listed).unwrap();
    let used = text(&all[0]["last_used"]);
    let minutes: u32 = used[14..16].parse().unwrap();
    assert!(minutes.is_multiple_of(5) && used.ends_with(":00Z"), "used at {used}, which is not coarse");

    for _ in 0..100 {
        if served.state.tokens().await.unwrap()[0].used_ms.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let again = Tokens::load(served.state.clone()).await.unwrap();
    assert!(again.find(&secret, 0).is_ok(), "it stands after a restart");
    for file in std::fs::read_dir(served.folder.0.join("state")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(43).any(|part| part == &secret.as_bytes()[14..57]), "the secret is on disk");
    }

    let path = format!("/api/v1/tokens/{}", text(&made["id"]));
    let revoked = served.ask_socket("DELETE", &path, &[], "").await;
    assert!(revoked.text().starts_with("{\"revoked\":{"), "{}", revoked.text());
    let refused = served.ask("GET", "/metrics", &[("authorization", &bearer(&made))], "").await;
    assert_eq!((refused.status, what(&refused).as_str()), (401, "the token is not known here"));
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"watchward\"");
    let again = served.ask_socket("DELETE", &path, &[], "").await;
    assert_eq!((again.status, what(&again)), (404, format!("there is no token '{}' here", text(&made["id"]))));
    let told = served.state.events(&Scope::of_tenant("acme"), 9).await.unwrap();
    let told: Vec<(&str, &str)> = told.iter().map(|one| (one.kind.as_str(), one.summary.as_str())).collect();
    let uid = watchward::sys::process::user_id();
    let made_by = format!("the token ci was made by socket:uid {uid}");
    let revoked_by = format!("the token ci was revoked by socket:uid {uid}");
    assert_eq!(told, [("token.revoked", revoked_by.as_str()), ("token.created", made_by.as_str())]);
}

#[tokio::test]
async fn the_admin_of_a_tenant_makes_sees_and_revokes_tokens_of_that_tenant_alone() {
    let served = Served::begin("", 1).await;
    let admin = served.token(json!({ "tenants": "acme", "role": "admin", "name": "acme-admin" })).await;
    let others = [
        served.token(json!({ "tenants": "zeta", "role": "viewer", "name": "of-zeta" })).await,
        served.token(json!({ "tenants": ["acme", "zeta"], "role": "viewer", "name": "of-both" })).await,
        served.token(json!({ "tenants": "*", "role": "viewer", "name": "of-all" })).await,
    ];
    let own = bearer(&admin);
    let headers = [("authorization", own.as_str()), JSON];
    let listed = served.ask("GET", "/api/v1/tokens", &headers, "").await.text();
    assert!(listed.contains("acme-admin") && !listed.contains("of-"), "{listed}");
    for other in others {
        let id = text(&other["id"]);
        let answer = served.ask("DELETE", &format!("/api/v1/tokens/{id}"), &headers, "").await;
        assert_eq!((answer.status, what(&answer)), (404, format!("there is no token '{id}' here")));
    }
    for (tenants, shown) in [("*", "all tenants"), ("zeta", "zeta"), ("acme,zeta", "acme, zeta")] {
        let body = json!({ "tenants": tenants, "role": "viewer" }).to_string();
        let answer = served.ask("POST", "/api/v1/tokens", &headers, &body).await;
        assert_eq!(answer.status, 403);
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(error["error"]["what"], format!("a token for the role viewer of {shown} is more than you have"));
        assert_eq!(error["error"]["detail"], "You are token:acme-admin: admin of acme.");
    }
    let body = json!({ "tenants": "acme", "role": "admin" }).to_string();
    let made = served.ask("POST", "/api/v1/tokens", &headers, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_is_told() {
    let served = Served::begin("", 1).await;
    served.token(json!({ "tenants": "*", "role": "viewer", "name": "taken" })).await;
    let good = json!({ "tenants": "acme", "role": "viewer" });
    let changed = |key: &str, value: Value| {
        let mut wish = good.clone();
        wish[key] = value;
        wish.to_string()
    };
    let cases = [
        (
            changed("role", json!("king")),
            400,
            "there is no role 'king' [serve-28] The roles are viewer, operator, admin.",
        ),
        (changed("role", json!(7)), 400, "the request's role is not a text [serve-26] "),
        (
            changed("tenants", json!("a/b")),
            400,
            "the tenants 'a/b' are not names of tenants [serve-29] Write \"*\" for all, or names separated by commas: \
             letters, digits, '.', '_' and '-'.",
        ),
        (
            changed("tenants", Value::Null),
            400,
            "the tenants '' are not names of tenants [serve-29] Write \"*\" for all, or names separated by commas: \
             letters, digits, '.', '_' and '-'.",
        ),
        (
            changed("name", json!("two words")),
            400,
            "the name of the token is not one [serve-31] Use 1 to 64 letters, digits, '.', '_' and '-'.",
        ),
        (
            changed("name", json!("taken")),
            409,
            "there is a token 'taken' already [serve-34] Records name tokens, so each has a name of its own.",
        ),
        (
            changed("expires", json!("soon")),
            400,
            "expires 'soon' is neither a duration nor a time [serve-32] Write it like \"90d\" or \
             \"2027-01-31T00:00:00Z\".",
        ),
        (
            changed("expires", json!("1000000y")),
            400,
            "expires '1000000y' is after the year 9999 [serve-32] Without it, a token stands until it is revoked.",
        ),
        (
            changed("expires", json!("x".repeat(100_000))),
            400,
            "expires 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is neither a duration nor a time [serve-32] Write it like \
             \"90d\" or \"2027-01-31T00:00:00Z\".",
        ),
        (
            changed("expires", json!("2020-01-01T00:00:00Z")),
            400,
            "expires '2020-01-01T00:00:00Z' has passed already [serve-32] ",
        ),
        (
            changed("colour", json!("red")),
            400,
            "the request's body has a key that is not known [serve-26] It may have the keys tenants, role, name, expires.",
        ),
        (
            "[]".to_string(),
            400,
            "the request's body is not a JSON object [serve-26] It may have the keys tenants, role, name, expires.",
        ),
        (
            "{planted".to_string(),
            400,
            "the request's body is not JSON [serve-26] It may have the keys tenants, role, name, expires.",
        ),
    ];
    for (body, status, words) in cases {
        let answer = served.ask_socket("POST", "/api/v1/tokens", &[JSON], &body).await;
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        let told = ["what", "code", "hint"].map(|key| text(&error["error"][key]));
        assert_eq!(
            (answer.status, format!("{} [{}] {}", told[0], told[1], told[2]).as_str()),
            (status, words),
            "{body}"
        );
    }
    let answer = served.ask_socket("POST", "/api/v1/tokens", &[], &good.to_string()).await;
    assert_eq!((answer.status, what(&answer).as_str()), (415, "the request's body is not said to be JSON"));
    let made = served.token(json!({ "tenants": "acem", "role": "viewer" })).await;
    assert_eq!(made["warning"], "no target of the tenant acem is watched now");
}

#[tokio::test]
async fn an_expired_token_says_so_to_whoever_has_it() {
    let served = Served::begin("*", 1).await;
    let made = served.token(json!({ "tenants": "*", "role": "viewer", "name": "short", "expires": "90d" })).await;
    assert_eq!(served.ask("GET", "/metrics", &[("authorization", &bearer(&made))], "").await.status, 200);
    served.shared.clock.step_wall(90 * 86_400_000);
    let refused = served.ask("GET", "/metrics", &[("authorization", &bearer(&made))], "").await;
    let expected = format!("the token 'short' expired at {}", text(&made["expires"]));
    assert_eq!((refused.status, what(&refused)), (401, expected));
    let listed = served.ask_socket("GET", "/api/v1/tokens", &[], "").await.text();
    assert!(listed.contains("\"expired\":true"), "{listed}");
    let odd = served.ask("GET", "/metrics", &[("authorization", "Basic d3c6d3c=")], "").await;
    assert_eq!((odd.status, what(&odd).as_str()), (401, "the header Authorization holds no token"));
}

#[tokio::test]
async fn who_guesses_is_told_to_wait_and_locks_nobody_out() {
    let served = Served::begin("*", 1).await;
    let made = served.token(json!({ "tenants": "*", "role": "viewer" })).await;
    let wrong = token::make().unwrap().1;
    let wrong = format!("Bearer {}", wrong.expose());
    for number in 1..=13_u32 {
        let answer = served.ask("GET", "/metrics", &[("authorization", &wrong)], "").await;
        if number <= 10 {
            assert_eq!((answer.status, what(&answer).as_str()), (401, "the token is not known here"));
        } else {
            assert_eq!((answer.status, what(&answer).as_str()), (429, "too many wrong tokens from 127.0.0.1"));
            assert_eq!(answer.header("retry-after"), "60");
        }
    }
    assert_eq!(served.ask("GET", "/metrics", &[("authorization", &bearer(&made))], "").await.status, 200);
    assert_eq!(served.get("/metrics").await.status, 200, "without a token, as ever");
    assert_eq!(served.shared.counters.wrong_tokens.load(Ordering::Relaxed), 13);
}

#[tokio::test]
async fn there_are_only_so_many_tokens() {
    let served = Served::begin("*", 1).await;
    let by = Caller { scope: Scope::of_socket_peer(), role: Role::Admin, name: "socket:uid 0".to_string() };
    let wish = || Wish { tenants: None, role: Role::Viewer, name: None, expires: None };
    for _ in 0..TOKENS_MAX {
        served.shared.tokens.create(&by, wish(), Moment::default()).await.unwrap();
    }
    let fault = served.shared.tokens.create(&by, wish(), Moment::default()).await.err().unwrap();
    assert_eq!(
        fault.to_string(),
        "there are 1000 tokens already [serve-33]\nhint: Revoke those that have expired, or that nobody uses: the list \
         says when each was last used."
    );
}

#[tokio::test]
async fn the_admin_of_some_tenants_cannot_take_the_places_of_all_others() {
    let served = Served::begin("*", 1).await;
    let admin = served.token(json!({ "tenants": "acme", "role": "admin" })).await;
    let by = Caller {
        scope: Scope::of_token(Some(BTreeSet::from(["acme".to_string()]))),
        role: Role::Admin,
        name: "token:acme-admin".to_string(),
    };
    let tenants = || Some(BTreeSet::from(["acme".to_string()]));
    let wish = || Wish { tenants: tenants(), role: Role::Viewer, name: None, expires: None };
    for _ in 1..TOKENS_OF_SOME_MAX {
        served.shared.tokens.create(&by, wish(), Moment::default()).await.unwrap();
    }
    let body = json!({ "tenants": "acme", "role": "viewer" }).to_string();
    let refused = served.ask("POST", "/api/v1/tokens", &[("authorization", &bearer(&admin)), JSON], &body).await;
    assert_eq!(
        told(&refused),
        "409 there are 100 tokens of your tenants already [serve-33] | hint: Revoke those that have expired, or that nobody \
         uses: the list says when each was last used."
    );
    served.token(json!({ "tenants": "zeta", "role": "viewer" })).await;
    served.token(json!({ "tenants": "acme", "role": "viewer" })).await; // who has all tenants may go on
}
