//! `mongodb+srv`: what records may say, what is refused, and what a session is told when there is nobody.

use std::time::Duration;

use watchward::engines::contract::{Access, Engine};
use watchward::engines::mongodb::MongoDb;
use watchward::engines::mongodb::session::seed_list;
use watchward::model::target::{Target, Url};

use crate::engines::dns::{NameServer, Zone};
use crate::engines::mongodb_fake::{Fake, Manner};
use crate::engines::targets::target;

fn list(host: &str, parameters: &[(&str, &str)]) -> Url {
    let parameters = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Url { scheme: "mongodb+srv".to_string(), host: host.to_string(), parameters, ..Url::default() }
}

fn names(all: &[&str]) -> Vec<(String, u16)> {
    all.iter().map(|name| (name.to_string(), 27017)).collect()
}

#[test]
fn servers_are_of_the_lists_own_domain() {
    let check = |domain: &str, found: &[&str]| match seed_list::servers(domain, "_mongodb._tcp.x", names(found)) {
        Ok(all) => all.into_iter().map(|(host, _)| host).collect::<Vec<_>>().join(" "),
        Err(fault) => fault.what,
    };
    let cluster = "cluster0.example.org";
    assert_eq!(check(cluster, &["b.example.org", "a.example.org", "b.example.org"]), "a.example.org b.example.org");
    assert_eq!(check(cluster, &["a.b.example.org"]), "a.b.example.org");
    assert_eq!(check("Cluster0.Example.org.", &["a.example.org"]), "a.example.org");
    assert_eq!(check("example.org", &["a.example.org"]), "a.example.org");
    assert_eq!(check("localhost", &["a.localhost"]), "a.localhost");
    let other = |domain: &str, host: &str, own: &str| {
        assert_eq!(
            check(domain, &["a.example.org", host].into_iter().filter(|name| *name == host).collect::<Vec<_>>()),
            format!("'{domain}' lists '{host}', which is not of the domain '{own}'")
        );
    };
    other(cluster, "a.example.com", "example.org");
    other(cluster, "a.badexample.org", "example.org");
    other(cluster, "example.org", "example.org");
    other("example.org", "example.org", "example.org");
    other("localhost", "localhost", "localhost");
    assert_eq!(check(cluster, &[]), "there is no SRV record '_mongodb._tcp.x'");
}

#[test]
fn a_txt_record_sets_three_options_under_those_of_the_url() {
    let check = |parameters: &[(&str, &str)], texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_string()).collect();
        match seed_list::with_texts(&list("c.example.org", parameters), &texts) {
            Ok(all) => all.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
            Err(fault) => fault.to_string(),
        }
    };
    assert_eq!(check(&[], &[]), "");
    assert_eq!(check(&[], &["authSource=admin&replicaSet=docs"]), "authSource=admin replicaSet=docs");
    assert_eq!(
        check(&[("authSource", "own")], &["authsource=admin&loadBalanced=false"]),
        "authSource=own loadBalanced=false"
    );
    let bad = |text: &str, shown: &str| {
        assert_eq!(
            check(&[], &[text]),
            format!(
                "the TXT record of 'c.example.org' has '{shown}' [mongodb-09]\n\
                 hint: It may set authSource, replicaSet, loadBalanced."
            )
        );
    };
    bad("authSource=admin&tls=false", "tls=false");
    bad("replicaSet", "replicaSet");
    bad("loadBalanced=perhaps", "loadBalanced=perhaps");
    bad("v=spf1 -all", "v=spf1 -all");
    bad(&format!("x\nhint: {}", "y".repeat(60_000)), &format!("x\\nhint: {}", "y".repeat(52)));
    assert_eq!(
        check(&[], &["replicaSet=a&replicaSet=b"]),
        "the TXT record of 'c.example.org' has 'replicaSet' twice [mongodb-09]"
    );
    assert_eq!(
        check(&[], &["authSource=admin", "replicaSet=docs"]),
        "'c.example.org' has 2 TXT records [mongodb-10]\n\
         hint: There may be one, with the options of the connection."
    );
    assert_eq!(
        check(&[], &["loadBalanced=true"]),
        "the servers of 'c.example.org' stand behind a load balancer [mongodb-11]\n\
         hint: Which one answers would change all the time: name each router as a target."
    );
    assert_eq!(
        check(&[("srvMaxHosts", "2")], &["replicaSet=docs"]),
        "srvMaxHosts stands beside replicaSet or loadBalanced [mongodb-06]\n\
         hint: It is for routers: keep one of them."
    );
}

