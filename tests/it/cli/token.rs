//! `watchward token`: what people read. The verbs themselves: tests/live/doors.rs.

use serde_json::json;
use watchward::cli::token::{table, told};

#[test]
fn the_list_shows_all_but_the_secret() {
    let all = json!([
        { "id": "0123456789", "name": "grafana", "role": "viewer", "tenants": ["acme", "zeta"], "expired": true,
          "created": "2026-11-24T02:00:00Z", "created_by": "socket:uid 0", "expires": "2026-11-25T02:00:00Z",
          "last_used": "2026-11-24T02:05:00Z" },
        { "id": "abcdefghij", "name": "ops", "role": "admin", "tenants": "*", "expired": false,
          "created": "2026-11-24T02:00:00Z", "created_by": "token:boss", "expires": null, "last_used": null },
    ]);
    let expected = "\
ID          NAME     ROLE    TENANTS    EXPIRES                      LAST USED             MADE BY
0123456789  grafana  viewer  acme,zeta  2026-11-25T02:00:00Z (past)  2026-11-24T02:05:00Z  socket:uid 0
abcdefghij  ops      admin   *          never                        never                 token:boss
";
    assert_eq!(table(&all), expected);
    assert_eq!(table(&json!([])), "ID  NAME  ROLE  TENANTS  EXPIRES  LAST USED  MADE BY\n");
}

#[test]
fn a_new_token_is_introduced_without_itself() {
    let made = json!({ "id": "0123456789", "name": "ops", "role": "admin", "tenants": ["acme"], "expires": null,
        "token": "ww_secret" });
    assert_eq!(
        told(&made),
        "The token ops (0123456789), admin of acme, stands until it is revoked. It is shown this once:"
    );
}
