//! Changing settings, without a server: what values mean, what no program sets, what is sent, the script for the login.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use watchward::engines::contract::{Access, Engine, Facts, Table, Version};
use watchward::engines::postgresql::tune::setting::{Asker, Setting, files_are_sound};
use watchward::engines::postgresql::tune::{keys, text, units};
use watchward::engines::redis::tune::kinds::{self, Kind, Load, is_harmless, would_show};
use watchward::engines::{ALL, find};

use crate::engines::targets::target;

fn engine(word: &str) -> &'static dyn Engine {
    find(word).expect("registered")
}

/// A number with a unit.
fn setting(kind: &str, unit: &str, min: &str, max: &str) -> Setting {
    let [kind, unit, min, max] = [kind, unit, min, max].map(str::to_string);
    Setting { name: "work_mem".to_string(), kind, unit, min, max, ..Setting::default() }
}

/// Recorded: what PostgreSQL 18 showed of each value, or that it refused it.
#[test]
fn numbers_are_read_and_shown_as_the_server_does_it() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postgresql/values.tsv");
    let text = fs::read_to_string(path).expect("the recording");
    let mut wrong = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, unit, kind, min, max, given, shown] = cells[..] else { panic!("{line}") };
        let ours = setting(kind, unit, min, max).would_show(given).unwrap_or_else(|_| "ERR".to_string());
        if ours != shown {
            wrong.push(format!("{name} = '{given}' is {shown}, not {ours}"));
        }
    }
    assert_eq!(wrong, [] as [String; 0]);
    assert_eq!(text.lines().count(), 1401);
}

const UNITS: &[&str] = &["", "B", "kB", "8kB", "64kB", "MB", "ms", "s", "min"];

proptest! {
    #[test]
    fn a_whole_number_as_shown_is_read_as_itself(value in any::<i32>(), unit in prop::sample::select(UNITS)) {
        let shown = units::show_integer(i64::from(value), unit);
        prop_assert_eq!(units::integer(&shown, unit), Ok(i64::from(value)));
    }

    #[test]
    fn a_number_as_shown_is_shown_again_as_it_is(value in 0.0..1e12_f64, unit in prop::sample::select(UNITS)) {
        let six_digits: f64 = units::general(value).parse().expect("a number");
        let shown = units::show_real(six_digits, unit);
        let again = units::real(&shown, unit).map(|own| units::show_real(own, unit));
        // In a greater unit six digits may be fewer than they were: then at least the value is nearly the same.
        let apart = units::real(&shown, unit).map(|own| (own - six_digits).abs() / six_digits.max(1e-300));
        prop_assert!(again == Ok(shown.clone()) || apart.is_ok_and(|apart| apart < 1e-5), "{} {}", shown, unit);
    }

    #[test]
    fn any_text_is_read_or_refused(value in any::<String>(), unit in prop::sample::select(UNITS)) {
        let _ = (units::integer(&value, unit), units::real(&value, unit), units::flag(&value));
        let _ = text::identifiers(&value);
        use Kind::{Buffers, Events, Flag, Memory, MemoryOrPercent, Whole};
        for kind in [Flag, Whole(0, 9), Memory(0), MemoryOrPercent, Buffers, Events] {
            let _ = would_show(kind, &value, &value);
        }
    }

    #[test]
    fn a_literal_ends_where_it_ends_with_and_without_escapes(value in "[a'\\\\\"$; ]{0,12}") {
        let sent = text::literal(&value);
        let escapes = sent.strip_prefix('E');
        let quoted = escapes.unwrap_or(&sent);
        let body = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).expect("quoted");
        prop_assert!(escapes.is_some() == value.contains('\\'), "a backslash is an escape or not, by the session");
        let read = body.replace("''", "\0").replace("\\\\", "\\");
        prop_assert!(!read.contains('\''), "{} would end early", sent);
        prop_assert_eq!(read.replace('\0', "'"), value);
    }

    #[test]
    fn a_list_of_names_comes_apart_as_it_was_put_together(
        names in prop::collection::vec("[a-zA-Z\", $'.]{1,8}", 1..5),
    ) {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        prop_assert_eq!(text::identifiers(&quoted.join(" ,\t")), Some(names));
    }

    #[test]
    fn memory_of_redis_is_what_its_unit_says(count in 0..1_000_000_u64) {
        let units = [("", 1), ("B", 1), ("k", 1000), ("Kb", 1 << 10), ("m", 1_000_000), ("MB", 1 << 20), ("gb", 1 << 30)];
        for (unit, size) in units {
            prop_assert_eq!(kinds::bytes(&format!("{count}{unit}")), Some(count * size));
        }
    }
}

