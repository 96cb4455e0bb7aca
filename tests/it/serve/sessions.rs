//! The page's login: a cookie that scripts cannot read and other sites cannot use, and that ends with its token.

use serde_json::{Value, json};
use watchward::serve::sessions::{SESSIONS_MAX, SESSIONS_PER_TOKEN_MAX, Sessions};

use crate::serve::{JSON, Served, what};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// Logs in; the cookie as a client sends it back, and its attributes.
async fn login(served: &Served, token: &str) -> (String, String) {
    let answer = served.ask("POST", "/login", &[JSON], &json!({ "token": token }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (pair, attributes) = answer.header("set-cookie").split_once("; ").expect("attributes");
    assert!(!answer.text().contains(token) && !answer.text().contains(pair), "{}", answer.text());
    (pair.to_string(), attributes.to_string())
}

#[tokio::test]
async fn a_login_gives_a_cookie_that_is_its_token_until_the_logout() {
    let served = Served::begin_remote(|_| {}).await;
    let made = served.token(json!({ "tenants": "acme", "role": "admin", "name": "ann" })).await;
    let (cookie, attributes) = login(&served, &text(&made["token"])).await;
    assert!(cookie.starts_with("__Host-watchward=") && cookie.len() == 17 + 43, "{cookie}");
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure");
    let who = served.ask("GET", "/api/v1/caller", &[("cookie", &format!("a=b; {cookie}; c=d"))], "").await.text();
    assert_eq!(who, "{\"name\":\"token:ann\",\"role\":\"admin\",\"tenants\":[\"acme\"]}");
    assert_eq!(served.get("/api/v1/caller").await.status, 401);
    let origin = format!("https://{}", served.host());
    let headers = [("cookie", cookie.as_str()), ("origin", &origin), JSON];
    let out = served.ask("POST", "/logout", &headers, "").await;
    assert_eq!((out.status, out.text().as_str()), (200, "{\"ended\":true}"));
    assert_eq!(out.header("set-cookie"), "__Host-watchward=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
    assert_eq!(served.ask("GET", "/api/v1/caller", &[("cookie", &cookie)], "").await.status, 401);
}

#[tokio::test]
async fn on_loopback_the_cookie_needs_no_tls_and_reading_no_cookie() {
    let served = Served::begin("*", 1).await;
    let made = served.token(json!({ "tenants": "acme", "role": "operator" })).await;
    let (cookie, attributes) = login(&served, &text(&made["token"])).await;
    assert!(cookie.starts_with("watchward="), "{cookie}");
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    let who = async |headers: &[(&str, &str)]| served.ask("GET", "/api/v1/caller", headers, "").await.text();
    assert!(who(&[("cookie", &cookie)]).await.contains("operator"));
    let anonymous = "{\"name\":\"anonymous\",\"role\":\"viewer\",\"tenants\":\"*\"}";
    assert_eq!(who(&[]).await, anonymous);
    assert_eq!(who(&[("cookie", "watchward=nonsense")]).await, anonymous, "a stale cookie is as good as none");
}

#[tokio::test]
async fn what_another_site_can_make_a_browser_send_changes_nothing() {
    let served = Served::begin("*", 1).await;
    let made = served.token(json!({ "tenants": "*", "role": "admin" })).await;
    let (cookie, _) = login(&served, &text(&made["token"])).await;
    let own = format!("http://{}", served.host());
    let wish = json!({ "tenants": "acme", "role": "viewer" }).to_string();
    let post = async |headers: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = [("cookie", cookie.as_str())].iter().chain(headers).copied().collect();
        let answer = served.ask("POST", "/api/v1/tokens", &all, &wish).await;
        (answer.status, what(&answer))
    };
    let refused = (403, "a session may change nothing without proof that its own page asks".to_string());
    assert_eq!(post(&[JSON]).await, refused, "no Origin");
    assert_eq!(post(&[("origin", &own)]).await, refused, "what a form can send");
    assert_eq!(post(&[("origin", &own), ("content-type", "text/plain")]).await, refused);
    let foreign = (403, "the Origin 'http://evil.example' is not this page's own".to_string());
    assert_eq!(post(&[("origin", "http://evil.example"), JSON]).await, foreign);
    assert_eq!(post(&[("origin", "null"), JSON]).await.0, 403, "a sandboxed frame");
    assert_eq!(post(&[("origin", &own), JSON]).await.0, 201);
    let path = format!("/api/v1/tokens/{}", text(&made["id"]));
    let headers = [("cookie", cookie.as_str()), ("origin", &own), ("x-watchward", "1")];
    assert_eq!(served.ask("DELETE", &path, &headers, "").await.status, 200, "it may revoke itself");
    let who = served.ask("GET", "/api/v1/caller", &[("cookie", &cookie)], "").await.text();
    assert!(who.contains("anonymous"), "a session ends with its token: {who}");
}

#[tokio::test]
async fn a_wrong_login_is_told_and_repeats_nothing() {
    let served = Served::begin_remote(|_| {}).await;
    let cases = [
        (json!({ "token": "planted-secret" }).to_string(), 401, "the token is not known here"),
        (json!({ "token": ["planted-secret"] }).to_string(), 401, "the token is not known here"),
        (json!({ "tokn": "planted-secret" }).to_string(), 400, "the request's body has a key that is not known"),
        ("planted-secret".to_string(), 400, "the request's body is not JSON"),
    ];
    for (body, status, words) in cases {
        let answer = served.ask("POST", "/login", &[JSON], &body).await;
        assert_eq!((answer.status, what(&answer).as_str()), (status, words), "{body}");
        assert!(!answer.text().contains("planted"), "{}", answer.text());
        assert_eq!(answer.header("set-cookie"), "");
    }
    let large = served.ask("POST", "/login", &[JSON], &"x".repeat(5000)).await;
    assert_eq!((large.status, what(&large).as_str()), (413, "the request's body is larger than 4096 bytes"));
}

#[test]
fn sessions_end_by_themselves_and_are_bounded() {
    let sessions = Sessions::default();
    let key = |text: &watchward::model::secret::Secret| watchward::serve::token::hash(text.expose());
    let first = sessions.begin("one", 0).unwrap();
    assert_eq!(sessions.token(&key(&first), 12 * 3_600_000 - 1).as_deref(), Some("one"));
    assert_eq!(sessions.token(&key(&first), 12 * 3_600_000), None);
    let many = (1..=1000).map(|at| sessions.begin(&format!("token {}", at % 50), at).unwrap());
    let last = many.last().unwrap();
    assert_eq!(sessions.count(), SESSIONS_MAX);
    assert_eq!(sessions.token(&key(&first), 1), None, "the oldest goes first");
    assert_eq!(sessions.token(&key(&last), 1).as_deref(), Some("token 0"));
}

#[test]
fn whoever_logs_in_for_ever_ends_nobody_elses_session() {
    let sessions = Sessions::default();
    let key = |text: &watchward::model::secret::Secret| watchward::serve::token::hash(text.expose());
    let other = sessions.begin("other", 0).unwrap();
    let greedy: Vec<_> = (1..=1000).map(|at| sessions.begin("greedy", at).unwrap()).collect();
    assert_eq!(sessions.count(), SESSIONS_PER_TOKEN_MAX + 1);
    assert_eq!(sessions.token(&key(&other), 1).as_deref(), Some("other"));
    assert_eq!(sessions.token(&key(&greedy[999 - SESSIONS_PER_TOKEN_MAX]), 1), None, "its own oldest goes first");
    assert!(sessions.token(&key(&greedy[1000 - SESSIONS_PER_TOKEN_MAX]), 1).is_some());
}
