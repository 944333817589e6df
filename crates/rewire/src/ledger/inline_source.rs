//! [`InlineSource`]: IR whose bodies may be inlined, and whose machine code lives elsewhere.

use std::sync::Arc;

use rewire_llvm::{GlobalKind, Linkage, Ordinal};
use rustc_hash::FxHashMap;

use super::unit::Unit;

/// IR whose bodies may be inlined.
#[derive(Debug)]
pub(crate) struct InlineSource {
    /// It is in no list of units, and its globals have no entries.
    pub(crate) unit: Arc<Unit>,
    /// The functions that it describes.
    functions: FxHashMap<Arc<str>, Ordinal>,
}

impl InlineSource {
    pub(super) fn new(unit: Unit) -> Self {
        let described = unit.index.numbered().filter(|(_, global)| {
            global.is_definition
                && global.kind == GlobalKind::Function
                && global.linkage != Linkage::Local
                && !global.name.is_empty()
        });
        let functions = described.map(|(ordinal, global)| (global.name.clone(), ordinal));
        Self {
            functions: functions.collect(),
            unit: Arc::new(unit),
        }
    }

    /// Returns the names of the functions that it describes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.functions.keys()
    }

    /// Returns the function of a name.
    pub(super) fn function(&self, name: &str) -> Option<Ordinal> {
        self.functions.get(name).copied()
    }
}
