//! Tests of the cache over its public interface.

mod disk;
mod keys;
mod support;
