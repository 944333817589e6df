//! Whose code a thread runs, where that doesn't follow from where it calls from.

use std::cell::Cell;

use crate::base::ids::{EngineNumber, UnitKey};

/// What the program's registrations are known by to itself.
pub(crate) const HANDLE: &str = "__dso_handle";

thread_local! {
    /// The unit whose constructor or destructor runs on this thread.
    static RUNNING: Cell<Option<(EngineNumber, UnitKey)>> = const { Cell::new(None) };
}

/// While it stands, calls on this thread that don't say where they come from are a unit's.
pub(crate) struct Running {
    before: Option<(EngineNumber, UnitKey)>,
}

impl Running {
    pub(crate) fn new(engine: EngineNumber, unit: Option<UnitKey>) -> Self {
        let now = unit.map(|unit| (engine, unit));
        Self {
            before: RUNNING.replace(now),
        }
    }
}

/// The unit whose constructor or destructor runs on this thread, and its engine.
pub(crate) fn running_anywhere() -> Option<(EngineNumber, UnitKey)> {
    RUNNING.get()
}

/// The unit of an engine whose constructor or destructor runs on this thread.
pub(crate) fn running(engine: EngineNumber) -> Option<UnitKey> {
    let running = RUNNING.get();
    running.filter(|it| it.0 == engine).map(|it| it.1)
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.before);
    }
}
