//! `watchward discover`: what is printed and written of servers that were found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use watchward::cli::discover::{Server, Ways, fragment, machine, text};
use watchward::config::{self, Surroundings, url};
use watchward::engines::contract::Facts;
use watchward::engines::find;
use watchward::engines::sight::Found;
use watchward::model::fault::Fault;
use watchward::sample::discovery::Said;

use crate::cli::program;

fn server(word: &str, name: &str, at: &str, said: Said) -> Server {
    let login_url = at.replacen("://", "://watchward@", 1).replace("%2Fvar%2Frun%2Fpostgresql", "localhost");
    let (name, url, owner) = (name.to_string(), at.to_string(), "dbuser".to_string());
    let version = if word == "postgresql" { "15" } else { "" }.to_string();
    let found = Found { name, url, login_url, version, owner, ..Found::default() };
    Server { engine: find(word).expect("an engine"), found, url: url::parse(at).expect("a URL").url, said }
}

fn facts(version: (u32, u32), text: &str, role: &str) -> Facts {
    Facts { version, version_text: text.to_string(), role: role.to_string(), ..Facts::default() }
}

/// A Redis that is open, a PostgreSQL that wants a login, and something on MongoDB's port that says nothing.
fn three() -> Vec<Server> {
    let refused = Fault::new("postgresql-04", "no session: Peer authentication failed").of_login(true);
    vec![
        server(
            "postgresql",
            "postgresql-5432",
            "postgres://%2Fvar%2Frun%2Fpostgresql:5432/postgres",
            Said::NeedsCredentials(refused, Facts::default()),
        ),
        server(
            "redis",
            "redis-6379",
            "redis://localhost:6379",
            Said::Open(facts((7, 0), "7.0.15 (packaged)", "primary")),
        ),
        server(
            "mongodb",
            "mongodb-27017",
            "mongodb://127.0.0.1:27017",
            Said::Nothing(Fault::new("sample-02", "no whole answer from 127.0.0.1:27017 within 3 s")),
        ),
    ]
}

fn ways(folder: &Path, written: Option<PathBuf>) -> Ways {
    let (program, user) = ("watchward".to_string(), "me".to_string());
    Ways { program, folder: folder.to_path_buf(), user, is_root: false, group: "", written }
}

#[test]
fn what_was_found_is_told_with_all_that_is_to_be_typed() {
    let seen = text(&three(), &ways(Path::new("/etc/w w"), None));
    assert_eq!(
        seen,
        "FOUND            ENGINE         ROLE     STATE              WHY\n\
         postgresql-5432  postgresql 15           needs credentials\n\
         redis-6379       redis 7.0.15   primary  open\n\
         mongodb-27017    mongodb                 no answer          \
         no whole answer from 127.0.0.1:27017 within 3 s\n\
         \n\
         postgresql-5432 needs credentials (no session: Peer authentication failed).\n\
         A password in a file of yours, and a login with the least privilege:\n\
         \n  \
           (umask 077 && mkdir -p '/etc/w w' && head -c 18 /dev/urandom | base64 > '/etc/w w/postgresql-5432.pw')\n  \
           { watchward grants postgresql 15 && cat '/etc/w w/postgresql-5432.pw' '/etc/w w/postgresql-5432.pw'; } \
         | (cd / && sudo -u dbuser setsid -w psql -X -q -d postgres)\n\
         \n\
         and in the configuration:\n\
         \n  \
           [[target]]\n  \
           name = \"postgresql-5432\"\n  \
           engine = \"postgresql\"\n  \
           url = \"postgres://watchward@localhost:5432/postgres\"\n  \
           password_file = \"/etc/w w/postgresql-5432.pw\"\n\
         \n\
         A configuration with all of them is written by: watchward discover --write FILE\n"
    );
    let written = text(&three()[1..2], &ways(Path::new("/etc/w"), Some("/etc/w/agent.toml".into())));
    assert_eq!(
        written,
        "FOUND       ENGINE        ROLE     STATE  WHY\n\
         redis-6379  redis 7.0.15  primary  open\n\
         \n\
         /etc/w/agent.toml names all of them. Check it, and watch (an agent that runs already must be stopped before):\n\
         \n  \
           watchward check-config --config /etc/w/agent.toml\n  \
           watchward --config /etc/w/agent.toml\n\
         \n\
         In another terminal, ask how all is:\n\
         \n  \
           watchward status --config /etc/w/agent.toml\n"
    );
    assert_eq!(
        text(&[], &ways(Path::new("/"), None)),
        "No server was found on this machine. The host itself is watched without a configuration.\n"
    );
}

