//! The servers asked as their administrator, by their own programs: what they count, and what they are to do.

use std::process::{Command, Stdio};

use crate::common::Outcome;
use crate::common::servers::Servers;

/// What the server prints for this statement, fields of a line apart by '|'.
pub fn psql(servers: &Servers, database: &str, sql: &str) -> Outcome<String> {
    let mut command = Command::new(servers.value("WW_PSQL")?);
    postgresql(servers, &mut command)?;
    command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
    said(command)
}

/// Has a program of PostgreSQL's ask the primary as its administrator.
pub fn postgresql(servers: &Servers, command: &mut Command) -> Outcome<()> {
    command.env("PGHOST", servers.value("WW_TLS_HOST")?).env("PGPORT", servers.value("WW_PG_PRIMARY_PORT")?);
    command.env("PGUSER", servers.value("WW_PG_ADMIN_USER")?);
    command.env("PGPASSWORD", servers.secret("WW_PG_ADMIN_PASSWORD_FILE")?);
    command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", servers.value("WW_CA_FILE")?);
    Ok(())
}

/// What the primary answers to a command.
pub fn redis(servers: &Servers, words: &[&str]) -> Outcome<String> {
    let mut command = Command::new(servers.value("WW_REDIS_CLI")?);
    command.args(["-h", servers.value("WW_HOST")?, "-p", servers.value("WW_REDIS_PRIMARY_PORT")?]);
    command.args(["--user", servers.value("WW_REDIS_ADMIN_USER")?, "--no-auth-warning"]);
    command.env("REDISCLI_AUTH", servers.secret("WW_REDIS_ADMIN_PASSWORD_FILE")?).args(words);
    said(command)
}

/// What this script prints; `c` is a client of the first member.
pub fn mongodb(servers: &Servers, script: &str, words: &[&str]) -> Outcome<String> {
    let connect = "import sys,time,pymongo\n\
                   c=pymongo.MongoClient(sys.argv[1],int(sys.argv[2]),username=sys.argv[3],\
                   password=open(sys.argv[4]).read().strip(),directConnection=True)\n";
    let mut command = Command::new(servers.value("WW_PYTHON")?);
    command.args(["-c", &format!("{connect}{script}")]);
    for key in ["WW_HOST", "WW_MONGODB_1_PORT", "WW_MONGODB_ADMIN_USER", "WW_MONGODB_ADMIN_PASSWORD_FILE"] {
        command.arg(servers.value(key)?);
    }
    command.args(words);
    said(command)
}

/// Runs a program to its end.
///
/// # Errors
/// It cannot be run, or fails; with what it says of that.
pub fn said(mut command: Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_string())
}

/// The word after what the line begins with, as a number.
pub fn number(text: &str, key: &str) -> Outcome<f64> {
    let line = text.lines().find_map(|line| line.trim_end().strip_prefix(key));
    let word = line.and_then(|rest| rest.split_whitespace().next()).ok_or(format!("no '{key}' in the answer"))?;
    word.parse().map_err(|_| format!("'{key}' is followed by '{word}'"))
}
