//! Tests of the engine through its public interface. One binary: LLVM is linked into each.

mod engine;
mod frozen;
mod ledger;
mod replace;
mod support;
mod threads;
