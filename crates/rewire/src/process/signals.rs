//! Signal handlers are compiled when they are installed.
//!
//! A signal comes at any moment, also while the program holds a lock that a compiler needs as
//! well (the allocator's, the loader's). So a handler must not be compiled when it is first
//! called: what the program gives to `sigaction` and its relatives is compiled there and then,
//! with what it calls directly, and what those call. A handler may only call functions that are
//! safe within one (POSIX, "Signal Concepts"), so there isn't much of it; [`MOST`] bounds it where
//! there is. Calls through pointers can't be followed.

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

/// How many functions are compiled for one handler.
const MOST: usize = 32;

type SignalHandler = libc::sighandler_t;
type Install = unsafe extern "C" fn(c_int, SignalHandler) -> SignalHandler;

/// `sigaction` of compiled code.
///
/// # Safety
///
/// As of the C library's.
unsafe extern "C-unwind" fn sigaction(
    signal: c_int,
    action: *const libc::sigaction,
    former: *mut libc::sigaction,
) -> c_int {
    // SAFETY: as the caller promises; both kinds of handlers share a place.
    if let Some(action) = unsafe { action.as_ref() } {
        prepare(action.sa_sigaction);
    }
    // SAFETY: as the caller promises.
    unsafe { libc::sigaction(signal, action, former) }
}

macro_rules! installers {
    ($($wrapper:ident = $name:literal;)*) => {
        $(
            /// The function of this name, of compiled code.
            ///
            /// # Safety
            ///
            /// As of the C library's.
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

        /// What compiled code gets under the names of functions that install handlers.
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

/// Has the handler compiled, if it is a function of an engine's. What goes wrong shows when it is
/// called.
fn prepare(handler: SignalHandler) {
    let mut handler = handler;
    // SAFETY: the work takes a handler.
    unsafe { entry::uncancelled((&raw mut handler).cast(), prepare_uncancelled) };
}

extern "C" fn prepare_uncancelled(handler: *mut c_void) {
    // SAFETY: `prepare` passes one.
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
    // The caller's stack may be small.
    entry::on_engine_stack(|| {
        let _open = FaultSignalsUnblocked::begin();
        let _ = catch_unwind(AssertUnwindSafe(|| core.compile_closure(id, MOST)));
    });
    drop(no_fork);
    drop(quiet);
}

impl Core {
    /// The function whose canonical address this is.
    fn function_of_handler(&self, address: ExecAddr) -> Option<EntryId> {
        let ledger = self.ledger();
        if let Some(slot) = self.slots.at_canonical(address) {
            return ledger.of_slot(slot);
        }
        let (_, defined) = ledger.definition_at(address)?;
        match ledger.entry(defined.entry).definition {
            Definition::PrefixedStub(unit, ordinal) => ledger.unit(unit)?.entry(ordinal),
            _ => None,
        }
    }

    /// Compiles a function and what it calls directly, transitively, `most` functions at most, and
    /// has their slots lead to their bodies.
    pub(super) fn compile_closure(&self, first: EntryId, most: usize) {
        let mut seen = FxHashSet::from_iter([first]);
        let mut waiting = vec![first];
        let mut place = 0;
        while let Some(id) = waiting.get(place).copied() {
            place += 1;
            if self.materialize(id, None).is_err() {
                continue;
            }
            let mut ledger = self.ledger();
            let State::Present(body) = ledger.entry(id).state else {
                continue;
            };
            ledger.lead_past_engine(id, &self.slots);
            for callee in ledger.callees(body.addr()) {
                if waiting.len() < most && seen.insert(callee) {
                    waiting.push(callee);
                }
            }
        }
    }
}

impl crate::ledger::Ledger {
    /// The functions that the body at an address calls directly.
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
