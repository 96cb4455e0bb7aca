//! Trust: who proves wrongly or not at all who it is gets no session, says why, and disturbs nobody; and no secret leaks.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;
use tokio_postgres::NoTls;
use tokio_tungstenite::connect_async;

use crate::agent::{Agent, Folder, configure, run, sections, wait};
use crate::collector::{Answer, Collector};
use crate::faulty::{Faulty, Weather};
use crate::servers::{Servers, servers};
use crate::sink::Sink;

const SOON: Duration = Duration::from_secs(30);

/// An authority of the test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A TLS server whose certificate is for `name` and ends with `year`. It speaks TLS at once, or after a PostgreSQL
    /// client has asked for it, and closes when the handshake is done.
    fn serve(&self, name: &str, year: i32) -> u16 {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_string()]).expect("parameters");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).expect("signed").into();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let config = Arc::new(config.expect("a configuration"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its port").port();
        // It ends with the test's process: there is nobody that could be disturbed.
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(shake_hands(stream, &config))));
        port
    }
}

fn shake_hands(mut stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut first = [0; 1];
    stream.peek(&mut first)?;
    if first[0] == 0 {
        stream.read_exact(&mut [0; 8])?; // SSLRequest
        stream.write_all(b"S")?;
    }
    let mut connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    connection.complete_io(&mut stream).map(|_| ())
}

/// A target's section.
fn target(name: &str, engine: &str, url: &str, keys: &str) -> String {
    format!("[[target]]\nname = \"{name}\"\nengine = \"{engine}\"\nurl = \"{url}\"\n{keys}\n")
}

/// A target with the URL of one of the servers' own, and keys of the test's.
fn with_keys(name: &str, of: &str, change: impl Fn(&str) -> String, keys: &str) -> String {
    let section = sections(&[of], "");
    let value = |key: &str| section.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap_or("");
    let ca_file = if section.contains("ca_file") { format!("ca_file = {}\n", value("ca_file")) } else { String::new() };
    let url = change(value("url").trim_matches('"'));
    target(name, value("engine").trim_matches('"'), &url, &format!("{ca_file}{keys}"))
}

/// What a target says of why it is down, in one text.
fn why(agent: &Agent, name: &str) -> String {
    let fault = agent.target(name)["fault"].clone();
    ["code", "what", "detail", "hint"].map(|part| fault[part].as_str().unwrap_or("").to_string()).join("\n")
}

/// All of these targets end down with these words, each also in a finding and with a hint; `good` ones never notice.
fn check_down(agent: &Agent, expected: &[(&str, &[&str])], good: &[&str]) {
    for (name, words) in expected {
        agent.wait_up(name, false, SOON);
        let said = why(agent, name);
        assert!(words.iter().all(|one| said.contains(one)), "{name} lacks one of {words:?}:\n{said}");
        assert!(said.lines().count() == 4 && said.lines().last().is_some_and(|hint| hint.len() > 20), "{name}: {said}");
        let known = || agent.json("/api/v1/findings").as_array().cloned().unwrap_or_default();
        let is_its = |one: &Value| one["kind"] == "TargetDown" && one["target"] == *name;
        wait(&format!("a finding for {name}"), SOON, || known().iter().any(&is_its));
        let finding = known().into_iter().find(&is_its).expect("it stands");
        let words: Vec<&str> =
            words.iter().copied().filter(|one| said.lines().nth(1).unwrap_or("").contains(one)).collect();
        let evidence = finding["evidence"].as_str().unwrap_or("");
        assert!(words.iter().all(|one| evidence.contains(one)), "{name}: the finding says {evidence}");
        assert_eq!(agent.query(&format!("up{{target=\"{name}\"}}")), [0.0]);
    }
    for name in good {
        agent.wait_up(name, true, SOON);
        assert_eq!(agent.query(&format!("min_over_time(up{{target=\"{name}\"}}[10m])")), [1.0], "{name} was affected");
    }
}

const JUDGE: &str = "[judge]\ntarget_down_for = \"0s\"\n[sample]\ninterval = \"2s\"\n";

