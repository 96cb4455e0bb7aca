//! The words of a text, and the first of them with which it stops being PromQL. The parser says only that it does; but
//! it can be asked about every beginning of the text.

/// A word, string, operator or bracket.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// The byte where it begins.
    pub at: usize,
    pub text: &'a str,
    /// A string without its second quotation mark is not.
    pub closed: bool,
}

/// Longer texts are not searched: each question is a parse.
const TEXT_BYTES_MAX: usize = 2 * 1024;

/// What a beginning may lack before its brackets are closed: nothing, an operand, a matcher, a list, a number…
const NEXT: &[&str] = &["", "x", "5m", "1", "\"a\"", "=\"a\"", "a=\"a\"", "(x)", "()", "(a)", "5m:", "~\"a\"", "0)"];

/// And after they are closed: `sum by (a)` still lacks what is summed.
const LAST: &[&str] = &["", "(x)", " x"];

/// The words of a text, in order. Space and comments are none.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, first)) = characters.next() {
        let mut to = at + first.len_utf8();
        let mut closed = true;
        let mut take_while = |belongs: &mut dyn FnMut(char) -> bool| {
            while let Some((at, next)) = characters.next_if(|(_, next)| belongs(*next)) {
                to = at + next.len_utf8();
            }
        };
        match first {
            space if space.is_whitespace() => continue,
            '#' => {
                take_while(&mut |next| next != '\n');
                continue;
            }
            '"' | '\'' | '`' => {
                closed = false;
                let mut escaped = false;
                take_while(&mut |next| {
                    let inside = !closed;
                    closed = closed || (next == first && !escaped);
                    escaped = next == '\\' && !escaped && first != '`';
                    inside
                });
            }
            letter if is_word(letter) => take_while(&mut is_word),
            '=' | '!' | '<' | '>' => take_while(&mut |next| matches!(next, '=' | '~')),
            _ => {}
        }
        found.push(Word { at, text: &text[at..to], closed });
    }
    found
}

/// The first word that no PromQL can have at its place, or `Missing` where the text ends too early. `is_syntax` asks
/// the parser whether a text has the shape of an expression.
pub fn first_fault(text: &str, is_syntax: impl Fn(&str) -> bool) -> Fault<'_> {
    if text.len() > TEXT_BYTES_MAX {
        return Fault::Unknown;
    }
    let words = words(text);
    let goes_on = |count: usize| {
        let words = &words[..count];
        let beginning = &text[..words.last().map_or(0, |word| word.at + word.text.len())];
        let closing = closing(words);
        NEXT.iter().any(|next| LAST.iter().any(|last| is_syntax(&format!("{beginning} {next}{closing}{last}"))))
    };
    // What begins well begins well also when it is shorter, so the place can be halved in on.
    let (mut good, mut bad) = (0, words.len() + 1);
    while bad - good > 1 {
        let middle = (good + bad) / 2;
        if goes_on(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    words.get(good).map_or(Fault::Missing, |word| Fault::Unexpected(*word))
}

/// What is wrong with the shape of a text.
#[derive(Clone, Copy, Debug)]
pub enum Fault<'a> {
    Unexpected(Word<'a>),
    Missing,
    Unknown,
}

/// The brackets that a beginning leaves open, closed.
fn closing(words: &[Word<'_>]) -> String {
    let mut open = Vec::new();
    for word in words {
        match word.text {
            "(" => open.push(')'),
            "{" => open.push('}'),
            "[" => open.push(']'),
            ")" | "}" | "]" => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().rev().collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | ':' | '.')
}