#[test]
fn flags_are_any_beginning_that_can_be_no_other() {
    for (text, expected) in [
        ("on", Some(true)),
        ("TRUE", Some(true)),
        ("t", Some(true)),
        ("ye", Some(true)),
        ("1", Some(true)),
        ("of", Some(false)),
        ("n", Some(false)),
        ("0", Some(false)),
        ("fals", Some(false)),
        ("o", None),
        ("", None),
        ("2", None),
        ("truer", None),
    ] {
        assert_eq!(units::flag(text), expected, "{text}");
    }
}

#[test]
fn six_digits_are_as_in_c() {
    for (value, expected) in [
        (0.0, "0"),
        (1.0, "1"),
        (-0.5, "-0.5"),
        (0.000_123_456_789, "0.000123457"),
        (0.000_012_345_678_9, "1.23457e-05"),
        (123_456.0, "123456"),
        (1_234_567.0, "1.23457e+06"),
        (999_999.9, "1e+06"),
        (1.797_69e308, "1.79769e+308"),
        (0.1, "0.1"),
    ] {
        assert_eq!(units::general(value), expected);
    }
}

#[test]
fn what_runs_programs_names_files_holds_secrets_or_locks_out_is_set_by_no_program() {
    for name in [
        "archive_command",
        "restore_command",
        "Archive_Cleanup_Command",
        "recovery_end_command",
        "ssl_passphrase_command",
        "basebackup_to_shell.command",
        "archive_library",
        "shared_preload_libraries",
        "session_preload_libraries",
        "local_preload_libraries",
        "dynamic_library_path",
        "extension_control_path",
        "oauth_validator_libraries",
        "plperl.on_init",
        "pltcl.start_proc",
        "ssl",
        "ssl_ca_file",
        "ssl_min_protocol_version",
        "log_directory",
        "log_filename",
        "log_file_mode",
        "hba_file",
        "ident_file",
        "krb_server_keyfile",
        "promote_trigger_file",
        "stats_temp_directory",
        "basic_archive.archive_directory",
        "primary_conninfo",
        "primary_slot_name",
        "listen_addresses",
        "password_encryption",
        "authentication_timeout",
        "fsync",
        "full_page_writes",
        "zero_damaged_pages",
        "session_replication_role",
        "allow_alter_system",
        "transaction_read_only",
        "max_slot_wal_keep_size",
        "idle_replication_slot_timeout",
        "synchronous_standby_names",
        "synchronized_standby_slots",
        "pgaudit.log",
    ] {
        assert!(keys::never(name).is_some(), "{name}");
    }
    for name in [
        "work_mem",
        "search_path",
        "log_min_duration_statement",
        "synchronous_commit",
        "default_transaction_read_only",
        "auto_explain.log_min_duration",
        "pg_stat_statements.track",
        "archive_timeout",
        "statement_timeout",
    ] {
        assert_eq!(keys::never(name), None, "{name}");
    }
}

#[test]
fn lists_of_names_go_part_by_part() {
    let value = |text: &str| text::value("search_path", text);
    assert_eq!(value("\"$user\", public"), Some("'$user', 'public'".to_string()));
    assert_eq!(value("Public"), Some("'public'".to_string()));
    assert_eq!(value("\"a\"\"b\",c\\"), Some("'a\"b', E'c\\\\'".to_string()));
    assert_eq!(value("\"\""), Some("''".to_string()));
    for broken in ["", " ", ",", "a,", ",a", "a b", "\"a", "a,,b", "\"a\"b", &"x".repeat(64)] {
        assert_eq!(value(broken), None, "{broken}");
    }
    assert_eq!(text::value("log_line_prefix", "it's"), Some("'it''s'".to_string()));
    assert_eq!(text::identifier("pg_stat_statements.track"), "\"pg_stat_statements\".\"track\"");
    assert_eq!(text::identifier("a\"b"), "\"a\"\"b\"");
}

