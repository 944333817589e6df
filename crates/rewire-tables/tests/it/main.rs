//! Tests over tables that LLVM's tools, clang and gcc make; one binary for all.

mod bytes;
mod exception_tables;
mod fuzz;
mod malformed;
mod personality;
mod stack_maps;
mod support;
