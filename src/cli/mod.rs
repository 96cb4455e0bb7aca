//! The command line.

/// Runs the command line and says with which code to exit.
pub fn main() -> u8 {
    0
}
