//! Tests of live memory through its public interface.

mod scan;
