//! Changing settings of PostgreSQL, every version: looked at, planned, put, read back, and put back byte for byte.

use std::time::{Duration, Instant};

use watchward::engines::contract::{Access, Hand};
use watchward::model::plan::Held;
use watchward::model::secret::Secret;
use watchward::model::target::Target;

use crate::agent::wait;
use crate::servers::engine;
use crate::single::{LOGIN, PASSWORD, Postgresql, postgresql_versions};

/// How long a reload may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);

pub async fn reach(target: &Target) -> Box<dyn Hand> {
    let access = Access { password: Some(Secret::new(PASSWORD)), api_key: None };
    engine(&target.engine).reach(target, &access).await.unwrap_or_else(|fault| panic!("{fault}"))
}

pub async fn look(hand: &mut dyn Hand, key: &str) -> Held {
    hand.look(key).await.unwrap_or_else(|fault| panic!("{fault}"))
}

/// A reload reaches sessions in its own time.
pub async fn until(hand: &mut dyn Hand, key: &str, held: &Held) {
    let began = Instant::now();
    loop {
        let now = look(hand, key).await;
        if now == *held {
            return;
        }
        assert!(began.elapsed() < SOON, "'{key}' is {now:?}, and should be {held:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Has the server go by what a statement writes, and waits until our session does: files are taken in whole, so one setting
/// more tells. That one is written first, so that the other stands at the file's end, where an undo writes it again.
async fn written(server: &Postgresql, hand: &mut dyn Hand, mark: &mut u32, statement: &str) {
    *mark += 1;
    let shown = format!("{mark}ms");
    server.psql(&format!("ALTER SYSTEM SET log_autovacuum_min_duration = '{shown}'"));
    server.psql(statement);
    server.psql("SELECT pg_reload_conf()");
    let held = Held { written: Some(shown.clone()), effective: shown };
    until(hand, "log_autovacuum_min_duration", &held).await;
}

pub fn single(version: u32, arguments: &[&str]) -> Postgresql {
    let Some((_, programs)) = postgresql_versions().into_iter().find(|(one, _)| *one == version) else {
        panic!("no PostgreSQL {version} among the servers of the tests");
    };
    Postgresql::begin(version, &programs, arguments)
}

/// What is said when something is not planned.
pub async fn refusal(hand: &mut dyn Hand, key: &str, value: &str) -> String {
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
    let mut mark = 1000;
    for from_written in [false, true] {
        for (key, value, shown) in CHANGES {
            if from_written {
                // The server writes a name as it was given; this is how it is spelled.
                let name = match *key {
                    "timezone" => "\"TimeZone\"",
                    "DATESTYLE" => "\"DateStyle\"",
                    plain => plain,
                };
                let statement = format!("ALTER SYSTEM SET {name} = {}", other(key));
                written(server, &mut *hand, &mut mark, &statement).await;
            }
            let file = server.written();
            let step = hand.plan(key, value).await.unwrap_or_else(|fault| panic!("{}: {fault}", server.version));
            let (name, before, after) = (step.key.as_str(), &step.before, &step.after);
            assert_eq!(look(&mut *hand, key).await, *before);
            assert_eq!(after.effective, *shown, "{key} on {}", server.version);
            hand.put(name, after).await.unwrap_or_else(|fault| panic!("{fault}"));
            until(&mut *hand, key, after).await;
            wait("others see it", SOON, || server.psql(&format!("SHOW {key}")) == *shown);
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

/// Every setting that a version has: what SHOW says of it is read as what holds already, or it is refused.
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
async fn postgresql_12_is_changed_and_put_back_byte_for_byte() {
    matrix(12).await;
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
    // Also to a session whose next statement would come first.
    let switched_off = Held { written: None, effective: "off".to_string() };
    until(&mut *hand, "allow_alter_system", &switched_off).await;
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
         hint: Give the target's action a superuser's login; from version 15 on single settings can be granted."
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
