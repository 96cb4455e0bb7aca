//! The configuration in force as text: every value with where it stood, and `***` for what is secret.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::config::Loaded;
use crate::config::problem::Problem;
use crate::config::value;
use crate::model::schema::{Key, Kind, Origin, Table, Value};

/// The column at which origins begin, where the value leaves room.
const ORIGIN_COLUMN: usize = 60;

/// Every section in the schema's order. The text is a configuration again, but for its secrets.
pub fn render(loaded: &Loaded) -> String {
    let mut out = String::new();
    sections(&mut out, crate::config::schema(), &loaded.effective, "");
    out
}

fn sections(out: &mut String, keys: &[Key], table: &Table, path: &str) {
    for key in keys {
        let dotted = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        match key.kind {
            Kind::Section(inner) => {
                if let Some(one) = table.table(key.name) {
                    section(out, inner, one, &dotted, false);
                }
            }
            Kind::Sections(inner) => {
                for one in table.tables(key.name) {
                    section(out, inner, one, &dotted, true);
                }
            }
            _ => {}
        }
    }
}

fn section(out: &mut String, keys: &[Key], table: &Table, dotted: &str, array: bool) {
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = if array { writeln!(out, "[[{dotted}]]") } else { writeln!(out, "[{dotted}]") }; // a String takes all
    for key in keys.iter().filter(|key| !matches!(key.kind, Kind::Section(_) | Kind::Sections(_))) {
        if let Some((value, origin)) = table.entries.get(key.name) {
            entry(out, key.name, value, origin);
        }
    }
    sections(out, keys, table, dotted);
}

/// One line; names of the user's own have one each, for each has a place of its own.
fn entry(out: &mut String, name: &str, value: &Value, origin: &Origin) {
    match value {
        Value::Table(entries) => {
            for (inner, (value, origin)) in &entries.entries {
                line(out, &format!("{name}.{}", bare(inner)), &value::write(inner, value), origin);
            }
        }
        value => line(out, name, &value::write(name, value), origin),
    }
}

/// A key as TOML has it.
fn bare(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if is_bare { name.to_string() } else { value::text_literal(name) }
}

fn line(out: &mut String, name: &str, value: &str, origin: &Origin) {
    let text = format!("{name} = {value}");
    let gap = ORIGIN_COLUMN.saturating_sub(text.chars().count()).max(2);
    let _ = writeln!(out, "{text}{:gap$}# {}", "", words(origin)); // a String takes all
}

/// `agent.toml:13:23 in [environment.production], from ${INTERVAL}`; a flag; or `default`.
pub fn words(origin: &Origin) -> String {
    let mut words = match (origin.line, origin.file.as_str()) {
        (0, "") => return "default".to_string(),
        (0, flag) => flag.to_string(),
        (line, file) => format!("{file}:{line}:{}", origin.column),
    };
    if !origin.environment.is_empty() {
        words.push_str(&format!(" in [environment.{}]", origin.environment));
    }
    if !origin.variables.is_empty() {
        let variables: Vec<String> = origin.variables.iter().map(|name| format!("${{{name}}}")).collect();
        words.push_str(&format!(", from {}", variables.join(" and ")));
    }
    words
}

/// The same for machines: `{"file", "values": [{"key": "target[0].url", "value", "origin"}], "warnings"}`.
pub fn json(loaded: &Loaded) -> Json {
    let mut values = Vec::new();
    flat(&mut values, crate::config::schema(), &loaded.effective, "");
    json!({ "file": loaded.file, "values": values, "warnings": problems_json(&loaded.warnings) })
}

fn flat(out: &mut Vec<Json>, keys: &[Key], table: &Table, path: &str) {
    let dot = if path.is_empty() { "" } else { "." };
    for key in keys {
        let dotted = format!("{path}{dot}{}", key.name);
        match (key.kind, table.entries.get(key.name)) {
            (Kind::Section(inner), Some((Value::Table(section), _))) => flat(out, inner, section, &dotted),
            (Kind::Sections(inner), Some(_)) => {
                for (at, section) in table.tables(key.name).into_iter().enumerate() {
                    flat(out, inner, section, &format!("{dotted}[{at}]"));
                }
            }
            // Names of the user's own: each has a place of its own.
            (kind, Some((Value::Table(entries), _))) if kind.has_free_names() => {
                for (name, (value, origin)) in &entries.entries {
                    let value = value::to_json(name, value);
                    out.push(
                        json!({ "key": format!("{dotted}.{name}"), "value": value, "origin": origin_json(origin) }),
                    );
                }
            }
            (_, Some((value, origin))) => {
                let value = value::to_json(key.name, value);
                out.push(json!({ "key": dotted, "value": value, "origin": origin_json(origin) }));
            }
            (_, None) => {}
        }
    }
}

fn origin_json(origin: &Origin) -> Json {
    if origin.line == 0 {
        let from = if origin.file.is_empty() { "default" } else { &origin.file };
        return json!({ "from": from });
    }
    let mut all = json!({ "from": "file", "file": origin.file, "line": origin.line, "column": origin.column });
    if !origin.environment.is_empty() {
        all["environment"] = json!(origin.environment);
    }
    if !origin.variables.is_empty() {
        all["variables"] = json!(origin.variables);
    }
    all
}

/// Problems for machines; line 0 is that of a file as a whole.
pub fn problems_json(problems: &[Problem]) -> Json {
    let one = |Problem { origin, fault }: &Problem| {
        json!({
            "file": origin.file, "line": origin.line, "column": origin.column,
            "code": fault.code, "what": fault.what, "detail": fault.detail, "hint": fault.hint,
        })
    };
    problems.iter().map(one).collect()
}
