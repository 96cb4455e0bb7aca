//! The configuration in force as text: every value with where it stood, and `***` for what is secret.

use std::fmt::Write;

use crate::config::Loaded;
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

fn entry(out: &mut String, name: &str, value: &Value, origin: &Origin) {
    let text = format!("{name} = {}", value::write(name, value));
    let gap = ORIGIN_COLUMN.saturating_sub(text.chars().count()).max(2);
    let _ = match origin.line {
        0 => writeln!(out, "{text}{:gap$}# default", ""),
        line => writeln!(out, "{text}{:gap$}# {}:{line}:{}", "", origin.file, origin.column),
    };
}
