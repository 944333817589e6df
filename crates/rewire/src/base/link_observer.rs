//! [`LinkObserver`]: shows the linker's tests everything that was linked, as it stands in memory.

use rewire_memory::ExecAddr;
use rewire_object::{Binding, RelocKind};

/// Is told of every object that the engine links; passed to the engine in
/// [`Options::observer`](crate::Options::observer).
pub trait LinkObserver: Send + Sync {
    /// Called after an object was published, on the thread that linked it, with no lock held.
    fn linked(&self, record: &LinkRecord);
}

/// One linked object, with its placement and the linked bytes.
#[derive(Clone, Debug)]
pub struct LinkRecord {
    /// The object file's bytes, as LLVM wrote them.
    pub object: Vec<u8>,
    /// Each section that was kept: its index and its address.
    pub sections: Vec<(usize, ExecAddr)>,
    /// Each symbol: its index, its name, and what it was bound to.
    pub symbols: Vec<(usize, String, Binding)>,
    /// The linked bytes as they are in memory, with their addresses.
    pub memory: Vec<(ExecAddr, Vec<u8>)>,
    /// The uses that the ledger recorded for this object.
    pub uses: Vec<RecordedUse>,
}

/// A use, as the ledger recorded it.
#[derive(Clone, Debug)]
pub struct RecordedUse {
    /// The name that is used.
    pub name: String,
    /// The symbol's index in the object.
    pub symbol: usize,
    /// The address of the relocated field.
    pub at: ExecAddr,
    /// The kind of relocation.
    pub kind: RelocKind,
}
