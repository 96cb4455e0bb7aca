//! Tests of `src/pipeline`, and of what only the stages together make: a state_dir.

mod upgrade;
mod statements;
