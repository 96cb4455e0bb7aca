//! What is sent: names and values as parts of statements, safe whatever they hold.

use crate::engines::postgresql::tune::keys::is_list_of_identifiers;

/// A setting's name as an identifier: `work_mem`, `"pg_stat_statements"."track"`.
pub fn identifier(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

/// A text as a literal that means the same whether or not the session takes a backslash for an escape.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A value as ALTER SYSTEM and SET take it. A list of identifiers goes as its parts; `None`: it is not a list, or an
/// empty one, which no statement writes.
pub fn value(name: &str, text: &str) -> Option<String> {
    if !is_list_of_identifiers(name) {
        return Some(literal(text));
    }
    let parts = identifiers(text)?;
    let literals: Vec<String> = parts.iter().map(|part| literal(part)).collect();
    (!literals.is_empty()).then(|| literals.join(", "))
}

/// The parts of a list of identifiers (`"$user", b`), as the server takes it apart: `SplitIdentifierString`, varlena.c.
/// `None`: the server would refuse it.
pub fn identifiers(list: &str) -> Option<Vec<String>> {
    let is_space = |c: char| c.is_ascii_whitespace() || c == '\u{b}';
    let mut rest = list.trim_start_matches(is_space);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let part;
        if let Some(mut quoted) = rest.strip_prefix('"') {
            let mut whole = String::new();
            loop {
                let end = quoted.find('"')?;
                whole.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        whole.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            (part, rest) = (whole, quoted);
        } else {
            let end = rest.find(|c: char| c == ',' || is_space(c)).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            (part, rest) = (rest[..end].to_ascii_lowercase(), &rest[end..]);
        }
        // Longer ones are cut by the server, and would not come back as they were.
        if part.len() > IDENTIFIER_BYTES_MAX {
            return None;
        }
        parts.push(part);
        rest = rest.trim_start_matches(is_space);
        match rest.strip_prefix(',') {
            Some(more) if more.trim_start_matches(is_space).is_empty() => return None,
            Some(more) => rest = more.trim_start_matches(is_space),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(parts)
}

/// NAMEDATALEN - 1.
const IDENTIFIER_BYTES_MAX: usize = 63;
