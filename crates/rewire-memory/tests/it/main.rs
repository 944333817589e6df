//! Tests of live memory through its public interface.

mod assembly;
mod scan;
