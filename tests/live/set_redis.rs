//! Changing parameters of Redis, old and new: what each takes, what would do harm, what a restart brings back.

use std::time::{Duration, Instant};

use watchward::engines::contract::Access;
use watchward::model::plan::Held;

use crate::servers::engine;
use crate::set::{look, reach, refusal};
use crate::single::{LOGIN, Redis, redis_versions, version_of};

/// How long the server may take to see that a client has left, on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);

fn redis(version: &str, arguments: &[&str]) -> Redis {
    let all = redis_versions();
    let found = all.iter().find(|(one, _)| one == version);
    let server = Redis::begin(&found.unwrap_or_else(|| panic!("no Redis {version}")).1, arguments);
    server.login();
    server
}

/// One change of each kind: the parameter, what is wished, what CONFIG GET shows then.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("maxmemory", "1gb", "1073741824"),
    ("maxmemory", "100M", "100000000"),
    ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
    ("maxmemory-clients", "5%", "5%"),
    ("maxmemory-clients", "64mb", "67108864"),
    ("maxmemory-samples", "10", "10"),
    ("hz", "50", "50"),
    ("Timeout", "300", "300"),
    ("slowlog-log-slower-than", "-1", "-1"),
    ("repl-backlog-size", "2mb", "2097152"),
    ("activerehashing", "NO", "no"),
    ("lazyfree-lazy-eviction", "yes", "yes"),
    ("appendfsync", "always", "always"),
    ("loglevel", "Verbose", "verbose"),
    ("notify-keyspace-events", "gnEx$", "g$xnE"),
    ("notify-keyspace-events", "nmAKE", "AKEm"),
    (
        "client-output-buffer-limit",
        "replica 512mb 128mb 90",
        "normal 0 0 0 slave 536870912 134217728 90 pubsub 33554432 8388608 60",
    ),
    ("hash-max-listpack-value", "1kb", "1024"),
    ("list-max-listpack-size", "-4", "-4"),
    ("maxclients", "9000", "9000"),
];

/// Those that came with 7.0.
const NEWER: &[&str] = &["maxmemory-clients", "hash-max-listpack-value", "list-max-listpack-size"];

async fn redis_changes(version: &str) {
    let server = redis(version, &[]);
    let mut hand = reach(&server.target()).await;
    for (key, value, shown) in PARAMETERS {
        let step = match hand.plan(key, value).await {
            Ok(step) => step,
            // What came with 7.0 an older server does not know, and says so.
            Err(fault) if NEWER.contains(key) && version_of(version) < (7, 0) => {
                assert_eq!(fault.code, "redis-21", "{version}: {fault}");
                continue;
            }
            Err(fault) => panic!("{version}: {fault}"),
        };
        let name = step.key.as_str();
        assert_eq!(
            (look(&mut *hand, key).await, server.config(name)),
            (step.before.clone(), step.before.effective.clone())
        );
        assert_eq!(step.after.effective, *shown, "{key} = {value}");
        if name == "notify-keyspace-events" && shown.contains('n') && version_of(version) < (7, 0) {
            // Keys that are new are told since 7.0: the server refuses the letter in its own words, and nothing changed.
            let fault = hand.put(name, &step.after).await.expect_err("a letter that it does not know").to_string();
            assert!(fault.contains("ERR Invalid argument") && fault.contains("[redis-26]"), "{fault}");
            assert_eq!(server.config(name), step.before.effective);
            continue;
        }
        for _ in 0..2 {
            hand.put(name, &step.after).await.unwrap_or_else(|fault| panic!("{version}: {fault}"));
            assert_eq!((look(&mut *hand, key).await, server.config(name)), (step.after.clone(), (*shown).to_string()));
        }
        hand.put(name, &step.before).await.unwrap_or_else(|fault| panic!("{version}: {fault}"));
        assert_eq!(
            (look(&mut *hand, key).await, server.config(name)),
            (step.before.clone(), step.before.effective.clone())
        );
    }
    let step = hand.plan("maxmemory", "2gb").await.expect("planned");
    assert_eq!(
        (step.words.as_str(), step.undo_words.as_str()),
        ("CONFIG SET maxmemory 2147483648", "CONFIG SET maxmemory 0")
    );
}