#[test]
fn a_wrong_password_or_database_is_told_in_the_servers_words_and_mended_without_a_restart() {
    let folder = Folder::new();
    let wrong = folder.write("wrong", "this is not it\n");
    let keys = format!("password_file = \"{}\"", wrong.display());
    let same = |url: &str| url.to_string();
    let nowhere = |url: &str| url.replace("/postgres?", "/nowhere?");
    let right = sections(&["orders"], "");
    let right = right.lines().find(|line| line.starts_with("password_file")).expect("its password");
    let all = [
        JUDGE.to_string(),
        sections(&["cache", "orders-standby"], ""),
        with_keys("p", "orders", same, &keys),
        with_keys("p-database", "orders", nowhere, right),
        with_keys("r", "cache", same, &keys),
        with_keys("m", "documents-1", same, &keys),
        with_keys("c", "visits", same, &keys),
        with_keys("e", "search", same, &keys),
    ];
    let agent = Agent::begin(&folder, &all.concat());
    let expected: &[(&str, &[&str])] = &[
        ("p", &["postgresql-03", "password authentication failed for user \"watchward\""]),
        ("p-database", &["postgresql-05", "database \"nowhere\" does not exist"]),
        ("r", &["WRONGPASS invalid username-password pair or user is disabled."]),
        ("m", &["mongodb-02", "Authentication failed."]),
        ("c", &["clickhouse-01", "Wrong password for user watchward"]),
        ("e", &["elasticsearch-01", "401"]),
    ];
    check_down(&agent, expected, &["cache", "orders-standby"]);
    assert!(!agent.log().contains("this is not it"));
    // The file is read again when it changes, however long the next attempt would have been put off.
    let password = servers().secret("WW_PG_MONITOR_PASSWORD_FILE");
    folder.write("wrong", &password);
    agent.wait_up("p", true, Duration::from_secs(8));
}

/// Runs SQL on the standby as its superuser.
async fn on_standby(servers: &Servers, sql: &str) {
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", servers.port("WW_PG_STANDBY_PORT"))).await;
    let mut config = tokio_postgres::Config::new();
    config.dbname("postgres").user(servers.value("WW_PG_ADMIN_USER"));
    config.password(servers.secret("WW_PG_ADMIN_PASSWORD_FILE"));
    let (client, driver) = config.connect_raw(socket.expect("a socket"), NoTls).await.expect("a connection");
    tokio::spawn(driver);
    for one in sql.split(';') {
        client.batch_execute(one).await.expect(one); // ALTER SYSTEM wants to be alone
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_that_is_refused_or_proves_nothing_gives_no_session() {
    let (folder, servers) = (Folder::new(), servers());
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = format!("ca_file = \"{}\"\n", folder.write("ca.pem", &ours.pem).display());
    let ports = [ours.serve("localhost", 2021), ours.serve("db1.example.org", 2099), theirs.serve("localhost", 2099)];
    let words = ["expired", "db1.example.org", "authority"];
    let mut all = format!("{JUDGE}{}", sections(&["cache", "orders"], ""));
    let mut expected: Vec<(String, [&str; 2])> = Vec::new();
    for (at, port) in ports.iter().enumerate() {
        let urls = [
            ("postgresql", format!("postgres://watchward@localhost:{port}/postgres?sslmode=verify-full")),
            ("redis", format!("rediss://watchward@localhost:{port}")),
            ("mongodb", format!("mongodb://localhost:{port}/?tls=true")),
            ("clickhouse", format!("https://watchward@localhost:{port}")),
            ("elasticsearch", format!("https://watchward@localhost:{port}")),
        ];
        for (engine, url) in urls {
            let name = format!("{engine}-{at}");
            all.push_str(&target(&name, engine, &url, &ca));
            expected.push((name, ["tls-05", words[at]]));
        }
    }
    on_standby(&servers, "ALTER SYSTEM SET ssl = off; SELECT pg_reload_conf()").await;
    let require = |url: &str| url.replace("verify-full", "require");
    let right = sections(&["orders"], "");
    let right = right.lines().find(|line| line.starts_with("password_file")).expect("its password");
    all.push_str(&with_keys("p-plain", "orders-standby", require, right));
    expected.push(("p-plain".to_string(), ["postgresql-11", "offers no TLS"]));
    let plain = format!("rediss://watchward@127.0.0.1:{}", servers.port("WW_REDIS_PRIMARY_PORT"));
    all.push_str(&target("r-plain", "redis", &plain, &ca));
    expected.push(("r-plain".to_string(), ["sample-0", "answer from 127.0.0.1:"])); // it waits for more
    let agent = Agent::begin(&folder, &all);
    let expected: Vec<(&str, &[&str])> = expected.iter().map(|(name, words)| (name.as_str(), &words[..])).collect();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        check_down(&agent, &expected, &["cache", "orders"]);
    }));
    on_standby(&servers, "ALTER SYSTEM RESET ssl; SELECT pg_reload_conf()").await;
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    agent.wait_up("p-plain", true, Duration::from_secs(70));
}

