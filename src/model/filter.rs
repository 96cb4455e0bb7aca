//! Globs, and which of the many things of one kind that a server has are watched: databases, tables, indices, mounts.

use std::collections::BTreeMap;
use std::fmt;

/// A pattern in which `*` stands for any characters and `?` for one. It fits whole texts, and minds their case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

impl Glob {
    pub fn new(pattern: impl Into<String>) -> Glob {
        Glob(pattern.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern fits the whole text. Takes time in proportion to the product of both lengths, never more.
    pub fn fits(&self, text: &str) -> bool {
        let mut pattern = self.0.chars();
        let mut rest = text.chars();
        // Where to go on if what follows the last `*` did not fit: with one character more left to it.
        let mut last_star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    last_star = Some((pattern.clone(), before.clone()));
                    rest = before;
                }
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(seen)) if wanted == seen => {}
                _ => {
                    let Some((after_star, taken)) = &mut last_star else { return false };
                    if taken.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    rest = taken.clone();
                }
            }
        }
    }

    /// The same as a regular expression, anchored, of the kind that every engine knows.
    pub fn regex(&self) -> String {
        let mut regex = String::from("^");
        for c in self.0.chars() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                c if c.is_alphanumeric() || matches!(c, '_' | ' ' | '/' | ':' | '@' | '%' | ',' | '=') => regex.push(c),
                c => {
                    regex.push('\\');
                    regex.push(c);
                }
            }
        }
        regex.push('$');
        regex
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which rows of an engine's table are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Optional rows that are read as well.
    pub collect: Vec<Glob>,
    /// Rows that are not read, whatever else says so.
    pub skip: Vec<Glob>,
}

impl Choice {
    /// Whether a row of this name is read.
    pub fn reads(&self, name: &str, optional: bool) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.fits(name));
        !any(&self.skip) && (!optional || any(&self.collect))
    }
}

/// Which series are kept, by the values of their labels: what a label is not said of is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of a series that has this label, only values that one of these fits.
    pub include: BTreeMap<String, Vec<Glob>>,
    /// And no value that one of these fits.
    pub exclude: BTreeMap<String, Vec<Glob>>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a label may have this value. The empty value is that of a label that is not there.
    pub fn keeps_value(&self, label: &str, value: &str) -> bool {
        let fits = |globs: &Vec<Glob>| globs.iter().any(|glob| glob.fits(value));
        value.is_empty() || self.include.get(label).is_none_or(fits) && !self.exclude.get(label).is_some_and(fits)
    }

    /// Whether a series with these labels is kept.
    pub fn keeps(&self, labels: &[(&str, &str)]) -> bool {
        self.is_empty() || labels.iter().all(|(label, value)| self.keeps_value(label, value))
    }
}
