//! Where a text stops being PromQL. The parser says only that it does; but it can be asked about every beginning of it.

/// Longer texts are not searched: each question is a parse.
const TEXT_BYTES_MAX: usize = 2 * 1024;

/// What a beginning may lack before its brackets are closed: nothing, an operand, a matcher, a list, a number…
const NEXT: &[&str] = &["", "x", "5m", "1", "\"a\"", "=\"a\"", "a=\"a\"", "(x)", "()", "(a)", "5m:", "~\"a\"", "0)"];

/// And after they are closed: `sum by (a)` still lacks what is summed.
const LAST: &[&str] = &["", "(x)", " x"];

/// The byte at which the first word begins that no PromQL can have there; the length of the text where more is expected.
/// `None` where it is not known. `is_syntax` asks the parser whether a text has the shape of an expression.
pub fn first_fault(text: &str, is_syntax: impl Fn(&str) -> bool) -> Option<usize> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let words = words(text);
    let goes_on = |count: usize| {
        let beginning = &text[..words[..count].last().map_or(0, |word| word.1)];
        let closing = closing(beginning);
        let ends = NEXT.iter().flat_map(|next| LAST.iter().map(move |last| (next, last)));
        ends.into_iter().any(|(next, last)| is_syntax(&format!("{beginning} {next}{closing}{last}")))
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
    match words.get(good) {
        Some(word) => Some(word.0),
        None => Some(text.len()),
    }
}

/// The word that begins at a byte, for messages.
pub fn word_at(text: &str, byte: usize) -> &str {
    words(text).into_iter().find(|word| word.0 == byte).map_or("", |(from, to)| &text[from..to])
}

/// Where words, strings, operators and brackets begin and end.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((from, first)) = characters.next() {
        let mut to = from + first.len_utf8();
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
                let (mut open, mut escaped) = (true, false);
                take_while(&mut |next| {
                    let inside = open;
                    open = open && (next != first || escaped);
                    escaped = next == '\\' && !escaped && first != '`';
                    inside
                });
            }
            letter if is_word(letter) => take_while(&mut is_word),
            '=' | '!' | '<' | '>' => take_while(&mut |next| matches!(next, '=' | '~')),
            _ => {}
        }
        found.push((from, to));
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | ':' | '.')
}

/// The brackets that a beginning leaves open, closed.
fn closing(beginning: &str) -> String {
    let mut open = Vec::new();
    for (from, to) in words(beginning) {
        match &beginning[from..to] {
            "(" => open.push(')'),
            "{" => open.push('}'),
            "[" => open.push(']'),
            ")" | "}" | "]" => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().rev().collect()
}
