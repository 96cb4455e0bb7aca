//! A template's text in pieces: plain text, and the tokens of its actions.

use crate::judge::template::TemplateError;

/// One token between `{{` and `}}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// `if`, `printf`, `true`.
    Word(String),
    /// `$labels`, without its `$`; `$` alone is empty.
    Variable(String),
    /// `.Labels` behind a space, a value or a closing parenthesis; `glued` says that nothing stands before it.
    Field {
        name: String,
        glued: bool,
    },
    /// `.` alone.
    Dot,
    Text(String),
    Number(f64),
    Whole(i64),
    Pipe,
    Open,
    Close,
    Comma,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
}

/// The tokens of one action, each with its place (byte offset).
pub type Tokens = Vec<(Token, usize)>;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(String),
    /// One action, and where it begins.
    Action {
        tokens: Vec<(Token, usize)>,
        at: usize,
    },
}

/// Line and column of a byte offset.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or("").chars().count() + 1)
}

/// An error at a byte offset.
pub fn error_at(text: &str, at: usize, what: impl Into<String>) -> TemplateError {
    let (line, column) = place(text, at);
    TemplateError { what: what.into(), line, column }
}

/// Cuts a text into pieces. `{{-` and `-}}` trim the space around them; comments vanish.
///
/// # Errors
/// An action that does not end, or a token that is none.
pub fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    loop {
        let open = text[at..].find("{{").map(|found| at + found);
        let mut plain = &text[at..open.unwrap_or(text.len())];
        if trim_next {
            plain = plain.trim_start();
        }
        let Some(open) = open else {
            if !plain.is_empty() {
                pieces.push(Piece::Text(plain.to_string()));
            }
            return Ok(pieces);
        };
        let mut inside = open + 2;
        if let Some(rest) = text[inside..].strip_prefix('-')
            && rest.starts_with(char::is_whitespace)
        {
            plain = plain.trim_end();
            inside += 1;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_string()));
        }
        let mut lexer = Lexer { text, at: inside, open };
        if text[inside..].trim_start().starts_with("/*") {
            (at, trim_next) = lexer.comment()?;
            continue;
        }
        let tokens;
        (tokens, at, trim_next) = lexer.action()?;
        pieces.push(Piece::Action { tokens, at: open });
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    open: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, what: impl Into<String>) -> TemplateError {
        error_at(self.text, at, what)
    }

    fn skip_space(&mut self) -> bool {
        let before = self.at;
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.at > before
    }

    /// `Some(trims)` and past it, if the action ends here.
    fn end(&mut self, spaced: bool) -> Option<bool> {
        if self.rest().starts_with("}}") {
            self.at += 2;
            Some(false)
        } else if spaced && self.rest().starts_with("-}}") {
            self.at += 3;
            Some(true)
        } else {
            None
        }
    }

    fn comment(&mut self) -> Result<(usize, bool), TemplateError> {
        let Some(close) = self.rest().find("*/") else { return Err(self.error(self.open, "unclosed comment")) };
        self.at += close + 2;
        let spaced = self.skip_space();
        let trims = self.end(spaced).ok_or_else(|| self.error(self.at, "a comment must end the action"))?;
        Ok((self.at, trims))
    }

    /// The tokens up to the action's end, where that is, and whether it trims what follows.
    fn action(&mut self) -> Result<(Tokens, usize, bool), TemplateError> {
        let mut tokens = Tokens::new();
        loop {
            let spaced = self.skip_space();
            if let Some(trims) = self.end(spaced) {
                return Ok((tokens, self.at, trims));
            }
            let begin = self.at;
            let token = self.token(spaced || tokens.is_empty())?;
            tokens.push((token, begin));
        }
    }

    fn token(&mut self, spaced: bool) -> Result<Token, TemplateError> {
        let begin = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Err(self.error(self.open, "unclosed action: '{{' without '}}'"));
        };
        let next_is_digit = self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        self.at += first.len_utf8();
        Ok(match first {
            '|' => Token::Pipe,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '=' => Token::Assign,
            ':' if self.rest().starts_with('=') => {
                self.at += 1;
                Token::Declare
            }
            '"' => Token::Text(self.quoted(begin)?),
            '`' => Token::Text(self.raw(begin)?),
            '$' => Token::Variable(self.word()),
            '.' if !next_is_digit => match self.word() {
                name if name.is_empty() => Token::Dot,
                name => Token::Field { name, glued: !spaced },
            },
            c if c.is_ascii_digit() || matches!(c, '.' | '+' | '-') => self.number(begin)?,
            c if c.is_alphabetic() || c == '_' => {
                self.at = begin;
                Token::Word(self.word())
            }
            c => return Err(self.error(begin, format!("unexpected '{c}' in an action"))),
        })
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = rest[..end].to_string();
        self.at += end;
        word
    }

    fn number(&mut self, begin: usize) -> Result<Token, TemplateError> {
        let rest = &self.text[begin..];
        let part = |(at, c): (usize, char)| {
            let exponent_sign = at > 0 && matches!(c, '+' | '-') && rest[..at].ends_with(['e', 'E']);
            c.is_ascii_alphanumeric() || c == '.' || exponent_sign || (at == 0 && matches!(c, '+' | '-'))
        };
        let end = rest.char_indices().find(|&pair| !part(pair)).map_or(rest.len(), |(at, _)| at);
        self.at = begin + end;
        let digits = &rest[..end];
        if let Ok(whole) = digits.parse::<i64>() {
            return Ok(Token::Whole(whole));
        }
        let plain = digits.contains(|c: char| c.is_ascii_digit());
        match digits.parse::<f64>() {
            Ok(number) if plain => Ok(Token::Number(number)),
            _ => Err(self.error(begin, format!("'{digits}' is not a number"))),
        }
    }

    fn raw(&mut self, begin: usize) -> Result<String, TemplateError> {
        let Some(close) = self.rest().find('`') else { return Err(self.error(begin, "unclosed '`'")) };
        let text = self.rest()[..close].to_string();
        self.at += close + 1;
        Ok(text)
    }

    fn quoted(&mut self, begin: usize) -> Result<String, TemplateError> {
        let mut text = String::new();
        let unclosed = |lexer: &Self| lexer.error(begin, "unclosed '\"'");
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(unclosed(self)) };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\n' => return Err(unclosed(self)),
                '\\' => text.push(self.escaped()?),
                other => text.push(other),
            }
        }
    }

    /// What stands behind a backslash in a quoted text, as in Go; bytes (`\x`, octal) only below 128.
    fn escaped(&mut self) -> Result<char, TemplateError> {
        let begin = self.at - 1;
        let mut chars = self.rest().chars();
        let kind = chars.next().unwrap_or(' ');
        self.at += kind.len_utf8();
        let (digits, radix) = match kind {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '"' => return Ok(kind),
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return Err(self.error(begin, format!("unknown escape '\\{kind}' in a text"))),
        };
        let code = self.rest().get(..digits).and_then(|text| u32::from_str_radix(text, radix).ok());
        let below = if matches!(kind, 'u' | 'U') { u32::MAX } else { 128 };
        let Some(c) = code.filter(|code| *code < below).and_then(char::from_u32) else {
            return Err(self.error(begin, format!("bad escape '\\{kind}' in a text")));
        };
        self.at += digits;
        Ok(c)
    }
}
