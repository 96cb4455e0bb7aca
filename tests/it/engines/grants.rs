//! Grants: the scripts are those that the servers of the tests were set up with, and say all that the rows ask for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use watchward::engines::contract::{Engine, Facts, Place, Version, privileges};
use watchward::engines::{ALL, find};
use watchward::model::target::Url;

fn engine(word: &str) -> &'static dyn Engine {
    find(word).expect("an engine")
}

/// A committed script must be what is rendered; UPDATE_DOCS=1 writes it.
fn committed(file: &str, rendered: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/servers/grants").join(file);
    #[allow(clippy::disallowed_methods)] // a wish of whoever runs the test
    let is_wanted = std::env::var_os("UPDATE_DOCS").is_some();
    if is_wanted {
        std::fs::write(&path, rendered).expect("written");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == rendered, "{file} is not what the rows render; run with UPDATE_DOCS=1");
}

#[test]
fn the_servers_of_the_tests_are_watched_with_exactly_what_is_printed() {
    let scripts: &[(&str, &str, Option<Version>, &str)] = &[
        ("postgresql-15.sql", "postgresql", Some((15, 0)), ""),
        ("redis-7.0.acl", "redis", Some((7, 0)), ""),
        ("redis-7.0-sentinel.acl", "redis", Some((7, 0)), "sentinel"),
        ("mongodb-6.js", "mongodb", Some((6, 0)), ""),
        ("clickhouse-18.16.xml", "clickhouse", Some((18, 16)), ""),
        ("clickhouse.sql", "clickhouse", None, ""),
        ("elasticsearch.sh", "elasticsearch", None, ""),
        ("opensearch.sh", "elasticsearch", None, "opensearch"),
        ("host.txt", "host", None, ""),
    ];
    for (file, word, version, kind) in scripts {
        committed(file, &engine(word).grants("watchward", *version, kind));
    }
    let printed: BTreeSet<&str> = scripts.iter().map(|(_, word, ..)| *word).collect();
    assert_eq!(printed, ALL.iter().map(|engine| engine.word()).collect(), "an engine has no script here");
}

#[test]
fn a_script_names_the_login_and_no_other() {
    for engine in ALL.iter().filter(|engine| !engine.card().schemes.is_empty()) {
        for kind in std::iter::once("").chain(engine.card().kinds.iter().map(|(kind, _)| *kind)) {
            for version in [None, Some(engine.card().oldest)] {
                let script = engine.grants("somebody", version, kind);
                let commands = script.lines().filter(|line| !line.starts_with(['#', '-', '/', '<']));
                let named = commands.clone().any(|line| line.contains("somebody"));
                assert!(named || commands.count() == 0, "{}: {script}", engine.word());
                assert!(!script.replace("which Watchward", "").contains("watchward"), "{}: {script}", engine.word());
            }
        }
    }
}

#[test]
fn versions_differ_where_servers_do() {
    let script = |word: &str, version: Version| engine(word).grants("w", Some(version), "");
    assert!(script("postgresql", (16, 0)).contains("pg_use_reserved_connections"));
    assert!(!script("postgresql", (15, 0)).contains("pg_use_reserved_connections"));
    assert!(
        script("redis", (7, 0)).contains("+latency|histogram") && script("redis", (7, 0)).contains("resetchannels")
    );
    assert!(!script("redis", (6, 0)).contains("+latency|histogram") && !script("redis", (6, 0)).contains("channels"));
    assert_eq!(
        script("redis", (5, 0)),
        "# Redis 5 knows no users: the agent logs in without a name, with the password that is in requirepass.\n"
    );
    assert!(script("clickhouse", (20, 4)).contains("CREATE USER IF NOT EXISTS w "));
    assert!(
        !script("clickhouse", (20, 4)).contains("system.errors") && script("clickhouse", (21, 0)).contains("errors")
    );
    assert!(script("clickhouse", (20, 3)).starts_with("<!--"));
}

/// What cannot be told from the row alone: whoever adds a row says what reads it, or that every login may.
#[test]
fn rows_that_need_a_privilege_as_a_capability_name_it() {
    for engine in ALL {
        for row in engine.rows() {
            let told: Vec<&str> = row.privilege.split(", ").collect();
            let facts = Facts { version: engine.card().oldest, ..Facts::default() };
            for need in row.needs.iter().filter(|need| need.starts_with("pg_mon") || need.starts_with("system.")) {
                let unknown = row.lacks(&facts).expect("it lacks the need");
                assert!(told.iter().any(|one| one.contains(need)), "{}: {} needs {need}", engine.word(), row.name);
                assert_eq!(unknown.kind.word(), "privilege", "{}", row.name);
            }
        }
    }
    let redis = privileges(engine("redis").rows(), &Facts::default());
    assert_eq!(redis, ["+info"], "what only some servers have is granted only there");
}

fn line(word: &str, host: &str, port: u16) -> String {
    let url = Url { host: host.to_string(), port, ..Url::default() };
    let script = format!("watchward grants {word} 1");
    engine(word).grants_line(&Place {
        url: &url,
        login: "watchward",
        script: &script,
        password_file: "/etc/w/pw",
        as_owner: "sudo -u dbuser ",
    })
}

#[test]
fn the_shell_line_finds_the_server_where_it_was_found() {
    let expected = [
        (
            line("postgresql", "/var/run/postgresql", 5432),
            "{ watchward grants postgresql 1 && cat /etc/w/pw /etc/w/pw; } | (cd / && sudo -u dbuser setsid -w psql -X -q -d postgres)",
        ),
        (
            line("postgresql", "/tmp/s", 5433),
            "{ watchward grants postgresql 1 && cat /etc/w/pw /etc/w/pw; } | (cd / && sudo -u dbuser setsid -w psql -X -q -d postgres -h /tmp/s -p 5433)",
        ),
        (
            line("redis", "localhost", 6380),
            "read -rs REDISCLI_AUTH && export REDISCLI_AUTH && { watchward grants redis 1 | grep ^ACL && \
             printf 'ACL SETUSER watchward on >%s\\n' \"$(cat /etc/w/pw)\"; } | redis-cli -p 6380   \
             # first type the password that redis-cli needs",
        ),
        (
            line("mongodb", "127.0.0.1", 27018),
            "watchward grants mongodb 1 > watchward.js && mongosh --port 27018 --file watchward.js   \
             # as a user administrator (--username NAME); paste the new password from its file",
        ),
        (
            line("clickhouse", "127.0.0.1", 8123),
            "watchward grants clickhouse 1 | sed \"s/SHA256_OF_THE_PASSWORD/$(printf %s \"$(cat /etc/w/pw)\" | sha256sum \
             | cut -c1-64)/\" | clickhouse-client --multiquery   # as a user with access_management: --user NAME --ask-password",
        ),
        (
            line("elasticsearch", "127.0.0.1", 9200),
            "watchward grants elasticsearch 1 > watchward.sh && PASSWORD_FILE=/etc/w/pw URL=http://localhost:9200 \
             sh watchward.sh",
        ),
        (line("host", "", 0), ""),
    ];
    for (seen, expected) in expected {
        assert_eq!(seen, expected);
    }
}
