//! Redis: keys and streams by name and pattern, read by the login that the grants' comments make.

use std::time::Duration;

use watchward::engines::contract::Session;
use watchward::model::reading::UnknownKind;
use watchward::model::target::{Options, Target, Url};

use crate::agent::{free_port, wait};
use crate::points::Points;
use crate::servers::{Readings, engine, open, read_all, target};
use crate::single::{Redis, redis_versions, version_of};

const PASSWORD: &str = "planted-watching-password";

/// The login of the printed script, and what it says of these optional rows.
fn grant(server: &Redis, version: (u32, u32), rows: &[&str]) {
    let script = engine("redis").grants("watchward", Some(version), "");
    let optional = rows.iter().map(|row| {
        let begin = format!("# For the optional row {row}: ");
        script.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("no {row} in {script}"))
    });
    let password = format!("ACL SETUSER watchward on >{PASSWORD}");
    for line in script.lines().filter(|line| !line.starts_with('#')).chain(optional).chain([password.as_str()]) {
        assert_eq!(server.cli(&line.split_whitespace().collect::<Vec<_>>()), "OK", "{line}");
    }
}

fn watched(server: &Redis, options: Options) -> Target {
    let url = Url {
        scheme: "redis".to_string(),
        user: "watchward".to_string(),
        host: "127.0.0.1".to_string(),
        port: server.port,
        ..Url::default()
    };
    let target = Target { options, ..target("redis", url, PASSWORD) };
    assert_eq!(engine("redis").fits(&target), Ok(()));
    target
}

fn all(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_string()).collect()
}

async fn read(session: &mut dyn Session, row: &str, name: &str) -> String {
    let readings: Readings = read_all(engine("redis"), session).await;
    let points = readings[row].as_ref().unwrap_or_else(|unknown| panic!("{row}: {unknown:?}"));
    points.text().lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("\n")
}

fn fill(server: &Redis) {
    let lua = "for i = 1, 12000 do redis.call('SET', 'user:' .. i, 'x') end \
               for i = 1, 3 do redis.call('RPUSH', 'queue:mail', i) end \
               redis.call('SADD', 'queue:set', 'a', 'b') redis.call('ZADD', 'queue:zset', 1, 'a') \
               redis.call('HSET', 'queue:hash', 'a', 1, 'b', 2) redis.call('SET', 'queue:text', 'hello') return 1";
    assert_eq!(server.cli(&["EVAL", lua, "0"]), "1");
    let other = "redis.call('XADD', 'queue:stream', '1-1', 'a', 1) redis.call('XADD', 'other', '1-1', 'a', 1) \
                 redis.call('XGROUP', 'CREATE', 'queue:stream', 'mailers', '0') return 1";
    assert_eq!(server.cli(&["-n", "2", "EVAL", other, "0"]), "1");
}

