//! Layers: what several files and the agent's environment give, laid over each other; then what nobody gave.

use std::collections::{BTreeMap, HashMap};

use toml::de::DeValue;

use crate::config::problem::{Problem, Report};
use crate::config::targets::unknown;
use crate::config::value;
use crate::config::variables::Lookup;
use crate::config::walk::{self, Overlay, Place};
use crate::model::fault::Fault;
use crate::model::schema::{Key, Kind, Origin, Table, Value};
use crate::sys::environment;

/// A file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// As problems name it.
    pub file: String,
    pub text: String,
}

/// What decides beside the files what they say.
#[derive(Clone, Debug)]
pub struct Outside {
    /// `--environment`, which wins over `[agent] environment`.
    pub environment: Option<String>,
    /// How the environment variables are found that texts name.
    pub variable: Lookup,
}

impl Default for Outside {
    fn default() -> Outside {
        Outside { environment: None, variable: environment::variable }
    }
}

/// How problems and origins name the flag.
const ENVIRONMENT_FLAG: &str = "--environment";

/// Reads documents into one table that has every value given or by default, and what is wrong with it so far.
///
/// # Errors
/// All their syntax errors; with these there is nothing more to say.
pub fn read(
    schema: &'static [Key],
    documents: &[Document],
    outside: &Outside,
) -> Result<(Table, Report), Vec<Problem>> {
    let mut syntax = Vec::new();
    let mut layers = Vec::new();
    for Document { file, text } in documents {
        match walk::read(schema, file, text, outside.variable) {
            Ok(given) => layers.push(given),
            Err(problems) => syntax.extend(problems),
        }
    }
    if !syntax.is_empty() {
        return Err(syntax);
    }
    let mut report = Report::default();
    let mut table = Table::default();
    let mut environments: BTreeMap<String, Overlay> = BTreeMap::new();
    for (at, layer) in layers.into_iter().enumerate() {
        if at == 0 {
            table.origin = layer.table.origin.clone();
        }
        report.problems.extend(layer.problems);
        add(&mut table, layer.table, &mut report);
        for (name, overlay) in layer.environments {
            let all = environments.entry(name).or_default();
            all.unset.extend(overlay.unset);
            add(&mut all.table, overlay.table, &mut report);
        }
    }
    if let Some(name) = &outside.environment {
        name_environment(&mut table, name);
    }
    lay_environment(&mut table, environments, &mut report);
    complete(schema, &mut table, &Place::root(), &mut report);
    Ok((table, report))
}

/// Names the agent's environment, whatever the files say.
fn name_environment(table: &mut Table, name: &str) {
    let origin = Origin { file: ENVIRONMENT_FLAG.to_string(), ..Origin::default() };
    let mut agent = Table::default();
    agent.entries.insert("environment".to_string(), (Value::Text(name.to_string()), origin));
    let mut over = Table::default();
    over.entries.insert("agent".to_string(), (Value::Table(agent), Origin::default()));
    lay(table, over, "");
}

/// Whether the flag names the environment: `--environment "$STAGE"` must not do away with all overlays where that is empty.
fn is_flag(agent: Option<&Table>) -> bool {
    agent.and_then(|agent| agent.origin("environment")).is_some_and(|origin| origin.file == ENVIRONMENT_FLAG)
}

/// Lays the overlay of the agent's environment over the rest.
fn lay_environment(table: &mut Table, mut environments: BTreeMap<String, Overlay>, report: &mut Report) {
    let agent = table.table("agent");
    let name = agent.map_or("", |agent| agent.text("environment")).to_string();
    match environments.remove(&name) {
        Some(overlay) => {
            report.problems.extend(overlay.unset);
            lay(table, overlay.table, &name);
        }
        None if environments.is_empty() => {} // a name alone is a name
        None if name.is_empty() && !is_flag(agent) => {}
        None => {
            let known: Vec<&str> = environments.keys().map(String::as_str).collect();
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
    list.iter().all(|one| as_table(one).is_some())
}

/// Lays a table of an environment over another: sections key by key, lists of sections by their names, anything else as
/// a whole.
fn lay(base: &mut Table, over: Table, environment: &str) {
    for (name, (value, mut origin)) in over.entries {
        match (base.entries.get_mut(&name), value) {
            (Some((Value::Table(base), _)), Value::Table(over)) => lay(base, over, environment),
            (Some((Value::List(base), _)), Value::List(over)) if is_sections(base) && is_sections(&over) => {
                lay_named(base, over, environment);
            }
            (_, value) => {
                origin.environment = environment.to_string();
                base.entries.insert(name, (of_environment(value, environment), origin));
            }
        }
    }
}

/// Lays each section over the one of its name, or adds it where there is none.
fn lay_named(base: &mut Vec<Value>, over: Vec<Value>, environment: &str) {
    let mut named: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, one) in base.iter().enumerate() {
        if let Some(name) = as_table(one).and_then(identity) {
            named.entry(name.to_string()).or_default().push(at);
        }
    }
    for section in over {
        let Value::Table(section) = section else { continue };
        let same = identity(&section).and_then(|name| named.get(name)).map_or(&[][..], Vec::as_slice);
        match find_named(base, same, &section).and_then(|at| base.get_mut(at)) {
            Some(Value::Table(base)) => lay(base, section, environment),
            _ => base.push(of_environment(Value::Table(section), environment)),
        }
    }
}

/// Of the sections of the same name the one of the same tenant, if the overlay gives one; else, of several, that without.
fn find_named(base: &[Value], same: &[usize], section: &Table) -> Option<usize> {
    let fits = |table: &Table| !section.has("tenant") || table.text("tenant") == section.text("tenant");
    let found: Vec<(usize, &Table)> =
        same.iter().filter_map(|at| Some((*at, as_table(&base[*at]).filter(|table| fits(table))?))).collect();
    match found.as_slice() {
        [(only, _)] => Some(*only),
        several => several.iter().find(|(_, table)| !table.has("tenant")).map(|(at, _)| *at),
    }
}

fn as_table(value: &Value) -> Option<&Table> {
    if let Value::Table(table) = value { Some(table) } else { None }
}

/// What a section is called: its `name`, or as a tenant its `id`.
fn identity(table: &Table) -> Option<&str> {
    ["name", "id"].iter().map(|key| table.text(key)).find(|name| !name.is_empty())
}

/// A value with the overlay's environment in each of its origins.
fn of_environment(value: Value, environment: &str) -> Value {
    match value {
        Value::Table(mut table) => {
            for (value, origin) in table.entries.values_mut() {
                origin.environment = environment.to_string();
                *value = of_environment(std::mem::replace(value, Value::Faulty), environment);
            }
            Value::Table(table)
        }
        Value::List(list) => Value::List(list.into_iter().map(|one| of_environment(one, environment)).collect()),
        other => other,
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
        (kind, text) if kind.has_free_names() => default_entries(key, text),
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

/// Where the values stand that the walk has refused.
pub fn refused(table: &Table) -> Vec<Origin> {
    let mut origins = Vec::new();
    for (value, origin) in table.entries.values() {
        match value {
            Value::Faulty => origins.push(origin.clone()),
            Value::Table(inner) => origins.extend(refused(inner)),
            Value::List(list) => {
                origins.extend(list.iter().filter_map(as_table).flat_map(refused));
            }
            _ => {}
        }
    }
    origins
}

/// Whether a key's default passes its own check. For the test that holds every section to it.
pub fn has_sound_default(key: &Key) -> bool {
    let mut table = Table::default();
    add_default(key, &mut table);
    key.default.is_empty() || table.has(key.name)
}
