//! Has the client's transform change the IR of functions before they are compiled.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rewire_llvm::{Extracted, GlobalKind, LlvmError, Ordinal};

use crate::compile::workers;
use crate::core::Core;
use crate::host::fork_lock;
use crate::ledger::unit::Unit;

impl Core {
    /// Applies the client's transform, if there is one, to a module with functions.
    pub(super) fn apply_transform(
        &self,
        extracted: &mut Extracted<'_>,
        unit: &Unit,
        roots: &[Ordinal],
    ) -> Result<(), LlvmError> {
        let Some(transform) = &self.transform else {
            return Ok(());
        };
        let is_function = |root: &Ordinal| {
            let global = unit.index.globals.get(root.index());
            global.is_some_and(|global| matches!(global.kind, GlobalKind::Function))
        };
        if !roots.iter().any(is_function) {
            return Ok(());
        }
        let client = |work: &mut dyn FnMut()| {
            let _outside = fork_lock::outside();
            // A panic can't pass LLVM's frames, nor the engine's own.
            let done = workers::as_program(|| catch_unwind(AssertUnwindSafe(work)));
            done.map_err(|_| "it panicked".to_owned())
        };
        transform
            .apply(extracted, client)
            .map_err(|reason| LlvmError::Transform {
                module: unit.name.clone(),
                transform: transform.identity().into(),
                reason,
            })
    }
}
