//! How deep a message's documents go: whoever reads them calls itself for each step, and a stack ends with the process.

/// The deepest that documents may go, as MongoDB's own limit has it.
const DEPTH_MAX: usize = 200;

/// A message begins with its length, its number, that of its question, and its kind: 32 bits each.
const HEAD_BYTES: usize = 16;

/// Kinds of message: the usual one, and the answer to a question of the oldest kind.
const MESSAGE: usize = 2013;
const REPLY: usize = 1;

/// What stands before the documents of such a reply: flags, a cursor, and two numbers.
const BEFORE_REPLY_BYTES: usize = 20;

/// The flag that says that a message ends with a checksum, and its length.
const HAS_CHECKSUM: usize = 1;
const CHECKSUM_BYTES: usize = 4;

type Checked<T> = Result<T, &'static str>;

const BROKEN: &str = "a message that is not whole";

/// Looks at a whole message before anybody reads its documents.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub fn check_message(message: &[u8]) -> Checked<()> {
    let mut rest = message;
    let head = take(&mut rest, HEAD_BYTES)?;
    match number(&head[12..]) {
        MESSAGE => check_sections(rest),
        REPLY => {
            take(&mut rest, BEFORE_REPLY_BYTES)?;
            check_documents(rest)
        }
        _ => Err("a message of an unknown kind"),
    }
}

fn check_sections(mut rest: &[u8]) -> Checked<()> {
    if number(take(&mut rest, 4)?) & HAS_CHECKSUM != 0 {
        rest = &rest[..rest.len().checked_sub(CHECKSUM_BYTES).ok_or(BROKEN)?];
    }
    while !rest.is_empty() {
        match take(&mut rest, 1)? {
            [0] => check_document(sized(&mut rest)?, 1)?,
            _ => {
                let mut list = &sized(&mut rest)?[4..];
                skip_name(&mut list)?;
                check_documents(list)?;
            }
        }
    }
    Ok(())
}

fn check_documents(mut rest: &[u8]) -> Checked<()> {
    while !rest.is_empty() {
        check_document(sized(&mut rest)?, 1)?;
    }
    Ok(())
}

/// Looks at a document, its length before it and the zero behind it included.
///
/// # Errors
/// As `check_message`.
pub fn check_document(document: &[u8], depth: usize) -> Checked<()> {
    if depth > DEPTH_MAX {
        return Err("documents within documents without end");
    }
    let [_, _, _, _, elements @ .., 0] = document else { return Err(BROKEN) };
    let mut rest = elements;
    while !rest.is_empty() {
        let kind = take(&mut rest, 1)?[0];
        skip_name(&mut rest)?;
        check_value(kind, &mut rest, depth)?;
    }
    Ok(())
}

/// Looks at a value and goes on behind it; the kinds are those of bsonspec.org.
fn check_value(kind: u8, rest: &mut &[u8], depth: usize) -> Checked<()> {
    let bytes = match kind {
        0x03 | 0x04 => return check_document(sized(rest)?, depth + 1),
        0x0F => {
            let mut code = &sized(rest)?[4..];
            skip_text(&mut code)?;
            return check_document(sized(&mut code)?, depth + 1);
        }
        0x02 | 0x0D | 0x0E => return skip_text(rest),
        0x0B => return skip_name(rest).and_then(|()| skip_name(rest)),
        0x0C => {
            skip_text(rest)?;
            12
        }
        0x05 => number(take(rest, 4)?).saturating_add(1),
        0x06 | 0x0A | 0x7F | 0xFF => 0,
        0x08 => 1,
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x07 => 12,
        0x13 => 16,
        _ => return Err("a value of an unknown kind"),
    };
    take(rest, bytes).map(|_| ())
}

fn take<'b>(rest: &mut &'b [u8], bytes: usize) -> Checked<&'b [u8]> {
    let (taken, behind) = rest.split_at_checked(bytes).ok_or(BROKEN)?;
    *rest = behind;
    Ok(taken)
}

/// What begins with its own length, the four bytes of which are part of it.
fn sized<'b>(rest: &mut &'b [u8]) -> Checked<&'b [u8]> {
    let bytes = number(rest.get(..4).ok_or(BROKEN)?);
    if bytes < 4 { Err(BROKEN) } else { take(rest, bytes) }
}

fn skip_text(rest: &mut &[u8]) -> Checked<()> {
    let bytes = number(take(rest, 4)?);
    take(rest, bytes).map(|_| ())
}

/// Goes on behind a name, which ends with a zero.
fn skip_name(rest: &mut &[u8]) -> Checked<()> {
    let end = rest.iter().position(|byte| *byte == 0).ok_or(BROKEN)?;
    take(rest, end + 1).map(|_| ())
}

/// 32 bits, the lowest byte first. The caller knows that there are four; a negative length is longer than any message.
fn number(bytes: &[u8]) -> usize {
    bytes[..4].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
