//! Shows people what is loaded and what the engine has done.

pub(crate) mod engine_report;
pub(crate) mod inspect;
pub(crate) mod materials;
pub(crate) mod state;
