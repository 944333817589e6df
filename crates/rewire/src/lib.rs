//! An execution engine for LLVM IR that acts as a linker.
//!
//! An [`Engine`] takes IR, and compiles and links each function when it is first called, at a
//! cost that doesn't grow with what is loaded. It keeps, for each name, who defines it, who uses
//! it and where it is now, so that a function can be replaced while the program runs and every
//! caller follows.
//!
//! Names live in libraries ([`Library`]), which search one another, the host process, and ask the
//! client's resolvers ([`Resolver`]). Functions are looked up with their types
//! ([`Library::function`]), or called by types that only the engine knows ([`Library::call`]).
//! [`Library::state`] shows what the ledger knows, [`CompileObserver`] what is compiled and why.
//!
//! With the feature `inkwell`, modules that were built with that crate are taken wherever IR is
//! ([`Ir`]); `examples/inkwell.rs` shows it.
//!
//! The way of a function: `unit` (IR that was added) → `ledger` (its name) → `first_call` →
//! `compile` → `link` → `ledger` again, and a store to its slot.

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

pub use api::code::{MachineCode, Pin};
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
pub use base::ids::{EntryKind, Generation, LibraryId, UnitId};
pub use base::ir::Ir;
pub use base::link_observer::{LinkObserver, LinkRecord, RecordedUse};
pub use base::options::{CodeMapping, Level, OptLevel, Options};
pub use base::recovery::{Recovery, Stopped, StoppedFrame, Unable};
pub use base::report::{Phase, Report};
pub use base::resolver::{Answer, LazyIr, Request, Resolver};
pub use change::{Change, Changed, Mismatch, Replaced, TypeChange};
pub use host::at_exit::at_exit;
pub use introspect::inspect::{
    FunctionSize, Home, InspectedUnit, Inspection, Structor, Symbol, SymbolId, SymbolKind,
    SymbolUse,
};
pub use introspect::state::{Descriptor, FunctionState, SymbolAt, SymbolPlace, User};
pub use ledger::UseAspect;
pub use ledger::unit::UnitInfo;
pub use reclaim::{Reclaimed, RetiredCode};
pub use rewire_llvm::Linkage;
pub use rewire_memory::fault::sigaction;
pub use rewire_memory::scan::{StackRegistration, register_stack};
pub use rewire_memory::{ExecAddr, MapCount, count_maps};
pub use rewire_object::{Binding, RelocKind};

// The examples are tests as well.
#[cfg(all(doctest, feature = "inkwell"))]
#[doc = concat!("```\n", include_str!("../examples/inkwell.rs"), "\n```")]
pub struct InkwellExample;

#[cfg(doctest)]
#[doc = concat!("```\n", include_str!("../examples/repl.rs"), "\n```")]
pub struct ReplExample;

// Any program that uses the engine answers the unwinder for compiled code.
rewire_memory::answer_unwinder!();
