//! An independent link checker: recomputes each relocation from the ABI's formula.
#![forbid(unsafe_code)]
