//! `status`: each exit code with its line, the filters, and what is said when nobody answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::{Ended, Folder, alert, answer, run, target};

fn ask(targets: Value, alerts: Value, arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    answer(&folder, BTreeMap::from([("/api/v1/targets", (200, targets)), ("/api/v1/alerts", (200, alerts))]));
    run(&folder, arguments)
}

/// The code and the first line of an agent with these targets and alerts.
fn check(targets: Value, alerts: Value, code: i32, line: &str) {
    let Ended { code: seen, out, err } = ask(targets, alerts, &["status"]);
    assert_eq!((out.lines().next().unwrap_or(""), seen, err.as_str()), (line, code, ""));
}

#[test]
fn all_well_is_0() {
    check(
        json!([target("default", "orders", "up"), target("acme", "cache", "up")]),
        json!([alert("firing", "info", "Vacuum", "orders"), alert("pending", "critical", "Slow", "orders")]),
        0,
        "WATCHWARD OK - 2 targets up, nothing fires | up=2;;;0;2 down=0 unread=0 critical=0 warning=0",
    );
}

#[test]
fn a_warning_is_1() {
    check(
        json!([target("default", "orders", "up")]),
        json!([alert("firing", "warning", "DiskFilling", "orders"), alert("firing", "warning", "ClockDrifts", "")]),
        1,
        "WATCHWARD WARNING - 2 warnings: DiskFilling (orders), ClockDrifts | up=1;;;0;1 down=0 unread=0 critical=0 warning=2",
    );
}

#[test]
fn what_could_not_be_read_is_1_and_what_the_server_does_not_have_is_0() {
    let with_row = |kind: &str| {
        let mut one = target("default", "orders", "up");
        one["unknown_rows"] = json!([{ "row": "locks", "kind": kind, "reason": "it may not" }]);
        json!([one])
    };
    let line =
        "WATCHWARD WARNING - 1 of 1 target partly unknown: orders | up=1;;;0;1 down=0 unread=0 critical=0 warning=0";
    check(with_row("denied"), json!([]), 1, line);
    let line = "WATCHWARD OK - 1 target up, nothing fires | up=1;;;0;1 down=0 unread=0 critical=0 warning=0";
    check(with_row("not_here"), json!([]), 0, line);
    check(
        json!([target("default", "orders", "up"), target("default", "new", "unread")]),
        json!([]),
        1,
        "WATCHWARD WARNING - 1 of 2 targets not read yet: new | up=1;;;0;2 down=0 unread=1 critical=0 warning=0",
    );
}

#[test]
fn a_target_down_or_something_critical_is_2_whatever_else_is_unknown() {
    let names = ["a", "b", "c", "d", "e"].map(|name| target("acme", name, "down"));
    check(
        json!(names),
        json!([]),
        2,
        "WATCHWARD CRITICAL - 5 of 5 targets down: acme/a, acme/b, acme/c and 2 more \
         | up=0;;;0;5 down=5 unread=0 critical=0 warning=0",
    );
    check(
        json!([target("default", "orders", "unread")]),
        json!([alert("firing", "critical", "Full|Disk", "orders"), alert("firing", "warning", "Slow", "orders")]),
        2,
        "WATCHWARD CRITICAL - 1 critical alert: Full/Disk (orders); 1 warning: Slow (orders); \
         1 of 1 target not read yet: orders | up=0;;;0;1 down=0 unread=1 critical=1 warning=1",
    );
}

