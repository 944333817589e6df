//! What is loaded and what was done, for people who want to see it.

pub(crate) mod engine_report;
pub(crate) mod inspect;
pub(crate) mod state;
