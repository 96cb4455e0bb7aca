//! `mongodb+srv`: the servers that a domain's records list, and which of them one session reads. The rules are those of
//! the specification "Initial DNS Seedlist Discovery"; which member is read is decided here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::engines::mongodb::session::{has_tls, hello, role};
use crate::model::fault::Fault;
use crate::model::target::{Target, Url};
use crate::sys::lookup::{self, Names};
use crate::sys::net::Address;
use crate::sys::reach;

const SCHEME: &str = "mongodb+srv";
const SERVICE: &str = "mongodb";

/// The most servers of one list that are looked at.
const SERVERS_MAX: usize = 50;

/// The most servers whose faults are told one by one.
const FAULTS_SHOWN: usize = 3;

/// The longest that what others wrote is shown, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// What the records of a list may set, in the order of the specification.
const OPTIONS: [&str; 3] = ["authSource", "replicaSet", "loadBalanced"];

/// Whether a URL stands for a list of servers.
pub fn is_one(url: &Url) -> bool {
    url.scheme == SCHEME
}

/// Whether a URL is one that the specification allows, as far as that shows without its records.
///
/// # Errors
/// `mongodb-06`: what it may not have.
pub fn check(url: &Url) -> Result<(), Fault> {
    let wrong = |what: &str, hint: &str| Err(Fault::new("mongodb-06", what.to_string()).hint(hint));
    let says = |name: &str| url.parameters.get(name).map(String::as_str);
    if !is_one(url) {
        return match ["srvServiceName", "srvMaxHosts"].into_iter().find(|name| says(name).is_some()) {
            Some(name) => wrong(&format!("{name} stands in a url that is not mongodb+srv"), "Leave it out."),
            None => Ok(()),
        };
    }
    if url.host.starts_with('/') || url.host.parse::<IpAddr>().is_ok() {
        return wrong(
            "a mongodb+srv url names a domain, and this one an address or a socket",
            "Write mongodb:// to reach one server.",
        );
    }
    if url.port != 0 {
        return wrong("a mongodb+srv url has no port", "The domain's records name the ports: leave it out.");
    }
    if says("directConnection") == Some("true") {
        return wrong("directConnection=true stands in a mongodb+srv url", "Write mongodb:// to reach one server.");
    }
    if says("srvServiceName").is_some_and(|name| !is_service(name)) {
        return wrong("srvServiceName is no name of a service", "It has letters, digits and '-', at most 62.");
    }
    let most = says("srvMaxHosts").unwrap_or("0").parse::<u32>();
    let Ok(most) = most else {
        return wrong("srvMaxHosts is not a whole number", "0 is no limit.");
    };
    if most > 0 && (says("replicaSet").is_some() || says("loadBalanced") == Some("true")) {
        return wrong("srvMaxHosts stands beside replicaSet or loadBalanced", "It is for routers: keep one of them.");
    }
    Ok(())
}

fn is_service(name: &str) -> bool {
    (1..=62).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// The member that one session reads, as a target of its own, and where it listens. The primary, or a router; without
/// either another member that answers.
///
/// # Errors
/// `mongodb-06` to `mongodb-13`, `names-01`, `net-02` and `net-03`.
pub async fn member(target: &Target) -> Result<(Target, Address), Fault> {
    check(&target.url)?;
    let names = Names::open(lookup::name_server(&target.options.resolver), target.deadline / 4)?;
    let domain = target.url.host.as_str();
    let service = target.url.parameters.get("srvServiceName").map_or(SERVICE, String::as_str);
    let record = format!("_{service}._tcp.{domain}");
    let (services, texts) = tokio::join!(names.services(&record), names.texts(domain));
    let servers = servers(domain, &record, services?)?;
    let mut whole = target.clone();
    whole.url.parameters = with_texts(&target.url, &texts?)?;
    let set = whole.url.parameters.get("replicaSet").cloned().unwrap_or_default();
    whole.url.parameters.insert("tls".to_string(), has_tls(target).to_string());
    whole.url.scheme = "mongodb".to_string();
    let most = target.url.parameters.get("srvMaxHosts").and_then(|most| most.parse().ok()).filter(|most| *most > 0);
    let names = Some(names).filter(|_| !target.options.resolver.is_empty());
    let asked: FuturesUnordered<_> = servers
        .iter()
        .take(most.unwrap_or(SERVERS_MAX).min(SERVERS_MAX))
        .map(|(host, port)| look(&whole, host, *port, names.as_ref(), &set, target.deadline / 4))
        .collect();
    best(domain, asked).await
}

/// One server of a list: who it is, and where.
struct Seen {
    rank: u8,
    target: Target,
    address: Address,
}

/// Says hello to one server of the list.
async fn look(
    whole: &Target,
    host: &str,
    port: u16,
    names: Option<&Names>,
    set: &str,
    patience: Duration,
) -> Result<Seen, (String, Fault)> {
    let mut target = whole.clone();
    (target.url.host, target.url.port) = (host.to_string(), port);
    let said = async {
        let host = match names {
            Some(names) => names.address(host).await?.to_string(),
            None => host.to_string(),
        };
        let address = Address::Tcp { host, port };
        let wish = has_tls(&target).then(|| reach::wish(&target));
        hello::say(&address, wish.as_ref()).await.map(|hello| (address, hello))
    };
    // Its name and its hello have that long each.
    let said = timeout(patience * 2, said).await.unwrap_or_else(|_| {
        Err(Fault::new("net-02", format!("{host}:{port} did not answer within {:?}", patience * 2)))
    });
    let (address, hello) = said.map_err(|fault| (format!("{host}:{port}"), fault))?;
    let own = hello.get_str("setName").unwrap_or_default();
    if !set.is_empty() && own != set {
        let what = format!("{host}:{port} is of the set '{}', not of '{set}'", shown(own));
        return Err((format!("{host}:{port}"), Fault::new("mongodb-12", what)));
    }
    Ok(Seen { rank: rank(role(&hello)), target, address })
}

/// The beginning of what others wrote, in one line: a record may have sixty thousand characters of any kind.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect::<String>().escape_debug().to_string()
}

