//! The functions that templates know: Go's own that make sense for texts and numbers, and Prometheus'.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::str::Chars;

use regex::RegexBuilder;

use crate::judge::template::TEXT_BYTES_MAX;
use crate::judge::template::numbers;
use crate::judge::template::render::Value;
use crate::model::duration;

/// A function: its name, how many arguments it takes (the piped one counted), and what it does.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub arguments: RangeInclusive<usize>,
    pub call: fn(&[Value]) -> Result<Value, String>,
}

/// Known to Prometheus, but only of use with the results of `query`.
pub const NEED_A_QUERY: &[&str] = &["query", "first", "label", "value", "strvalue", "sortByLabel", "args", "tmpl"];

const ANY: usize = usize::MAX;

static FUNCTIONS: &[Function] = &[
    Function { name: "and", arguments: 1..=ANY, call: |it| Ok(pick(it, |value| !value.holds())) },
    Function { name: "or", arguments: 1..=ANY, call: |it| Ok(pick(it, Value::holds)) },
    Function { name: "not", arguments: 1..=1, call: |it| Ok(Value::Flag(!it[0].holds())) },
    Function { name: "len", arguments: 1..=1, call: |it| len(&it[0]) },
    Function { name: "index", arguments: 2..=2, call: |it| index(&it[0], &it[1]) },
    Function { name: "print", arguments: 0..=ANY, call: |it| Ok(Value::Text(print(it))) },
    Function { name: "println", arguments: 0..=ANY, call: |it| Ok(Value::Text(print_line(it))) },
    Function { name: "printf", arguments: 1..=ANY, call: |it| printf(&text(&it[0])?, &it[1..]) },
    Function { name: "html", arguments: 1..=1, call: |it| Ok(Value::Text(html(&it[0].to_string()))) },
    Function { name: "urlquery", arguments: 1..=1, call: |it| Ok(Value::Text(url_query(&it[0].to_string()))) },
    Function { name: "eq", arguments: 2..=ANY, call: |it| equal_to_any(it) },
    Function { name: "ne", arguments: 2..=2, call: |it| Ok(Value::Flag(compare(it)? != Some(Ordering::Equal))) },
    Function { name: "lt", arguments: 2..=2, call: |it| ordered(it, &[Ordering::Less]) },
    Function { name: "le", arguments: 2..=2, call: |it| ordered(it, &[Ordering::Less, Ordering::Equal]) },
    Function { name: "gt", arguments: 2..=2, call: |it| ordered(it, &[Ordering::Greater]) },
    Function { name: "ge", arguments: 2..=2, call: |it| ordered(it, &[Ordering::Greater, Ordering::Equal]) },
    Function { name: "humanize", arguments: 1..=1, call: |it| with_number(it, numbers::humanize) },
    Function { name: "humanize1024", arguments: 1..=1, call: |it| with_number(it, numbers::humanize_1024) },
    Function { name: "humanizeDuration", arguments: 1..=1, call: |it| with_number(it, numbers::humanize_duration) },
    Function { name: "humanizePercentage", arguments: 1..=1, call: |it| with_number(it, numbers::humanize_percentage) },
    Function { name: "humanizeTimestamp", arguments: 1..=1, call: |it| with_number(it, numbers::humanize_timestamp) },
    Function { name: "parseDuration", arguments: 1..=1, call: |it| parse_duration(&text(&it[0])?) },
    Function { name: "title", arguments: 1..=1, call: |it| Ok(Value::Text(title(&text(&it[0])?))) },
    Function { name: "toUpper", arguments: 1..=1, call: |it| Ok(Value::Text(text(&it[0])?.to_uppercase())) },
    Function { name: "toLower", arguments: 1..=1, call: |it| Ok(Value::Text(text(&it[0])?.to_lowercase())) },
    Function { name: "match", arguments: 2..=2, call: |it| matches(&text(&it[0])?, &text(&it[1])?) },
    Function {
        name: "reReplaceAll",
        arguments: 3..=3,
        call: |it| replace(&text(&it[0])?, &text(&it[1])?, &text(&it[2])?),
    },
    Function { name: "stripPort", arguments: 1..=1, call: |it| Ok(Value::Text(strip_port(&text(&it[0])?))) },
    Function { name: "stripDomain", arguments: 1..=1, call: |it| Ok(Value::Text(strip_domain(&text(&it[0])?))) },
    Function { name: "safeHtml", arguments: 1..=1, call: |it| Ok(Value::Text(text(&it[0])?)) },
    Function { name: "graphLink", arguments: 1..=1, call: |it| Ok(link(&text(&it[0])?, 0)) },
    Function { name: "tableLink", arguments: 1..=1, call: |it| Ok(link(&text(&it[0])?, 1)) },
];

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The first value that passes, else the last.
fn pick(values: &[Value], passes: impl Fn(&Value) -> bool) -> Value {
    let found = values.iter().find(|value| passes(value)).or(values.last());
    found.cloned().unwrap_or(Value::Nil)
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
    }
}

