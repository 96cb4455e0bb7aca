//! MongoDB: a replica set of three, read as the monitoring user.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;
use mongodb::options::ClientOptions;
use tokio::net::TcpStream;
use watchward::engines::contract::{Row, Session};
use watchward::model::filter::Glob;
use watchward::model::reading::UnknownKind;
use watchward::model::target::{Target, Url};
use watchward::sys::clock::Stopwatch;
use watchward::sys::task;

use crate::points::Points;
use crate::servers::{Readings, Servers, all_read, engine, open, read_all, servers, target, unknowns};
use crate::single::{Mongod, mongodb_versions, version_of};

fn watched(servers: &Servers, number: u8, user: &str, password: &str) -> Target {
    let url = Url {
        scheme: "mongodb".to_string(),
        user: user.to_string(),
        host: servers.value("WW_HOST").to_string(),
        port: servers.port(&format!("WW_MONGODB_{number}_PORT")),
        path: String::new(),
        parameters: [("authSource".to_string(), "admin".to_string())].into(),
    };
    target("mongodb", url, password)
}

fn as_monitor(servers: &Servers, number: u8) -> Target {
    let password = servers.secret("WW_MONGODB_MONITOR_PASSWORD_FILE");
    watched(servers, number, servers.value("WW_MONITOR_USER"), &password)
}

/// The role `clusterMonitor` reads every row but the one that reads documents.
pub fn all_read_but_pbm(readings: &Readings) {
    let unknown = unknowns(readings);
    let refused: Vec<_> = unknown.iter().map(|(row, kind, _)| (*row, *kind)).collect();
    assert_eq!(refused, [("pbm", UnknownKind::Privilege)], "{unknown:#?}");
    assert!(readings.values().flatten().all(|points| points.twice.is_empty()));
}

async fn read(target: &Target) -> (Box<dyn Session>, Readings) {
    let mut session = open(target).await.unwrap_or_else(|fault| panic!("{fault}"));
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("mongodb"), &mut *session).await;
    (session, readings)
}

/// An administrator's client, for arranging things and for looking from the other side.
pub async fn administrator(servers: &Servers, number: u8) -> Client {
    let password = servers.secret("WW_MONGODB_ADMIN_PASSWORD_FILE");
    let port = servers.port(&format!("WW_MONGODB_{number}_PORT"));
    let url = format!("mongodb://admin:{password}@127.0.0.1:{port}/?directConnection=true");
    Client::with_options(ClientOptions::parse(&url).await.expect("options")).expect("a client")
}

async fn primary(servers: &Servers) -> u8 {
    for number in 1..=3 {
        let hello = administrator(servers, number).await.database("admin").run_command(doc! { "hello": 1 }).await;
        if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
            return number;
        }
    }
    panic!("no member is primary");
}

