//! [`Core`]: the data of an engine, shared by all of its parts.

pub(crate) mod compile_queue;
pub(crate) mod exit_functions;
pub(crate) mod frames;
pub(crate) mod kept_code;
pub(crate) mod kept_images;
pub(crate) mod kept_modules;
pub(crate) mod lifetime;
pub(crate) mod listeners;
pub(crate) mod loading;
pub(crate) mod observations;
pub(crate) mod outside_request;
pub(crate) mod program_state;
pub(crate) mod recording;
pub(crate) mod registry;
pub(crate) mod structors;
pub(crate) mod sure_calls;
pub(crate) mod tiers;
pub(crate) mod timings;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use rewire_llvm::{Codegen, Cpu, InlineBudget, Level, Passes};
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
use crate::base::transform::Transform;
use crate::core::compile_queue::Workers;
use crate::core::frames::Frames;
use crate::core::kept_code::KeptCode;
use crate::core::listeners::Listeners;
use crate::core::program_state::Process;
use crate::core::sure_calls::Foresight;
use crate::core::tiers::{HotFunction, Tiers};
use crate::core::timings::Timings;
use crate::host::condition::Condition;
use crate::host::fork_lock;
use crate::host::running_code::HANDLE;
use crate::host::symbols::HostSymbol;
use crate::ledger::unit::Unit;
use crate::ledger::{
    Definition, Demangled, EntryId, History, Ledger, LibraryId, PlacedDefinition, ThreadKey,
};

/// The size in bytes of a `__dso_handle`.
const HANDLE_SIZE: u64 = 8;

/// The data of an engine. Fields are dropped in their order.
pub(crate) struct Core {
    /// Identifies the engine in the process.
    pub(crate) number: EngineNumber,
    /// A weak reference to itself, for threads that work for it as long as it exists.
    pub(crate) me: Weak<Self>,
    _enter: fork_lock::EnterWhenDropped,
    pub(crate) memory: Arc<CodeMemory>,
    pub(crate) slots: Slots,
    ledger: Mutex<Ledger>,
    /// Notified whenever something changes that threads wait for, such as a claimed definition.
    pub(crate) changed: Condition,
    pub(crate) unwind: UnwindTable,
    codegens: Mutex<Vec<Codegen>>,
    /// What code generators are made for, and with.
    cpu: Cpu,
    passes: BTreeMap<Level, Passes>,
    /// How many bodies are at hand for inlining, if the client has said so.
    inline_budget: Option<InlineBudget>,
    /// The client's change of functions' IR.
    pub(crate) transform: Option<Transform>,
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) frames: Frames,
    pub(crate) guard_crashes: bool,
    pub(crate) observer: Option<Arc<dyn LinkObserver>>,
    pub(crate) compile_observer: Option<Arc<dyn CompileObserver>>,
    /// Who is told of code that is loaded and unloaded.
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) timings: Timings,
    /// The cache of compiled code, if the client gave one.
    pub(crate) kept: Option<KeptCode>,
    pub(crate) process: Process,
    pub(crate) foresight: Foresight,
    pub(crate) workers: Workers,
    /// Units whose named sections and constructors weren't placed and planned yet.
    pub(crate) fresh: Mutex<Vec<Arc<Unit>>>,
    /// The resolvers of each library, in the order in which they are asked.
    pub(crate) resolvers: RwLock<HashMap<LibraryId, Vec<Arc<dyn Resolver>>>>,
    /// The client's handler, which is asked what to run instead of a function that failed.
    pub(crate) failure_handler: RwLock<Option<Arc<FailureHandler>>>,
    pub(crate) call_adapters: CallAdapters,
    pub(crate) demangled: Demangled,
    pub(crate) history: History,
    pub(crate) reclaimer: Reclaimer,
    pub(crate) above: Above,
    _leave: fork_lock::LeaveWhenDropped,
}

/// Replaces a function, given its library, its name and the IR of its new body.
type ReplaceBody = fn(&Core, LibraryId, &Arc<str>, &[u8]) -> Result<(), Error>;

