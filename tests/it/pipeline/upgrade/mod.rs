//! An upgrade: state_dirs that former builds left behind are opened by this one.

mod made;