#[tokio::test]
async fn every_row_of_every_member_is_read_with_cluster_monitor() {
    let servers = servers();
    let mut roles = Vec::new();
    for number in 1..=3 {
        let (session, readings) = read(&as_monitor(&servers, number)).await;
        all_read_but_pbm(&readings);
        assert_eq!(session.facts().version, (6, 0));
        roles.push(session.facts().role.clone());
        let points = |row: &str| readings[row].as_ref().expect("points");
        let status = points("server_status");
        assert!(status.all.len() >= 85, "{}", status.text());
        assert!(status.value(r#"mongodb_ss_connections{cl_role="shardsvr",conn_type="current",rs_nm="docs"}"#) >= 1.0);
        let oplog = |end: &str| {
            let name = format!("mongodb_mongod_replset_oplog_{end}_timestamp");
            status.value(&format!(r#"{name}{{cl_role="shardsvr",rs_nm="docs"}}"#))
        };
        assert!(oplog("head") >= oplog("tail") && oplog("tail") > 1.6e9);
        let lags = points("replica_set").all.keys().filter(|series| series.contains("replication_lag")).count();
        assert_eq!(lags, 2, "both secondaries, and not the primary");
        assert_eq!(points("operations").value("mongodb_longest_operation_seconds"), 0.0);
        assert_eq!(points("databases").value(r#"mongodb_dbstats_objects{database="shop"}"#), 2000.0);
    }
    roles.sort();
    assert_eq!(roles, ["primary", "secondary", "secondary"]);
}

#[tokio::test]
async fn a_session_costs_the_server_two_named_connections() {
    let servers = servers();
    let (session, _) = read(&as_monitor(&servers, 1)).await;
    let pipeline = [
        doc! { "$currentOp": { "allUsers": true, "idleConnections": true } },
        doc! { "$match": { "appName": "watchward" } },
    ];
    let cursor = doc! { "aggregate": 1, "pipeline": &pipeline[..], "cursor": {} };
    let look = async || {
        let answer = administrator(&servers, 1).await.database("admin").run_command(cursor.clone()).await.expect("ops");
        answer.get_document("cursor").expect("a cursor").get_array("firstBatch").expect("operations").len()
    };
    assert_eq!(look().await, 2);
    drop(session);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(look().await, 0, "they end with the session");
}

#[tokio::test]
async fn a_long_operation_is_seen_without_its_text() {
    let servers = servers();
    let member = primary(&servers).await;
    let client = administrator(&servers, member).await;
    let slow = task::spawn("slow", async move {
        let wait = doc! { "$where": "sleep(20) || true /* planted-statement */" };
        let _ = client.database("shop").run_command(doc! { "find": "orders", "filter": wait }).await;
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (_session, readings) = read(&as_monitor(&servers, member)).await;
    drop(slow);
    let operations = readings["operations"].as_ref().expect("points");
    assert!(operations.value("mongodb_longest_operation_seconds") > 0.4, "{}", operations.text());
    assert!(operations.text().contains(r#"collection="orders",database="shop""#), "{}", operations.text());
    assert!(!operations.text().contains("planted-statement"));
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_servers_words_and_never_shown() {
    let servers = servers();
    let fault = open(&watched(&servers, 1, "watchward", "planted-7f3a")).await.err().expect("a fault");
    let port = servers.port("WW_MONGODB_1_PORT");
    assert_eq!(
        fault.to_string(),
        format!(
            "127.0.0.1:{port} refuses user 'watchward' of database 'admin' [mongodb-02]\n\
             detail: The server said: Authentication failed.\n\
             hint: Is the password right, and is the user in this authSource? A user made before version 4.0 has only \
             SCRAM-SHA-1: add authMechanism=SCRAM-SHA-1 to the URL."
        )
    );
    assert!(!format!("{fault:?}").contains("planted-7f3a"));
}

#[tokio::test]
async fn an_unknown_database_to_log_in_at_is_a_fault() {
    let servers = servers();
    let mut target = as_monitor(&servers, 1);
    target.url.parameters.insert("authSource".to_string(), "nowhere".to_string());
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!((fault.code, fault.detail.as_str()), ("mongodb-02", "The server said: Authentication failed."));
    assert!(fault.what.ends_with("refuses user 'watchward' of database 'nowhere'"), "{}", fault.what);
}

#[tokio::test]
async fn tls_is_spoken_behind_the_drivers_back_and_verified() {
    let servers = servers();
    let mut target = as_monitor(&servers, 1);
    target.url.host = servers.value("WW_TLS_HOST").to_string();
    target.url.parameters.insert("tls".to_string(), "true".to_string());
    let watch = Stopwatch::start();
    let fault = open(&target).await.err().expect("a fault");
    assert_eq!(fault.what, "the certificate of 'localhost' is signed by an authority that is not trusted");
    assert!(watch.elapsed() < Duration::from_secs(2), "told at once, not at the deadline: {:?}", watch.elapsed());
    target.ca_file = Some(servers.value("WW_CA_FILE").into());
    let (_session, readings) = read(&target).await;
    all_read_but_pbm(&readings);
    assert_eq!(engine("mongodb").verifies(&target), Ok(()));
}

#[tokio::test]
async fn a_row_without_its_privilege_is_unknown_and_the_rest_is_read() {
    let servers = servers();
    let member = primary(&servers).await;
    let admin = administrator(&servers, member).await.database("admin");
    let status_only = [doc! { "resource": { "cluster": true }, "actions": ["serverStatus", "replSetGetStatus"] }];
    let _ = admin.run_command(doc! { "dropUser": "halfway" }).await;
    let _ = admin.run_command(doc! { "dropRole": "statusOnly" }).await;
    let role = doc! { "createRole": "statusOnly", "privileges": &status_only[..], "roles": [] };
    admin.run_command(role).await.expect("a role");
    let user = doc! { "createUser": "halfway", "pwd": "halfway-password", "roles": ["statusOnly"] };
    admin.run_command(user).await.expect("a user");
    let (_session, readings) = read(&watched(&servers, member, "halfway", "halfway-password")).await;
    assert!(readings["server_status"].is_ok() && readings["replica_set"].is_ok());
    let refused: Vec<_> = unknowns(&readings).into_iter().map(|(row, kind, _)| (row, kind)).collect();
    // Without the privilege a user lists only databases it may see: there are none.
    assert_eq!(
        refused,
        ["features", "operations", "pbm", "top"].map(|row| (row, UnknownKind::Privilege)),
        "{:?}",
        unknowns(&readings)
    );
    admin.run_command(doc! { "dropUser": "halfway" }).await.expect("the user is gone");
    admin.run_command(doc! { "dropRole": "statusOnly" }).await.expect("the role is gone");
}

#[tokio::test]
async fn without_a_login_the_rows_say_so_and_the_server_is_up() {
    let servers = servers();
    let (_session, readings) = read(&watched(&servers, 1, "", "")).await;
    let refused = unknowns(&readings);
    assert!(refused.iter().all(|(_, kind, _)| *kind == UnknownKind::Privilege), "{refused:?}");
    // Shapes of queries are asked for as soon as there is a span of time to ask about, which in a first reading there may
    // not be.
    for row in ["collections", "databases", "features", "indexes", "operations", "replica_set", "server_status", "top"]
    {
        assert!(refused.iter().any(|(name, ..)| *name == row), "no word of {row}: {refused:?}");
    }
}

#[tokio::test]
async fn a_restarted_server_breaks_the_session_and_a_new_one_reads_on() {
    let servers = servers();
    let target = as_monitor(&servers, 3);
    let (mut session, _) = read(&target).await;
    let (mut unaware, _) = read(&target).await;
    servers.ctl("mongodb-3", "stop");
    let watch = Stopwatch::start();
    let fault = session.probe().await.expect_err("the server is stopped");
    assert!(watch.elapsed() < target.deadline + Duration::from_secs(1), "it took {:?}", watch.elapsed());
    assert!(fault.what.contains(&format!("127.0.0.1:{}", target.url.port)), "{fault}");
    assert!(session.is_broken());
    let fault = open(&target).await.err().expect("still stopped");
    assert_eq!(fault.code, "net-01", "{fault}");
    servers.ctl("mongodb-3", "start");
    let (_session, readings) = read(&target).await;
    all_read_but_pbm(&readings);
    unaware.probe().await.unwrap_or_else(|fault| panic!("a connection cut meanwhile is no server down: {fault}"));
}

/// The row of a name.
fn named(name: &str) -> &'static Row {
    engine("mongodb").rows().iter().find(|row| row.name == name).expect("a row")
}

/// One row of a session's next cycle.
async fn points(session: &mut dyn Session, name: &str) -> Points {
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    let answer = session.ask(named(name), Duration::from_secs(5)).await;
    let answer = answer.unwrap_or_else(|unknown| panic!("{name}: {unknown:?}"));
    Points::of(named(name), &answer, session.facts()).expect("points")
}

#[tokio::test]
async fn shapes_of_queries_are_counted_from_the_profiler_and_never_their_text() {
    let servers = servers();
    let member = primary(&servers).await;
    let shop = administrator(&servers, member).await.database("shop");
    let mut session = open(&as_monitor(&servers, member)).await.expect("a session");
    let before = points(&mut *session, "query_shapes").await;
    shop.run_command(doc! { "profile": 2 }).await.expect("the profiler is on");
    for amount in 0..5 {
        let find =
            doc! { "find": "orders", "filter": { "amount": amount, "planted": "statement" }, "comment": "planted" };
        shop.run_command(find).await.expect("found");
    }
    shop.run_command(doc! { "profile": 0 }).await.expect("the profiler is off");
    let calls = |points: &Points| {
        let of_orders = |series: &&String| {
            series.starts_with(
                "mongodb_query_shape_operations_total{collection=\"orders\",database=\"shop\",op=\"query\"",
            )
        };
        points.all.keys().filter(of_orders).map(|series| points.all[series]).sum::<f64>()
    };
    let mut after = points(&mut *session, "query_shapes").await;
    assert_eq!((calls(&before), calls(&after)), (0.0, 5.0), "{}", after.text());
    assert!(after.text().contains("query_hash=\"") && !after.text().contains("planted"), "{}", after.text());
    let examined: f64 =
        after.all.iter().filter(|(series, _)| series.contains("examined_documents")).map(|one| one.1).sum();
    assert!(examined >= 10_000.0, "each looked at all 2000 documents: {examined}");
    let series = after.text();
    let hash = series.split("query_hash=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a hash");
    let text = session.statement(hash).await.expect("answered").expect("a text");
    assert!(text.contains("\"find\":\"orders\"") && text.contains("\"amount\":\"?\""), "{text}");
    assert!(!text.contains("statement") && text.contains("planted\":\"?\""), "{text}");
    assert_eq!(session.statement("00000000").await, Ok(None));
    assert_eq!(
        session.statement("x").await.expect_err("no hash").to_string(),
        "'x' is no hash of a query's shape [mongodb-41]\n\
         hint: It is written in hexadecimal digits: the label query_hash of the shape's series."
    );
    after = points(&mut *session, "query_shapes").await;
    assert_eq!(calls(&after), 5.0, "nothing is counted twice");
    shop.run_command(doc! { "drop": "system.profile" }).await.expect("dropped");
}

#[tokio::test]
async fn new_databases_and_collections_are_there_at_the_next_reading_and_dropped_ones_are_not() {
    let servers = servers();
    let member = primary(&servers).await;
    let admin = administrator(&servers, member).await;
    let mut target = as_monitor(&servers, member);
    let mut session = open(&target).await.expect("a session");
    let series = [
        ("databases", "mongodb_dbstats_objects{database=\"planned\"}"),
        ("collections", "mongodb_collstats_storageStats_count{collection=\"visits\",database=\"planned\"}"),
        ("indexes", "mongodb_indexstats_accesses_ops{collection=\"visits\",database=\"planned\",key_name=\"_id_\"}"),
        ("top", "mongodb_top_insert_count{collection=\"visits\",database=\"planned\"}"),
    ];
    let planned = admin.database("planned");
    planned.run_command(doc! { "insert": "visits", "documents": [doc! { "page": 1 }] }).await.expect("inserted");
    planned.run_command(doc! { "create": "seen", "viewOn": "visits", "pipeline": [] }).await.expect("a view");
    for (row, name) in series {
        let points = points(&mut *session, row).await;
        let found = points.all.contains_key(name);
        assert!(found, "{name} in {}", points.text());
    }
    target.filter.exclude.insert("database".to_string(), vec![Glob::new("plan*")]);
    let mut without = open(&target).await.expect("a session");
    for row in ["databases", "collections", "indexes"] {
        assert!(!points(&mut *without, row).await.text().contains("planned"), "{row} is not even asked");
    }
    // Dropped and made again while it is read, over and over: what is gone meanwhile is left out, and nothing fails.
    let coming_and_going = async {
        for _ in 0..20 {
            planned.run_command(doc! { "dropDatabase": 1 }).await.expect("dropped");
            planned
                .run_command(doc! { "insert": "visits", "documents": [doc! { "page": 1 }] })
                .await
                .expect("inserted");
        }
    };
    let reading = async {
        for _ in 0..5 {
            all_read(&read_all(engine("mongodb"), &mut *session).await);
        }
    };
    tokio::join!(coming_and_going, reading);
    planned.run_command(doc! { "dropDatabase": 1 }).await.expect("dropped");
    for row in ["databases", "collections", "indexes"] {
        assert!(!points(&mut *session, row).await.text().contains("planned"), "{row}");
    }
}

#[tokio::test]
async fn a_secondary_that_stands_still_lags_and_then_is_not_well_and_never_reads_zero() {
    let servers = servers();
    let member = primary(&servers).await;
    let paused = (1..=3).find(|number| *number != member).expect("a secondary");
    let name = format!("127.0.0.1:{}", servers.port(&format!("WW_MONGODB_{paused}_PORT")));
    let shop = administrator(&servers, member).await.database("shop");
    let mut session = open(&as_monitor(&servers, member)).await.expect("a session");
    let write = doc! { "insert": "pulse", "documents": [doc! { "beat": 1 }], "writeConcern": { "w": 1 } };
    servers.ctl(&format!("mongodb-{paused}"), "pause");
    let watch = Stopwatch::start();
    let (mut lags, mut told) = (Vec::new(), false);
    while !told && watch.elapsed() < Duration::from_secs(60) {
        shop.run_command(write.clone()).await.expect("the majority is still there");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let set = points(&mut *session, "replica_set").await;
        let of = |metric: &str| {
            let mine = set.all.iter().find(|(series, _)| series.starts_with(metric) && series.contains(&name));
            mine.map(|(_, value)| *value)
        };
        lags.push(of("mongodb_mongod_replset_member_replication_lag"));
        told = of("mongodb_rs_members_health") == Some(0.0);
    }
    servers.ctl(&format!("mongodb-{paused}"), "resume");
    assert!(told, "it was never told unhealthy: {lags:?}");
    assert_eq!(lags.last(), Some(&None), "of what is not reached no lag is known: {lags:?}");
    assert!(lags.iter().flatten().any(|lag| *lag >= 2.0), "{lags:?}");
    let watch = Stopwatch::start();
    loop {
        let set = points(&mut *session, "replica_set").await;
        let health =
            set.all.iter().filter(|(series, _)| series.starts_with("mongodb_rs_members_health")).map(|one| one.1);
        if health.sum::<f64>() >= 3.0 {
            break;
        }
        assert!(watch.elapsed() < Duration::from_secs(60), "{}", set.text());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    shop.run_command(doc! { "drop": "pulse" }).await.expect("dropped");
}

#[tokio::test]
async fn a_server_alone_is_read_and_a_cycle_costs_it_few_requests() {
    for (version, program) in mongodb_versions() {
        read_alone(&version, &program).await;
    }
}

async fn read_alone(version: &str, program: &Path) {
    const CYCLES: u32 = 12;
    let server = Mongod::begin(program, &["--maxConns", "12"]);
    let url = Url { scheme: "mongodb".to_string(), host: "127.0.0.1".to_string(), port: server.port, ..Url::default() };
    let alone = target("mongodb", url, "");
    let (mut session, readings) = read(&alone).await;
    assert_eq!((session.facts().version, session.facts().role.as_str()), (version_of(version), "standalone"));
    let unread: Vec<_> = unknowns(&readings).into_iter().map(|(row, kind, _)| (row, kind)).collect();
    assert_eq!(unread, [("replica_set", UnknownKind::NotHere)], "{:?}", unknowns(&readings));
    let requests = async |session: &mut dyn Session| {
        let status = points(session, "server_status").await;
        let name = "mongodb_ss_network_numRequests";
        status.all.iter().find(|(series, _)| series.starts_with(name)).map(|one| *one.1).expect("requests")
    };
    let before = requests(&mut *session).await;
    for cycle in 0..CYCLES {
        session.probe().await.expect("it answers");
        let facts = session.facts().clone();
        let due =
            |row: &&Row| !row.optional && row.lacks(&facts).is_none() && row.exists(&facts) && cycle % row.every == 0;
        for row in engine("mongodb").rows().iter().filter(due) {
            let answer = session.ask(row, Duration::from_secs(5)).await;
            assert!(answer.is_ok(), "{}: {answer:?}", row.name);
        }
    }
    // The second look is two requests of its own: hello and serverStatus, which counts itself.
    let asked = requests(&mut *session).await - before - 2.0;
    println!("MongoDB {version}: {asked} requests in {CYCLES} cycles, {:.2} a cycle", asked / f64::from(CYCLES));
    assert!(asked <= f64::from(CYCLES) * 4.0 + 6.0, "{asked}");
    // Then all its connections are taken: ours stay, it tells, and who comes now is told what is the matter.
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(TcpStream::connect(("127.0.0.1", server.port)).await.expect("the system takes it"));
    }
    let connections = async |session: &mut dyn Session, state: &str| {
        let status = points(session, "server_status").await;
        status.value(&format!("mongodb_ss_connections{{cl_role=\"mongod\",conn_type=\"{state}\"}}"))
    };
    let watch = Stopwatch::start();
    while connections(&mut *session, "available").await > 0.0 {
        assert!(watch.elapsed() < Duration::from_secs(20), "there is still room");
    }
    assert!(connections(&mut *session, "current").await >= 12.0);
    assert_eq!(
        open(&alone).await.err().expect("there is no place").to_string(),
        format!(
            "no whole answer from 127.0.0.1:{}: it closed the connection [relay-05]\n\
             hint: Was the server stopped, or is there something between that cuts connections?",
            server.port
        )
    );
    assert!(!session.is_broken());
}

/// Something for each row to see: a collection, an index, and what the profiler keeps of their use.
async fn work(client: &Client) {
    let shop = client.database("shop");
    let began = Stopwatch::start();
    let orders: Vec<_> = (0..200).map(|number| doc! { "_id": number, "customer": number % 7 }).collect();
    while let Err(error) = shop.collection::<mongodb::bson::Document>("orders").insert_many(&orders).await {
        assert!(began.elapsed() < Duration::from_secs(60), "no primary within a minute: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let keys = doc! { "createIndexes": "orders", "indexes": [ { "key": { "customer": 1 }, "name": "customer_1" } ] };
    shop.run_command(keys).await.expect("an index");
    shop.run_command(doc! { "profile": 2 }).await.expect("the profiler");
}

#[tokio::test]
async fn every_row_of_every_version_is_read_as_a_set_of_one() {
    servers();
    for (version, program) in mongodb_versions() {
        let server = Mongod::begin(&program, &["--replSet", "docs"]);
        let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", server.port);
        let client = Client::with_options(ClientOptions::parse(&url).await.expect("options")).expect("a client");
        let member = format!("127.0.0.1:{}", server.port);
        let config = doc! { "_id": "docs", "version": 1, "members": [{ "_id": 0, "host": member }] };
        client.database("admin").run_command(doc! { "replSetInitiate": config }).await.expect("a set");
        work(&client).await;
        let at =
            Url { scheme: "mongodb".to_string(), host: "127.0.0.1".to_string(), port: server.port, ..Url::default() };
        let target = target("mongodb", at, "");
        let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{version}: {fault}"));
        read_all(engine("mongodb"), &mut *session).await;
        client
            .database("shop")
            .run_command(doc! { "find": "orders", "filter": { "customer": 3 } })
            .await
            .expect("found");
        session.probe().await.unwrap_or_else(|fault| panic!("{version}: {fault}"));
        let readings = read_all(engine("mongodb"), &mut *session).await;
        all_read(&readings);
        assert_eq!((session.facts().version, session.facts().role.as_str()), (version_of(&version), "primary"));
        let points = |row: &str| readings[row].as_ref().expect("read");
        let names: BTreeSet<&str> =
            points("server_status").all.keys().map(|s| s.split('{').next().unwrap_or("")).collect();
        println!("MongoDB {version}: {} rows, {} names of serverStatus", readings.len(), names.len());
        let labels = r#"cl_role="shardsvr",rs_nm="docs""#;
        let value = |row: &str, name: &str| points(row).value(name);
        let status = client.database("admin").run_command(doc! { "serverStatus": 1 }).await.expect("status");
        let cache = status.get_document("wiredTiger").and_then(|tree| tree.get_document("cache")).expect("a cache");
        let most =
            cache.get("maximum bytes configured").and_then(|most| most.as_i64().or(most.as_i32().map(i64::from)));
        let told = value("server_status", &format!("mongodb_ss_wt_cache_maximum_bytes_configured{{{labels}}}"));
        assert_eq!(Some(told as i64), most, "{version}");
        let tickets = "mongodb_ss_wt_concurrentTransactions_totalTickets";
        let read_tickets = value("server_status", &format!(r#"{tickets}{{{labels},txn_rw_type="read"}}"#));
        assert!(read_tickets > 0.0, "{version}: {read_tickets}");
        // What the profiler keeps of the reading itself is in it too.
        let objects = value("databases", r#"mongodb_dbstats_objects{database="shop"}"#);
        assert!((200.0..=200.0 + profiled(&client).await).contains(&objects), "{version}: {objects}");
        assert!(points("query_shapes").text().contains(r#"collection="orders""#), "{}", points("query_shapes").text());
        assert!(points("indexes").text().contains(r#"key_name="customer_1""#), "{version}");
    }
}

/// How many documents the profiler keeps.
async fn profiled(client: &Client) -> f64 {
    let shop = client.database("shop");
    let answer = shop.run_command(doc! { "count": "system.profile" }).await.expect("counted");
    f64::from(answer.get_i32("n").expect("a number"))
}

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