#[tokio::test]
async fn keys_and_streams_are_read_in_their_databases_by_bounded_walks() {
    for (text, program) in redis_versions() {
        let version = version_of(&text);
        let server = Redis::begin(&program, &[]);
        fill(&server);
        grant(&server, version, &["keys", "streams"]);
        let options = Options {
            check_keys: all(&["queue:*", "db2=queue:*"]),
            check_single_keys: all(&["db0=queue:text", "db3=lost"]),
            count_keys: all(&["db0=user:*", "db2=*", "db0=nobody:*"]),
            check_streams: all(&["db2=queue:*"]),
            ..Options::default()
        };
        let target = watched(&server, options);
        assert_eq!(engine("redis").collects(&target), ["keys", "streams"]);
        let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{fault}"));
        // Twelve thousand keys are more than one reading walks over.
        assert_eq!(read(&mut *session, "keys", "redis_keys_count").await, "redis_keys_count{db=\"db2\",key=\"*\"} 2");
        for _ in 0..20 {
            read(&mut *session, "keys", "redis_keys_count").await;
        }
        assert_eq!(
            read(&mut *session, "keys", "redis_key_size").await,
            "redis_key_size{db=\"db0\",key=\"queue:hash\"} 2\n\
             redis_key_size{db=\"db0\",key=\"queue:mail\"} 3\n\
             redis_key_size{db=\"db0\",key=\"queue:set\"} 2\n\
             redis_key_size{db=\"db0\",key=\"queue:text\"} 5\n\
             redis_key_size{db=\"db0\",key=\"queue:zset\"} 1\n\
             redis_key_size{db=\"db2\",key=\"queue:stream\"} 1\n\
             redis_key_size{db=\"db3\",key=\"lost\"} 0",
            "Redis {text}"
        );
        assert_eq!(
            read(&mut *session, "keys", "redis_keys_count").await,
            "redis_keys_count{db=\"db0\",key=\"nobody:*\"} 0\n\
             redis_keys_count{db=\"db0\",key=\"user:*\"} 12000\n\
             redis_keys_count{db=\"db2\",key=\"*\"} 2",
            "Redis {text}"
        );
        assert_eq!(
            read(&mut *session, "streams", "redis_stream_l").await,
            "redis_stream_length{db=\"db2\",stream=\"queue:stream\"} 1"
        );
        let lag = "redis_stream_group_lag{db=\"db2\",group=\"mailers\",stream=\"queue:stream\"} 1";
        // Before 7.0 no server says how far a group lags.
        let lag = if version >= (7, 0) { lag } else { "" };
        assert_eq!(read(&mut *session, "streams", "redis_stream_group_lag").await, lag, "Redis {text}");
        // What is gone is forgotten; what came is found.
        assert_eq!(server.cli(&["DEL", "queue:mail"]), "1");
        assert_eq!(server.cli(&["RPUSH", "queue:new", "1"]), "1");
        let mut sizes = String::new();
        for _ in 0..20 {
            sizes = read(&mut *session, "keys", "redis_key_size").await;
        }
        assert!(!sizes.contains("queue:mail") && sizes.contains("key=\"queue:new\"} 1"), "{sizes}");
        let commands = server.cli(&["INFO", "commandstats"]);
        assert!(!commands.contains("cmdstat_keys:") && !commands.contains("cmdstat_memory"), "{commands}");
        // The connection is back in the first database.
        assert!(
            server
                .cli(&["CLIENT", "LIST"])
                .lines()
                .any(|line| line.contains("name=watchward") && line.contains(" db=0 "))
        );
    }
}

#[tokio::test]
async fn a_hundred_keys_are_series_however_many_a_pattern_fits() {
    let (text, program) = redis_versions().into_iter().next().expect("a version");
    let server = Redis::begin(&program, &[]);
    fill(&server);
    grant(&server, version_of(&text), &["keys"]);
    let options = Options { check_keys: all(&["user:*", "queue:*"]), ..Options::default() };
    let mut session = open(&watched(&server, options)).await.unwrap_or_else(|fault| panic!("{fault}"));
    for _ in 0..5 {
        assert_eq!(read(&mut *session, "keys", "redis_key_size").await.lines().count(), 100);
    }
}

/// Why a row of a server brought nothing.
async fn reason(session: &mut dyn Session, row: &str) -> String {
    let readings: Readings = read_all(engine("redis"), session).await;
    readings[row].as_ref().map_or_else(|unknown| format!("{}: {}", unknown.kind.word(), unknown.reason), Points::text)
}

#[tokio::test]
async fn a_key_whose_size_nobody_says_is_not_an_empty_one() {
    let (_, program) = redis_versions().into_iter().find(|(text, _)| text == "8.2").expect("Redis 8.2");
    let server = Redis::begin(&program, &[]);
    grant(&server, (8, 2), &["keys"]);
    assert_eq!(server.cli(&["VADD", "queue:vectors", "VALUES", "2", "1", "0", "one"]), "1");
    assert_eq!(server.cli(&["SET", "queue:text", "hello"]), "OK");
    let options = Options {
        check_keys: all(&["queue:*"]),
        check_single_keys: all(&["queue:vectors", "queue:lost"]),
        ..Options::default()
    };
    let mut session = open(&watched(&server, options)).await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(
        read(&mut *session, "keys", "redis_key_size").await,
        "redis_key_size{db=\"db0\",key=\"queue:lost\"} 0\nredis_key_size{db=\"db0\",key=\"queue:text\"} 5"
    );
}

