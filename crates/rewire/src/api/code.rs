//! Access to the code of a function: its IR (read, dropped, regenerated) and its machine code
//! (read, pinned, dropped).

use std::fmt;
use std::sync::Arc;

use rewire_llvm::Level;
use rewire_memory::ExecAddr;

use crate::base::error::Error;
use crate::base::resolver::LazyIr;
use crate::core::Core;
use crate::core::lifetime::HeldEngine;
use crate::ledger::{BlockId, Definition, EntryId, EntryKind, Ledger, LibraryId, State};

/// A copy of a function's machine code, taken when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineCode {
    /// The address of its first byte.
    pub address: ExecAddr,
    /// The bytes, as they are in memory.
    pub bytes: Vec<u8>,
}

/// Keeps a function's current body in memory until the pin is dropped, even if the function is
/// replaced or removed. For clients that jump to a body by the body's own address rather than by
/// the function's canonical address. If the body's unit is removed, the whole unit stays in memory,
/// and its destructors wait, until the pin is dropped.
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
    /// Returns the address of the body's first byte. Calls through it always run this body: they
    /// don't follow replacements, as calls of the canonical address
    /// ([`Library::lookup`](crate::Library::lookup)) do.
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
        self.core.ledger().unpin(self.block);
    }
}

/// Keeps a variable's memory, with its value, whatever happens to the variable's name.
#[derive(Clone)]
pub(crate) struct HeldMemory(Arc<MemoryHold>);

struct MemoryHold {
    core: HeldEngine,
    /// `None` if the memory doesn't belong to a unit.
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
        self.core.ledger().remove_handle(block);
    }
}

/// Implements [`Library::data`](crate::Library::data): returns a variable's address, and what keeps
/// its memory alive.
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
        let is_variable = known.kind() != EntryKind::Function;
        let Some((block, place)) = known.placed().filter(|_| is_variable) else {
            let is_ir = matches!(known.definition(), Definition::Ir(..));
            if is_variable && is_ir && matches!(known.state(), State::Absent) {
                // The variable was removed after the lookup: look it up again.
                continue;
            }
            return Ok((address, HeldMemory::new(core, None)));
        };
        let Some(known) = ledger.block(block) else {
            continue;
        };
        let start = known.definitions.get(place as usize).map(|one| one.start);
        // The variable may have got other memory after the lookup; then look it up again.
        if start.is_some_and(|start| start.at_offset(offset) == address) {
            ledger.add_handle(block);
            return Ok((address, HeldMemory::new(core, Some(block))));
        }
    }
}

/// The entry that a name leads to, through aliases and imports.
fn entry(ledger: &mut Ledger, library: LibraryId, name: &str) -> Result<EntryId, Error> {
    let unknown = || Error::Unknown { name: name.into() };
    let id = ledger.found_by_code(library, name).ok_or_else(unknown)?;
    Ok(ledger.target(id).0)
}

/// As [`entry`], but an error if the name is not a defined function.
fn function(ledger: &mut Ledger, library: LibraryId, name: &str) -> Result<EntryId, Error> {
    let unknown = || Error::Unknown { name: name.into() };
    let id = entry(ledger, library, name)?;
    let entry = ledger.entry(id);
    if entry.kind() != EntryKind::Function || entry.definition() == Definition::None {
        return Err(unknown());
    }
    Ok(id)
}

/// Implements [`Library::ir`](crate::Library::ir).
pub(crate) fn ir(core: &Core, library: LibraryId, name: &str) -> Result<String, Error> {
    let (unit, ordinal) = {
        let mut ledger = core.ledger();
        let id = entry(&mut ledger, library, name)?;
        match ledger.entry(id).definition() {
            Definition::Ir(unit, ordinal) => {
                (ledger.unit(unit).cloned().ok_or(Error::NoUnit)?, ordinal)
            }
            _ => return Err(Error::Unknown { name: name.into() }),
        }
    };
    Ok(unit.text(ordinal)?)
}

/// Implements [`Library::machine_code`](crate::Library::machine_code).
pub(crate) fn machine_code(core: &Core, library: LibraryId, name: &str) -> Option<MachineCode> {
    let mut ledger = core.ledger();
    let id = function(&mut ledger, library, name).ok()?;
    let (block, place) = ledger.entry(id).placed()?;
    let defined = ledger.block(block)?.definitions.get(place as usize)?;
    Some(MachineCode {
        address: defined.start.addr(),
        bytes: core
            .memory
            .read_bytes(defined.start.addr(), defined.size as usize)?,
    })
}

/// Implements [`Library::pin`](crate::Library::pin).
pub(crate) fn pin(core: &HeldEngine, library: LibraryId, name: &str) -> Result<Pin, Error> {
    // The lookup asks the resolvers, one of which may have to supply the function.
    core.lookup(library, name, EntryKind::Function, None)?;
    let id = function(&mut core.ledger(), library, name)?;
    loop {
        core.materialize(id, None)?;
        let mut ledger = core.ledger();
        let entry = ledger.entry(id);
        // The function may have been replaced after it was compiled; then compile it again.
        if let (State::Present(address), Some((block, _))) = (&entry.state(), entry.placed()) {
            let address = address.addr();
            if ledger.pin(block) {
                return Ok(Pin {
                    core: core.clone(),
                    block,
                    address,
                });
            }
        }
        if !matches!(ledger.entry(id).definition(), Definition::Ir(..)) {
            return Err(Error::Unknown { name: name.into() });
        }
    }
}

/// The entry of a function whose code may be dropped; an error if a frozen unit defines the
/// function.
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

/// Implements [`Library::unload`](crate::Library::unload).
pub(crate) fn unload(core: &Core, library: LibraryId, name: &str) -> Result<bool, Error> {
    let mut ledger = core.ledger();
    let id = droppable(&mut ledger, library, name)?;
    let was_there = ledger.entry(id).is_present();
    ledger.set_stale(id, &core.slots);
    drop(ledger);
    core.prepare_handlers_again();
    Ok(was_there)
}

/// Implements [`Library::set_level`](crate::Library::set_level).
pub(crate) fn set_level(
    core: &Core,
    library: LibraryId,
    name: &str,
    level: Option<Level>,
) -> Result<(), Error> {
    let mut ledger = core.ledger();
    let id = droppable(&mut ledger, library, name)?;
    ledger.set_fixed_level(id, level, &core.slots);
    drop(ledger);
    core.prepare_handlers_again();
    Ok(())
}

/// Implements [`Library::refresh`](crate::Library::refresh).
pub(crate) fn refresh(
    core: &Core,
    library: LibraryId,
    name: &str,
    make: LazyIr,
) -> Result<(), Error> {
    let mut ledger = core.ledger();
    let id = droppable(&mut ledger, library, name)?;
    if ledger.entry(id).changing().is_some() {
        return Err(Error::Changing { name: name.into() });
    }
    ledger.make_stale(id, make, &core.slots);
    drop(ledger);
    core.changed.notify_all();
    Ok(())
}
