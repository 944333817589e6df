//! From a name to a function that runs: what a thread has to do to get a function's address.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::Ordinal;
use rewire_memory::ExecAddr;

use super::claim_whole;
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::events::{Wait, Why};
use crate::base::resolver::LazyIr;
use crate::core::Core;
use crate::core::outside_request::OutsideAnswer;
use crate::core::recording::span_since;
use crate::host::fork_lock;
use crate::host::symbols::{self, HostSymbol};
use crate::ledger::unit::Unit;
use crate::ledger::{Awaited, Definition, EntryId, State, ThreadKey};
use crate::link::{Linked, enter_host};

/// A function that another thread is compiling, and since when this one waits for it.
pub(crate) type WaitedFor = (Arc<str>, Instant);

/// What a thread has to do to get a function's address.
enum MaterializeStep {
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

/// How often to try again when other threads change what a function stands for while it is being
/// compiled.
const MOST_CHANGES: usize = 10_000;

/// Work that a thread has taken.
struct Claimed {
    work: MaterializeStep,
    /// Others wait for it.
    is_owner: bool,
    /// What the name stood for when the work was taken: it may be another thing when it is done.
    began_with: Definition,
}

impl Core {
    /// The address of a function's current body, compiled if it has none yet. Other threads that
    /// want the same function wait.
    ///
    /// `caller` is a place in the code that calls it, as far as there is one.
    pub(crate) fn materialize(
        &self,
        id: EntryId,
        caller: Option<ExecAddr>,
    ) -> Result<ExecAddr, Error> {
        self.retry_while_changing(id, || self.try_materialize(id, caller))
    }

    /// Repeats `attempt` for as long as it answers `None`: other threads have changed what the
    /// function stands for meanwhile, or dropped its code.
    pub(super) fn retry_while_changing<T>(
        &self,
        id: EntryId,
        mut attempt: impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        for _ in 0..MOST_CHANGES {
            if let Some(done) = attempt()? {
                return Ok(done);
            }
        }
        let name = self.ledger().entry(id).label().to_owned();
        Err(Error::Internal(format!(
            "{name} was changed {MOST_CHANGES} times while it was being compiled"
        )))
    }

    /// One attempt to materialize a function: `None` if it stands for something else by the time
    /// that is done.
    pub(super) fn try_materialize(
        &self,
        id: EntryId,
        caller: Option<ExecAddr>,
    ) -> Result<Option<ExecAddr>, Error> {
        let mut waiting = None;
        let claimed = self.claim(id, &mut waiting);
        if let Some((function, since)) = waiting {
            self.tell_wait(function, since);
        }
        let Claimed {
            work,
            is_owner,
            began_with,
        } = claimed?;
        match self.make(id, work, began_with, caller) {
            Ok(Some(address)) => Ok(Some(address)),
            Ok(None) => Ok(self.found_meanwhile(id)),
            // Whoever claimed it will say what became of it.
            Err(error) if !is_owner => Err(error),
            Err(error) => self.settle_failure(id, error, began_with),
        }
    }

    /// Does what there is to do. The answer is the address, if it is known and others have been
    /// told; `None` if the ledger knows.
    fn make(
        &self,
        id: EntryId,
        work: MaterializeStep,
        began_with: Definition,
        caller: Option<ExecAddr>,
    ) -> Result<Option<ExecAddr>, Error> {
        let body = |linked: Linked| linked.body_of(id).map(BodyAddr::addr);
        match work {
            MaterializeStep::Done(address) => Ok(Some(address)),
            MaterializeStep::Compile(unit, ordinal) => {
                let compile = || self.compile_called(&unit, ordinal);
                let linked = self.observed(&unit, &[ordinal], || self.called_by(caller), compile);
                linked.map(body)
            }
            MaterializeStep::CompileWhole(unit, roots) => {
                let compile = || self.compile_whole(&unit, &roots);
                let linked = self.observed(&unit, &roots, || self.called_by(caller), compile);
                linked.map(body)
            }
            MaterializeStep::Ask => match self.ask_outside(id, None)? {
                OutsideAnswer::Symbol(HostSymbol::Address(address)) => {
                    self.enter_address(id, address, began_with);
                    Ok(None)
                }
                OutsideAnswer::Entered => Ok(None),
                OutsideAnswer::Symbol(_) | OutsideAnswer::Nothing => Err(self.missing(id)),
            },
            MaterializeStep::Import => self.go_to_import(id).map(Some),
            MaterializeStep::Generate(make) => self.generate(id, &make).map(|()| None),
            MaterializeStep::Choose(resolver) => {
                let address = self.choose(resolver)?;
                self.enter_address(id, address, began_with);
                Ok(None)
            }
        }
    }

    /// Why a function is compiled that code at `caller` calls.
    fn called_by(&self, caller: Option<ExecAddr>) -> Why {
        Why::Called {
            by: caller.and_then(|caller| self.function_at(caller)),
        }
    }

    /// Enters what the process has of a name, unless it was defined meanwhile, by whoever answered
    /// perhaps.
    fn enter_address(&self, id: EntryId, address: ExecAddr, began_with: Definition) {
        let mut ledger = self.ledger();
        if ledger.entry(id).definition == began_with {
            enter_host(self, &mut ledger, id, HostSymbol::Address(address));
        }
    }

    /// The address that the ledger has of a function; `None`, and the function is left to whoever
    /// comes next, if it has none.
    fn found_meanwhile(&self, id: EntryId) -> Option<ExecAddr> {
        let address = match self.ledger().entry(id).state {
            State::Present(address) => Some(address.addr()),
            _ => None,
        };
        if address.is_none() {
            self.release_claims(&[id]);
        }
        self.changed.notify_all();
        address
    }

