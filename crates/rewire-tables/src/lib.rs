//! Stack maps and exception tables: bytes to typed, compact, indexed data; no LLVM and no live
//! memory.
//!
//! - [`StackMap`] reads a `.llvm_stackmaps` section (LLVM's "Stack maps and patch points", format
//!   version 3) into functions and records. Nothing is copied.
//! - [`Statepoint`] reads a record as one of a `gc.statepoint`: its deoptimisation state, and the
//!   pairs of base and derived pointers.
//! - [`SafepointTable`] keeps what a collector needs of many statepoints in few bytes, and finds it
//!   by a return address, without a lock and without allocating.
//! - [`frame_table`] finds a function's exception table by its frame description.
//! - [`ExceptionTable`] reads the language-specific data area of one function, as C++, Rust and
//!   other languages have it in `.gcc_except_table` (Itanium C++ ABI: Exception Handling, and the
//!   LSDA format that GCC and LLVM share): call sites, landing pads, actions, types, filters.
//!
//! Each reader takes bytes that needn't be well-formed. Malformed bytes give a [`TableError`] that
//! names the offset, never a panic.
//!
//! The bytes have to be linked: addresses in them must be the final ones. Of an object file that
//! isn't linked, the addresses are 0 or relative to what a relocation names.
#![forbid(unsafe_code)]

mod encoded;
mod error;
mod exception_table;
mod frame_table;
mod reader;
mod safepoints;
mod stack_map;
mod statepoint;

pub use encoded::TypeInfo;
pub use error::{TableError, TableKind, TableProblem};
pub use exception_table::{
    Action, Actions, CallSite, CallSites, ExceptionTable, FilterTypes, Protection,
};
pub use frame_table::frame_table;
pub use safepoints::{
    DeoptState, Root, RootLocation, Roots, Safepoint, SafepointTable, StackObjects,
};
pub use stack_map::{
    LiveOut, LiveOuts, Location, Locations, MapFunction, MapFunctions, MapRecord, MapRecords,
    StackMap,
};
pub use statepoint::{BaseRegister, DeoptValue, StackSlot, Statepoint};
