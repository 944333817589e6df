//! The code of functions: their IR, handed out and dropped; their machine code, shown, held where
//! it is, and dropped.

use std::fmt;
use std::sync::Arc;

use rewire_memory::ExecAddr;

use crate::base::error::Error;
use crate::base::resolver::LazyIr;
use crate::core::Core;
use crate::core::lifetime::HeldEngine;
use crate::ledger::{BlockId, Definition, EntryId, EntryKind, Ledger, LibraryId, State};

/// A function's machine code, as it was when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineCode {
    /// Where it begins.
    pub address: ExecAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Holds a function's body where it is: replaced or removed, it stays in memory until this is
/// dropped. For clients that go to a body by its own address rather than by the function's.
///
/// ```
/// # let engine = rewire::Engine::new(rewire::Options::default())?;
/// engine.add_ir("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
/// let pinned = engine.main().pin("f")?;
/// engine.replace("f", b"define i32 @f() {\n ret i32 2\n}")?;
/// assert!(!engine.reclaim().left.is_empty());
/// // SAFETY: it has this type, and is pinned.
/// let former: extern "C" fn() -> i32 = unsafe { std::mem::transmute(pinned.address().get()) };
/// assert_eq!(former(), 1);
/// drop(pinned);
/// # Ok::<(), rewire::Error>(())
/// ```
pub struct Pin {
    core: HeldEngine,
    block: BlockId,
    address: ExecAddr,
}

impl Pin {
    /// Where the body begins.
    #[must_use]
    pub fn address(&self) -> ExecAddr {
        self.address
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pin").field(&self.address).finish()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Some(block) = self.core.ledger().block_mut(self.block) {
            block.pins -= 1;
        }
    }
}

/// Holds a variable's memory where it is, with its value, whatever becomes of the name.
#[derive(Clone)]
pub(crate) struct HeldMemory(Arc<MemoryHold>);

struct MemoryHold {
    core: HeldEngine,
    /// None if the memory is no unit's.
    block: Option<BlockId>,
}

impl HeldMemory {
    fn new(core: &HeldEngine, block: Option<BlockId>) -> Self {
        Self(Arc::new(MemoryHold {
            core: core.clone(),
            block,
        }))
    }
}

impl fmt::Debug for HeldMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldMemory").field(&self.0.block).finish()
    }
}

impl Drop for MemoryHold {
    fn drop(&mut self) {
        let Some(block) = self.block else { return };
        if let Some(block) = self.core.ledger().block_mut(block) {
            block.handles -= 1;
        }
    }
}

/// See [`Library::data`](crate::Library::data): where a variable is, and what keeps it there.
pub(crate) fn hold(
    core: &HeldEngine,
    library: LibraryId,
    name: &str,
) -> Result<(ExecAddr, HeldMemory), Error> {
    loop {
        let address = core.lookup(library, name, EntryKind::Data, None)?;
        let mut ledger = core.ledger();
        let Some(found) = ledger.found_by_code(library, name) else {
            return Ok((address, HeldMemory::new(core, None)));
        };
        let (id, offset) = ledger.target(found);
        let known = ledger.entry(id);
        let is_variable = known.kind != EntryKind::Function;
        let Some((block, place)) = known.placed.filter(|_| is_variable) else {
            let is_ir = matches!(known.definition, Definition::Ir(..));
            if is_variable && is_ir && matches!(known.state, State::Absent) {
                // It was removed since.
                continue;
            }
            return Ok((address, HeldMemory::new(core, None)));
        };
        let Some(known) = ledger.block_mut(block) else {
            continue;
        };
        let start = known.definitions.get(place as usize).map(|one| one.start);
        // It may have other memory by now.
        if start.is_some_and(|start| start.at_offset(offset) == address) {
            known.handles += 1;
            return Ok((address, HeldMemory::new(core, Some(block))));
        }
    }
}

/// What a name stands for, past aliases and imports.
fn entry(ledger: &mut Ledger, library: LibraryId, name: &str) -> Result<EntryId, Error> {
    let unknown = || Error::Unknown { name: name.into() };
    let id = ledger.found_by_code(library, name).ok_or_else(unknown)?;
    Ok(ledger.target(id).0)
}