fn number(value: &Value) -> Result<f64, String> {
    #[allow(clippy::cast_precision_loss)] // as Go converts
    match value {
        Value::Number(number) => Ok(*number),
        Value::Whole(whole) => Ok(*whole as f64),
        Value::Text(text) => text.trim().parse().map_err(|_| format!("'{text}' is not a number")),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

fn with_number(arguments: &[Value], write: fn(f64) -> String) -> Result<Value, String> {
    Ok(Value::Text(write(number(&arguments[0])?)))
}

fn len(value: &Value) -> Result<Value, String> {
    let count = match value {
        Value::Text(text) => text.len(),
        Value::Labels(labels) => labels.len(),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Whole(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match value {
        Value::Labels(labels) => Ok(Value::Text(labels.value(&text(key)?).to_string())),
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

/// As Go's Sprint: a space between neighbours neither of which is a text.
fn print(values: &[Value]) -> String {
    let mut printed = String::new();
    let mut before_was_text = true;
    for (at, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if at > 0 && !is_text && !before_was_text {
            printed.push(' ');
        }
        printed.push_str(&value.to_string());
        before_was_text = is_text;
    }
    printed
}

fn print_line(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    format!("{}\n", texts.join(" "))
}

/// How two values stand to each other; `None` for NaN.
fn compare(arguments: &[Value]) -> Result<Option<Ordering>, String> {
    let [left, right, ..] = arguments else { return Err("missing argument for comparison".to_string()) };
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(Some(left.cmp(right))),
        (Value::Flag(left), Value::Flag(right)) => Ok(Some(left.cmp(right))),
        (Value::Nil, Value::Nil) => Ok(Some(Ordering::Equal)),
        (Value::Number(_) | Value::Whole(_), Value::Number(_) | Value::Whole(_)) => {
            Ok(number(left)?.partial_cmp(&number(right)?))
        }
        _ => Err(format!("incompatible types for comparison: {} and {}", left.type_name(), right.type_name())),
    }
}

fn ordered(arguments: &[Value], wanted: &[Ordering]) -> Result<Value, String> {
    Ok(Value::Flag(compare(arguments)?.is_some_and(|order| wanted.contains(&order))))
}

fn equal_to_any(arguments: &[Value]) -> Result<Value, String> {
    for other in &arguments[1..] {
        if compare(&[arguments[0].clone(), other.clone()])? == Some(Ordering::Equal) {
            return Ok(Value::Flag(true));
        }
    }
    Ok(Value::Flag(false))
}

fn parse_duration(text: &str) -> Result<Value, String> {
    duration::parse(text).map(|duration| Value::Number(duration.as_secs_f64()))
}

fn title(text: &str) -> String {
    let mut begins = true;
    let mut titled = String::with_capacity(text.len());
    for c in text.chars() {
        if begins {
            titled.extend(c.to_uppercase())
        } else {
            titled.push(c)
        }
        begins = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    titled
}

fn regex(pattern: &str) -> Result<regex::Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(256 << 10).build();
    built.map_err(|error| format!("'{pattern}' is not a regular expression: {error}"))
}

fn matches(pattern: &str, text: &str) -> Result<Value, String> {
    Ok(Value::Flag(regex(pattern)?.is_match(text)))
}

fn replace(pattern: &str, with: &str, text: &str) -> Result<Value, String> {
    let mut replaced = String::new();
    let mut end = 0;
    for found in regex(pattern)?.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        replaced.push_str(&text[end..whole.start()]);
        found.expand(with, &mut replaced);
        end = whole.end();
        if replaced.len() > TEXT_BYTES_MAX {
            return Err(format!("a text grew longer than {TEXT_BYTES_MAX} bytes"));
        }
    }
    replaced.push_str(&text[end..]);
    Ok(Value::Text(replaced))
}

/// A host without its port and brackets; what has no port stays as it is.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').map(|inner| (inner, port)),
        None if host.contains(':') => None,
        None => Some((host, port)),
    }
}

fn strip_port(text: &str) -> String {
    split_port(text).map_or(text, |(host, _)| host).to_string()
}

fn strip_domain(text: &str) -> String {
    let (host, port) = split_port(text).map_or((text, ""), |(host, port)| (host, port));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return text.to_string();
    }
    let short = host.split('.').next().unwrap_or(host);
    if port.is_empty() { short.to_string() } else { format!("{short}:{port}") }
}

fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn url_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

fn link(expression: &str, tab: u8) -> Value {
    Value::Text(format!("/graph?g0.expr={}&g0.tab={tab}", url_query(expression)))
}

/// What stands between `%` and its verb.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
}

