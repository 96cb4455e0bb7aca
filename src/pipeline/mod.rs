//! The pipeline: the one place where the stages meet. Begin reading at `agent.rs`.

pub mod board;
pub mod own;
