//! Redis’ rows against recorded answers.
