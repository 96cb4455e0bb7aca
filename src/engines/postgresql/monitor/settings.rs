//! pg_settings as metrics: numbers and flags, times in seconds, sizes in bytes.

use crate::engines::contract::{Answer, Emit, Facts};
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Family, MetricKind};

pub const ASK: &str = "SELECT name, setting, coalesce(unit, '') AS unit, vartype FROM pg_settings \
                       WHERE vartype IN ('bool', 'integer', 'real')";

pub static FAMILIES: &[Family] =
    &[Family::new(MetricKind::Gauge, "pg_settings_", "", "A server parameter; times in seconds, sizes in bytes.")];

/// Units by their letters, and what one is in seconds or bytes.
const UNITS: &[(&str, &str, f64)] = &[
    ("us", "seconds", 1e-6),
    ("ms", "seconds", 1e-3),
    ("s", "seconds", 1.0),
    ("min", "seconds", 60.0),
    ("h", "seconds", 3_600.0),
    ("d", "seconds", 86_400.0),
    ("B", "bytes", 1.0),
    ("kB", "bytes", 1_024.0),
    ("MB", "bytes", 1_048_576.0),
    ("GB", "bytes", 1_073_741_824.0),
    ("TB", "bytes", 1_099_511_627_776.0),
];

/// One metric for each setting. One that cannot be read costs itself alone: services add some with values of their own.
///
/// # Errors
/// The answer is not the table that was asked for.
pub fn take(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else {
        return Err(Unknown::new(UnknownKind::Garbled, "the answer is no table"));
    };
    let [name, setting, unit, vartype] =
        [table.column("name")?, table.column("setting")?, table.column("unit")?, table.column("vartype")?];
    for row in &table.rows {
        let cell = |at: usize| row[at].as_deref().unwrap_or("");
        if cell(vartype) == "bool" {
            emit.family(&FAMILIES[0], cell(name), &[], f64::from(u8::from(cell(setting) == "on")));
        } else if let Some((base, value)) = in_base_unit(cell(setting), cell(unit)) {
            let part = if base.is_empty() { cell(name).to_string() } else { format!("{}_{base}", cell(name)) };
            emit.family(&FAMILIES[0], &part, &[], value);
        }
    }
    Ok(())
}

/// A value and the word of its base unit. `-1` means "as it likes" or "off" in every unit and stays as it is. Aurora
/// writes the unit behind the value as well.
pub fn in_base_unit(setting: &str, unit: &str) -> Option<(&'static str, f64)> {
    let number: f64 = setting.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
    if unit.is_empty() {
        return Some(("", number));
    }
    let letters = unit.trim_start_matches(|c: char| c.is_ascii_digit());
    // 8kB counts in blocks of eight
    let times: f64 = unit[..unit.len() - letters.len()].parse().unwrap_or(1.0);
    let (_, base, scale) = UNITS.iter().find(|(word, ..)| *word == letters)?;
    let value = if number == -1.0 { number } else { number * times * scale };
    Some((base, value))
}
