//! Compiles definitions: to object bytes, and to bodies in memory.

pub(crate) mod assembly_labels;
pub(crate) mod cache_lookup;
pub(crate) mod client_calls;
pub(crate) mod eager;
pub(crate) mod failure;
pub(crate) mod first_call;
pub(crate) mod foresight;
mod frames;
mod importing;
pub(crate) mod kept;
pub(crate) mod materialize;
pub(crate) mod optimise;
mod rebuild;
mod stress;
mod transforming;
pub(crate) mod uncompiled;
pub(crate) mod workers;

use std::sync::Arc;

use rewire_llvm::{Codegen, Extracted, InlineBudget, LlvmError, Module, Ordinal};
use rewire_memory::fault::CrashGuard;

use crate::base::error::Error;
use crate::base::events::Why;
use crate::base::report::Phase;
use crate::base::tier::{BodyPart, Tier};
use crate::compile::uncompiled::{is_absent, wanted};
use crate::core::Core;
use crate::ledger::unit::{ExtractScope, ModuleLease, Unit};
use crate::ledger::{Definition, EntryId, Ledger, State};
use crate::link::{self, Emitted, Imports, Linked, LocalNumbers, MadeFrom, Object, Purpose};
use importing::OtherUnits;

impl Core {
    /// Compiles definitions of a unit and links them.
    pub(crate) fn compile(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        purpose: Purpose<'_>,
    ) -> Result<Linked, Error> {
        let object = self.object_of(unit, roots, ExtractScope::Values)?;
        link::link(self, &[object], purpose)
    }

    /// Returns the object with these definitions of a unit: compiled from its IR, or the object
    /// file that the unit is.
    pub(crate) fn object_of(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        scope: ExtractScope,
    ) -> Result<Object, Error> {
        match unit.is_object() {
            true => Object::of_file(unit),
            false => Ok(Object::of_ir(unit, self.emit(unit, roots, scope)?)),
        }
    }

    /// Compiles a function that is being called. If there are compile threads, they compile the
    /// functions that it certainly calls meanwhile; otherwise those are compiled together with it.
    pub(crate) fn compile_called(
        &self,
        unit: &Arc<Unit>,
        function: Ordinal,
    ) -> Result<Linked, Error> {
        if unit.is_object() {
            return self.compile(unit, &[function], Purpose::Load);
        }
        let guard = self.guard(unit, &[function]);
        let timer = self.timings.start(Phase::Extract);
        let mut copy = self.copy_for(unit, &self.values_of(unit, vec![function]))?;
        // Functions that were compiled together are found only together.
        if self.workers.are_there() || self.kept.is_some() {
            let plan = copy.call_plan(function);
            timer.stop();
            self.foresee(unit, function, plan);
            let emitted = self.emit_from(unit, &mut copy, self.values_of(unit, vec![function]))?;
            drop((copy, guard));
            let object = Object::of_ir(unit, emitted);
            return link::link(self, &[object], Purpose::Call);
        }
        let (roots, company) = self.company(unit, &mut copy, function);
        timer.stop();
        let compiled = self
            .emit_from(unit, &mut copy, self.values_of(unit, roots))
            .map(|emitted| Object::of_ir(unit, emitted))
            .and_then(|object| link::link(self, &[object], Purpose::Call));
        drop((copy, guard));
        // Release the claims of functions that weren't compiled, so that no thread waits for them.
        self.release_claims(&company);
        if compiled.is_ok() || company.is_empty() {
            return compiled;
        }
        // One of the other functions may be the cause; its own call will report that.
        self.compile(unit, &[function], Purpose::Call)
    }

    /// Returns the function and those that it certainly calls, transitively, as far as this thread
    /// can claim them. Compiling them together pays, because a third of the cost of compiling a
    /// small function is spent per object, whatever the object contains.
    fn company(
        &self,
        unit: &Arc<Unit>,
        copy: &mut ModuleLease<'_>,
        function: Ordinal,
    ) -> (Vec<Ordinal>, Vec<EntryId>) {
        let mut roots = vec![function];
        let mut claimed = Vec::new();
        let has_level = |id| self.ledger().fixed_level(id).is_some();
        // What the function certainly calls may be inlined, and then isn't called.
        let may_inline = !self.inline_budget(self.tiers.first.level()).is_none();
        if may_inline || unit.entry(function).is_some_and(has_level) {
            return (roots, claimed);
        }
        let mut next = 0;
        while next < roots.len() && roots.len() < COMPANY {
            for callee in copy.call_plan(roots[next]).from_entry() {
                if roots.len() == COMPANY || !copy.has_fresh_body(callee) {
                    continue;
                }
                if unit.entry(callee).is_some_and(has_level) {
                    continue;
                }
                if let Some(id) = self.claim_if_absent(unit, callee) {
                    claimed.push(id);
                    roots.push(callee);
                }
            }
            next += 1;
        }
        (roots, claimed)
    }

