//! Redis: keys and streams by name and pattern, read by the login that the grants' comments make.

use watchward::engines::contract::Session;
use watchward::model::target::{Options, Target, Url};

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
        // A server before 7 does not say how far a group lags.
        let lag = match version >= (7, 0) {
            true => "redis_stream_group_lag{db=\"db2\",group=\"mailers\",stream=\"queue:stream\"} 1",
            false => "",
        };
        assert_eq!(read(&mut *session, "streams", "redis_stream_group_lag").await, lag);
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
