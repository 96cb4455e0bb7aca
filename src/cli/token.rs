//! `watchward token`: makes, lists and revokes the tokens that others come in with.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use crate::cli::WELL;
use crate::cli::ask::{Agent, Refused};
use crate::cli::output::{self, tell};
use crate::cli::table::{Side, clean, columns};
use crate::config::Source;
use crate::model::caller::Role;

const PATH: &str = "/api/v1/tokens";

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token, and show it this once
    Create(Wish),
    /// List the tokens there are: never the secret
    List {
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token, at once: its sessions and streams end with it
    Revoke {
        /// As the list shows it
        id: String,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}

/// What a token is to be.
#[derive(Debug, Args)]
pub struct Wish {
    /// Whose data it may see: tenants separated by commas, or "*" for all
    #[arg(long, value_name = "TENANTS")]
    tenant: String,

    /// What it may do
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::word)))]
    role: String,

    /// What records call it [default: made of its id]
    #[arg(long)]
    name: Option<String>,

    /// When it ends: "90d", or a time like "2027-01-31T00:00:00Z" [default: when it is revoked]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,

    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Asks the running agent, and prints what it says.
pub fn run(source: &Source, what: &Token) -> u8 {
    match Agent::of(source).and_then(|mut agent| ask(&mut agent, what)) {
        Ok(words) => output::answer(&words, WELL),
        Err(refused) => refused.say(),
    }
}

fn ask(agent: &mut Agent, what: &Token) -> Result<String, Refused> {
    match what {
        Token::Create(wish) => {
            let Wish { tenant, role, name, expires, json } = wish;
            let body = json!({ "tenants": tenant, "role": role, "name": name, "expires": expires });
            let made = agent.post(PATH, &body)?;
            if let Some(warning) = made["warning"].as_str() {
                tell(&format!("warning: {}", clean(warning)));
            }
            if !json {
                tell(&told(&made));
            }
            Ok(if *json { format!("{made}\n") } else { format!("{}\n", text(&made["token"])) })
        }
        Token::List { json } => {
            let all = agent.get(PATH)?;
            Ok(if *json { format!("{all}\n") } else { table(&all) })
        }
        Token::Revoke { id, json } => {
            let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let path = if plain { format!("{PATH}/{id}") } else { format!("{PATH}/-") }; // no id has anything else
            let revoked = agent.send(Method::DELETE, &path, &Value::Null)?;
            let name = clean(&text(&revoked["revoked"]["name"]));
            Ok(if *json { format!("{revoked}\n") } else { format!("the token {name} is revoked\n") })
        }
    }
}

/// What stands beside a new token, which itself goes alone to standard output, where scripts take it from.
pub fn told(made: &Value) -> String {
    let until = made["expires"].as_str().map_or("until it is revoked".to_string(), |time| format!("until {time}"));
    let (name, id, role) = (text(&made["name"]), text(&made["id"]), text(&made["role"]));
    let tenants = tenants(&made["tenants"]);
    format!("The token {name} ({id}), {role} of {tenants}, stands {until}. It is shown this once:")
}

/// The tokens, one a line.
pub fn table(all: &Value) -> String {
    let heads = ["ID", "NAME", "ROLE", "TENANTS", "EXPIRES", "LAST USED", "MADE BY"].map(|head| (head, Side::Left));
    let row = |token: &Value| {
        let time = |key: &str| token[key].as_str().map_or("never".to_string(), str::to_string);
        let expires = if token["expired"] == true { format!("{} (past)", time("expires")) } else { time("expires") };
        let words = [&token["id"], &token["name"], &token["role"]].map(text);
        let rest = [tenants(&token["tenants"]), expires, time("last_used"), text(&token["created_by"])];
        words.into_iter().chain(rest).map(|word| clean(&word)).collect()
    };
    let rows: Vec<Vec<String>> = all.as_array().into_iter().flatten().map(row).collect();
    columns(&heads, &rows)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_string()
}

fn tenants(value: &Value) -> String {
    match value.as_array() {
        Some(some) => some.iter().map(text).collect::<Vec<_>>().join(","),
        None => "*".to_string(),
    }
}
