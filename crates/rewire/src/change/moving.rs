//! What committing and undoing have in common: claiming names, putting them in force, and releasing
//! them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rewire_llvm::{GlobalKind, Ordinal};
use rustc_hash::FxHashSet;

use super::finishing::{FailedChange, Finishing};
use super::pending::PendingChange;
use crate::base::error::Error;
use crate::base::events::Why;
use crate::base::ids::UnitKey;
use crate::base::sync::lock;
use crate::ledger::unit::{ExtractScope, Unit};
use crate::ledger::{
    Awaited, Definition, EntryId, EntryKind, FormerMeaning, InheritedMemory, Ledger, Standing,
    State, ThreadKey,
};
use crate::link::{self, Object, Origin, Purpose};
use crate::process::sections;
use crate::process::unit_endings;

impl<'c> PendingChange<'c> {
    /// Claims names for this thread, once no other thread is changing any of them. The names are
    /// computed again after each wait. Fails if the other thread waits for this one: its change,
    /// too, was begun while another one was being finished.
    pub(super) fn claim(
        &mut self,
        names: impl Fn(&mut Ledger) -> Result<Vec<EntryId>, Error>,
    ) -> Result<(), Error> {
        let core = self.core;
        let mut ledger = core.ledger();
        loop {
            let names = names(&mut ledger)?;
            let Err(taken) = ledger.claim_names(&names) else {
                self.claimed = names;
                return Ok(());
            };
            let name: Arc<str> = ledger.entry(taken).label().into();
            let awaited = ledger.entry(taken).changing().map(Awaited::Thread);
            let me = ThreadKey::mine();
            if awaited.is_some_and(|it| ledger.would_wait_for_itself(me, it)) {
                return Err(Error::Changing { name });
            }
            self.waited.get_or_insert_with(|| (name, Instant::now()));
            awaited.into_iter().for_each(|it| ledger.waits(it));
            ledger = core.changed.wait(ledger, || core.ledger());
            ledger.has_waited();
        }
    }

    /// Compiles what callers must find ready, and puts the names in force.
    pub(super) fn move_names(&mut self) -> Result<(), Error> {
        let core = self.core;
        if let Some((name, since)) = self.waited.take() {
            core.tell_wait(name, since);
        }
        self.plan_stale_constants();
        let roots = self.roots();
        let assemblies = self.ready_assemblies();
        self.prepare_endings();
        let constructs = self.constructions.iter().any(|it| !it.1.run.is_empty());
        self.planned.renews_objects = self.renews_objects && constructs;
        self.planned.is_gated = constructs;
        // A constructor may fail after the names are in force. Destroyed objects can't be brought
        // back.
        self.planned.is_remembered |= constructs && !self.planned.renews_objects;
        let link = |objects: &[Object]| -> Result<Vec<FormerMeaning>, Error> {
            let linked = link::link(core, objects, Purpose::Change(&self.planned))?;
            for object in objects.iter().filter(|it| it.origin == Origin::Assembly) {
                sections::plan_arrays(core, object.unit.id, &linked.arrays, |_| true);
                sections::bound_own_sections(core, object.unit.library, &linked.arrays);
            }
            Ok(linked.former)
        };
        let assembled: Vec<_> = assemblies.iter().map(|it| it.unit.clone()).collect();
        let of_roots = roots.first().map(|(unit, roots)| (unit, &**roots));
        let of_assembly = assembled.first().map(|unit| (unit, &[][..]));
        let former = match of_roots.or(of_assembly) {
            None => {
                let mut ledger = core.ledger();
                ledger.hold_back(&self.planned, &core.slots);
                ledger.put_in_force(&self.planned, &[], &core.slots)
            }
            Some((first, of_first)) => {
                let why = || match of_roots {
                    Some(_) => Why::Replacement,
                    None => Why::Start,
                };
                core.observed(first, of_first, why, || {
                    let bodies = roots
                        .iter()
                        .map(|(unit, roots)| core.object_of(unit, roots, ExtractScope::Values));
                    let mut objects = bodies.collect::<Result<Vec<_>, Error>>()?;
                    // Assembly comes first, so that its definitions are known when other objects
                    // are bound to them.
                    objects.splice(..0, assemblies);
                    link(&objects)
                })?
            }
        };
        if !self.planned.renews_objects {
            for (unit, bodies) in &self.endings {
                unit_endings::hand_over(core, unit, bodies);
            }
        }
        for unit in assembled {
            unit.has_placed_assembly.store(true, Ordering::Relaxed);
        }
        if self.changes_something() {
            let units = self.joined.iter().map(|(unit, _)| unit.id).collect();
            self.number = core.history.remember(core, former, units, &self.planned);
        }
        Ok(())
    }

    /// Compiles what leaving units still have to run, while names still stand for their
    /// definitions.
    fn prepare_endings(&mut self) {
        let core = self.core;
        for unit in &self.planned.leaving {
            let unit = core.ledger().unit(*unit).cloned();
            if let Some(unit) = unit.filter(|unit| unit_endings::has_endings(core, unit)) {
                let bodies = unit_endings::prepare(core, &unit);
                self.endings.push((unit, bodies));
            }
        }
    }

