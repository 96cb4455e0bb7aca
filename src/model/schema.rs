//! The vocabulary of the configuration's schema: one list of keys renders checks, defaults, hints and the reference.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::secret::Secret;

/// What a key's value may be. Ranges are inclusive.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Flag,
    Whole {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Text,
    /// `"15s"`, `"1h30m"`, `"7d"`; within the two bounds, written the same way.
    Duration {
        min: &'static str,
        max: &'static str,
    },
    /// `"2GiB"`, `"512MB"`, or a whole number of bytes.
    Bytes,
    /// `"5%"` or bytes.
    Share,
    /// An absolute path. Where the key's name ends in `_file` the file must be readable when the configuration is loaded.
    Path,
    /// A URL; which schemes fit is the engine's or receiver's to say. Kept as `Value::Url`, for it may hold a password.
    Url,
    Choice(&'static [&'static str]),
    /// An IANA name; `model::calendar::Zone::find` reads it.
    Zone,
    /// `"30 2 * * Mon-Fri"`, `"@daily Europe/Berlin"`; `model::calendar::cron::Cron::parse` reads it.
    Cron,
    /// `"Mon-Fri 22:00-05:00 Europe/Berlin"`; `model::calendar::window::Window::parse` reads it.
    Window,
    Texts,
    Paths,
    /// Free names, each with a number: thresholds.
    Numbers,
    /// Free names, each with a text: labels.
    Map,
    /// Free names, each with a list of texts: globs by label.
    Lists,
    /// A table of its own: `[alert.route]`.
    Section(&'static [Key]),
    /// An array of tables: `[[target]]`.
    Sections(&'static [Key]),
}

impl Kind {
    /// Whether it is a table whose names are the user's.
    pub fn has_free_names(self) -> bool {
        matches!(self, Kind::Numbers | Kind::Map | Kind::Lists)
    }
}

/// One key of a section. Doc text is the manual's text.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As it would stand in the file: `"15s"` with its quotes. Empty: no default; the value is then absent unless given.
    /// For a section `{}` means that it exists with its own defaults even where it is not written.
    pub default: &'static str,
    pub required: bool,
    /// A value as it would stand in the file, for the example where there is no default.
    pub example: &'static str,
    pub doc: &'static str,
}

impl Key {
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
        Key { name, kind, default, required: false, example: "", doc }
    }

    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
        Key { name, kind, default: "", required: true, example: "", doc }
    }

    pub const fn example(mut self, example: &'static str) -> Key {
        self.example = example;
        self
    }
}

/// Where a value stood. Line and column begin at 1; line 0 is the built-in default, or a flag, which is then the file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// The environment whose overlay it stood in; empty where it was none.
    pub environment: String,
    /// The environment variables that its text is made of.
    pub variables: Vec<String>,
}

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    /// A text that is a secret: `Table::text` reads it, nothing prints it.
    Hidden(Secret),
    /// A URL that may hold a secret: as `Hidden`, but who and where it names may be shown.
    Url(Secret),
    Duration(Duration),
    Bytes(u64),
    /// A share of a whole, 0 to 1.
    Ratio(f64),
    List(Vec<Value>),
    Table(Table),
    /// Was given and refused: checks know that it is there, readers see none. Never in a configuration in force.
    Faulty,
}

impl Value {
    /// The text that it is, hidden or not.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Hidden(secret) | Value::Url(secret) => Some(secret.expose()),
            _ => None,
        }
    }
}

/// A checked section: every key that has a value, given or by default. Readers cannot fail, for the checks came before;
/// a key that the schema lacks is a programmer's error and gives the type's zero.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    pub entries: BTreeMap<String, (Value, Origin)>,
    /// Where the section itself stood.
    pub origin: Origin,
}

impl Table {
    fn value(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|(value, _)| value)
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.entries.get(key).map(|(_, origin)| origin)
    }

    pub fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    pub fn whole(&self, key: &str) -> i64 {
        if let Some(Value::Whole(whole)) = self.value(key) { *whole } else { 0 }
    }

    pub fn number(&self, key: &str) -> f64 {
        match self.value(key) {
            Some(Value::Number(number)) => *number,
            #[allow(clippy::cast_precision_loss)] // configured numbers are far below 2^53
            Some(Value::Whole(whole)) => *whole as f64,
            _ => 0.0,
        }
    }

    pub fn text(&self, key: &str) -> &str {
        self.value(key).and_then(Value::as_text).unwrap_or("")
    }

    pub fn duration(&self, key: &str) -> Duration {
        if let Some(Value::Duration(duration)) = self.value(key) { *duration } else { Duration::ZERO }
    }

    pub fn bytes(&self, key: &str) -> u64 {
        if let Some(Value::Bytes(bytes)) = self.value(key) { *bytes } else { 0 }
    }

    /// Bytes or a ratio, for `Kind::Share`.
    pub fn share(&self, key: &str) -> Option<&Value> {
        self.value(key)
    }

    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.value(key).and_then(Value::as_text).map(PathBuf::from)
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        let Some(Value::List(list)) = self.value(key) else { return Vec::new() };
        list.iter().filter_map(|one| one.as_text().map(str::to_string)).collect()
    }

    pub fn numbers(&self, key: &str) -> BTreeMap<String, f64> {
        let Some(table) = self.table(key) else { return BTreeMap::new() };
        table.entries.keys().map(|name| (name.clone(), table.number(name))).collect()
    }

    pub fn map(&self, key: &str) -> BTreeMap<String, String> {
        let Some(table) = self.table(key) else { return BTreeMap::new() };
        table.entries.keys().map(|name| (name.clone(), table.text(name).to_string())).collect()
    }

    pub fn lists(&self, key: &str) -> BTreeMap<String, Vec<String>> {
        let Some(table) = self.table(key) else { return BTreeMap::new() };
        table.entries.keys().map(|name| (name.clone(), table.texts(name))).collect()
    }

    pub fn table(&self, key: &str) -> Option<&Table> {
        if let Some(Value::Table(table)) = self.value(key) { Some(table) } else { None }
    }

    pub fn tables(&self, key: &str) -> Vec<&Table> {
        let Some(Value::List(list)) = self.value(key) else { return Vec::new() };
        list.iter().filter_map(|one| if let Value::Table(table) = one { Some(table) } else { None }).collect()
    }
}
