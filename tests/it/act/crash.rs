//! Kill -9 at any point: no change without its undo on record, no undo without its record, one action for one firing.
