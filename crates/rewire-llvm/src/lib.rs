//! All that touches LLVM: index a module, extract one function, optimise it, emit an object.
//!
//! ```text
//! Source --Module::read()--> Module --Module::index()--> ModuleIndex   (no body is read)
//!                            Module --Module::extract()--> Extracted   (one body, what it needs)
//! Extracted --Codegen::optimise()--> --Codegen::emit()--> object bytes
//! ```
//!
//! At its border stand plain bytes and Rust types. A [`Module`] owns the `LLVMContext` it lives
//! in, so whoever holds the module works without a lock; copies of a module read from the same
//! [`Source`] number their globals alike ([`Ordinal`]).
//!
//! An extracted module names globals so that the linker can tell what they mean; [`names`] is the
//! grammar.
//!
//! What is deliberately absent: linking, live memory, and any idea of which definition of a name
//! is the right one: the engine says so with [`GlobalState`].

mod bitcode;
mod call_plan;
mod codegen;
mod contents;
mod context;
mod contract;
mod cpu;
mod diagnostics;
mod error;
mod extraction;
mod ffi;
mod function_contracts;
mod global_state;
mod host;
mod identity;
mod imports;
mod index;
mod index_bytes;
mod initialisers;
mod inline_budget;
mod known_types;
mod level;
mod loops;
mod module;
pub mod names;
mod ordinal;
mod passes;
mod refusal;
mod source;
mod start;
mod transformed;
mod type_id;
mod types;
mod verification;

pub use bitcode::verified_bitcode;
pub use call_plan::CallPlan;
pub use codegen::Codegen;
pub use contents::{Contents, GlobalUse};
pub use contract::Contract;
pub use cpu::{Cpu, KnownCpus};
pub use error::LlvmError;
pub use extraction::Extracted;
pub use global_state::GlobalState;
pub use identity::{CODEGEN_VERSION, IdentityPart, LLVM_VERSION};
pub use imports::{Exported, Import, ImportSource, ImportedName};
pub use index::{
    CoroutinePart, Global, GlobalKind, Linkage, ModuleIndex, ObjectTraits, Structor, Visibility,
};
pub use initialisers::Initialiser;
pub use inline_budget::InlineBudget;
pub use level::Level;
pub use loops::FrameLayout;
pub use module::{Module, Verified};
pub use ordinal::Ordinal;
pub use passes::Passes;
pub use source::Source;
pub use start::set_fatal_error_hook;
pub use type_id::TypeId;
