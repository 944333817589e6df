//! From a name to object bytes, and to a function that runs.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::{LlvmError, Ordinal};
use rewire_memory::ExecAddr;
use rewire_memory::fault::CrashGuard;

use crate::core::Core;
use crate::eager::wanted;
use crate::error::Error;
use crate::events::{Wait, Why};
use crate::host::{self, HostSymbol};
use crate::ledger::{Definition, EntryId, Ledger, LibraryId, State, ThreadKey};
use crate::link::{self, Object, Origin, Purpose, enter_host};
use crate::outside::{Found, LazyIr};
use crate::recording::span_since;
use crate::report::Phase;
use crate::sync::wait;
use crate::unit::{Copy, Scope, Unit};

/// A function that another thread is compiling, and since when this one waits for it.
pub(crate) type Waiting = (Arc<str>, Instant);

/// What a thread has to do to get a function's address.
enum Work {
    /// Nothing: here it is.
    Done(ExecAddr),
    /// Compile this definition.
    Compile(Arc<Unit>, Ordinal),
    /// Compile these functions of a frozen unit: all of it.
    CompileWhole(Arc<Unit>, Vec<Ordinal>),
    /// Ask the host and the resolvers.
    Ask,
    /// Go where another library's function of the name is.
    Import,
    /// Have the client make its IR.
    Generate(LazyIr),
    /// Call this resolver function.
    Choose(EntryId),
}

impl Core {
    /// The address of a function's current body, compiled if it has none yet. Other threads that
    /// want the same function wait.
    ///
    /// `caller` is a place in the code that calls it, as far as there is one.
    pub(crate) fn provide(&self, id: EntryId, caller: Option<ExecAddr>) -> Result<ExecAddr, Error> {
        let mut waiting = None;
        let claimed = self.claim(id, &mut waiting);
        if let Some((function, since)) = waiting {
            self.tell_wait(function, since);
        }
        let (work, is_owner) = claimed?;
        let result = match work {
            Work::Done(address) => return Ok(address),
            Work::Compile(unit, ordinal) => {
                let why = || Why::Called {
                    by: caller.and_then(|caller| self.function_at(caller)),
                };
                self.observed(&unit, &[ordinal], why, || {
                    self.compile_called(&unit, ordinal).map(|()| None)
                })
            }
            Work::CompileWhole(unit, roots) => {
                let why = || Why::Called {
                    by: caller.and_then(|caller| self.function_at(caller)),
                };
                self.observed(&unit, &roots, why, || {
                    self.compile_whole(&unit, &roots).map(|()| None)
                })
            }
            Work::Ask => match self.ask_outside(id) {
                Ok(Found::Symbol(HostSymbol::Address(address))) => Ok(Some(address)),
                Ok(Found::Entered) => return self.provide_again(id, caller),
                Ok(Found::Symbol(_) | Found::Nothing) => Err(Error::MissingFunction {
                    name: self.ledger().entry(id).name.clone(),
                }),
                Err(error) => Err(error),
            },
            Work::Import => return self.go_to_import(id),
            Work::Generate(make) => match self.generate(id, &make) {
                Ok(()) => return self.provide_again(id, caller),
                Err(error) => Err(error),
            },
            Work::Choose(resolver) => self.choose(resolver).map(Some),
        };
        let mut ledger = self.ledger();
        match result {
            Ok(Some(address)) => {
                enter_host(self, &mut ledger, id, HostSymbol::Address(address));
            }
            Ok(None) => {}
            // Whoever claimed it will say what became of it.
            Err(error) if !is_owner => return Err(error),
            Err(error) => {
                let error = Arc::new(error);
                // A name that nothing defines may be defined later.
                ledger.entry_mut(id).state = match &*error {
                    Error::MissingFunction { .. } => State::Absent,
                    _ => State::Failed(error.clone()),
                };
                drop(ledger);
                self.changed.notify_all();
                return Err(Error::Again(error));
            }
        }
        let result = match ledger.entry(id).state {
            State::Present(address) => Ok(address),
            _ => {
                let what = "a definition was compiled and is not there".to_owned();
                let error = Arc::new(Error::Internal(what));
                ledger.entry_mut(id).state = State::Failed(error.clone());
                Err(Error::Again(error))
            }
        };
        drop(ledger);
        self.changed.notify_all();
        result
    }

