//! The engine, as its clients see it.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::scan::Caller;

use super::library::Library;
use crate::base::error::Error;
use crate::base::error::Failure;
use crate::base::ids::UnitId;
use crate::base::ir::Ir;
use crate::base::options::Options;
use crate::base::report::Report;
use crate::change::{self, Changed};
use crate::compile::failure;
use crate::compile::first_call;
use crate::core::lifetime::HeldEngine;
use crate::core::registry;
use crate::core::{Above, Core};
use crate::host::fork_lock;
use crate::host::symbols;
use crate::introspect::inspect::{self, Inspection};
use crate::ledger::unit::{Unit, UnitInfo};
use crate::ledger::{Generation, LibraryId};
use crate::process;
use crate::reclaim::{Reclaimed, RetiredCode};

/// An execution engine: it takes IR, and compiles and links each function when it is first
/// called.
///
/// `Send + Sync`; clones are handles to one engine. When the last handle is dropped, its memory
/// is unmapped: no thread may run its code any more, and no pointer into it may be used.
///
/// ```
/// use rewire::{Engine, Options};
///
/// let engine = Engine::new(Options::default())?;
/// engine.add_ir("twice.ll", b"define i32 @twice(i32 %x) {
///     %y = shl i32 %x, 1
///     ret i32 %y
/// }")?;
/// let twice = engine.lookup("twice")?;
/// // SAFETY: it has this type, and the engine lives on.
/// let twice: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(twice.get()) };
/// assert_eq!(engine.report().functions_compiled, 0);
/// assert_eq!(twice(21), 42);
/// assert_eq!(engine.report().functions_compiled, 1);
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    core: HeldEngine,
}

/// Who does what the lower rooms ask for.
const ABOVE: Above = Above {
    first_call: first_call::handle,
    compile_ahead: Core::compile_ahead,
    host_symbol: process::host_symbol,
    place: process::place,
    end: process::end,
    renew: change::renew,
};

impl Engine {
    /// Makes an engine: reserves its address range, and prepares the process for first calls.
    ///
    /// # Errors
    ///
    /// No address space, or 64 engines in the process already ([`Error::TooManyEngines`]). LLVM's
    /// handler of fatal errors, of which a process has one, becomes the engine's, so that such an
    /// error of compiling a function is that function's alone.
    pub fn new(options: Options) -> Result<Self, Error> {
        let _no_fork = fork_lock::enter_engine();
        let core = Core::new(options, ABOVE)?;
        registry::register(&core);
        Ok(Self {
            core: HeldEngine::new(core),
        })
    }

    /// The library that every engine has. The methods of the engine that take or look up names
    /// are short for its.
    #[must_use]
    pub fn main(&self) -> Library {
        self.handle(LibraryId::MAIN)
    }

    /// Makes another library.
    ///
    /// # Errors
    ///
    /// There is one of this name.
    pub fn new_library(&self, name: &str) -> Result<Library, Error> {
        let _no_fork = fork_lock::enter_engine();
        let made = self.core.ledger().add_library(name);
        let id = made.ok_or_else(|| Error::LibraryExists { name: name.into() })?;
        self.core.place_dso_handle(id)?;
        Ok(self.handle(id))
    }

    /// The libraries there are, in the order of their making.
    #[must_use]
    pub fn libraries(&self) -> Vec<Library> {
        let _no_fork = fork_lock::enter_engine();
        let ids = self.core.ledger().libraries();
        ids.into_iter().map(|id| self.handle(id)).collect()
    }

    fn handle(&self, id: LibraryId) -> Library {
        Library {
            core: self.core.clone(),
            id,
        }
    }

    /// What was added, in order.
    #[must_use]
    pub fn units(&self) -> Vec<UnitInfo> {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        ledger.units().iter().map(|unit| unit.info()).collect()
    }

    /// Adds a module of IR: bitcode, text, or a module of inkwell's (see [`Ir`]); `name` is for
    /// messages. Nothing is compiled, and of bitcode no function body is read.
    ///
    /// # Errors
    ///
    /// Bytes that are no IR, IR that the verifier rejects or that is for another machine, names
    /// that are defined already. Nothing has been added then.
    pub fn add_ir<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<UnitId, Error> {
        self.main().add_ir(name, ir)
    }

