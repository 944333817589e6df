//! Threads of the engine's own, started on whichever thread of the program's needs them.
//!
//! The standard library's way asks the dynamic loader for functions, and registers thread-local
//! variables of the calling thread; both take the loader's lock, whose holder may wait for the
//! caller.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A thread that was started. It goes on by itself when this is dropped.
#[derive(Debug)]
pub struct Started {
    id: libc::pthread_t,
    is_over: Arc<AtomicBool>,
    was_joined: bool,
}

struct Assignment {
    name: &'static CStr,
    work: Box<dyn FnOnce() + Send>,
    is_over: Arc<AtomicBool>,
}

/// Starts a thread; `None` if there can't be any more. A panic ends only the thread.
pub fn start(
    name: &'static CStr,
    stack: usize,
    work: impl FnOnce() + Send + 'static,
) -> Option<Started> {
    let is_over = Arc::new(AtomicBool::new(false));
    let work = Box::into_raw(Box::new(Assignment {
        name,
        work: Box::new(work),
        is_over: is_over.clone(),
    }));
    // SAFETY: the attributes are initialised before they are used and destroyed after; the thread
    // takes the work over if there is one.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        let mut id: libc::pthread_t = 0;
        let mut status = libc::pthread_attr_init(&raw mut attributes);
        if status == 0 {
            libc::pthread_attr_setstacksize(&raw mut attributes, stack);
            status = libc::pthread_create(&raw mut id, &raw const attributes, run, work.cast());
            libc::pthread_attr_destroy(&raw mut attributes);
        }
        if status != 0 {
            drop(Box::from_raw(work));
            return None;
        }
        Some(Started {
            id,
            is_over,
            was_joined: false,
        })
    }
}

extern "C" fn run(work: *mut c_void) -> *mut c_void {
    // SAFETY: `start` made it for this thread.
    let work = unsafe { Box::from_raw(work.cast::<Assignment>()) };
    // SAFETY: the name is a C string of at most 15 bytes.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), work.name.as_ptr()) };
    let _ = catch_unwind(AssertUnwindSafe(work.work));
    work.is_over.store(true, Ordering::Release);
    ptr::null_mut()
}

impl Started {
    /// Whether its work is done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Whether it is the calling thread.
    #[must_use]
    pub fn is_this(&self) -> bool {
        // SAFETY: no preconditions.
        self.id == unsafe { libc::pthread_self() }
    }

    /// Waits for its end.
    pub fn join(mut self) {
        self.was_joined = true;
        // SAFETY: it was neither joined nor detached.
        unsafe { libc::pthread_join(self.id, ptr::null_mut()) };
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.was_joined {
            // SAFETY: it was neither joined nor detached.
            unsafe { libc::pthread_detach(self.id) };
        }
    }
}