#[tokio::test]
async fn a_key_of_another_node_costs_the_others_nothing() {
    let (_, program) = redis_versions().into_iter().find(|(text, _)| text == "8.2").expect("Redis 8.2");
    // The usual port between nodes is ten thousand above, which may be none.
    let node = || Redis::begin(&program, &["--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()]);
    let server = node();
    grant(&server, (8, 2), &["keys"]);
    let slots: Vec<String> = (0..16384).map(|slot| slot.to_string()).collect();
    let own: Vec<&str> = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
    assert_eq!(server.cli(&own), "OK");
    wait("the cluster is well", Duration::from_secs(20), || server.cli(&["TYPE", "other"]) == "none");
    let options = Options { check_single_keys: all(&["queue:text", "other"]), ..Options::default() };
    let target = watched(&server, options);
    let mut session = open(&target).await.unwrap_or_else(|fault| panic!("{fault}"));
    let both = "redis_key_size{db=\"db0\",key=\"other\"} 0\nredis_key_size{db=\"db0\",key=\"queue:text\"} 0";
    assert_eq!(read(&mut *session, "keys", "redis_key_size").await, both);
    // One of them goes to another node.
    let slot = server.cli(&["CLUSTER", "KEYSLOT", "other"]);
    let second = node();
    let id = second.cli(&["CLUSTER", "MYID"]);
    let bus = second.cli(&["CONFIG", "GET", "cluster-port"]);
    let bus = bus.lines().last().expect("a port");
    assert_eq!(server.cli(&["CLUSTER", "MEET", "127.0.0.1", &second.port.to_string(), bus]), "OK");
    wait("the nodes know each other", Duration::from_secs(20), || server.cli(&["CLUSTER", "NODES"]).contains(&id));
    wait("the slot is the other's", Duration::from_secs(20), || {
        server.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]) == "OK"
    });
    wait("the key is elsewhere", Duration::from_secs(20), || server.cli(&["TYPE", "other"]).starts_with("MOVED"));
    let own = "redis_key_size{db=\"db0\",key=\"queue:text\"} 0";
    assert_eq!(read(&mut *session, "keys", "redis_key_size").await, own);
    // There is one database only, and whoever names another is told which.
    let options = Options { check_keys: all(&["db3=*"]), ..Options::default() };
    let mut session = open(&watched(&server, options)).await.unwrap_or_else(|fault| panic!("{fault}"));
    let said = reason(&mut *session, "keys").await;
    assert_eq!(said, "not_here: db3: ERR SELECT is not allowed in cluster mode");
}

#[tokio::test]
async fn keys_take_no_longer_than_their_row_may_and_the_walk_goes_on() {
    let (_, program) = redis_versions().into_iter().next().expect("a version");
    let server = Redis::begin(&program, &[]);
    fill(&server);
    grant(&server, (7, 0), &["keys", "streams"]);
    let options = Options { count_keys: all(&["user:*"]), ..Options::default() };
    let mut session = open(&watched(&server, options)).await.unwrap_or_else(|fault| panic!("{fault}"));
    for name in ["keys", "streams"] {
        let row = engine("redis").rows().iter().find(|row| row.name == name).expect("the row");
        let Err(unknown) = session.ask(row, Duration::ZERO).await else { panic!("{name} has no time") };
        assert_eq!(unknown.kind, UnknownKind::Deadline);
        assert_eq!(unknown.reason, "asking key by key takes longer than 0ns: name fewer");
        assert!(!session.is_broken());
    }
    for _ in 0..3 {
        let row = engine("redis").rows().iter().find(|row| row.name == "keys").expect("the row");
        // Between two readings one has no time, which takes nothing back of what has been walked.
        assert!(session.ask(row, Duration::ZERO).await.is_err());
        read(&mut *session, "keys", "redis_keys_count").await;
    }
    let count = "redis_keys_count{db=\"db0\",key=\"user:*\"} 12000";
    assert_eq!(read(&mut *session, "keys", "redis_keys_count").await, count);
}
