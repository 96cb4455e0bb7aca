//! One value: from what stands in the file to what its kind says it must be, or the fault in it.

use std::path::Path;

use serde_json::Value as Json;
use toml::de::{DeInteger, DeValue};

use crate::config::problem;
use crate::config::url;
use crate::model::calendar::Zone;
use crate::model::calendar::cron::Cron;
use crate::model::calendar::window::Window;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::nearest::nearest;
use crate::model::schema::{Key, Kind, Value};
use crate::model::secret::Secret;

/// What a kind wants, with its article, for errors and the reference.
pub fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Flag => "true or false".to_string(),
        Kind::Whole { min, max } => format!("a whole number from {min} to {}", bound(max == i64::MAX, max)),
        Kind::Number { min, max } => {
            format!("a number from {min} to {}", bound(max == f64::MAX || max.is_infinite(), max))
        }
        Kind::Text => "a text".to_string(),
        Kind::Duration { min, max } => format!("a duration from \"{min}\" to \"{max}\""),
        Kind::Bytes => "a size, like \"512MiB\" or \"2GB\"".to_string(),
        Kind::Share => "a share, like \"5%\", or a size, like \"2GiB\"".to_string(),
        Kind::Path => "an absolute path".to_string(),
        Kind::Url => "a URL".to_string(),
        Kind::Choice(choices) => format!("one of {}", quoted(choices)),
        Kind::Zone => "a time zone, like \"UTC\" or \"Europe/Berlin\"".to_string(),
        Kind::Cron => "a schedule, like \"30 2 * * Mon-Fri\" or \"@daily\"".to_string(),
        Kind::Window => "a window of time, like \"Mon-Fri 22:00-05:00\"".to_string(),
        Kind::Texts => "a list of texts".to_string(),
        Kind::Paths => "a list of absolute paths".to_string(),
        Kind::Numbers => "a table of names with numbers".to_string(),
        Kind::Map => "a table of names with texts".to_string(),
        Kind::Lists => "a table of names with lists of texts".to_string(),
        Kind::Section(_) => "a section".to_string(),
        Kind::Sections(_) => "a list of sections".to_string(),
    }
}

/// What an entry of a table with names of the user's own wants.
pub fn wanted_entry(kind: Kind) -> &'static str {
    match kind {
        Kind::Numbers => "a number",
        Kind::Lists => "a list of texts",
        _ => "a text",
    }
}

fn bound<T: std::fmt::Display>(open: bool, max: T) -> String {
    if open { "any size".to_string() } else { max.to_string() }
}

/// Words in quotes, with commas between.
pub fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

/// Reads a value that is no section.
///
/// # Errors
/// `config-04`: it is of another type. `config-05`: it is not one of the values this key may have.
pub fn read(key: &Key, given: &DeValue<'_>) -> Result<Value, Fault> {
    match (key.kind, given) {
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Whole { min, max }, DeValue::Integer(integer)) => whole(integer)
            .filter(|whole| (min..=max).contains(whole))
            .map(Value::Whole)
            .ok_or_else(|| range(key, given)),
        (Kind::Number { min, max }, DeValue::Integer(_) | DeValue::Float(_)) => number(given)
            .filter(|number| (min..=max).contains(number))
            .map(Value::Number)
            .ok_or_else(|| range(key, given)),
        (Kind::Text, DeValue::String(text)) if problem::is_secret(key.name) => Ok(Value::Hidden(Secret::new(&**text))),
        (Kind::Text, DeValue::String(text)) => Ok(Value::Text(text.to_string())),
        (Kind::Duration { min, max }, DeValue::String(text)) => read_duration(key, text, min, max),
        (Kind::Bytes | Kind::Share, DeValue::Integer(integer)) => whole(integer)
            .and_then(|whole| u64::try_from(whole).ok())
            .map(Value::Bytes)
            .ok_or_else(|| range(key, given)),
        (Kind::Bytes, DeValue::String(text)) => bytes(text).map(Value::Bytes).ok_or_else(|| range(key, given)),
        (Kind::Share, DeValue::String(text)) => {
            ratio(text).map(Value::Ratio).or_else(|| bytes(text).map(Value::Bytes)).ok_or_else(|| range(key, given))
        }
        (Kind::Path, DeValue::String(text)) => path(key, text).map(Value::Text),
        (Kind::Url, DeValue::String(text)) => match url::parse(text) {
            Ok(_) => Ok(Value::Url(Secret::new(&**text))),
            Err(wrong) => {
                Err(Fault::new("config-05", format!("{} is not a URL: {wrong}", key.name)).hint(wrong.hint()))
            }
        },
        (Kind::Choice(choices), DeValue::String(text)) => choice(key, text, choices),
        (Kind::Zone | Kind::Cron | Kind::Window, DeValue::String(text)) => calendar(key, text),
        (Kind::Texts | Kind::Paths, DeValue::Array(array)) => {
            array.iter().map(|one| item(key, one.get_ref())).collect::<Result<Vec<_>, _>>().map(Value::List)
        }
        _ => Err(other_type(key, given)),
    }
}

