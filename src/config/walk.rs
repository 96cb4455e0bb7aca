//! The walk of a parsed document along the schema: every unknown key, wrong value and missing key is named, with its place.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::problem::{Places, Problem, shown_name};
use crate::config::value;
use crate::config::variables::{self, Fillings, Lookup, Wrong, covered};
use crate::model::fault::Fault;
use crate::model::nearest::nearest;
use crate::model::schema::{Key, Kind, Origin, Table, Value};

/// What one document gives, without any default.
#[derive(Debug, Default)]
pub struct Given {
    pub table: Table,
    /// `[environment.NAME]`: sections that are laid over the others where that environment is the agent's.
    pub environments: BTreeMap<String, Overlay>,
    /// What is wrong: `config-03` unknown keys, `config-04` types, `config-05` values.
    pub problems: Vec<Problem>,
}

/// An overlay, and what is wrong with it only where it is in force: variables that are not set.
#[derive(Debug, Default)]
pub struct Overlay {
    pub table: Table,
    pub unset: Vec<Problem>,
}

/// The section of overlays; its names are the user's.
const ENVIRONMENT: &str = "environment";

/// Reads a document.
///
/// # Errors
/// All its syntax errors (`config-02`); with these there is nothing more to say.
pub fn read(schema: &'static [Key], file: &str, text: &str, lookup: Lookup) -> Result<Given, Vec<Problem>> {
    let places = Places::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // The parser's words describe what it expects; they repeat nothing of the file.
        let problem = |error: toml::de::Error| {
            let fault = Fault::new("config-02", format!("this is not TOML: {}", error.message()));
            Problem { origin: places.at(error.span().map_or(text.len(), |span| span.start)), fault }
        };
        return Err(errors.into_iter().map(problem).collect());
    }
    let mut document = document.into_inner();
    let fillings = Fillings::fill(&mut document, lookup);
    let mut walk = Walk { places, schema, fillings, lookup, problems: Vec::new(), unset: Vec::new() };
    let overlays = document.remove(ENVIRONMENT);
    let origin = walk.places.at(0);
    let table = walk.section(schema, &document, &Place::root(), origin);
    walk.problems.append(&mut walk.unset);
    let environments = overlays.map_or_else(BTreeMap::new, |overlays| walk.environments(&overlays));
    Ok(Given { table, environments, problems: walk.problems })
}

/// A section as errors name it: `[alert.route]`, `[[target]]`.
#[derive(Clone)]
pub struct Place {
    dotted: String,
    array: bool,
}

impl Place {
    pub fn root() -> Place {
        Place { dotted: String::new(), array: false }
    }

    pub fn inner(&self, name: &str, array: bool) -> Place {
        let dot = if self.dotted.is_empty() { "" } else { "." };
        Place { dotted: format!("{}{dot}{name}", self.dotted), array }
    }

    pub fn text(&self) -> String {
        match self.array {
            true => format!("[[{}]]", self.dotted),
            false => format!("[{}]", self.dotted),
        }
    }
}

struct Walk<'t> {
    places: Places<'t>,
    schema: &'static [Key],
    fillings: Fillings,
    lookup: Lookup,
    problems: Vec<Problem>,
    /// Variables that are not set.
    unset: Vec<Problem>,
}

