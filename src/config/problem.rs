//! Problems: faults with the place in the file where they stand, and the rules by which no secret gets into one.

use std::fmt;

use crate::model::fault::Fault;
use crate::model::schema::Origin;

/// One thing that is wrong, and where. Sorted by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    pub fault: Fault,
}

impl Problem {
    pub fn new(origin: &Origin, fault: Fault) -> Problem {
        Problem { origin: origin.clone(), fault }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: what [code]`, then detail and hint on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { file, line, column, .. } = &self.origin;
        match line {
            0 => write!(f, "{file}: {}", self.fault),
            _ => write!(f, "{file}:{line}:{column}: {}", self.fault),
        }
    }
}

/// Sorts by file, line and column; what stands at one place keeps the order in which it was found.
pub fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let place = |problem: &Problem| (problem.origin.line, problem.origin.column);
        a.origin.file.cmp(&b.origin.file).then_with(|| place(a).cmp(&place(b)))
    });
}

/// The most problems that are told of one configuration.
pub const TOLD_MAX: usize = 200;

/// The problems as they are told: sorted, each once, and no more than anybody reads.
pub fn told(mut problems: Vec<Problem>) -> Vec<Problem> {
    sort(&mut problems);
    problems.dedup();
    let more = problems.len().saturating_sub(TOLD_MAX);
    problems.truncate(TOLD_MAX);
    if let (1.., Some(last)) = (more, problems.last()) {
        let origin = Origin { file: last.origin.file.clone(), ..Origin::default() };
        let s = if more == 1 { " is" } else { "s are" };
        let fault = Fault::new("config-17", format!("{more} more problem{s} not told"));
        problems.push(Problem { origin, fault: fault.hint("Mend the ones above first.") });
    }
    problems
}

/// Finds line and column of a byte in a text.
pub struct Places<'t> {
    file: &'t str,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters begin before each block of bytes, so that a file of one line is not counted anew for each value.
    blocks: Vec<usize>,
}

/// The size of such a block.
const BLOCK_BYTES: usize = 1024;

/// How many characters begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl<'t> Places<'t> {
    pub fn new(file: &'t str, text: &'t str) -> Places<'t> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        let mut before = 0;
        let count = |block: &[u8]| {
            before += characters(block);
            before
        };
        let blocks = std::iter::once(0).chain(text.as_bytes().chunks(BLOCK_BYTES).map(count)).collect();
        Places { file, text, lines, blocks }
    }

    /// How many characters begin before a byte.
    fn characters_before(&self, byte: usize) -> usize {
        let block = byte / BLOCK_BYTES;
        self.blocks[block] + characters(&self.text.as_bytes()[block * BLOCK_BYTES..byte])
    }

    /// The place of a byte; columns count characters.
    pub fn at(&self, byte: usize) -> Origin {
        let byte = byte.min(self.text.len());
        let line = self.lines.partition_point(|begin| *begin <= byte).saturating_sub(1);
        let column = self.characters_before(byte) - self.characters_before(self.lines[line]) + 1;
        Origin { file: self.file.to_string(), line: line + 1, column, ..Origin::default() }
    }
}

/// The words that make a key's value a secret, or a pointer to one.
const SECRET_WORDS: &[&str] =
    &["password", "passwd", "secret", "token", "api_key", "key_file", "authorization", "headers"];

/// Whether a key is about a secret, so that its value is never shown: people put the secret where its file belongs.
pub fn is_about_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// Whether a key's value is a secret itself, and not a file or variable that has it.
pub fn is_secret(key: &str) -> bool {
    is_about_secret(key) && !key.ends_with("_file") && !key.ends_with("_env")
}

/// The longest key of the user's own that an error repeats, in characters.
const NAME_CHARS_MAX: usize = 60;

/// A key as an error may show it: one that is oddly long, or could hold an address with its password, is not repeated.
pub fn shown_name(name: &str) -> String {
    if name.chars().count() > NAME_CHARS_MAX || name.contains('@') || name.contains("://") {
        return "…".to_string();
    }
    name.escape_debug().to_string()
}

/// What was found: problems stop the agent from starting, warnings do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Report {
    pub fn problem(&mut self, origin: &Origin, fault: Fault) {
        self.problems.push(Problem::new(origin, fault));
    }

    pub fn warning(&mut self, origin: &Origin, fault: Fault) {
        self.warnings.push(Problem::new(origin, fault));
    }
}
