//! All that touches LLVM: index a module, extract one function, optimise, emit an object.
