//! What all parts of an engine share.

pub(crate) mod compile_queue;
pub(crate) mod exit_functions;
pub(crate) mod lifetime;
pub(crate) mod loading;
pub(crate) mod observations;
pub(crate) mod outside_request;
pub(crate) mod program_state;
pub(crate) mod recording;
pub(crate) mod registry;
pub(crate) mod structors;
pub(crate) mod sure_calls;
pub(crate) mod timings;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use rewire_llvm::{Codegen, Level};
use rewire_memory::fault::CrashGuard;
use rewire_memory::unwind::{self, UnwindTable};
use rewire_memory::{CodeMemory, ExecAddr, RegionKind, Slots, entry};
use rewire_sync::{Mutex, RwLock};

use crate::base::error::Error;
use crate::base::error::FailureHandler;
use crate::base::events::CompileObserver;
use crate::base::ids::EngineNumber;
use crate::base::ids::UnitKey;
use crate::base::link_observer::LinkObserver;
use crate::base::options::Options;
use crate::base::resolver::Resolver;
use crate::base::sync::{Guard, LockRank, lock, lock_ranked};
use crate::core::compile_queue::Workers;
use crate::core::program_state::Process;
use crate::core::sure_calls::Foresight;
use crate::core::timings::Timings;
use crate::host::condition::Condition;
use crate::host::fork_lock;
use crate::host::running_code::HANDLE;
use crate::host::symbols::HostSymbol;
use crate::ledger::unit::Unit;
use crate::ledger::{Demangled, EntryId, History, Ledger, LibraryId, ThreadKey};

/// How many bytes a `__dso_handle` has.
const HANDLE_SIZE: u64 = 8;

/// Fields are dropped in their order.
pub(crate) struct Core {
    /// Tells it from other engines.
    pub(crate) number: EngineNumber,
    /// Itself, for threads that work for it as long as it is there.
    pub(crate) me: Weak<Self>,
    _enter: fork_lock::EnterWhenDropped,
    pub(crate) memory: Arc<CodeMemory>,
    pub(crate) slots: Slots,
    ledger: Mutex<Ledger>,
    /// A definition went from pending to something else.
    pub(crate) changed: Condition,
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
    pub(crate) fresh: Mutex<Vec<Arc<Unit>>>,
    /// The closures that are asked for names, by library, in order.
    pub(crate) resolvers: RwLock<HashMap<LibraryId, Vec<Arc<dyn Resolver>>>>,
    /// Asked what to run instead of a function that failed.
    pub(crate) failure_handler: RwLock<Option<Arc<FailureHandler>>>,
    pub(crate) call_adapters: CallAdapters,
    pub(crate) demangled: Demangled,
    pub(crate) history: History,
    pub(crate) reclaimer: Reclaimer,
    pub(crate) above: Above,
    _leave: fork_lock::LeaveWhenDropped,
}

/// The library and name of a function, and the IR of its new body.
type ReplaceBody = fn(&Core, LibraryId, &Arc<str>, &[u8]) -> Result<(), Error>;

/// What these rooms ask of those above them. Whoever makes an engine says who does it.
#[derive(Clone, Copy)]
pub(crate) struct Above {
    /// What happens when compiled code calls a function for the first time.
    pub(crate) first_call: entry::Handler,
    /// Compiles a function before it is called.
    pub(crate) compile_ahead: fn(&Core, EntryId),
    /// Looks up what code names and no unit defines; for a thread-local variable, if that is said.
    pub(crate) host_symbol: fn(&str, bool) -> Option<HostSymbol>,
    /// Puts in memory what units need before their code runs.
    pub(crate) place: fn(&Core, &[Arc<Unit>]) -> Result<(), Error>,
    /// What the program has left for its end runs: nobody holds the engine any more.
    pub(crate) end: fn(&Arc<Core>),
    /// Gives a function that is being called the new body that a client made for it.
    pub(crate) renew: ReplaceBody,
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
    pub(crate) fn new(options: Options, above: Above) -> Result<Arc<Self>, Error> {
        {
            // The loader's list has a lock.
            let _outside = fork_lock::outside();
            rewire_memory::global_scope::learn();
        }
        let memory = Arc::new(CodeMemory::reserve(options.code_mapping)?);
        if options.guard_crashes {
            rewire_memory::fault::install();
            rewire_llvm::set_fatal_error_hook(rewire_memory::fault::end_by);
        }
        let entry = entry::install(above.first_call);
        let slots = Slots::new(memory.clone(), entry);
        let unwind = UnwindTable::new(memory.reach()).ok_or(Error::TooManyEngines {
            limit: unwind::MAX_ENGINES,
        })?;
        let ledger = Ledger::new();
        let core = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            _enter: fork_lock::EnterWhenDropped,
            slots,
            number: ledger.engine,
            ledger: Mutex::new(ledger),
            changed: Condition::default(),
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
            call_adapters: CallAdapters::default(),
            demangled: Demangled::default(),
            history: History::new(options.undo_depth),
            reclaimer: Reclaimer::default(),
            above,
            memory,
            _leave: fork_lock::LeaveWhenDropped,
        });
        core.describe_stubs()?;
        core.place_dso_handle(LibraryId::MAIN)?;
        Ok(core)
    }

    #[inline(never)]
    pub(crate) fn ledger(&self) -> Guard<'_, Ledger> {
        lock_ranked(&self.ledger, LockRank::Ledger)
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

    /// A unit that is there.
    pub(crate) fn unit(&self, id: UnitKey) -> Result<Arc<Unit>, Error> {
        self.ledger().unit(id).cloned().ok_or(Error::NoUnit)
    }

    /// Forgets what is remembered of names that are gone.
    pub(crate) fn forget_entries(&self, entries: &[EntryId]) {
        self.foresight.forget(entries);
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
        ledger.define_engines_own(id, start);
        Ok(())
    }
}

/// The call adapters that were made, by their IR.
#[derive(Debug, Default)]
pub(crate) struct CallAdapters {
    pub(crate) made: Mutex<HashMap<String, ExecAddr>>,
    pub(crate) next: AtomicU64,
}

/// Whether an entry is a call adapter.
pub(crate) fn is_call_adapter(ledger: &Ledger, id: EntryId) -> bool {
    let library = ledger.entry(id).library;
    library != LibraryId::MAIN && &**ledger.library_name(library) == CALL_ADAPTERS
}

/// The name of the library that call adapters are in.
pub(crate) const CALL_ADAPTERS: &str = "call adapters of the engine";

/// How much the last look left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastLook {
    /// Pieces that were left.
    pub(crate) pieces: usize,
    pub(crate) bytes: u64,
    /// How many looks, this one the last, didn't see all threads: that much was left because of
    /// these, not because anybody holds it.
    pub(crate) unfinished: u32,
}

/// Lets one thread look at a time.
#[derive(Debug, Default)]
pub(crate) struct Reclaimer(rewire_sync::Mutex<LastLook>);

impl Reclaimer {
    pub(crate) fn lock(&self) -> Guard<'_, LastLook> {
        lock_ranked(&self.0, LockRank::Reclaim)
    }

    pub(crate) fn lock_if_free(&self) -> Option<Guard<'_, LastLook>> {
        let guard = rewire_sync::try_lock(&self.0)?;
        Some(Guard::of_free(guard, LockRank::Reclaim))
    }
}
