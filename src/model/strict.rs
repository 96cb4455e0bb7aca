//! Strict names: what a metric is called where names must be lint-clean. A table may say it; where it does not, the name
//! is worked out from the exporter's own.

use crate::model::catalogue::Entry;
use crate::model::row::MetricKind;

/// A lint-clean name, and what a value is multiplied with under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strict {
    pub name: String,
    pub scale: f64,
}

/// The strict name of a metric: the table's, else the exporter's name where that is clean, else a clean one made of it.
/// The rules are those of `promtool check metrics`.
pub fn strict(name: &str, entry: &Entry) -> Strict {
    if !entry.strict.is_empty() {
        return Strict { name: entry.strict.to_string(), scale: entry.scale };
    }
    let (stem, part) = parted(name, entry.kind);
    let mut words = words(stem);
    let scale = cleaned(&mut words);
    end(&mut words, entry.kind);
    if words.join("_") + part == name {
        return Strict { name: name.to_string(), scale: 1.0 };
    }
    // What the table says of scale and unit goes beside what the name itself says.
    let scale = if entry.scale == 1.0 { scale } else { entry.scale };
    if let Some(unit) = unit_word(entry.unit).filter(|unit| !words.iter().any(|word| word == unit)) {
        let at = words.len() - usize::from(entry.kind == MetricKind::Counter);
        words.insert(at, unit.to_string());
    }
    Strict { name: words.join("_") + part, scale }
}

/// The word with which names end whose values have a unit.
pub fn unit_word(unit: &str) -> Option<&'static str> {
    match unit {
        "By" => Some("bytes"),
        "s" => Some("seconds"),
        _ => None,
    }
}

/// A name without the part that says which series of its family it is: `_sum`, `_count` or `_bucket`.
pub fn parted(name: &str, kind: MetricKind) -> (&str, &str) {
    let parts: &[&str] = match kind {
        MetricKind::Histogram => &["_bucket", "_count", "_sum"],
        MetricKind::Summary => &["_count", "_sum"],
        _ => &[],
    };
    let part = parts.iter().find(|part| name.ends_with(**part)).map_or(0, |part| part.len());
    name.split_at(name.len() - part)
}

/// The words of a name in small letters: `HTTPConnection_eth0` has `http`, `connection` and `eth0`.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for piece in name.split('_') {
        let letters: Vec<char> = piece.chars().collect();
        let mut word = String::new();
        for (at, letter) in letters.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| letters[at]);
            let begins = letter.is_ascii_uppercase()
                && before.is_some_and(|before| {
                    !before.is_ascii_uppercase() || letters.get(at + 1).is_some_and(char::is_ascii_lowercase)
                });
            if begins && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.push(letter.to_ascii_lowercase());
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// Makes units base units and takes out what a name must not have; returns what values are multiplied with then.
fn cleaned(words: &mut Vec<String>) -> f64 {
    let mut scale = 1.0;
    let mut at = 0;
    while at < words.len() {
        if let Some((base, factor)) = in_base_units(&words[at]) {
            words[at] = base.to_string();
            scale *= factor;
        } else if let Some((_, other)) = TYPES.iter().find(|(word, _)| *word == words[at]) {
            words[at] = (*other).to_string();
        }
        if at > 0 && (ABBREVIATIONS.contains(&&*words[at]) || is_other_unit(&words[at])) {
            // No unit by itself: a letter of something's name. It goes to the word before it.
            let word = words.remove(at);
            words[at - 1].push_str(&word);
            at -= 1;
        } else {
            at += 1;
        }
    }
    scale
}

/// The end of a name says what it counts: `total` on counters, and nothing that other types' names end with.
fn end(words: &mut Vec<String>, kind: MetricKind) {
    if kind == MetricKind::Counter {
        if words.last().is_none_or(|word| word != "total") {
            words.push("total".to_string());
        }
        return;
    }
    if kind == MetricKind::Untyped {
        return;
    }
    if let Some(last) = words.last_mut()
        && let Some((_, other)) = ENDS.iter().find(|(word, _)| word == last)
    {
        *last = (*other).to_string();
    }
}

/// Words that name a type, and what stands for them.
const TYPES: [(&str, &str); 4] =
    [("counter", "tally"), ("gauge", "level"), ("histogram", "distribution"), ("summary", "overview")];

/// Words that only certain types' names end with, and what stands for them.
const ENDS: [(&str, &str); 4] = [("total", "all"), ("count", "number"), ("sum", "amount"), ("bucket", "slot")];

/// What the linter takes for an abbreviated unit.
const ABBREVIATIONS: [&str; 14] = ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

/// Powers of ten, or of two, by which a unit can be multiplied.
const PREFIXES: [(&str, f64); 18] = [
    ("pico", 1e-12),
    ("nano", 1e-9),
    ("micro", 1e-6),
    ("milli", 1e-3),
    ("centi", 1e-2),
    ("deci", 1e-1),
    ("deca", 1e1),
    ("hecto", 1e2),
    ("kilo", 1e3),
    ("kibi", 1024.0),
    ("mega", 1e6),
    ("mibi", 1_048_576.0),
    ("giga", 1e9),
    ("gibi", 1_073_741_824.0),
    ("tera", 1e12),
    ("tebi", 1_099_511_627_776.0),
    ("peta", 1e15),
    ("pebi", 1_125_899_906_842_624.0),
];

/// Units, their base unit, and how many of that they are.
const UNITS: [(&str, &str, f64); 14] = [
    ("seconds", "seconds", 1.0),
    ("bytes", "bytes", 1.0),
    ("minutes", "seconds", 60.0),
    ("hours", "seconds", 3_600.0),
    ("days", "seconds", 86_400.0),
    ("weeks", "seconds", 604_800.0),
    ("bits", "bytes", 0.125),
    ("meters", "meters", 1.0),
    ("metres", "metres", 1.0),
    ("grams", "grams", 1.0),
    ("joules", "joules", 1.0),
    ("volts", "volts", 1.0),
    ("amperes", "amperes", 1.0),
    ("kelvin", "kelvin", 1.0),
];

/// Units that no factor turns into a base unit, or that no server measures in.
const OTHERS: [&str; 10] =
    ["celsius", "kelvins", "fahrenheit", "rankine", "inches", "yards", "miles", "calories", "pounds", "ounces"];

/// A unit that is no base unit, as its base unit and how many of that it is.
fn in_base_units(word: &str) -> Option<(&'static str, f64)> {
    match word {
        "ms" => return Some(("seconds", 1e-3)),
        "us" => return Some(("seconds", 1e-6)),
        "ns" => return Some(("seconds", 1e-9)),
        "sec" => return Some(("seconds", 1.0)),
        _ => {}
    }
    let unit = |word: &str| UNITS.iter().find(|(unit, ..)| *unit == word);
    if let Some((unit, base, factor)) = unit(word) {
        return (unit != base).then_some((*base, *factor));
    }
    PREFIXES.iter().find_map(|(prefix, power)| {
        let (_, base, factor) = unit(word.strip_prefix(prefix)?)?;
        Some((*base, power * factor))
    })
}

fn is_other_unit(word: &str) -> bool {
    let is_one = |word: &str| word != "celsius" && OTHERS.contains(&word);
    let prefixed = |(prefix, _): &(&str, f64)| word.strip_prefix(prefix).is_some_and(|rest| OTHERS.contains(&rest));
    is_one(word) || PREFIXES.iter().any(prefixed)
}
