//! Stacks for handlers of signals.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{mem, ptr};

use rewire_sync::{Mutex, lock};

use crate::stack;

const SIZE: usize = 64 << 10;

/// Stacks that nobody uses. Not one for each thread: a guard may stand while a thread, or the
/// process, is ending, when its thread-local variables are gone.
static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Whether a handler was ever set that runs on the thread's alternate stack.
static ARE_USED: AtomicBool = AtomicBool::new(false);

/// Notes what a program sets.
pub(super) fn note(action: &libc::sigaction) {
    if action.sa_flags & libc::SA_ONSTACK != 0 {
        ARE_USED.store(true, Ordering::Relaxed);
    }
}

/// The thread's alternate stack is the engine's while this stands.
#[derive(Debug)]
pub struct AlternateStack {
    memory: Vec<u8>,
    before: libc::stack_t,
}

impl AlternateStack {
    /// For a thread that has none: a crash may be an overflow of its own stack.
    pub(super) fn where_none() -> Option<Self> {
        let now = current();
        (now.ss_flags & libc::SS_DISABLE != 0).then(|| Self::instead_of(now))
    }

    /// For a thread that has none, or one that is too small to look at frames on.
    pub(crate) fn where_small() -> Option<Self> {
        let now = current();
        let is_small = now.ss_flags & libc::SS_DISABLE != 0 || now.ss_size < SIZE;
        (is_small && now.ss_flags & libc::SS_ONSTACK == 0).then(|| Self::instead_of(now))
    }

    /// For a thread that has come to a stack of the engine's from its alternate stack, on which it
    /// is handling a signal. The kernel doesn't see that it is there, and would have the next
    /// handler begin at the top of the stack, over the frames of the first.
    #[must_use]
    pub fn where_in_use() -> Option<Self> {
        if !ARE_USED.load(Ordering::Relaxed) {
            return None;
        }
        let from = stack::came_from()?;
        let now = current();
        let low = now.ss_sp as usize;
        let is_there = now.ss_flags & libc::SS_DISABLE == 0 && from.wrapping_sub(low) < now.ss_size;
        is_there.then(|| Self::instead_of(now))
    }

    fn instead_of(before: libc::stack_t) -> Self {
        let free = lock(&FREE).pop();
        let mut memory = free.unwrap_or_else(|| vec![0; SIZE]);
        let stack = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: SIZE,
        };
        // SAFETY: the new stack lives until `drop` has put back the former state.
        unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
        Self { memory, before }
    }
}

fn current() -> libc::stack_t {
    // SAFETY: zeroed bytes are a valid `stack_t`, which the call fills in.
    unsafe {
        let mut now: libc::stack_t = mem::zeroed();
        libc::sigaltstack(ptr::null(), &raw mut now);
        now
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // The program may have set one of its own meanwhile.
        if current().ss_sp == self.memory.as_mut_ptr().cast() {
            // SAFETY: it is what the thread had before.
            unsafe { libc::sigaltstack(&raw const self.before, ptr::null_mut()) };
        }
        let memory = mem::take(&mut self.memory);
        lock(&FREE).push(memory);
    }
}
