//! Environment variables in texts: `${NAME}`, `${NAME:-default}` where it is not set or empty, `$${` for `${` itself.
//! What a variable holds may be a secret: no error repeats it.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::problem::{is_about_secret, shown_name};
use crate::config::url;
use crate::model::fault::Fault;
use crate::model::schema::Value;
use crate::model::secret::Secret;

/// How a variable is found; `None` where it is not set.
pub type Lookup = fn(&str) -> Option<String>;

/// The longest text that variables may make, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Why a text cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Open,
    NoName,
    TooLong,
    Unset(String),
}

impl Wrong {
    /// The fault of a key.
    pub fn fault(&self, key: &str) -> Fault {
        let fault = |what: String| Fault::new("config-15", what);
        match self {
            Wrong::Open => fault(format!("{key} has a '${{' without its '}}'"))
                .hint("Write ${NAME}, or $${ for the two characters themselves."),
            Wrong::NoName => fault(format!("{key} has a '${{…}}' that does not name an environment variable")).hint(
                "A name has letters, digits and '_', no digit first. Write $${ for the two characters themselves.",
            ),
            Wrong::TooLong => {
                fault(format!("{key} is longer than {TEXT_BYTES_MAX} bytes with what its variables hold"))
            }
            Wrong::Unset(name) => {
                let shown = shown_name(name);
                // A secret has no default: that would stand in the configuration itself.
                let or = if is_about_secret(name) { "" } else { &format!(", or give a default: ${{{shown}:-…}}") };
                fault(format!("{key} has the environment variable '{shown}', which is not set"))
                    .hint(format!("Set it where the agent is started{or}."))
            }
        }
    }
}

/// What variables there are in the texts of a document, and what is wrong with them, by the byte at which a text begins.
#[derive(Debug, Default)]
pub struct Fillings(BTreeMap<usize, Result<Vec<String>, Wrong>>);

impl Fillings {
    /// Fills every text of a document, in place.
    pub fn fill(document: &mut DeTable<'_>, lookup: Lookup) -> Fillings {
        let mut fillings = Fillings::default();
        document.iter_mut().for_each(|(_, value)| fillings.value(value, lookup));
        fillings
    }

    fn value(&mut self, value: &mut Spanned<DeValue<'_>>, lookup: Lookup) {
        let at = value.span().start;
        match value.get_mut() {
            DeValue::String(text) if text.contains("${") => {
                let filled = fill(text, lookup).map(|(filled, names)| {
                    *text = filled.into();
                    names
                });
                self.0.insert(at, filled);
            }
            DeValue::Array(array) => array.iter_mut().for_each(|one| self.value(one, lookup)),
            DeValue::Table(table) => table.iter_mut().for_each(|(_, one)| self.value(one, lookup)),
            _ => {}
        }
    }

    /// The names of the variables in the texts between two bytes.
    ///
    /// # Errors
    /// What is wrong with the first of these texts that cannot be made.
    pub fn within(&self, span: &Range<usize>) -> Result<Vec<String>, Wrong> {
        let mut names = Vec::new();
        for (_, filling) in self.0.range(span.clone()) {
            names.extend(filling.clone()?);
        }
        Ok(names)
    }
}

/// The text with what its variables hold, and their names.
fn fill(text: &str, lookup: Lookup) -> Result<(String, Vec<String>), Wrong> {
    let (mut filled, mut names) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = &from[2..];
            continue;
        }
        filled.push_str(before);
        let (inner, after) = from[2..].split_once('}').ok_or(Wrong::Open)?;
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        if !is_name(name) {
            return Err(Wrong::NoName);
        }
        let held = lookup(name).filter(|held| default.is_none() || !held.is_empty());
        let held = held.or_else(|| default.map(str::to_string)).ok_or_else(|| Wrong::Unset(name.to_string()))?;
        filled.push_str(&held);
        if filled.len() > TEXT_BYTES_MAX {
            return Err(Wrong::TooLong);
        }
        names.push(name.to_string());
        rest = after;
    }
    filled.push_str(rest);
    Ok((filled, names))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The fault of a value that is not what it must be, without what its variables hold.
pub fn covered(fault: &Fault, key: &str, wanted: &str, names: &[String]) -> Fault {
    let names: Vec<String> = names.iter().map(|name| format!("${{{}}}", shown_name(name))).collect();
    Fault::new(fault.code, format!("{key} is not {wanted}, as {} makes it", names.join(" and ")))
        .hint("What a variable holds is not repeated here, for it may be a secret.")
}

/// Hides a text that was made of a secret, whatever key it is of. A URL shows who and where, unless the secret is there.
pub fn hide(value: Value, names: &[String], lookup: Lookup) -> Value {
    let secrets: Vec<&String> = names.iter().filter(|name| is_about_secret(name)).collect();
    match value {
        Value::Text(text) if !secrets.is_empty() => Value::Hidden(Secret::new(text)),
        Value::List(list) => Value::List(list.into_iter().map(|one| hide(one, names, lookup)).collect()),
        Value::Url(text) => {
            let shown = url::parse(text.expose()).map_or_else(|_| String::new(), |parsed| url::write_shown(&parsed));
            // Without a value of its own it is the default that may be shown.
            let is_in = |name: &&String| {
                let held = lookup(name).filter(|held| !held.is_empty());
                held.is_none_or(|held| shown.contains(&held) || shown.contains(&url::encode(&held, "")))
            };
            if secrets.iter().any(is_in) { Value::Hidden(text) } else { Value::Url(text) }
        }
        other => other,
    }
}

/// The fewest characters for which what a variable holds is looked for in any words, and in those of a hint.
const HELD_CHARS_MIN: usize = 4;
const HELD_CHARS_MIN_OF_HINTS: usize = 8;

/// Puts the names of variables where a later check repeated what they hold, or in quotes a part of it.
pub fn cover_held(fault: &mut Fault, names: &[String], lookup: Lookup) {
    for name in names {
        let Some(held) = lookup(name).filter(|held| !held.is_empty()) else { continue };
        let variable = format!("${{{}}}", shown_name(name));
        let escaped = held.escape_debug().to_string();
        let replace = |text: &str, chars_min: usize| {
            let is_long = held.chars().count() >= chars_min;
            if is_long { text.replace(&escaped, &variable).replace(&held, &variable) } else { text.to_string() }
        };
        let in_quotes = |text: &str| {
            let parts = text.split('\'').enumerate();
            let is_held = |at: usize, part: &str| at % 2 == 1 && !part.is_empty() && escaped.contains(part);
            parts.map(|(at, part)| if is_held(at, part) { &variable } else { part }).collect::<Vec<_>>().join("'")
        };
        fault.what = in_quotes(&replace(&fault.what, HELD_CHARS_MIN));
        fault.detail = in_quotes(&replace(&fault.detail, HELD_CHARS_MIN));
        fault.hint = replace(&fault.hint, HELD_CHARS_MIN_OF_HINTS);
    }
}