/// The same, if it is a function.
fn function(ledger: &mut Ledger, library: LibraryId, name: &str) -> Result<EntryId, Error> {
    let unknown = || Error::Unknown { name: name.into() };
    let id = entry(ledger, library, name)?;
    let entry = ledger.entry(id);
    if entry.kind != EntryKind::Function || entry.definition == Definition::None {
        return Err(unknown());
    }
    Ok(id)
}

/// See [`Library::ir`](crate::Library::ir).
pub(crate) fn ir(core: &Core, library: LibraryId, name: &str) -> Result<String, Error> {
    let (unit, ordinal) = {
        let mut ledger = core.ledger();
        let id = entry(&mut ledger, library, name)?;
        match ledger.entry(id).definition {
            Definition::Ir(unit, ordinal) => {
                (ledger.unit(unit).cloned().ok_or(Error::NoUnit)?, ordinal)
            }
            _ => return Err(Error::Unknown { name: name.into() }),
        }
    };
    Ok(unit.text(ordinal)?)
}

/// See [`Library::machine_code`](crate::Library::machine_code).
pub(crate) fn machine_code(core: &Core, library: LibraryId, name: &str) -> Option<MachineCode> {
    let mut ledger = core.ledger();
    let id = function(&mut ledger, library, name).ok()?;
    let (block, place) = ledger.entry(id).placed?;
    let defined = ledger.block(block)?.definitions.get(place as usize)?;
    Some(MachineCode {
        address: defined.start.addr(),
        bytes: core
            .memory
            .read_bytes(defined.start.addr(), defined.size as usize)?,
    })
}

/// See [`Library::pin`](crate::Library::pin).
pub(crate) fn pin(core: &HeldEngine, library: LibraryId, name: &str) -> Result<Pin, Error> {
    // It may be a resolver's to bring.
    core.lookup(library, name, EntryKind::Function, None)?;
    let id = function(&mut core.ledger(), library, name)?;
    loop {
        core.materialize(id, None)?;
        let mut ledger = core.ledger();
        let entry = ledger.entry(id);
        // It may have been replaced since.
        if let (State::Present(address), Some((block, _))) = (&entry.state, entry.placed) {
            let address = address.addr();
            if let Some(known) = ledger.block_mut(block) {
                known.pins += 1;
                return Ok(Pin {
                    core: core.clone(),
                    block,
                    address,
                });
            }
        }
        if !matches!(ledger.entry(id).definition, Definition::Ir(..)) {
            return Err(Error::Unknown { name: name.into() });
        }
    }
}

/// A function whose code may be dropped: no frozen unit's.
fn droppable(ledger: &mut Ledger, library: LibraryId, name: &str) -> Result<EntryId, Error> {
    let id = function(ledger, library, name)?;
    match ledger.frozen_unit(id) {
        Some(unit) => Err(Error::Replace {
            name: name.into(),
            reason: format!("{}, which defines it, was added as frozen", unit.name),
        }),
        None => Ok(id),
    }
}

/// See [`Library::unload`](crate::Library::unload).
pub(crate) fn unload(core: &Core, library: LibraryId, name: &str) -> Result<bool, Error> {
    let mut ledger = core.ledger();
    let id = droppable(&mut ledger, library, name)?;
    let was_there = ledger.entry(id).is_present();
    ledger.set_stale(id, &core.slots);
    Ok(was_there)
}

/// See [`Library::refresh`](crate::Library::refresh).
pub(crate) fn refresh(
    core: &Core,
    library: LibraryId,
    name: &str,
    make: LazyIr,
) -> Result<(), Error> {
    let mut ledger = core.ledger();
    let id = droppable(&mut ledger, library, name)?;
    if ledger.entry(id).changing.is_some() {
        return Err(Error::Changing { name: name.into() });
    }
    ledger.make_stale(id, make, &core.slots);
    drop(ledger);
    core.changed.notify_all();
    Ok(())
}
