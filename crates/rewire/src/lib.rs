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

mod asked;
mod assembly_names;
mod change;
mod client;
mod code;
mod compile;
mod compile_queue;
mod condition;
mod core;
mod counting;
mod demangle;
mod eager;
mod engine;
mod error;
mod events;
mod exit_codes;
mod failure;
mod first_call;
mod foreseen;
mod foresight;
mod function;
mod gate;
mod held;
mod host;
mod ids;
mod inspect;
mod ir;
mod labels;
mod ledger;
mod library;
mod link;
mod loading;
mod lookup;
mod modules;
mod observe;
mod observed;
mod options;
mod outside;
mod packed;
mod process;
mod provide;
mod reclaim;
mod recording;
mod recovery;
mod registry;
mod report;
mod resolver;
mod state;
mod sync;
mod timings;
mod uncompiled;
mod unit;
mod workers;

pub use change::{Change, Changed, Mismatch, Replaced, TypeChange};
pub use code::{MachineCode, Pin};
pub use demangle::demangle;
pub use engine::Engine;
pub use error::{Error, Failure};
pub use events::{
    Compilation, CompileObserver, CompiledFunction, Loaded, PhaseSpan, ReclaimedCode, Removal,
    Replacement, TimeSpan, Wait, Why,
};
pub use exit_codes::{EXIT_COMPILE, EXIT_LOAD};
pub use function::{Data, Function, FunctionPointer, Passed};
pub use gate::Value;
pub use ids::{EntryKind, Generation, LibraryId, UnitId};
pub use inspect::{
    FunctionSize, Home, InspectedUnit, Inspection, Structor, Symbol, SymbolId, SymbolKind,
    SymbolUse,
};
pub use ir::Ir;
pub use ledger::UseAspect;
pub use library::Library;
pub use observe::{LinkObserver, LinkRecord, RecordedUse};
pub use options::{CodeMapping, Level, OptLevel, Options};
pub use process::exit::at_exit;
pub use reclaim::{Reclaimed, RetiredCode};
pub use recovery::{Recovery, Stopped, StoppedFrame, Unable};
pub use report::{Phase, Report};
pub use resolver::{Answer, LazyIr, Request, Resolver};
pub use rewire_llvm::Linkage;
pub use rewire_memory::fault::sigaction;
pub use rewire_memory::scan::{StackRegistration, register_stack};
pub use rewire_memory::{ExecAddr, MapCount, count_maps};
pub use rewire_object::{Binding, RelocKind};
pub use state::{Descriptor, FunctionState, SymbolAt, SymbolPlace, User};
pub use unit::UnitInfo;

// The examples are tests as well.
#[cfg(all(doctest, feature = "inkwell"))]
#[doc = concat!("```\n", include_str!("../examples/inkwell.rs"), "\n```")]
pub struct InkwellExample;

#[cfg(doctest)]
#[doc = concat!("```\n", include_str!("../examples/repl.rs"), "\n```")]
pub struct ReplExample;

// Any program that uses the engine answers the unwinder for compiled code.
rewire_memory::answer_unwinder!();
