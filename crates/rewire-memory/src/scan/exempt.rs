//! Threads that never run compiled code.

use std::marker::PhantomData;

use rewire_sync::{Mutex, MutexGuard};

use super::procfs::Tasks;

/// Thread numbers, and when these threads began: numbers are given again.
static EXEMPT: Mutex<Vec<(i32, u64)>> = Mutex::new(Vec::new());

pub(super) fn lock() -> MutexGuard<'static, Vec<(i32, u64)>> {
    rewire_sync::lock(&EXEMPT)
}

/// While it lives, [`scan`](super::scan) doesn't look at the thread that made it.
#[derive(Debug)]
#[must_use]
pub struct Exemption {
    tid: i32,
    _not_send: PhantomData<*const ()>,
}

/// Promises that this thread doesn't run compiled code, nor anything on a registered stack, while
/// the guard stands: for threads that only compile.
pub fn exempt_this_thread() -> Exemption {
    // SAFETY: no preconditions.
    let tid = unsafe { libc::gettid() };
    let started = Tasks::open().ok().and_then(|tasks| tasks.started(tid));
    // Where that can't be read, the thread is looked at.
    if let Some(started) = started {
        lock().push((tid, started));
    }
    Exemption {
        tid,
        _not_send: PhantomData,
    }
}

impl Drop for Exemption {
    fn drop(&mut self) {
        let mut exempt = lock();
        if let Some(place) = exempt.iter().position(|(tid, _)| *tid == self.tid) {
            exempt.swap_remove(place);
        }
    }
}
