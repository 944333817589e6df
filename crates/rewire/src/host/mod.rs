//! The host process: its symbols, its threads and their thread-local memory, forks, and exit.

pub(crate) mod at_exit;
pub(crate) mod condition;
pub(crate) mod fork_lock;
pub(crate) mod last_thread;
pub(crate) mod running_code;
pub(crate) mod symbols;
pub(crate) mod thread_local;
