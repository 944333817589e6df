//! [`ModuleHash`]: what a module is looked for by in the cache.

use rewire_llvm::Source;

/// The hash of a module's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModuleHash(pub(crate) [u8; 32]);

impl ModuleHash {
    pub(crate) fn of(source: &Source) -> Self {
        Self(rewire_cache::hash_of(&source.bytes))
    }
}