    /// As [`Engine::add_ir`], for code that will never be replaced. When one of its functions is
    /// first called, all of the unit is compiled; its functions are inlined into one another at
    /// levels above 0, and what it calls in frozen units that are in memory, and of the host,
    /// it calls directly rather than through slots.
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// engine.add_ir_frozen("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
    /// assert!(engine.replace("f", b"define i32 @f() {\n ret i32 2\n}").is_err());
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Engine::add_ir`].
    pub fn add_ir_frozen<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<UnitId, Error> {
        self.main().add_ir_frozen(name, ir)
    }

    /// Adds a file of IR. It is read, not mapped: compilers rewrite files in place.
    ///
    /// # Errors
    ///
    /// As [`Engine::add_ir`], or the file can't be read.
    pub fn add_file(&self, path: &Path) -> Result<UnitId, Error> {
        self.main().add_file(path)
    }

    /// Adds a file of IR that will never be replaced, see [`Engine::add_ir_frozen`].
    ///
    /// # Errors
    ///
    /// As [`Engine::add_file`].
    pub fn add_file_frozen(&self, path: &Path) -> Result<UnitId, Error> {
        self.main().add_file_frozen(path)
    }

    /// Loads a shared library, so that its names are found.
    ///
    /// # Errors
    ///
    /// What the loader says.
    pub fn load_library(&self, path: &str) -> Result<(), Error> {
        symbols::load_library(path).map_err(|reason| Error::Library {
            name: path.to_owned(),
            reason,
        })
    }

    /// Puts in memory what must be there before anything runs: variables in sections that are
    /// walked as a whole, variables marked as used, assembly; and libstdc++, if units are C++ and
    /// the process has no C++ library. Done by itself when a name is
    /// looked up or the program is run.
    ///
    /// # Errors
    ///
    /// What can't be compiled or linked.
    pub fn finish_loading(&self) -> Result<(), Error> {
        let _no_fork = fork_lock::enter_engine();
        self.core.finish_loading()
    }

    /// Compiles all functions that aren't compiled yet. What they call and nothing defines may
    /// still be missing: that is an error when it is called.
    ///
    /// # Errors
    ///
    /// The first function that can't be compiled or linked.
    pub fn compile_all(&self) -> Result<(), Error> {
        self.finish_loading()?;
        let _no_fork = fork_lock::enter_engine();
        self.core.compile_all()
    }

    /// The address that a name has for its whole life, see [`Library::lookup`].
    ///
    /// # Errors
    ///
    /// As [`Library::lookup`].
    pub fn lookup(&self, name: &str) -> Result<ExecAddr, Error> {
        self.main().lookup(name)
    }

    /// Gives a function a new body: `ir` is a module that defines `name`, and may declare and
    /// define whatever the body needs. The new body is compiled and linked, then one store makes
    /// every caller go to it; calls that are under way finish in the former body, which stays.
    ///
    /// Names that the module defines besides `name` have to be its own (`internal`, `private`).
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// engine.add_ir("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
    /// let address = engine.lookup("f")?;
    /// // SAFETY: it has this type, and the engine lives on.
    /// let f: extern "C" fn() -> i32 = unsafe { std::mem::transmute(address.get()) };
    /// assert_eq!(f(), 1);
    /// engine.replace("f", b"define i32 @f() {\n ret i32 2\n}")?;
    /// assert_eq!(f(), 2);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The function doesn't exist, its type differs, or the module can't be compiled or linked.
    /// The former body stays in force then.
    pub fn replace<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<Generation, Error> {
        self.main().replace(name, ir)
    }

    /// Removes a unit with all that it defines; see
    /// [`Change::remove_unit`](crate::Change::remove_unit).
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// let unit = engine.add_ir("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
    /// engine.remove_unit(unit)?;
    /// assert!(engine.lookup("f").is_err());
    /// assert!(engine.remove_unit(unit).is_err());
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The unit is gone already or another engine's, or others use what it defines.
    pub fn remove_unit(&self, unit: UnitId) -> Result<Changed, Error> {
        let mut change = self.main().change();
        change.remove_unit(unit);
        change.commit()
    }

    /// Undoes the latest change that wasn't undone: names stand for what they stood for before, of
    /// variables with the values that they have now. How many changes can be undone is for
    /// [`Options::undo_depth`] to say.
    ///
    /// ```
    /// # use rewire::{Engine, Options};
    /// let engine = Engine::new(Options { undo_depth: 8, ..Options::default() })?;
    /// engine.add_ir("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { engine.main().function::<extern "C" fn() -> i32>("f")? };
    /// engine.replace("f", b"define i32 @f() {\n ret i32 2\n}")?;
    /// assert_eq!(f(), 2);
    /// engine.undo()?;
    /// assert_eq!(f(), 1);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no change to undo, or what was replaced can't be compiled.
    pub fn undo(&self) -> Result<Changed, Error> {
        let caller = Caller::here();
        let no_fork = fork_lock::enter_engine();
        let changed = change::undo(&self.core);
        drop(no_fork);
        self.core.reclaim_if_much(&caller);
        changed
    }

