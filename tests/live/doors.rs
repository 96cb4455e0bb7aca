//! The doors as others meet them: other users of the machine at the socket, a real Prometheus with a token over TLS,
//! people with the command line, and those who would use up the agent.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use watchward::serve::routes::{Need, ROUTES};
use watchward::sys::environment;

use crate::agent::{Agent, Folder, configure, free_port, get, run, wait};
use crate::servers::servers;

const HOST: &str = "[[target]]\nname = \"this-host\"\nengine = \"host\"\n";
/// A group that Debian's PostgreSQL makes, with its user as a member.
const GROUP: &str = "ssl-cert";
const MEMBER: &str = "postgres";

/// Whether this test may be other users; where not it is told, and no reason to pass where everything must be tried.
fn may_be_others() -> bool {
    if watchward::sys::process::is_root() {
        return true;
    }
    assert!(environment::variable("CI").is_none_or(|ci| ci != "true"), "run the tests of the doors as root");
    eprintln!("skipped: only root can be other users");
    false
}

/// The number of a user or a group by the system's files.
fn number(file: &str, name: &str) -> u32 {
    let text = fs::read_to_string(file).expect(file);
    let line = text.lines().find(|line| line.starts_with(&format!("{name}:")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {file}: tests/servers/up installs what brings it"));
    line.split(':').nth(2).and_then(|number| number.parse().ok()).expect("a number")
}

/// Somebody of this machine: user, group, further groups.
#[derive(Clone, Copy, Debug)]
struct User {
    /// For the words of a test that fails.
    #[allow(dead_code)]
    name: &'static str,
    user: u32,
    group: u32,
    further: Option<u32>,
}

impl User {
    /// The beginning of a command that runs as this user.
    fn command(&self, program: &Path) -> Command {
        let further = self.further.map_or("--clear-groups".to_string(), |group| format!("--groups={group}"));
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={}", self.user), &format!("--regid={}", self.group), &further]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Asks over the socket; `None` where there was no answer.
    fn ask_socket(&self, socket: &Path, verb: &str, path: &str) -> Option<u16> {
        let mut command = self.command(Path::new("curl"));
        command.arg("--unix-socket").arg(socket);
        self.ask(command, verb, &format!("http://localhost{path}"))
    }

    fn ask_tcp(&self, port: u16, verb: &str, path: &str) -> Option<u16> {
        self.ask(self.command(Path::new("curl")), verb, &format!("http://127.0.0.1:{port}{path}"))
    }

    fn ask(&self, mut command: Command, verb: &str, url: &str) -> Option<u16> {
        let flags = ["--noproxy", "*", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "-X", verb, url];
        let output = command.args(flags).output().expect("setpriv and curl");
        let code = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
        Some(code).filter(|code| *code > 0)
    }
}

/// Paths of all endpoints, filled with names that nothing has.
fn endpoints() -> impl Iterator<Item = (&'static str, String, Need)> {
    ROUTES.iter().map(|route| {
        let parts = route.path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part });
        (route.verb.as_str(), parts.collect::<Vec<_>>().join("/"), route.needs)
    })
}

#[test]
fn the_socket_is_for_root_the_own_user_and_the_group_and_for_nobody_else() {
    if !may_be_others() {
        return;
    }
    let group = number("/etc/group", GROUP);
    let (postgres, nobody) = (number("/etc/passwd", MEMBER), number("/etc/passwd", "nobody"));
    let nogroup = number("/etc/group", "nogroup");
    let one = |name, user, group, further| User { name, user, group, further };
    let inside = [
        one("root", 0, 0, None),
        one("somebody whose own group it is", nobody, group, None),
        one("a member by the system's files", postgres, number("/etc/group", MEMBER), Some(group)),
    ];
    let outside = [
        one("nobody", nobody, nogroup, None),
        one("a member in another session, without the group", postgres, nogroup, None),
        one("somebody with a group that the files do not give", nobody, nogroup, Some(group)),
    ];
    let folder = Folder::new();
    let state = folder.0.join("state");
    fs::create_dir(&state).expect("a state folder");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("a private folder");
    let agent = Agent::begin(&folder, &format!("socket_group = \"{GROUP}\"\n{HOST}"));
    let socket = state.join("watchward.sock");
    let seen = fs::metadata(&socket).expect("the socket");
    assert_eq!((seen.mode() & 0o777, seen.gid()), (0o660, group), "the socket");
    let seen = fs::metadata(&state).expect("the folder");
    assert_eq!((seen.mode() & 0o777, seen.gid()), (0o750, group), "its folder");
    for (verb, path, needs) in endpoints() {
        for user in inside {
            let status = user.ask_socket(&socket, verb, &path);
            assert!(status.is_some_and(|status| ![401, 403].contains(&status)), "{user:?} {verb} {path}: {status:?}");
        }
        for user in outside {
            assert_eq!(user.ask_socket(&socket, verb, &path), None, "{user:?} {verb} {path}");
        }
        // An unprivileged user reads on loopback, and can change nothing.
        let status = outside[0].ask_tcp(agent.port, verb, &path);
        match needs {
            Need::Open | Need::Read => assert!(status.is_some_and(|status| status != 401 && status != 403), "{path}"),
            _ => assert_eq!(status, Some(403), "{verb} {path}"),
        }
    }
    assert_eq!(outside[0].ask_tcp(agent.port, "GET", "/metrics"), Some(200));
    assert!(agent.metric("watchward_serve_refused_total") >= endpoints().count() as f64, "refused peers are counted");
    assert!(!agent.log().contains("socket-01"), "{}", agent.log());
}

/// A process that is ended with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agent_of_an_ordinary_user_says_that_the_group_is_not_its_to_give() {
    if !may_be_others() {
        return;
    }
    let (group, nobody) = (number("/etc/group", GROUP), number("/etc/passwd", "nobody"));
    let own = User { name: "own", user: nobody, group: number("/etc/group", "nogroup"), further: None };
    let folder = Folder::new();
    let program = folder.0.join("watchward"); // where anybody may run it
    fs::copy(env!("CARGO_BIN_EXE_watchward"), &program).expect("a copy of the program");
    let (state, port) = (folder.0.join("state"), free_port());
    fs::create_dir(&state).expect("a state folder");
    std::os::unix::fs::chown(&state, Some(nobody), Some(own.group)).expect("its owner");
    let config = configure(&folder, &state, port, &format!("socket_group = \"{GROUP}\"\n{HOST}"));
    let log = folder.0.join("own.log");
    let mut command = own.command(&program);
    command.arg("run").arg("--config").arg(&config).stdout(Stdio::null());
    let child = command.stderr(fs::File::create(&log).expect("a log")).spawn().expect("the agent");
    let _agent = Process(child);
    wait("it is ready", Duration::from_secs(30), || get(port, "/readyz").is_some_and(|(status, _)| status == 200));
    let socket = state.join("watchward.sock");
    let text = fs::read_to_string(&log).expect("a log");
    let told = format!(
        "{} cannot be given to the group {GROUP}: Operation not permitted (os error 1) [socket-01]",
        socket.display()
    );
    assert!(text.contains(&told), "{text}");
    assert!(text.contains("It lets in root and the agent's own user, and nobody else."), "{text}");
    assert!(text.contains(&format!("Make the agent's user a member of the group {GROUP}")), "{text}");
    let root = User { name: "root", user: 0, group: 0, further: None };
    let member = User { name: "member", user: number("/etc/passwd", MEMBER), group, further: None };
    assert_eq!(own.ask_socket(&socket, "GET", "/api/v1/tokens"), Some(200));
    assert_eq!(root.ask_socket(&socket, "GET", "/api/v1/tokens"), Some(200));
    assert_eq!(member.ask_socket(&socket, "GET", "/api/v1/tokens"), None);
}

