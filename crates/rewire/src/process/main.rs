//! Runs a loaded program: constructors, its main function, and destructors at exit.

use std::ffi::c_char;
use std::sync::{Arc, Weak};

use rewire_memory::ExecAddr;
use rewire_sync::Mutex;

use super::structors::{self, Arguments};
use crate::base::error::Error;
use crate::base::function_type::FunctionType;
use crate::base::sync::lock;
use crate::core::Core;
use crate::core::lifetime::HeldEngine;
use crate::host::at_exit;
use crate::host::fork_lock;
use crate::ledger::{EntryKind, LibraryId, State};

/// The forms of a main function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signature {
    Returns { status: bool },
}

impl Signature {
    /// Parses a type as IR writes it. The number of parameters doesn't matter to the call.
    fn parse(type_name: &str) -> Option<Self> {
        let FunctionType { result, parameters } = FunctionType::parse(type_name)?;
        let status = match result {
            "i32" => true,
            "void" => false,
            _ => return None,
        };
        let is_known = ["i32", "ptr", "ptr"].starts_with(&parameters);
        is_known.then_some(Self::Returns { status })
    }
}

/// A main function that was found and has a fitting type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Main {
    address: ExecAddr,
    signature: Signature,
}

/// Finds the function to start with. Compiles nothing.
pub(crate) fn find(core: &Core, name: &str) -> Result<Main, Error> {
    let mut ledger = core.ledger();
    let unknown = || Error::Unknown { name: name.into() };
    let id = ledger.find(LibraryId::MAIN, name).ok_or_else(unknown)?;
    let (target, _) = ledger.target(id);
    let entry = ledger.entry(target);
    let is_defined = entry.address_is_stub() || matches!(entry.state(), State::Present(_));
    if !is_defined || entry.definition() == crate::ledger::Definition::None {
        return Err(unknown());
    }
    let found: Arc<str> = entry
        .type_name()
        .cloned()
        .unwrap_or_else(|| "unknown".into());
    // Machine code doesn't tell; C has a main function return a status.
    let parsed = match entry.type_name() {
        Some(found) => Signature::parse(found),
        None => Some(Signature::Returns { status: true }),
    };
    let signature = match (entry.kind(), parsed) {
        (EntryKind::Function, Some(signature)) => signature,
        _ => {
            return Err(Error::Signature {
                name: name.into(),
                found,
            });
        }
    };
    let address = ledger.canonical(target, &core.slots)?.addr();
    Ok(Main { address, signature })
}

/// The programs whose destructors the process's exit runs, in the order of registration.
static AT_EXIT: Mutex<Vec<AtExit>> = Mutex::new(Vec::new());

/// A program whose destructors run at exit.
struct AtExit {
    program: Program,
    arguments: Arguments,
}

enum Program {
    /// Its main function was called; the engine is kept alive for it.
    Whole(HeldEngine),
    /// Only its constructors were called; the engine is the client's, and may be gone by then.
    Parts(Weak<Core>),
}

// SAFETY: the pointers are those that the process got at its start, and are valid as long as it
// lives.
unsafe impl Send for AtExit {}

impl AtExit {
    fn register(program: Program, arguments: Arguments) {
        {
            let _no_fork = fork_lock::enter_engine();
            lock(&AT_EXIT).push(Self { program, arguments });
        }
        at_exit::at_exit(run_destructors);
    }
}

/// Runs constructors and the main function. The process's exit runs the destructors, after the
/// functions that the program registered with `atexit`.
///
/// # Safety
///
/// The caller must ensure that `argv` and `envp` are arrays of valid C strings that end with null
/// and live as long as the process, and that the loaded code has no undefined behaviour.
pub(crate) unsafe fn run(
    core: &HeldEngine,
    main: Main,
    argc: i32,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> Result<i32, Error> {
    let arguments = Arguments { argc, argv, envp };
    structors::awaits_exit(core);
    AtExit::register(Program::Whole(core.clone()), arguments);
    structors::initialise(core, |_| true, arguments)?;
    let address = main.address.get();
    // SAFETY: the function's type in the ledger was checked; a function that takes fewer arguments
    // ignores the rest (psABI, section 3.2.3).
    unsafe {
        type MainWithStatus =
            extern "C-unwind" fn(i32, *const *const c_char, *const *const c_char) -> i32;
        type MainWithoutStatus =
            extern "C-unwind" fn(i32, *const *const c_char, *const *const c_char);
        Ok(match main.signature {
            Signature::Returns { status: true } => {
                std::mem::transmute::<u64, MainWithStatus>(address)(argc, argv, envp)
            }
            Signature::Returns { status: false } => {
                std::mem::transmute::<u64, MainWithoutStatus>(address)(argc, argv, envp);
                0
            }
        })
    }
}

/// Runs all pending constructors, without arguments.
///
/// # Safety
///
/// The caller must ensure that the loaded code has no undefined behaviour.
pub(crate) unsafe fn run_constructors(core: &Arc<Core>) -> Result<(), Error> {
    prepare_exit(core);
    structors::initialise(core, |_| true, Arguments::default())
}

/// Arranges that the process's exit runs the destructors. Called before constructors register
/// anything, so that what they register runs first.
pub(super) fn prepare_exit(core: &Arc<Core>) {
    if structors::awaits_exit(core) {
        AtExit::register(Program::Parts(Arc::downgrade(core)), Arguments::default());
    }
}

/// Runs what the program has registered for its end, because the client dropped the engine.
pub(crate) fn end(core: &Arc<Core>) {
    if let Err(error) = structors::finalize_all(core, Arguments::default()) {
        tracing::warn!(%error, "a destructor of a dropped engine did not run");
    }
    core.finish_kept();
}

extern "C" fn run_destructors() {
    let last = {
        let _no_fork = fork_lock::enter_engine();
        lock(&AT_EXIT).pop()
    };
    let Some(AtExit { program, arguments }) = last else {
        return;
    };
    let engine = match &program {
        Program::Whole(engine) => Arc::clone(engine),
        Program::Parts(core) => match core.upgrade() {
            Some(core) => core,
            None => return,
        },
    };
    if let Err(error) = structors::run_destructors(&engine, arguments) {
        engine.process.fail(&format!("error: {error}\n"));
    }
    engine.finish_observed();
    engine.finish_kept();
    // Leaked, because the process ends; freeing what the engine holds would only take time.
    std::mem::forget((engine, program));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read() {
        let status = |status| Some(Signature::Returns { status });
        assert_eq!(Signature::parse("i32 ()"), status(true));
        assert_eq!(Signature::parse("void (i32, ptr)"), status(false));
        assert_eq!(Signature::parse("i32 (i32)"), status(true));
        assert_eq!(Signature::parse("i32 (i32, ptr, ptr)"), status(true));
        for odd in [
            "i64 ()",
            "i32 (ptr)",
            "i32 (...)",
            "double (i32, ptr)",
            "[4 x i8]",
        ] {
            assert_eq!(Signature::parse(odd), None, "{odd}");
        }
    }
}