    /// What was replaced or removed and is still in memory, because threads may be in it, or
    /// because nobody has looked yet.
    #[must_use]
    pub fn retired(&self) -> Vec<RetiredCode> {
        let _no_fork = fork_lock::enter_engine();
        self.core.retired()
    }

    /// Looks at the stacks of all threads, and gives the memory back of what was replaced or
    /// removed and that no thread can return into. The engine does this by itself when much has
    /// gathered.
    ///
    /// Threads that sleep are read as they are; those that run get a signal, whose handler looks
    /// at their stacks.
    pub fn reclaim(&self) -> Reclaimed {
        self.core.reclaim(&Caller::here())
    }

    /// What the ledger knows of a name; `None` if it doesn't know it.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<crate::FunctionState> {
        self.main().state(name)
    }

    /// What is loaded: units, names, sizes of functions and variables, who names whom. All
    /// function bodies are read and verified; nothing is compiled, and nothing that was loaded is
    /// run.
    ///
    /// # Errors
    ///
    /// A body that can't be read, or that the verifier rejects.
    pub fn inspect(&self) -> Result<Inspection, Error> {
        let _no_fork = fork_lock::enter_engine();
        inspect::inspect(&self.core)
    }

    /// Tells what an address of compiled code belongs to: for backtraces, profilers, and whoever
    /// meets a return address. `None` for addresses of the host and of data, and for the parts of
    /// functions that only LLVM knows of (the resuming part of a coroutine that it split).
    ///
    /// A return address may be the first byte behind its function, if the call never returns: ask
    /// for the byte before.
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// use rewire::SymbolPlace;
    ///
    /// engine.add_ir("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
    /// let canonical = engine.lookup("f")?;
    /// let here = engine.symbol_at(canonical).unwrap();
    /// assert_eq!((&*here.name, here.offset, here.place), ("f", 0, SymbolPlace::Stub));
    /// engine.compile_all()?;
    /// let body = engine.state("f").unwrap().address.unwrap();
    /// let here = engine.symbol_at(body + 1).unwrap();
    /// assert_eq!((&*here.name, here.offset, here.place), ("f", 1, SymbolPlace::Body));
    /// engine.replace("f", b"define i32 @f() {\n ret i32 2\n}")?;
    /// assert_eq!(engine.symbol_at(body).unwrap().place, SymbolPlace::FormerBody);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    #[must_use]
    pub fn symbol_at(&self, address: ExecAddr) -> Option<crate::SymbolAt> {
        let _no_fork = fork_lock::enter_engine();
        crate::introspect::state::at(&self.core, address)
    }

    /// Runs the program: constructors, then the function `entry`. Returns what that returns.
    /// Destructors run when the process exits.
    ///
    /// # Errors
    ///
    /// There is no such function, or it isn't of a main function's type.
    ///
    /// # Safety
    ///
    /// `argv` and `envp` are arrays of C strings that end with a null pointer and live as long as
    /// the process. The loaded code does what it does.
    pub unsafe fn run_main(
        &self,
        entry: &str,
        argc: i32,
        argv: *const *const c_char,
        envp: *const *const c_char,
    ) -> Result<i32, Error> {
        let main = process::find_main(&self.core, entry)?;
        // Constructors are known then.
        self.finish_loading()?;
        // SAFETY: as the caller promises.
        unsafe { process::run_main(&self.core, main, argc, argv, envp) }
    }

    /// Checks that the program can be run, without running any of it.
    ///
    /// # Errors
    ///
    /// As [`Engine::run_main`].
    pub fn check_main(&self, entry: &str) -> Result<(), Error> {
        process::find_main(&self.core, entry).map(|_| ())
    }

    /// Has `hook` called before the process ends because a function could not be compiled or
    /// resolved when it was called, after the hooks that were given before.
    pub fn at_failure(&self, hook: impl FnMut() + Send + 'static) {
        self.core.process.add_at_failure(Box::new(hook));
    }

    /// Has `handler` asked what to do when a function could not be compiled or resolved as it was
    /// called. It may answer with the address of a function of the same type to run instead: one
    /// that throws, say. With no handler, or no answer, a call that the client began with
    /// [`Library::call`] is given up and returns the error; else the process ends with the error,
    /// who called whom, and exit code 70.
    ///
    /// The handler is called on the thread that makes the call, on a stack of the engine's, with no
    /// lock held. A new handler takes the place of the former one.
    ///
    /// ```
    /// use rewire::{Engine, Options};
    ///
    /// extern "C" fn instead() -> i32 {
    ///     -1
    /// }
    ///
    /// let engine = Engine::new(Options::default())?;
    /// engine.add_ir("f.ll", b"declare i32 @nowhere()
    ///     define i32 @f() {
    ///       %x = call i32 @nowhere()
    ///       ret i32 %x
    ///     }")?;
    /// engine.on_failure(|failure| {
    ///     assert_eq!(failure.function, Some("nowhere"));
    ///     assert_eq!(failure.callers[0], "f");
    ///     Some((instead as *const ()).into())
    /// });
    /// // SAFETY: it has this type.
    /// let f = unsafe { engine.main().function::<extern "C" fn() -> i32>("f")? };
    /// assert_eq!(f(), -1);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub fn on_failure(
        &self,
        handler: impl Fn(&Failure<'_>) -> Option<ExecAddr> + Send + Sync + 'static,
    ) {
        let mut known = rewire_sync::write(&self.core.failure_handler);
        *known = Some(Arc::new(handler));
    }

    /// Runs the constructors of one unit that haven't run (ORC's `initialize`, for a unit). Those
    /// of a unit that takes the place of one whose objects live run when the change is committed.
    ///
    /// # Errors
    ///
    /// The unit is gone, or another engine's; else as [`Engine::run_constructors`].
    ///
    /// # Safety
    ///
    /// The loaded code has no undefined behaviour.
    pub unsafe fn initialize(&self, unit: UnitId) -> Result<(), Error> {
        self.finish_loading()?;
        let unit = self.unit(unit)?;
        failure::catch(|| process::initialise(&self.core, |one| one == unit.id))
    }

    /// Runs what one unit has registered for the process's exit, and its destructors, as when it is
    /// removed (ORC's `deinitialize`). The unit stays; its constructors are pending again.
    ///
    /// # Errors
    ///
    /// The unit is gone, or another engine's.
    ///
    /// # Safety
    ///
    /// No thread uses the unit's objects any more.
    pub unsafe fn deinitialize(&self, unit: UnitId) -> Result<(), Error> {
        let unit = self.unit(unit)?;
        process::unit_endings::run(&self.core, &unit);
        process::plan_again(&self.core, &unit);
        Ok(())
    }

    /// The units that have constructors which haven't run: calling their functions may meet objects
    /// that aren't there yet. In the order of adding.
    #[must_use]
    pub fn pending_constructors(&self) -> Vec<UnitId> {
        let _no_fork = fork_lock::enter_engine();
        let units = self.core.ledger().units();
        let pending = units
            .iter()
            .filter(|unit| process::has_pending_constructors(&self.core, unit));
        pending.map(|unit| unit.number()).collect()
    }

    fn unit(&self, unit: UnitId) -> Result<Arc<Unit>, Error> {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        let record = ledger.record(unit.key(ledger.engine)?);
        let record = record
            .filter(|record| record.is_there())
            .ok_or(Error::NoUnit)?;
        Ok(record.unit.clone())
    }

    /// Runs the constructors of what was added since the last time, as [`Engine::run_main`] does
    /// before the program: for clients that call functions by themselves. [`Engine::initialize`]
    /// and [`Library::initialize`] do so for one unit and one library.
    ///
    /// # Errors
    ///
    /// What can't be placed in memory; as [`Library::call`], where a constructor calls what can't
    /// be compiled or resolved, or, with a [`Recovery`](crate::Recovery), where it crashes. That
    /// constructor isn't run again; those behind it are pending.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the loaded code has no undefined behaviour.
    pub unsafe fn run_constructors(&self) -> Result<(), Error> {
        self.finish_loading()?;
        // SAFETY: as the caller promises.
        failure::catch(|| unsafe { process::run_constructors(&self.core) })
    }

    /// What the engine did so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let _no_fork = fork_lock::enter_engine();
        Report::of(&self.core)
    }
}
