//! Changing settings on real servers of every version: looked at, planned, put, read back, and put back byte for byte.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use watchward::engines::contract::{Access, Hand};
use watchward::model::plan::Held;
use watchward::model::secret::Secret;
use watchward::model::target::Target;

use crate::servers::engine;
use crate::single::{LOGIN, PASSWORD, Postgresql, Redis, postgresql_versions, redis_versions};

async fn reach(target: &Target) -> Box<dyn Hand> {
    let access = Access { password: Some(Secret::new(PASSWORD)), api_key: None };
    engine(&target.engine).reach(target, &access).await.unwrap_or_else(|fault| panic!("{fault}"))
}

async fn look(hand: &mut dyn Hand, key: &str) -> Held {
    hand.look(key).await.unwrap_or_else(|fault| panic!("{fault}"))
}

/// A reload reaches sessions in its own time.
async fn until(hand: &mut dyn Hand, key: &str, held: &Held) {
    for _ in 0..100 {
        if look(hand, key).await == *held {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("'{key}' is {:?}, and should be {held:?}", look(hand, key).await);
}

fn single(version: u32, arguments: &[&str]) -> Postgresql {
    let Some((_, programs)) = postgresql_versions().into_iter().find(|(one, _)| *one == version) else {
        panic!("no PostgreSQL {version} among the servers of the tests");
    };
    Postgresql::begin(version, &programs, arguments)
}

/// What is said when something is not planned, without what differs from run to run.
async fn refusal(hand: &mut dyn Hand, key: &str, value: &str) -> String {
    hand.plan(key, value).await.map(|step| panic!("planned: {step:?}")).expect_err("refused").to_string()
}

/// One change of each kind: the setting, what is wished, what SHOW says then.
const CHANGES: &[(&str, &str, &str)] = &[
    ("work_mem", "64MB", "64MB"),
    ("maintenance_work_mem", " 0.5 GB ", "512MB"),
    ("effective_cache_size", "0x20000", "1GB"),
    ("max_wal_size", "2GB", "2GB"),
    ("log_rotation_age", "36h", "36h"),
    ("autovacuum_naptime", "90s", "90s"),
    ("checkpoint_timeout", "10min", "10min"),
    ("checkpoint_completion_target", ".75", "0.75"),
    ("random_page_cost", "1.1", "1.1"),
    ("vacuum_cost_delay", "2500us", "2500us"),
    ("autovacuum_vacuum_cost_delay", "0.1", "100us"),
    ("log_min_duration_statement", "1.5 s", "1500ms"),
    ("deadlock_timeout", "2000", "2s"),
    ("statement_timeout", "30s", "30s"),
    ("lock_timeout", "1min", "1min"),
    ("idle_in_transaction_session_timeout", "5min", "5min"),
    ("temp_file_limit", "1GB", "1GB"),
    ("log_min_messages", "ERROR", "error"),
    ("synchronous_commit", "Local", "local"),
    ("default_transaction_isolation", "repeatable read", "repeatable read"),
    ("autovacuum", "of", "off"),
    ("log_lock_waits", "1", "on"),
    ("log_line_prefix", "%m it's \\ 100% \"q\" [%p] é ", "%m it's \\ 100% \"q\" [%p] é "),
    ("log_timezone", "europe/berlin", "Europe/Berlin"),
    ("timezone", "europe/berlin", "Europe/Berlin"),
    ("DATESTYLE", "german", "German, DMY"),
    ("default_text_search_config", "simple", "simple"),
    ("search_path", "\"$user\", Public, \"Odd, name\"\"s\"", "\"$user\", public, \"Odd, name\"\"s\""),
    ("temp_tablespaces", "pg_default", "pg_default"),
];

/// Another value for each, as somebody may have written it.
fn other(key: &str) -> &'static str {
    match key {
        "log_min_messages" => "'PANIC'",
        "synchronous_commit" => "'remote_write'",
        "default_transaction_isolation" => "'serializable'",
        "autovacuum" => "'yes'",
        "log_lock_waits" => "'no'",
        "log_line_prefix" => "E'\\\\%t ''here'''",
        "log_timezone" | "timezone" => "'asia/tokyo'",
        "DATESTYLE" => "'sql, ymd'",
        "default_text_search_config" => "'english'",
        "search_path" => "'Mixed', pg_catalog, 'select'",
        "temp_tablespaces" => "''",
        "checkpoint_completion_target" => "0.875",
        "random_page_cost" | "vacuum_cost_delay" | "autovacuum_vacuum_cost_delay" => "'3.25'",
        "checkpoint_timeout" | "autovacuum_naptime" | "deadlock_timeout" => "'700s'",
        "effective_cache_size" | "max_wal_size" | "maintenance_work_mem" | "work_mem" | "temp_file_limit" => "'0.25GB'",
        _ => "'3h'",
    }
}

/// All that is changed, as their own login would have it granted.
fn settings() -> Vec<&'static str> {
    CHANGES
        .iter()
        .map(|(key, ..)| *key)
        .chain(["enable_seqscan", "local_preload_libraries", "plperl.on_init"])
        .collect()
}

