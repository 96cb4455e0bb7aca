//! The Keeper, or ZooKeeper, that keeps a cluster's replicas in step: asked by its words of four letters.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::engines::contract::{Answer, Table};
use crate::model::reading::{Unknown, UnknownKind};
use crate::sys::net::{Address, TOO_LARGE, dial};

/// The most that a Keeper may say: ZooKeeper says some 20 KiB.
const ANSWER_BYTES_MAX: usize = 256 << 10;

const PORT: u16 = 9181;

/// What a server says that does not know a word, or may not answer it.
const NOT_ALLOWED: &str = "is not executed because it is not in the whitelist";

/// What a member says that has no leader.
const NOT_SERVING: &str = "is not currently serving requests";

/// Reads a Keeper's address: `host`, `host:port` or `[::1]:port`.
pub fn address(text: &str) -> Option<Address> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port > 0))?;
    (!host.is_empty() && host.chars().all(fits)).then(|| Address::Tcp { host: host.to_string(), port })
}

/// What a Keeper says of itself, as names and values in a table: `up`, `ruok`, and what `mntr` has. One that is down is
/// told as such, with its reason.
pub async fn read(address: &Address, budget: Duration) -> Answer {
    let names = |rows: Vec<(&str, &str)>| Table {
        columns: ["name", "value"].map(str::to_string).to_vec(),
        rows: rows.into_iter().map(|(name, value)| vec![Some(name.to_string()), Some(value.to_string())]).collect(),
    };
    let said = match ask(address, "mntr", budget / 2).await {
        Ok(said) => said,
        Err(unknown) => return Answer::Partial(names(vec![("up", "0")]), unknown),
    };
    let server = address.text();
    let refused = |reason: String| Unknown::new(UnknownKind::Refused, reason);
    if said.contains(NOT_ALLOWED) {
        let reason =
            format!("the keeper {server} may not answer 'mntr': it is not in its whitelist of four letter words");
        return Answer::Partial(names(vec![("up", "1")]), refused(reason));
    }
    if said.contains(NOT_SERVING) {
        let reason = format!("the keeper {server} serves nobody: has it a leader?");
        return Answer::Partial(names(vec![("up", "1"), ("server_leader", "0")]), refused(reason));
    }
    let mut rows = vec![("up", "1")];
    // Each name once, and none that is ours to say: a list of versions would be as many series.
    let mut names_seen = BTreeSet::from(["up", "ruok"]);
    let pairs = said.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    rows.extend(pairs.filter(|(name, _)| names_seen.insert(name)));
    if !rows.iter().any(|(name, _)| *name == "server_state") {
        let start: String = said.chars().take(60).collect::<String>().escape_debug().to_string();
        let reason = format!("{server} answers 'mntr' with '{start}': is it a Keeper or ZooKeeper?");
        return Answer::Partial(names(vec![("up", "0")]), Unknown::new(UnknownKind::Garbled, reason));
    }
    // The second word is not allowed everywhere; what answers the first is well.
    match ask(address, "ruok", budget / 2).await {
        Ok(said) if said.contains(NOT_ALLOWED) => {}
        Ok(said) => rows.push(("ruok", if said == "imok" { "1" } else { "0" })),
        Err(_) => rows.push(("ruok", "0")),
    }
    Answer::Table(names(rows))
}

/// Says one word, and hears all of the answer: the server ends the connection behind it.
async fn ask(address: &Address, word: &str, patience: Duration) -> Result<String, Unknown> {
    let server = address.text();
    let lost = |reason: String| Unknown::new(UnknownKind::Disconnected, reason);
    let asked = async {
        let mut stream = dial(address, ANSWER_BYTES_MAX).await.map_err(|fault| lost(fault.what))?;
        let mut said = Vec::new();
        let heard = match stream.write_all(word.as_bytes()).await {
            Ok(()) => stream.read_to_end(&mut said).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match heard {
            Ok(()) => Ok(String::from_utf8_lossy(&said).into_owned()),
            Err(error) if error.to_string() == TOO_LARGE => {
                let reason = format!("the keeper {server} answers '{word}' with more than {ANSWER_BYTES_MAX} bytes");
                Err(Unknown::new(UnknownKind::TooLarge, reason))
            }
            Err(error) => Err(lost(format!("no whole answer from the keeper {server}: {error}"))),
        }
    };
    timeout(patience, asked).await.unwrap_or_else(|_| {
        Err(Unknown::new(
            UnknownKind::Deadline,
            format!("the keeper {server} does not answer '{word}' within {patience:?}"),
        ))
    })
}
