//! The languages of the sources that a compiler turns into IR.

/// The languages that `rewire` has compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cxx,
    Rust,
}