/// An agent that speaks TLS on every address, with its health on loopback for the harness; its TLS port and its socket.
fn begin_remote(folder: &Folder, verbose: bool) -> (Agent, u16) {
    let (servers, port, health) = (servers(), free_port(), free_port());
    let text = format!(
        "[agent]\nname = \"test\"\nstate_dir = \"{}\"\n[serve]\nlisten = \"0.0.0.0:{port}\"\ntls_cert = \"{}\"\n\
         tls_key = \"{}\"\nhealth_listen = \"127.0.0.1:{health}\"\n{HOST}interval = \"1s\"\n",
        folder.0.join("state").display(),
        servers.value("WW_TLS_CERT_FILE"),
        servers.value("WW_TLS_KEY_FILE"),
    );
    let config = folder.write("agent.toml", &text);
    let flags: &[&str] = if verbose { &["--verbose"] } else { &[] };
    (Agent::start_with(flags, config, health, folder, &[]), port)
}

/// A verb of `watchward token` against an agent: exit code, what it printed, what it said beside that.
fn token(agent: &Agent, arguments: &[&str]) -> (i32, String, String) {
    let config = agent.config.display().to_string();
    let all: Vec<&str> = ["token"].iter().chain(arguments).copied().chain(["--config", &config]).collect();
    run(&all, &[])
}

