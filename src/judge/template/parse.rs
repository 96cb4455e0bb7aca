//! A template's pieces as a tree: names resolved, arguments counted, blocks closed.

use crate::judge::template::functions::{self, Function};
use crate::judge::template::lex::{self, Piece, Token};
use crate::judge::template::{DEPTH_MAX, TEXT_BYTES_MAX, TemplateError};

/// One part of a template, in order.
#[derive(Clone, Debug)]
pub enum Part {
    Text(String),
    Print(Pipeline),
    /// `$x := …`, which prints nothing.
    Declare(String, Pipeline),
    /// `$x = …`: the variable was declared before.
    Assign(String, Pipeline),
    If(Block),
    With(Block),
    /// The two names of `range $key, $value := …`, empty where not given.
    Range {
        key: String,
        value: String,
        block: Block,
    },
}

/// A condition, what stands under it, and what stands under its `else`.
#[derive(Clone, Debug)]
pub struct Block {
    /// `if $x := …`: the variable, else empty.
    pub variable: String,
    pub pipeline: Pipeline,
    pub body: Vec<Part>,
    pub otherwise: Vec<Part>,
}

/// Commands joined by `|`; each but the first takes the value before it as its last argument.
#[derive(Clone, Debug)]
pub struct Pipeline(pub Vec<Operand>);

/// What gives a value.
#[derive(Clone, Debug)]
pub enum Operand {
    /// `.`, `.Labels.x`.
    Dot(Vec<String>),
    Variable(String, Vec<String>),
    Text(String),
    Number(f64),
    Whole(i64),
    Flag(bool),
    Nil,
    Group(Box<Pipeline>, Vec<String>),
    Call(&'static Function, Vec<Operand>),
}

/// What `.` is, as far as can be known before there is data.
#[derive(Clone, Copy, PartialEq)]
enum DotIs {
    Data,
    Open,
}

const DATA_FIELDS: &[&str] = &["Labels", "ExternalLabels", "ExternalURL", "Value"];
const DATA_VARIABLES: &[&str] = &["", "labels", "externalLabels", "externalURL", "value"];

/// Reads a template.
///
/// # Errors
/// The first fault, with its place.
pub fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(lex::error_at(text, 0, format!("longer than {TEXT_BYTES_MAX} bytes")));
    }
    let pieces = lex::pieces(text)?;
    let variables = DATA_VARIABLES.iter().map(|name| (*name).to_string()).collect();
    let mut parser = Parser { text, pieces: pieces.into_iter(), variables, depth: 0 };
    let (parts, end) = parser.parts(DotIs::Data)?;
    match end {
        Stop::Text => Ok(parts),
        Stop::Else { at, .. } => Err(parser.error(at, "'else' without 'if', 'with' or 'range'")),
        Stop::End { at } => Err(parser.error(at, "'end' without 'if', 'with' or 'range'")),
    }
}

struct Parser<'a> {
    text: &'a str,
    pieces: std::vec::IntoIter<Piece>,
    /// Names that are declared here, the innermost last.
    variables: Vec<String>,
    depth: usize,
}

/// How a list of parts ended.
enum Stop {
    Text,
    /// With what follows it: nothing, or `if …` / `with …`.
    Else {
        at: usize,
        next: Vec<(Token, usize)>,
    },
    End {
        at: usize,
    },
}

/// The tokens of one action, read from the left.
struct Tokens {
    tokens: std::iter::Peekable<std::vec::IntoIter<(Token, usize)>>,
    /// Where the last token, or the action, began.
    at: usize,
}

impl Tokens {
    fn new(tokens: Vec<(Token, usize)>, at: usize) -> Tokens {
        Tokens { tokens: tokens.into_iter().peekable(), at }
    }

    fn peek(&mut self) -> Option<&Token> {
        self.tokens.peek().map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let (token, at) = self.tokens.next()?;
        self.at = at;
        Some(token)
    }

    /// Fields glued to what came before: `$labels` + `.instance`.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Token::Field { name, glued: true }) = self.peek() {
            fields.push(name.clone());
            self.next();
        }
        fields
    }
}