/// Every change, from nothing written and from something written, there and back.
async fn changes(server: &Postgresql) {
    let mut hand = reach(&server.target()).await;
    for from_written in [false, true] {
        for (key, value, shown) in CHANGES {
            if from_written {
                // The server writes a name as it was given: "TimeZone", as an agent or a person who knows its name does.
                let name = match *key {
                    "timezone" => "\"TimeZone\"",
                    "DATESTYLE" => "\"DateStyle\"",
                    plain => plain,
                };
                server.psql(&format!("ALTER SYSTEM SET {name} = {}", other(key)));
                server.psql("SELECT pg_reload_conf()");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let file = server.written();
            let step = hand.plan(key, value).await.unwrap_or_else(|fault| panic!("{}: {fault}", server.version));
            let (name, before, after) = (step.key.as_str(), &step.before, &step.after);
            assert_eq!(look(&mut *hand, key).await, *before);
            assert_eq!(after.effective, *shown, "{key} on {}", server.version);
            hand.put(name, after).await.unwrap_or_else(|fault| panic!("{fault}"));
            until(&mut *hand, key, after).await;
            assert_eq!(server.psql(&format!("SHOW {key}")), *shown, "{key} as others see it");
            let changed = server.written();
            hand.put(name, after).await.unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!(server.written(), changed, "twice is as once");
            hand.put(name, before).await.unwrap_or_else(|fault| panic!("{fault}"));
            until(&mut *hand, key, before).await;
            assert_eq!(server.written(), file, "{key} on {}", server.version);
        }
    }
}

/// A crash between the writing and the reload: what is written is told from what holds, and both ways lead on.
async fn half_done(server: &Postgresql) {
    let mut hand = reach(&server.target()).await;
    let file = server.written();
    let step = hand.plan("work_mem", "32MB").await.expect("planned");
    server.psql("ALTER SYSTEM SET work_mem = '32MB'");
    let half = Held { written: step.after.written.clone(), effective: step.before.effective.clone() };
    assert_eq!(look(&mut *hand, "work_mem").await, half);
    hand.put("work_mem", &step.after).await.expect("finished");
    until(&mut *hand, "work_mem", &step.after).await;
    hand.put("work_mem", &step.before).await.expect("undone");
    until(&mut *hand, "work_mem", &step.before).await;
    assert_eq!(server.written(), file);
    assert_eq!(
        (step.words.as_str(), step.undo_words.as_str()),
        (
            "ALTER SYSTEM SET work_mem = '32MB'; SELECT pg_reload_conf()",
            "ALTER SYSTEM RESET work_mem; SELECT pg_reload_conf()"
        )
    );
}

async fn matrix(version: u32) {
    let server = single(version, &[]);
    server.login(&settings());
    half_done(&server).await;
    changes(&server).await;
    every_setting(&server).await;
}

/// Every setting that a version has: what SHOW says of it is read as what holds already, or it is refused with a reason.
async fn every_setting(server: &Postgresql) {
    server.psql(&format!("ALTER ROLE {LOGIN} SUPERUSER"));
    let mut hand = reach(&server.target()).await;
    let (mut ours, mut refused) = (0, 0);
    for name in server.psql("SELECT name FROM pg_settings ORDER BY name").lines() {
        let shown = server.psql(&format!("SHOW {name}"));
        match hand.plan(name, &shown).await {
            Ok(step) => {
                assert_eq!(step.before, step.after, "{name} = '{shown}' on {}", server.version);
                ours += 1;
            }
            Err(fault) => {
                let is_known = matches!(fault.code, "postgresql-21" | "postgresql-22" | "postgresql-23");
                // A list of names that is empty cannot be written.
                let is_empty = fault.code == "postgresql-24" && shown.is_empty();
                assert!(is_known || is_empty, "{name} = '{shown}' on {}: {fault}", server.version);
                refused += 1;
            }
        }
    }
    assert!(ours > 180 && refused > 120, "{ours} can be set, {refused} cannot");
}

#[tokio::test]
async fn postgresql_13_is_changed_and_put_back_byte_for_byte() {
    matrix(13).await;
}

#[tokio::test]
async fn postgresql_14_is_changed_and_put_back_byte_for_byte() {
    matrix(14).await;
}

#[tokio::test]
async fn postgresql_15_is_changed_and_put_back_byte_for_byte() {
    matrix(15).await;
}

#[tokio::test]
async fn postgresql_16_is_changed_and_put_back_byte_for_byte() {
    matrix(16).await;
}

#[tokio::test]
async fn postgresql_17_is_changed_and_put_back_byte_for_byte() {
    matrix(17).await;
}

#[tokio::test]
async fn postgresql_18_is_changed_and_put_back_byte_for_byte() {
    matrix(18).await;
}

#[tokio::test]
async fn what_postgresql_cannot_change_is_refused_with_the_reason() {
    let server = single(16, &["-c", "max_parallel_workers=4"]);
    server.login(&[]);
    let grant = |name: &str| server.psql(&format!("GRANT ALTER SYSTEM ON PARAMETER {name} TO {LOGIN}"));
    let mut hand = reach(&server.target()).await;
    let version = server.psql("SHOW server_version");
    let port = server.port;
    let mut check = async |key: &str, value: &str, expected: &str| {
        let said =
            refusal(&mut *hand, key, value).await.replace(&port.to_string(), "PORT").replace(&version, "VERSION");
        assert_eq!(said, expected, "{key} = {value}");
    };
    check(
        "work_men",
        "1MB",
        "the server knows no setting 'work_men' [postgresql-20]\n\
         detail: Asked of PostgreSQL VERSION at 127.0.0.1:PORT as 'watchward_act'.\nhint: Did you mean work_mem?",
    )
    .await;
    check(
        "work_mem\"; DROP TABLE x; --",
        "1MB",
        "the server knows no setting 'work_mem\\\"; DROP TABLE x; --' [postgresql-20]\n\
         detail: Asked of PostgreSQL VERSION at 127.0.0.1:PORT as 'watchward_act'.\n\
         hint: Does it belong to an extension that is not loaded? SHOW ALL lists what there is.",
    )
    .await;
    check(
        "shared_buffers",
        "1GB",
        "'shared_buffers' needs a restart [postgresql-22]\n\
         detail: The agent changes only what a reload puts into effect.\n\
         hint: Set it in postgresql.conf, and restart the server when it suits you.",
    )
    .await;
    check(
        "block_size",
        "4096",
        "'block_size' cannot be changed [postgresql-22]\n\
         detail: It was fixed when the server was built or its data were made.",
    )
    .await;
    check(
        "log_connections",
        "on",
        "'log_connections' reaches only sessions that begin later [postgresql-22]\n\
         detail: Whether it holds could not be read back in the session that changed it.\n\
         hint: Set it yourself, with ALTER SYSTEM and pg_reload_conf().",
    )
    .await;
    check(
        "Archive_Command",
        "rm -rf /",
        "'archive_command' is not for a program to set [postgresql-21]\n\
         detail: The reason: it runs a program or a function.\n\
         hint: Set it yourself, with ALTER SYSTEM or in postgresql.conf.",
    )
    .await;
    check(
        "max_parallel_workers",
        "2",
        "'max_parallel_workers' is given by the server's command line [postgresql-23]\n\
         detail: That goes above what ALTER SYSTEM writes, which would have no effect.\n\
         hint: Take it out of what starts the server (a unit file, a container's arguments, a cluster manager).",
    )
    .await;
    check(
        "work_mem",
        "1MB",
        "'watchward_act' may not change 'work_mem' [postgresql-26]\n\
         hint: GRANT ALTER SYSTEM ON PARAMETER work_mem TO watchward_act;",
    )
    .await;
    grant("work_mem");
    grant("log_min_messages");
    grant("seq_page_cost");
    grant("autovacuum");
    grant("log_line_prefix");
    grant("search_path");
    grant("\"TimeZone\"");
    check("work_mem", "lots", "'work_mem' cannot be 'lots': it is not a number [postgresql-24]").await;
    check(
        "work_mem",
        "64mb",
        "'work_mem' cannot be '64mb': it has the unit 'mb', which is none of B, kB, MB, GB, TB [postgresql-24]",
    )
    .await;
    check("work_mem", "1kB", "'work_mem' cannot be '1kB': it may be from 64kB to 2147483647kB [postgresql-24]").await;
    check("work_mem", "3TB", "'work_mem' cannot be '3TB': it exceeds the range of integers [postgresql-24]").await;
    check(
        "seq_page_cost",
        "1ms",
        "'seq_page_cost' cannot be '1ms': it has a unit ('ms'), and the setting has none [postgresql-24]",
    )
    .await;
    check(
        "seq_page_cost",
        "-0.5",
        "'seq_page_cost' cannot be '-0.5': it may be from 0 to 1.79769e+308 [postgresql-24]",
    )
    .await;
    check("autovacuum", "o", "'autovacuum' cannot be 'o': it is neither on nor off [postgresql-24]").await;
    check(
        "log_min_messages",
        "warn",
        "'log_min_messages' cannot be 'warn': it is none of debug5, debug4, debug3, debug2, debug1, info, notice, warning, \
         error, log, fatal, panic [postgresql-24]",
    )
    .await;
    check(
        "log_min_messages",
        "eror",
        "'log_min_messages' cannot be 'eror': it is none of debug5, debug4, debug3, debug2, debug1, info, notice, warning, \
         error, log, fatal, panic [postgresql-24]\nhint: Did you mean error?",
    )
    .await;
    check(
        "log_line_prefix",
        "a\nb",
        "'log_line_prefix' cannot be 'a\\nb': it has the character U+000A in it [postgresql-24]",
    )
    .await;
    check(
        "log_line_prefix",
        &"x".repeat(1001),
        "'log_line_prefix' cannot be what was given: it has 1001 bytes, and 1000 are allowed [postgresql-24]",
    )
    .await;
    check(
        "search_path",
        "a, \"b",
        "'search_path' cannot be 'a, \"b': it is not a list of names [postgresql-24]\n\
         hint: Names are divided by commas; one with capitals or signs in it stands in double quotes.",
    )
    .await;
    check(
        "timezone",
        "Europe/Atlantis",
        "'TimeZone' cannot be 'Europe/Atlantis': invalid value for parameter \"TimeZone\": \"Europe/Atlantis\" \
         [postgresql-24]\ndetail: The server said so when it was tried in a transaction that was taken back.",
    )
    .await;
    let step = hand.plan("work_mem", "4096").await.expect("planned");
    assert!(step.before == step.after && step.before.written.is_none(), "there is nothing to change: {step:?}");
    drop(hand);

    server.psql(&format!("ALTER ROLE {LOGIN} SET work_mem = '5MB'"));
    let mut hand = reach(&server.target()).await;
    assert_eq!(
        refusal(&mut *hand, "work_mem", "8MB").await,
        "'work_mem' has a value of its own for the login 'watchward_act' [postgresql-23]\n\
         detail: Our session does not see what the others go by, so the change could not be verified.\n\
         hint: ALTER ROLE watchward_act RESET work_mem;"
    );
    server.psql(&format!("ALTER ROLE {LOGIN} RESET work_mem"));
    server.psql("ALTER DATABASE postgres SET work_mem = '5MB'");
    let mut hand = reach(&server.target()).await;
    assert_eq!(
        refusal(&mut *hand, "work_mem", "8MB").await,
        "'work_mem' has a value of its own where 'watchward_act' logs in (source: database) [postgresql-23]\n\
         detail: Our session does not see what the others go by, so the change could not be verified.\n\
         hint: Let the agent log in to another database, or look at pg_db_role_setting and RESET it there."
    );
    server.psql("ALTER DATABASE postgres RESET work_mem");
    server.psql(&format!("REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM {LOGIN}"));
    let mut hand = reach(&server.target()).await;
    assert_eq!(
        refusal(&mut *hand, "work_mem", "8MB").await,
        "'watchward_act' may not have the server reload its files [postgresql-26]\n\
         hint: GRANT EXECUTE ON FUNCTION pg_reload_conf() TO watchward_act; in the database it logs in to."
    );
    server.psql(&format!("GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {LOGIN}"));
    server.psql(&format!("REVOKE SELECT ON pg_file_settings FROM {LOGIN}"));
    assert_eq!(
        refusal(&mut *hand, "work_mem", "8MB").await.replace(&port.to_string(), "PORT"),
        "could not look at 'work_mem' at 127.0.0.1:PORT as 'watchward_act': permission denied for view pg_file_settings \
         [postgresql-30]\ndetail: The server said 42501.\n\
         hint: GRANT SELECT ON pg_file_settings TO watchward_act; GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO \
         watchward_act; in the database it logs in to."
    );
}

#[tokio::test]
async fn a_list_that_no_statement_writes_is_left_alone() {
    let server = single(17, &[]);
    server.login(&["search_path", "work_mem", "allow_alter_system"]);
    let auto = server.folder.join("data/postgresql.auto.conf");
    let by_hand = format!("{}search_path = 'a,b'\n", server.written());
    std::fs::write(&auto, &by_hand).expect("written");
    server.psql("SELECT pg_reload_conf()");
    let mut hand = reach(&server.target()).await;
    assert_eq!(
        refusal(&mut *hand, "search_path", "c").await,
        "'search_path' could not be put back to what it is: a,b [postgresql-29]\n\
         detail: It stands in postgresql.auto.conf as no ALTER SYSTEM writes it.\n\
         hint: Write it anew with ALTER SYSTEM SET search_path; then the agent can change it and take that back."
    );
    assert_eq!(server.written(), by_hand);
}

#[tokio::test]
async fn files_with_a_mistake_in_them_are_put_right_first_unless_it_is_anothers() {
    let server = single(18, &[]);
    server.login(&["work_mem"]);
    let conf = server.folder.join("data/postgresql.conf");
    let whole = std::fs::read_to_string(&conf).expect("the file");
    let lines = whole.lines().count();
    let mut hand = reach(&server.target()).await;
    let folder = server.folder.display().to_string();
    for (line, words) in
        [("wrok_mem = 1MB", "unrecognized configuration parameter 'wrok_mem'"), ("= =", "syntax error")]
    {
        std::fs::write(&conf, format!("{whole}{line}\n")).expect("written");
        let said = refusal(&mut *hand, "work_mem", "8MB").await;
        assert_eq!(
            said.replace(&folder, ""),
            format!(
                "a reload would not take 'work_mem' in: {words} (/data/postgresql.conf, line {}) [postgresql-25]\n\
                 hint: Put that right first; pg_file_settings shows every mistake in the files.",
                lines + 1
            )
        );
    }
    // One that waits for a restart keeps nothing else from being taken in.
    std::fs::write(&conf, format!("{whole}max_connections = 77\n")).expect("written");
    let step = hand.plan("work_mem", "8MB").await.expect("planned");
    hand.put("work_mem", &step.after).await.expect("put");
    until(&mut *hand, "work_mem", &step.after).await;

    std::fs::write(&conf, format!("{whole}allow_alter_system = off\n")).expect("written");
    server.psql("SELECT pg_reload_conf()");
    let off = "ALTER SYSTEM is switched off here (allow_alter_system = off) [postgresql-27]\n\
               detail: Something else keeps this server's settings: an operator, a tool that manages it.\n\
               hint: Change the setting there.";
    assert_eq!(refusal(&mut *hand, "work_mem", "16MB").await, off);
    let fault = hand.put("work_mem", &step.before).await.expect_err("refused").to_string();
    assert_eq!(
        fault.replace(&server.port.to_string(), "PORT"),
        "could not change 'work_mem' at 127.0.0.1:PORT as 'watchward_act': ALTER SYSTEM is not allowed in this environment \
         [postgresql-30]\ndetail: The server said 0A000.\n\
         hint: Something else keeps this server's settings; change the setting there."
    );
}

#[tokio::test]
async fn before_version_15_only_a_superuser_changes_settings() {
    let server = single(14, &[]);
    server.login(&[]);
    server.psql(&format!("ALTER ROLE {LOGIN} NOSUPERUSER"));
    server.psql(&format!("GRANT pg_read_all_settings TO {LOGIN}"));
    let mut hand = reach(&server.target()).await;
    assert_eq!(
        refusal(&mut *hand, "work_mem", "8MB").await,
        "'watchward_act' may not change 'work_mem': PostgreSQL 14 lets only superusers [postgresql-26]\n\
         hint: Give the target's action a superuser's login; from PostgreSQL 15 on single settings can be granted."
    );
}

/// Texts that would break out of a statement that is put together carelessly.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE held; --",
    "''",
    "\\'; DROP TABLE held; --",
    "\\",
    "$$; DROP TABLE held; $$",
    "\"; DROP TABLE held; --",
    "E'\\x41'",
    "'||pg_sleep(10)||'",
    "\u{2019}; é ß 中",
    "%m #comment",
];