    /// Marks a function as this thread's to compile, or waits for whoever does; `waiting` says
    /// for what, and since when. Where that would be waiting for itself, this thread makes a
    /// copy, which it doesn't own: the first to be there counts.
    fn claim(&self, id: EntryId, waiting: &mut Option<Waiting>) -> Result<(Work, bool), Error> {
        let me = ThreadKey::mine();
        let mut is_owner = true;
        let mut ledger = self.ledger();
        loop {
            match &ledger.entry(id).state {
                State::Present(address) => return Ok((Work::Done(*address), false)),
                State::Failed(error) => return Err(Error::Again(error.clone())),
                State::PerThread { .. } => {
                    let name = ledger.entry(id).name.clone();
                    return Err(Error::MissingFunction { name });
                }
                State::Pending(_) if ledger.would_wait_for_itself(me, id) => {
                    is_owner = false;
                    break;
                }
                State::Pending(_) => {
                    if self.compile_observer.is_some() && waiting.is_none() {
                        let name = ledger.entry(id).label().into();
                        *waiting = Some((name, Instant::now()));
                    }
                    ledger.waiting.insert(me, id);
                    ledger = wait(&self.changed, ledger);
                    ledger.waiting.remove(&me);
                }
                State::Absent => break,
            }
        }
        let definition = ledger.entry(id).definition;
        let work = match definition {
            Definition::Ir(unit, ordinal) => {
                let unit = ledger.unit(unit).clone();
                if unit.is_frozen && is_owner {
                    let roots = claim_whole(&mut ledger, &unit);
                    return Ok((Work::CompileWhole(unit, roots), true));
                }
                Work::Compile(unit, ordinal)
            }
            Definition::Ifunc(resolver) => Work::Choose(resolver),
            Definition::Lazy => match ledger.lazies.get(&id) {
                Some(lazy) => Work::Generate(lazy.0.clone()),
                None => Work::Ask,
            },
            Definition::Alias(..) => return Ok((Work::Import, false)),
            _ if ledger.import(id) => return Ok((Work::Import, false)),
            _ => Work::Ask,
        };
        if is_owner {
            ledger.entry_mut(id).state = State::Pending(me);
        }
        Ok((work, is_owner))
    }

    /// As [`Core::provide`], for a function that this thread has claimed and of which the ledger
    /// knows more by now.
    fn provide_again(&self, id: EntryId, caller: Option<ExecAddr>) -> Result<ExecAddr, Error> {
        self.give_back(&[id]);
        self.changed.notify_all();
        self.provide(id, caller)
    }

    /// Has the slot of a name lead to the function that it stands for now: another library's.
    fn go_to_import(&self, id: EntryId) -> Result<ExecAddr, Error> {
        let mut ledger = self.ledger();
        let slot = ledger.entry(id).slot;
        let (target, offset) = ledger.target(id);
        let canonical = ledger.canonical(target, &self.slots)?;
        let address = canonical.checked_add_signed(offset).unwrap_or(canonical);
        if let Some(slot) = slot {
            self.slots.retarget(slot, address);
        }
        Ok(address)
    }

    /// Tells the observer that this thread waited.
    pub(crate) fn tell_wait(&self, function: Arc<str>, since: Instant) {
        if let Some(observer) = &self.compile_observer {
            let span = span_since(since);
            observer.waited(&Wait { function, span });
        }
    }

    /// The name of the function that a return address is in, the host's included.
    fn function_at(&self, returns_to: ExecAddr) -> Option<Arc<str>> {
        let inside = returns_to.checked_add_signed(-1)?;
        let ledger = self.ledger();
        if let Some((_, defined)) = ledger.definition_at(inside) {
            return Some(ledger.entry(defined.entry).label().into());
        }
        drop(ledger);
        host::describe(inside).map(Into::into)
    }

