//! A statement's text without what people wrote into it. The server's own normalising leaves commands as they were, passwords and all.

use std::iter::Peekable;
use std::str::CharIndices;

/// What stands for a literal.
const LITERAL: char = '?';

/// A text without literals and comments, white space as one space each, at most so many characters long. Strings of
/// every kind and numbers are literals; parameters (`$1`) and quoted names stay. What does not end is a literal to its end.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>
pub fn normalised(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut at = Lexer { text, chars: text.char_indices().peekable() };
    let mut before = ' ';
    while let Some((start, c)) = at.chars.next() {
        let rest = &text[start..];
        if c.is_whitespace() || rest.starts_with("--") || rest.starts_with("/*") {
            at.skip_blank(rest);
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if c == '\'' {
            // E'…' knows backslashes; B'…', X'…', N'…' and U&'…' do not.
            at.skip_quoted('\'', matches!(before, 'e' | 'E'));
            strip_prefix_letter(&mut out);
            out.push(LITERAL);
        } else if c == '"' {
            let end = at.skip_quoted('"', false);
            out.push_str(&text[start..end]);
        } else if let Some(tag) = dollar_tag(rest).filter(|_| !is_name(before)) {
            let body = &rest[tag.len()..];
            let length = body.find(tag).map_or(rest.len(), |end| tag.len() * 2 + end);
            at.skip_to(start + length);
            out.push(LITERAL);
        } else if c == '$' || is_name(c) && !c.is_ascii_digit() {
            let end = at.skip_while(is_name);
            out.push_str(&text[start..end]);
        } else if c.is_ascii_digit() || c == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit()) {
            at.skip_number(c);
            out.push(LITERAL);
        } else {
            out.push(c);
        }
        before = text[..at.place()].chars().next_back().unwrap_or(' ');
        if out.len() > chars_max * 4 {
            break; // a character has at most four bytes: there is more than is shown
        }
    }
    let out = out.trim_end();
    match out.char_indices().nth(chars_max) {
        None => out.to_string(),
        Some(_) => out.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The letters of `E'`, `U&'` and their like belong to the literal.
fn strip_prefix_letter(out: &mut String) {
    for prefix in ["U&", "E", "B", "X", "N"] {
        let Some(head) = out.len().checked_sub(prefix.len()).filter(|head| out.is_char_boundary(*head)) else {
            continue;
        };
        let stands_alone = !out[..head].ends_with(is_name);
        if stands_alone && out[head..].eq_ignore_ascii_case(prefix) {
            out.truncate(head);
            return;
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// `$$` or `$name$` at the beginning of a text. A name begins with no digit: `$1` is a parameter.
fn dollar_tag(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let length = name.find(|c: char| c == '$' || !is_name(c))?;
    let ends = name[length..].starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    ends.then(|| &text[..length + 2])
}

struct Lexer<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
}

impl Lexer<'_> {
    /// Where the next character begins.
    fn place(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn skip_to(&mut self, place: usize) {
        while self.chars.next_if(|(at, _)| *at < place).is_some() {}
    }

    fn skip_while(&mut self, fits: impl Fn(char) -> bool) -> usize {
        while self.chars.next_if(|(_, c)| fits(*c)).is_some() {}
        self.place()
    }

    /// To behind the closing quote; a doubled one does not close.
    fn skip_quoted(&mut self, quote: char, has_escapes: bool) -> usize {
        while let Some((_, c)) = self.chars.next() {
            if has_escapes && c == '\\' {
                self.chars.next();
            } else if c == quote && self.chars.next_if(|(_, next)| *next == quote).is_none() {
                break;
            }
        }
        self.place()
    }

    /// White space, or a comment; those in `/* */` nest.
    fn skip_blank(&mut self, rest: &str) {
        if rest.starts_with("--") {
            self.skip_while(|c| c != '\n');
        } else if rest.starts_with("/*") {
            let mut depth = 1;
            let mut before = ' ';
            self.chars.next();
            for (_, c) in self.chars.by_ref() {
                (depth, before) = match (before, c) {
                    ('/', '*') => (depth + 1, ' '),
                    ('*', '/') => (depth - 1, ' '),
                    _ => (depth, c),
                };
                if depth == 0 {
                    break;
                }
            }
        }
    }

    /// Digits, a point, an exponent, other bases: all that runs on from a digit.
    fn skip_number(&mut self, first: char) {
        let mut before = first;
        while let Some((_, c)) = self
            .chars
            .next_if(|(_, c)| is_name(*c) || *c == '.' || matches!(*c, '+' | '-') && matches!(before, 'e' | 'E'))
        {
            before = c;
        }
    }
}
