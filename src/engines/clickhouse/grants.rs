//! How the login that watches is made: SQL where users are made by SQL, before that a file of the server's configuration.

use crate::engines::clickhouse::monitor::ROWS;
use crate::engines::clickhouse::session::known;
use crate::engines::contract::{Facts, LATEST, Place, Version, named, privileges};

/// The first version whose users are made by SQL.
const KNOWS_GRANTS: Version = (20, 4);

/// What the shell line puts the hash in place of.
const HASH: &str = "SHA256_OF_THE_PASSWORD";

/// The script, with a place for the password's hash: the server keeps nothing else.
pub fn script(login: &str, version: Option<Version>, _kind: &str) -> String {
    let server = named("ClickHouse", version);
    let version_of_rights = version.unwrap_or(LATEST);
    let facts = Facts { version: version_of_rights, capabilities: known().collect(), ..Facts::default() };
    if facts.version < KNOWS_GRANTS {
        return before_grants(login, &server);
    }
    let grants: String = privileges(ROWS, &facts).into_iter().map(|one| format!("GRANT {one} TO {login};\n")).collect();
    format!(
        "-- The login with which Watchward watches {server}: it reads these system tables, and nobody's data.\n\
         -- For clickhouse-client as a user with access_management. The hash: printf %s \"$PASSWORD\" | sha256sum\n\
         CREATE USER IF NOT EXISTS {login} IDENTIFIED WITH sha256_hash BY '{HASH}' HOST LOCAL SETTINGS readonly = 2;\n\
         {grants}"
    )
}

/// Such a server knows rights by database only. The rows name nothing outside `system`.
fn before_grants(login: &str, server: &str) -> String {
    format!(
        "<!-- The login with which Watchward watches {server}: it reads system tables, and nobody's data.\n     \
              For users.d/{login}.xml beside users.xml. The hash: printf %s \"$PASSWORD\" | sha256sum -->\n\
         <yandex>\n  \
           <profiles><{login}><readonly>1</readonly></{login}></profiles>\n  \
           <users>\n    \
             <{login}>\n      \
               <password_sha256_hex>{HASH}</password_sha256_hex>\n      \
               <networks><ip>::1</ip><ip>127.0.0.1</ip></networks>\n      \
               <profile>{login}</profile>\n      \
               <quota>default</quota>\n      \
               <allow_databases><database>system</database></allow_databases>\n    \
             </{login}>\n  \
           </users>\n\
         </yandex>\n"
    )
}

pub fn line(place: &Place<'_>) -> String {
    let Place { script, password_file, .. } = place;
    format!(
        "{script} | sed \"s/{HASH}/$(printf %s \"$(cat {password_file})\" | sha256sum | cut -c1-64)/\" \
         | clickhouse-client --multiquery   # as a user with access_management: --user NAME --ask-password"
    )
}
