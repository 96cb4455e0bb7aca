//! How the login that watches is made: a psql script, and the shell line that runs it.

use crate::engines::contract::{Facts, LATEST, Place, Version, named, privileges};
use crate::engines::postgresql::monitor::ROWS;
use crate::engines::postgresql::monitor::objects::READ_ALL_DATA;

/// Where Debian's servers have their sockets, which is where psql looks by itself.
const SOCKETS: &str = "/var/run/postgresql";

/// From this version on some connections may be kept for those who hold a role for it.
const RESERVES: Version = (16, 0);

/// From this version on there is a role that reads all.
const READS_ALL: Version = (14, 0);

/// The script. `\password` hashes in the client, so that no log and no statistics of the server see the password.
pub fn script(login: &str, version: Option<Version>, _kind: &str) -> String {
    let facts = Facts { version: version.unwrap_or(LATEST), ..Facts::default() };
    let roles =
        privileges(ROWS, &facts).into_iter().filter(|role| *role != READ_ALL_DATA).collect::<Vec<_>>().join(", ");
    let server = named("PostgreSQL", version);
    let reserved = if facts.version >= RESERVES {
        format!(
            "-- Where reserved_connections keeps places, one for the agent is:\n\
             --   GRANT pg_use_reserved_connections TO {login};\n"
        )
    } else {
        String::new()
    };
    let read_all = if facts.version >= READS_ALL {
        format!(
            "-- For the optional rows bloat and sequences, which read what tables and sequences hold:\n\
             --   GRANT {READ_ALL_DATA} TO {login};\n"
        )
    } else {
        String::new()
    };
    format!(
        "-- The login with which Watchward watches {server}: it reads statistics, and nobody's data.\n\
         -- For psql as a superuser. At its end \\password asks twice for the password, and sends only its SCRAM hash.\n\
         \\set ON_ERROR_STOP on\n\
         SELECT 'CREATE ROLE {login} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') \\gexec\n\
         GRANT {roles} TO {login};\n\
         GRANT CONNECT ON DATABASE postgres TO {login};\n\
         -- And for each further database that does not let everybody in: tables are read in all of them.\n\
         -- Statistics of statements, where shared_preload_libraries names pg_stat_statements:\n\
         --   CREATE EXTENSION IF NOT EXISTS pg_stat_statements;\n\
         {reserved}\
         {read_all}\
         SET password_encryption = 'scram-sha-256';\n\
         \\password {login}\n"
    )
}

/// Without a terminal psql reads the password where it reads the script: twice, as if it were typed.
pub fn line(place: &Place<'_>) -> String {
    let Place { script, password_file, as_owner, url, .. } = place;
    let mut psql = format!("{as_owner}setsid -w psql -X -q -d postgres");
    match url.host.as_str() {
        SOCKETS => {}
        folder if folder.starts_with('/') => psql.push_str(&format!(" -h {folder}")),
        host => psql.push_str(&format!(" -h {host} -U postgres")),
    }
    if url.port != 0 && url.port != 5432 {
        psql.push_str(&format!(" -p {}", url.port));
    }
    format!("{{ {script}; cat {password_file} {password_file}; }} | {psql}")
}