#[tokio::test]
async fn redis_6_2_is_changed_and_put_back() {
    redis_changes("6.2").await;
}

#[tokio::test]
async fn redis_7_0_is_changed_and_put_back() {
    redis_changes("7.0").await;
}

#[tokio::test]
async fn redis_8_2_is_changed_and_put_back() {
    redis_changes("8.2").await;
}

#[tokio::test]
async fn valkey_9_1_is_changed_and_put_back() {
    redis_changes("valkey-9.1").await;
}

#[tokio::test]
async fn a_restart_of_redis_brings_back_what_its_file_says() {
    let mut server = redis("7.0", &[]);
    let mut hand = reach(&server.target()).await;
    let step = hand.plan("maxmemory", "512mb").await.expect("planned");
    hand.put("maxmemory", &step.after).await.expect("put");
    server.crash();
    server.start(&[]);
    let fault = hand.look("maxmemory").await.expect_err("the connection has ended");
    assert_eq!(fault.code, "redis-26");
    let mut hand = reach(&server.target()).await;
    assert_eq!(look(&mut *hand, "maxmemory").await, step.before);
}

/// Every parameter that a version has is either the agent's to set, with what the server itself takes and shows, or
/// refused with a reason; and none that the server takes only at its start is taken for one to set.
async fn every_parameter(version: &str) {
    let server = redis(version, &[]);
    let mut hand = reach(&server.target()).await;
    let all = server.cli(&["CONFIG", "GET", "*"]);
    let lines: Vec<&str> = all.split('\n').collect();
    let mut ours = 0;
    for pair in lines.chunks_exact(2) {
        let (key, now) = (pair[0], pair[1]);
        let (is_ours, code) = match hand.plan(key, now).await {
            Ok(step) => (step.before == step.after, ""),
            Err(fault) => (false, fault.code),
        };
        let answer = server.cli(&["CONFIG", "SET", key, now]);
        assert!(!is_ours || answer == "OK", "{key}: {answer}");
        assert!(is_ours || matches!(code, "redis-22" | "redis-23" | "redis-30"), "{key} = {now}: {code}");
        // Each number too large for the server is refused by us before.
        if is_ours && now.parse::<i64>().is_ok() {
            for wrong in ["-99999999999999999999", "99999999999999999999", "1e3", "5x", "", " 7"] {
                let code = hand.plan(key, wrong).await.map(|step| panic!("planned: {step:?}")).expect_err("wrong").code;
                assert_eq!(code, "redis-24", "{key} = {wrong}");
                // The server takes what is too large for the largest that there is, and nothing for no bytes.
                let answer = server.cli(&["CONFIG", "SET", key, wrong]);
                assert!(wrong.len() == 20 || wrong.is_empty() || answer.starts_with("ERR"), "{key} = {wrong} is right");
                server.cli(&["CONFIG", "SET", key, now]);
            }
        }
        ours += usize::from(is_ours);
    }
    assert!(ours > 70, "only {ours} parameters of Redis {version} can be set");
}

#[tokio::test]
async fn every_parameter_of_redis_6_2_has_its_place() {
    every_parameter("6.2").await;
}

#[tokio::test]
async fn every_parameter_of_redis_7_0_has_its_place() {
    every_parameter("7.0").await;
}

#[tokio::test]
async fn every_parameter_of_redis_8_2_has_its_place() {
    every_parameter("8.2").await;
}

#[tokio::test]
async fn every_parameter_of_valkey_9_1_has_its_place() {
    every_parameter("valkey-9.1").await;
}

