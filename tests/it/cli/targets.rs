//! `targets`: the full table, and why what is down is down.

use serde_json::json;
use watchward::cli::seen::{Wanted, read};
use watchward::cli::targets::text;

use crate::cli::target;

/// One minute after the last cycle of the tests' targets.
const NOW_MS: i64 = 1_800_000_119_000;

#[test]
fn a_line_for_each_target_then_what_is_wrong() {
    let mut partly = target("acme", "cache", "up");
    partly["unknown_rows"] = json!([
        { "row": "slow_log", "kind": "denied", "reason": "NOPERM\nno permission" },
        { "row": "modules", "kind": "not_here", "reason": "older than 4.0" },
    ]);
    let mut unread = target("acme", "new", "unread");
    unread["last_cycle"] = json!(null);
    let all = json!([target("default", "orders", "down"), partly, unread]);
    let seen = read(all, json!([]), &Wanted::default()).unwrap();
    let expected = "\
STATE   FOR  TARGET      ENGINE     ROLE     INSTANCE  EVERY     READ   TOOK  SERIES
DOWN   119s  orders      host 15.4  primary  db1:5432    15s  60s ago  12 ms     117
up     119s  acme/cache  host 15.4  primary  db1:5432    15s  60s ago  12 ms     117
...          acme/new    host 15.4  primary  db1:5432    15s                     117

orders: cannot connect to db1:5432: it refused / so it is
  hint: Is the server running?

acme/cache: the row slow_log is unknown (denied): NOPERM no permission
";
    assert_eq!(text(&seen, NOW_MS), expected);
}

#[test]
fn a_target_that_is_not_there_is_named_with_the_nearest() {
    let check = |tenant: Option<&str>, name: Option<&str>, expected: &str| {
        let wanted = Wanted { tenant: tenant.map(str::to_string), target: name.map(str::to_string) };
        let fault = read(json!([target("acme", "orders", "up")]), json!([]), &wanted).err().unwrap();
        assert_eq!(fault.to_string(), expected);
    };
    let orders = "the agent watches no target 'odrers' [cli-06]\nhint: Did you mean 'orders'?";
    check(None, Some("odrers"), orders);
    let of = "the agent watches no target 'x' of the tenant 'acme' [cli-06]\nhint: `watchward targets` lists what it watches.";
    check(Some("acme"), Some("x"), of);
    check(Some("acne"), None, "the agent watches nothing of the tenant 'acne' [cli-06]\nhint: Did you mean 'acme'?");
}
