//! Tests over objects that `clang-22` assembles; one binary for all.

mod discard;
mod frames;
mod fuzz;
mod kinds;
mod malformed;
mod parsing;
mod relaxing;
mod support;
mod thread;
