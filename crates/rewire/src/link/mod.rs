//! Links objects: from object bytes to published code.
//!
//! ```text
//! Object --parse--> [resolve] --gather--> batch --bind, lay out, fix up--> write --> publish
//! ```
//!
//! Objects are linked in batches: an object, and everything that it refers to and that has no
//! memory yet. Once everything is at hand, the ledger stays locked until the batch is published, so
//! that other threads see all of the batch or nothing, and an error leaves nothing behind.

mod announce;
mod bind;
mod capture;
mod definition;
mod frame;
mod gather;
mod image_making;
mod image_restoring;
mod imported;
mod object;
mod observed;
mod publish;
mod resolve;
mod staged;
mod view;

use std::borrow::Cow;
use std::collections::HashSet;

use rewire_memory::{ExecAddr, MemoryError};
use rewire_object::{Bindings, Image, Layout, Placement};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

pub(crate) use frame::{QuickFrame, frame_text};
pub(crate) use gather::enter_host;
pub(crate) use imported::{Imported, Imports};
pub(crate) use object::{Emitted, Linked, LocalNumbers, MadeFrom, Object, Origin, Purpose};
pub(crate) use resolve::Parsed;
pub(crate) use staged::Staged;
pub(crate) use view::View;

use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::report::Phase;
use crate::core::Core;
use crate::core::timings::Timer;
use crate::ledger::{EntryId, Ledger};
use announce::{Announced, Bound};
use bind::Binder;
use gather::Needs;
use staged::StagedUndo;

/// Links objects together with whatever they need, and publishes them. If something has memory
/// already, the first copy stays, except for definitions that a change replaces.
pub(crate) fn link(core: &Core, objects: &[Object], purpose: Purpose<'_>) -> Result<Linked, Error> {
    match link_once(core, objects, purpose) {
        Err(Error::Memory(MemoryError::Full { .. })) => {
            (core.above.make_room)(core);
            link_once(core, objects, purpose)
        }
        linked => linked,
    }
}

fn link_once(core: &Core, objects: &[Object], purpose: Purpose<'_>) -> Result<Linked, Error> {
    let timer = core.timings.start(Phase::Link);
    let batch = parse_all(objects)?;
    let timer = timer.then(Phase::Link);
    let mut absent = HashSet::default();
    let linked = complete(core, batch, purpose, &mut absent, 0, timer, None);
    let is_of_client = matches!(linked, Err(Error::ListenerPanicked { .. }));
    if linked.is_ok() || is_of_client || !objects.iter().any(Object::has_inlined) {
        return linked;
    }
    // A function must not fail because of what another one names that it has inlined.
    let plain = objects.iter().map(|one| match one.has_inlined() {
        true => made_again(core, one, MadeFrom::without_inlining).map(Cow::Owned),
        false => Ok(Cow::Borrowed(one)),
    });
    let plain = plain.collect::<Result<Vec<_>, Error>>()?;
    let timer = core.timings.start(Phase::Link);
    let batch = parse_all(plain.iter().map(|one| &**one))?;
    let mut absent = HashSet::default();
    complete(core, batch, purpose, &mut absent, 0, timer, None)
}

/// How the objects of a batch are bound and laid out.
type BoundObjects = SmallVec<[(Bindings, Layout); 1]>;

/// The maximum number of rounds of gathering. Each round may find names that the next has to
/// resolve.
const MOST_ROUNDS: usize = 1000;

fn parse_all<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Result<Vec<Parsed<'o>>, Error> {
    objects.into_iter().map(Parsed::new).collect()
}

/// Extends the batch until nothing is missing, then links it. `announced` is what was linked in the
/// round before, if listeners were told of it.
fn complete<'c>(
    core: &'c Core,
    mut batch: Vec<Parsed<'_>>,
    purpose: Purpose<'_>,
    absent: &mut FxHashSet<EntryId>,
    round: usize,
    timer: Timer<'c>,
    mut announced: Option<Announced<'c>>,
) -> Result<Linked, Error> {
    if round == MOST_ROUNDS {
        let unit = batch.first().map(|one| one.object.unit.name.clone());
        return Err(Error::Internal(format!(
            "{}: its names were still unresolved after {MOST_ROUNDS} rounds",
            unit.unwrap_or_default()
        )));
    }
    let mut ledger = core.ledger();
    let taken = take_copies(core, &mut ledger, &mut batch, purpose);
    if batch.is_empty() {
        let former = purpose.planned().map(|planned| {
            ledger.hold_back(planned, &core.slots);
            ledger.put_in_force(planned, &[], &core.slots)
        });
        drop(ledger);
        timer.stop();
        return Ok(Linked {
            defined: taken,
            former: former.unwrap_or_default(),
            ..Linked::default()
        });
    }
    let mut view = View::new(&mut ledger, purpose);
    for parsed in &mut batch {
        parsed.resolve(&core.memory, &mut view)?;
    }
    let needs = Needs::find(&view, &batch, absent);
    let outdated = needs.is_empty().then(|| outdated(&view, &batch)).flatten();
    if let Some(place) = outdated {
        drop(ledger);
        timer.stop();
        drop(announced);
        // A copy may stay out of date: because what was copied changes all the time, or because
        // this very change moves its name. Then the object had better hold none.
        let object = batch[place].object;
        let again = match round {
            0 => made_again(core, object, MadeFrom::clone),
            _ => made_again(core, object, MadeFrom::without_copies),
        }?;
        // Shortens the lifetime of the batch's objects to that of the one made here.
        let mut batch: Vec<Parsed<'_>> = batch;
        let timer = core.timings.start(Phase::Link);
        batch[place] = Parsed::new(&again)?;
        return complete(core, batch, purpose, absent, round + 1, timer, None);
    }
    if needs.is_empty() {
        let (binder, bound) = bind_all(core, &mut view, &mut batch, absent)?;
        let now = Bound::of_listened(core, &view, &bound, &batch);
        if let Some(fitting) = announced.take_if(|one| one.fits(now.as_deref())) {
            let staged = fitting.into_staged();
            return Ok(publish::publish(
                core, ledger, &batch, staged, purpose, timer,
            ));
        }
        let staged = stage(core, &view, binder, bound, &batch)?;
        let Some(bound) = now else {
            return Ok(publish::publish(
                core, ledger, &batch, staged, purpose, timer,
            ));
        };
        let facts = announce::describe(&view, &batch, &staged, purpose);
        drop(ledger);
        timer.stop();
        drop(announced);
        let told = announce::announce(core, &batch, staged, bound, facts)?;
        let timer = core.timings.start(Phase::Link);
        return complete(core, batch, purpose, absent, round + 1, timer, Some(told));
    }
    drop(ledger);
    timer.stop();
    drop(announced);
    needs.ask_outside(core, absent)?;
    let more = needs.extract(core)?;
    // Shortens the lifetime of the batch's objects to that of the objects added here.
    let mut batch: Vec<Parsed<'_>> = batch;
    let timer = core.timings.start(Phase::Link);
    batch.extend(parse_all(&more)?);
    complete(core, batch, purpose, absent, round + 1, timer, None)
}

