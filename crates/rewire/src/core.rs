//! What all parts of an engine share.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::{Codegen, Level, Module, Source};
use rewire_memory::fault::CrashGuard;
use rewire_memory::unwind::{self, UnwindTable};
use rewire_memory::{CodeMemory, ExecAddr, RegionKind, Slots, entry};
use rewire_sync::{Mutex, MutexGuard, RwLock};

use crate::change::History;
use crate::error::Error;
use crate::events::CompileObserver;
use crate::failure::FailureHandler;
use crate::first_call;
use crate::foresight::Foresight;
use crate::gate::Gates;
use crate::ids::UnitKey;
use crate::ledger::LibraryId;
use crate::ledger::{Definition, Demangled, EntryId, EntryKind, Ledger, State, ThreadKey};
use crate::observe::LinkObserver;
use crate::options::Options;
use crate::outside::Resolver;
use crate::process::registering::HANDLE;
use crate::process::{Process, fork};
use crate::process::{cxx, sections};
use crate::reclaim::Reclaimer;
use crate::recording::Loading;
use crate::report::Phase;
use crate::sync::{Signal, lock};
use crate::timings::Timings;
use crate::unit::{Unit, UnitPlace};
use crate::workers::Workers;

/// How many bytes a `__dso_handle` has.
const HANDLE_SIZE: u64 = 8;

/// Fields are dropped in their order.
pub(crate) struct Core {
    _enter: fork::EnterWhenDropped,
    pub(crate) memory: Arc<CodeMemory>,
    pub(crate) slots: Slots,
    ledger: Mutex<Ledger>,
    /// A definition went from pending to something else.
    pub(crate) changed: Signal,
    pub(crate) unwind: UnwindTable,
    codegens: Mutex<Vec<Codegen>>,
    pub(crate) level: Level,
    pub(crate) guard_crashes: bool,
    pub(crate) observer: Option<Arc<dyn LinkObserver>>,
    pub(crate) compile_observer: Option<Arc<dyn CompileObserver>>,
    pub(crate) timings: Timings,
    pub(crate) process: Process,
    pub(crate) foresight: Foresight,
    pub(crate) workers: Workers,
    /// Units whose named sections and constructors aren't seen to yet.
    fresh: Mutex<Vec<Arc<Unit>>>,
    /// The closures that are asked for names, by library, in order.
    pub(crate) resolvers: RwLock<HashMap<LibraryId, Vec<Arc<dyn Resolver>>>>,
    /// Asked what to run instead of a function that failed.
    pub(crate) failure_handler: RwLock<Option<Arc<FailureHandler>>>,
    pub(crate) gates: Gates,
    pub(crate) demangled: Demangled,
    pub(crate) history: History,
    pub(crate) reclaimer: Reclaimer,
    _leave: fork::LeaveWhenDropped,
}

// A panic leaves no lock poisoned for long: whoever takes one next takes what it guards as it is,
// which is whole, because what unwinds is the client's code, and that runs without locks.
impl std::panic::UnwindSafe for Core {}
impl std::panic::RefUnwindSafe for Core {}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn new(options: Options) -> Result<Arc<Self>, Error> {
        {
            // The loader's list has a lock.
            let _outside = fork::outside();
            rewire_memory::global_scope::learn();
        }
        let memory = Arc::new(CodeMemory::reserve(options.code_mapping)?);
        if options.guard_crashes {
            rewire_memory::fault::install();
            rewire_llvm::set_fatal_error_hook(rewire_memory::fault::end_by);
        }
        let entry = entry::install(first_call::handle);
        let slots = Slots::new(memory.clone(), entry);
        let unwind = UnwindTable::new(memory.reach()).ok_or(Error::TooManyEngines {
            limit: unwind::MAX_ENGINES,
        })?;
        let core = Arc::new(Self {
            _enter: fork::EnterWhenDropped,
            slots,
            ledger: Mutex::new(Ledger::new()),
            changed: Signal::default(),
            unwind,
            codegens: Mutex::new(Vec::new()),
            level: options.level.level(),
            guard_crashes: options.guard_crashes,
            observer: options.observer,
            timings: Timings::new(options.compile_observer.is_some()),
            compile_observer: options.compile_observer,
            process: Process::default(),
            foresight: Foresight::default(),
            workers: Workers::new(options.threads),
            fresh: Mutex::default(),
            resolvers: RwLock::default(),
            failure_handler: RwLock::default(),
            gates: Gates::default(),
            demangled: Demangled::default(),
            history: History::new(options.undo_depth),
            reclaimer: Reclaimer::default(),
            memory,
            _leave: fork::LeaveWhenDropped,
        });
        core.workers.belong_to(&core);
        core.describe_stubs()?;
        core.place_dso_handle(LibraryId::MAIN)?;
        first_call::register(&core);
        Ok(core)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// In a forked child: what other threads had begun is nobody's any more.
    pub(crate) fn forget_other_threads(&self) {
        self.ledger().forget_other_threads(ThreadKey::mine());
    }

    /// Before the process ends: whoever observes is told of everything, by the threads that do
    /// it.
    pub(crate) fn finish_observed(&self) {
        if self.observer.is_some() || self.compile_observer.is_some() {
            self.workers.finish();
        }
    }

    /// Stands guard while LLVM reads a module, if the client wants that.
    pub(crate) fn guard_reading(&self, module: &str) -> Option<CrashGuard> {
        self.guard_crashes.then(|| {
            let message = format!("error: {module}: LLVM crashed while it read this\n");
            CrashGuard::new(message, crate::EXIT_LOAD)
        })
    }

