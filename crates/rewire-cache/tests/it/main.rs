//! Tests of the cache over its public interface.

mod child;
mod damage;
mod disk;
mod failures;
mod fuzz;
mod keys;
mod killed;
mod limits;
mod support;
