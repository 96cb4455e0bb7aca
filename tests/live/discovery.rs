//! What comes into being on a server is seen within one discovery interval, and what goes has ended within one: the row's
//! interval, which is so many cycles of its target.

use std::collections::BTreeMap;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use watchward::model::filter::Glob;
use watchward::model::target::{Target, Url};

use crate::agent::wait;
use crate::servers::{Servers, engine, servers, target};
use crate::single::{Mongod, Postgresql, Redis, mongodb_versions, postgresql_versions, redis_versions};
use crate::watching::{Seen, Watching};
use crate::{clickhouse, elasticsearch};

/// What an administrator does.
enum Do {
    /// SQL, in a database.
    Postgresql(&'static str, &'static str),
    /// Commands for the second Redis, and how many replicas the first one then has.
    Redis(&'static [&'static str], u32),
    /// A command, in a database.
    MongoDb(&'static str, Document),
    /// The set has so many members.
    Members(usize),
    ClickHouse(&'static [&'static str]),
    Elasticsearch(&'static str, &'static str),
}

struct Thing {
    what: &'static str,
    engine: &'static str,
    /// What tells of it.
    row: &'static str,
    metric: &'static str,
    labels: &'static [(&'static str, &'static str)],
    make: Do,
    end: Do,
}

#[rustfmt::skip] // a table is read across
fn things() -> Vec<Thing> {
    let pg = |database, sql| Do::Postgresql(database, sql);
    vec![
        Thing { what: "database", engine: "postgresql", row: "stat_database", metric: "pg_stat_database_numbackends", labels: &[("datname", "found")],
            make: pg("postgres", "CREATE DATABASE found"), end: pg("postgres", "DROP DATABASE found") },
        Thing { what: "database, its size", engine: "postgresql", row: "database", metric: "pg_database_size_bytes", labels: &[("datname", "found")],
            make: pg("postgres", "CREATE DATABASE found"), end: pg("postgres", "DROP DATABASE found") },
        Thing { what: "table", engine: "postgresql", row: "stat_user_tables", metric: "pg_stat_user_tables_n_live_tup", labels: &[("datname", "shop"), ("relname", "found")],
            make: pg("shop", "CREATE TABLE found (a int)"), end: pg("shop", "DROP TABLE found") },
        // Of indexes it counts those that nothing uses and those that are broken, and has series of neither but the counts.
        Thing { what: "index", engine: "postgresql", row: "index", metric: "pg_index_unused_count", labels: &[("datname", "shop")],
            make: pg("shop", "CREATE INDEX found ON things (b)"), end: pg("shop", "DROP INDEX found") },
        Thing { what: "replica", engine: "redis", row: "info", metric: "redis_connected_slave_lag_seconds", labels: &[],
            make: Do::Redis(&["REPLICAOF", "127.0.0.1", "PORT"], 1), end: Do::Redis(&["REPLICAOF", "NO", "ONE"], 0) },
        Thing { what: "database", engine: "mongodb", row: "databases", metric: "mongodb_dbstats_objects", labels: &[("database", "found")],
            make: Do::MongoDb("found", doc! { "insert": "c", "documents": [{ "a": 1 }] }), end: Do::MongoDb("found", doc! { "dropDatabase": 1 }) },
        Thing { what: "collection", engine: "mongodb", row: "collections", metric: "mongodb_collstats_storageStats_count", labels: &[("database", "shop"), ("collection", "found")],
            make: Do::MongoDb("shop", doc! { "insert": "found", "documents": [{ "a": 1 }] }), end: Do::MongoDb("shop", doc! { "drop": "found" }) },
        Thing { what: "member of the set", engine: "mongodb", row: "replica_set", metric: "mongodb_rs_members_state", labels: &[("member_idx", "SECOND")],
            make: Do::Members(2), end: Do::Members(1) },
        Thing { what: "table", engine: "clickhouse", row: "tables", metric: "clickhouse_table_parts", labels: &[("database", "default"), ("table", "found")],
            make: Do::ClickHouse(&["CREATE TABLE default.found (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO default.found VALUES (1)"]),
            end: Do::ClickHouse(&["DROP TABLE default.found"]) },
        Thing { what: "index", engine: "elasticsearch", row: "indices", metric: "elasticsearch_indices_docs_primary", labels: &[("index", "found")],
            make: Do::Elasticsearch("PUT", "/found"), end: Do::Elasticsearch("DELETE", "/found") },
    ]
}

