//! Stacks for the engine to work on.
//!
//! Compiled code may call a function for the first time from a stack of a few kilobytes
//! (coroutines, threads of minimum size), and LLVM needs dozens. So the engine works on stacks of
//! its own, kept for the next use.
//!
//! What a thread does on such a stack hides the frames of compiled code on the stack that it came
//! from. So each stack notes at its top whose it is and where that left its own, for
//! [`crate::scan`].

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, compiler_fence};

use rewire_sync::{Mutex, lock};

use crate::page::PAGE;

/// Address space of a stack; pages are committed as they are touched.
const SIZE: usize = 8 << 20;
const GUARD: usize = PAGE as usize;

#[derive(Clone, Copy)]
struct CurrentStack {
    low: usize,
    high: usize,
    /// How many entries into the engine work on it, one within the other.
    depth: usize,
}

const NONE: CurrentStack = CurrentStack {
    low: 0,
    high: 0,
    depth: 0,
};

thread_local! {
    static CURRENT: Cell<CurrentStack> = const { Cell::new(NONE) };
}

/// What lies at the top of each stack. It is read by other threads, so all but `before` is atomic;
/// stacks are never unmapped.
#[repr(C)]
struct Head {
    /// The state of the thread before it came here.
    before: Cell<CurrentStack>,
    /// The stack pointer on the stack that it came from.
    from: AtomicUsize,
    /// The thread pointer of the thread that works here (psABI, section 3.4.6), or 0.
    owner: AtomicU64,
    /// Where the stack mapped before this one ends, or 0.
    next: AtomicUsize,
}

const HEAD_SIZE: usize = 64;
const _: () = assert!(size_of::<Head>() <= HEAD_SIZE);

/// Where the last stack that was mapped ends.
static LAST: AtomicUsize = AtomicUsize::new(0);

/// What the stack that ends at `high` says of itself.
///
/// # Safety
///
/// The caller must ensure that a stack of the engine's ends at `high`.
unsafe fn head<'a>(high: usize) -> &'a Head {
    // SAFETY: as the caller promises; zeroed bytes are a valid head.
    unsafe { &*((high - HEAD_SIZE) as *const Head) }
}

/// The calling thread's thread pointer.
pub(crate) fn thread_pointer() -> u64 {
    let pointer;
    // SAFETY: the word at the thread pointer is the thread pointer itself (psABI, section 3.4.6).
    unsafe {
        std::arch::asm!(
            "mov {}, qword ptr fs:[0]",
            out(reg) pointer,
            options(nostack, preserves_flags, readonly)
        );
    }
    pointer
}

/// Lowest addresses of the stacks that nobody uses.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn take() -> Option<usize> {
    let free = lock(&FREE).pop();
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
        let low = start as usize;
        let this = head(low + SIZE);
        let mut last = LAST.load(Ordering::Relaxed);
        loop {
            this.next.store(last, Ordering::Relaxed);
            let place = low + SIZE;
            match LAST.compare_exchange(last, place, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => last = now,
            }
        }
        Some(low)
    }
}

/// Called on the stack of compiled code, of which `stack_pointer` is an address: where to move
/// the stack pointer, or 0 to stay (already on a stack of the engine's, or none to be had).
pub(crate) extern "C" fn enter(stack_pointer: usize) -> usize {
    let current = CURRENT.get();
    if (current.low..current.high).contains(&stack_pointer) {
        CURRENT.set(CurrentStack {
            depth: current.depth + 1,
            ..current
        });
        return 0;
    }
    let Some(low) = take() else {
        // Work where we are; the entry counts all the same, so that `leave` is balanced.
        CURRENT.set(CurrentStack {
            low: stack_pointer,
            high: stack_pointer,
            depth: 1,
        });
        return 0;
    };
    let high = low + SIZE;
    // SAFETY: it is one of ours.
    let head = unsafe { head(high) };
    head.before.set(current);
    head.from.store(stack_pointer, Ordering::Relaxed);
    head.owner.store(thread_pointer(), Ordering::Release);
    // A signal handler may look at any time (`chain`).
    compiler_fence(Ordering::SeqCst);
    CURRENT.set(CurrentStack {
        low,
        high,
        depth: 1,
    });
    high - HEAD_SIZE
}