/// Asks over TLS as curl does, with further flags: the status, and the body.
fn ask_tls(port: u16, path: &str, flags: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args(["--noproxy", "*", "-s", "-m", "10", "-w", "\n%{http_code}", "--cacert", servers().value("WW_CA_FILE")])
        .args(flags)
        .arg(format!("https://localhost:{port}{path}"))
        .output()
        .expect("curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.to_string(), body.to_string())
}

#[test]
fn prometheus_scrapes_over_tls_with_a_token_and_not_without() {
    let folder = Folder::new();
    let (agent, port) = begin_remote(&folder, false);
    let (code, secret, said) = token(&agent, &["create", "--tenant", "*", "--role", "viewer", "--name", "prometheus"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("viewer of *, stands until it is revoked. It is shown this once:"), "{said}");
    let (right, wrong) = (folder.write("right", &secret), folder.write("wrong", "ww_nothing"));
    let job = |name: &str, file: &PathBuf| {
        format!(
            "  - job_name: {name}\n    scheme: https\n    honor_labels: true\n    authorization:\n      credentials_file: {}\n    \
             tls_config:\n      ca_file: {}\n      min_version: TLS13\n    static_configs:\n      - targets: [\"localhost:{port}\"]\n",
            file.display(),
            servers().value("WW_CA_FILE")
        )
    };
    let jobs = [job("right", &right), job("wrong", &wrong)].concat();
    let config = folder.write("prometheus.yml", &format!("global:\n  scrape_interval: 1s\nscrape_configs:\n{jobs}"));
    let web = free_port();
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.0.join("prometheus").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{web}"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.0.join("prometheus.log")).expect("a log"))
        .spawn();
    let _prometheus = Process(prometheus.expect("prometheus"));
    let query = |expression: &str| -> Value {
        let found = get(web, &format!("/api/v1/query?query={expression}")).map_or(String::new(), |(_, body)| body);
        serde_json::from_str::<Value>(&found).map_or(Value::Null, |found| found["data"]["result"].clone())
    };
    wait("Prometheus has the host's series", Duration::from_secs(30), || {
        query("node_cpu_seconds_total").as_array().is_some_and(|all| !all.is_empty())
    });
    let series = query("node_memory_MemTotal_bytes");
    assert_eq!(series[0]["metric"]["target"], "this-host", "{series}");
    wait("both jobs were tried", Duration::from_secs(30), || query("up").as_array().map(Vec::len) == Some(2));
    let ups = query("up");
    let up = |job: &str| ups.as_array().into_iter().flatten().find(|one| one["metric"]["job"] == job).cloned();
    assert_eq!(up("right").map(|one| one["value"][1].clone()), Some(json!("1")), "{ups}");
    assert_eq!(up("wrong").map(|one| one["value"][1].clone()), Some(json!("0")), "{ups}");
    let (_, targets) = get(web, "/api/v1/targets").expect("its targets");
    assert!(targets.contains("server returned HTTP status 401 Unauthorized"), "{targets}");
    let expiry = query("watchward_serve_certificate_expiry_timestamp_seconds");
    let expiry: f64 = expiry[0]["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    assert!(expiry > 1.7e9, "{expiry}");
}

#[test]
fn tokens_are_made_listed_and_revoked_from_the_command_line_and_stand_in_no_log() {
    let folder = Folder::new();
    let (agent, port) = begin_remote(&folder, true);
    let (_, secret, _) = token(&agent, &["create", "--tenant", "default", "--role", "admin", "--expires", "90d"]);
    let secret = secret.trim_end();
    assert!(secret.starts_with("ww_") && secret.len() == 63, "'{secret}' is not the token alone");
    let (code, made, _) =
        token(&agent, &["create", "--tenant", "default", "--role", "viewer", "--name", "second", "--json"]);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    assert_eq!((code, &made["name"], &made["expires"]), (0, &json!("second"), &Value::Null));
    let second = made["token"].as_str().expect("a token").to_string();

    let bearer = |secret: &str| format!("Authorization: Bearer {secret}");
    let (status, body) = ask_tls(port, "/api/v1/caller", &["-H", &bearer(secret)]);
    assert_eq!(status, "200");
    assert!(body.contains("\"role\":\"admin\",\"tenants\":[\"default\"]"), "{body}");
    let wrong = "ww_planted000_planted0planted0planted0planted0planted0planted0x";
    assert_eq!(ask_tls(port, "/metrics", &["-H", &bearer(wrong)]).0, "401");
    assert_eq!(ask_tls(port, "/metrics", &["-H", "Authorization: Basic cGxhbnRlZDpwbGFudGVk"]).0, "401");
    assert_eq!(ask_tls(port, &format!("/metrics?token={second}"), &[]).0, "401", "a URL is no place for a token");
    let login = |secret: &str| {
        let body = json!({ "token": secret }).to_string();
        ask_tls(port, "/login", &["-H", "Content-Type: application/json", "-d", &body, "-D", "/dev/stderr"]).0
    };
    assert_eq!((login(&second), login(wrong)), ("200".to_string(), "401".to_string()));

    let (code, table, _) = token(&agent, &["list"]);
    assert_eq!(code, 0);
    let heads: Vec<&str> = table.lines().next().unwrap_or_default().split("  ").map(str::trim).collect();
    let heads: Vec<&str> = heads.into_iter().filter(|head| !head.is_empty()).collect();
    assert_eq!(heads, ["ID", "NAME", "ROLE", "TENANTS", "EXPIRES", "LAST USED", "MADE BY"], "{table}");
    let row = table.lines().find(|line| line.contains("second")).unwrap_or_default();
    assert!(row.contains("viewer") && row.contains("never"), "{table}");
    let id = row.split_whitespace().next().unwrap_or_default();
    let (code, said, _) = token(&agent, &["revoke", id]);
    assert_eq!((code, said.as_str()), (0, "the token second is revoked\n"));
    assert_eq!(ask_tls(port, "/metrics", &["-H", &bearer(&second)]).0, "401", "at once");
    let (code, _, said) = token(&agent, &["revoke", id]);
    let expected =
        format!("error: there is no token '{id}' here [serve-35]\nhint: `watchward token list` has the ids.\n");
    assert_eq!((code, said), (2, expected));
    let (code, _, said) = token(&agent, &["create", "--tenant", "default", "--role", "viewer", "--expires", "soon"]);
    let expected = "error: expires 'soon' is neither a duration nor a time [serve-32]\n\
                    hint: Write it like \"90d\" or \"2027-01-31T00:00:00Z\".\n";
    assert_eq!((code, said.as_str()), (2, expected));

    let config = agent.config.clone();
    let state = folder.0.join("state");
    let (_, _, log) = agent.stop();
    let planted = [&secret[14..57], &second[14..57], "planted", "cGxhbnRlZ"];
    let mut places = vec![("the log".to_string(), log.into_bytes()), ("the list".to_string(), table.into_bytes())];
    for file in walk(&state) {
        places.push((file.display().to_string(), fs::read(&file).unwrap_or_default()));
    }
    for (place, bytes) in places {
        for secret in planted {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "a secret is in {place}");
        }
    }
    let (code, _, said) = run(&["token", "list", "--config", &config.display().to_string()], &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.starts_with("error: no agent answers: cannot connect to "), "{said}");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn a_crowd_that_sends_much_and_never_ends_costs_little() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, HOST);
    std::thread::sleep(Duration::from_secs(3));
    let resident = || agent.metric("process_resident_memory_bytes");
    let before = resident();
    let mut crowd = Vec::new();
    // Heads that never end, and bodies that are announced as large, of those who have shown nothing.
    for at in 0..200 {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", agent.port)) else { continue };
        let text = if at % 2 == 0 {
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(31 << 10))
        } else {
            format!(
                "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n100000\r\n{}",
                "x".repeat(64 << 10)
            )
        };
        let _ = socket.write_all(text.as_bytes());
        crowd.push(socket);
    }
    std::thread::sleep(Duration::from_secs(2));
    let grown = (resident() - before) / f64::from(1 << 20);
    assert!(grown < 24.0, "200 clients made the agent grow by {grown:.1} MiB");
    drop(crowd);
    assert_eq!(agent.get("/healthz"), "ok\n");
}
