//! `watchward grants`, typed as `discover` prints it, on every version there is: its login reads every row, and no data.

use std::fs;
use std::process::Command;

use watchward::engines::contract::{Place, Version};
use watchward::model::reading::UnknownKind;
use watchward::model::target::Url;

use crate::agent::Folder;
use crate::servers::{Readings, engine, open, read_all, target, unknowns};
use crate::single::{Postgresql, Redis, postgresql_versions, redis_versions, version_of};

const PROGRAM: &str = env!("CARGO_BIN_EXE_watchward");
const WATCHER: &str = "planted-watching-password";

fn url(scheme: &str, host: &str, port: u16) -> Url {
    Url { scheme: scheme.to_string(), host: host.to_string(), port, ..Url::default() }
}

/// Types the line that makes the login where a server was found, and this into it.
fn grant(word: &str, at: &Url, version: Version, kind: &str, input: &str) {
    let folder = Folder::new();
    let password = folder.write("pw", &format!("{WATCHER}\n")).display().to_string();
    let typed = fs::File::open(folder.write("typed", input)).expect("what is typed");
    let version = if word == "postgresql" { version.0.to_string() } else { format!("{}.{}", version.0, version.1) };
    let kind = if kind.is_empty() { String::new() } else { format!(" --kind {kind}") };
    let script = format!("{PROGRAM} grants {word} {version}{kind}");
    let place = Place { url: at, login: "watchward", script: &script, password_file: &password, as_owner: "" };
    let line = engine(word).grants_line(&place);
    let output =
        Command::new("bash").args(["-c", &line]).env("PGUSER", "postgres").stdin(typed).output().expect("bash");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{line}\n{said}");
    assert!(!said.contains("ERR") && !said.contains("NOAUTH") && !said.contains("NOPERM"), "{line}\n{said}");
}

/// What is not read of the rows that are read unless somebody asks for more; what the others need, the script says in
/// comments.
fn lacking(word: &str, readings: &Readings) -> Vec<(&'static str, UnknownKind, String)> {
    let is_optional = |name: &str| engine(word).rows().iter().any(|row| row.name == name && row.optional);
    unknowns(readings).into_iter().filter(|(name, ..)| !is_optional(name)).collect()
}

#[tokio::test]
async fn each_postgresql_is_read_by_the_login_that_is_printed_for_it() {
    for (version, programs) in postgresql_versions() {
        let server = Postgresql::begin(version, &programs, &[]);
        server.psql("CREATE TABLE private AS SELECT 1 AS secret");
        let socket = url("postgres", &server.folder.display().to_string(), server.port);
        grant("postgresql", &socket, (version, 0), "", "");
        grant("postgresql", &socket, (version, 0), "", ""); // whoever types it twice gets the same
        if version >= 16 {
            server.psql("GRANT pg_use_reserved_connections TO watchward"); // as the script's comment says
        }
        let login = Url {
            user: "watchward".to_string(),
            path: "postgres".to_string(),
            ..url("postgres", "127.0.0.1", server.port)
        };
        let mut session = open(&target("postgresql", login, WATCHER)).await.unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(session.facts().version.0, version);
        let readings = read_all(engine("postgresql"), &mut *session).await;
        let unknown: Vec<_> = lacking("postgresql", &readings).into_iter().map(|(row, kind, _)| (row, kind)).collect();
        assert_eq!(unknown, [("stat_statements", UnknownKind::NotHere)], "PostgreSQL {version}");
        let refused = "permission denied for table private";
        let said = server.try_psql("SET ROLE watchward; TABLE private").expect_err("it reads data");
        assert!(said.contains(refused), "PostgreSQL {version}: {said}");
        let may = server.psql("SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, left(rolpassword, 13) FROM pg_authid WHERE rolname = 'watchward'");
        assert_eq!(may, "f|f|f|f|f|SCRAM-SHA-256", "PostgreSQL {version}");
    }
}

#[tokio::test]
async fn each_redis_and_its_sentinel_are_read_by_the_login_that_is_printed_for_them() {
    for (text, program) in redis_versions() {
        let version = version_of(&text);
        let server = Redis::begin(&program, &[]);
        assert_eq!(server.cli(&["SET", "private", "1"]), "OK");
        assert_eq!(server.cli(&["CONFIG", "SET", "requirepass", "typed-by-a-person"]), "OK");
        grant("redis", &url("redis", "localhost", server.port), version, "", "typed-by-a-person\n");
        let sentinel = Redis::begin_sentinel(&program);
        let password = ["ACL", "SETUSER", "default", "resetpass", ">typed-by-a-person"];
        assert_eq!(sentinel.cli(&password), "OK");
        grant("redis", &url("redis", "localhost", sentinel.port), version, "sentinel", "typed-by-a-person\n");
        for (one, role) in [(&server, "primary"), (&sentinel, "sentinel")] {
            let login = Url { user: "watchward".to_string(), ..url("redis", "127.0.0.1", one.port) };
            let mut session = open(&target("redis", login, WATCHER)).await.unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!((session.facts().version, session.facts().role.as_str()), (version, role));
            let readings = read_all(engine("redis"), &mut *session).await;
            assert_eq!(lacking("redis", &readings), [], "Redis {text}, {role}");
            for command in
                [&["GET", "private"][..], &["CONFIG", "SET", "maxmemory", "1mb"], &["ACL", "LIST"], &["SHUTDOWN"]]
            {
                let with_login = [&["--no-auth-warning", "--user", "watchward", "--pass", WATCHER], command].concat();
                let said = one.cli(&with_login);
                assert!(
                    said.starts_with("NOPERM ") || role == "sentinel" && said.starts_with("ERR unknown"),
                    "{command:?}: {said}"
                );
            }
        }
    }
}