#[test]
fn a_url_says_no_more_than_a_list_can_have() {
    let check = |url: Url| seed_list::check(&url).map_or_else(|fault| fault.what, |()| "fits".to_string());
    let of = |parameters: &[(&str, &str)]| check(list("c.example.org", parameters));
    assert_eq!(of(&[("srvServiceName", "customname"), ("srvMaxHosts", "0"), ("replicaSet", "docs")]), "fits");
    assert_eq!(check(Url { port: 27017, ..list("c.example.org", &[]) }), "a mongodb+srv url has no port");
    for host in ["127.0.0.1", "::1", "/run/mongodb.sock"] {
        assert_eq!(check(list(host, &[])), "a mongodb+srv url names a domain, and this one an address or a socket");
    }
    assert_eq!(of(&[("directConnection", "true")]), "directConnection=true stands in a mongodb+srv url");
    assert_eq!(of(&[("srvServiceName", "_x")]), "srvServiceName is no name of a service");
    assert_eq!(of(&[("srvMaxHosts", "-1")]), "srvMaxHosts is not a whole number");
    let both = "srvMaxHosts stands beside replicaSet or loadBalanced";
    assert_eq!(of(&[("srvMaxHosts", "1"), ("replicaSet", "docs")]), both);
    assert_eq!(of(&[("srvMaxHosts", "1"), ("loadBalanced", "true")]), both);
    let plain = Url { scheme: "mongodb".to_string(), ..list("db1", &[("srvMaxHosts", "1")]) };
    assert_eq!(check(plain), "srvMaxHosts stands in a url that is not mongodb+srv");
}

#[test]
fn a_list_is_encrypted_unless_it_says_otherwise_and_keeps_its_name() {
    let of = |parameters: &[(&str, &str)]| Target {
        url: list("c.example.org", parameters),
        ..target("mongodb", "mongodb+srv", 0)
    };
    assert_eq!(MongoDb.verifies(&of(&[])), Ok(()));
    assert_eq!(
        MongoDb.verifies(&of(&[("tls", "false")])),
        Err("The connection to c.example.org is not encrypted.".to_string())
    );
    assert!(MongoDb.verifies(&of(&[("ssl", "false")])).is_err());
    assert_eq!(MongoDb.instance(&of(&[])), "c.example.org");
}

/// What a session is told that asks a name server for the list.
async fn told(zone: Option<Zone>) -> String {
    watchward::sys::tls::install_provider();
    let server = NameServer::start(zone).await;
    let mut target = target("mongodb", "mongodb+srv", 0);
    target.url = list("c.example.org", &[("tls", "false")]);
    target.options.resolver = server.address.to_string();
    target.deadline = Duration::from_secs(2);
    let fault = MongoDb.connect(&target, &Access::default()).await.map(|_| ()).expect_err("nobody is there");
    fault.to_string().replace(&server.address.to_string(), "NAMES")
}

const LIST: &str = "_mongodb._tcp.c.example.org";

#[tokio::test]
async fn a_domain_without_a_list_is_told() {
    let nothing = "there is no SRV record '_mongodb._tcp.c.example.org' [mongodb-07]\n\
                   hint: Is the domain of the url right? One server is named with mongodb://.";
    assert_eq!(told(Some(Zone::default())).await, nothing);
    assert_eq!(told(Some(Zone::default().txt(LIST, &["the name is there, the record is not"]))).await, nothing);
}

#[tokio::test]
async fn a_name_server_that_is_silent_is_told_in_time() {
    assert_eq!(
        told(None).await,
        "no SRV of '_mongodb._tcp.c.example.org' from the name server NAMES: no answer within 500ms [net-02]\n\
         hint: Does this machine reach its name server? A target's key resolver names another one."
    );
}

#[tokio::test]
async fn a_server_of_another_domain_gets_no_login() {
    assert_eq!(
        told(Some(Zone::default().srv(LIST, "db1.example.com", 1))).await,
        "'c.example.org' lists 'db1.example.com', which is not of the domain 'example.org' [mongodb-08]\n\
         detail: No login is sent to a server of another domain.\n\
         hint: Is the record right? Servers of another domain are named with mongodb://, one target each."
    );
}

#[tokio::test]
async fn a_txt_record_in_pieces_is_one_text() {
    let zone =
        Zone::default().srv(LIST, "db1.example.org", 1).txt("c.example.org", &["authSource=admin&t", "ls=false"]);
    assert!(told(Some(zone)).await.starts_with("the TXT record of 'c.example.org' has 'tls=false' [mongodb-09]"));
}

#[tokio::test]
async fn servers_that_cannot_be_reached_are_told_one_by_one() {
    let zone = ["db1", "db2"].iter().fold(Zone::default(), |zone, name| {
        let host = format!("{name}.example.org");
        zone.srv(LIST, &host, 1).loopback(&host)
    });
    assert_eq!(
        told(Some(zone.srv(LIST, "lost.example.org", 1))).await,
        "none of the 3 servers that 'c.example.org' lists can be read [net-03]\n\
         detail: cannot connect to 127.0.0.1:1: Connection refused (os error 111); cannot connect to 127.0.0.1:1: \
         Connection refused (os error 111); no address of 'lost.example.org' from the name server NAMES.\n\
         hint: Does this machine reach them, and are they of the cluster that is meant?"
    );
}

#[tokio::test]
async fn a_server_whose_documents_never_end_is_passed_by() {
    let fake = Fake::start_at("hello", Manner::Nests(100_000)).await;
    let host = "db1.example.org";
    let said = told(Some(Zone::default().srv(LIST, host, fake.port).loopback(host))).await;
    let why = "it is no message of MongoDB";
    assert!(said.contains(&format!("no answer from 127.0.0.1:{}: {why}", fake.port)), "{said}");
    let fake = Fake::start_at("hello", Manner::Nests(9_000)).await;
    let said = told(Some(Zone::default().srv(LIST, host, fake.port).loopback(host))).await;
    let why = "it sent documents within documents without end";
    assert!(said.contains(&format!("no answer from 127.0.0.1:{}: {why}", fake.port)), "{said}");
}