#[test]
fn nothing_read_nothing_watched_and_nobody_there_are_3() {
    check(
        json!([target("default", "orders", "unread")]),
        json!([alert("firing", "warning", "Slow", "orders")]),
        3,
        "WATCHWARD UNKNOWN - 1 warning: Slow (orders); 1 of 1 target not read yet: orders \
         | up=0;;;0;1 down=0 unread=1 critical=0 warning=1",
    );
    let line = "WATCHWARD UNKNOWN - nothing is watched | up=0;;;0;0 down=0 unread=0 critical=0 warning=0";
    check(json!([]), json!([]), 3, line);
    let folder = Folder::new();
    let words =
        "no agent answers: cannot connect to /state/watchward.sock: No such file or directory (os error 2) [cli-05]";
    let hint =
        "hint: Is it running (`systemctl status watchward`) with this configuration (--config), as this user or root?";
    let expected = Ended { code: 3, out: format!("WATCHWARD UNKNOWN - {words}\n{hint}\n"), err: String::new() };
    assert_eq!(run(&folder, &["status"]), expected);
    let Ended { code, out, .. } = run(&folder, &["status", "--json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, said), (3, json!({ "status": "unknown", "code": 3, "summary": words, "why": hint })));
}

#[test]
fn an_agent_that_refuses_is_unknown_and_not_critical() {
    let folder = Folder::new();
    let fault = json!({ "error": { "code": "serve-20", "what": "no", "detail": "", "hint": "Ask root." } });
    answer(&folder, BTreeMap::from([("/api/v1/targets", (403, fault))]));
    let expected =
        Ended { code: 3, out: "WATCHWARD UNKNOWN - no [serve-20]\nhint: Ask root.\n".into(), err: String::new() };
    assert_eq!(run(&folder, &["status"]), expected);
}

#[test]
fn the_table_follows_and_a_server_s_words_bring_no_figures_of_their_own() {
    let Ended { out, .. } = ask(
        json!([target("default", "orders", "up"), target("acme", "cache", "down")]),
        json!([alert("firing", "critical", "TargetDown", "cache")]),
        &["status"],
    );
    let expected = "\
STATE  TARGET      ENGINE     ROLE     SERIES  WHY
up     orders      host 15.4  primary     117
DOWN   acme/cache  host 15.4  primary     117  cannot connect to db1:5432: it refused / so it is
firing critical TargetDown cache: TargetDown / on cache
";
    assert_eq!(out.split_once('\n').unwrap().1, expected);
}

#[test]
fn a_filter_leaves_the_rest_out_of_line_table_and_code() {
    let targets = || json!([target("default", "orders", "up"), target("acme", "orders", "down")]);
    let alerts =
        || json!([alert("firing", "critical", "ClockDrifts", ""), alert("firing", "warning", "Slow", "orders")]);
    let filtered = |arguments: &[&str]| {
        let Ended { code, out, .. } = ask(targets(), alerts(), &[&["status"], arguments].concat());
        format!("{code} {}", out.lines().next().unwrap_or("").split(" | ").next().unwrap_or(""))
    };
    assert_eq!(filtered(&["--tenant", "acme"]), "2 WATCHWARD CRITICAL - 1 of 1 target down: acme/orders");
    assert_eq!(filtered(&["--target", "default/orders"]), "1 WATCHWARD WARNING - 1 warning: Slow (orders)");
    let both = "2 WATCHWARD CRITICAL - 1 of 2 targets down: acme/orders; 1 warning: Slow (orders)";
    assert_eq!(filtered(&["--target", "orders"]), both);
    let none = "3 WATCHWARD UNKNOWN - the agent watches no target 'order' [cli-06]";
    assert_eq!(filtered(&["--target", "order"]), none);
    let none = "3 WATCHWARD UNKNOWN - the agent watches nothing of the tenant 'zeta' [cli-06]";
    assert_eq!(filtered(&["--tenant", "zeta"]), none);
}

#[test]
fn json_has_verdict_targets_and_alerts_with_times_that_people_can_read_too() {
    let Ended { code, out, .. } = ask(
        json!([target("default", "orders", "down")]),
        json!([alert("firing", "critical", "TargetDown", "orders")]),
        &["status", "--json"],
    );
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &said["status"], &said["code"]), (2, &json!("critical"), &json!(2)));
    assert_eq!(said["summary"], "1 of 1 target down: orders; 1 critical alert: TargetDown (orders)");
    assert_eq!(said["targets"], json!([target("default", "orders", "down")]));
    assert_eq!(said["alerts"][0]["since"], "2027-01-15T07:58:00.000Z");
}
