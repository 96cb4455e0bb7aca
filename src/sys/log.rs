//! The log: one line for each thing that happened, to standard error. Never a secret: those cannot be printed.

use tracing::level_filters::LevelFilter;

/// Begins logging at `info`, or at `debug` where more is wanted. A second call does nothing.
pub fn begin(verbose: bool) {
    let level = if verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level)
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber); // somebody was first, in tests
}