#[tokio::test]
async fn hostile_values_are_values_and_nothing_else() {
    let server = single(15, &[]);
    server.login(&["log_line_prefix", "search_path"]);
    server.psql("CREATE TABLE held ()");
    // Where backslashes are escapes in plain literals.
    server.psql(&format!("ALTER ROLE {LOGIN} SET standard_conforming_strings = off"));
    let mut hand = reach(&server.target()).await;
    let file = server.written();
    for text in HOSTILE {
        let step = hand.plan("log_line_prefix", text).await.unwrap_or_else(|fault| panic!("{text}: {fault}"));
        hand.put("log_line_prefix", &step.after).await.unwrap_or_else(|fault| panic!("{text}: {fault}"));
        until(&mut *hand, "log_line_prefix", &step.after).await;
        assert_eq!(server.psql("SHOW log_line_prefix"), *text);
        hand.put("log_line_prefix", &step.before).await.expect("put back");
        until(&mut *hand, "log_line_prefix", &step.before).await;
        let name = format!("\"{}\"", text.replace('"', "\"\""));
        let step = hand.plan("search_path", &name).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        hand.put("search_path", &step.after).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        until(&mut *hand, "search_path", &step.after).await;
        hand.put("search_path", &step.before).await.expect("put back");
        assert_eq!(server.written(), file);
    }
    for text in ["a\0b", "a\nb", "a\rb"] {
        assert!(hand.plan("log_line_prefix", text).await.is_err());
    }
    assert_eq!(server.psql("SELECT count(*) FROM pg_class WHERE relname = 'held'"), "1");
}

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

