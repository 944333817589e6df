//! [`Engine`]: the handle through which clients add, run, change and inspect code.

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
use crate::compile::cache_lookup::CacheLookup;
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
use crate::reclaim::{self, Reclaimed, RetiredCode};

/// An execution engine: it takes LLVM IR, and compiles and links each function when the function is
/// first called.
///
/// `Send + Sync`. A clone is another handle to the same engine; [`Function`](crate::Function),
/// [`Data`](crate::Data) and [`Pin`](crate::Pin) keep the engine alive too. Dropping the last
/// handle runs the exit functions and destructors that the loaded code still has to run, and then
/// unmaps the engine's memory. By then, no thread may be running its code, and no pointer into its
/// memory may be used afterwards.
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
    pub(super) core: HeldEngine,
}

/// The functions of higher modules that lower modules call: see [`Above`].
const ABOVE: Above = Above {
    first_call: first_call::handle,
    compile_ahead: Core::compile_ahead,
    optimise: Core::optimise_hot,
    host_symbol: process::host_symbol,
    place: process::place,
    end: process::end,
    renew: change::renew,
    make_room: reclaim::make_room,
};

impl Engine {
    /// Creates an engine: reserves its address range, and prepares the process for first calls.
    ///
    /// # Errors
    ///
    /// The address range can't be reserved ([`Error::Memory`]), or the process has 64 engines
    /// already ([`Error::TooManyEngines`]).
    ///
    /// # Process-wide effect
    ///
    /// A process has one handler for LLVM's fatal errors. The engine installs its own, so that a
    /// fatal error while one function is compiled fails only that function.
    pub fn new(options: Options) -> Result<Self, Error> {
        let _no_fork = fork_lock::enter_engine();
        let core = Core::new(options, ABOVE)?;
        registry::register(&core);
        Ok(Self {
            core: HeldEngine::new(core),
        })
    }

    /// The main library, which every engine has. The engine's own methods that add or look up names
    /// are shorthand for the main library's.
    #[must_use]
    pub fn main(&self) -> Library {
        self.handle(LibraryId::MAIN)
    }

    /// Creates another library.
    ///
    /// # Errors
    ///
    /// A library of this name exists ([`Error::LibraryExists`]).
    pub fn new_library(&self, name: &str) -> Result<Library, Error> {
        let _no_fork = fork_lock::enter_engine();
        let made = self.core.ledger().add_library(name);
        let id = made.ok_or_else(|| Error::LibraryExists { name: name.into() })?;
        self.core.place_dso_handle(id)?;
        Ok(self.handle(id))
    }

    /// All libraries of the engine, in the order in which they were created.
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

    /// All units that are loaded, in the order in which they were added.
    #[must_use]
    pub fn units(&self) -> Vec<UnitInfo> {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        ledger.units().iter().map(|unit| unit.info()).collect()
    }

    /// Adds a module of IR: bitcode, text, or an inkwell module (see [`Ir`]). Error messages call
    /// the unit `name`. Nothing is compiled yet. Of bitcode, no function body is read yet either: a
    /// body that is malformed is an error when the function is first needed.
    ///
    /// The unit's static constructors don't run by themselves, not even when one of its functions
    /// is called. Run them by [`Engine::run_constructors`], [`Engine::initialize`] or
    /// [`Engine::run_main`]; [`Engine::pending_constructors`] lists the units that still wait.
    ///
    /// # Errors
    ///
    /// The bytes aren't IR, the verifier rejects the IR, the IR is for another target, it defines a
    /// name that is defined already, or one that another thread is changing ([`Error::Changing`]).
    /// On an error, nothing has been added.
    pub fn add_ir<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<UnitId, Error> {
        self.main().add_ir(name, ir)
    }

    /// As [`Engine::add_ir`], for code that will never be replaced. The first call of any of the
    /// unit's functions compiles the whole unit. At levels above 0, its functions are inlined into
    /// one another. Its calls of functions in frozen units that are in memory, and of functions of
    /// the host, are direct calls rather than calls through slots.
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

    /// Adds a file of IR. The file is read, not mapped, because compilers rewrite files in place.
    ///
    /// # Errors
    ///
    /// As [`Engine::add_ir`], or the file can't be read ([`Error::Read`]).
    pub fn add_file(&self, path: &Path) -> Result<UnitId, Error> {
        self.main().add_file(path)
    }

    /// Adds a file of IR that will never be replaced: see [`Engine::add_ir_frozen`].
    ///
    /// # Errors
    ///
    /// As [`Engine::add_file`].
    pub fn add_file_frozen(&self, path: &Path) -> Result<UnitId, Error> {
        self.main().add_file_frozen(path)
    }