    /// A function that this thread has claimed could not be made: those who wait for it are told,
    /// unless it stands for something else by now.
    fn settle_failure(
        &self,
        id: EntryId,
        error: Error,
        began_with: Definition,
    ) -> Result<Option<ExecAddr>, Error> {
        let mut ledger = self.ledger();
        if ledger.entry(id).definition != began_with {
            drop(ledger);
            return Ok(self.found_meanwhile(id));
        }
        if !ledger.is_pending_here(id) {
            return Err(error);
        }
        let error = Arc::new(error);
        match &*error {
            // A name that nothing defines may be defined later.
            Error::MissingFunction { .. } | Error::Removed { .. } | Error::Panicked { .. } => {
                ledger.release_claim(id);
            }
            _ => ledger.fail_claim(id, &error),
        }
        drop(ledger);
        self.changed.notify_all();
        Err(Error::Again(error))
    }

    /// Marks a function as this thread's to compile, or waits for whoever does; `waiting` says
    /// for what, and since when. Where that would be waiting for itself, this thread makes a
    /// copy, which it doesn't own: the first to be there counts.
    fn claim(&self, id: EntryId, waiting: &mut Option<WaitedFor>) -> Result<Claimed, Error> {
        let me = ThreadKey::mine();
        let mut is_owner = true;
        let mut ledger = self.ledger();
        loop {
            match &ledger.entry(id).state {
                State::Present(address) => {
                    return Ok(Claimed {
                        work: MaterializeStep::Done(address.addr()),
                        is_owner: false,
                        began_with: ledger.entry(id).definition,
                    });
                }
                State::Failed(error) => return Err(Error::Again(error.clone())),
                State::PerThread { .. } => {
                    let name = ledger.entry(id).name.clone();
                    return Err(Error::MissingFunction { name });
                }
                State::Pending(_) if ledger.would_wait_for_itself(me, Awaited::Definition(id)) => {
                    is_owner = false;
                    break;
                }
                State::Pending(_) => {
                    if self.compile_observer.is_some() && waiting.is_none() {
                        let name = ledger.entry(id).label().into();
                        *waiting = Some((name, Instant::now()));
                    }
                    ledger.waits(Awaited::Definition(id));
                    ledger = self.changed.wait(ledger, || self.ledger());
                    ledger.has_waited();
                }
                State::Absent => break,
            }
        }
        let began_with = ledger.entry(id).definition;
        let work = match began_with {
            Definition::Ir(..) if ledger.is_stale(id) => match ledger.lazies.get(&id) {
                Some(lazy) => MaterializeStep::Generate(lazy.0.clone()),
                None => MaterializeStep::Ask,
            },
            Definition::Ir(unit, ordinal) => {
                let unit = ledger.unit(unit).cloned().ok_or(Error::NoUnit)?;
                if unit.is_frozen && is_owner {
                    let roots = claim_whole(&mut ledger, &unit, ordinal);
                    return Ok(Claimed {
                        work: MaterializeStep::CompileWhole(unit, roots),
                        is_owner,
                        began_with,
                    });
                }
                MaterializeStep::Compile(unit, ordinal)
            }
            Definition::Ifunc(resolver) => MaterializeStep::Choose(resolver),
            Definition::Lazy => match ledger.lazies.get(&id) {
                Some(lazy) => MaterializeStep::Generate(lazy.0.clone()),
                None => MaterializeStep::Ask,
            },
            Definition::Alias(..) => MaterializeStep::Import,
            _ if ledger.import(id) => MaterializeStep::Import,
            _ => MaterializeStep::Ask,
        };
        is_owner &= !matches!(work, MaterializeStep::Import);
        if is_owner {
            ledger.claim(id);
        }
        Ok(Claimed {
            work,
            is_owner,
            began_with,
        })
    }

    /// Nothing defines a function that is called, or nothing does any more.
    fn missing(&self, id: EntryId) -> Error {
        let ledger = self.ledger();
        let name = ledger.entry(id).name.clone();
        if ledger.entry(id).is_removed {
            Error::Removed { name }
        } else {
            Error::MissingFunction { name }
        }
    }

    /// Has the slot of a name lead to the function that it stands for now: another library's.
    fn go_to_import(&self, id: EntryId) -> Result<ExecAddr, Error> {
        let mut ledger = self.ledger();
        let (target, offset) = ledger.target(id);
        let address = ledger.canonical(target, &self.slots)?.at_offset(offset);
        ledger.lead_to_import(id, (target, address), &self.slots);
        Ok(address.addr())
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
        symbols::describe(inside).map(Into::into)
    }

    /// Has an indirect function's resolver choose what it stands for.
    fn choose(&self, resolver: EntryId) -> Result<ExecAddr, Error> {
        let (resolver, _) = self.ledger().target(resolver);
        self.materialize(resolver, None)?;
        // By the address that it has for ever: its body may be replaced meanwhile.
        let address = self.ledger().canonical(resolver, &self.slots)?;
        let _outside = fork_lock::outside();
        // SAFETY: the unit says that this is the resolver of an indirect function, which takes
        // nothing and returns an address (LangRef, "IFuncs").
        let chosen = unsafe {
            let resolver: extern "C" fn() -> u64 = std::mem::transmute(address.addr().get());
            resolver()
        };
        Ok(ExecAddr::new(chosen))
    }
}
