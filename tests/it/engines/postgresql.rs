//! PostgreSQL: recorded answers of six versions, what sslmode demands, and what people are told when a login fails.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use watchward::engines;
use watchward::engines::contract::{Access, Answer, Engine, Facts, Table};
use watchward::engines::postgresql::session::facts;
use watchward::model::filter::{Choice, Filter};
use watchward::model::secret::Secret;
use watchward::model::target::{SecretSource, Target, Url};
use watchward::sys::{task, tls};

use crate::engines::points::{Points, from_fixture, row};

const RECORDED: [(&str, u32); 7] =
    [("13", 13), ("14", 14), ("15", 15), ("15-replica", 15), ("16", 16), ("17", 17), ("18", 18)];

fn engine() -> &'static dyn Engine {
    engines::find("postgresql").expect("registered")
}

fn server(version: u32) -> Facts {
    let capabilities = ["pg_monitor", "pg_stat_statements", "pg_read_all_data", "pg_buffercache 1.4"].into();
    Facts { version: (version, 4), capabilities, ..Facts::default() }
}

fn recorded(folder: &str, version: u32, name: &str) -> Points {
    let row = row(engine(), name, &server(version));
    let answer = from_fixture(&format!("postgresql/{folder}/{name}.json"));
    Points::of(row, &answer, &server(version)).unwrap_or_else(|unknown| panic!("{folder} {name}: {unknown:?}"))
}

fn names(points: &Points) -> BTreeSet<String> {
    points.all.keys().map(|series| series.split('{').next().unwrap_or("").to_string()).collect()
}

#[test]
fn every_answer_of_every_version_is_understood_and_gives_each_series_once() {
    for (folder, version) in RECORDED {
        // The certificate is the connection's: no server answers that row.
        let rows = engine().rows().iter().filter(|row| row.exists(&server(version)) && row.name != "certificate");
        for row in rows {
            let points = recorded(folder, version, row.name);
            assert_eq!(points.twice, Vec::<String>::new(), "{folder} {}", row.name);
            let declared: BTreeSet<&str> = row.metrics.iter().map(|metric| metric.name).collect();
            let strange: Vec<_> = names(&points).into_iter().filter(|name| !declared.contains(name.as_str())).collect();
            assert!(strange.is_empty() || !row.families.is_empty(), "{folder} {}: {strange:?}", row.name);
        }
    }
}

#[test]
fn the_checkpointer_and_the_background_writer_have_all_their_names_on_every_version() {
    let since_17 = names(&recorded("17", 17, "stat_bgwriter"));
    assert!(since_17.contains("pg_stat_bgwriter_checkpoints_timed_total"));
    assert!(since_17.contains("pg_stat_bgwriter_buffers_backend_total"));
    assert!(since_17.contains("pg_stat_checkpointer_restartpoints_done_total"));
    assert_eq!(since_17, names(&recorded("18", 18, "stat_bgwriter")));
    let mut before_17 = since_17;
    before_17.retain(|name| !name.contains("restartpoints"));
    for (folder, version) in RECORDED.into_iter().filter(|(_, version)| *version < 17) {
        assert_eq!(names(&recorded(folder, version, "stat_bgwriter")), before_17, "{folder}");
    }
}

#[test]
fn a_slot_has_its_three_sets_of_labels() {
    let points = recorded("18", 18, "replication_slots");
    let names: Vec<&str> = points.all.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "pg_replication_slots_active{slot_name=\"spare\"}",
            "pg_replication_slots_pg_wal_lsn_diff{slot_name=\"spare\"}",
            "pg_replication_slots_slot_current_wal_lsn{slot_name=\"spare\",slot_type=\"physical\"}",
            "pg_replication_slots_slot_is_active{slot_name=\"spare\",slot_type=\"physical\"}",
            "pg_replication_slots_wal_status{slot_name=\"spare\",slot_type=\"physical\",wal_status=\"reserved\"}",
        ]
    );
    assert_eq!(points.value("pg_replication_slots_active{slot_name=\"spare\"}"), 0.0);
}

#[test]
fn sessions_are_counted_with_all_the_labels_of_the_exporter_and_states_without_sessions_read_0() {
    let points = recorded("15", 15, "stat_activity");
    assert_eq!(points.value("pg_stat_activity_count{datname=\"orders\",state=\"idle in transaction\"}"), 0.0);
    let table = Table {
        columns: ["datname", "state", "usename", "application_name", "backend_type", "wait_event_type", "wait_event"]
            .into_iter()
            .chain(["sessions", "longest"])
            .map(str::to_string)
            .collect(),
        rows: vec![
            ["orders", "active", "shop", "web", "client backend", "Lock", "transactionid", "3", "12.5"]
                .map(|cell| Some(cell.to_string()))
                .to_vec(),
        ],
    };
    let row = row(engine(), "stat_activity", &server(15));
    let points = Points::of(row, &Answer::Table(table), &server(15)).expect("taken");
    let labels = "{application_name=\"web\",backend_type=\"client backend\",datname=\"orders\",state=\"active\",\
                  usename=\"shop\",wait_event=\"transactionid\",wait_event_type=\"Lock\"}";
    assert_eq!(
        points.text(),
        format!("pg_stat_activity_count{labels} 3\npg_stat_activity_max_tx_duration{labels} 12.5\n")
    );
}

