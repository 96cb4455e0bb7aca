//! Values of settings as the server reads and shows them: numbers with units, flags, words of a list.
//! Source: src/backend/utils/misc/guc.c, `parse_int`, `parse_real`, `convert_to_base_unit`, `ShowGUCOption`.

/// A setting's unit, as pg_settings names it, and how others convert to it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    /// Units with what one of each is in the setting's own unit, the greatest first.
    units: &'static [(&'static str, f64)],
    /// What one of the setting's own units is in the table's smallest.
    own: f64,
}

const MEMORY: &[(&str, f64)] =
    &[("TB", 1_099_511_627_776.0), ("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0), ("B", 1.0)];

/// Of microseconds.
const TIME: &[(&str, f64)] = &[("d", 86_400e6), ("h", 3_600e6), ("min", 60e6), ("s", 1e6), ("ms", 1e3), ("us", 1.0)];

impl Scale {
    /// `None`: the setting has no unit, or one that is not known here.
    fn of(unit: &str) -> Option<Scale> {
        let word = unit.trim_start_matches(|c: char| c.is_ascii_digit());
        let count: f64 = if word.len() == unit.len() { 1.0 } else { unit[..unit.len() - word.len()].parse().ok()? };
        let own_in = |units: &[(&str, f64)]| units.iter().find(|(name, _)| *name == word).map(|(_, size)| count * size);
        [MEMORY, TIME].into_iter().find_map(|units| Some(Scale { units, own: own_in(units)? }))
    }

    /// What one of the unit at this place is in the setting's own.
    fn size(&self, at: usize) -> f64 {
        self.units[at].1 / self.own
    }

    /// A fraction of a unit is rounded to the next smaller one: 30.1GB is 30822MB.
    fn to_own(self, value: f64, unit: &str) -> Option<f64> {
        let at = self.units.iter().position(|(name, _)| *name == unit)?;
        let converted = value * self.size(at);
        if at + 1 == self.units.len() {
            return Some(converted);
        }
        let smaller = self.size(at + 1);
        Some((converted / smaller).round_ties_even() * smaller)
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.units.iter().rev().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Reads a whole number, in the setting's own unit.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn integer(text: &str, unit: &str) -> Result<i64, String> {
    let (value, rest) = prefix_integer(text).ok_or("is not a number")?;
    let own = with_unit(value, rest, unit)?.round_ties_even();
    if own < f64::from(i32::MIN) || own > f64::from(i32::MAX) {
        return Err("exceeds the range of integers".to_string());
    }
    #[allow(clippy::cast_possible_truncation)] // in range, as just seen
    Ok(own as i64)
}

/// Reads a number, in the setting's own unit.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn real(text: &str, unit: &str) -> Result<f64, String> {
    // `strtod` takes hexadecimal too; of that we take whole numbers.
    let is_hexadecimal =
        text.trim_start_matches(is_space).trim_start_matches(['-', '+']).to_ascii_lowercase().starts_with("0x");
    let prefix = if is_hexadecimal { prefix_integer(text) } else { prefix_decimal(text) };
    let (value, rest) = prefix.ok_or("is not a number")?;
    with_unit(value, rest, unit)
}

fn with_unit(value: f64, rest: &str, unit: &str) -> Result<f64, String> {
    let given = rest.trim_matches(is_space);
    if given.is_empty() {
        return Ok(value);
    }
    let Some(scale) = Scale::of(unit) else { return Err(format!("has a unit ('{given}'), and the setting has none")) };
    let own = scale.to_own(value, given);
    own.ok_or_else(|| format!("has the unit '{given}', which is none of {}", scale.names()))
}

/// C's `isspace`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// What `strtol` with base 0 takes from the beginning, or `strtod` where a fraction or an exponent follows.
fn prefix_integer(text: &str) -> Option<(f64, &str)> {
    let bare = text.trim_start_matches(is_space);
    let (negative, digits) = match bare.as_bytes().first()? {
        b'-' => (true, &bare[1..]),
        b'+' => (false, &bare[1..]),
        _ => (false, bare),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, body) = match hexadecimal {
        Some(body) if body.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, body),
        _ if digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    let end = body.find(|c: char| !c.is_digit(radix)).unwrap_or(body.len());
    let rest = &body[end..];
    // Where it finds no digit, `strtol` stops before the space and the sign.
    if end == 0 && !text.starts_with('.') {
        return None;
    }
    let value = i64::from_str_radix(&body[..end], radix);
    if rest.starts_with(['.', 'e', 'E']) || (end > 0 && value.is_err()) {
        return prefix_decimal(text);
    }
    #[allow(clippy::cast_precision_loss)] // as the server: what is this large is out of range anyway
    let value = value.ok()? as f64;
    Some((if negative { -value } else { value }, rest))
}

/// What `strtod` takes from the beginning, of plain decimal numbers; no setting can be infinite.
fn prefix_decimal(text: &str) -> Option<(f64, &str)> {
    let bare = text.trim_start_matches(is_space);
    let bytes = bare.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let whole = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mut end = digits(whole);
    let mut count = end - whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        count += fraction - end - 1;
        end = fraction;
    }
    if count == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let power = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let after = digits(power);
        end = if after > power { after } else { end };
    }
    let value: f64 = bare[..end].parse().ok()?;
    value.is_finite().then_some((value, &bare[end..]))
}

/// Reads a flag: any beginning of `true false yes no on off` that is no beginning of another, `1`, `0`.
pub fn flag(text: &str) -> Option<bool> {
    let word = text.to_ascii_lowercase();
    let begins = |whole: &str, letters_min: usize| word.len() >= letters_min && whole.starts_with(&word);
    match word.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// A whole number in the setting's own unit as SHOW writes it: in the greatest unit that divides it.
pub fn show_integer(value: i64, unit: &str) -> String {
    let Some(scale) = Scale::of(unit).filter(|_| value > 0) else { return value.to_string() };
    for (at, (name, _)) in scale.units.iter().enumerate() {
        let size = scale.size(at);
        #[allow(clippy::cast_possible_truncation)] // as the server does it
        let divides = size <= 1.0 || value % (size as i64) == 0;
        if divides {
            #[allow(clippy::cast_precision_loss)] // settings are below 2^31
            return format!("{:.0}{name}", (value as f64 / size).round_ties_even());
        }
    }
    value.to_string()
}

/// A number in the setting's own unit as SHOW writes it.
pub fn show_real(value: f64, unit: &str) -> String {
    let Some(scale) = Scale::of(unit).filter(|_| value > 0.0) else { return general(value) };
    let mut shown = (value, unit);
    for (at, (name, _)) in scale.units.iter().enumerate() {
        let in_unit = value / scale.size(at);
        shown = (in_unit, *name);
        if in_unit > 0.0 && (in_unit.round_ties_even() / in_unit - 1.0).abs() <= 1e-8 {
            break;
        }
    }
    format!("{}{}", general(shown.0), shown.1)
}

/// C's `%g`: six significant digits.
pub fn general(value: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let trimmed = |digits: &str| {
        if digits.contains('.') {
            digits.trim_end_matches('0').trim_end_matches('.').to_string()
        } else {
            digits.to_string()
        }
    };
    if (-4..6).contains(&power) {
        let places = usize::try_from(5 - power).unwrap_or(0);
        return trimmed(&format!("{value:.places$}"));
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), power.abs())
}