#[test]
fn what_is_written_is_a_sound_configuration_once_the_password_is_there() {
    let folder = std::env::temp_dir().join(format!("watchward-it-discover-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let toml = fragment(&three(), &ways(&folder, None));
    let here = Surroundings { host_name: "h".to_string(), state_dir: folder.clone() };
    let problems = config::read("agent.toml", &toml, &here).expect_err("there is no password yet");
    let told: Vec<&str> = problems.iter().map(|problem| problem.fault.what.as_str()).collect();
    assert_eq!(told, ["password_file cannot be read: No such file or directory (os error 2)"]);
    fs::write(folder.join("postgresql-5432.pw"), "secret").expect("a password");
    fs::set_permissions(folder.join("postgresql-5432.pw"), fs::Permissions::from_mode(0o600)).expect("its mode");
    let loaded = config::read("agent.toml", &toml, &here).expect("a sound configuration");
    let names: Vec<&str> = loaded.configuration.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["this-host", "postgresql-5432", "redis-6379"], "what gave no answer is a comment");
    assert!(loaded.warnings.is_empty() && !loaded.configuration.discovers);
    assert!(toml.contains("#[[target]]\n#name = \"mongodb-27017\"\n"), "{toml}");
    fs::remove_dir_all(&folder).expect("gone");
}

#[test]
fn the_user_of_the_server_makes_the_login() {
    let line = |user: &str, is_root: bool| {
        let ways = Ways { user: user.to_string(), is_root, ..ways(Path::new("/w"), None) };
        machine(&three(), &ways)["servers"][0]["commands"][1].as_str().expect("a command").to_string()
    };
    assert!(line("me", false).ends_with(" | (cd / && sudo -u dbuser setsid -w psql -X -q -d postgres)"));
    assert!(line("root", true).ends_with(" | (cd / && runuser -u dbuser -- setsid -w psql -X -q -d postgres)"));
    assert!(line("dbuser", false).ends_with("; } | setsid -w psql -X -q -d postgres"));
}

#[test]
fn what_is_for_the_service_can_be_read_by_its_group() {
    let ways =
        |written: &str| Ways { group: "watchward", ..ways(Path::new("/etc/watchward/secrets"), Some(written.into())) };
    let seen = text(&three(), &ways("/etc/watchward/agent.toml"));
    let password = "  (umask 027 && mkdir -p /etc/watchward/secrets && head -c 18 /dev/urandom | base64 > \
                    /etc/watchward/secrets/postgresql-5432.pw && chgrp watchward /etc/watchward/secrets/postgresql-5432.pw)\n";
    assert!(seen.contains(password), "{seen}");
    let last = "\n/etc/watchward/agent.toml names all of them. Check it, and have the service watch:\n\
                \n  watchward check-config\n  systemctl restart watchward\n  watchward status\n";
    assert!(seen.ends_with(last), "{seen}");
    let elsewhere = text(&three(), &ways("/etc/watchward/try.toml"));
    assert!(elsewhere.ends_with("  watchward status --config /etc/watchward/try.toml\n"), "{elsewhere}");
}

#[test]
fn who_follows_another_server_has_its_logins() {
    let fault = Fault::new("sample-04", "127.0.0.1:27018 shows nothing without a login").of_login(true);
    let said = Said::NeedsCredentials(fault, facts((6, 0), "6.0.5", "secondary"));
    let one = server("mongodb", "mongodb-27018", "mongodb://127.0.0.1:27018", said);
    let seen = machine(&[one], &ways(Path::new("/w"), None));
    let commands = [
        "(umask 077 && mkdir -p /w && cat PRIMARYS_PASSWORD_FILE > /w/mongodb-27018.pw)",
        "# It has the logins of its primary: make one there, and use the same password here.",
    ];
    assert_eq!(seen["servers"][0]["commands"], serde_json::json!(commands));
    assert_eq!(seen["servers"][0]["state"], "needs_credentials");
}

#[test]
fn where_the_script_depends_on_a_version_that_is_not_told_that_is_said() {
    let said = || Said::NeedsCredentials(Fault::new("x", "it wants a login").of_login(true), Facts::default());
    let told =
        "\nWithout a login it does not say its version: where it is not the newest, name it behind `grants redis`.\n";
    let seen = |server: Server| text(&[server], &ways(Path::new("/w"), None));
    assert!(seen(server("redis", "redis-6379", "redis://localhost:6379", said())).contains(told));
    let by_its_program = server("postgresql", "postgresql-5432", "postgres://localhost:5432/postgres", said());
    assert!(!seen(by_its_program).contains("does not say its version"));
}

#[test]
fn a_kind_whose_logins_differ_is_named() {
    let fault = || Fault::new("redis-03", "NOAUTH").of_login(true);
    let mut one =
        server("redis", "redis-26379", "redis://localhost:26379", Said::NeedsCredentials(fault(), Facts::default()));
    one.found.kind = "sentinel";
    let seen = machine(&[one], &ways(Path::new("/w"), None));
    assert!(seen["servers"][0]["commands"][1].as_str().expect("a command").contains("grants redis --kind sentinel |"));
    let facts = Facts { flavour: "opensearch".to_string(), ..facts((2, 19), "2.19.1", "") };
    let said = Said::NeedsCredentials(fault(), facts);
    let one = server("elasticsearch", "elasticsearch-9200", "http://127.0.0.1:9200", said);
    let seen = machine(&[one], &ways(Path::new("/w"), None));
    let command = seen["servers"][0]["commands"][1].as_str().expect("a command");
    assert!(command.starts_with("watchward grants elasticsearch 2.19 --kind opensearch > "), "{command}");
    let printed: Vec<&str> = command.split(" > ").next().expect("words").split(' ').skip(1).collect();
    assert_eq!(program(&printed).0, 0, "it can be typed: {command}");
}

#[test]
fn a_file_that_is_there_or_cannot_be_written_is_refused() {
    let folder = std::env::temp_dir().join(format!("watchward-it-write-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("mine.toml");
    fs::write(&file, "mine").expect("a file");
    let refused = |path: &Path, words: &str| {
        let path = path.display().to_string();
        let (code, out, said) = program(&["discover", "--write", &path]);
        assert_eq!((code, out.as_str(), said), (2, "", format!("error: cannot write {path}: {words}\n")));
    };
    refused(
        &file,
        "it is there already [cli-30]\nhint: Nothing is overwritten: name another file, or move that one away.",
    );
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "mine");
    refused(
        &folder.join("none/x.toml"),
        "No such file or directory (os error 2) [cli-30]\nhint: Does the folder exist, and may you write there?",
    );
    refused(
        &file.join("x.toml"),
        "Not a directory (os error 20) [cli-30]\nhint: Does the folder exist, and may you write there?",
    );
    let new = folder.join("new.toml");
    let (code, out, said) = program(&["discover", "--write", &new.display().to_string()]);
    assert_eq!((code, said.as_str()), (0, ""), "{out}");
    assert_eq!(fs::metadata(&new).expect("it was written").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&new).expect("text").contains("name = \"this-host\""));
    fs::remove_dir_all(&folder).expect("gone");
}
