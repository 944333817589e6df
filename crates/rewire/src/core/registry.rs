//! The list of the process's engines, for code that has only an address, or that the C library
//! calls.

use std::ops::Range;
use std::sync::{Arc, Weak};

use rewire_memory::ExecAddr;
use rewire_sync::RwLock;

use super::Core;
use crate::base::ids::EngineNumber;
use crate::base::sync::{Held, LockRank};

/// The engines of the process. A first call finds its engine by the address of the stub.
static ENGINES: RwLock<Vec<Registered>> = RwLock::new(Vec::new());

/// An engine, and what it is looked for by. No other engine is held for the search: its last handle
/// might be dropped meanwhile, and the engine would then end within it.
struct Registered {
    engine: Weak<Core>,
    number: EngineNumber,
    stubs: Range<ExecAddr>,
    reach: Range<ExecAddr>,
}

/// Adds an engine to the list.
pub(crate) fn register(core: &Arc<Core>) {
    let _held = Held::begin(LockRank::Engines);
    let mut engines = rewire_sync::write(&ENGINES);
    engines.retain(|one| one.engine.strong_count() > 0);
    engines.push(Registered {
        engine: Arc::downgrade(core),
        number: core.number,
        stubs: core.slots.stub_range(),
        reach: core.memory.reach(),
    });
}

/// Returns all engines.
pub(crate) fn engines() -> Vec<Arc<Core>> {
    let _held = Held::begin(LockRank::Engines);
    let engines = rewire_sync::read(&ENGINES);
    engines
        .iter()
        .filter_map(|one| one.engine.upgrade())
        .collect()
}

/// Returns the engine that a stub belongs to.
pub(crate) fn engine_of(stub: ExecAddr) -> Option<Arc<Core>> {
    find(|one| one.stubs.contains(&stub))
}

/// Returns the engine whose code an address is in.
pub(crate) fn engine_with_code(address: ExecAddr) -> Option<Arc<Core>> {
    find(|one| one.reach.contains(&address))
}

/// Returns the engine with this number.
pub(crate) fn engine_numbered(number: EngineNumber) -> Option<Arc<Core>> {
    find(|one| one.number == number)
}

fn find(is_it: impl Fn(&Registered) -> bool) -> Option<Arc<Core>> {
    let _held = Held::begin(LockRank::Engines);
    let engines = rewire_sync::read(&ENGINES);
    // Another engine may have been at the same addresses before.
    let mut found = engines.iter().filter(|one| is_it(one));
    found.find_map(|one| one.engine.upgrade())
}