    /// Loads a shared library into the process (`dlopen`), so that lookups in the host process find
    /// its symbols.
    ///
    /// # Errors
    ///
    /// The dynamic loader can't load it ([`Error::Library`] holds the loader's message).
    pub fn load_library(&self, path: &str) -> Result<(), Error> {
        symbols::load_library(path).map_err(|reason| Error::Library {
            name: path.to_owned(),
            reason,
        })
    }

    /// Places in memory whatever has to be there before any code runs: variables in sections that
    /// are walked as a whole, variables marked as used, and module-level assembly. It also loads
    /// libstdc++ if units are C++ and the process has no C++ library. The engine calls this itself
    /// when a name is looked up or the program is run.
    ///
    /// # Errors
    ///
    /// Something that has to be in memory can't be compiled or linked.
    pub fn finish_loading(&self) -> Result<(), Error> {
        let _no_fork = fork_lock::enter_engine();
        self.core.finish_loading()
    }

    /// Compiles all functions that aren't compiled yet, except those whose IR a closure is still to
    /// make. A called function that nothing defines is not an error here; it becomes one when it is
    /// called.
    ///
    /// # Errors
    ///
    /// The error of the first function that can't be compiled or linked.
    pub fn compile_all(&self) -> Result<(), Error> {
        self.finish_loading()?;
        let _no_fork = fork_lock::enter_engine();
        self.core.compile_all()
    }

    /// Writes what was compiled and isn't kept yet to the cache ([`Options::cache`]), and waits
    /// until that is done. Another thread writes, so that the program's descriptors aren't touched.
    /// What goes wrong costs a compilation some other time, and nothing else.
    ///
    /// Dropping the last handle of the engine does this as well, and so does the end of a program
    /// that was started by [`Engine::run_main`]. Call it before the process ends in another way.
    pub fn write_cache(&self) {
        self.core.finish_kept();
    }

    /// Returns what the code of a function is looked for by in the cache ([`Options::cache`]): with
    /// [`Disk::explain`](crate::cache::Disk::explain), it tells why the function would or wouldn't
    /// be found. Compiles nothing.
    ///
    /// # Errors
    ///
    /// No loaded IR of the main library defines the function, its body can't be read, or the engine
    /// has no cache.
    pub fn cache_lookup(&self, name: &str) -> Result<CacheLookup, Error> {
        self.finish_loading()?;
        let _no_fork = fork_lock::enter_engine();
        self.core.cache_lookup(name)
    }

    /// Returns a name's address, which for a function of IR never changes: see [`Library::lookup`].
    ///
    /// # Errors
    ///
    /// As [`Library::lookup`].
    pub fn lookup(&self, name: &str) -> Result<ExecAddr, Error> {
        self.main().lookup(name)
    }

    /// Gives a function a new body. `ir` is a module that defines `name`; it may also declare and
    /// define whatever the body needs. The engine compiles and links the new body first. Then one
    /// store redirects every caller to it. Calls that are under way finish in the former body,
    /// which stays in memory until no thread is in it.
    ///
    /// Any other name that the module defines has to be local to it (`internal` or `private`). If
    /// another thread is changing the function, this one waits: see [`Change`](crate::Change).
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
    /// The function doesn't exist, its type differs from the new body's, the module can't be
    /// compiled or linked, or this thread is changing the function already ([`Error::Changing`]).
    /// On an error, the former body stays in force.
    pub fn replace<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<Generation, Error> {
        self.main().replace(name, ir)
    }

    /// Removes a unit with everything that it defines; see
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
    /// The unit was removed already ([`Error::NoUnit`]), belongs to another engine
    /// ([`Error::OtherEngine`]), or defines something that other units use ([`Error::InUse`]).
    pub fn remove_unit(&self, unit: UnitId) -> Result<Changed, Error> {
        let mut change = self.main().change();
        change.remove_unit(unit);
        change.commit()
    }

    /// Undoes the latest change that wasn't undone yet, whichever thread committed it, in whichever
    /// library. [`Options::undo_depth`] says how many changes can be undone: with 0, **the
    /// default**, none.
    ///
    /// A change is what [`Change::commit`](crate::Change::commit) has done, including
    /// [`Engine::replace`], [`Engine::remove_unit`], a redefinition by [`Library::define`], and a
    /// new body that the closure of [`Library::refresh`] has made. Adding isn't a change outside of
    /// a [`Change`](crate::Change): `undo` passes over [`Engine::add_ir`], the first
    /// [`Library::define`] of a name, [`Library::define_lazily`] and what resolvers bring. Nor is
    /// an undo: it can't be undone, and the next `undo` takes back the change before.
    ///
    /// Every name that the change replaced or removed gets its former definition back, and names
    /// that it added are removed. A variable that kept its memory keeps its present value; one that
    /// got other memory, or was removed, gets the former memory back with the value in it. If
    /// another thread is changing one of the names, `undo` waits, and then undoes the change that
    /// is the latest by then.
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
    /// There is no change to undo ([`Error::NothingToUndo`]), a former definition can't be
    /// compiled, or this thread is changing one of the names ([`Error::Changing`]).
    pub fn undo(&self) -> Result<Changed, Error> {
        let caller = Caller::here();
        let no_fork = fork_lock::enter_engine();
        let changed = change::undo(&self.core);
        drop(no_fork);
        self.core.reclaim_if_much(&caller);
        changed
    }