/// Twenty-odd secrets, each where users put one, right ones and wrong ones.
struct Planted {
    secrets: BTreeMap<String, String>,
    sections: String,
    environment: Vec<(&'static str, String)>,
    /// Listening, so that what it refuses can be told.
    _echoes: Vec<Faulty>,
}

impl Planted {
    fn new(folder: &Folder, servers: &Servers, sink: &Sink, collector: &Collector) -> Planted {
        let mut secrets = BTreeMap::new();
        let mut plant = |place: &str| {
            let secret =
                format!("planted{:02}x{:08x}", secrets.len(), std::process::id() ^ (secrets.len() as u32) << 20);
            secrets.insert(place.to_string(), secret.clone());
            secret
        };
        let file = |name: &str, text: &str| format!("password_file = \"{}\"", folder.write(name, text).display());
        let same = |url: &str| url.to_string();
        let mut all = format!("{JUDGE}{}", sections(&["orders", "cache", "documents-1", "visits", "search"], ""));
        for (name, of) in [("p", "orders"), ("r", "cache"), ("m", "documents-1"), ("c", "visits"), ("e", "search")] {
            let secret = plant(&format!("the file of {of}"));
            all.push_str(&with_keys(&format!("{name}-file"), of, same, &file(name, &secret)));
            let secret = plant(&format!("the URL of {of}"));
            let url = |url: &str| url.replace("watchward@", &format!("watchward:{secret}@"));
            all.push_str(&with_keys(&format!("{name}-url"), of, url, ""));
        }
        let echoes = ["postgresql", "redis", "clickhouse", "elasticsearch"].map(|engine| {
            let (echo, secret) = (Faulty::begin(engine, Weather::Echo), plant(&format!("the echo of {engine}")));
            all.push_str(&echo.target(&format!("echo-{engine}"), &file(engine, &secret)));
            echo
        });
        let environment = vec![
            ("PLANTED_WRONG", plant("the environment")),
            ("PLANTED_KEY", plant("the environment's API key")),
            ("PLANTED_HOOK", plant("the environment's hook")),
            ("PLANTED_ACTION", plant("the environment's action")),
            ("PLANTED_RIGHT", servers.secret("WW_REDIS_MONITOR_PASSWORD_FILE")),
        ];
        all.push_str(&with_keys("r-environment", "cache", same, "password_env = \"PLANTED_WRONG\""));
        all.push_str(&with_keys("r-right", "cache-replica", same, "password_env = \"PLANTED_RIGHT\""));
        all.push_str(&with_keys("e-key", "search", same, "api_key_env = \"PLANTED_KEY\""));
        let action = folder.write("action", &plant("the action's file"));
        for (name, of, key, value, secret) in [
            ("act-cache", "cache", "maxmemory", "256mb", format!("password_file = \"{}\"", action.display())),
            ("act-orders", "orders", "work_mem", "64MB", "password_env = \"PLANTED_ACTION\"".to_string()),
        ] {
            let section = sections(&[of], "");
            let login = section.lines().find(|line| line.starts_with("password_file")).expect("its password");
            let action = format!("{login}\naction = {{ user = \"nobody\", {secret} }}");
            all.push_str(&with_keys(name, of, same, &action));
            all.push_str(&format!(
                "[[policy]]\nname = \"change {name}\"\nwhen = \"alert:Never\"\nmode = \"auto\"\n\
                 do = {{ set = {{ target = \"{name}\", key = \"{key}\", value = \"{value}\" }} }}\n"
            ));
        }
        let headers = folder.write("headers", &format!("authorization: Bearer {}\n", plant("the export's file")));
        all.push_str(&collector.config(&format!(
            "interval = \"1s\"\nheaders = {{ \"x-api-key\" = \"{}\" }}\nheaders_file = \"{}\"\n",
            plant("the export's header"),
            headers.display()
        )));
        let key = folder.write("key", &plant("the API key's file"));
        all.push_str(&with_keys("e-key-file", "search", same, &format!("api_key_file = \"{}\"", key.display())));
        let hook = folder.write("hook", &plant("the hook's secret"));
        let (word, path, port) = (plant("the hook's password"), plant("the hook's path"), sink.port);
        all.push_str(&format!(
            "[[alert.receiver]]\nname = \"hook\"\n\
             webhook = {{ url = \"http://me:{word}@127.0.0.1:{port}/{path}\", secret_file = \"{}\" }}\n\
             [[alert.receiver]]\nname = \"other\"\n\
             webhook = {{ url = \"http://127.0.0.1:1/{path}\", secret_env = \"PLANTED_HOOK\" }}\n\
             [alert.route]\nreceiver = \"hook\"\n",
            hook.display()
        ));
        for name in ["PG", "REDIS", "MONGODB", "CLICKHOUSE", "ELASTICSEARCH"] {
            let key = format!("WW_{name}_MONITOR_PASSWORD_FILE");
            secrets.insert(format!("the right one of {name}"), servers.secret(&key));
        }
        Planted { secrets, sections: all, environment, _echoes: echoes.into() }
    }

