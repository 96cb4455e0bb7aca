//! Randomness for secrets, from the system's generator.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::model::fault::Fault;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of 62 that a byte can hold: bytes from here on are thrown away, so that all letters are as likely.
const FAIR: u8 = 248;

/// A text of random letters and digits: 5.95 bits each, so that 43 of them are a secret of 256 bits.
///
/// # Errors
/// `random-01`: the system gives no randomness.
pub fn letters(count: usize) -> Result<String, Fault> {
    let mut text = String::with_capacity(count);
    let mut bytes = [0; 64];
    while text.len() < count {
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Fault::new("random-01", "the system gives no random numbers"))?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR).map(|byte| char::from(LETTERS[usize::from(byte % 62)]));
        text.extend(fair.take(count - text.len()));
    }
    Ok(text)
}

/// A number in as many letters as are asked for, the highest first.
pub fn in_letters(mut number: u32, count: usize) -> String {
    let mut letters = vec![b'0'; count];
    for letter in letters.iter_mut().rev() {
        *letter = LETTERS[(number % 62) as usize];
        number /= 62;
    }
    letters.into_iter().map(char::from).collect()
}