/// One entry of `Kind::Numbers`, `Kind::Map` or `Kind::Lists`.
///
/// # Errors
/// `config-04`: it is of another type.
pub fn read_entry(key: &Key, name: &str, given: &DeValue<'_>) -> Result<Value, Fault> {
    let entry = |wanted: &str| {
        let name = format!("{}.{}", key.name, problem::shown_name(name));
        Fault::new("config-04", format!("{name} is {}, not {wanted}", seen(&name, given)))
    };
    match (key.kind, given) {
        (Kind::Numbers, DeValue::Integer(_) | DeValue::Float(_)) => {
            number(given).filter(|number| number.is_finite()).map(Value::Number).ok_or_else(|| entry("a finite number"))
        }
        (Kind::Lists, DeValue::Array(array)) => {
            let texts = array.iter().map(|one| one.get_ref().as_str().map(|text| Value::Text(text.to_string())));
            texts.collect::<Option<_>>().map(Value::List).ok_or_else(|| entry(wanted_entry(key.kind)))
        }
        (Kind::Numbers | Kind::Lists, _) => Err(entry(wanted_entry(key.kind))),
        (_, DeValue::String(text)) if problem::is_secret(key.name) || problem::is_secret(name) => {
            Ok(Value::Hidden(Secret::new(&**text)))
        }
        (_, DeValue::String(text)) => Ok(Value::Text(text.to_string())),
        _ => Err(entry("a text")),
    }
}

/// The fault of a value whose type is not its key's.
pub fn other_type(key: &Key, given: &DeValue<'_>) -> Fault {
    let fault = Fault::new("config-04", format!("{} is {}, not {}", key.name, seen(key.name, given), wanted(key.kind)));
    match (key.kind, given) {
        (Kind::Duration { .. }, DeValue::Integer(integer)) if whole(integer).is_some() => {
            fault.hint(format!("Write {} = \"{integer}s\".", key.name))
        }
        (Kind::Texts | Kind::Paths, DeValue::String(_)) => fault.hint("Put it in brackets: [\"…\"]."),
        (Kind::Flag, DeValue::String(_)) => fault.hint("Write it without quotes."),
        (Kind::Sections(_), DeValue::Table(_)) => fault.hint(format!("Write [[{}]] with two brackets.", key.name)),
        (Kind::Section(_), DeValue::Array(_)) => fault.hint(format!("Write [{}] with one bracket.", key.name)),
        _ => fault,
    }
}

fn range(key: &Key, given: &DeValue<'_>) -> Fault {
    Fault::new("config-05", format!("{} is {}, not {}", key.name, seen(key.name, given), wanted(key.kind)))
}