/// Called back on the stack of compiled code.
pub(crate) extern "C" fn leave() {
    let current = CURRENT.get();
    if current.depth > 1 {
        CURRENT.set(CurrentStack {
            depth: current.depth - 1,
            ..current
        });
        return;
    }
    if current.low == current.high {
        CURRENT.set(NONE);
        return;
    }
    // SAFETY: `enter` set it.
    let head = unsafe { head(current.high) };
    CURRENT.set(head.before.get());
    compiler_fence(Ordering::SeqCst);
    head.owner.store(0, Ordering::Release);
    let mut free = lock(&FREE);
    free.push(current.low);
}

/// Makes sure that nobody else holds the list of stacks, for the time of a fork.
pub(crate) fn lock_for_fork() -> rewire_sync::MutexGuard<'static, Vec<usize>> {
    lock(&FREE)
}

/// A stack of the engine's that a thread works on, and where it left the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InUse {
    pub(crate) low: u64,
    /// Behind its head, so that a thread which has just come here, and has pushed nothing yet, is
    /// on it.
    pub(crate) high: u64,
    /// The stack pointer at which the thread left the stack that it was on.
    pub(crate) from: u64,
    /// The thread pointer of the thread.
    pub(crate) owner: u64,
}

impl InUse {
    /// # Safety
    ///
    /// The caller must ensure that a stack of the engine's ends at `high`.
    unsafe fn of(high: usize) -> Self {
        // SAFETY: as the caller promises.
        let head = unsafe { head(high) };
        Self {
            low: (high - SIZE) as u64,
            high: high as u64,
            from: head.from.load(Ordering::Relaxed) as u64,
            owner: head.owner.load(Ordering::Acquire),
        }
    }

    pub(crate) fn range(&self) -> Range<u64> {
        self.low..self.high
    }
}

/// The stacks that the calling thread works on, innermost first, written into `into`: how many,
/// or `None` when that isn't known (it works where it was, for want of memory, or there are too
/// many). Safe in a signal handler.
pub(crate) fn chain(into: &mut [InUse]) -> Option<usize> {
    let mut current = CURRENT.get();
    let mut count = 0;
    while current.high != 0 {
        if current.low == current.high {
            return None;
        }
        // SAFETY: `enter` set it.
        unsafe {
            *into.get_mut(count)? = InUse::of(current.high);
            current = head(current.high).before.get();
        }
        count += 1;
    }
    Some(count)
}

/// The stack pointer at which the calling thread left the stack that it was on, if it is on one of
/// the engine's.
pub(crate) fn came_from() -> Option<usize> {
    let current = CURRENT.get();
    if current.low == current.high {
        return None;
    }
    // SAFETY: `enter` set it.
    Some(unsafe { head(current.high) }.from.load(Ordering::Relaxed))
}

/// All stacks that threads work on at this moment. Takes no lock.
pub(crate) fn in_use() -> impl Iterator<Item = InUse> {
    let mut high = LAST.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        while high != 0 {
            // SAFETY: it ends one of ours, as all in the list do.
            let (one, next) = unsafe { (InUse::of(high), head(high).next.load(Ordering::Relaxed)) };
            high = next;
            if one.owner != 0 {
                return Some(one);
            }
        }
        None
    })
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

    #[test]
    fn stacks_in_use_are_known() {
        let mut chain_of = [InUse::default(); 4];
        assert_eq!(chain(&mut chain_of), Some(0));
        let first = enter(1000) as u64;
        let second = enter(2000) as u64;
        assert_eq!(chain(&mut chain_of), Some(2));
        assert!(chain_of[0].range().contains(&(second - 8)));
        assert!(
            chain_of[0].range().contains(&second),
            "nothing is on it yet"
        );
        assert!(chain_of[1].range().contains(&(first - 8)));
        assert_eq!((chain_of[0].from, chain_of[1].from), (2000, 1000));
        assert_eq!(chain(&mut chain_of[..1]), None);
        let own = thread_pointer();
        let of_own = |from| in_use().any(|one| one.owner == own && one.from == from);
        assert!(of_own(1000) && of_own(2000));
        leave();
        assert!(of_own(1000) && !of_own(2000));
        leave();
        assert!(!of_own(1000));
    }
}