async fn redis_changes(version: &str) {
    let server = redis(version, &[]);
    let mut hand = reach(&server.target()).await;
    for (key, value, shown) in PARAMETERS {
        let step = hand.plan(key, value).await.unwrap_or_else(|fault| panic!("{version}: {fault}"));
        let name = step.key.as_str();
        assert_eq!(
            (look(&mut *hand, key).await, server.config(name)),
            (step.before.clone(), step.before.effective.clone())
        );
        assert_eq!(step.after.effective, *shown, "{key} = {value}");
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
async fn redis_7_0_is_changed_and_put_back() {
    redis_changes("7.0").await;
}

#[tokio::test]
async fn redis_8_2_is_changed_and_put_back() {
    redis_changes("8.2").await;
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
async fn every_parameter_of_redis_7_0_has_its_place() {
    every_parameter("7.0").await;
}

#[tokio::test]
async fn every_parameter_of_redis_8_2_has_its_place() {
    every_parameter("8.2").await;
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
    let fault = hand.plan("maxclients", "1").await.expect_err("refused");
    assert_eq!(
        fault.to_string(),
        "'maxclients' is not set to '1': that would do harm at once [redis-25]\n\
         detail: Connected clients: 1, the agent among them. It would turn the next one away.\n\
         hint: Make room first, or set it yourself."
    );
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

#[tokio::test]
async fn a_standby_is_changed_as_a_primary_is() {
    let mut server = single(16, &[]);
    server.login(&["work_mem"]);
    server.crash();
    std::fs::write(server.folder.join("data/standby.signal"), "").expect("written");
    server.start(&[]);
    assert_eq!(server.psql("SELECT pg_is_in_recovery()"), "t");
    half_done(&server).await;
}

#[tokio::test]
async fn a_server_that_cannot_write_its_file_is_told_in_its_words_and_stays_as_it_is() {
    let server = single(16, &[]);
    server.login(&["work_mem"]);
    let mut hand = reach(&server.target()).await;
    let step = hand.plan("work_mem", "8MB").await.expect("planned");
    let data = server.folder.join("data");
    let mode = |bits| std::fs::set_permissions(&data, std::fs::Permissions::from_mode(bits)).expect("its mode");
    mode(0o500);
    let fault = hand.put("work_mem", &step.after).await.expect_err("refused").to_string();
    mode(0o700);
    assert_eq!(
        fault.replace(&server.port.to_string(), "PORT"),
        "could not change 'work_mem' at 127.0.0.1:PORT as 'watchward_act': could not open file \
         \"postgresql.auto.conf.tmp\": Permission denied [postgresql-30]\ndetail: The server said 42501.\n\
         hint: May the login change it (GRANT ALTER SYSTEM ON PARAMETER work_mem TO watchward_act;), and can the server \
         write postgresql.auto.conf?"
    );
    assert_eq!(look(&mut *hand, "work_mem").await, step.before);
    hand.put("work_mem", &step.after).await.expect("put");
    until(&mut *hand, "work_mem", &step.after).await;
}