#[test]
fn settings_come_in_seconds_and_bytes() {
    let row = row(engine(), "settings", &server(15));
    let check = |setting: &str, unit: &str, vartype: &str, expected: &str| {
        let columns = ["name", "setting", "unit", "vartype"].map(str::to_string).to_vec();
        let rows = vec![["a.b-c", setting, unit, vartype].map(|cell| Some(cell.to_string())).to_vec()];
        let points = Points::of(row, &Answer::Table(Table { columns, rows }), &server(15)).expect("taken");
        assert_eq!(points.text().trim_end(), expected, "{setting} {unit} {vartype}");
    };
    check("16384", "8kB", "integer", "pg_settings_a_b_c_bytes 134217728");
    check("16", "16MB", "integer", "pg_settings_a_b_c_bytes 268435456");
    check("1.5", "ms", "real", "pg_settings_a_b_c_seconds 0.0015");
    check("5", "min", "integer", "pg_settings_a_b_c_seconds 300");
    check("-1", "kB", "integer", "pg_settings_a_b_c_bytes -1");
    check("60", "", "integer", "pg_settings_a_b_c 60");
    check("on", "", "bool", "pg_settings_a_b_c 1");
    check("off", "", "bool", "pg_settings_a_b_c 0");
    check("4096MB", "MB", "integer", "pg_settings_a_b_c_bytes 4294967296");
    check("unlimited", "", "integer", "");
    check("7", "parsecs", "integer", "");
    assert_eq!(recorded("15", 15, "settings").value("pg_settings_shared_buffers_bytes"), f64::from(64 << 20));
}

#[test]
fn a_probe_tells_version_role_service_and_capabilities() {
    let check = |cells: [&str; 7]| {
        let columns = ["version", "version_text", "is_replica", "pg_monitor", "reads_all", "extensions", "service"];
        facts(&Table {
            columns: columns.map(str::to_string).to_vec(),
            rows: vec![cells.map(|cell| Some(cell.to_string())).to_vec()],
        })
    };
    let debian = check(["150013", "15.13 (Debian)", "f", "t", "f", "plpgsql 1.0,pg_stat_statements 1.10", ""]);
    assert_eq!(
        debian,
        Ok(Facts {
            version: (15, 13),
            version_text: "15.13 (Debian)".to_string(),
            flavour: String::new(),
            role: "primary".to_string(),
            capabilities: ["pg_monitor", "pg_stat_statements", "pg_stat_statements 1.8"].into(),
            ..Facts::default()
        })
    );
    let service = check(["170004", "17.4", "t", "f", "t", "pg_stat_statements 1.11", "rds_superuser"]).expect("facts");
    assert_eq!((service.flavour.as_str(), service.role.as_str()), ("rds", "replica"));
    let known = ["pg_read_all_data", "pg_stat_statements", "pg_stat_statements 1.8", "pg_stat_statements 1.11"];
    assert_eq!(service.capabilities, known.into());
    let old = check(["150013", "15.13", "f", "t", "f", "pg_stat_statements 1.7", ""]).expect("facts");
    assert_eq!(old.capabilities, ["pg_monitor", "pg_stat_statements"].into(), "the extension was not upgraded");
    let unknown = check(["Oracle", "", "", "", "", "", ""]).expect_err("no number");
    assert_eq!(unknown.reason, "server_version_num is not a number");
}

fn target(host: &str, parameters: &[(&str, &str)]) -> Target {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    Target {
        name: "orders".to_string(),
        tenant: "default".to_string(),
        engine: "postgresql".to_string(),
        url: Url { scheme: "postgres".to_string(), host: host.to_string(), parameters, ..Url::default() },
        password: SecretSource::None,
        api_key: SecretSource::None,
        action: None,
        ca_file: None,
        insecure: false,
        interval: Duration::from_secs(5),
        deadline: Duration::from_secs(5),
        sessions_max: 6,
        job: String::new(),
        labels: [].into(),
        root: "/".into(),
        slow_log: Vec::new(),
        choice: Choice::default(),
        filter: Filter::default(),
        queries: Vec::new(),
        thresholds: [].into(),
        discovered: false,
    }
}

