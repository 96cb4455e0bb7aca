//! `mongodb+srv`: one session to one member of the live replica set, which a name server of the test's own lists.

use std::time::Duration;

use watchward::engines::contract::Session;
use watchward::model::target::{Target, Url};

use crate::dns::{NameServer, Zone};
use crate::mongodb::all_read_but_pbm;
use crate::servers::{Readings, Servers, engine, open, read_all, servers, target};

const LIST: &str = "_mongodb._tcp.docs.example.org";

fn member(number: u8) -> String {
    format!("db{number}.example.org")
}

/// The whole set, with the options that its records set.
fn zone(servers: &Servers) -> Zone {
    let text = format!("authSource=admin&replicaSet={}", servers.value("WW_MONGODB_REPLICA_SET"));
    (1..=3).fold(Zone::default().txt("docs.example.org", &[&text]), |zone, number| {
        let port = servers.port(&format!("WW_MONGODB_{number}_PORT"));
        zone.srv(LIST, &member(number), port).loopback(&member(number))
    })
}

fn watched(servers: &Servers, names: &NameServer, parameters: &[(&str, &str)]) -> Target {
    let url = Url {
        scheme: "mongodb+srv".to_string(),
        user: servers.value("WW_MONITOR_USER").to_string(),
        host: "docs.example.org".to_string(),
        port: 0,
        path: String::new(),
        parameters: parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
    };
    let mut target = target("mongodb", url, &servers.secret("WW_MONGODB_MONITOR_PASSWORD_FILE"));
    target.options.resolver = names.address.to_string();
    target
}

async fn read(target: &Target) -> (Box<dyn Session>, Readings) {
    let mut session = open(target).await.unwrap_or_else(|fault| panic!("{fault}"));
    session.probe().await.unwrap_or_else(|fault| panic!("{fault}"));
    let readings = read_all(engine("mongodb"), &mut *session).await;
    (session, readings)
}

/// The port of the member that a session reads, as the member itself says it.
fn member_read(readings: &Readings) -> u16 {
    let status = readings["server_status"].as_ref().expect("points");
    let info: Vec<_> = status.all.keys().filter(|series| series.starts_with("mongodb_seed_list_member_info")).collect();
    let [info] = info[..] else { panic!("one member is read, not {info:?}") };
    let number =
        info.rsplit_once("\",rs_nm").and_then(|(before, _)| before.rsplit_once(':')).expect("a member's name").1;
    number.parse().unwrap_or_else(|_| panic!("{info}"))
}

#[tokio::test]
async fn the_primary_is_read_and_when_it_is_gone_another_member() {
    let servers = servers();
    let names = NameServer::start(Some(zone(&servers))).await;
    let target = watched(&servers, &names, &[("tls", "false")]);
    let (mut session, readings) = read(&target).await;
    all_read_but_pbm(&readings);
    assert_eq!(session.facts().role, "primary");
    let first = member_read(&readings);
    let number = (1..=3).find(|number| servers.port(&format!("WW_MONGODB_{number}_PORT")) == first).expect("a member");
    let name = format!("mongodb-{number}");

    servers.ctl(&name, "stop");
    let gone = session.probe().await;
    let after = open(&target).await;
    // Put back before anything is said of it.
    let (probed, is_broken) = (gone.is_err(), session.is_broken());
    let second = match after {
        Ok(mut session) => {
            let readings = read_all(engine("mongodb"), &mut *session).await;
            // Between two primaries a secondary is read.
            Ok((member_read(&readings), session.facts().role.clone(), readings))
        }
        Err(fault) => Err(fault),
    };
    servers.ctl(&name, "start");
    assert!(probed && is_broken, "a session whose member is gone is opened anew");
    let (port, role, readings) = second.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(port != first && ["primary", "secondary"].contains(&role.as_str()), "{port} as {role}");
    all_read_but_pbm(&readings);
}

#[tokio::test]
async fn a_list_that_names_one_secondary_is_read_there() {
    let servers = servers();
    let mut roles = Vec::new();
    for number in 1..=3 {
        let port = servers.port(&format!("WW_MONGODB_{number}_PORT"));
        let zone = Zone::default().srv(LIST, &member(number), port).loopback(&member(number));
        let names = NameServer::start(Some(zone)).await;
        let (session, readings) = read(&watched(&servers, &names, &[("tls", "false"), ("authSource", "admin")])).await;
        assert_eq!(member_read(&readings), port);
        roles.push(session.facts().role.clone());
    }
    roles.sort();
    assert_eq!(roles, ["primary", "secondary", "secondary"]);
}

#[tokio::test]
async fn tls_is_on_by_itself_and_asks_for_the_members_own_name() {
    let servers = servers();
    let names = NameServer::start(Some(zone(&servers))).await;
    let mut target = watched(&servers, &names, &[]);
    target.ca_file = Some(servers.value("WW_CA_FILE").into());
    let fault = open(&target).await.err().expect("the certificate is not for this name");
    assert!(fault.detail.contains("'db1.example.org'"), "{fault}");
    assert_eq!(fault.what, "none of the 3 servers that 'docs.example.org' lists can be read");
}

#[tokio::test]
async fn a_member_of_another_set_is_not_read() {
    let servers = servers();
    let names = NameServer::start(Some(zone(&servers))).await;
    let fault = open(&watched(&servers, &names, &[("tls", "false"), ("replicaSet", "other")])).await.err().expect("no");
    let of = |number: u8| {
        let port = servers.port(&format!("WW_MONGODB_{number}_PORT"));
        format!("db{number}.example.org:{port} is of the set 'docs', not of 'other'")
    };
    assert_eq!((fault.code, fault.detail), ("mongodb-13", format!("{}; {}; {}.", of(1), of(2), of(3))));
}

#[tokio::test]
async fn a_name_server_that_is_silent_costs_no_more_than_the_deadline() {
    let servers = servers();
    let names = NameServer::start(None).await;
    let watch = watchward::sys::clock::Stopwatch::start();
    let fault = open(&watched(&servers, &names, &[("tls", "false")])).await.err().expect("nobody answers");
    assert_eq!(fault.code, "net-02", "{fault}");
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
}