    /// The address that a name of the program has for its whole life; a variable gets its memory.
    pub(crate) fn lookup(&self, library: LibraryId, name: &str) -> Result<ExecAddr, Error> {
        let unknown = || Error::Unknown { name: name.into() };
        let mut ledger = self.ledger();
        let id = ledger.find(library, name).ok_or_else(unknown)?;
        ledger.import(id);
        let (target, offset) = ledger.address_target(id);
        let entry = ledger.entry(target);
        if entry.is_replaceable() {
            return Ok(ledger.canonical(target, &self.slots)?);
        }
        if let (Definition::Front(unit, ordinal), State::Absent) = (entry.definition, &entry.state)
        {
            let unit = ledger.unit(unit).clone();
            drop(ledger);
            let front = self.compile_front(&unit, ordinal)?;
            link::link(self, &[front], Purpose::Load)?;
            ledger = self.ledger();
        }
        let entry = ledger.entry(target);
        if let (Definition::Ir(unit, ordinal), State::Absent) = (entry.definition, &entry.state) {
            let unit = ledger.unit(unit).clone();
            drop(ledger);
            let roots = [ordinal];
            self.observed(
                &unit,
                &roots,
                || Why::Data,
                || self.compile(&unit, &roots, Purpose::Load),
            )?;
            ledger = self.ledger();
        }
        let entry = ledger.entry(target);
        match entry.state {
            State::Present(address) if entry.definition != Definition::None => {
                Ok(address.checked_add_signed(offset).unwrap_or(address))
            }
            _ => Err(unknown()),
        }
    }

    /// Has an indirect function's resolver choose what it stands for.
    fn choose(&self, resolver: EntryId) -> Result<ExecAddr, Error> {
        let (resolver, _) = self.ledger().target(resolver);
        let address = self.provide(resolver, None)?;
        // SAFETY: the unit says that this is the resolver of an indirect function, which takes
        // nothing and returns an address (LangRef, "IFuncs").
        let chosen = unsafe {
            let resolver: extern "C" fn() -> u64 = std::mem::transmute(address.get());
            resolver()
        };
        Ok(ExecAddr::new(chosen))
    }

    /// Compiles definitions of a unit and links them.
    pub(crate) fn compile(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        purpose: Purpose,
    ) -> Result<link::Linked, Error> {
        let object = Object::of_ir(unit, self.emit(unit, roots, Scope::Values)?);
        link::link(self, &[object], purpose)
    }

    /// Compiles a function that is being called. Those that it surely calls are compiled by other
    /// threads meanwhile; without such threads, together with it.
    fn compile_called(&self, unit: &Arc<Unit>, function: Ordinal) -> Result<(), Error> {
        let guard = self.guard(unit, &[function]);
        let timer = self.timings.start(Phase::Extract);
        let mut copy = unit
            .copy(&[function])
            .map_err(|source| compile_error(unit, &[function], source))?;
        if self.workers.are_there() {
            let plan = copy.call_plan(function);
            timer.stop();
            self.foresee(unit, function, plan);
            let bytes = self.emit_from(&mut copy, &[function], Scope::Values)?;
            drop((copy, guard));
            let object = Object::of_ir(unit, bytes);
            return link::link(self, &[object], Purpose::Call).map(|_| ());
        }
        let (roots, company) = self.company(unit, &mut copy, function);
        timer.stop();
        let compiled = self
            .emit_from(&mut copy, &roots, Scope::Values)
            .map(|bytes| Object::of_ir(unit, bytes))
            .and_then(|object| link::link(self, &[object], Purpose::Call));
        drop((copy, guard));
        // Nobody may wait for what didn't come.
        self.give_back(&company);
        if compiled.is_ok() || company.is_empty() {
            return compiled.map(|_| ());
        }
        // One of the others may be the reason, and that is for its own call to say.
        self.compile(unit, &[function], Purpose::Call).map(|_| ())
    }

