//! Materializes functions: what a thread does to get the address of a function's body.

use std::sync::Arc;
use std::time::Instant;

use rewire_llvm::Ordinal;
use rewire_memory::ExecAddr;

use super::claim_whole;
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::events::{Wait, Why};
use crate::base::resolver::LazyIr;
use crate::core::outside_request::OutsideAnswer;
use crate::core::recording::span_since;
use crate::core::{Core, FrameOwner, frame_owner};
use crate::host::fork_lock;
use crate::host::symbols::{self, HostSymbol};
use crate::ledger::unit::Unit;
use crate::ledger::{Awaited, Definition, EntryId, State, ThreadKey};
use crate::link::{Linked, enter_host};

/// The name of a function that another thread is compiling, and when this thread began to wait for
/// it.
pub(crate) type WaitedFor = (Arc<str>, Instant);

/// What a thread has to do to get a function's address.
enum MaterializeStep {
    /// Nothing: the address is known.
    Done(ExecAddr),
    /// Compile this definition.
    Compile(Arc<Unit>, Ordinal),
    /// Compile these functions, which are all of a frozen unit.
    CompileWhole(Arc<Unit>, Vec<Ordinal>),
    /// Ask the host and the resolvers.
    Ask,
    /// Go to the function that the name imports from another library.
    Import,
    /// Have the client's closure make its IR.
    Generate(LazyIr),
    /// Call this resolver function of an `ifunc`.
    Choose(EntryId),
}

/// How often to retry when concurrent changes replace the definition while it is being compiled.
const MOST_CHANGES: usize = 10_000;

/// A step that a thread has decided on.
struct Claimed {
    work: MaterializeStep,
    /// Whether this thread has the claim, so that others wait for it.
    is_owner: bool,
    /// What the name stood for at that time. It may stand for something else when the step is done.
    began_with: Definition,
}

impl Core {
    /// Returns the address of a function's current body, and compiles the function if it has none
    /// yet. Other threads that want the same function wait.
    ///
    /// `caller` is the return address of the call, if there is one.
    pub(crate) fn materialize(
        &self,
        id: EntryId,
        caller: Option<ExecAddr>,
    ) -> Result<ExecAddr, Error> {
        self.retry_while_changing(id, || self.try_materialize(id, caller))
    }

    /// Repeats `attempt` as long as it returns `None`, which means that another thread has
    /// meanwhile changed what the function stands for, or dropped its code.
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

