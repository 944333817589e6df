//! Tests of the engine through its public interface. One binary: LLVM is linked into each.
#![cfg_attr(rewire_tsan, no_main)]

mod changes;
mod changing;
mod endless;
mod engine;
mod frozen;
mod inspect;
mod ledger;
mod libraries;
mod observer;
mod replace;
mod stress;
mod support;
mod threads;
#[cfg(rewire_tsan)]
mod tsan;