/// Which member is read rather than another: the least.
fn rank(role: &str) -> u8 {
    match role {
        "primary" | "mongos" | "standalone" => 0,
        "secondary" => 1,
        "arbiter" | "uninitiated" => 3,
        _ => 2,
    }
}

/// The first that is as good as can be, else the best of all that answer.
async fn best(
    domain: &str,
    mut asked: FuturesUnordered<impl Future<Output = Result<Seen, (String, Fault)>>>,
) -> Result<(Target, Address), Fault> {
    let (mut seen, mut faults) = (Vec::new(), BTreeMap::new());
    while let Some(said) = asked.next().await {
        match said {
            Ok(one) if one.rank == 0 => return Ok((one.target, one.address)),
            Ok(one) => seen.push(one),
            Err((server, fault)) => drop(faults.insert(server, fault)),
        }
    }
    // By name, so that the same one is read after a restart.
    seen.sort_by(|a, b| {
        (a.rank, &a.target.url.host, a.target.url.port).cmp(&(b.rank, &b.target.url.host, b.target.url.port))
    });
    match seen.into_iter().next() {
        Some(one) => Ok((one.target, one.address)),
        None => Err(nobody(domain, &faults)),
    }
}

fn nobody(domain: &str, faults: &BTreeMap<String, Fault>) -> Fault {
    let all = faults.len();
    let mut shown: Vec<String> = faults.values().take(FAULTS_SHOWN).map(|fault| fault.what.clone()).collect();
    if all > FAULTS_SHOWN {
        shown.push(format!("and {} more", all - FAULTS_SHOWN));
    }
    // What nobody refused is tried again at once.
    let is_net = faults.values().any(|fault| fault.code.starts_with("net-"));
    let code = if is_net { "net-03" } else { "mongodb-13" };
    Fault::new(code, format!("none of the {all} servers that '{domain}' lists can be read"))
        .detail(format!("{}.", shown.join("; ")))
        .hint("Does this machine reach them, and are they of the cluster that is meant?")
}

/// The servers of a list, each once, in the order of their names: each must be of the list's own domain, for whoever
/// can forge a record must not get our login sent to a server of theirs.
///
/// # Errors
/// `mongodb-07`: there are none. `mongodb-08`: one is of another domain.
pub fn servers(domain: &str, record: &str, mut found: Vec<(String, u16)>) -> Result<Vec<(String, u16)>, Fault> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    if found.is_empty() {
        return Err(Fault::new("mongodb-07", format!("there is no SRV record '{record}'"))
            .hint("Is the domain of the url right? One server is named with mongodb://."));
    }
    // A domain of one or two parts is its own; of a longer one, the first part is the list's name.
    let own = match domain.split_once('.') {
        Some((_, rest)) if rest.contains('.') => rest,
        _ => domain.as_str(),
    };
    let is_own = |host: &str| host.strip_suffix(own).is_some_and(|before| before.len() > 1 && before.ends_with('.'));
    if let Some((host, _)) = found.iter().find(|(host, _)| !is_own(host)) {
        return Err(Fault::new("mongodb-08", format!("'{domain}' lists '{host}', which is not of the domain '{own}'"))
            .detail("No login is sent to a server of another domain.")
            .hint("Is the record right? Servers of another domain are named with mongodb://, one target each."));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// A URL's parameters, and under them those that the list's TXT record sets.
///
/// # Errors
/// `mongodb-09`: the record sets what it may not. `mongodb-10`: there are several. `mongodb-11`: the servers stand behind
/// a load balancer.
pub fn with_texts(url: &Url, texts: &[String]) -> Result<BTreeMap<String, String>, Fault> {
    let domain = &url.host;
    let mut parameters = BTreeMap::new();
    if texts.len() > 1 {
        return Err(Fault::new("mongodb-10", format!("'{domain}' has {} TXT records", texts.len()))
            .hint("There may be one, with the options of the connection."));
    }
    for pair in texts.iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = OPTIONS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        let fits = !value.is_empty() && (known != Some("loadBalanced") || matches!(value, "true" | "false"));
        let (Some(known), true) = (known, fits) else {
            return Err(Fault::new("mongodb-09", format!("the TXT record of '{domain}' has '{}'", shown(pair)))
                .hint(format!("It may set {}.", OPTIONS.join(", "))));
        };
        if parameters.insert(known.to_string(), value.to_string()).is_some() {
            return Err(Fault::new("mongodb-09", format!("the TXT record of '{domain}' has '{known}' twice")));
        }
    }
    parameters.extend(url.parameters.clone());
    if parameters.get("loadBalanced").is_some_and(|value| value == "true") {
        return Err(Fault::new("mongodb-11", format!("the servers of '{domain}' stand behind a load balancer"))
            .hint("Which one answers would change all the time: name each router as a target."));
    }
    let limits = parameters.get("srvMaxHosts").is_some_and(|most| most != "0");
    if limits && parameters.contains_key("replicaSet") {
        return Err(Fault::new("mongodb-06", "srvMaxHosts stands beside replicaSet or loadBalanced")
            .hint("It is for routers: keep one of them."));
    }
    Ok(parameters)
}