    /// Compiles a function ahead of its first call, which is certain to come.
    pub(crate) fn compile_ahead(&self, id: EntryId) {
        let found = {
            let ledger = self.ledger();
            let entry = ledger.entry(id);
            match (entry.definition(), &entry.state()) {
                (Definition::Ir(unit, ordinal), State::Absent) if !ledger.is_stale(id) => {
                    ledger.unit(unit).map(|unit| (unit.clone(), ordinal))
                }
                _ => None,
            }
        };
        let Some((unit, function)) = found else {
            return;
        };
        let roots = if unit.comes_whole() {
            claim_whole(&mut self.ledger(), &unit, function)
        } else {
            vec![function]
        };
        if roots.is_empty() {
            return;
        }
        // A failure is reported by each function's own call.
        let _ = self.observed(
            &unit,
            &roots,
            || Why::Ahead,
            || {
                if unit.comes_whole() {
                    self.compile_whole(&unit, &roots).map(drop)
                } else {
                    self.compile_unclaimed(id, &unit, function)
                }
            },
        );
    }

    /// Compiles a function unless another thread has claimed it.
    fn compile_unclaimed(
        &self,
        id: EntryId,
        unit: &Arc<Unit>,
        function: Ordinal,
    ) -> Result<(), Error> {
        let guard = self.guard(unit, &[function]);
        let timer = self.timings.start(Phase::Extract);
        // The function is claimed only now: getting a copy may take long, and a caller of the
        // function would have to wait for it.
        let mut copy = self.copy_for(unit, &self.values_of(unit, vec![function]))?;
        if self.claim_if_absent(unit, function).is_none() {
            return Ok(());
        }
        let _claim = ClaimedFunction { core: self, id };
        let plan = copy.call_plan(function);
        timer.stop();
        self.foresee(unit, function, plan);
        let emitted = self.emit_from(unit, &mut copy, self.values_of(unit, vec![function]))?;
        drop((copy, guard));
        link::link(self, &[Object::of_ir(unit, emitted)], Purpose::Call).map(|_| ())
    }

    /// Releases this thread's claims of functions.
    pub(crate) fn release_claims(&self, claimed: &[EntryId]) {
        let mut ledger = self.ledger();
        let mut given = false;
        for id in claimed {
            given |= ledger.release_claim(*id);
        }
        drop(ledger);
        if given {
            self.changed.notify_all();
        }
    }

    /// Compiles all functions of a frozen unit that have no body yet, in one object. This thread
    /// has claimed them.
    pub(crate) fn compile_whole(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
    ) -> Result<Linked, Error> {
        let linked = self
            .object_of(unit, roots, ExtractScope::Whole)
            .and_then(|object| link::link(self, &[object], Purpose::Load));
        let error = match linked {
            Ok(linked) => return Ok(linked),
            Err(error) => error,
        };
        // The unit is compiled as a whole or not at all, whichever function is called.
        let claimed = roots.iter().filter_map(|root| unit.entry(*root));
        self.ledger().end_claims(claimed, &error);
        self.changed.notify_all();
        Err(error)
    }

    /// Claims a function, unless another thread has claimed or compiled it.
    fn claim_if_absent(&self, unit: &Unit, ordinal: Ordinal) -> Option<EntryId> {
        let id = unit.entry(ordinal)?;
        let mut ledger = self.ledger();
        if ledger.is_stale(id) {
            return None;
        }
        let definition = Definition::Ir(unit.id, ordinal);
        ledger.claim_if_absent(id, definition).then_some(id)
    }

