//! Tells the compile observer about the engine's work.

use std::sync::Arc;

use rewire_llvm::Ordinal;

use super::Core;
use super::recording::Recording;
use crate::base::error::Error;
use crate::base::events::{Compilation, CompileObserver, CompiledFunction, Loaded, Why};
use crate::base::ids::EntryId;
use crate::ledger::unit::Unit;

/// Records the loading of a unit, if there is an observer.
pub(crate) struct ObservedLoading<'c>(Option<(Recording, &'c dyn CompileObserver)>);

impl<'c> ObservedLoading<'c> {
    pub(crate) fn begin(core: &'c Core) -> Self {
        let observer = core.compile_observer.as_deref();
        Self(observer.map(|observer| (Recording::begin(), observer)))
    }

    /// Tells the observer. No lock may be held.
    pub(crate) fn end(self, unit: &Unit) {
        let Some((recording, observer)) = self.0 else {
            return;
        };
        let (span, notes) = recording.end();
        observer.loaded(&Loaded {
            id: unit.number(),
            unit: unit.name.clone(),
            globals: unit.index.globals.len(),
            span,
            phases: notes.phases,
        });
    }
}

impl Core {
    /// Runs `work`, which compiles definitions of a unit, and tells the observer, if there is one,
    /// what was compiled and why. No lock may be held.
    pub(crate) fn observed<R>(
        &self,
        unit: &Unit,
        roots: &[Ordinal],
        why: impl FnOnce() -> Why,
        work: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Error> {
        let Some(observer) = &self.compile_observer else {
            return work();
        };
        let recording = Recording::begin();
        let result = work();
        let (span, notes) = recording.end();
        if result.is_ok() && notes.phases.is_empty() {
            // Another thread had done it already.
            return result;
        }
        let why = why();
        let names = roots.iter().filter_map(|root| {
            let global = unit.index.globals.get(root.index())?;
            Some(global.name.clone())
        });
        let names: Vec<Arc<str>> = names.collect();
        let asked: Vec<EntryId> = roots.iter().filter_map(|root| unit.entry(*root)).collect();
        let functions = notes.functions.into_iter().map(|one| CompiledFunction {
            why: match names.first() {
                Some(of) if !asked.contains(&one.entry) => Why::Company { of: of.clone() },
                _ => why.clone(),
            },
            name: one.name,
            address: one.address,
            size: one.size,
        });
        let functions = functions.collect();
        observer.compiled(&Compilation {
            unit: unit.name.clone(),
            why,
            asked: names,
            functions,
            variables: notes.variables,
            failed: result.is_err(),
            span,
            phases: notes.phases,
        });
        result
    }
}