#[test]
fn a_connection_is_verified_only_where_a_stranger_in_between_would_be_noticed() {
    let check = |parameters: &[(&str, &str)], expected: Result<(), &str>| {
        assert_eq!(engine().verifies(&target("db1", parameters)), expected.map_err(str::to_string), "{parameters:?}");
    };
    check(&[], Ok(()));
    check(&[("sslmode", "verify-full")], Ok(()));
    check(&[("sslmode", "verify-ca"), ("sslrootcert", "/ca.pem")], Ok(()));
    check(&[("sslmode", "require"), ("sslrootcert", "/ca.pem")], Ok(()));
    check(
        &[("sslmode", "verify-ca")],
        Err("sslmode=verify-ca without ca_file takes any certificate that a public authority signed"),
    );
    check(&[("sslmode", "require")], Err("sslmode=require encrypts but does not check who answers"));
    check(
        &[("sslmode", "prefer"), ("sslrootcert", "/ca.pem")],
        Err("sslmode=prefer goes on in plain text where the server offers no TLS"),
    );
    check(&[("sslmode", "disable")], Err("sslmode=disable sends everything in plain text"));
    check(&[("sslmode", "on")], Err("'on' is no sslmode"));
}

/// What people are told when no session comes about.
async fn refused(target: &Target) -> String {
    tls::install_provider();
    let access = Access { password: Some(Secret::new("planted-password")), api_key: None };
    engine().connect(target, &access).await.map(|_| ()).expect_err("refused").to_string()
}

#[tokio::test]
async fn a_remote_server_that_proves_nothing_gets_no_login() {
    assert_eq!(
        refused(&target("db1", &[("sslmode", "require")])).await,
        "no session with db1:5432: sslmode=require encrypts but does not check who answers [postgresql-01]\n\
         detail: A login to a remote server goes only to one that proves who it is.\n\
         hint: Use sslmode=verify-full (and ca_file for an authority of your own), or say insecure = true."
    );
    assert_eq!(
        refused(&target("db1", &[("sslmode", "verify_full")])).await,
        "'verify_full' is no sslmode [postgresql-02]\n\
         hint: Use one of disable, allow, prefer, require, verify-ca, verify-full."
    );
}

/// A server of one connection that answers anything with these bytes, again and again if asked to.
async fn impostor(answer: &'static [u8], endless: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    task::spawn("impostor", async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut question = [0; 512];
        let _ = stream.read(&mut question).await;
        while stream.write_all(answer).await.is_ok() && endless {}
    })
    .detach();
    port
}

#[tokio::test]
async fn what_is_no_postgresql_is_told_apart() {
    let check = async |mode: &str, answer: &'static [u8], endless: bool, expected: &str| {
        let mut target = target("127.0.0.1", &[("sslmode", mode)]);
        target.url.port = impostor(answer, endless).await;
        let said = refused(&target).await.replace(&target.url.port.to_string(), "PORT");
        assert_eq!(said, expected);
    };
    check(
        "verify-full",
        b"N",
        false,
        "127.0.0.1:PORT offers no TLS [postgresql-11]\n\
         hint: Set ssl = on in postgresql.conf. Where plain text is acceptable: sslmode=disable and insecure = true.",
    )
    .await;
    check(
        "disable",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        false,
        "no session with 127.0.0.1:PORT as 'watchward': bytes remaining on stream [postgresql-12]\n\
         hint: Is it PostgreSQL that listens there? Its log may say more.",
    )
    .await;
    // A message whose length says 1 GiB: refused when the allowance is used up, not when memory is.
    check(
        "disable",
        b"R\x40\x00\x00\x00",
        true,
        "no session with 127.0.0.1:PORT as 'watchward': the answer is larger than allowed [postgresql-12]\n\
         hint: Is it PostgreSQL that listens there? Its log may say more.",
    )
    .await;
}

/// Copied rules name metrics that nobody gives: the manual lists each with the reason.
#[test]
fn every_metric_of_the_copied_rules_is_read_or_the_manual_says_why_not() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/alert-rules/postgresql.yml");
    let Ok(rules) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is absent", file.display());
        return;
    };
    let manual = include_str!("../../../docs/postgresql.md");
    let expressions = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expressions.flat_map(|line| line.split(move |c| !is_word(c))).filter(|word| word.starts_with("pg_"));
    let names: BTreeSet<&str> = words.filter(|word| *word != "pg_settings_").collect();
    assert!(names.len() > 20, "{names:?}");
    let catalogue = engines::catalogue();
    let rows = || engine().rows().iter();
    for name in names {
        let always = rows().any(|row| {
            !row.optional && row.exists(&server(18)) && row.metrics.iter().any(|metric| metric.name == name)
        });
        let is_up = name == engine().card().up.name;
        let is_listed = manual.contains(&format!("`{name}`"));
        assert!(always || is_up || name.starts_with("pg_settings_") || is_listed, "{name} is neither read nor listed");
        println!("{name}: {}", if catalogue.find(name).is_some() { "read" } else { "not read, and listed" });
    }
}