/// The servers: those that a test may do anything with, and two that all share.
struct Stage {
    servers: Servers,
    postgresql: Postgresql,
    redis: [Redis; 2],
    mongodb: [Mongod; 2],
    administrator: Client,
}

impl Stage {
    async fn begin() -> Stage {
        let (version, programs) = postgresql_versions().into_iter().find(|(one, _)| *one == 15).expect("got ready");
        let postgresql = Postgresql::begin(version, &programs, &[]);
        postgresql.psql("CREATE DATABASE shop");
        postgresql.psql_in("shop", "CREATE TABLE things (a int PRIMARY KEY, b int)");
        let (_, redis) = redis_versions().into_iter().next().expect("got ready");
        let redis = [(); 2].map(|()| Redis::begin(&redis, &["--repl-diskless-sync-delay", "0"]));
        redis[0].login();
        let (_, mongod) = mongodb_versions().into_iter().next().expect("got ready");
        let mongodb = [(); 2].map(|()| Mongod::begin(&mongod, &["--replSet", "found"]));
        let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", mongodb[0].port);
        let administrator = Client::with_options(ClientOptions::parse(&url).await.expect("options")).expect("a client");
        let stage = Stage { servers: servers(), postgresql, redis, mongodb, administrator };
        // A test that broke off may have left these: the servers outlive it.
        assert!(clickhouse::run(&stage.servers, "DROP TABLE IF EXISTS default.found"));
        elasticsearch::tell(&stage.servers, "ELASTICSEARCH", "DELETE", "/found*", "");
        stage.tell_mongodb("admin", doc! { "replSetInitiate": stage.set(1, 1) }).await;
        stage.until_members(&[1]).await;
        while !stage.tell_mongodb("admin", doc! { "hello": 1 }).await.get_bool("isWritablePrimary").unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stage.tell_mongodb("shop", doc! { "insert": "things", "documents": [{ "a": 1 }] }).await;
        stage
    }

    fn set(&self, version: i32, members: usize) -> Document {
        // The second has no vote: that it comes and goes must not cost the first its majority.
        let member = |at: usize| {
            let is_first = i32::from(at == 0);
            let host = format!("127.0.0.1:{}", self.mongodb[at].port);
            doc! { "_id": i32::try_from(at).expect("small"), "host": host, "votes": is_first, "priority": is_first }
        };
        doc! { "_id": "found", "version": version, "members": (0..members).map(member).collect::<Vec<_>>() }
    }

