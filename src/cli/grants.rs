//! `watchward grants`: the script that makes a login with the least privilege, for watching or for acting.

use clap::Args;

use crate::cli::output::{self, tell};
use crate::cli::{REFUSED, WELL};
use crate::engines;
use crate::engines::contract::{Engine, SESSION_NAME, Version};
use crate::model::fault::Fault;
use crate::model::nearest::nearest;

/// The longest name that every server takes: one of them has this limit.
const LOGIN_BYTES_MAX: usize = 63;

/// The login that acts, unless it is named.
const ACTING: &str = "watchward_act";

#[derive(Debug, Args)]
pub struct Grants {
    /// The engine, as in engine = "…"
    engine: String,

    /// The server's version, such as 15 or 7.2 [default: the newest]
    version: Option<String>,

    /// The login's name [default: watchward; with --action watchward_act]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The second login, with which the agent changes settings where a policy says so
    #[arg(long)]
    action: bool,

    /// A kind of this server whose logins are made in another way
    #[arg(long, value_name = "KIND", default_value = "")]
    kind: String,

    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Prints the script, or why there is none.
pub fn print(wanted: &Grants) -> u8 {
    match script(wanted) {
        Ok((login, script)) if wanted.json => {
            let Grants { engine, version, .. } = wanted;
            let answer = serde_json::json!({ "engine": engine, "version": version, "login": login, "script": script });
            output::answer(&format!("{answer}\n"), WELL)
        }
        Ok((_, script)) => output::answer(&script, WELL),
        Err(fault) => {
            tell(&format!("error: {fault}"));
            REFUSED
        }
    }
}

/// The login's name, and the script that makes it.
fn script(wanted: &Grants) -> Result<(&str, String), Fault> {
    let engine = engine(&wanted.engine)?;
    check_kind(engine, &wanted.kind)?;
    let version = wanted.version.as_deref().map(|text| version(engine, &wanted.kind, text)).transpose()?;
    let login = wanted.user.as_deref().unwrap_or(if wanted.action { ACTING } else { SESSION_NAME });
    check_login(login)?;
    if !wanted.action {
        return Ok((login, engine.grants(login, version, &wanted.kind)));
    }
    let script = engine.action_grants(login, version).ok_or_else(|| {
        Fault::new("cli-24", format!("engine '{}' has nothing that the agent could change", engine.word()))
            .hint("It needs no second login: leave --action out for the one that watches.")
    })?;
    Ok((login, script))
}

fn engine(word: &str) -> Result<&'static dyn Engine, Fault> {
    engines::find(word).ok_or_else(|| {
        let known: Vec<&str> = engines::ALL.iter().map(|engine| engine.word()).collect();
        let begun: Vec<&str> = known.iter().copied().filter(|one| word.len() > 1 && one.starts_with(word)).collect();
        let near = if begun.is_empty() { nearest(word, &known) } else { begun };
        let meant = if near.is_empty() { String::new() } else { format!("Did you mean {}? ", near.join(" or ")) };
        Fault::new("cli-20", format!("there is no engine '{word}'"))
            .hint(format!("{meant}Known are {}.", known.join(", ")))
    })
}

fn version(engine: &dyn Engine, kind: &str, text: &str) -> Result<Version, Fault> {
    let number = |part: &str| if part.len() > 4 { None } else { part.parse::<u16>().ok().map(u32::from) };
    let mut parts = text.split('.').map(number);
    let parsed = match (parts.next().flatten(), parts.next(), parts.all(|part| part.is_some())) {
        (Some(major), None, true) => Some((major, 0)),
        (Some(major), Some(Some(minor)), true) => Some((major, minor)),
        _ => None,
    };
    let version = parsed.ok_or_else(|| {
        Fault::new("cli-21", format!("'{text}' is not a version"))
            .hint("Major, or major and minor, such as 15 or 7.2; without one the newest is meant.")
    })?;
    let of_kind = engine.card().kinds.iter().find(|(known, _)| *known == kind).map(|(_, oldest)| *oldest);
    let (major, minor) = of_kind.unwrap_or(engine.card().oldest);
    if version < (major, minor) {
        let oldest = if minor == 0 { major.to_string() } else { format!("{major}.{minor}") };
        let server = if kind.is_empty() { engine.word() } else { kind };
        return Err(Fault::new("cli-22", format!("{server} {text} is too old to be watched"))
            .hint(format!("The oldest version that the agent reads is {oldest}.")));
    }
    Ok(version)
}

/// A name that needs no quotes in any server's tongue, so that none can be forgotten.
fn check_login(login: &str) -> Result<(), Fault> {
    let is_plain = |(at, c): (usize, char)| c.is_ascii_lowercase() || c == '_' || at > 0 && c.is_ascii_digit();
    if login.is_empty() || login.len() > LOGIN_BYTES_MAX || !login.chars().enumerate().all(is_plain) {
        return Err(Fault::new("cli-23", format!("'{login}' cannot be the login's name"))
            .hint("Use up to 63 lower-case letters, digits and underscores, a letter or underscore first."));
    }
    Ok(())
}

fn check_kind(engine: &dyn Engine, kind: &str) -> Result<(), Fault> {
    let known: Vec<&str> = engine.card().kinds.iter().map(|(known, _)| *known).collect();
    if kind.is_empty() || known.contains(&kind) {
        return Ok(());
    }
    let hint = match known.as_slice() {
        [] => "It has no kinds whose logins differ: leave --kind out.".to_string(),
        known => format!("Known is {}.", known.join(", ")),
    };
    Err(Fault::new("cli-25", format!("engine '{}' has no kind '{kind}'", engine.word())).hint(hint))
}