#[test]
fn a_managed_service_keeps_its_settings_elsewhere() {
    let facts = Facts { version: (17, 4), flavour: "rds".to_string(), ..Facts::default() };
    let asker = Asker { facts: &facts, door: "db1:5432", user: "act" };
    let setting =
        Setting { context: "user".to_string(), source: "default".to_string(), ..setting("integer", "kB", "", "") };
    assert_eq!(
        setting.allows(asker).expect_err("refused").to_string(),
        "'act' may not change 'work_mem': this is a managed service [postgresql-26]\n\
         detail: Its kind is rds: settings are kept outside the server.\n\
         hint: Change the setting in the service's own parameters."
    );
}

#[test]
fn a_value_that_waits_for_a_restart_hinders_only_its_own_setting() {
    let columns = ["name", "sourcefile", "sourceline", "error"].map(str::to_string).to_vec();
    let row = ["max_connections", "/x.conf", "7", "setting could not be applied"].map(|cell| Some(cell.to_string()));
    let table = Table { columns, rows: vec![row.to_vec()] };
    assert_eq!(files_are_sound(&table, "work_mem"), Ok(()));
    assert!(files_are_sound(&table, "max_connections").is_err());
}

#[test]
fn what_would_hurt_redis_at_once_is_told() {
    let load =
        Load { used_bytes: 500, maxmemory_bytes: 400, policy: "noeviction".to_string(), clients: 9, ..Load::default() };
    let lru = Load { policy: "allkeys-lru".to_string(), ..load.clone() };
    let check = |name: &str, shown: &str, load: &Load, expected: Result<(), &str>| {
        assert_eq!(is_harmless(name, shown, load), expected.map_err(str::to_string), "{name} = {shown}");
    };
    check("maxmemory", "500", &load, Ok(()));
    check("maxmemory", "0", &load, Ok(()));
    check("maxmemory", "499", &load, Err("The server holds 500 bytes: it would refuse writes at once."));
    let lost = "The server holds 500 bytes: with maxmemory-policy allkeys-lru it would throw data away at once.";
    check("maxmemory", "499", &lru, Err(lost));
    check("maxmemory", "499", &Load { is_replica: true, ..lru.clone() }, Ok(()));
    let lost = "The server holds 500 bytes and may hold 400: it would throw data away at once.";
    check("maxmemory-policy", "volatile-ttl", &load, Err(lost));
    check("maxmemory-policy", "volatile-ttl", &Load { maxmemory_bytes: 0, ..load.clone() }, Ok(()));
    check("maxmemory-policy", "noeviction", &lru, Ok(()));
    check("maxclients", "10", &load, Ok(()));
    check(
        "maxclients",
        "9",
        &load,
        Err("Connected clients: 9, the agent among them. It would turn the next one away."),
    );
    check("min-replicas-to-write", "0", &load, Ok(()));
    check("min-replicas-to-write", "1", &load, Err("Connected replicas: 0. It would refuse writes at once."));
    check("min-slaves-to-write", "2", &Load { replicas: 2, ..load.clone() }, Ok(()));
    check("min-slaves-to-write", "2", &Load { is_replica: true, ..load.clone() }, Ok(()));
    check("hz", "1", &load, Ok(()));
}

