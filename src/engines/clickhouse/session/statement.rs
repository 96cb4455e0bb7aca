//! A text of ClickHouse's log without what people wrote into it: literals and comments.

use std::iter::Peekable;
use std::str::Chars;

/// The text with `?` for every text and number, without comments, white space as one space each, at most so many
/// characters long. Quoted names stay. What does not end is a literal to its end.
/// <https://clickhouse.com/docs/en/sql-reference/syntax>
pub fn normalised(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('-', Some('-')) => blank(&mut out, &mut chars, until_line),
            ('#', Some('!' | ' ')) => blank(&mut out, &mut chars, until_line),
            ('/', Some('*')) => blank(&mut out, &mut chars, until_star),
            ('\'', _) => {
                until_quote(&mut chars, '\'');
                out.push('?');
            }
            ('$', _) => heredoc(&mut out, &mut chars),
            ('`' | '"', _) => {
                out.push(c);
                out.push_str(&until_quote(&mut chars, c));
            }
            _ if c.is_whitespace() => blank(&mut out, &mut chars, |_| ()),
            _ if c.is_ascii_digit() => {
                number(&mut chars, c);
                out.push('?');
            }
            _ if is_name(c) => {
                out.push(c);
                while let Some(next) = chars.next_if(|next| is_name(*next)) {
                    out.push(next);
                }
            }
            _ => out.push(c),
        }
    }
    let out = out.trim();
    match out.char_indices().nth(chars_max) {
        None => out.to_string(),
        Some(_) => out.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

type Rest<'t> = Peekable<Chars<'t>>;

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// One space for something that says nothing.
fn blank<'t>(out: &mut String, chars: &mut Rest<'t>, skip: fn(&mut Rest<'t>)) {
    skip(chars);
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

fn until_line(chars: &mut Rest<'_>) {
    while chars.next_if(|c| *c != '\n').is_some() {}
}

fn until_star(chars: &mut Rest<'_>) {
    chars.next();
    let mut before = ' ';
    for c in chars.by_ref() {
        if (before, c) == ('*', '/') {
            return;
        }
        before = c;
    }
}

/// What stands up to the closing quote, and it. A backslash takes the next character; a doubled quote does not close.
fn until_quote(chars: &mut Rest<'_>, quote: char) -> String {
    let mut inside = String::new();
    while let Some(c) = chars.next() {
        inside.push(c);
        if c == '\\' {
            inside.extend(chars.next());
        } else if c == quote {
            match chars.next_if_eq(&quote) {
                Some(doubled) => inside.push(doubled),
                None => return inside,
            }
        }
    }
    inside
}

/// `$name$ … $name$` is a text; a `$` that begins none stays.
fn heredoc(out: &mut String, chars: &mut Rest<'_>) {
    let ahead: String = chars.clone().take_while(|c| *c != '$').collect();
    let ends = chars.clone().nth(ahead.chars().count()) == Some('$');
    if !ends || !ahead.chars().all(is_name) {
        out.push('$');
        return;
    }
    let tag = format!("${ahead}$");
    let rest: String = chars.clone().skip(ahead.chars().count() + 1).collect();
    let inside = rest.find(&tag).map_or(rest.chars().count(), |at| rest[..at].chars().count() + tag.chars().count());
    let all = ahead.chars().count() + 1 + inside;
    for _ in 0..all {
        chars.next();
    }
    out.push('?');
}

/// Digits, a point, an exponent, other bases: all that runs on from a digit.
fn number(chars: &mut Rest<'_>, first: char) {
    let mut before = first;
    while let Some(c) =
        chars.next_if(|c| is_name(*c) || *c == '.' || matches!(*c, '+' | '-') && matches!(before, 'e' | 'E'))
    {
        before = c;
    }
}
