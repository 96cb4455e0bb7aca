//! What verbs print: the running agent's status, the rules in effect.

use serde_json::Value;

use crate::cli::ask::Agent;
use crate::cli::{REFUSED, UNKNOWN, WELL};
use crate::config::rules;
use crate::config::{Loaded, Source};
use crate::model::reading::UnknownKind;

/// The exit code for "something needs a look".
const WARNING: u8 = 1;

/// The rules in effect as a Prometheus rule file.
pub fn rules(loaded: &Loaded) -> String {
    rules::text(&loaded.configuration)
}

/// Asks the running agent over its socket, prints a table or JSON, and exits as a monitoring plug-in does.
pub fn status(source: &Source, json: bool) -> u8 {
    let asked =
        Agent::of(source).and_then(|mut agent| Ok((agent.get("/api/v1/targets")?, agent.get("/api/v1/alerts")?)));
    match asked {
        Ok((targets, alerts)) => {
            if json {
                println!("{}", serde_json::json!({ "targets": targets, "alerts": alerts }));
            } else {
                print!("{}", table(&targets, &alerts));
            }
            code(&targets, &alerts)
        }
        // Whatever hinders us, it says nothing about the databases.
        Err(refused) => {
            refused.say();
            UNKNOWN
        }
    }
}

/// Whether something that the server has could not be read.
fn could_not_look(target: &Value) -> bool {
    let rows = target["unknown_rows"].as_array();
    rows.is_some_and(|rows| rows.iter().any(|row| row["kind"] != UnknownKind::NotHere.word()))
}

/// 0 all up; 1 a warning fires, or something is unknown; 2 a target is down, or something critical fires.
fn code(targets: &Value, alerts: &Value) -> u8 {
    let targets = targets.as_array().map(Vec::as_slice).unwrap_or_default();
    let fires = |severity: &str| {
        let alerts = alerts.as_array().map(Vec::as_slice).unwrap_or_default();
        alerts.iter().any(|alert| alert["to"] == "firing" && alert["labels"]["severity"] == severity)
    };
    // A server that was found and wants a login nobody gave is no trouble.
    let is_unread = |target: &Value| target["up"].is_null() && target["needs_credentials"] != true;
    if targets.iter().any(|target| target["up"] == false) || fires("critical") {
        REFUSED
    } else if targets.is_empty() || targets.iter().all(|target| target["up"].is_null()) {
        UNKNOWN
    } else if fires("warning") || targets.iter().any(|target| is_unread(target) || could_not_look(target)) {
        WARNING
    } else {
        WELL
    }
}

/// Targets, then alerts, in columns as wide as their content.
pub fn table(targets: &Value, alerts: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_string();
    let mut rows = vec![["STATE", "TARGET", "ENGINE", "ROLE", "SERIES", "WHY"].map(str::to_string)];
    for target in targets.as_array().map(Vec::as_slice).unwrap_or_default() {
        let state = match target["up"].as_bool() {
            Some(true) => "up",
            Some(false) => "DOWN",
            None if target["needs_credentials"] == true => "needs credentials",
            None => "...",
        };
        let unknown = target["unknown_rows"].as_array().map_or(0, Vec::len);
        let why = match &target["fault"] {
            Value::Null if unknown > 0 => format!("{unknown} rows unknown"),
            Value::Null => String::new(),
            // What to do says more here than how we were turned away.
            fault if target["needs_credentials"] == true => text(&fault["hint"]),
            fault => text(&fault["what"]),
        };
        // Packagers add words to the version; the number is enough here.
        let version = text(&target["version"]);
        let engine = format!("{} {}", text(&target["engine"]), version.split(' ').next().unwrap_or(""));
        let name = format!("{}/{}", text(&target["tenant"]), text(&target["name"]));
        rows.push([state.to_string(), name, engine, text(&target["role"]), target["series"].to_string(), why]);
    }
    let mut out = columns(&rows);
    for alert in alerts.as_array().map(Vec::as_slice).unwrap_or_default() {
        let labels = &alert["labels"];
        let words = [&alert["to"], &labels["severity"], &labels["alertname"], &labels["target"]].map(text);
        let summary = text(&alert["annotations"]["summary"]);
        out.push_str(&format!("{}: {summary}\n", words.join(" ").trim_end()));
    }
    out
}

/// Rows of text in columns as wide as their content.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}