/// Takes the object files out of a batch that are linked already, and puts their definitions in
/// force where names have come to stand for them.
fn take_copies(
    core: &Core,
    ledger: &mut Ledger,
    batch: &mut Vec<Parsed<'_>>,
    purpose: Purpose<'_>,
) -> Vec<(EntryId, BodyAddr)> {
    let mut taken = Vec::new();
    batch.retain(|parsed| {
        let unit = &parsed.object.unit;
        // What a change gives back to a file is found there when it is next needed.
        if purpose.planned().is_some() && unit.tables.get().is_some() {
            return false;
        }
        match ledger.take_copies_of_file(unit, &core.slots) {
            Some(more) => {
                taken.extend(more);
                false
            }
            None => true,
        }
    });
    taken
}

/// Compiles an object again, in the way that `change` makes of the way it was compiled in.
fn made_again(
    core: &Core,
    object: &Object,
    change: impl FnOnce(&MadeFrom) -> MadeFrom,
) -> Result<Object, Error> {
    let how = object.made_from.as_ref().map(change);
    let how = how.ok_or_else(|| Error::Internal("an object of assembly is outdated".into()))?;
    Ok(Object {
        section: object.section.clone(),
        ..Object::of_ir(&object.unit, core.emit_again(&object.unit, how)?)
    })
}

/// Returns the first object that contains a copy of what is out of force by now: it was replaced
/// after the object was extracted.
fn outdated(view: &View<'_, '_>, batch: &[Parsed<'_>]) -> Option<usize> {
    batch.iter().position(|parsed| {
        let object = parsed.object;
        object.made_from.is_some() && !view.are_current(object)
    })
}

/// Binds the symbols of each object and lays it out.
fn bind_all<'c>(
    core: &'c Core,
    view: &mut View<'_, '_>,
    batch: &mut [Parsed<'_>],
    absent: &'c FxHashSet<EntryId>,
) -> Result<(Binder<'c>, BoundObjects), Error> {
    let mut binder = Binder::new(core, absent);
    binder.find_owners(view, batch);
    binder.make_room(view, batch);
    let batch = &*batch;
    let mut bound = BoundObjects::with_capacity(batch.len());
    for (place, parsed) in batch.iter().enumerate() {
        let bindings = binder.bind(view, batch, place)?;
        let layout = Layout::new(
            &parsed.graph,
            &bindings,
            |section| binder.discards(batch, place, section),
            core.memory.reach(),
        )?;
        bound.push((bindings, layout));
    }
    Ok((binder, bound))
}

/// Allocates memory for each object, and fixes its bytes up for their addresses. On an error, all
/// memory is freed.
fn stage<'m>(
    core: &'m Core,
    view: &View<'_, '_>,
    mut binder: Binder<'_>,
    bound: BoundObjects,
    batch: &[Parsed<'_>],
) -> Result<Vec<Staged<'m>>, Error> {
    let mut staged = StagedUndo(Vec::with_capacity(batch.len()));
    for (bindings, layout) in bound {
        staged.0.push(Staged {
            bindings,
            layout,
            placement: Placement {
                code: ExecAddr::NULL,
                read_only: ExecAddr::NULL,
                data: ExecAddr::NULL,
            },
            definitions: SmallVec::new(),
            thread_module: None,
            memory: SmallVec::new(),
            joined_end: None,
            image: Image::default(),
            unwind: None,
            told: None,
            observed: Vec::new(),
        });
    }
    for (parsed, one) in batch.iter().zip(&mut staged.0) {
        one.reserve(core, parsed)?;
    }
    binder.locate(view, batch, &mut staged.0)?;
    for (parsed, one) in batch.iter().zip(&mut staged.0) {
        rewire_object::link(
            &parsed.graph,
            &one.bindings,
            &one.layout,
            &one.placement,
            &mut one.image,
        )?;
        one.join();
        one.write()?;
    }
    Ok(std::mem::take(&mut staged.0))
}
