//! The process underneath: the names it has, its threads and their memory, forks, and its exit.

pub(crate) mod at_exit;
pub(crate) mod condition;
pub(crate) mod fork_lock;
pub(crate) mod last_thread;
pub(crate) mod running_code;
pub(crate) mod symbols;
pub(crate) mod thread_local;
