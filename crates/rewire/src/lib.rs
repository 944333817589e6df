//! An execution engine for LLVM IR that acts as a linker.