    /// Ends the test where a place has any secret, as it is or as logins over HTTP write it.
    fn look(&self, place: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for (whose, secret) in &self.secrets {
            let encoded = BASE64.encode(format!("watchward:{secret}"));
            for form in [secret, &encoded] {
                let found = text.find(form.as_str());
                let around = found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned());
                assert_eq!(around, None, "{whose} is in {place}, after that");
            }
        }
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What the stream tells in a few seconds.
async fn streamed(port: u16) -> Vec<u8> {
    let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{port}/api/v1/stream")).await.expect("the stream");
    let mut all = Vec::new();
    let listening = async {
        while let Some(Ok(frame)) = socket.next().await {
            all.extend(frame.into_data());
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), listening).await; // it never ends by itself
    all
}

/// What the agent says at its own socket, where whoever asks may see all.
fn of_socket(folder: &Folder, path: &str) -> Vec<u8> {
    let mut socket = UnixStream::connect(folder.0.join("state/watchward.sock")).expect("the socket");
    socket.set_read_timeout(Some(SOON)).expect("a time");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a question");
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("an answer");
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&bytes));
    bytes
}

/// Every verb that tells something, with the code it ends with; 0 to 3 where that is as it may be.
const VERBS: &[(&str, Option<i32>)] = &[
    ("check-config", Some(0)),
    ("check-config --json", Some(0)),
    ("rules", Some(0)),
    ("rules --json", Some(0)),
    ("discover", Some(0)),
    ("discover --json", Some(0)),
    ("status", Some(2)),
    ("status --json", Some(2)),
    ("targets", Some(0)),
    ("targets --json", Some(0)),
    ("top --json", None),
    ("query up", Some(0)),
    ("query up --json", Some(0)),
    ("policy list", Some(0)),
    ("policy list --json", Some(0)),
    ("policy arm PLAN", Some(0)),
    ("policy run PLAN --dry-run", None),
    ("policy run PLAN", None),
    ("policy list", Some(0)),
    ("journal", Some(0)),
    ("journal --json", Some(0)),
    ("token list", Some(0)),
    ("token list --json", Some(0)),
];