#[test]
fn secrets_files_and_wiring_of_redis_are_set_by_no_program() {
    for name in [
        "requirepass",
        "masterauth",
        "masteruser",
        "dir",
        "dbfilename",
        "aclfile",
        "logfile",
        "loadmodule",
        "replicaof",
        "slaveof",
        "replica-read-only",
        "bind",
        "bind-source-addr",
        "port",
        "unixsocket",
        "tls-port",
        "tls-key-file-pass",
        "protected-mode",
        "enable-debug-command",
        "cluster-node-timeout",
        "save",
        "appendonly",
        "oom-score-adj",
    ] {
        assert!(kinds::never(name).is_some() && kinds::kind(name).is_none(), "{name}");
    }
}

/// The scripts with which the servers of the tests were set up; UPDATE_DOCS=1 writes them.
#[test]
fn the_login_for_actions_is_made_with_exactly_what_is_printed() {
    let scripts: &[(&str, &str, Version)] =
        &[("postgresql-15-action.sql", "postgresql", (15, 0)), ("redis-7.0-action.acl", "redis", (7, 0))];
    for (file, word, version) in scripts {
        let rendered = engine(word).action_grants("watchward_act", Some(*version)).expect("a script");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/servers/grants").join(file);
        #[allow(clippy::disallowed_methods)] // a wish of whoever runs the test
        let is_wanted = std::env::var_os("UPDATE_DOCS").is_some();
        if is_wanted {
            fs::write(&path, &rendered).expect("written");
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), rendered, "{file}: run with UPDATE_DOCS=1");
    }
    let can: Vec<&str> =
        ALL.iter().filter(|one| one.action_grants("x", None).is_some()).map(|one| one.word()).collect();
    assert_eq!(can, ["postgresql", "redis"]);
    let old = engine("postgresql").action_grants("x", Some((14, 0))).expect("a script");
    assert!(old.contains("ALTER ROLE x SUPERUSER CONNECTION LIMIT 5;\n") && !old.contains("ON PARAMETER"), "{old}");
    let odd = engine("postgresql").action_grants("O'Neil", None).expect("a script");
    assert!(odd.contains("CREATE ROLE \"O''Neil\" LOGIN' WHERE") && odd.contains("rolname = 'O''Neil')"), "{odd}");
    let none = engine("redis").action_grants("x", Some((5, 0))).expect("a script");
    assert!(none.starts_with("# Redis 5 knows no users:"), "{none}");
}

#[tokio::test]
async fn the_console_of_a_pooler_has_no_settings_of_the_server() {
    let mut target = target("postgresql", "postgres", 1);
    target.url.path = "pgbouncer".to_string();
    let refused = engine("postgresql").reach(&target, &Access::default()).await.map(|_| ()).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "the console of PgBouncer has no settings of PostgreSQL [postgresql-32]\n\
         hint: Name a database of the server in the target's url."
    );
}

/// A server that speaks Redis' protocol and does not say how much it holds.
async fn secretive() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its port").port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(head)) = lines.next_line().await {
            let count: usize = head.trim_start_matches('*').parse().expect("an array");
            let mut words = Vec::new();
            for _ in 0..count {
                lines.next_line().await.expect("a length");
                words.push(lines.next_line().await.expect("a word").unwrap_or_default());
            }
            let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
            let answer = match (words[0].to_ascii_uppercase().as_str(), words.get(1).map(String::as_str)) {
                ("CONFIG", _) => format!("*2\r\n{}{}", bulk("maxmemory"), bulk("0")),
                ("INFO", Some("memory" | "clients")) => bulk("maxmemory:0\r\n"),
                ("INFO", _) => bulk("redis_version:7.0.0\r\nrole:master\r\nconnected_slaves:0\r\n"),
                _ => "+OK\r\n".to_string(),
            };
            if write.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    });
    port
}

#[tokio::test]
async fn where_nobody_knows_what_a_server_holds_its_memory_is_not_touched() {
    let port = secretive().await;
    let target = target("redis", "redis", port);
    let mut hand = engine("redis").reach(&target, &Access::default()).await.expect("reached");
    let fault = hand.plan("maxmemory", "1gb").await.expect_err("refused").to_string();
    assert_eq!(
        fault,
        format!(
            "127.0.0.1:{port} does not say its used_memory [redis-27]\n\
             detail: Without it nobody knows whether setting 'maxmemory' does harm."
        )
    );
}