    /// Adds a module of IR to a library. Nothing is compiled.
    pub(crate) fn add(
        &self,
        source: Source,
        place: UnitPlace,
        loading: Loading<'_>,
    ) -> Result<Arc<Unit>, Error> {
        let timer = self.timings.start(Phase::Index);
        let guard = self.guard_reading(&source.name);
        let module = Module::read(&source)?;
        let index = module.index()?;
        drop(guard);
        let unit = self.ledger().add_unit(source, module, index, place)?;
        timer.stop();
        let globals = unit.index.globals.len();
        tracing::info!(unit = &*unit.name, globals, "loaded");
        lock(&self.fresh).push(unit.clone());
        loading.end(&unit);
        Ok(unit)
    }

    /// A unit that is there.
    pub(crate) fn unit(&self, id: UnitKey) -> Result<Arc<Unit>, Error> {
        self.ledger().unit(id).cloned().ok_or(Error::NoUnit)
    }

    /// Forgets what is remembered of names that are gone.
    pub(crate) fn forget_entries(&self, entries: &[EntryId]) {
        self.foresight.forget(entries);
    }

    /// Puts in memory what must be there before anything of the units runs that were added since
    /// the last time. If another thread is doing that for some of them, this one waits for it.
    pub(crate) fn finish_loading(&self) -> Result<(), Error> {
        let fresh = {
            let mut fresh = lock(&self.fresh);
            // Whoever finds none waits for this thread.
            let placing = (!fresh.is_empty()).then(|| Placing::begin(self));
            placing.map(|placing| (std::mem::take(&mut *fresh), placing))
        };
        if let Some((fresh, _placing)) = fresh {
            return self.finish_units(&fresh);
        }
        let mut ledger = self.ledger();
        while let Some(awaited) = ledger.awaited_placing() {
            ledger.waits(awaited);
            ledger = self.changed.wait(ledger, || self.ledger());
            ledger.has_waited();
        }
        Ok(())
    }

    /// The same for these units.
    pub(crate) fn finish_units(&self, units: &[Arc<Unit>]) -> Result<(), Error> {
        for unit in units {
            cxx::load_if_needed(self, unit);
        }
        sections::place(self, units)
    }

    /// Lends a code generator: of those that are free, or a new one.
    pub(crate) fn with_codegen<R>(
        &self,
        work: impl FnOnce(&mut Codegen) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let free = lock(&self.codegens).pop();
        let mut codegen = match free {
            Some(codegen) => codegen,
            None => Codegen::new(self.level)?,
        };
        let result = work(&mut codegen);
        if !codegen.is_lost() {
            lock(&self.codegens).push(codegen);
        }
        result
    }

    /// Unwinding passes through a stub when its function is called for the first time. The
    /// description lies in read-only memory; stubs lie above all code, and are entered in a
    /// table of their own.
    fn describe_stubs(&self) -> Result<(), Error> {
        let stubs = self.slots.stub_range();
        let (bytes, _) = unwind::stub_frames(stubs.start, stubs.clone());
        let size = bytes.len() as u64;
        let mut memory = self.memory.allocate(RegionKind::ReadOnly, size, 8)?;
        let (bytes, frame) = unwind::stub_frames(memory.start(), stubs);
        memory.write(&bytes)?;
        memory.keep();
        self.unwind.register_stubs(frame);
        Ok(())
    }

    /// Gives memory to a variable that the engine itself defines.
    pub(crate) fn place_variable(&self, bytes: &[u8]) -> Result<ExecAddr, Error> {
        let size = bytes.len() as u64;
        let mut memory = self.memory.allocate(RegionKind::Data, size, 16)?;
        memory.write(bytes)?;
        Ok(memory.keep().start)
    }

    /// Takes a library out whose units have left.
    pub(crate) fn forget_library(&self, library: LibraryId) {
        let handle = self.ledger().forget_library(library, &self.slots);
        self.demangled.forget(library);
        let Some(start) = handle else { return };
        // SAFETY: nobody was linked with it, or has looked it up.
        let given = unsafe {
            self.memory
                .free(RegionKind::Data, start..start + HANDLE_SIZE)
        };
        if let Err(error) = given {
            tracing::warn!(%error, "a library's handle was not given back");
        }
    }

    /// What libraries that the program is linked with statically take for the program's own
    /// object (Itanium C++ ABI, section 3.3.6.3): any address that is unique to it.
    pub(crate) fn place_dso_handle(&self, library: LibraryId) -> Result<(), Error> {
        let start = self.place_variable(&[0; HANDLE_SIZE as usize])?;
        let mut ledger = self.ledger();
        let id = ledger.find_or_enter(library, &Arc::from(HANDLE));
        let entry = ledger.entry_mut(id);
        entry.definition = Definition::Engine;
        entry.kind = EntryKind::Data;
        entry.state = State::Present(start);
        Ok(())
    }
}

/// This thread places what units need from the start. Dropping it lets those go on who wait for
/// that.
struct Placing<'c> {
    core: &'c Core,
    /// Placing may lead to placing more.
    is_outer: bool,
}

impl<'c> Placing<'c> {
    fn begin(core: &'c Core) -> Self {
        let is_outer = core.ledger().begin_placing();
        Self { core, is_outer }
    }
}

impl Drop for Placing<'_> {
    fn drop(&mut self) {
        if self.is_outer {
            self.core.ledger().end_placing();
            self.core.changed.notify_all();
        }
    }
}