const PATHS: &[&str] = &[
    "/",
    "/metrics",
    "/metrics?target=r-url",
    "/healthz",
    "/readyz",
    "/api/v1/targets",
    "/api/v1/alerts",
    "/api/v1/findings",
    "/api/v1/caller",
    "/api/v1/policies",
    "/api/v1/journal",
    "/api/v1/database/health/default",
    "/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D",
    "/api/v1/query_range?query=up&start=0&end=1&step=1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_planted_secret_is_in_any_byte_of_what_the_agent_shows_writes_or_sends() {
    let (folder, sink, collector, servers) = (Folder::new(), Sink::begin(), Collector::begin(), servers());
    collector.answer_always(Answer::status(401)); // so that what is refused is told
    let mut planted = Planted::new(&folder, &servers, &sink, &collector);
    assert!(planted.secrets.len() >= 20, "{}", planted.secrets.len());
    let environment: Vec<(&'static str, String)> = planted.environment.clone();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
    let agent = Agent::begin_loud(&folder, &planted.sections, &environment);
    let all = |agent: &Agent| agent.json("/api/v1/targets").as_array().cloned().unwrap_or_default();
    let of = |agent: &Agent, up: bool| {
        all(agent).iter().filter(|one| one["up"] == up).map(|one| one["name"].to_string()).collect::<Vec<_>>()
    };
    let expected = r#""act-cache" "act-orders" "cache" "documents-1" "orders" "r-right" "search" "visits""#;
    wait("who has the right password is up", SOON, || of(&agent, true).join(" ") == expected);
    wait("the others are down", SOON, || of(&agent, false).len() + 8 == all(&agent).len());
    wait("people are told of each that is down", SOON, || sink.alerts().len() >= of(&agent, false).len());
    wait("the collector is told", SOON, || !collector.seen().is_empty());

    let config = agent.config.display().to_string();
    let verb = |words: &[&str]| run(&[words, &["--config", &config]].concat(), &environment);
    let (code, token, said) = verb(&["token", "create", "--tenant", "*", "--role", "admin"]);
    assert_eq!((code, token.trim().len()), (0, 63), "{said}");
    planted.secrets.insert("the token that was shown once".to_string(), token.trim().to_string());
    planted.look("what is said beside the token", said.as_bytes());
    planted.look("the stream", &streamed(agent.port).await);
    for (words, expected) in VERBS {
        for policy in if words.contains("PLAN") { &["change act-cache", "change act-orders"][..] } else { &[""] } {
            let words: Vec<&str> = words.split(' ').map(|word| if word == "PLAN" { *policy } else { word }).collect();
            let (code, output, errors) = verb(&words);
            assert!(!output.is_empty() || !errors.is_empty(), "{words:?} says nothing");
            assert!(expected.is_none_or(|expected| expected == code), "{words:?}: {code}\n{output}{errors}");
            planted.look(&format!("{words:?}"), format!("{output}{errors}").as_bytes());
        }
    }
    for path in PATHS {
        planted.look(path, agent.get(path).as_bytes());
        planted.look(&format!("{path} of the socket"), &of_socket(&folder, path));
    }
    for path in ["/api/v1/config", "/api/v1/tokens"] {
        planted.look(path, &of_socket(&folder, path));
    }
    for told in sink.told() {
        planted.look("a webhook's body", told.text.as_bytes());
    }
    for seen in collector.seen() {
        assert!(seen.headers.contains_key("x-api-key") && seen.headers.contains_key("authorization"));
        planted.look("what is pushed", &seen.body);
    }
    planted.look("its command line", &fs::read(format!("/proc/{}/cmdline", agent.pid())).expect("proc"));
    for file in files(&folder.0.join("state")) {
        planted.look(&file.display().to_string(), &fs::read(&file).unwrap_or_default());
    }

    // A configuration that is refused: with a secret in each place of it that is wrong.
    let secret = planted.secrets["the file of cache"].clone();
    let wrong = format!(
        "{}\n{}\npasswd = \"{secret}\"\n",
        target("wrong", "redis", &format!("redis://u:{secret}@127.0.0.1:{secret}"), ""),
        target("worse", "redis", "redis://127.0.0.1", &format!("password_file = \"{secret}\"")),
    );
    agent.reload(&folder, &wrong);
    wait("it is refused", SOON, || agent.get("/api/v1/findings").contains("ConfigurationInvalid"));
    planted.look("the finding", agent.get("/api/v1/findings").as_bytes());
    let port = agent.port;
    let (ended, _, log) = agent.stop();
    assert!(ended.success());
    assert!(log.contains(" is down: ") && log.contains("the new configuration is not used"), "{log}");
    planted.look("the log", log.as_bytes());

    // The same once more, with a log for machines.
    let config = configure(&folder, &folder.0.join("state"), port, &planted.sections);
    let agent = Agent::start_with(&["--verbose", "--log", "json"], config, port, &folder, &environment);
    wait("the same are up", SOON, || of(&agent, true).join(" ") == expected);
    wait("the same are down", SOON, || of(&agent, false).len() + 8 == all(&agent).len());
    let (ended, _, log) = agent.stop();
    assert!(ended.success());
    assert!(log.contains("\"level\":\"info\"") && log.contains(" is down: "), "{log}");
    planted.look("the log for machines", log.as_bytes());
    for file in files(&folder.0.join("state")) {
        planted.look(&format!("{} after the end", file.display()), &fs::read(&file).unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_privilege_costs_its_row_and_no_more() {
    let (folder, servers) = (Folder::new(), servers());
    let password = format!("password_file = \"{}\"", folder.write("password", "halfway-password").display());
    on_primary(&servers, "DROP ROLE IF EXISTS halfway; CREATE ROLE halfway LOGIN PASSWORD 'halfway-password'").await;
    on_primary(&servers, "GRANT CONNECT ON DATABASE postgres TO halfway").await;
    let rules = "on >halfway-password resetkeys resetchannels -@all +ping +hello +info +client|setname +config|get";
    redis(&servers, &["ACL", "SETUSER", "halfway"].into_iter().chain(rules.split(' ')).collect::<Vec<_>>());
    let halfway = |url: &str| url.replace("watchward@", "halfway@");
    let two = [with_keys("p", "orders", halfway, &password), with_keys("r", "cache", halfway, &password)].concat();
    let agent = Agent::begin(&folder, &format!("{JUDGE}{two}"));
    let rows = |name: &str| -> BTreeMap<String, (String, String)> {
        let target = agent.wait_up(name, true, SOON);
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("").to_string();
        let rows = target["unknown_rows"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| (text(row, "row"), (text(row, "kind"), text(row, "reason")))).collect()
    };
    let (p, r) = (rows("p"), rows("r"));
    let read = agent.query("pg_stat_database_numbackends{target=\"p\",datname=\"postgres\"}");
    let info = agent.query("redis_uptime_in_seconds{target=\"r\"}");
    drop(agent);
    on_primary(&servers, "REVOKE CONNECT ON DATABASE postgres FROM halfway; DROP ROLE halfway").await;
    redis(&servers, &["ACL", "DELUSER", "halfway"]);
    let of_monitor =
        |(_, (kind, reason)): (&String, &(String, String))| kind == "privilege" && reason.contains("pg_monitor");
    assert!(p.iter().filter(|(row, _)| *row != "stat_user_tables").all(of_monitor), "{p:#?}");
    let elsewhere = &p["stat_user_tables"].1;
    assert!(elsewhere.contains("lacks CONNECT; grant it, or exclude the database"), "other databases: {p:#?}");
    assert!(p.contains_key("stat_replication") && p.contains_key("wal"), "{p:#?}");
    assert!(r.values().all(|(kind, _)| kind == "privilege"), "{r:#?}");
    assert_eq!(r.keys().collect::<Vec<_>>(), ["latency", "latency_histogram", "slowlog", "slowlog_length"], "{r:#?}");
    assert!(r["slowlog"].1.contains("NOPERM") && r["slowlog"].1.contains("slowlog|get"), "{r:#?}");
    assert!(read.len() == 1 && info.len() == 1, "the rest is read: {read:?} {info:?}");
}

async fn on_primary(servers: &Servers, sql: &str) {
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", servers.port("WW_PG_PRIMARY_PORT"))).await;
    let mut config = tokio_postgres::Config::new();
    config.dbname("postgres").user(servers.value("WW_PG_ADMIN_USER"));
    config.password(servers.secret("WW_PG_ADMIN_PASSWORD_FILE"));
    let (client, driver) = config.connect_raw(socket.expect("a socket"), NoTls).await.expect("a connection");
    tokio::spawn(driver);
    client.batch_execute(sql).await.expect(sql);
}

fn redis(servers: &Servers, words: &[&str]) {
    let port = servers.value("WW_REDIS_PRIMARY_PORT");
    let done = std::process::Command::new(servers.value("WW_REDIS_CLI"))
        .args(["--no-auth-warning", "-p", port, "--user", servers.value("WW_REDIS_ADMIN_USER")])
        .args(words)
        .env("REDISCLI_AUTH", servers.secret("WW_REDIS_ADMIN_PASSWORD_FILE"))
        .output()
        .expect("redis-cli");
    assert!(!String::from_utf8_lossy(&done.stdout).contains("ERR"), "{words:?}: {done:?}");
}