#[tokio::test]
async fn what_redis_cannot_change_is_refused_with_the_reason() {
    let server = redis("7.0", &["--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut hand = reach(&server.target()).await;
    let port = server.port.to_string();
    let version = server.cli(&["INFO", "server"]);
    let version = version.lines().find_map(|line| line.strip_prefix("redis_version:")).expect("a version").trim();
    let mut check = async |key: &str, value: &str, expected: &str| {
        let said = refusal(&mut *hand, key, value).await.replace(&port, "PORT").replace(version, "VERSION");
        assert_eq!(said, expected, "{key} = {value}");
    };
    check(
        "maxmemry",
        "1gb",
        "the server knows no parameter 'maxmemry' [redis-21]\ndetail: Asked of redis VERSION at 127.0.0.1:PORT.\n\
         hint: Did you mean maxmemory?",
    )
    .await;
    check(
        "max*",
        "1gb",
        "the server knows no parameter 'max*' [redis-21]\ndetail: Asked of redis VERSION at 127.0.0.1:PORT.\n\
         hint: CONFIG GET * lists what there is.",
    )
    .await;
    check(
        "requirepass",
        "x",
        "'requirepass' is not for a program to set [redis-30]\ndetail: The reason: it holds a secret.\n\
         hint: Set it yourself, with CONFIG SET or in the server's file.",
    )
    .await;
    check(
        "databases",
        "32",
        "'databases' needs a restart [redis-22]\ndetail: The server takes it only when it starts.\n\
         hint: Set it in the server's file, and restart when it suits you.",
    )
    .await;
    check(
        "latency-tracking-info-percentiles",
        "50",
        "'latency-tracking-info-percentiles' is not among what the agent sets [redis-23]\n\
         detail: It does not know what the parameter takes, and so not what the server would show then.\n\
         hint: Set it yourself, with CONFIG SET.",
    )
    .await;
    check(
        "maxmemory",
        "1 gb",
        "'maxmemory' cannot be '1 gb': it is no amount of memory; write 1073741824, 1024mb or 1gb [redis-24]",
    )
    .await;
    check("hz", "501", "'hz' cannot be '501': it is not from 1 to 500 [redis-24]").await;
    check("hz", "fast\n", "'hz' cannot be 'fast\\n': it is not a whole number [redis-24]").await;
    check("acllog-max-len", "-1", "'acllog-max-len' cannot be '-1': it is below 0 [redis-24]").await;
    check("activedefrag", "on", "'activedefrag' cannot be 'on': it is none of yes, no [redis-24]").await;
    check(
        "notify-keyspace-events",
        "KEq",
        "'notify-keyspace-events' cannot be 'KEq': it has the letter 'q', which names no kind of event [redis-24]",
    )
    .await;
    check(
        "client-output-buffer-limit",
        "replica 1gb",
        "'client-output-buffer-limit' cannot be 'replica 1gb': it is not of the form 'normal|replica|pubsub HARD SOFT SECONDS \
         …' [redis-24]",
    )
    .await;
    let step = hand.plan("maxmemory", "200mb").await.expect("planned");
    assert_eq!(step.before, step.after, "there is nothing to change");
    drop(hand);
    server.cli(&["ACL", "SETUSER", LOGIN, "-config|set"]);
    let mut hand = reach(&server.target()).await;
    let step = hand.plan("hz", "20").await.expect("planned");
    let fault = hand.put("hz", &step.after).await.expect_err("refused").to_string();
    assert_eq!(
        fault.replace(&port, "PORT"),
        format!(
            "could not change 'hz' at 127.0.0.1:PORT as '{LOGIN}': NOPERM this user has no permissions to run the \
             'config|set' command [redis-26]\n\
             hint: ACL SETUSER for the action's user: +config|get +config|set +info."
        )
    );
}

#[tokio::test]
async fn what_would_throw_data_away_is_refused_even_as_an_undo() {
    let server = redis("8.2", &["--maxmemory", "20mb"]);
    let mut hand = reach(&server.target()).await;
    let held_bytes = || {
        let info = server.cli(&["INFO", "memory"]);
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).map(str::trim).map(str::to_string);
        used.expect("said")
    };
    let told = |said: String| said.replace(&held_bytes(), "USED");
    let step = hand.plan("maxmemory", "200mb").await.expect("planned");
    hand.put("maxmemory", &step.after).await.expect("put");
    let fill = "for n = 1, 64 do redis.call('SET', 'key:' .. n, string.rep('x', 524288)) end";
    server.cli(&["EVAL", fill, "0"]);
    assert_eq!(server.cli(&["DBSIZE"]), "64");
    let would_refuse = hand.put("maxmemory", &step.before).await.expect_err("refused");
    assert!(would_refuse.detail.ends_with(" bytes: it would refuse writes at once."), "{would_refuse}");
    assert_eq!(would_refuse.what, "'maxmemory' is not set to '20971520': that would do harm at once");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let would_lose = told(hand.put("maxmemory", &step.before).await.expect_err("refused").to_string());
    assert!(would_lose.starts_with("'maxmemory' is not set to '20971520': that would do harm at once [redis-25]\n"));
    assert!(
        would_lose.ends_with(
            " bytes: with maxmemory-policy allkeys-lru it would throw data away at once.\n\
             hint: Make room first, or set it yourself."
        ),
        "{would_lose}"
    );
    // No limit at all throws nothing away.
    let step = hand.plan("maxmemory", "0").await.expect("planned");
    hand.put("maxmemory", &step.after).await.expect("put");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let fault = hand.plan("maxmemory-policy", "volatile-lru").await.expect_err("refused");
    assert!(fault.detail.ends_with("and may hold 1048576: it would throw data away at once."), "{fault}");
    assert_eq!(server.cli(&["DBSIZE"]), "64", "nothing was lost");
    // The administrator's last connection may be a moment older than its end.
    let mut fault = hand.plan("maxclients", "1").await.expect_err("refused");
    let began = Instant::now();
    while !fault.detail.starts_with("Connected clients: 1,") && began.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(20)).await;
        fault = hand.plan("maxclients", "1").await.expect_err("refused");
    }
    assert_eq!(
        fault.to_string(),
        "'maxclients' is not set to '1': that would do harm at once [redis-25]\n\
         detail: Connected clients: 1, the agent among them. It would turn the next one away.\n\
         hint: Make room first, or set it yourself."
    );
}