impl Parser<'_> {
    fn error(&self, at: usize, what: impl Into<String>) -> TemplateError {
        lex::error_at(self.text, at, what)
    }

    fn parts(&mut self, dot: DotIs) -> Result<(Vec<Part>, Stop), TemplateError> {
        let mut parts = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, at) = match piece {
                Piece::Text(text) => {
                    parts.push(Part::Text(text));
                    continue;
                }
                Piece::Action { tokens, at } => (tokens, at),
            };
            let mut tokens = Tokens::new(tokens, at);
            let word = match tokens.peek() {
                Some(Token::Word(word)) => word.clone(),
                Some(_) => String::new(),
                None => return Err(self.error(at, "missing value in an action")),
            };
            match word.as_str() {
                "if" | "with" | "range" => {
                    tokens.next();
                    parts.push(self.block(&word, tokens, dot)?);
                }
                "else" => {
                    tokens.next();
                    return Ok((parts, Stop::Else { at, next: tokens.tokens.collect() }));
                }
                "end" => {
                    tokens.next();
                    self.nothing_more(&mut tokens)?;
                    return Ok((parts, Stop::End { at }));
                }
                "define" | "template" | "block" | "break" | "continue" => {
                    return Err(self.error(at, format!("'{word}' is not known in templates here")));
                }
                _ => parts.push(self.print_or_assign(tokens, dot)?),
            }
        }
        Ok((parts, Stop::Text))
    }

    fn nothing_more(&self, tokens: &mut Tokens) -> Result<(), TemplateError> {
        match tokens.next() {
            None => Ok(()),
            Some(_) => Err(self.error(tokens.at, "unexpected text at the end of an action")),
        }
    }

    fn print_or_assign(&mut self, mut tokens: Tokens, dot: DotIs) -> Result<Part, TemplateError> {
        let at = tokens.at;
        let (declared, sign) = declaration(&mut tokens);
        let pipeline = self.pipeline(&mut tokens, dot)?;
        self.nothing_more(&mut tokens)?;
        match (declared.as_slice(), sign) {
            ([], _) => Ok(Part::Print(pipeline)),
            ([name], Token::Assign) if self.variables.contains(name) => Ok(Part::Assign(name.clone(), pipeline)),
            ([name], Token::Assign) => Err(self.error(at, format!("undefined variable '${name}'"))),
            ([name], _) => {
                self.variables.push(name.clone());
                Ok(Part::Declare(name.clone(), pipeline))
            }
            _ => Err(self.error(at, "only 'range' declares two variables")),
        }
    }

    fn block(&mut self, word: &str, mut tokens: Tokens, dot: DotIs) -> Result<Part, TemplateError> {
        let begin = tokens.at;
        self.deeper(begin)?;
        let outer = self.variables.len();
        let (declared, _) = declaration(&mut tokens);
        let (key, value) = match (word, declared.as_slice()) {
            (_, []) => (String::new(), String::new()),
            (_, [one]) => (String::new(), one.clone()),
            ("range", [key, value]) => (key.clone(), value.clone()),
            _ => return Err(self.error(begin, "only 'range' declares two variables")),
        };
        let pipeline = self.pipeline(&mut tokens, dot)?;
        self.nothing_more(&mut tokens)?;
        self.variables.extend(declared);
        let inner = if word == "if" { dot } else { DotIs::Open };
        let (body, end) = self.parts(inner)?;
        let otherwise = match end {
            Stop::Text => return Err(self.error(begin, format!("'{word}' without 'end'"))),
            Stop::End { .. } => Vec::new(),
            Stop::Else { at, next } => self.otherwise(word, Tokens::new(next, at), dot)?,
        };
        self.variables.truncate(outer);
        self.depth -= 1;
        let block = Block { variable: value.clone(), pipeline, body, otherwise };
        Ok(match word {
            "if" => Part::If(block),
            "with" => Part::With(block),
            _ => Part::Range { key, value, block },
        })
    }

    /// What follows `else` or `else if …`, up to and with the one `end`.
    fn otherwise(&mut self, word: &str, mut tokens: Tokens, dot: DotIs) -> Result<Vec<Part>, TemplateError> {
        let begin = tokens.at;
        match tokens.next() {
            None => match self.parts(dot)? {
                (parts, Stop::End { .. }) => Ok(parts),
                (_, Stop::Else { at, .. }) => Err(self.error(at, "a second 'else'")),
                (_, Stop::Text) => Err(self.error(begin, format!("'{word}' without 'end'"))),
            },
            Some(Token::Word(next)) if next == word && word != "range" => Ok(vec![self.block(word, tokens, dot)?]),
            Some(_) => Err(self.error(tokens.at, "unexpected text behind 'else'")),
        }
    }

    fn deeper(&mut self, at: usize) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(at, format!("nested deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    fn pipeline(&mut self, tokens: &mut Tokens, dot: DotIs) -> Result<Pipeline, TemplateError> {
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(tokens, dot, usize::from(!commands.is_empty()))?);
            match tokens.peek() {
                Some(Token::Pipe) => tokens.next(),
                _ => return Ok(Pipeline(commands)),
            };
        }
    }

    /// A value, or a function with its arguments; `piped` is 1 where a value arrives from the left.
    fn command(&mut self, tokens: &mut Tokens, dot: DotIs, piped: usize) -> Result<Operand, TemplateError> {
        let Some(head) = self.operand(tokens, dot)? else {
            return Err(self.error(tokens.at, "missing value in an action"));
        };
        let at = tokens.at;
        let Operand::Call(function, _) = head else {
            return match tokens.peek() {
                _ if piped > 0 => Err(self.error(at, "only a function can stand behind '|'")),
                None | Some(Token::Pipe | Token::Close) => Ok(head),
                Some(_) => Err(self.error(at, "only a function can have arguments")),
            };
        };
        let mut arguments = Vec::new();
        while let Some(argument) = self.operand(tokens, dot)? {
            if let Operand::Call(inner, _) = argument {
                self.count(inner, 0, tokens.at)?;
            }
            arguments.push(argument);
        }
        self.count(function, arguments.len() + piped, at)?;
        Ok(Operand::Call(function, arguments))
    }

    fn count(&self, function: &Function, given: usize, at: usize) -> Result<(), TemplateError> {
        if function.arguments.contains(&given) {
            return Ok(());
        }
        let (least, most) = (*function.arguments.start(), *function.arguments.end());
        let wants = match most {
            1 => "1 argument".to_string(),
            _ if least == most => format!("{least} arguments"),
            _ => format!("at least {least}"),
        };
        Err(self.error(at, format!("function '{}' wants {wants} and has {given}", function.name)))
    }

    /// The next operand; `None` where the command ends.
    fn operand(&mut self, tokens: &mut Tokens, dot: DotIs) -> Result<Option<Operand>, TemplateError> {
        if matches!(tokens.peek(), None | Some(Token::Pipe | Token::Close)) {
            return Ok(None);
        }
        let Some(token) = tokens.next() else { return Ok(None) };
        let at = tokens.at;
        Ok(Some(match token {
            Token::Text(text) => Operand::Text(text),
            Token::Number(number) => Operand::Number(number),
            Token::Whole(whole) => Operand::Whole(whole),
            Token::Dot => Operand::Dot(Vec::new()),
            Token::Field { name, .. } => {
                let mut fields = vec![name];
                fields.extend(tokens.fields());
                if dot == DotIs::Data {
                    self.data_field(&fields, at)?;
                }
                Operand::Dot(fields)
            }
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(self.error(at, format!("undefined variable '${name}'")));
                }
                let fields = tokens.fields();
                if name.is_empty() && !fields.is_empty() {
                    self.data_field(&fields, at)?;
                }
                Operand::Variable(name, fields)
            }
            Token::Word(word) => match word.as_str() {
                "true" => Operand::Flag(true),
                "false" => Operand::Flag(false),
                "nil" => Operand::Nil,
                name => Operand::Call(self.function(name, at)?, Vec::new()),
            },
            Token::Open => {
                self.deeper(at)?;
                let pipeline = self.pipeline(tokens, dot)?;
                if tokens.next() != Some(Token::Close) {
                    return Err(self.error(at, "'(' without ')'"));
                }
                self.depth -= 1;
                Operand::Group(Box::new(pipeline), tokens.fields())
            }
            Token::Pipe | Token::Close | Token::Comma | Token::Declare | Token::Assign => {
                return Err(self.error(at, "unexpected sign in an action"));
            }
        }))
    }

    fn data_field(&self, fields: &[String], at: usize) -> Result<(), TemplateError> {
        match fields.first() {
            Some(first) if !DATA_FIELDS.contains(&first.as_str()) => {
                Err(self.error(at, format!("unknown field '.{first}'; there are .{}", DATA_FIELDS.join(", ."))))
            }
            _ => Ok(()),
        }
    }

    fn function(&self, name: &str, at: usize) -> Result<&'static Function, TemplateError> {
        if functions::NEED_A_QUERY.contains(&name) {
            return Err(
                self.error(at, format!("function '{name}' belongs to queries, which templates here cannot make"))
            );
        }
        functions::find(name).ok_or_else(|| self.error(at, format!("function '{name}' is not defined")))
    }
}

/// `$x :=`, `$x =` or `$k, $v :=` at the front, taken off; no names where there is none.
fn declaration(tokens: &mut Tokens) -> (Vec<String>, Token) {
    let mut ahead = tokens.tokens.clone();
    let mut names = Vec::new();
    loop {
        match (ahead.next(), ahead.next()) {
            (Some((Token::Variable(name), _)), Some((Token::Comma, _))) => names.push(name),
            (Some((Token::Variable(name), _)), Some((sign @ (Token::Declare | Token::Assign), _))) => {
                names.push(name);
                tokens.tokens = ahead;
                return (names, sign);
            }
            _ => return (Vec::new(), Token::Declare),
        }
    }
}
