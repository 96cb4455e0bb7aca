//! The program: hands its arguments to `cli`, and its exit code to the system. No logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(watchward::cli::main())
}
