//! How an extracted module names globals, and how the linker reads the names back.
//!
//! | symbol | meaning |
//! |---|---|
//! | `NAME` | the global of that name, wherever it is defined |
//! | `NAME.rewire.N` | the local or unnamed global with ordinal N of the unit (NAME for people), or a global of another unit, with a number that follows the unit's |
//! | either, then `.rewire.slot` | the word that holds the function's current entry |
//! | either, then `.rewire.front` | what stands at the function's address, if it has prefix data |
//! | either, then `.rewire.frames` | the counts of frames of the coroutine that the function is part of |
//! | either, then `.rewire.self` | the function, as its own body names it: never the body |

use crate::ordinal::Ordinal;

/// What a symbol of an emitted object stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning<'a> {
    /// Which global.
    pub global: GlobalRef<'a>,
    /// Which aspect of it.
    pub aspect: Aspect,
}

/// Which global a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalRef<'a> {
    /// By its name, to be looked up.
    Named(&'a str),
    /// A local of the object's own unit.
    Local(Ordinal),
}

/// Which aspect of a global a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Its address, or its definition where the object defines the symbol.
    Itself,
    /// Its address, named by its own body.
    FromItself,
    /// The address of its slot.
    Slot,
    /// The definition of what stands at its address.
    Front,
    /// The counts of frames of its unit's coroutines.
    Frames,
}

/// Reads the name of a symbol.
///
/// ```
/// use rewire_llvm::names::{Aspect, GlobalRef, meaning};
/// assert_eq!(meaning("printf.rewire.slot").aspect, Aspect::Slot);
/// assert_eq!(meaning("printf.rewire.slot").global, GlobalRef::Named("printf"));
/// assert!(matches!(meaning("table.rewire.12").global, GlobalRef::Local(o) if o.index() == 12));
/// ```
#[must_use]
pub fn meaning(symbol: &str) -> Meaning<'_> {
    let (base, aspect) = match marked(symbol) {
        Some((base, "slot")) => (base, Aspect::Slot),
        Some((base, "self")) => (base, Aspect::FromItself),
        Some((base, "front")) => (base, Aspect::Front),
        Some((base, "frames")) => (base, Aspect::Frames),
        _ => (symbol, Aspect::Itself),
    };
    let local = marked(base).and_then(|(_, digits)| {
        let ordinal: u32 = digits.parse().ok()?;
        Some(GlobalRef::Local(Ordinal::new(ordinal)))
    });
    Meaning {
        global: local.unwrap_or(GlobalRef::Named(base)),
        aspect,
    }
}

/// Which local of which unit a text means by the name of one that has none of its own: the unit's
/// number, and the local's.
///
/// ```
/// use rewire_llvm::names::unnamed;
/// assert!(matches!(unnamed(".rewire.7.12"), Some((7, ordinal)) if ordinal.index() == 12));
/// assert_eq!(unnamed("table.rewire.12"), None);
/// ```
#[must_use]
pub fn unnamed(name: &str) -> Option<(u64, Ordinal)> {
    let (before, ordinal) = name.rsplit_once('.')?;
    let (_, unit) = marked(before)?;
    Some((unit.parse().ok()?, Ordinal::new(ordinal.parse().ok()?)))
}

/// A name that ends with a mark of ours: what is before the mark, and the word behind it.
fn marked(name: &str) -> Option<(&str, &str)> {
    let (before, word) = name.rsplit_once('.')?;
    Some((before.strip_suffix(".rewire")?, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let at = |symbol| meaning(symbol);
        assert_eq!(at("f").global, GlobalRef::Named("f"));
        assert_eq!(at("f.rewire.x").global, GlobalRef::Named("f.rewire.x"));
        let local = at(".rewire.7.rewire.slot");
        assert_eq!(local.global, GlobalRef::Local(Ordinal::new(7)));
        assert_eq!(local.aspect, Aspect::Slot);
        assert_eq!(at("f.rewire.self").aspect, Aspect::FromItself);
        assert_eq!(at("f.rewire.self").global, GlobalRef::Named("f"));
    }
}
