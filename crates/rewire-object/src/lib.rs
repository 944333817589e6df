//! Object bytes to link graph, layout and fixed-up bytes; no LLVM and no live memory.
#![forbid(unsafe_code)]
