//! Redis: a primary, its replica and three Sentinels, read as the monitoring user.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use watchward::engines::contract::{Ask, Row, Session};
use watchward::model::reading::UnknownKind;
use watchward::model::secret::Secret;
use watchward::model::target::{SecretSource, Target, Url};
use watchward::sys::task;

use crate::servers::{Readings, Servers, all_read, engine, open, read_all, servers, target, unknowns};

/// The two servers that hold data. Which is the primary is theirs to say: Sentinels may have changed it.
const DATA: [&str; 2] = ["WW_REDIS_PRIMARY_PORT", "WW_REDIS_REPLICA_PORT"];

fn watched(servers: &Servers, port: &str) -> Target {
    let url = Url {
        scheme: "redis".to_string(),
        user: servers.value("WW_MONITOR_USER").to_string(),
        host: servers.value("WW_HOST").to_string(),
        port: servers.port(port),
        ..Url::default()
    };
    target("redis", url, &servers.secret("WW_REDIS_MONITOR_PASSWORD_FILE"))
}

async fn read(target: &Target) -> (Box<dyn Session>, Readings) {
    let mut session = open(target).await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("redis"), &mut *session).await;
    (session, readings)
}

/// An administrator's connection, for breaking things.
async fn administrator(servers: &Servers, port: &str) -> MultiplexedConnection {
    let stream = TcpStream::connect((servers.value("WW_HOST"), servers.port(port))).await.expect("a connection");
    let login = RedisConnectionInfo::default()
        .set_username(servers.value("WW_REDIS_ADMIN_USER"))
        .set_password(servers.secret("WW_REDIS_ADMIN_PASSWORD_FILE"));
    let opened = MultiplexedConnection::new_with_config(&login, stream, AsyncConnectionConfig::new()).await;
    let (connection, driver) = opened.expect("an administrator's connection");
    task::spawn("administrator", driver).detach();
    connection
}

