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
mod diagnostics;
mod error;
mod ffi;
mod index;
mod initialisers;
mod module;
pub mod names;
mod types;
mod verification;

pub use bitcode::verified_bitcode;
pub use call_plan::CallPlan;
pub use codegen::{Codegen, Level};
pub use contents::{Contents, GlobalUse};
pub use contract::Contract;
pub use diagnostics::set_fatal_error_hook;
pub use error::LlvmError;
pub use index::{CoroutinePart, Global, GlobalKind, Linkage, ModuleIndex, Structor, Visibility};
pub use initialisers::Initialiser;
pub use module::{Extracted, GlobalState, Module, Ordinal, Source, Verified};
pub use types::TypeId;
