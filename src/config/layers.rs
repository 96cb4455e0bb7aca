//! Layers: what several files and the agent's environment give, laid over each other; then what nobody gave.

use toml::de::DeValue;

use crate::config::problem::{Problem, Report};
use crate::config::targets::unknown;
use crate::config::value;
use crate::config::walk::{self, Place};
use crate::model::fault::Fault;
use crate::model::schema::{Key, Kind, Origin, Table, Value};

/// A file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// As problems name it.
    pub file: String,
    pub text: String,
}

/// Reads documents into one table that has every value given or by default, and what is wrong with it so far.
///
/// # Errors
/// All their syntax errors; with these there is nothing more to say.
pub fn read(schema: &'static [Key], documents: &[Document]) -> Result<(Table, Report), Vec<Problem>> {
    let mut syntax = Vec::new();
    let mut layers = Vec::new();
    for Document { file, text } in documents {
        match walk::read(schema, file, text) {
            Ok(given) => layers.push(given),
            Err(problems) => syntax.extend(problems),
        }
    }
    if !syntax.is_empty() {
        return Err(syntax);
    }
    let mut report = Report::default();
    let mut table = Table::default();
    let mut environments = Table::default();
    for (at, layer) in layers.into_iter().enumerate() {
        if at == 0 {
            table.origin = layer.table.origin.clone();
        }
        report.problems.extend(layer.problems);
        add(&mut table, layer.table, &mut report);
        for (name, overlay) in layer.environments {
            let mut one = Table::default();
            let origin = overlay.origin.clone();
            one.entries.insert(name, (Value::Table(overlay), origin));
            add(&mut environments, one, &mut report);
        }
    }
    lay_environment(&mut table, environments, &mut report);
    complete(schema, &mut table, &Place::root(), &mut report);
    Ok((table, report))
}

/// Lays the overlay of the agent's environment over the rest.
fn lay_environment(table: &mut Table, mut environments: Table, report: &mut Report) {
    let agent = table.table("agent");
    let name = agent.map_or("", |agent| agent.text("environment")).to_string();
    match environments.entries.remove(&name) {
        Some((Value::Table(overlay), _)) => lay(table, overlay),
        _ if name.is_empty() || environments.entries.is_empty() => {} // a name alone is a name
        _ => {
            let known: Vec<&str> = environments.entries.keys().map(String::as_str).collect();
            let origin = agent.and_then(|agent| agent.origin("environment")).cloned().unwrap_or_default();
            report.problem(&origin, unknown("environment", &name, &known));
        }
    }
}

/// Adds what another file gives: lists of sections grow, anything else may be given once.
fn add(base: &mut Table, more: Table, report: &mut Report) {
    for (name, (value, origin)) in more.entries {
        match (base.entries.get_mut(&name), value) {
            (Some((Value::Table(base), _)), Value::Table(more)) => add(base, more, report),
            (Some((Value::List(base), _)), Value::List(more)) if is_sections(base) && is_sections(&more) => {
                base.extend(more)
            }
            (Some((_, first)), _) => {
                let fault = Fault::new("config-07", format!("'{name}' is given in two files"));
                report.problem(&origin, fault.detail(format!("It is also on line {} of {}.", first.line, first.file)));
            }
            (None, value) => {
                base.entries.insert(name, (value, origin));
            }
        }
    }
}

fn is_sections(list: &[Value]) -> bool {
    list.iter().all(|one| matches!(one, Value::Table(_)))
}

/// Lays a table over another: sections key by key, anything else (a list of sections, too) as a whole.
fn lay(base: &mut Table, over: Table) {
    for (name, (value, origin)) in over.entries {
        match (base.entries.get_mut(&name), value) {
            (Some((Value::Table(base), _)), Value::Table(over)) => lay(base, over),
            (_, value) => {
                base.entries.insert(name, (value, origin));
            }
        }
    }
}

/// Gives each section its defaults, and tells what it must have and has not (`config-06`).
fn complete(keys: &'static [Key], table: &mut Table, place: &Place, report: &mut Report) {
    for key in keys {
        match (key.kind, table.entries.get_mut(key.name)) {
            (Kind::Section(inner), Some((Value::Table(section), _))) => {
                complete(inner, section, &place.inner(key.name, false), report);
            }
            (Kind::Sections(inner), Some((Value::List(sections), _))) => {
                for section in sections {
                    let Value::Table(section) = section else { continue };
                    complete(inner, section, &place.inner(key.name, true), report);
                }
            }
            (_, None) if key.required => {
                let fault = Fault::new("config-06", format!("{} has no '{}'", place.text(), key.name));
                report.problem(&table.origin, fault.hint(format!("It must be {}.", value::wanted(key.kind))));
            }
            (_, None) => add_default(key, table),
            (_, Some(_)) => {}
        }
    }
}

/// A section of nothing but defaults.
fn defaults(keys: &'static [Key]) -> Table {
    let mut table = Table::default();
    keys.iter().for_each(|key| add_default(key, &mut table));
    table
}

/// Puts a key's default into a section that does not give it.
fn add_default(key: &Key, table: &mut Table) {
    let value = match (key.kind, key.default) {
        (_, "") => return,
        (Kind::Section(keys), _) => Some(Value::Table(defaults(keys))),
        (Kind::Sections(_), _) => Some(Value::List(Vec::new())),
        (Kind::Numbers | Kind::Map, text) => default_entries(key, text),
        (_, text) => DeValue::parse(text).ok().and_then(|given| value::read(key, given.get_ref()).ok()),
    };
    if let Some(value) = value {
        table.entries.insert(key.name.to_string(), (value, Origin::default()));
    }
}

fn default_entries(key: &Key, text: &str) -> Option<Value> {
    let given = DeValue::parse(text).ok()?;
    let mut table = Table::default();
    for (name, value) in given.get_ref().as_table()? {
        let value = value::read_entry(key, name.get_ref(), value.get_ref()).ok()?;
        table.entries.insert(name.get_ref().to_string(), (value, Origin::default()));
    }
    Some(Value::Table(table))
}

/// Whether a key's default passes its own check. For the test that holds every section to it.
pub fn has_sound_default(key: &Key) -> bool {
    let mut table = Table::default();
    add_default(key, &mut table);
    key.default.is_empty() || table.has(key.name)
}