    /// Takes a copy of a unit's module from which these definitions can be compiled.
    fn copy_for<'u>(&self, unit: &'u Arc<Unit>, how: &MadeFrom) -> Result<ModuleLease<'u>, Error> {
        let copy = match how.scope {
            // A prefixed stub needs no body.
            ExtractScope::PrefixedStub => unit.copy(&[]),
            ExtractScope::Values if !how.budget.is_none() => unit.intact_copy(),
            ExtractScope::Values | ExtractScope::Alone | ExtractScope::Whole => {
                unit.copy(&how.roots)
            }
        };
        copy.map_err(|source| compile_error(unit, &how.roots, source))
    }

    /// How functions are compiled when they are first called.
    fn values_of(&self, unit: &Unit, roots: Vec<Ordinal>) -> MadeFrom {
        let tier = (self.first_tier(unit, &roots), BodyPart::All);
        self.made_from(roots, ExtractScope::Values, tier)
    }

    /// How definitions are compiled for a tier.
    pub(super) fn made_from(
        &self,
        roots: Vec<Ordinal>,
        scope: ExtractScope,
        tier: (Tier, BodyPart),
    ) -> MadeFrom {
        let budget = self.inline_budget(tier.0.level());
        MadeFrom::of_tier(roots, scope, tier, budget)
    }

    /// The tier in which functions are compiled first. One for which the client has set a level is
    /// compiled alone.
    fn first_tier(&self, unit: &Unit, roots: &[Ordinal]) -> Tier {
        let [root] = roots else {
            return self.tiers.first;
        };
        let level = unit
            .entry(*root)
            .and_then(|id| self.ledger().fixed_level(id));
        level.map_or(self.tiers.first, Tier::Fixed)
    }

    /// Extracts definitions and compiles them to an object.
    pub(crate) fn emit(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        scope: ExtractScope,
    ) -> Result<Emitted, Error> {
        let tier = (self.first_tier(unit, roots), BodyPart::All);
        self.emit_again(unit, self.made_from(roots.to_vec(), scope, tier))
    }

    /// As [`Core::emit`], in the way in which an object was compiled before.
    pub(crate) fn emit_again(&self, unit: &Arc<Unit>, how: MadeFrom) -> Result<Emitted, Error> {
        let _guard = self.guard(unit, &how.roots);
        let timer = self.timings.start(Phase::Extract);
        let copy = self.copy_for(unit, &how);
        timer.stop();
        self.emit_from(unit, &mut copy?, how)
    }

    /// As [`Core::emit`], from a copy of the unit's module that the caller has taken.
    fn emit_from(
        &self,
        unit: &Arc<Unit>,
        copy: &mut ModuleLease<'_>,
        how: MadeFrom,
    ) -> Result<Emitted, Error> {
        let generated = self.with_codegen(how.tier.level(), |codegen| {
            let generated = self.generate_object(codegen, copy, &how);
            if tracing::enabled!(tracing::Level::DEBUG) {
                let functions = label(unit, &how.roots);
                tracing::debug!(unit = &*unit.name, functions, "compiled");
            }
            generated.map_err(|source| compile_error(unit, &how.roots, source))
        });
        match generated {
            Ok(generated) => Ok(Emitted {
                bytes: generated.bytes,
                folds: generated.folds,
                made_from: how,
                locals: generated.locals,
                imports: generated.imports,
                stays_in_frame: generated.stays_in_frame,
            }),
            // The fault may be in a body that was to be inlined. A call of that function will
            // report it.
            Err(_) if !how.budget.is_none() => self.emit_again(unit, how.without_inlining()),
            Err(error) => Err(error),
        }
    }

    /// Extracts definitions, optimises them and generates code.
    fn generate_object(
        &self,
        codegen: &mut Codegen,
        copy: &mut ModuleLease<'_>,
        how: &MadeFrom,
    ) -> Result<Generated, LlvmError> {
        let mut timer = self.timings.start(Phase::Extract);
        let unit = copy.unit;
        let (mut extracted, imports) = self.extract(copy, how)?;
        let mut folds = extracted.folds();
        let stays_in_frame =
            how.scope == ExtractScope::Values && self.check_loops(codegen, &mut extracted, how)?;
        let mut identity = None;
        if let Some(kept) = &self.kept {
            timer = timer.then(Phase::Find);
            identity = kept.identity(&extracted, codegen.level(), how.scope);
            let found = identity.as_ref().and_then(|identity| kept.find(identity));
            if let Some(found) = found {
                timer.stop();
                folds.extend(found.inlined);
                return Ok(Generated {
                    bytes: found.bytes,
                    folds,
                    locals: found.locals,
                    imports,
                    stays_in_frame,
                });
            }
        }
        timer = timer.then(Phase::Optimise);
        if how.scope == ExtractScope::Whole {
            codegen.optimise_whole(&mut extracted)?;
        } else {
            codegen.optimise(&mut extracted)?;
        }
        let inlined = codegen.inlined();
        timer = timer.then(Phase::Codegen);
        let bytes = codegen.emit(extracted)?.to_vec();
        timer.stop();
        if let Some(identity) = &identity {
            // Nobody asks for what follows a loop's head.
            let is_whole = how.part == BodyPart::All;
            let roots = if is_whole { &how.roots[..] } else { &[] };
            self.keep_compiled(identity, unit, (roots, how.tier), (&inlined, &bytes));
        }
        folds.extend(inlined);
        Ok(Generated {
            bytes,
            folds,
            locals: LocalNumbers::default(),
            imports,
            stays_in_frame,
        })
    }

    /// Takes what is to be compiled out of its module, as the client transforms it.
    fn extract<'c>(
        &self,
        copy: &'c mut ModuleLease<'_>,
        how: &MadeFrom,
    ) -> Result<(Extracted<'c>, Imports), LlvmError> {
        let unit = copy.unit;
        // What the client transforms is each function as it is compiled, not copies of it.
        let budget = match self.transform {
            Some(_) => InlineBudget::NONE,
            None => how.budget,
        };
        let mut others = OtherUnits::new(self, unit);
        let fold = how.folds_constants;
        let mut extracted = copy.extract(&how.roots, how.scope, fold, budget, &mut others)?;
        let imports = others.into_imports();
        if how.scope != ExtractScope::PrefixedStub {
            self.apply_transform(&mut extracted, unit, &how.roots)?;
        }
        Ok((extracted, imports))
    }

    /// Adds checks to the heads of loops, where the body may be left for another, and makes the
    /// part of the body that is wanted. Returns whether bodies keep what continuations need in
    /// their own frames.
    fn check_loops(
        &self,
        codegen: &Codegen,
        extracted: &mut Extracted<'_>,
        how: &MadeFrom,
    ) -> Result<bool, LlvmError> {
        let limit = (how.tier == Tier::Quick).then(|| self.tiers.loop_passes());
        match (how.part, limit) {
            (BodyPart::FromHead(head), limit) => {
                let frame = how.frame.as_ref().map(|frame| &*frame.layout);
                extracted.continue_at(head, limit, frame)?;
            }
            (BodyPart::All, Some(limit)) => return Ok(extracted.count_loops(codegen, limit)),
            (BodyPart::All, None) => extracted.poll_loops(),
        }
        Ok(false)
    }

    /// Assembles the unit's module-level assembly to an object.
    pub(crate) fn emit_assembly(&self, unit: &Arc<Unit>) -> Result<Option<Object>, Error> {
        let _guard = self.guard(unit, &[]);
        let bytes = self.emit_assembly_of(unit.copy(&[])?.module()?)?;
        Ok(bytes.map(|bytes| Object::of_assembly(unit, bytes)))
    }

    /// As [`Core::emit_assembly`], for a module; the module is left unchanged.
    pub(crate) fn emit_assembly_of(&self, module: &mut Module) -> Result<Option<Vec<u8>>, Error> {
        self.with_codegen(self.tiers.first.level(), |codegen| {
            Ok(match module.extract_assembly() {
                Some(extracted) => Some(codegen.emit(extracted)?.to_vec()),
                None => None,
            })
        })
    }

    fn guard(&self, unit: &Unit, roots: &[Ordinal]) -> Option<CrashGuard> {
        self.guard_crashes.then(|| {
            let name = label(unit, roots);
            CrashGuard::new(
                format!(
                    "error: {}: LLVM crashed while it compiled {name}\n",
                    unit.name
                ),
                crate::EXIT_COMPILE,
            )
        })
    }
}

