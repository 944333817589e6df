//! Tests of the engine through its public interface. One binary: LLVM is linked into each.
#![cfg_attr(rewire_tsan, no_main)]

mod aliases;
mod brought_units;
mod changes;
mod changing;
mod contending;
mod coroutines;
mod dropping;
mod endless;
mod engine;
mod footprint;
mod forking_beside;
mod frozen;
mod fuzz;
mod giving_up;
mod handing_back;
mod handles;
mod held;
mod inlining;
mod inspect;
mod labels;
mod ledger;
mod libraries;
mod looking_up;
mod observer;
mod placing;
mod rebinding;
mod recovering;
mod removing;
mod replace;
mod retiring;
mod static_objects;
mod stress;
mod support;
mod threads;
mod tiers;
mod together;
#[cfg(rewire_tsan)]
mod tsan;
mod types;
mod undoing;
mod unforeseen;
mod users_in_force;
mod variables;
#[cfg(feature = "inkwell")]
mod verifying;