impl Walk<'_> {
    fn report(&mut self, byte: usize, fault: Fault) {
        self.problems.push(Problem { origin: self.places.at(byte), fault });
    }

    fn section(&mut self, keys: &'static [Key], given: &DeTable<'_>, place: &Place, origin: Origin) -> Table {
        let mut table = Table { entries: BTreeMap::new(), origin };
        for (name, value) in given {
            let Some(key) = keys.iter().find(|key| key.name == name.get_ref().as_ref()) else {
                let fault = self.unknown(keys, name.get_ref(), value.get_ref(), place);
                self.report(name.span().start, fault);
                continue;
            };
            let value_read = self.value(key, value, place).unwrap_or(Value::Faulty);
            table.entries.insert(key.name.to_string(), (value_read, self.origin(key.kind, value)));
        }
        table
    }

    fn environments(&mut self, overlays: &Spanned<DeValue<'_>>) -> BTreeMap<String, Overlay> {
        let place = Place::root().inner(ENVIRONMENT, false);
        let mut environments = BTreeMap::new();
        let Some(names) = overlays.get_ref().as_table() else {
            let fault = Fault::new("config-04", "environment is not a section of environments");
            self.report(
                overlays.span().start,
                fault.hint("Write [environment.NAME], and the agent's own as [agent] environment."),
            );
            return environments;
        };
        for (name, overlay) in names {
            let origin = self.places.at(overlay.span().start);
            let Some(sections) = overlay.get_ref().as_table() else {
                let what = format!("environment.{} is not a section", shown_name(name.get_ref()));
                self.report(overlay.span().start, Fault::new("config-04", what));
                continue;
            };
            let inner = place.inner(&shown_name(name.get_ref()), false);
            let table = self.section(self.schema, sections, &inner, origin);
            if let Some(origin) = table.table("agent").and_then(|agent| agent.origin(ENVIRONMENT)) {
                let fault = Fault::new("config-10", format!("{} cannot name an environment", inner.text()));
                let fault = fault.hint("Which one is in force is said by [agent] environment, or by --environment.");
                self.problems.push(Problem::new(origin, fault));
            }
            let unset = std::mem::take(&mut self.unset);
            environments.insert(name.get_ref().to_string(), Overlay { table, unset });
        }
        environments
    }

    fn value(&mut self, key: &Key, given: &Spanned<DeValue<'_>>, place: &Place) -> Option<Value> {
        let byte = given.span().start;
        match (key.kind, given.get_ref()) {
            (Kind::Section(keys), DeValue::Table(table)) => {
                let origin = self.places.at(byte);
                Some(Value::Table(self.section(keys, table, &place.inner(key.name, false), origin)))
            }
            (Kind::Sections(keys), DeValue::Array(array)) => {
                self.sections(key, keys, array, &place.inner(key.name, true))
            }
            (kind, DeValue::Table(table)) if kind.has_free_names() => {
                Some(Value::Table(self.entries(key, table, byte)))
            }
            (Kind::Section(_) | Kind::Sections(_) | Kind::Numbers | Kind::Map | Kind::Lists, other) => {
                self.report(byte, value::other_type(key, other));
                None
            }
            (_, other) => {
                // What is wrong with a URL is told without any part of it.
                let is_url = matches!(key.kind, Kind::Url);
                self.leaf(key.name, given, &value::wanted(key.kind), is_url, || value::read(key, other))
            }
        }
    }

    /// Reads a value that is no section, if its variables let it; `frank` faults repeat nothing of the value.
    fn leaf(
        &mut self,
        name: &str,
        given: &Spanned<DeValue<'_>>,
        wanted: &str,
        frank: bool,
        read: impl FnOnce() -> Result<Value, Fault>,
    ) -> Option<Value> {
        let byte = given.span().start;
        match self.fillings.within(&given.span()) {
            Err(wrong) => {
                let problem = Problem { origin: self.places.at(byte), fault: wrong.fault(name) };
                let kept = if matches!(wrong, Wrong::Unset(_)) { &mut self.unset } else { &mut self.problems };
                kept.push(problem);
                None
            }
            Ok(variables) => match read() {
                Ok(value) => Some(variables::hide(value, &variables, self.lookup)),
                Err(fault) => {
                    let is_plain = frank || variables.is_empty();
                    self.report(byte, if is_plain { fault } else { covered(&fault, name, wanted, &variables) });
                    None
                }
            },
        }
    }

    /// Where a value stands, and what its text is made of.
    fn origin(&self, kind: Kind, given: &Spanned<DeValue<'_>>) -> Origin {
        let is_leaf = !kind.has_free_names() && !matches!(kind, Kind::Section(_) | Kind::Sections(_));
        let variables = if is_leaf { self.fillings.within(&given.span()).unwrap_or_default() } else { Vec::new() };
        Origin { variables, ..self.places.at(given.span().start) }
    }

    fn sections(
        &mut self,
        key: &Key,
        keys: &'static [Key],
        array: &[Spanned<DeValue<'_>>],
        place: &Place,
    ) -> Option<Value> {
        let mut all = Vec::with_capacity(array.len());
        for one in array {
            let byte = one.span().start;
            match one.get_ref() {
                DeValue::Table(table) => {
                    let origin = self.places.at(byte);
                    all.push(Value::Table(self.section(keys, table, place, origin)));
                }
                other => self.report(byte, value::other_type(key, other)),
            }
        }
        Some(Value::List(all))
    }

    /// A table whose names the user chooses.
    fn entries(&mut self, key: &Key, given: &DeTable<'_>, byte: usize) -> Table {
        let mut table = Table { entries: BTreeMap::new(), origin: self.places.at(byte) };
        let wanted = value::wanted_entry(key.kind);
        for (name, value) in given {
            let dotted = format!("{}.{}", key.name, shown_name(name.get_ref()));
            let read = || value::read_entry(key, name.get_ref(), value.get_ref());
            if let Some(one) = self.leaf(&dotted, value, wanted, false, read) {
                table.entries.insert(name.get_ref().to_string(), (one, self.origin(Kind::Text, value)));
            }
        }
        table
    }

    /// The fault of a key that its section does not have. Its value is never shown.
    fn unknown(&self, keys: &'static [Key], name: &str, value: &DeValue<'_>, place: &Place) -> Fault {
        let shown = shown_name(name);
        let (noun, whereto) = match (place.dotted.is_empty(), value) {
            (true, DeValue::Table(_) | DeValue::Array(_)) => ("section", String::new()),
            (true, _) => ("key", String::new()),
            (false, _) => ("key", format!(" in {}", place.text())),
        };
        let overlays = if place.dotted.is_empty() { &[ENVIRONMENT][..] } else { &[] };
        let known: Vec<&str> = keys.iter().map(|key| key.name).chain(overlays.iter().copied()).collect();
        let near = nearest(name, &known);
        let homes: Vec<String> = if near.is_empty() { homes(self.schema, name, &Place::root()) } else { Vec::new() };
        let hint = match (near.as_slice(), homes.as_slice()) {
            ([], []) => format!("Known here: {}.", known.join(", ")),
            ([], homes) => format!("'{shown}' is a key of {}.", homes.join(", ")),
            (near, _) => value::meant(near),
        };
        Fault::new("config-03", format!("unknown {noun} '{shown}'{whereto}")).hint(hint)
    }
}

/// The sections, at most two levels down, that have a key of this name.
fn homes(keys: &'static [Key], name: &str, place: &Place) -> Vec<String> {
    let depth = place.dotted.matches('.').count() + usize::from(!place.dotted.is_empty());
    let mut found = Vec::new();
    for key in keys {
        if key.name == name && !place.dotted.is_empty() {
            found.push(place.text());
        }
        if let (true, Kind::Section(inner) | Kind::Sections(inner)) = (depth < 2, key.kind) {
            found.extend(homes(inner, name, &place.inner(key.name, matches!(key.kind, Kind::Sections(_)))));
        }
    }
    found
}