/// An object, and what is needed to link it.
struct Generated {
    bytes: Vec<u8>,
    /// What its code may contain a copy of.
    folds: Vec<Ordinal>,
    locals: LocalNumbers,
    imports: Imports,
    stays_in_frame: bool,
}

/// Claims all functions of a frozen unit that have no body yet, for a call of one of them.
pub(crate) fn claim_whole(ledger: &mut Ledger, unit: &Unit, called: Ordinal) -> Vec<Ordinal> {
    let mut roots = wanted(ledger, unit);
    // The called function was to be inlined wherever it is named, and wasn't.
    if !roots.contains(&called) && is_absent(ledger, unit, called) {
        roots.push(called);
    }
    for id in roots.iter().filter_map(|root| unit.entry(*root)) {
        ledger.claim(id);
    }
    roots
}

/// A function that this thread has claimed. Dropping this releases the claim, if the function has
/// no body by then.
struct ClaimedFunction<'c> {
    core: &'c Core,
    id: EntryId,
}

impl Drop for ClaimedFunction<'_> {
    fn drop(&mut self) {
        self.core.release_claims(&[self.id]);
    }
}

/// The maximum number of functions compiled together. More would save little, and make the first
/// one wait.
const COMPANY: usize = 16;

fn label(unit: &Unit, roots: &[Ordinal]) -> String {
    let names = roots.iter().filter_map(|root| {
        let global = unit.index.globals.get(root.index())?;
        (!global.name.is_empty()).then(|| global.name.to_string())
    });
    let names: Vec<String> = names.take(3).collect();
    match (names.len(), roots.len()) {
        (0, _) => "it".to_owned(),
        (named, all) if named < all => format!("{} and others", names.join(", ")),
        _ => names.join(", "),
    }
}

fn compile_error(unit: &Unit, roots: &[Ordinal], source: LlvmError) -> Error {
    Error::Compile {
        function: label(unit, roots).into(),
        source,
    }
}
