//! Adds units, and places in memory what they need before their code runs.

use std::sync::Arc;

use rewire_llvm::{Module, ModuleIndex, Source};

use super::Core;
use super::kept_images::ImageMember;
use super::observations::ObservedLoading;
use crate::base::error::Error;
use crate::base::ids::LibraryId;
use crate::base::module_hash::ModuleHash;
use crate::base::object_index;
use crate::base::report::Phase;
use crate::base::sync::{LockRank, lock_ranked};
use crate::ledger::unit::{Unit, UnitPlace};

impl Core {
    /// Adds a module of IR to a library. Nothing is compiled. A module that is added before
    /// anything was linked is looked for in the cache, and not read if it is known.
    pub(crate) fn add(
        &self,
        source: Source,
        place: UnitPlace,
        loading: ObservedLoading<'_>,
    ) -> Result<Arc<Unit>, Error> {
        let timer = self.timings.start(Phase::Index);
        if source.is_object() {
            // An image has only what was compiled from IR.
            self.stop_keeping_image();
        }
        let kept = self.kept.as_ref().filter(|_| !self.ledger().has_linked());
        let kept = kept.filter(|_| !source.is_object());
        let hash = kept.map(|_| ModuleHash::of(&source));
        let known = kept.zip(hash);
        let known_index = known.and_then(|(kept, hash)| kept.find_index(hash));
        let (module, index) = match known_index {
            Some(index) => (None, index),
            None => {
                let (module, index) = self.read(&source)?;
                if let Some((kept, hash)) = known {
                    kept.keep_index(hash, &index);
                }
                (module, index)
            }
        };
        let unit = {
            let mut ledger = self.ledger();
            let unit = ledger.add_unit(source, module, index, place)?;
            ledger.drop_described(&unit, &self.slots);
            unit
        };
        if let Some((kept, hash)) = known {
            kept.images.add_member(ImageMember {
                unit: unit.id,
                module: hash,
                is_frozen: place.is_frozen,
            });
        }
        timer.stop();
        let globals = unit.index.globals.len();
        tracing::info!(unit = &*unit.name, globals, "loaded");
        lock_ranked(&self.fresh, LockRank::Unplaced).push(unit.clone());
        loading.end(&unit);
        Ok(unit)
    }

    /// Reads what a unit is made from; there is no module of an object file.
    pub(crate) fn read(&self, source: &Source) -> Result<(Option<Module>, ModuleIndex), Error> {
        if source.is_object() {
            let graph = rewire_object::parse(&source.name, &source.bytes)?;
            return Ok((None, object_index::index(&graph)?));
        }
        let (module, index) = self.read_ir(source)?;
        Ok((Some(module), index))
    }

    fn read_ir(&self, source: &Source) -> Result<(Module, ModuleIndex), Error> {
        let _guard = self.guard_reading(&source.name);
        let module = Module::read(source)?;
        let index = module.index()?;
        Ok((module, index))
    }

    /// Adds IR whose bodies may be inlined, and which is not otherwise linked.
    pub(crate) fn add_inline_source(
        &self,
        source: Source,
        library: LibraryId,
    ) -> Result<(), Error> {
        let timer = self.timings.start(Phase::Index);
        let (module, index) = self.read_ir(&source)?;
        // An image's key doesn't name it.
        if let Some(kept) = &self.kept {
            kept.images.stop();
        }
        let mut ledger = self.ledger();
        ledger.add_inline_source(source, module, index, library);
        drop(ledger);
        timer.stop();
        Ok(())
    }

    /// Places in memory what the units added since the last call need before their code runs. If
    /// another thread is doing so for some of them, waits for that thread.
    pub(crate) fn finish_loading(&self) -> Result<(), Error> {
        let fresh = {
            let mut fresh = lock_ranked(&self.fresh, LockRank::Unplaced);
            // A thread that finds the list empty waits for this thread.
            let placing = (!fresh.is_empty()).then(|| PlacementGuard::begin(self));
            placing.map(|placing| (std::mem::take(&mut *fresh), placing))
        };
        if let Some((fresh, _placing)) = fresh {
            return self.finish_units(&fresh);
        }
        let mut ledger = self.ledger();
        while let Some(awaited) = ledger.awaited_placing() {
            ledger.waits(awaited);
            ledger = self.changed.wait(ledger, || self.ledger());
            ledger.has_waited();
        }
        Ok(())
    }

    /// As [`Core::finish_loading`], for these units.
    pub(crate) fn finish_units(&self, units: &[Arc<Unit>]) -> Result<(), Error> {
        (self.above.place)(self, units)
    }
}

/// Declares that this thread is placing what units need. Dropping it wakes the threads that wait
/// for that.
struct PlacementGuard<'c> {
    core: &'c Core,
    /// Placing may nest.
    is_outer: bool,
}

impl<'c> PlacementGuard<'c> {
    fn begin(core: &'c Core) -> Self {
        let is_outer = core.ledger().begin_placing();
        Self { core, is_outer }
    }
}

impl Drop for PlacementGuard<'_> {
    fn drop(&mut self) {
        if self.is_outer {
            self.core.ledger().end_placing();
            self.core.changed.notify_all();
        }
    }
}
