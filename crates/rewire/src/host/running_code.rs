//! Tracks which unit's code a thread runs, where the return address of a call doesn't tell.

use std::cell::Cell;

use crate::base::ids::{EngineNumber, UnitKey};

/// The symbol by which code identifies its own registrations.
pub(crate) const HANDLE: &str = "__dso_handle";

thread_local! {
    /// The unit whose constructor or destructor is running on this thread.
    static RUNNING: Cell<Option<(EngineNumber, UnitKey)>> = const { Cell::new(None) };
}

/// Attributes calls on this thread that don't tell where they come from to a unit, until it is
/// dropped.
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

/// Returns the unit whose constructor or destructor is running on this thread, and its engine.
pub(crate) fn running_anywhere() -> Option<(EngineNumber, UnitKey)> {
    RUNNING.get()
}

/// Returns the unit whose constructor or destructor is running on this thread, if it is this
/// engine's.
pub(crate) fn running(engine: EngineNumber) -> Option<UnitKey> {
    let running = RUNNING.get();
    running.filter(|it| it.0 == engine).map(|it| it.1)
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.before);
    }
}
