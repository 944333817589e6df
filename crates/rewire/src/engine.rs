//! The engine, as its clients see it.

use std::ffi::c_char;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rewire_llvm::{Module, Source};
use rewire_memory::ExecAddr;
use rewire_memory::fault::CrashGuard;

use crate::core::Core;
use crate::error::Error;
use crate::host;
use crate::inspect::{self, Inspection};
use crate::ledger::Generation;
use crate::options::Options;
use crate::process::{self, cxx, fork, sections};
use crate::recording::Loading;
use crate::replace;
use crate::report::{Phase, Report};
use crate::sync::lock;
use crate::unit::{Unit, UnitId};

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
    core: Arc<Core>,
    /// Units whose named sections and constructors aren't seen to yet.
    fresh: Arc<Mutex<Vec<Arc<Unit>>>>,
}

impl Engine {
    /// Makes an engine: reserves its address range, and prepares the process for first calls.
    ///
    /// # Errors
    ///
    /// No address space, or more than 64 engines in the process.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self {
            core: Core::new(options)?,
            fresh: Arc::default(),
        })
    }

    /// Adds a module of IR, bitcode or text; `name` is for messages. Nothing is compiled, and of
    /// bitcode no function body is read.
    ///
    /// # Errors
    ///
    /// Bytes that are no IR, IR that the verifier rejects or that is for another machine, names
    /// that are defined already. Nothing has been added then.
    pub fn add_ir(&self, name: &str, bytes: &[u8]) -> Result<UnitId, Error> {
        let source = Source {
            name: name.into(),
            bytes: bytes.into(),
        };
        let loading = Loading::begin(&self.core);
        Ok(self.add_source(source, false, loading)?.id)
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
    pub fn add_ir_frozen(&self, name: &str, bytes: &[u8]) -> Result<UnitId, Error> {
        let source = Source {
            name: name.into(),
            bytes: bytes.into(),
        };
        let loading = Loading::begin(&self.core);
        Ok(self.add_source(source, true, loading)?.id)
    }

    /// Adds a file of IR. It is read, not mapped: compilers rewrite files in place.
    ///
    /// # Errors
    ///
    /// As [`Engine::add_ir`], or the file can't be read.
    pub fn add_file(&self, path: &Path) -> Result<UnitId, Error> {
        let loading = Loading::begin(&self.core);
        Ok(self.add_source(self.read_file(path)?, false, loading)?.id)
    }

    /// Adds a file of IR that will never be replaced, see [`Engine::add_ir_frozen`].
    ///
    /// # Errors
    ///
    /// As [`Engine::add_file`].
    pub fn add_file_frozen(&self, path: &Path) -> Result<UnitId, Error> {
        let loading = Loading::begin(&self.core);
        Ok(self.add_source(self.read_file(path)?, true, loading)?.id)
    }

    fn read_file(&self, path: &Path) -> Result<Source, Error> {
        let timer = self.core.timings.start(Phase::Load);
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        timer.stop();
        Ok(Source {
            name: path.to_string_lossy().into(),
            bytes: bytes.into(),
        })
    }

    fn add_source(
        &self,
        source: Source,
        is_frozen: bool,
        loading: Loading<'_>,
    ) -> Result<Arc<Unit>, Error> {
        let _inside = fork::hold_off();
        let unit = read(&self.core, source, is_frozen)?;
        lock(&self.fresh).push(unit.clone());
        loading.end(&unit);
        Ok(unit)
    }

    /// Loads a shared library, so that its names are found.
    ///
    /// # Errors
    ///
    /// What the loader says.
    pub fn load_library(&self, path: &str) -> Result<(), Error> {
        host::load_library(path).map_err(|reason| Error::Library {
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
        let _inside = fork::hold_off();
        let fresh = std::mem::take(&mut *lock(&self.fresh));
        if !fresh.is_empty() {
            for unit in &fresh {
                cxx::load_if_needed(&self.core, &unit.index);
            }
            sections::place(&self.core, &fresh)?;
        }
        Ok(())
    }

    /// Compiles all functions that aren't compiled yet.
    ///
    /// # Errors
    ///
    /// The first function that can't be compiled or linked.
    pub fn compile_all(&self) -> Result<(), Error> {
        self.finish_loading()?;
        let _inside = fork::hold_off();
        self.core.compile_all()
    }

    /// The address that a name has for its whole life: of a function, its canonical address,
    /// which may be called at once and compiles it then; of a variable, its place.
    ///
    /// # Errors
    ///
    /// Nothing defines the name, or a variable's value can't be linked.
    pub fn lookup(&self, name: &str) -> Result<ExecAddr, Error> {
        self.finish_loading()?;
        let _inside = fork::hold_off();
        self.core.lookup(name)
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
    pub fn replace(&self, name: &str, ir: &[u8]) -> Result<Generation, Error> {
        self.finish_loading()?;
        let _inside = fork::hold_off();
        replace::replace(&self.core, name, ir)
    }

    /// What the ledger knows of a name; `None` if it doesn't know it.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<crate::FunctionState> {
        let _inside = fork::hold_off();
        crate::state::of(&self.core, name)
    }

    /// What is loaded: units, names, sizes of functions and variables, who names whom. All
    /// function bodies are read and verified; nothing is compiled, and nothing that was loaded is
    /// run.
    ///
    /// # Errors
    ///
    /// A body that can't be read, or that the verifier rejects.
    pub fn inspect(&self) -> Result<Inspection, Error> {
        let _inside = fork::hold_off();
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
        let _inside = fork::hold_off();
        crate::state::at(&self.core, address)
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

    /// What the engine did so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let _inside = fork::hold_off();
        Report::of(&self.core)
    }
}

/// Reads a module and enters its names.
pub(crate) fn read(core: &Core, source: Source, is_frozen: bool) -> Result<Arc<Unit>, Error> {
    let timer = core.timings.start(Phase::Index);
    let _guard = core.guard_crashes.then(|| {
        let message = format!("error: {}: LLVM crashed while it read this\n", source.name);
        CrashGuard::new(message, crate::EXIT_LOAD)
    });
    let module = Module::read(&source)?;
    let index = module.index()?;
    let unit = core.ledger().add_unit(source, module, index, is_frozen)?;
    timer.stop();
    let globals = unit.index.globals.len();
    tracing::info!(unit = &*unit.name, globals, "loaded");
    Ok(unit)
}
