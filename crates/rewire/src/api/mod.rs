//! The types that clients hold: engines, libraries, typed functions and variables, pins, and values
//! whose types are known only at run time.

pub(crate) mod archives;
pub(crate) mod code;
pub(crate) mod debugging;
pub(crate) mod dynamic_call;
pub(crate) mod engine;
pub(crate) mod function;
pub(crate) mod inlining;
pub(crate) mod levels;
pub(crate) mod library;
pub(crate) mod listening;
pub(crate) mod objects;
