//! The list of the process's engines, for code that has only an address, or that the C library
//! calls.

use std::sync::{Arc, Weak};

use rewire_memory::ExecAddr;
use rewire_sync::RwLock;

use super::Core;
use crate::base::ids::EngineNumber;
use crate::base::sync::{Held, LockRank};

/// The engines of the process. A first call finds its engine by the address of the stub.
static ENGINES: RwLock<Vec<Weak<Core>>> = RwLock::new(Vec::new());

/// Adds an engine to the list.
pub(crate) fn register(core: &Arc<Core>) {
    let _held = Held::begin(LockRank::Engines);
    let mut engines = rewire_sync::write(&ENGINES);
    engines.retain(|engine| engine.strong_count() > 0);
    engines.push(Arc::downgrade(core));
}

/// Returns all engines.
pub(crate) fn engines() -> Vec<Arc<Core>> {
    let _held = Held::begin(LockRank::Engines);
    let engines = rewire_sync::read(&ENGINES);
    engines.iter().filter_map(Weak::upgrade).collect()
}

/// Returns the engine that a stub belongs to.
pub(crate) fn engine_of(stub: ExecAddr) -> Option<Arc<Core>> {
    find(|core| core.slots.stub_range().contains(&stub))
}

/// Returns the engine whose code an address is in.
pub(crate) fn engine_with_code(address: ExecAddr) -> Option<Arc<Core>> {
    find(|core| core.memory.reach().contains(&address))
}

/// Returns the engine with this number.
pub(crate) fn engine_numbered(number: EngineNumber) -> Option<Arc<Core>> {
    find(|core| core.number == number)
}

fn find(is_it: impl Fn(&Core) -> bool) -> Option<Arc<Core>> {
    let _held = Held::begin(LockRank::Engines);
    let engines = rewire_sync::read(&ENGINES);
    let mut live = engines.iter().filter_map(Weak::upgrade);
    live.find(|core| is_it(core))
}