/// Functions of higher modules that lower modules call. The code that creates an engine supplies
/// them.
#[derive(Clone, Copy)]
pub(crate) struct Above {
    /// Handles the first call of a function by compiled code.
    pub(crate) first_call: entry::Handler,
    /// Compiles a function before it is called.
    pub(crate) compile_ahead: fn(&Core, EntryId),
    /// Compiles a hot function again.
    pub(crate) optimise: fn(&Core, HotFunction),
    /// Looks a name up in the host; the flag says whether it is a thread-local variable.
    pub(crate) host_symbol: fn(&str, bool) -> Option<HostSymbol>,
    /// Places in memory what units need before their code runs.
    pub(crate) place: fn(&Core, &[Arc<Unit>]) -> Result<(), Error>,
    /// Runs what the program has registered for its end, because no client holds the engine any
    /// more.
    pub(crate) end: fn(&Arc<Core>),
    /// Replaces a function that is being called by the new body that a client's closure made for
    /// it.
    pub(crate) renew: ReplaceBody,
    /// Frees what it can, because a region of memory is full.
    pub(crate) make_room: fn(&Core),
}

// A panic doesn't leave broken data under a lock: only the client's code unwinds, and it runs
// without locks.
impl std::panic::UnwindSafe for Core {}
impl std::panic::RefUnwindSafe for Core {}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if !self.listeners.are_any() {
            return;
        }
        let told = {
            let _no_fork = fork_lock::enter_engine();
            self.ledger().take_told()
        };
        let _outside = fork_lock::outside();
        for load in &told {
            load.tell_unloaded();
        }
    }
}

