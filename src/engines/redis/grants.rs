//! How the login that watches is made: ACL commands, and the shell line that sends them.

use crate::engines::contract::{Facts, LATEST, Place, Row, Version, named};
use crate::engines::redis::monitor::ROWS;

/// The first version that knows users.
const KNOWS_USERS: Version = (6, 0);
/// The first version that knows channels.
const KNOWS_CHANNELS: Version = (6, 2);

/// The session names itself, so that people who look at the clients know who it is.
const SESSION: &str = "+client|setname";

/// The commands: of a server with data, or of a Sentinel. `reset` leaves the user off until it is given a password.
pub fn script(login: &str, version: Option<Version>, kind: &str) -> String {
    let version_known = version.unwrap_or(LATEST);
    if version_known < KNOWS_USERS {
        return format!(
            "# {} knows no users: the agent logs in without a name, with the password that is in requirepass.\n",
            named("Redis", version)
        );
    }
    let is_sentinel = kind == "sentinel";
    let capabilities: &[&'static str] = if is_sentinel { &["sentinel"] } else { &["data", "cluster"] };
    let facts =
        Facts { version: version_known, capabilities: capabilities.iter().copied().collect(), ..Facts::default() };
    let (usual, optional): (Vec<&Row>, Vec<&Row>) =
        ROWS.iter().filter(|row| row.exists(&facts)).partition(|row| !row.optional);
    let commands = commands(&usual, &[]);
    let more: String = optional
        .into_iter()
        .map(|row| (row.name, self::commands(&[row], &commands).join(" ")))
        .filter(|(_, commands)| !commands.is_empty())
        .map(|(name, commands)| format!("# For the optional row {name}: ACL SETUSER {login} {commands}\n"))
        .collect();
    // Rights to read keys alone came with 7.
    let more = if version_known < (7, 0) { more.replace("%R~", "~") } else { more };
    let commands = commands.join(" ");
    let channels = if version_known >= KNOWS_CHANNELS { " resetchannels" } else { "" };
    let server = named(if is_sentinel { "Redis Sentinel" } else { "Redis" }, version);
    format!(
        "# The login with which Watchward watches {server}: commands that read statistics, and no key.\n\
         # It is off until it gets a password, from a file so that no history has it:\n\
         #   printf 'ACL SETUSER {login} on >%s\\n' \"$(cat PASSWORD_FILE)\" | redis-cli\n\
         # To outlive a restart: ACL SAVE where aclfile is set, else CONFIG REWRITE.\n\
         ACL SETUSER {login} reset{channels} -@all {SESSION} {commands}\n{more}"
    )
}

/// What some rows need, each once, without what is there already.
fn commands(rows: &[&Row], without: &[&str]) -> Vec<&'static str> {
    let mut all = Vec::new();
    for command in rows.iter().flat_map(|row| row.privilege.split(", ")) {
        if !command.is_empty() && !all.contains(&command) && !without.contains(&command) {
            all.push(command);
        }
    }
    all
}

pub fn line(place: &Place<'_>) -> String {
    let Place { script, password_file, url, login, .. } = place;
    let mut client = "redis-cli".to_string();
    if url.host.starts_with('/') {
        client.push_str(&format!(" -s {}", url.host));
    } else if url.port != 0 && url.port != 6379 {
        client.push_str(&format!(" -p {}", url.port));
    }
    // redis-cli takes a comment for a command, and reads its own password from this variable.
    format!(
        "read -rs REDISCLI_AUTH && export REDISCLI_AUTH && {{ {script} | grep ^ACL && \
         printf 'ACL SETUSER {login} on >%s\\n' \"$(cat {password_file})\"; }} | {client}   \
         # first type the password that redis-cli needs"
    )
}