    /// Makes one attempt to materialize a function; returns `None` if it stands for something else
    /// by then.
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
            // The thread that has the claim will record the result.
            Err(error) if !is_owner => Err(error),
            Err(error) => self.settle_failure(id, error, began_with),
        }
    }

    /// Performs a step. Returns the address if it is known and other threads have been notified;
    /// `None` if the ledger has to be asked.
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

    /// The reason for compiling a function that code at `caller` calls.
    fn called_by(&self, caller: Option<ExecAddr>) -> Why {
        Why::Called {
            by: caller.and_then(|caller| self.function_at(caller)),
        }
    }

    /// Enters the address that was found for a name, unless the name was defined meanwhile,
    /// possibly by whoever supplied the address.
    fn enter_address(&self, id: EntryId, address: ExecAddr, began_with: Definition) {
        let mut ledger = self.ledger();
        if ledger.entry(id).definition() == began_with {
            enter_host(self, &mut ledger, id, HostSymbol::Address(address));
        }
    }

    /// Returns the address that the ledger has for a function. If it has none, releases the claim
    /// and returns `None`.
    fn found_meanwhile(&self, id: EntryId) -> Option<ExecAddr> {
        let address = match self.ledger().entry(id).state() {
            State::Present(address) => Some(address.addr()),
            _ => None,
        };
        if address.is_none() {
            self.release_claims(&[id]);
        }
        self.changed.notify_all();
        address
    }

    /// Records that a function this thread has claimed can't be materialized, and notifies the
    /// threads that wait for it, unless it stands for something else by now.
    fn settle_failure(
        &self,
        id: EntryId,
        error: Error,
        began_with: Definition,
    ) -> Result<Option<ExecAddr>, Error> {
        let mut ledger = self.ledger();
        if ledger.entry(id).definition() != began_with {
            drop(ledger);
            return Ok(self.found_meanwhile(id));
        }
        if !ledger.is_pending_here(id) {
            return Err(error);
        }
        ledger.end_claims([id], &error);
        drop(ledger);
        self.changed.notify_all();
        Err(error)
    }

    /// Claims a function, or waits for the thread that has claimed it; `waiting` receives what this
    /// thread waited for and since when. If waiting would be a deadlock, this thread compiles a
    /// copy without a claim; the copy that is published first counts.
    fn claim(&self, id: EntryId, waiting: &mut Option<WaitedFor>) -> Result<Claimed, Error> {
        let me = ThreadKey::mine();
        let mut is_owner = true;
        let mut ledger = self.ledger();
        loop {
            match &ledger.entry(id).state() {
                State::Present(address) => {
                    return Ok(Claimed {
                        work: MaterializeStep::Done(address.addr()),
                        is_owner: false,
                        began_with: ledger.entry(id).definition(),
                    });
                }
                State::Failed(error) => return Err(Error::Again(error.clone())),
                State::PerThread { .. } => {
                    let name = ledger.entry(id).name().clone();
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
        let began_with = ledger.entry(id).definition();
        let work = match began_with {
            Definition::Ir(..) if ledger.is_stale(id) => match ledger.lazies.get(&id) {
                Some(lazy) => MaterializeStep::Generate(lazy.0.clone()),
                None => MaterializeStep::Ask,
            },
            Definition::Ir(unit, ordinal) => {
                let unit = ledger.unit(unit).cloned().ok_or(Error::NoUnit)?;
                if unit.comes_whole() && is_owner {
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

    /// Returns the error for a called function that nothing defines, or no longer does.
    fn missing(&self, id: EntryId) -> Error {
        let ledger = self.ledger();
        let name = ledger.entry(id).name().clone();
        if ledger.entry(id).is_removed() {
            Error::Removed { name }
        } else {
            Error::MissingFunction { name }
        }
    }

    /// Points the slot of an imported name at the function of the other library.
    fn go_to_import(&self, id: EntryId) -> Result<ExecAddr, Error> {
        let mut ledger = self.ledger();
        let (target, offset) = ledger.target(id);
        let address = ledger.canonical(target, &self.slots)?.at_offset(offset);
        ledger.lead_to_import(id, (target, address), &self.slots);
        Ok(address.addr())
    }

    /// Tells the observer that this thread has waited.
    pub(crate) fn tell_wait(&self, function: Arc<str>, since: Instant) {
        if let Some(observer) = &self.compile_observer {
            let span = span_since(since);
            observer.waited(&Wait { function, span });
        }
    }

    /// Returns the name of the function that contains a return address, including functions of the
    /// host.
    fn function_at(&self, returns_to: ExecAddr) -> Option<Arc<str>> {
        let inside = returns_to.checked_add_signed(-1)?;
        let ledger = self.ledger();
        match frame_owner(&ledger, inside) {
            Some(FrameOwner::Function(defined)) => Some(ledger.entry(defined.entry).label().into()),
            Some(FrameOwner::Engine) => None,
            None => {
                drop(ledger);
                symbols::describe(inside).map(Into::into)
            }
        }
    }

    /// Calls the resolver of an indirect function, and returns the address that it chooses.
    fn choose(&self, resolver: EntryId) -> Result<ExecAddr, Error> {
        let (resolver, _) = self.ledger().target(resolver);
        self.materialize(resolver, None)?;
        // Called by its canonical address, because its body may be replaced meanwhile.
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
