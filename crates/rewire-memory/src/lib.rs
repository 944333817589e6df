//! Live memory of a JIT: reserve, write, publish, slots, stubs and registration.
