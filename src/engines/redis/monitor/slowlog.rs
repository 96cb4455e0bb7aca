//! The text of a slow command, without what people wrote into it. Pure.

/// Commands whose second word is part of their name.
const CONTAINERS: [&str; 15] = [
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT",
    "PUBSUB", "SCRIPT", "XGROUP", "XINFO",
];

/// A command by its name, with `?` for each argument: keys are data as well. What the server itself left out is `…`.
pub fn without_arguments(words: &[String], chars_max: usize) -> String {
    let Some(command) = words.first() else { return String::new() };
    let is_container = CONTAINERS.iter().any(|known| known.eq_ignore_ascii_case(command));
    let mut text = command.to_ascii_uppercase();
    for (at, word) in words.iter().enumerate().skip(1) {
        text.push(' ');
        match () {
            () if at == 1 && is_container => text.push_str(&word.to_ascii_uppercase()),
            () if at + 1 == words.len() && word.starts_with("... (") => text.push('…'),
            () => text.push('?'),
        }
    }
    text.chars().take(chars_max).collect()
}