impl Core {
    pub(crate) fn new(options: Options, above: Above) -> Result<Arc<Self>, Error> {
        {
            // Reading the loader's list of libraries takes the loader's lock.
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
            frames: Frames::default(),
            tiers: Arc::new(Tiers::new(options.level, options.hot, options.stress)),
            kept: KeptCode::new(&options),
            guard_crashes: options.guard_crashes,
            observer: options.observer,
            timings: Timings::new(options.compile_observer.is_some()),
            compile_observer: options.compile_observer,
            listeners: Arc::default(),
            process: Process::default(),
            foresight: Foresight::default(),
            workers: Workers::new(options.threads),
            fresh: Mutex::default(),
            cpu: options.cpu,
            passes: options.passes,
            inline_budget: options.inline_budget,
            transform: options.transform,
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

    /// How many bodies are at hand for inlining at a level.
    pub(crate) fn inline_budget(&self, level: Level) -> InlineBudget {
        match (InlineBudget::of(level), self.inline_budget) {
            (usual, Some(chosen)) if !usual.is_none() => chosen,
            (usual, _) => usual,
        }
    }

    #[inline(never)]
    pub(crate) fn ledger(&self) -> Guard<'_, Ledger> {
        lock_ranked(&self.ledger, LockRank::Ledger)
    }

    /// Forgets what other threads had begun, in a forked child, where those threads don't exist.
    pub(crate) fn forget_other_threads(&self) {
        self.ledger().forget_other_threads(ThreadKey::mine());
    }

    /// Waits for compile threads to finish before the process ends, if there are observers, so that
    /// they are told everything.
    pub(crate) fn finish_observed(&self) {
        if self.observer.is_some() || self.compile_observer.is_some() {
            self.workers.finish();
        }
    }

    /// Begins a crash guard for LLVM's reading of a module, if the client wants one.
    pub(crate) fn guard_reading(&self, module: &str) -> Option<CrashGuard> {
        self.guard_crashes.then(|| {
            let message = format!("error: {module}: LLVM crashed while it read this\n");
            CrashGuard::new(message, crate::EXIT_LOAD)
        })
    }

    /// Makes no image of the program from now on, because what is in memory isn't what the files
    /// say.
    pub(crate) fn stop_keeping_image(&self) {
        if let Some(kept) = &self.kept {
            kept.images.stop();
            self.ledger().forget_kept_blocks();
        }
    }

    /// Returns a unit, or an error if it was freed.
    pub(crate) fn unit(&self, id: UnitKey) -> Result<Arc<Unit>, Error> {
        self.ledger().unit(id).cloned().ok_or(Error::NoUnit)
    }

    /// Forgets what is recorded elsewhere for names that were removed.
    pub(crate) fn forget_entries(&self, entries: &[EntryId]) {
        self.foresight.forget(entries);
        self.tiers.forget(entries);
    }

    /// Runs `work` with an idle code generator of a level, or a new one.
    pub(crate) fn with_codegen<R>(
        &self,
        level: Level,
        work: impl FnOnce(&mut Codegen) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let free = {
            let mut codegens = lock(&self.codegens);
            let place = codegens.iter().rposition(|one| one.level() == level);
            place.map(|place| codegens.swap_remove(place))
        };
        let mut codegen = match free {
            Some(codegen) => codegen,
            None => Codegen::with(level, &self.cpu, self.passes.get(&level))?,
        };
        let result = work(&mut codegen);
        if !codegen.is_lost() {
            lock(&self.codegens).push(codegen);
        }
        result
    }

    /// Registers the frames of stubs with the unwinder, because unwinding passes through a stub
    /// during a first call. The description is in read-only memory. Stubs lie above all code, and
    /// have a table of their own.
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

    /// Allocates memory for a variable that the engine itself defines.
    pub(crate) fn place_variable(&self, bytes: &[u8]) -> Result<ExecAddr, Error> {
        let size = bytes.len() as u64;
        let mut memory = self.memory.allocate(RegionKind::Data, size, 16)?;
        memory.write(bytes)?;
        Ok(memory.keep().start)
    }

    /// Removes a library whose units have left.
    pub(crate) fn forget_library(&self, library: LibraryId) {
        let handle = self.ledger().forget_library(library, &self.slots);
        self.demangled.forget(library);
        let Some(start) = handle else { return };
        // SAFETY: no code was linked with it, and nothing has looked it up.
        let given = unsafe {
            self.memory
                .free(RegionKind::Data, start..start + HANDLE_SIZE)
        };
        if let Err(error) = given {
            tracing::warn!(%error, "a library's handle was not given back");
        }
    }

    /// Defines a library's `__dso_handle`, by which statically linked libraries identify the
    /// program's object (Itanium C++ ABI, section 3.3.6.3): any unique address.
    pub(crate) fn place_dso_handle(&self, library: LibraryId) -> Result<(), Error> {
        let start = self.place_variable(&[0; HANDLE_SIZE as usize])?;
        let mut ledger = self.ledger();
        let id = ledger.find_or_enter(library, &Arc::from(HANDLE));
        ledger.define_engines_own(id, start);
        Ok(())
    }
}

/// The compiled call adapters, by their IR.
#[derive(Debug, Default)]
pub(crate) struct CallAdapters {
    pub(crate) made: Mutex<HashMap<String, ExecAddr>>,
    pub(crate) next: AtomicU64,
}

/// Whose frame is on a stack, of those of compiled code.
pub(crate) enum FrameOwner {
    /// A function's body.
    Function(PlacedDefinition),
    /// The engine's: below an adapter is the client that called.
    Engine,
}

/// Whose code an address is in; `None` if it isn't compiled code. `inside` a frame is the byte
/// before its return address.
pub(crate) fn frame_owner(ledger: &Ledger, inside: ExecAddr) -> Option<FrameOwner> {
    let (_, defined) = ledger.definition_at(inside)?;
    let is_engines = matches!(
        ledger.entry(defined.entry).definition(),
        Definition::PrefixedStub(..)
    ) || is_call_adapter(ledger, defined.entry);
    Some(match is_engines {
        true => FrameOwner::Engine,
        false => FrameOwner::Function(defined),
    })
}

/// Whether an entry is a call adapter.
fn is_call_adapter(ledger: &Ledger, id: EntryId) -> bool {
    let library = ledger.entry(id).library();
    library != LibraryId::MAIN && &**ledger.library_name(library) == CALL_ADAPTERS
}

/// The name of the library that contains the call adapters.
pub(crate) const CALL_ADAPTERS: &str = "call adapters of the engine";

/// What the last scan left unfreed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastLook {
    /// The number of items that were left.
    pub(crate) pieces: usize,
    pub(crate) bytes: u64,
    /// The number of consecutive scans, up to the last one, that didn't see all threads. What they
    /// left was left for that reason, not because something holds it.
    pub(crate) unfinished: u32,
}

/// Allows one thread at a time to reclaim memory.
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
