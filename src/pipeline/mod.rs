//! The pipeline: the one place where the stages meet. Begin reading at `agent.rs`.

pub mod acting;
pub mod agent;
pub mod board;
pub mod judging;
pub mod mirror;
pub mod own;
pub mod exporting;
pub mod serving;
pub mod statements;
pub mod storing;