async fn command(connection: &mut MultiplexedConnection, line: &str) -> Value {
    let mut cmd = redis::Cmd::new();
    line.split_whitespace().for_each(|word| {
        cmd.arg(word);
    });
    connection.send_packed_command(&cmd).await.unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[tokio::test]
async fn every_row_of_a_primary_and_its_replica_is_read() {
    let servers = servers();
    let mut roles = Vec::new();
    for port in DATA {
        let (session, readings) = read(&watched(&servers, port)).await;
        all_read(&readings);
        assert_eq!((session.facts().version, session.facts().flavour.as_str()), ((7, 0), ""));
        let info = readings["info"].as_ref().expect("read");
        assert!(info.value("redis_memory_used_bytes") > 0.0);
        assert_eq!(info.value("redis_memory_max_bytes"), f64::from(256 << 20));
        assert_eq!(readings["config"].as_ref().expect("read").value("redis_config_maxclients"), 10_000.0);
        let commands = readings["commandstats"].as_ref().expect("read");
        assert!(commands.value("redis_commands_total{cmd=\"info\"}") > 0.0);
        assert!(commands.all.contains_key("redis_latency_percentiles_usec{cmd=\"info\",quantile=\"99.9\"}"));
        let role = session.facts().role.clone();
        let text = info.text();
        if role == "primary" {
            assert!(text.contains("redis_connected_slave_lag_seconds{slave_ip=\"127.0.0.1\""), "{text}");
        } else {
            assert!(text.contains("redis_master_link_up{master_host=\"127.0.0.1\""), "{text}");
        }
        roles.push(role);
    }
    roles.sort();
    assert_eq!(roles, ["primary", "replica"]);
}

#[tokio::test]
async fn every_row_of_a_sentinel_is_read_and_none_of_a_data_server_is_asked() {
    let servers = servers();
    let (session, readings) = read(&watched(&servers, "WW_REDIS_SENTINEL_1_PORT")).await;
    all_read(&readings);
    assert_eq!(session.facts().role, "sentinel");
    let rows: Vec<&str> = readings.keys().copied().collect();
    assert_eq!(
        rows,
        ["info", "sentinel", "sentinel_ckquorum", "sentinel_masters", "sentinel_sentinels", "sentinel_slaves"]
    );
    let text: String = readings.values().flatten().map(|points| points.text()).collect();
    let name = servers.value("WW_REDIS_MASTER_NAME");
    for (series, value) in [("master_status", 1), ("master_ok_slaves", 1), ("master_ok_sentinels", 3)] {
        let line = text.lines().find(|line| line.starts_with(&format!("redis_sentinel_{series}{{"))).expect(series);
        assert!(line.contains(&format!("master_name=\"{name}\"")) && line.ends_with(&format!("}} {value}")), "{line}");
    }
    assert!(
        text.contains("redis_sentinel_master_ckquorum_status{master_name=\"cache\",message=\"OK 3 usable Sentinels.")
    );
}

#[tokio::test]
async fn a_refused_login_says_why_in_the_servers_words_and_never_the_password() {
    let servers = servers();
    let port = servers.port("WW_REDIS_PRIMARY_PORT");
    let check = async |change: &dyn Fn(&mut Target), expected: &str| {
        let mut target = watched(&servers, "WW_REDIS_PRIMARY_PORT");
        change(&mut target);
        let fault = open(&target).await.map(|_| ()).expect_err("refused").to_string();
        assert_eq!(fault, expected);
    };
    let wrong = SecretSource::Inline(Secret::new("planted-password"));
    check(&|target| target.password = wrong.clone(), &format!(
        "no session with 127.0.0.1:{port} as 'watchward': WRONGPASS invalid username-password pair or user is disabled. \
         [redis-02]\nhint: Is this the user's password, and is the user on (ACL LIST)?"
    )).await;
    check(
        &|target| target.password = SecretSource::Inline(Secret::new("")),
        &format!(
            "no session with 127.0.0.1:{port} as 'watchward': NOAUTH Authentication required. [redis-03]\n\
         hint: The server wants a password: name its file in password_file, and the user in the URL."
        ),
    )
    .await;
}

#[tokio::test]
async fn a_command_that_the_acl_forbids_costs_its_row_alone() {
    let servers = servers();
    let port = "WW_REDIS_REPLICA_PORT";
    let mut administrator = administrator(&servers, port).await;
    command(&mut administrator, "ACL SETUSER watchward -slowlog|get -config|get").await;
    let (_, readings) = read(&watched(&servers, port)).await;
    command(&mut administrator, "ACL SETUSER watchward +slowlog|get +config|get").await;
    assert_eq!(
        unknowns(&readings),
        [
            (
                "config",
                UnknownKind::Privilege,
                "NOPERM this user has no permissions to run the 'config|get' command".to_string()
            ),
            (
                "slowlog",
                UnknownKind::Privilege,
                "NOPERM this user has no permissions to run the 'slowlog|get' command".to_string()
            ),
        ]
    );
}

#[tokio::test]
async fn a_login_that_may_not_even_read_info_is_told_what_it_needs() {
    let servers = servers();
    let port = "WW_REDIS_REPLICA_PORT";
    let mut administrator = administrator(&servers, port).await;
    command(&mut administrator, "ACL SETUSER stranger on >stranger +ping").await;
    let mut target = watched(&servers, port);
    target.url.user = "stranger".to_string();
    target.password = SecretSource::Inline(Secret::new("stranger"));
    let refused = open(&target).await.map(|_| ());
    command(&mut administrator, "ACL DELUSER stranger").await;
    assert_eq!(
        refused.expect_err("refused").to_string(),
        format!(
            "no session with 127.0.0.1:{} as 'stranger': NOPERM this user has no permissions to run the 'info' command \
         [redis-04]\nhint: ACL SETUSER for the agent's user: +info +config|get +slowlog|len +slowlog|get +latency|latest.",
            servers.port(port)
        )
    );
}

#[tokio::test]
async fn a_failed_question_costs_one_question_and_a_closed_connection_the_session() {
    const UNKNOWN: Row = Row { name: "broken", ask: Ask::Text("NOSUCH command"), ..Row::DEFAULT };
    let servers = servers();
    let port = "WW_REDIS_REPLICA_PORT";
    let mut administrator = administrator(&servers, port).await;
    let mut session = open(&watched(&servers, port)).await.expect("a session");
    let unknown = session.ask(&UNKNOWN, Duration::from_secs(1)).await.expect_err("broken");
    assert_eq!(
        (unknown.kind, unknown.reason.as_str()),
        (UnknownKind::NotHere, "ERR unknown command 'NOSUCH', with args beginning with: 'command' ")
    );
    session.probe().await.expect("the next question is answered");
    assert!(!session.is_broken());
    let clients = command(&mut administrator, "CLIENT LIST TYPE normal").await;
    let Value::BulkString(clients) = clients else { panic!("{clients:?}") };
    assert!(String::from_utf8_lossy(&clients).contains("name=watchward"), "the session has a name");
    command(&mut administrator, "CLIENT KILL USER watchward").await;
    let fault = session.probe().await.expect_err("closed");
    assert!(session.is_broken());
    // What is written may still be taken before the end is read.
    let expected = ["broken pipe", "it closed the connection"].map(|words| {
        format!(
            "no session with 127.0.0.1:{} as 'watchward': {words} [redis-07]\n\
             hint: Is it Redis that listens there? Its log may say more.",
            servers.port(port)
        )
    });
    assert!(expected.contains(&fault.to_string()), "{fault}");
}

/// TLS in front of a server, with the certificate of the servers' own authority.
async fn tls_in_front(servers: &Servers, port: &str) -> u16 {
    let chain = CertificateDer::pem_file_iter(servers.value("WW_TLS_CERT_FILE")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(servers.value("WW_TLS_KEY_FILE")).expect("its key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.map(|certificate| certificate.expect("PEM")).collect(), key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let front = listener.local_addr().expect("its address").port();
    let back = (servers.value("WW_HOST").to_string(), servers.port(port));
    task::spawn("TLS in front", async move {
        while let Ok((plain, _)) = listener.accept().await {
            let Ok(mut secured) = acceptor.accept(plain).await else { continue };
            let mut server = TcpStream::connect(back.clone()).await.expect("the server");
            let _ = tokio::io::copy_bidirectional(&mut secured, &mut server).await;
        }
    })
    .detach();
    front
}

#[tokio::test]
async fn rediss_is_encrypted_and_checks_who_answers() {
    let servers = servers();
    let mut target = watched(&servers, "WW_REDIS_PRIMARY_PORT");
    target.url.scheme = "rediss".to_string();
    target.url.host = servers.value("WW_TLS_HOST").to_string();
    target.url.port = tls_in_front(&servers, "WW_REDIS_PRIMARY_PORT").await;
    let fault = open(&target).await.map(|_| ()).expect_err("nobody vouches for it");
    assert_eq!(fault.what, "the certificate of 'localhost' is signed by an authority that is not trusted");
    target.ca_file = Some(servers.value("WW_CA_FILE").into());
    let (_, readings) = read(&target).await;
    all_read(&readings);
}
