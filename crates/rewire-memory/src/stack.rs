//! Stacks for the engine to work on.
//!
//! Compiled code may call a function for the first time from a stack of a few kilobytes
//! (coroutines, threads of minimum size), and LLVM needs dozens. So the engine works on stacks of
//! its own, kept for the next use.

use std::cell::Cell;
use std::sync::Mutex;

/// Address space of a stack; pages are committed as they are touched.
const SIZE: usize = 8 << 20;
const GUARD: usize = 4096;

#[derive(Clone, Copy)]
struct Current {
    low: usize,
    high: usize,
    /// How many entries into the engine work on it, one within the other.
    depth: usize,
}

const NONE: Current = Current {
    low: 0,
    high: 0,
    depth: 0,
};

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(NONE) };
}

/// Lowest addresses of the stacks that nobody uses.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn take() -> Option<usize> {
    let free = FREE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .pop();
    free.or_else(map)
}

fn map() -> Option<usize> {
    // SAFETY: a fresh private mapping.
    unsafe {
        let start = libc::mmap(
            std::ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
            -1,
            0,
        );
        if start == libc::MAP_FAILED {
            return None;
        }
        libc::mprotect(start, GUARD, libc::PROT_NONE);
        Some(start as usize)
    }
}

/// Called on the stack of compiled code, of which `stack_pointer` is an address: where to move
/// the stack pointer, or 0 to stay (already on a stack of the engine's, or none to be had).
pub(crate) extern "C" fn enter(stack_pointer: usize) -> usize {
    let current = CURRENT.get();
    if (current.low..current.high).contains(&stack_pointer) {
        CURRENT.set(Current {
            depth: current.depth + 1,
            ..current
        });
        return 0;
    }
    let Some(low) = take() else {
        // Work where we are; the entry counts all the same, so that `leave` is balanced.
        CURRENT.set(Current {
            low: stack_pointer,
            high: stack_pointer,
            depth: 1,
        });
        return 0;
    };
    let high = low + SIZE;
    // The former state lies at the top of the new stack.
    let saved = (high - 64) as *mut Current;
    // SAFETY: the stack is mapped and ours alone.
    unsafe { saved.write(current) };
    CURRENT.set(Current {
        low,
        high,
        depth: 1,
    });
    high - 64
}

/// Called back on the stack of compiled code.
pub(crate) extern "C" fn leave() {
    let current = CURRENT.get();
    if current.depth > 1 {
        CURRENT.set(Current {
            depth: current.depth - 1,
            ..current
        });
        return;
    }
    if current.low == current.high {
        CURRENT.set(NONE);
        return;
    }
    let saved = (current.high - 64) as *const Current;
    // SAFETY: `enter` wrote it there, and the engine's frames began below.
    CURRENT.set(unsafe { saved.read() });
    let mut free = FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    free.push(current.low);
}

/// Makes sure that nobody else holds the list of stacks, for the time of a fork.
pub(crate) fn lock_for_fork() -> std::sync::MutexGuard<'static, Vec<usize>> {
    FREE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_nest() {
        let top = enter(1234);
        assert_ne!(top, 0);
        assert_eq!(enter(top - 100), 0);
        leave();
        let other = enter(5678);
        assert!(other != 0 && other != top);
        leave();
        assert_eq!(enter(top - 100), 0, "back on the first one");
        leave();
        leave();
        assert_eq!(CURRENT.get().depth, 0);
    }
}
