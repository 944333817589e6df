//! Compiles signal handlers when they are installed.
//!
//! A signal may arrive at any moment, even while the program holds a lock that a compiler needs too
//! (the allocator's, the loader's). So a handler must not be compiled on its first call: the engine
//! compiles what the program passes to `sigaction` and its relatives at once, together with what it
//! calls directly, transitively. A handler may only call functions that are safe within one (POSIX,
//! "Signal Concepts"), so this is rarely much; [`MOST`] bounds it. Calls through pointers can't be
//! followed.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rewire_memory::global_scope;
use rewire_memory::signals::{FaultSignalsUnblocked, SignalsDeferred};
use rewire_memory::{ExecAddr, entry};
use rewire_sync::OnceLock;
use rustc_hash::FxHashSet;

use crate::core::Core;
use crate::core::registry;
use crate::host::fork_lock;
use crate::ledger::{Definition, EntryId, State, UseAspect};

/// The maximum number of functions compiled for one handler.
const MOST: usize = 32;

type SignalHandler = libc::sighandler_t;
type Install = unsafe extern "C" fn(c_int, SignalHandler) -> SignalHandler;

/// `sigaction` for compiled code.
///
/// # Safety
///
/// The caller must meet the contract of the C library's function of this name.
unsafe extern "C-unwind" fn sigaction(
    signal: c_int,
    action: *const libc::sigaction,
    former: *mut libc::sigaction,
) -> c_int {
    // SAFETY: as the caller promises; both kinds of handlers share one field.
    if let Some(action) = unsafe { action.as_ref() } {
        prepare(action.sa_sigaction);
    }
    // SAFETY: as the caller promises.
    unsafe { libc::sigaction(signal, action, former) }
}

macro_rules! installers {
    ($($wrapper:ident = $name:literal;)*) => {
        $(
            /// The C library's function of this name, for compiled code.
            ///
            /// # Safety
            ///
            /// The caller must meet the contract of the C library's function of this name.
            unsafe extern "C-unwind" fn $wrapper(signal: c_int, handler: SignalHandler) -> SignalHandler {
                static FOUND: OnceLock<Option<Install>> = OnceLock::new();
                let install = FOUND.get_or_init(|| {
                    let found = global_scope::address($name)?.get();
                    // SAFETY: the function has this type.
                    Some(unsafe { std::mem::transmute::<u64, Install>(found) })
                });
                prepare(handler);
                match install {
                    // SAFETY: as the caller promises.
                    Some(install) => unsafe { install(signal, handler) },
                    None => libc::SIG_ERR,
                }
            }
        )*

        /// Returns the function that compiled code gets under the name of a function that installs
        /// handlers.
        pub(crate) fn find(name: &str) -> Option<ExecAddr> {
            let address = match name {
                "sigaction" | "__sigaction" => sigaction as *const () as u64,
                $($name => $wrapper as *const () as u64,)*
                _ => return None,
            };
            Some(ExecAddr::new(address))
        }
    };
}

installers! {
    signal = "signal";
    bsd_signal = "bsd_signal";
    ssignal = "ssignal";
    sysv_signal = "sysv_signal";
    sysv_signal_internal = "__sysv_signal";
    sigset = "sigset";
}

/// Compiles a handler, if it is a function of an engine. Errors are reported when the handler is
/// called.
fn prepare(handler: SignalHandler) {
    let mut handler = handler;
    // SAFETY: `prepare_uncancelled` takes a pointer to a handler.
    unsafe { entry::uncancelled((&raw mut handler).cast(), prepare_uncancelled) };
}

extern "C" fn prepare_uncancelled(handler: *mut c_void) {
    // SAFETY: `prepare` passes a pointer to a handler.
    let handler = unsafe { *handler.cast::<SignalHandler>() };
    let address = ExecAddr::new(handler as u64);
    let engines = registry::engines();
    let Some((core, id)) = engines
        .iter()
        .find_map(|core| Some((core, core.function_of_handler(address)?)))
    else {
        return;
    };
    let quiet = SignalsDeferred::begin();
    let no_fork = fork_lock::enter_engine();
    // Done on a stack of the engine's, because the caller's may be small.
    entry::on_engine_stack(|| {
        let _open = FaultSignalsUnblocked::begin();
        let _ = catch_unwind(AssertUnwindSafe(|| core.prepare_handler(id)));
    });
    drop(no_fork);
    drop(quiet);
}

impl Core {
    /// Returns the function that has this canonical address.
    fn function_of_handler(&self, address: ExecAddr) -> Option<EntryId> {
        let ledger = self.ledger();
        if let Some(slot) = self.slots.at_canonical(address) {
            return ledger.of_slot(slot);
        }
        let (_, defined) = ledger.definition_at(address)?;
        match ledger.entry(defined.entry).definition() {
            Definition::PrefixedStub(unit, ordinal) => ledger.unit(unit)?.entry(ordinal),
            _ => None,
        }
    }

    fn prepare_handler(&self, id: EntryId) {
        let functions = self.compile_closure(id, MOST);
        self.ledger().note_in_handlers(&functions);
    }

    /// Compiles what handlers run and a change has left without code, at once: a signal may come at
    /// any moment. Until then, a handler that calls such a function has it compiled.
    pub(crate) fn prepare_handlers_again(&self) {
        // A change has given up its share of the fork lock by now, for its constructors.
        let _no_fork = fork_lock::enter_engine();
        let changed = self.ledger().take_changed_handlers();
        for id in changed {
            self.prepare_handler(id);
        }
    }

    /// Compiles a function and what it calls directly, transitively, at most `most` functions, and
    /// points their slots at their bodies. Returns these functions.
    pub(super) fn compile_closure(&self, first: EntryId, most: usize) -> Vec<EntryId> {
        let mut seen = FxHashSet::from_iter([first]);
        let mut waiting = vec![first];
        let mut place = 0;
        while let Some(id) = waiting.get(place).copied() {
            place += 1;
            if self.materialize(id, None).is_err() {
                continue;
            }
            let mut ledger = self.ledger();
            let State::Present(body) = *ledger.entry(id).state() else {
                continue;
            };
            ledger.lead_past_engine(id, &self.slots);
            for callee in ledger.callees(body.addr()) {
                if waiting.len() < most && seen.insert(callee) {
                    waiting.push(callee);
                }
            }
        }
        waiting
    }
}

impl crate::ledger::Ledger {
    /// Returns the functions that the body at an address calls directly.
    fn callees(&self, body: ExecAddr) -> Vec<EntryId> {
        let Some((block, defined)) = self.definition_at(body) else {
            return Vec::new();
        };
        let range = defined.range();
        let uses = self.block(block).into_iter().flat_map(|block| &block.uses);
        uses.filter(|one| one.aspect == UseAspect::Slot && range.contains(&one.at))
            .map(|one| one.entry)
            .collect()
    }
}
