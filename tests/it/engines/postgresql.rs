//! PostgreSQL's rows against recorded answers.