/// The widest field and the most decimals `printf` writes.
const WIDTH_MAX: usize = 100;

/// A number at the front, cut at `WIDTH_MAX`.
fn digits(chars: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        number = Some((number.unwrap_or(0) * 10 + digit as usize).min(WIDTH_MAX));
        chars.next();
    }
    number
}

/// Go's Printf with the verbs that fit texts, numbers and flags: `%s %q %v %d %f %e %g %t %x %%`.
fn printf(format: &str, arguments: &[Value]) -> Result<Value, String> {
    let mut printed = String::new();
    let mut chars = format.chars().peekable();
    let mut rest = arguments.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            printed.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(&flag) = chars.peek() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '0' => spec.zero = true,
                ' ' => spec.space = true,
                '#' => {}
                _ => break,
            }
            chars.next();
        }
        spec.width = digits(&mut chars).unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(digits(&mut chars).unwrap_or(0));
        }
        match chars.next() {
            None => printed.push_str("%!(NOVERB)"),
            Some('%') => printed.push('%'),
            Some(verb) => match rest.next() {
                Some(value) => printed.push_str(&spec.padded(verb, value)),
                None => printed.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
    }
    let extra: Vec<String> = rest.map(|value| format!("{}={value}", value.type_name())).collect();
    if !extra.is_empty() {
        printed.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(Value::Text(printed))
}

impl Spec {
    fn padded(&self, verb: char, value: &Value) -> String {
        let Some(body) = self.body(verb, value) else { return format!("%!{verb}({}={value})", value.type_name()) };
        let missing = self.width.saturating_sub(body.chars().count());
        let is_number = matches!(value, Value::Number(_) | Value::Whole(_));
        if self.minus {
            format!("{body}{}", " ".repeat(missing))
        } else if self.zero && is_number {
            let sign = usize::from(body.starts_with(['-', '+', ' ']));
            format!("{}{}{}", &body[..sign], "0".repeat(missing), &body[sign..])
        } else {
            format!("{}{body}", " ".repeat(missing))
        }
    }

    /// The value without its padding; `None` where the verb does not fit it.
    fn body(&self, verb: char, value: &Value) -> Option<String> {
        let cut = |text: &str| match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_string(),
        };
        Some(match (verb, value) {
            ('v' | 's', Value::Text(text)) => cut(text),
            ('q', Value::Text(text)) => format!("{:?}", cut(text)),
            ('x', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('v' | 'd', Value::Whole(whole)) => self.signed(whole.to_string()),
            ('x', Value::Whole(whole)) => format!("{}{:x}", if *whole < 0 { "-" } else { "" }, whole.unsigned_abs()),
            ('v' | 'g', Value::Number(number)) => self.signed(match self.precision {
                Some(precision) => numbers::general(*number, precision),
                None => numbers::shortest(*number),
            }),
            ('f' | 'F', Value::Number(number)) => self.signed(numbers::fixed(*number, self.precision.unwrap_or(6))),
            ('e', Value::Number(number)) => self.signed(numbers::exponential(*number, self.precision.unwrap_or(6))),
            ('v' | 't', Value::Flag(flag)) => flag.to_string(),
            ('v', other) => other.to_string(),
            ('s', Value::Labels(labels)) => Value::Labels(labels.clone()).to_string(),
            _ => return None,
        })
    }

    fn signed(&self, text: String) -> String {
        match text.chars().next() {
            Some('+') if !self.plus => text[1..].to_string(),
            Some('-' | '+') => text,
            _ if self.plus => format!("+{text}"),
            _ if self.space => format!(" {text}"),
            _ => text,
        }
    }
}
