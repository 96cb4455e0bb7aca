//! MongoDB: what Percona Backup for MongoDB leaves in `admin`, read by the role that the grants' comments make.

use mongodb::bson::doc;
use watchward::model::reading::UnknownKind;

use crate::mongodb::{administrator, as_monitor, primary, read, watched};
use crate::servers::{engine, servers};

/// Documents as Percona Backup for MongoDB writes them, by its source. What is there already of these names is taken away.
async fn arrange_pbm(admin: &mongodb::Database, host: &str) {
    use mongodb::bson::{DateTime, Timestamp};
    for name in ["pbmAgents", "pbmBackups", "pbmConfig", "pbmPITRChunks"] {
        admin.collection::<mongodb::bson::Document>(name).drop().await.expect("gone");
    }
    let now_s = DateTime::now().timestamp_millis() / 1000;
    let at = |age_s: i64| Timestamp { time: u32::try_from(now_s - age_s).expect("a time"), increment: 1 };
    let put = async |name: &str, all: Vec<mongodb::bson::Document>| {
        admin.run_command(doc! { "insert": name, "documents": all }).await.expect("documents");
    };
    let storage = doc! { "type": "s3", "s3": { "bucket": "b", "credentials": { "secret-access-key": "planted-key" } } };
    put("pbmConfig", vec![doc! { "pitr": { "enabled": true }, "storage": storage, "epoch": at(0) }]).await;
    let agent = |host: &str, state: i32, is_well: bool, age_s: i64| {
        let well = doc! { "ok": true, "e": "" };
        let stors = doc! { "ok": is_well, "e": "" };
        doc! { "n": host, "rs": "docs", "s": state, "str": "", "hdn": false, "psv": false, "arb": false, "v": "2.5.0",
        "mv": "6.0.5", "pbms": &well, "nodes": &well, "stors": stors, "hb": at(age_s), "e": "" }
    };
    put("pbmAgents", vec![agent(host, 1, true, 2), agent("b:1", 2, false, 2), agent("c:1", 2, true, 100)]).await;
    let backup = |name: &str, status: &str, start_s: i64, last_s: i64| {
        let set = doc! { "name": "docs", "node": host, "status": status, "size": 10_i64 };
        doc! { "type": "logical", "opid": "64a", "name": name, "replsets": [set], "size": 4096_i64, "start_ts": start_s,
        "last_transition_ts": last_s, "status": status, "hb": at(0), "store": { "type": "s3" } }
    };
    let backups = vec![
        backup("2026-01-01T00:00:00Z", "done", 1000, 1090),
        backup("2026-01-02T00:00:00Z", "running", now_s - 50, now_s),
    ];
    put("pbmBackups", backups).await;
    let chunk =
        |from_s: i64, until_s: i64| doc! { "rs": "docs", "fname": "f", "start_ts": at(from_s), "end_ts": at(until_s) };
    put("pbmPITRChunks", vec![chunk(1200, 600), chunk(600, 60)]).await;
    // Another set has been saved for long since.
    let of_other =
        |n: i64| doc! { "rs": "other", "fname": "f", "start_ts": at(60 - n / 10), "end_ts": at(50 - n / 10) };
    put("pbmPITRChunks", (0..400).map(of_other).collect()).await;
}

#[tokio::test]
async fn backups_of_pbm_are_read_by_the_role_that_the_grants_comments_make() {
    let servers = servers();
    let member = primary(&servers).await;
    let admin = administrator(&servers, member).await.database("admin");
    let host = admin.run_command(doc! { "hello": 1 }).await.expect("hello").get_str("me").expect("a name").to_string();
    // Without the role the row says what it needs.
    let (_session, readings) = read(&as_monitor(&servers, member)).await;
    assert_eq!(readings["pbm"].as_ref().err().map(|unknown| unknown.kind), Some(UnknownKind::Privilege));
    let script = engine("mongodb").grants("backup_reader", Some((6, 0)), "");
    let role = script.lines().find_map(|line| line.split_once("createRole(")).expect("a role").1;
    let role: mongodb::bson::Document = serde_json::from_str(role.trim_end_matches(')').trim()).expect("a document");
    let name = role.get_str("role").expect("a name").to_string();
    let _ = admin.run_command(doc! { "dropUser": "backup_reader" }).await;
    let _ = admin.run_command(doc! { "dropRole": &name }).await;
    let create =
        doc! { "createRole": &name, "privileges": role.get_array("privileges").expect("all").clone(), "roles": [] };
    admin.run_command(create).await.expect("the role");
    let roles = ["clusterMonitor", &name].map(str::to_string).to_vec();
    let user = doc! { "createUser": "backup_reader", "pwd": "reader-password", "roles": roles };
    admin.run_command(user).await.expect("the user");

    let target = watched(&servers, member, "backup_reader", "reader-password");
    let pbm = async || {
        let (_session, readings) = read(&target).await;
        readings["pbm"].as_ref().unwrap_or_else(|unknown| panic!("{unknown:?}")).text()
    };
    let nothing = pbm().await;
    arrange_pbm(&admin, &host).await;
    let text = pbm().await;
    for name in ["pbmAgents", "pbmBackups", "pbmConfig", "pbmPITRChunks"] {
        admin.collection::<mongodb::bson::Document>(name).drop().await.expect("gone");
    }
    admin.run_command(doc! { "dropUser": "backup_reader" }).await.expect("the user is gone");
    admin.run_command(doc! { "dropRole": &name }).await.expect("the role is gone");

    assert_eq!(nothing, "mongodb_pbm_cluster_backup_configured 0\n");
    let value = |series: &str| {
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series}: {text}"));
        line.trim().parse::<f64>().expect("a number")
    };
    assert_eq!(value("mongodb_pbm_cluster_backup_configured"), 1.0);
    assert_eq!(value("mongodb_pbm_cluster_pitr_backup_enabled"), 1.0);
    let agent = |host: &str, role: &str, own: u8| {
        value(&format!(r#"mongodb_pbm_agent_status{{host="{host}",replica_set="docs",role="{role}",self="{own}"}}"#))
    };
    assert_eq!([agent(&host, "P", 1), agent("b:1", "S", 0), agent("c:1", "S", 0)], [0.0, 1.0, 2.0]);
    let backup = |metric: &str, name: &str, status: &str| {
        value(&format!(
            r#"mongodb_pbm_backup_{metric}{{host="{host}",name="{name}",opid="64a",replica_set="docs",self="1",status="{status}",type="logical"}}"#
        ))
    };
    let (done, running) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    assert_eq!(backup("size_bytes", done, "done"), 4096.0);
    assert_eq!(backup("last_transition_ts", done, "done"), 1090.0);
    assert_eq!(backup("duration_seconds", done, "done"), 90.0);
    let running_s = backup("duration_seconds", running, "running");
    assert!((50.0..110.0).contains(&running_s), "{running_s}");
    let saved_s = value(r#"mongodb_pbm_pitr_last_chunk_end_timestamp_seconds{replica_set="docs"}"#);
    let behind_s =
        f64::from(u32::try_from(mongodb::bson::DateTime::now().timestamp_millis() / 1000).expect("a time")) - saved_s;
    assert!((60.0..120.0).contains(&behind_s), "{behind_s}");
    assert!(!text.contains("planted-key"));
}
