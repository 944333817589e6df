//! Handles the first call of a function by compiled code.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rewire_memory::entry::FirstCall;
use rewire_memory::signals::FaultSignalsUnblocked;
use rewire_memory::{ExecAddr, unwind};

use super::client_calls;
use super::failure;
use crate::base::error::Error;
use crate::core::registry;
use crate::core::{Core, FrameOwner, frame_owner};
use crate::host::fork_lock;
use crate::host::running_code;
use crate::host::symbols;
use crate::ledger::{Admission, EntryId};

/// Called by the first-call entry, on a stack of the engine's, with all registers saved and the
/// program's signals blocked. Returns the address to jump to, or `None` to jump through the slot
/// again.
pub(crate) fn handle(call: FirstCall) -> Option<ExecAddr> {
    let no_fork = fork_lock::enter_engine();
    let Some(core) = registry::engine_of(call.stub) else {
        // The engine was dropped, and its memory is being unmapped; there is nowhere to return to.
        let what = b"error: a function was called after its engine was dropped\n";
        let _ = std::io::stderr().write_all(what);
        std::process::abort();
    };
    if let Some(slot) = core.slots.of_counting_call(call.stub) {
        // A panic only means that the function stays as it is.
        let _ = catch_unwind(AssertUnwindSafe(|| core.called_often(slot)));
        return None;
    }
    let _open = FaultSignalsUnblocked::begin();
    let result = catch_unwind(AssertUnwindSafe(|| resolve_call(&core, call)));
    let (function, error) = match result {
        Ok(Ok(CallOutcome::To(target))) => return Some(target),
        Ok(Ok(CallOutcome::Back)) => return None,
        Ok(Ok(CallOutcome::Wait)) => {
            drop(no_fork);
            drop(core);
            // A constructor is running that may fork, so this thread doesn't wait inside the
            // engine.
            std::thread::sleep(WHILE_CONSTRUCTING);
            return None;
        }
        Ok(Err((function, error))) => (function, error),
        Err(_) => (
            None,
            Error::Internal("a panic; its message is above".to_owned()),
        ),
    };
    drop(no_fork);
    if matches!(
        error.cause(),
        Error::Panicked { .. } | Error::ListenerPanicked { .. }
    ) && let Some(on) = client_calls::goes_on(call.caller)
    {
        return Some(on);
    }
    let function = function.map(|id| core.ledger().entry(id).label().to_owned());
    let callers = callers(&core, call);
    Some(failure::fail(&core, call.caller, function, error, callers))
}

type FailedCall = (Option<EntryId>, Error);

/// Where a call continues.
enum CallOutcome {
    /// Through the slot again.
    Back,
    To(ExecAddr),
    /// Through the slot again, after a pause.
    Wait,
}

/// How long a caller of new code sleeps before it checks again whether the construction gate is
/// open.
const WHILE_CONSTRUCTING: Duration = Duration::from_micros(100);

fn resolve_call(core: &Core, call: FirstCall) -> Result<CallOutcome, FailedCall> {
    let function = core
        .slots
        .of_first_call(call.stub)
        .and_then(|slot| core.ledger().of_slot(slot));
    let Some(id) = function else {
        let slot = core.slots.of_first_call(call.stub);
        let error = match slot.map(|slot| core.ledger().tombstone(slot).cloned()) {
            Some(Some(name)) => Error::Removed { name },
            // The names of removed functions aren't remembered for ever.
            Some(None) => Error::Removed {
                name: "a function".into(),
            },
            None => Error::Internal("a stub belongs to no function".to_owned()),
        };
        return Err((None, error));
    };
    let admission = core.ledger().admission(id, call.caller);
    match admission {
        Admission::Former(body) => return Ok(CallOutcome::To(body.addr())),
        Admission::Wait => return Ok(CallOutcome::Wait),
        Admission::Open | Admission::Within => {}
    }
    core.ledger().note_first_call(id, &core.slots);
    core.foresee_after(call.caller, id);
    let result = core.retry_while_changing(id, || {
        let address = core.try_materialize(id, Some(call.caller))?;
        Ok(address.and_then(|address| outcome(core, id, call, address)))
    });
    result.or_else(|error| {
        let is_removed = matches!(error.cause(), Error::Removed { .. });
        let former = || {
            let mut ledger = core.ledger();
            let running = running_code::running(ledger.engine);
            ledger.former_body(id, call.caller, running)
        };
        match is_removed.then(former).flatten() {
            // The caller's own unit was removed as well; the caller finishes in that unit's code.
            Some(address) => Ok(CallOutcome::To(address)),
            None => Err((Some(id), error)),
        }
    })
}

/// Returns where a call continues, now that its function has had a body at `address`; `None` if the
/// function was replaced since, so that another body has to be awaited.
fn outcome(core: &Core, id: EntryId, call: FirstCall, address: ExecAddr) -> Option<CallOutcome> {
    let mut ledger = core.ledger();
    let Some(slot) = ledger.entry(id).slot() else {
        return Some(CallOutcome::To(address));
    };
    match ledger.admission(id, call.caller) {
        Admission::Open => {}
        Admission::Within => return Some(CallOutcome::To(address)),
        Admission::Former(body) => return Some(CallOutcome::To(body.addr())),
        Admission::Wait => return Some(CallOutcome::Wait),
    }
    // If the slot leads to the first-call entry, the function was compiled ahead, or replaced after
    // it was materialized. In the latter case, `address` is out of force.
    if !core.slots.is_fresh(slot) || ledger.lead_to_present(id, &core.slots) {
        // Back to the stub, which jumps through the slot.
        return Some(CallOutcome::Back);
    }
    (!ledger.entry(id).address_is_stub()).then_some(CallOutcome::To(address))
}

/// Returns the chain of functions that led to a call, innermost first.
fn callers(core: &Core, call: FirstCall) -> Vec<String> {
    const MOST: usize = 64;
    const SHOWN: usize = 16;
    let frames = unwind::backtrace(MOST);
    // The engine's own frames come before the caller's. If the caller isn't found among the frames,
    // only the caller is reported.
    let from = frames.iter().position(|frame| *frame == call.caller);
    let alone = [call.caller];
    let frames = from.map_or(&alone[..], |from| &frames[from..]);
    // The frame below a call adapter is the client's, which made the call.
    let compiled = |inside| {
        let ledger = core.ledger();
        Some(match frame_owner(&ledger, inside)? {
            FrameOwner::Function(defined) => Some(ledger.entry(defined.entry).label().to_owned()),
            FrameOwner::Engine => None,
        })
    };
    // The dynamic loader has a lock of its own, so the ledger's isn't held while it is asked.
    let names = frames.iter().map_while(|frame| {
        let inside = frame.checked_add_signed(-1)?;
        compiled(inside).unwrap_or_else(|| symbols::describe(inside))
    });
    names.take(SHOWN).collect()
}
