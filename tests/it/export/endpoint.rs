//! The collector's URL.

use watchward::export::endpoint::{Endpoint, Signal};

fn check(url: &str, expected: Result<&str, &str>) {
    let shown = Endpoint::read(url).map(|one| {
        let scheme = if one.tls { "https" } else { "http" };
        format!("{scheme} {} {} {}", one.address().text(), one.authority(), one.path(Signal::Metrics))
    });
    assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{url}");
}

#[test]
fn paths_are_appended_as_the_rules_say() {
    check("http://collector:4318", Ok("http collector:4318 collector:4318 /v1/metrics"));
    check("http://collector:4318/", Ok("http collector:4318 collector:4318 /v1/metrics"));
    check("https://otlp.example.org", Ok("https otlp.example.org:443 otlp.example.org /v1/metrics"));
    check("https://[::1]", Ok("https [::1]:443 [::1] /v1/metrics"));
    check("http://[::1]:80/a/b/", Ok("http [::1]:80 [::1] /a/b/v1/metrics"));
    check("http://collector:4318/v1/metrics", Ok("http collector:4318 collector:4318 /v1/metrics"));
    check("http://vm:8428/opentelemetry/v1/traces", Ok("http vm:8428 vm:8428 /opentelemetry/v1/metrics"));
    let traces = Endpoint::read("http://c:1/x/v1/metrics").map(|one| one.path(Signal::Traces));
    assert_eq!(traces.as_deref(), Ok("/x/v1/traces"));
}

#[test]
fn what_cannot_be_used_says_why_without_showing_it() {
    check("grpc://collector:4317", Err("'grpc' is not a scheme of OTLP over HTTP"));
    check("collector:4318", Err("it has no scheme"));
    check("http://me:hunter2@collector:4318", Err("it holds a user; credentials belong in headers_file"));
    check("http://collector:4318/?token=hunter2", Err("it holds a '?'"));
    for port in ["99999", "0", "-1", ""] {
        check(&format!("http://collector:{port}"), Err("its port is not a number from 1 to 65535"));
        check(&format!("https://[::1]:{port}/a"), Err("its port is not a number from 1 to 65535"));
    }
}

#[test]
fn this_machine_is_known() {
    let is_local = |url: &str| Endpoint::read(url).map(|one| one.is_local());
    for (url, local) in [
        ("http://127.0.0.1:4318", true),
        ("http://127.8.0.1", true),
        ("http://localhost:4318", true),
        ("http://[::1]:4318", true),
        ("http://10.0.0.1:4318", false),
        ("http://localhost.example.org", false),
    ] {
        assert_eq!(is_local(url), Ok(local), "{url}");
    }
}
