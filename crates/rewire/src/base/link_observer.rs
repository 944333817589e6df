//! For checks: everything that was linked, as it stands in memory.

use rewire_memory::ExecAddr;
use rewire_object::{Binding, RelocKind};

/// Is told of everything that the engine links.
pub trait LinkObserver: Send + Sync {
    /// Called after an object was published, by the thread that linked it, with no lock held.
    fn linked(&self, record: &LinkRecord);
}

/// One linked object.
#[derive(Clone, Debug)]
pub struct LinkRecord {
    /// The object's bytes, as code generation wrote them.
    pub object: Vec<u8>,
    /// The section index of each kept section, with its address.
    pub sections: Vec<(usize, ExecAddr)>,
    /// The symbols: index, name, and what each was bound to.
    pub symbols: Vec<(usize, String, Binding)>,
    /// The bytes as they are in memory, with their address.
    pub memory: Vec<(ExecAddr, Vec<u8>)>,
    /// What the ledger says of the uses in this object.
    pub uses: Vec<RecordedUse>,
}

/// A use, as the ledger knows it.
#[derive(Clone, Debug)]
pub struct RecordedUse {
    /// The name that is used.
    pub name: String,
    /// The symbol's index in the object.
    pub symbol: usize,
    /// The address of the field.
    pub at: ExecAddr,
    /// The relocation's kind.
    pub kind: RelocKind,
}