#[tokio::test]
async fn what_needs_replicas_is_refused_where_there_are_none() {
    let server = redis("7.0", &[]);
    let mut hand = reach(&server.target()).await;
    assert_eq!(
        refusal(&mut *hand, "min-replicas-to-write", "1").await,
        "'min-replicas-to-write' is not set to '1': that would do harm at once [redis-25]\n\
         detail: Connected replicas: 0. It would refuse writes at once.\nhint: Make room first, or set it yourself."
    );
    let nothing = Held { written: None, effective: "10".to_string() };
    let fault = hand.put("hz", &nothing).await.expect_err("refused").to_string();
    assert_eq!(fault, "nothing is known to put back for 'hz' [redis-29]");
}

#[tokio::test]
async fn a_sentinel_has_nothing_to_set() {
    let (_, program) = redis_versions().into_iter().next().expect("a version");
    let server = Redis::begin_sentinel(&program);
    let access = Access::default();
    let mut target = server.target();
    target.url.user = String::new();
    let fault = engine("redis").reach(&target, &access).await.map(|_| ()).expect_err("refused").to_string();
    assert_eq!(
        fault,
        format!(
            "127.0.0.1:{} is a Sentinel: it has no settings that the agent could set [redis-20]\n\
             hint: Name the server that holds the data as the target.",
            server.port
        )
    );
}
