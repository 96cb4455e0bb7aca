//! SQL of the user's own: whether a text is one statement that reads.

use crate::model::fault::Fault;

/// A text that reads, in one statement. A semicolon within a text literal is refused as well: which quotes end where
/// differs from server to server and from setting to setting, and a statement hidden behind one must not get through.
///
/// # Errors
/// `engine-03`: it has several statements, or begins with none of these words.
pub fn reads(sql: &str, words: &[&str]) -> Result<(), Fault> {
    let sql = sql.trim().trim_end_matches(';').trim_end();
    if sql.contains(';') {
        let fault = Fault::new("engine-03", "a query is one statement, and this one has a ';' in it");
        return Err(fault.hint("Make each statement a query of its own; within a text write chr(59)."));
    }
    let first: String = sql.chars().take_while(char::is_ascii_alphabetic).collect();
    if words.iter().any(|word| word.eq_ignore_ascii_case(&first)) {
        return Ok(());
    }
    let begins = if first.is_empty() { "with no word".to_string() } else { format!("with '{first}'") };
    Err(Fault::new("engine-03", format!("a query begins with {}, and this one {begins}", words.join(", ")))
        .hint("Queries only read; what changes something is for policies."))
}