    /// Returns the assembly that is linked before the names are put in force: all of it but
    /// assembly that redefines names of a leaving unit's IR, which needs those names until then.
    fn ready_assemblies(&mut self) -> Vec<Object> {
        if self.assemblies.is_empty() {
            return Vec::new();
        }
        let ledger = self.core.ledger();
        let awaits = |(name, unit): (&Arc<str>, &UnitKey)| {
            let id = ledger.find(self.library, name)?;
            let is_awaited =
                self.planned.withdrawn.contains(id) && !self.planned.assembly.contains_key(&id);
            is_awaited.then_some(*unit)
        };
        let awaiting: FxHashSet<UnitKey> = self.assembled.iter().filter_map(awaits).collect();
        self.assemblies.retain(|it| !awaiting.contains(&it.unit.id));
        std::mem::take(&mut self.assemblies)
    }

    /// Removes the names that the assembly of a failed change was to define.
    fn disassemble(&self, ledger: &mut Ledger) {
        for (name, unit) in &self.assembled {
            if let Some(id) = ledger.find(self.library, name)
                && ledger.entry(id).definition() == Definition::Assembly(*unit)
            {
                ledger.retract(id, &self.core.slots);
                ledger.forget_unused(&[id]);
            }
        }
    }

    /// Whether there is anything to undo. Modules that only declare names leave nothing to undo.
    fn changes_something(&self) -> bool {
        let brings = |(unit, standing): &(Arc<Unit>, Standing)| {
            let mut globals = unit.index.globals.iter();
            *standing == Standing::UntilRemoved
                || unit.index.has_assembly
                || globals.any(|global| global.is_definition)
        };
        !self.planned.order.is_empty()
            || !self.planned.given.is_empty()
            || !self.planned.leaving.is_empty()
            || self.planned.withdrawn.iter().len() > 0
            || self.joined.iter().any(brings)
    }

    /// Returns the functions whose former bodies were called, and the variables whose values are
    /// copied. Their new definitions must be compiled before the names are put in force; everything
    /// else is compiled when it is called.
    fn roots(&self) -> Vec<(Arc<Unit>, Vec<Ordinal>)> {
        let ledger = self.core.ledger();
        let mut roots: Vec<(UnitKey, Ordinal)> = Vec::new();
        for id in &self.planned.order {
            let target = self.planned.targets[id];
            let entry = ledger.entry(*id);
            let unit = ledger.unit(target.unit);
            let is_function = unit.is_some_and(|unit| {
                unit.index.globals[target.ordinal.index()].kind == GlobalKind::Function
            });
            let was_called = matches!(entry.state(), State::Present(_));
            let is_body = is_function && was_called && entry.kind() == EntryKind::Function;
            // A value is copied when the names are put in force.
            if is_body || target.memory == InheritedMemory::Value {
                roots.push((target.unit, target.ordinal));
            }
        }
        roots.sort_unstable();
        let units = roots.chunk_by(|one, next| one.0 == next.0);
        let units = units.filter_map(|of_one| {
            let unit = ledger.unit(of_one.first()?.0)?.clone();
            Some((unit, of_one.iter().map(|(_, ordinal)| *ordinal).collect()))
        });
        units.collect()
    }

    /// Releases the claimed names, of which nothing was changed.
    pub(super) fn release_names(self) {
        self.core.ledger().release_names(&self.claimed);
        self.core.changed.notify_all();
    }

    /// Completes a change that succeeded so far, or cleans up after one that failed.
    pub(super) fn end(
        mut self,
        result: Result<(), Error>,
        began: Instant,
    ) -> Result<Finishing<'c>, FailedChange> {
        let core = self.core;
        let joined = std::mem::take(&mut self.joined);
        let mut ledger = core.ledger();
        if let Err(error) = result {
            ledger.release_names(&self.claimed);
            for id in &self.new {
                ledger.retract(*id, &core.slots);
            }
            self.disassemble(&mut ledger);
            let units: Vec<UnitKey> = joined.iter().map(|(unit, _)| unit.id).collect();
            let freed = ledger.free_refused(&units, &core.slots, &core.memory);
            ledger.forget_unused(&self.claimed);
            drop(ledger);
            core.changed.notify_all();
            core.release_memory(freed);
            return Err(FailedChange { error, moved: None });
        }
        for (unit, standing) in &joined {
            ledger.settle(unit, *standing);
        }
        ledger.counts.functions_replaced += self.changed.replaced.len() as u64;
        drop(ledger);
        let mut finishing = Finishing {
            core,
            changed: self.changed,
            claimed: self.claimed,
            is_gated: self.planned.is_gated,
            has_endings: !self.endings.is_empty(),
            number: self.number.filter(|_| !self.planned.renews_objects),
            destroyed: Vec::new(),
            constructed: Vec::new(),
            began,
        };
        for (unit, _) in &joined {
            unit.forget_if_done();
        }
        let units: Vec<_> = joined.into_iter().map(|(unit, _)| unit).collect();
        // Done by this thread while it has the names claimed, so that no other change removes the
        // units meanwhile.
        if let Err(error) = core.finish_units(&units) {
            drop(finishing);
            // Whatever else has to be in memory from the start could be linked only under the new
            // names, so it can fail after they are in force.
            return Err(FailedChange {
                error,
                moved: self.number,
            });
        }
        if self.planned.renews_objects {
            finishing.destroyed = self.endings.into_iter().map(|it| it.0).collect();
        }
        for (unit, construction) in self.constructions {
            lock(&core.process.structors).adopt(unit.id);
            let ledger = core.ledger();
            let run = construction.run.iter().filter(|part| {
                part.associated.is_none_or(|ordinal| {
                    let id = unit.entry(ordinal);
                    id.is_some_and(|id| {
                        ledger.entry(id).definition() == Definition::Ir(unit.id, ordinal)
                    })
                })
            });
            let run = run.map(|part| part.function).collect();
            drop(ledger);
            finishing.constructed.push((unit, run));
        }
        Ok(finishing)
    }
}
