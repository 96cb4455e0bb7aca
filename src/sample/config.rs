//! `[sample]`: how often, and how much at most. (being written)