    /// The function, and those that it surely calls, transitively, as far as they are this
    /// thread's to compile: a third of what compiling a small function costs is spent for each
    /// object, whatever is in it.
    fn company(
        &self,
        unit: &Arc<Unit>,
        copy: &mut Copy<'_>,
        function: Ordinal,
    ) -> (Vec<Ordinal>, Vec<EntryId>) {
        let mut roots = vec![function];
        let mut claimed = Vec::new();
        let mut next = 0;
        while next < roots.len() && roots.len() < COMPANY {
            for callee in copy.call_plan(roots[next]).from_entry() {
                if roots.len() == COMPANY || !copy.has_fresh_body(callee) {
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

    /// Compiles a function that will surely be called soon.
    pub(crate) fn compile_ahead(&self, id: EntryId) {
        let found = {
            let ledger = self.ledger();
            let entry = ledger.entry(id);
            match (entry.definition, &entry.state) {
                (Definition::Ir(unit, ordinal), State::Absent) => {
                    Some((ledger.unit(unit).clone(), ordinal))
                }
                _ => None,
            }
        };
        let Some((unit, function)) = found else {
            return;
        };
        let roots = if unit.is_frozen {
            claim_whole(&mut self.ledger(), &unit)
        } else {
            vec![function]
        };
        if roots.is_empty() {
            return;
        }
        // What fails is for each function's own call to say.
        let _ = self.observed(
            &unit,
            &roots,
            || Why::Ahead,
            || {
                if unit.is_frozen {
                    self.compile_whole(&unit, &roots)
                } else {
                    self.compile_unclaimed(id, &unit, function)
                }
            },
        );
    }

    /// Compiles a function unless another thread has got to it.
    fn compile_unclaimed(
        &self,
        id: EntryId,
        unit: &Arc<Unit>,
        function: Ordinal,
    ) -> Result<(), Error> {
        let guard = self.guard(unit, &[function]);
        let timer = self.timings.start(Phase::Extract);
        // Getting a copy may take long, and whoever calls the function would have to wait.
        let mut copy = unit
            .copy(&[function])
            .map_err(|source| compile_error(unit, &[function], source))?;
        if self.claim_if_absent(unit, function).is_none() {
            return Ok(());
        }
        let _claim = Claim { core: self, id };
        let plan = copy.call_plan(function);
        timer.stop();
        self.foresee(unit, function, plan);
        let bytes = self.emit_from(&mut copy, &[function], Scope::Values)?;
        drop((copy, guard));
        link::link(self, &[Object::of_ir(unit, bytes)], Purpose::Call).map(|_| ())
    }

    /// Leaves functions that were claimed to others.
    fn give_back(&self, claimed: &[EntryId]) {
        let me = ThreadKey::mine();
        let mut ledger = self.ledger();
        let mut given = false;
        for id in claimed {
            let entry = ledger.entry_mut(*id);
            if matches!(entry.state, State::Pending(owner) if owner == me) {
                entry.state = State::Absent;
                given = true;
            }
        }
        drop(ledger);
        if given {
            self.changed.notify_all();
        }
    }

    /// Compiles all of a frozen unit that has no body yet, in one object. Its functions were marked
    /// as this thread's to compile.
    fn compile_whole(&self, unit: &Arc<Unit>, roots: &[Ordinal]) -> Result<(), Error> {
        let linked = self
            .emit(unit, roots, Scope::Whole)
            .map(|bytes| Object::of_ir(unit, bytes))
            .and_then(|object| link::link(self, &[object], Purpose::Load));
        let Err(error) = linked else {
            return Ok(());
        };
        // What can't be compiled whole can't be compiled, whichever function is called.
        let error = Arc::new(error);
        let me = ThreadKey::mine();
        let mut ledger = self.ledger();
        for id in roots.iter().filter_map(|root| unit.entry(*root)) {
            let entry = ledger.entry_mut(id);
            if matches!(entry.state, State::Pending(owner) if owner == me) {
                entry.state = State::Failed(error.clone());
            }
        }
        drop(ledger);
        self.changed.notify_all();
        Err(Error::Again(error))
    }

    /// Marks a function as this thread's to compile, if nobody else has got to it.
    fn claim_if_absent(&self, unit: &Unit, ordinal: Ordinal) -> Option<EntryId> {
        let id = unit.entry(ordinal)?;
        let mut ledger = self.ledger();
        let entry = ledger.entry_mut(id);
        let is_free = matches!(entry.state, State::Absent)
            && entry.definition == Definition::Ir(unit.id, ordinal);
        is_free.then(|| {
            entry.state = State::Pending(ThreadKey::mine());
            id
        })
    }

    /// Extracts definitions and generates an object for them.
    pub(crate) fn emit(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        scope: Scope,
    ) -> Result<Vec<u8>, Error> {
        let _guard = self.guard(unit, roots);
        let timer = self.timings.start(Phase::Extract);
        let copy = match scope {
            // It needs no body.
            Scope::Front => unit.copy(&[]),
            Scope::Values | Scope::Alone | Scope::Whole => unit.copy(roots),
        };
        timer.stop();
        let mut copy = copy.map_err(|source| compile_error(unit, roots, source))?;
        self.emit_from(&mut copy, roots, scope)
    }

    /// The same in a copy of the unit's module that is at hand.
    fn emit_from(
        &self,
        copy: &mut Copy<'_>,
        roots: &[Ordinal],
        scope: Scope,
    ) -> Result<Vec<u8>, Error> {
        let unit = copy.unit;
        self.with_codegen(|codegen| {
            let extract = self.timings.start(Phase::Extract);
            let fold = codegen.level() > rewire_llvm::Level::O0;
            let emit = || {
                let mut extracted = copy.extract(roots, scope, fold)?;
                extract.stop();
                let optimise = self.timings.start(Phase::Optimise);
                if scope == Scope::Whole {
                    codegen.optimise_whole(&mut extracted);
                } else {
                    codegen.optimise(&mut extracted);
                }
                optimise.stop();
                let generate = self.timings.start(Phase::Codegen);
                let bytes = codegen.emit(extracted)?.to_vec();
                generate.stop();
                Ok(bytes)
            };
            let bytes = emit();
            if tracing::enabled!(tracing::Level::DEBUG) {
                let functions = label(unit, roots);
                tracing::debug!(unit = &*unit.name, functions, "compiled");
            }
            bytes.map_err(|source| compile_error(unit, roots, source))
        })
    }

    /// The unit's module-level assembly as an object.
    pub(crate) fn emit_assembly(&self, unit: &Arc<Unit>) -> Result<Option<Object>, Error> {
        let _guard = self.guard(unit, &[]);
        self.with_codegen(|codegen| {
            let mut copy = unit.copy(&[])?;
            let bytes = match copy.extract_assembly()? {
                Some(extracted) => Some(codegen.emit(extracted)?.to_vec()),
                None => None,
            };
            Ok(bytes.map(|bytes| Object {
                unit: unit.clone(),
                bytes,
                origin: Origin::Assembly,
                section: None,
            }))
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

/// Marks all of a frozen unit that has no body yet as this thread's to compile.
fn claim_whole(ledger: &mut Ledger, unit: &Unit) -> Vec<Ordinal> {
    let roots = wanted(ledger, unit.id);
    for id in roots.iter().filter_map(|root| unit.entry(*root)) {
        ledger.entry_mut(id).state = State::Pending(ThreadKey::mine());
    }
    roots
}

/// A function that a thread has claimed; if it has no body when this is dropped, it is left to
/// others.
struct Claim<'c> {
    core: &'c Core,
    id: EntryId,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.core.give_back(&[self.id]);
    }
}

/// More than these in company save little, and keep the first one waiting.
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
