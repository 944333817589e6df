//! Live memory of the engine: reserve, write, slots and stubs, entry from compiled code, unwind
//! registration. The unsafe of the project lives here, behind safe types.
//!
//! - [`CodeMemory`] is one reserved range near libc, cut into regions of one protection each.
//!   No page of it is ever writable and executable, and no page changes its protection once it
//!   is in use: code is written through a second view of it, and what else can't be written where
//!   it lies, through `/proc/self/mem`.
//! - [`Slots`] gives each function a slot and a stub: the stub's address is the function's
//!   canonical address, and a store to the slot retargets every call.
//! - [`entry`] is what a fresh slot leads to: it saves all registers, moves to a stack of the
//!   engine's, and calls the engine.
//! - [`unwind`] answers the unwinder for code that was published.
//! - [`scan`](mod@scan) tells which pieces of retired code a thread may still return into.
//! - [`fault`] turns a crash of LLVM into an error message; [`leave`] comes back from one of
//!   compiled code.
//! - [`global_scope`] finds names in the process without the dynamic loader's lock.

mod barrier;
pub mod entry;
mod error;
pub mod fault;
mod fork_mark;
pub mod futex;
pub mod global_scope;
pub mod leave;
mod limits;
mod maps;
mod memory;
mod mirror;
#[cfg(all(test, loom))]
mod models;
mod page;
mod readers;
mod region;
mod region_kind;
pub mod scan;
pub mod signals;
mod slots;
mod space;
mod stack;
mod swap;
mod sync;
pub mod thread;
pub mod unwind;
mod valgrind;
mod writer;

pub use error::MemoryError;
pub use limits::memory_limits;
pub use maps::{MapCount, count_maps};
pub use memory::{CodeMapping, CodeMemory, Reserved, Usage};
pub use region_kind::RegionKind;
pub use rewire_object::ExecAddr;
pub use slots::{SlotId, Slots};