    async fn tell_mongodb(&self, database: &str, command: Document) -> Document {
        let done = self.administrator.database(database).run_command(command.clone()).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Waits until the members of the set have these states, as the first one sees them.
    async fn until_members(&self, wanted: &[i32]) {
        let mut seen = Vec::new();
        for _ in 0..300 {
            let status = self.administrator.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await;
            let members = status.ok().and_then(|status| status.get_array("members").ok().cloned()).unwrap_or_default();
            let state = |member: &mongodb::bson::Bson| member.as_document().and_then(|one| one.get_i32("state").ok());
            seen = members.iter().filter_map(state).collect();
            if seen == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{seen:?} and not {wanted:?}");
    }

    async fn act(&self, what: &Do) {
        match what {
            Do::Postgresql(database, sql) => drop(self.postgresql.psql_in(database, sql)),
            Do::Redis(command, replicas) => {
                let port = self.redis[0].port.to_string();
                let command: Vec<&str> =
                    command.iter().map(|word| if *word == "PORT" { port.as_str() } else { word }).collect();
                assert_eq!(self.redis[1].cli(&command), "OK");
                let count = format!("connected_slaves:{replicas}");
                let told = || self.redis[0].cli(&["INFO", "replication"]);
                wait(&count, Duration::from_secs(60), || told().contains(&count) && !told().contains("state=wait"));
            }
            Do::MongoDb(database, command) => drop(self.tell_mongodb(database, command.clone()).await),
            Do::Members(count) => {
                let now = self.tell_mongodb("admin", doc! { "replSetGetConfig": 1 }).await;
                let version =
                    now.get_document("config").and_then(|config| config.get_i32("version")).expect("a number");
                self.tell_mongodb("admin", doc! { "replSetReconfig": self.set(version + 1, *count) }).await;
                self.until_members(&[1, 2][..*count]).await;
            }
            Do::ClickHouse(all) => all.iter().for_each(|sql| assert!(clickhouse::run(&self.servers, sql), "{sql}")),
            Do::Elasticsearch(method, path) => elasticsearch::tell(&self.servers, "ELASTICSEARCH", method, path, ""),
        }
    }

    fn target(&self, engine: &str) -> Target {
        let mut target = match engine {
            "postgresql" => self.postgresql.watched(),
            "redis" => self.redis[0].target(),
            "mongodb" => {
                let (scheme, host) = ("mongodb".to_string(), "127.0.0.1".to_string());
                target("mongodb", Url { scheme, host, port: self.mongodb[0].port, ..Url::default() }, "")
            }
            // The login of the tests sees the tables of `system` alone; a table is seen by who may see the table.
            "clickhouse" => clickhouse::as_administrator(&self.servers),
            _ => elasticsearch::as_monitor(&self.servers, "ELASTICSEARCH"),
        };
        target.choice.collect = ["index", "collections", "indices"].map(Glob::new).into();
        target
    }
}

/// How many cycles it takes until it is so, of at most so many.
async fn cycles_until(watching: &mut Watching, most: u32, is_so: impl Fn(&Seen) -> bool) -> Option<u32> {
    for cycle in 1..=most {
        if is_so(&watching.cycle().await) {
            return Some(cycle);
        }
    }
    None
}

/// The agent gives way to who drops a database, while psql waits: it needs a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_is_seen_and_what_goes_has_ended_within_one_discovery_interval() {
    let stage = Stage::begin().await;
    let second = format!("127.0.0.1:{}", stage.mongodb[1].port);
    let mut watched: BTreeMap<&str, Watching> = BTreeMap::new();
    let mut late = Vec::new();
    println!(
        "{:<13} {:<20} {:<17} {:>6} {:>9} {:>6} {:>6}",
        "engine", "new", "row", "every", "interval", "seen", "ended"
    );
    for thing in things() {
        let row = engine(thing.engine).rows().iter().find(|row| row.name == thing.row).expect("a row");
        let watching = watched.entry(thing.engine).or_insert_with(|| Watching::begin(stage.target(thing.engine)));
        let labels: Vec<(&str, &str)> = thing
            .labels
            .iter()
            .map(|(label, value)| (*label, if *value == "SECOND" { &second } else { *value }))
            .collect();
        let is_there =
            |seen: &Seen| seen.values(thing.metric, &labels).iter().any(|value| thing.row != "index" || *value > 0.0);
        assert!(!is_there(&watching.cycle().await), "{} is there before it is made", thing.what);
        stage.act(&thing.make).await;
        let seen = cycles_until(watching, row.every, is_there).await;
        stage.act(&thing.end).await;
        let ended = cycles_until(watching, row.every, |seen| !is_there(seen)).await;
        let told = |cycles: Option<u32>| cycles.map_or("never".to_string(), |cycles| cycles.to_string());
        let interval = stage.target(thing.engine).interval * row.every;
        println!(
            "{:<13} {:<20} {:<17} {:>6} {:>9} {:>6} {:>6}",
            thing.engine,
            thing.what,
            thing.row,
            row.every,
            format!("{interval:?}"),
            told(seen),
            told(ended)
        );
        if seen.is_none() || ended.is_none() {
            late.push(format!("{}: {}", thing.engine, thing.what));
        }
    }
    assert!(late.is_empty(), "not within one discovery interval: {late:?}");
}