/// A value as an error may show it.
fn seen(key: &str, given: &DeValue<'_>) -> String {
    let hide = problem::is_about_secret(key);
    match given {
        DeValue::String(_) if hide => "a text".to_string(),
        DeValue::String(text) => format!("'{}'", problem::shown_name(text)),
        DeValue::Integer(_) | DeValue::Float(_) if hide => "a number".to_string(),
        DeValue::Integer(integer) => problem::shown_name(&integer.to_string()),
        DeValue::Float(float) => problem::shown_name(&float.to_string()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_string(),
        DeValue::Array(_) => "a list".to_string(),
        DeValue::Table(_) => "a table".to_string(),
    }
}

fn whole(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn number(given: &DeValue<'_>) -> Option<f64> {
    match given {
        #[allow(clippy::cast_precision_loss)] // numbers of a configuration are far below 2^53
        DeValue::Integer(integer) => whole(integer).map(|whole| whole as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

fn read_duration(key: &Key, text: &str, min: &str, max: &str) -> Result<Value, Fault> {
    let shown = problem::shown_name(text);
    let Ok(length) = duration::parse(text) else {
        let fault = Fault::new("config-05", format!("{} is '{shown}', not a duration", key.name));
        return Err(fault.hint("Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\"."));
    };
    let within = |bound: &str, fits: fn(&std::time::Duration, &std::time::Duration) -> bool| {
        duration::parse(bound).map_or(true, |bound| fits(&length, &bound))
    };
    if within(min, std::time::Duration::ge) && within(max, std::time::Duration::le) {
        return Ok(Value::Duration(length));
    }
    Err(Fault::new("config-05", format!("{} is '{shown}', not {}", key.name, wanted(key.kind))))
}

fn choice(key: &Key, text: &str, choices: &[&'static str]) -> Result<Value, Fault> {
    if choices.contains(&text) {
        return Ok(Value::Text(text.to_string()));
    }
    let shown = problem::shown_name(text);
    let fault = Fault::new("config-05", format!("{} is '{shown}', not {}", key.name, wanted(key.kind)));
    Err(fault.hint(meant(&nearest(text, choices))))
}

/// Whether a text is of the calendar; its reader parses it again, for only that knows the zone of one that names none.
fn calendar(key: &Key, text: &str) -> Result<Value, Fault> {
    let checked = match key.kind {
        Kind::Cron => Cron::parse(text, &Zone::UTC).map(drop),
        Kind::Window => Window::parse(text, &Zone::UTC).map(drop),
        _ => Zone::find(text).map(drop),
    };
    checked.map(|()| Value::Text(text.to_string())).map_err(|fault| {
        let what = format!("{}: {}", key.name, fault.what);
        Fault { what, ..fault }
    })
}

/// `Did you mean 'a' or 'b'?`, or nothing where nothing is near.
pub fn meant(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        near => format!("Did you mean {}?", near.iter().map(|one| format!("'{one}'")).collect::<Vec<_>>().join(" or ")),
    }
}

fn path(key: &Key, text: &str) -> Result<String, Fault> {
    if Path::new(text).is_absolute() {
        return Ok(text.to_string());
    }
    if problem::is_about_secret(key.name) {
        return Err(Fault::new("config-05", format!("{} is not an absolute path", key.name))
            .hint("Name the file that holds the secret, from the root: \"/etc/watchward/…\". The secret itself never stands here."));
    }
    Err(Fault::new("config-05", format!("{} is '{}', not an absolute path", key.name, problem::shown_name(text)))
        .hint("The agent's working directory means nothing: begin the path with '/'."))
}

/// An entry of `Kind::Texts` or `Kind::Paths`.
fn item(key: &Key, given: &DeValue<'_>) -> Result<Value, Fault> {
    match given {
        DeValue::String(text) if matches!(key.kind, Kind::Paths) => path(key, text).map(Value::Text),
        DeValue::String(text) => Ok(Value::Text(text.to_string())),
        other => {
            Err(Fault::new("config-04", format!("an entry of {} is {}, not a text", key.name, seen(key.name, other))))
        }
    }
}

/// Units of sizes, largest last: powers of 1024, then of 1000.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads `2GiB`, `512MB`, `100B`.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, scale) = SIZES.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

/// Writes a size the way `bytes` reads it, exactly.
pub fn write_bytes(bytes: u64) -> String {
    let fits = SIZES[..5].iter().rev().find(|(_, scale)| bytes.is_multiple_of(*scale) && bytes > 0);
    fits.map_or_else(|| format!("{bytes}B"), |(unit, scale)| format!("{}{unit}", bytes / scale))
}

/// Reads `5%` or `2.5%`; 0 to 1.
pub fn ratio(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.trim_end().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

/// Writes a checked value that is no section as it would stand in the file.
pub fn write(name: &str, value: &Value) -> String {
    let listed = |list: &[Value]| list.iter().map(|one| write(name, one)).collect::<Vec<_>>().join(", ");
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Whole(whole) => whole.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(_) | Value::Hidden(_) | Value::Url(_) => text_literal(&shown_text(name, value)),
        Value::Duration(length) => format!("\"{}\"", duration::format(*length)),
        Value::Bytes(bytes) => format!("\"{}\"", write_bytes(*bytes)),
        Value::Ratio(ratio) => format!("\"{}%\"", (ratio * 1e8).round() / 1e6),
        Value::List(list) => format!("[{}]", listed(list)),
        Value::Table(_) | Value::Faulty => String::new(), // a section has lines of its own
    }
}

/// A text as it may be shown: of what is hidden, only who and where a URL is.
fn shown_text(name: &str, value: &Value) -> String {
    match value {
        Value::Text(text) if !problem::is_secret(name) => text.clone(),
        Value::Url(secret) => url::parse(secret.expose()).map_or(HIDDEN.to_string(), |url| url::write_shown(&url)),
        _ => HIDDEN.to_string(),
    }
}

/// What stands for a secret.
const HIDDEN: &str = "***";

/// As `write`, for machines: durations, sizes and shares as the file has them.
pub fn to_json(name: &str, value: &Value) -> Json {
    match value {
        Value::Flag(flag) => Json::from(*flag),
        Value::Whole(whole) => Json::from(*whole),
        Value::Number(number) => Json::from(*number),
        Value::Text(_) | Value::Hidden(_) | Value::Url(_) => Json::from(shown_text(name, value)),
        Value::List(list) => list.iter().map(|one| to_json(name, one)).collect(),
        Value::Duration(_) | Value::Bytes(_) | Value::Ratio(_) => Json::from(write(name, value).trim_matches('"')),
        Value::Table(_) | Value::Faulty => Json::Null,
    }
}

/// A TOML basic string.
pub fn text_literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
