//! An execution engine for LLVM IR that acts as a linker.
//!
//! An [`Engine`] takes IR, and compiles and links each function when the function is first called,
//! at a cost that doesn't grow with the amount of loaded code. For each name, the engine keeps the
//! definition, its users and its addresses, so that a function can be replaced while the program
//! runs, and every caller follows.
//!
//! Names live in libraries ([`Library`]). A library searches itself, the libraries of its search
//! order and the host process, and then asks the client's resolvers ([`Resolver`]). A function is
//! looked up with its Rust type ([`Library::function`]), or called by the type that the engine
//! knows from the IR ([`Library::call`]). [`Library::state`] shows what the engine records for a
//! name; a [`CompileObserver`] is told what is compiled, when and why.
//!
//! If a function can't be compiled or found when it is first called, that call has no error to
//! return, and **the process ends** with exit code 70. To survive it, enter compiled code through
//! [`Library::call`], which returns the error, or set a handler ([`Engine::on_failure`]).
//! [`Library::function`] says what compiling beforehand finds.
//!
//! With the feature `inkwell`, every method that takes IR ([`Ir`]) also takes a module that was
//! built with that crate; `examples/inkwell.rs` shows how.
//!
//! # From a call to code
//!
//! 1. Adding IR ([`Library::add_ir`]) enters its names, and compiles nothing.
//! 2. Each function has a *slot*, a word that holds the address to which calls go. At first it
//!    leads into the engine.
//! 3. So the first call enters the engine, which extracts the function from its module, has LLVM
//!    compile it, and links the object.
//! 4. The engine stores the address of the code in the slot, and later calls go there directly.
//! 5. Replacing the function ([`Library::replace`]) compiles the new body, and ends with the same
//!    store. A [`Change`] does so for several functions at once, and [`Engine::undo`] takes the
//!    latest change back, if [`Options::undo_depth`] says so (it is 0 by default).
//!
//! # Words
//!
//! - *Unit*: what was added in one step, a module of IR ([`UnitId`]).
//! - *Definition in force*: what a name stands for now. New calls go to the body in force; threads
//!   that are inside a former body finish there.
//! - *Generation*: the number of a name's definition ([`Generation`]), which grows by one each time
//!   the name gets another.
//! - *Slot*: the word that holds the address to which calls of a function go.
//! - *Stub*: a few bytes of code that jump through a function's slot.
//! - *Canonical address*: the address that a function has as a pointer. For a function of IR it is
//!   the stub's, so it stays the same through all changes, and calls of it follow them.
//! - *Contract*: what callers may rely on besides the type: the attributes of a function and of its
//!   parameters. A new body has to keep it, unless the change says otherwise
//!   ([`Change::on_type_change`]).
//! - *Frozen*: of a unit that is never replaced ([`Engine::add_ir_frozen`]). It is compiled as a
//!   whole, and other frozen code calls it directly, not through slots.
//! - *Retired*: of code that no new call enters, because it was replaced or removed, and that is
//!   still in memory ([`Engine::retired`]).

mod api;
mod base;
mod change;
mod compile;
mod core;
mod host;
mod introspect;
mod ledger;
mod link;
mod process;
mod reclaim;
mod resolve;

pub use api::archives::Archive;
pub use api::code::{MachineCode, Pin};
pub use api::debugging::{DebuggerListener, PerfListener};
pub use api::dynamic_call::Value;
pub use api::engine::Engine;
pub use api::function::{Data, Function, FunctionPointer, Passed};
pub use api::library::Library;
pub use base::demangle::demangle;
pub use base::error::{Error, Failure};
pub use base::escape::{escape_control, escape_path};
pub use base::events::{
    Compilation, CompileObserver, CompiledFunction, Loaded, PhaseSpan, ReclaimedCode, Removal,
    Replacement, TimeSpan, Wait, Why,
};
pub use base::exit_codes::{EXIT_COMPILE, EXIT_LOAD};
pub use base::function_type::FunctionType;
pub use base::ids::{EntryKind, Generation, LibraryId, UnitId};
pub use base::ir::Ir;
pub use base::link_observer::{LinkObserver, LinkRecord, RecordedUse};
pub use base::listener::{
    CodeId, CodeListener, CodeTier, FunctionPart, LoadedCode, LoadedFunction, LoadedSection,
    LoadedSymbol, UnloadedCode,
};
pub use base::options::{
    CodeMapping, Cpu, HotThresholds, InlineBudget, KnownCpus, Level, OptLevel, Options, Passes,
};
pub use base::recovery::{Recovery, Stopped, StoppedFrame, Unable};
pub use base::report::{Phase, Report};
pub use base::resolver::{Answer, LazyIr, Request, Resolver};
pub use base::tier_events::{TierDecision, TierStep};
pub use base::transform::Transform;
pub use change::{Change, Changed, Mismatch, Replaced, TypeChange};
pub use compile::cache_lookup::CacheLookup;
pub use core::listeners::Listening;
pub use host::at_exit::at_exit;
pub use introspect::inspect::{
    FunctionSize, Home, InspectedUnit, Inspection, Structor, Symbol, SymbolId, SymbolKind,
    SymbolUse,
};
pub use introspect::materials::{BodyMaterials, Material};
pub use introspect::state::{Descriptor, FunctionState, SymbolAt, SymbolPlace, User};
pub use ledger::UseAspect;
pub use ledger::unit::UnitInfo;
pub use reclaim::{Reclaimed, RetiredCode};
/// Where compiled code is kept: [`Options::cache`].
pub use rewire_cache as cache;
pub use rewire_llvm::Linkage;
pub use rewire_memory::fault::sigaction;
pub use rewire_memory::scan::{StackRegistration, register_stack};
pub use rewire_memory::{ExecAddr, MapCount, count_maps};
pub use rewire_object::{Binding, Frame, RelocKind, Segment};
/// Stack maps and exception tables, as [`LoadedCode`] gives them.
pub use rewire_tables as tables;

// The examples are also run as documentation tests.
#[cfg(all(doctest, feature = "inkwell"))]
#[doc = concat!("```\n", include_str!("../examples/inkwell.rs"), "\n```")]
pub struct InkwellExample;

#[cfg(doctest)]
#[doc = concat!("```\n", include_str!("../examples/repl.rs"), "\n```")]
pub struct ReplExample;

// Every program that links this crate exports the hook through which the unwinder finds the frames
// of compiled code.
rewire_memory::answer_unwinder!();
