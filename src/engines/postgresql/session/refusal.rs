//! What the server's error codes mean: a fault when no session comes about, an unknown when one row fails.

use std::error::Error as _;

use tokio_postgres::Error;

use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};

/// What to tell people about a code (or a class of codes: a prefix) that ends a login.
struct Login {
    sqlstate: &'static str,
    code: &'static str,
    hint: &'static str,
}

const LOGINS: &[Login] = &[
    Login {
        sqlstate: "28P01",
        code: "postgresql-03",
        hint: "Is this the role's password, and is it still valid (pg_roles.rolvaliduntil)?",
    },
    Login {
        sqlstate: "28",
        code: "postgresql-04",
        hint: "Does the role exist, may it log in, and does pg_hba.conf let it in from here to this database, with or \
               without TLS?",
    },
    Login {
        sqlstate: "3D000",
        code: "postgresql-05",
        hint: "Is the database's name right? Nearly every server has one named postgres.",
    },
    Login {
        sqlstate: "42501",
        code: "postgresql-06",
        hint: "GRANT CONNECT ON DATABASE … TO the role, or name a database that it may enter.",
    },
    Login {
        sqlstate: "53300",
        code: "postgresql-07",
        hint: "Who holds the connections (pg_stat_activity)? From version 16 GRANT pg_use_reserved_connections TO the \
               role keeps a place for the agent.",
    },
    Login {
        sqlstate: "57P",
        code: "postgresql-08",
        hint: "The server begins, ends or recovers, or somebody ended the agent's session; its log says which.",
    },
];

/// The class of codes that says: not as this user, not with this password.
const LOGIN_REFUSED: &str = "28";

/// Why the server gives no session, in its own words. `door` is where it was asked, `user` who asked.
pub fn fault(door: &str, user: &str, error: &Error) -> Fault {
    if let Some(server) = error.as_db_error() {
        let sqlstate = server.code().code();
        let known = LOGINS.iter().find(|login| sqlstate.starts_with(login.sqlstate));
        let (code, hint) = known.map_or(("postgresql-09", ""), |login| (login.code, login.hint));
        return Fault::new(code, format!("no session with {door} as '{user}': {}", server.message()))
            .detail(format!("The server said {} {sqlstate}.", server.severity()))
            .hint(hint)
            .of_login(sqlstate.starts_with(LOGIN_REFUSED));
    }
    let cause = error.source();
    if let Some(fault) = cause.and_then(|cause| cause.downcast_ref::<Fault>()) {
        return fault.clone();
    }
    let words = cause.map_or_else(|| error.to_string(), ToString::to_string);
    match words.as_str() {
        "password missing" => {
            Fault::new("postgresql-10", format!("no session with {door} as '{user}': it wants a password"))
                .hint("Name its file in password_file.")
                .of_login(true)
        }
        "server does not support TLS" => Fault::new("postgresql-11", format!("{door} offers no TLS")).hint(
            "Set ssl = on in postgresql.conf. Where plain text is acceptable: sslmode=disable and insecure = true.",
        ),
        _ => Fault::new("postgresql-12", format!("no session with {door} as '{user}': {words}"))
            .hint("Is it PostgreSQL that listens there? Its log may say more."),
    }
}

/// What a code (or a class of codes: a prefix) says of a row; the first that fits.
const KINDS: &[(&str, UnknownKind)] = &[
    ("42501", UnknownKind::Privilege),
    ("42P01", UnknownKind::Missing),    // table or view
    ("42703", UnknownKind::Missing),    // column
    ("42883", UnknownKind::Missing),    // function
    ("42704", UnknownKind::Missing),    // setting, role, type
    ("3F000", UnknownKind::Missing),    // schema
    ("57014", UnknownKind::Deadline),   // statement_timeout
    ("55P03", UnknownKind::Deadline),   // lock_timeout
    ("0A000", UnknownKind::NotHere),    // not supported by this build or service
    ("55000", UnknownKind::NotHere),    // a library is not preloaded; not during recovery
    ("57P", UnknownKind::Disconnected), // the server ends us
    ("08", UnknownKind::Disconnected),
];

/// Why a row brought nothing.
pub fn unknown(error: &Error, too_large: bool) -> Unknown {
    if let Some(server) = error.as_db_error() {
        let sqlstate = server.code().code();
        let known = KINDS.iter().find(|(prefix, _)| sqlstate.starts_with(prefix));
        let kind = known.map_or(UnknownKind::Refused, |(_, kind)| *kind);
        return Unknown::new(kind, format!("{} ({sqlstate})", server.message()));
    }
    if too_large {
        return Unknown::new(UnknownKind::TooLarge, "the answer is larger than allowed");
    }
    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Unknown::new(UnknownKind::Disconnected, words)
}