    /// Returns the code that was replaced or removed and is still in memory, because a thread may
    /// be in it or because its memory wasn't reclaimed yet.
    #[must_use]
    pub fn retired(&self) -> Vec<RetiredCode> {
        let _no_fork = fork_lock::enter_engine();
        self.core.retired()
    }

    /// Scans the stacks of all threads, and frees the memory of replaced or removed code that no
    /// thread can return into. The engine does this by itself whenever enough such code has
    /// accumulated.
    ///
    /// The stacks of sleeping threads are read as they are. A running thread is sent a signal,
    /// whose handler scans that thread's stack.
    pub fn reclaim(&self) -> Reclaimed {
        self.core.reclaim(&Caller::here())
    }

    /// Returns what the engine knows about a name in the main library, or `None` if it doesn't know
    /// the name.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<crate::FunctionState> {
        self.main().state(name)
    }

    /// Returns what is loaded: units, names, sizes of functions and variables, and which names
    /// refer to which. Reads and verifies all function bodies; compiles nothing, and runs none of
    /// the loaded code.
    ///
    /// # Errors
    ///
    /// A body can't be read, or the verifier rejects it.
    pub fn inspect(&self) -> Result<Inspection, Error> {
        let _no_fork = fork_lock::enter_engine();
        inspect::inspect(&self.core)
    }

    /// Returns the function that an address of compiled code belongs to: for backtraces, profilers,
    /// and clients that come across a return address. Returns `None` for addresses of the host and
    /// of data, and for parts of functions that only LLVM knows (the resume part of a coroutine
    /// that LLVM split).
    ///
    /// If a call never returns, its return address may be the first byte after its function. To
    /// find the function of a return address, ask for the byte before it.
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

    /// Runs the program: all constructors, then the function `entry` of the main library. Returns
    /// what `entry` returns, or 0 if `entry` returns nothing. Destructors run when the process
    /// exits.
    ///
    /// # Errors
    ///
    /// Nothing defines `entry` ([`Error::Unknown`]), its type is not that of a main function
    /// ([`Error::Signature`]), or something that has to be in memory before the start can't be
    /// compiled or linked. If the program calls a function that can't be compiled or resolved, the
    /// error is the one that [`Library::call`] returns. Destructors still run when the process
    /// exits; a handler ([`Engine::on_failure`]) can end the process at once instead.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `argv` and `envp` are arrays of valid C strings that end with a
    /// null pointer and live as long as the process, and that the loaded code has no undefined
    /// behaviour.
    pub unsafe fn run_main(
        &self,
        entry: &str,
        argc: i32,
        argv: *const *const c_char,
        envp: *const *const c_char,
    ) -> Result<i32, Error> {
        let main = process::find_main(&self.core, entry)?;
        // This also finds the constructors.
        self.finish_loading()?;
        // SAFETY: as the caller promises.
        failure::catch(|| unsafe { process::run_main(&self.core, main, argc, argv, envp) })
    }

    /// Checks that [`Engine::run_main`] would find a function `entry` of a fitting type. Runs and
    /// compiles nothing.
    ///
    /// # Errors
    ///
    /// Nothing defines `entry` ([`Error::Unknown`]), or its type is not that of a main function
    /// ([`Error::Signature`]).
    pub fn check_main(&self, entry: &str) -> Result<(), Error> {
        process::find_main(&self.core, entry).map(|_| ())
    }

    /// Registers a hook that the engine calls before it ends the process because a called function
    /// could not be compiled or resolved. Hooks run in the order in which they were registered. As
    /// for [`Engine::on_failure`], they shouldn't own a handle of the engine.
    pub fn at_failure(&self, hook: impl FnMut() + Send + 'static) {
        self.core.process.add_at_failure(Box::new(hook));
    }

    /// Sets the handler that decides what happens when a called function could not be compiled or
    /// resolved. The handler may return the address of a function of the same type, which then runs
    /// instead; that function may throw an exception, for example. If there is no handler, or if it
    /// returns `None`, a call that the client began with [`Library::call`] or [`Engine::run_main`]
    /// is abandoned and returns the error. Any other call ends the process: the engine prints the
    /// error and the chain of callers, and exits at once, without running exit functions or
    /// destructors, with code 70 ([`EXIT_COMPILE`](crate::EXIT_COMPILE)).
    ///
    /// The handler runs on the thread that makes the call, on a stack of the engine's, with no lock
    /// held. An engine has one handler: setting another one replaces it. The engine keeps the
    /// handler, so a handler that owns an `Engine`, a [`Library`] or another handle keeps the
    /// engine for ever: see [`Resolver`](crate::Resolver).
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

    /// Runs those constructors of one unit that haven't run yet (as ORC's `initialize` does, for
    /// one unit). The constructors of a unit that replaces another whose objects are alive don't
    /// wait for this method: they run when the change is committed.
    ///
    /// # Errors
    ///
    /// The unit was removed ([`Error::NoUnit`]) or belongs to another engine
    /// ([`Error::OtherEngine`]); otherwise as [`Engine::run_constructors`].
    ///
    /// # Safety
    ///
    /// The caller must ensure that the loaded code has no undefined behaviour.
    pub unsafe fn initialize(&self, unit: UnitId) -> Result<(), Error> {
        self.finish_loading()?;
        let unit = self.unit(unit)?;
        failure::catch(|| process::initialise(&self.core, |one| one == unit.id))
    }

    /// Ends one unit as if it were removed: runs the exit functions that its code registered, then
    /// its destructors (as ORC's `deinitialize` does). The unit stays loaded, and its constructors
    /// are pending again.
    ///
    /// # Errors
    ///
    /// The unit was removed ([`Error::NoUnit`]) or belongs to another engine
    /// ([`Error::OtherEngine`]).
    ///
    /// # Safety
    ///
    /// The caller must ensure that no thread uses the unit's static objects any more.
    pub unsafe fn deinitialize(&self, unit: UnitId) -> Result<(), Error> {
        let unit = self.unit(unit)?;
        process::unit_endings::run(&self.core, &unit);
        process::plan_again(&self.core, &unit);
        Ok(())
    }

    /// Returns the units that have constructors which haven't run yet, in the order in which the
    /// units were added. A function of such a unit may use a static object that isn't constructed
    /// yet.
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

    /// Runs all constructors that haven't run yet, as [`Engine::run_main`] does before it calls the
    /// main function. For clients that call functions without running a main function.
    /// [`Engine::initialize`] does the same for one unit, [`Library::initialize`] for one library.
    ///
    /// # Errors
    ///
    /// Something that has to be in memory before the constructors run can't be compiled or linked.
    /// If a constructor calls a function that can't be compiled or resolved, or crashes while a
    /// [`Recovery`](crate::Recovery) is alive, the error is the one that [`Library::call`] returns.
    /// That constructor isn't run again; the constructors after it are still pending.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the loaded code has no undefined behaviour.
    pub unsafe fn run_constructors(&self) -> Result<(), Error> {
        self.finish_loading()?;
        // SAFETY: as the caller promises.
        failure::catch(|| unsafe { process::run_constructors(&self.core) })
    }

    /// Waits until everything that is hot now has its final body ([`OptLevel::Auto`]). What becomes
    /// hot meanwhile is waited for as well. Loops that are running get there on their own, when
    /// they next pass their heads.
    ///
    /// ```
    /// use rewire::{Engine, HotThresholds, Options};
    ///
    /// let engine = Engine::new(Options {
    ///     threads: 1,
    ///     hot: HotThresholds { calls: 10, ..HotThresholds::default() },
    ///     ..Options::default()
    /// })?;
    /// engine.add_ir("twice.ll", b"
    ///     define i32 @twice(i32 %n) {
    ///       %double = shl i32 %n, 1
    ///       ret i32 %double
    ///     }
    ///     define i32 @sum(i32 %n) {
    ///       %a = call i32 @twice(i32 %n)
    ///       %b = call i32 @twice(i32 %a)
    ///       %sum = add i32 %a, %b
    ///       ret i32 %sum
    ///     }")?;
    /// let sum = engine.lookup("sum")?;
    /// // SAFETY: it has this type, and the engine lives on.
    /// let sum: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(sum.get()) };
    /// for _ in 0..20 {
    ///     assert_eq!(sum(3), 18);
    /// }
    /// engine.settle();
    /// assert_eq!(engine.report().functions_optimised, 2);
    /// assert_eq!(sum(3), 18);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// [`OptLevel::Auto`]: crate::OptLevel::Auto
    pub fn settle(&self) {
        let _no_fork = fork_lock::enter_engine();
        self.core.settle();
    }

    /// Returns counts and times of what the engine has done so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let _no_fork = fork_lock::enter_engine();
        Report::of(&self.core)
    }
}
