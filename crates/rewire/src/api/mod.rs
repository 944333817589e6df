//! What clients hold: engines, libraries, functions, values of types known only at run time.

pub(crate) mod code;
pub(crate) mod dynamic_call;
pub(crate) mod engine;
pub(crate) mod function;
pub(crate) mod library;
