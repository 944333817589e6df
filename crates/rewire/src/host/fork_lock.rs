//! The fork lock: keeps the program from forking while threads work in the engine. A forked child
//! has one thread, so nothing may be half done when the fork happens.
//!
//! Threads in the engine hold the lock shared; `fork` takes it exclusively (`forking.rs`). The
//! engine's other locks are only taken by threads that hold the fork lock, so a child finds them
//! free.
//!
//! A thread releases the lock while it waits ([`outside`]): for another thread that compiles, for a
//! closure of the client's, for the C library's loader. What it waits for may be outside too, and
//! come back only after the fork. A forked child forgets what such threads have begun.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};

use rewire_sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::sync::{Held, LockRank, nothing_is_held};

static FORK_LOCK: RwLock<()> = RwLock::new(());

/// The number of threads that have begun something in the engine and are outside of it now.
static STEPPED_OUT: AtomicUsize = AtomicUsize::new(0);

/// A thread's share of the lock. Its storage drops nothing when the thread ends, because code that
/// runs then may enter the engine too.
type ForkLockShare = ManuallyDrop<(RwLockReadGuard<'static, ()>, Held)>;

thread_local! {
    /// How many times this thread has entered the engine, nested.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static SHARE: Cell<Option<ForkLockShare>> = const { Cell::new(None) };
    /// How many times this thread has stepped out of the engine, nested.
    static OUT: Cell<usize> = const { Cell::new(0) };
}

/// Keeps all threads from forking until it is dropped.
#[derive(Debug)]
pub(crate) struct NoFork {
    _not_send: PhantomData<*const ()>,
}

/// Enters the engine: keeps other threads from forking until the result is dropped.
pub(crate) fn enter_engine() -> NoFork {
    let depth = DEPTH.get();
    if depth == 0 {
        take_share();
    }
    DEPTH.set(depth + 1);
    NoFork {
        _not_send: PhantomData,
    }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            give_share_back();
        }
    }
}

fn take_share() {
    let held = Held::begin(LockRank::Fork);
    let share = rewire_sync::read(&FORK_LOCK);
    SHARE.set(Some(ManuallyDrop::new((share, held))));
}

fn give_share_back() {
    drop(SHARE.take().map(ManuallyDrop::into_inner));
}

/// Marks its thread as outside the engine until it is dropped: other threads may fork. No lock of
/// the engine's may be held.
#[derive(Debug)]
pub(crate) struct OutsideEngine {
    depth: usize,
    _not_send: PhantomData<*const ()>,
}

/// Steps out of the engine while this thread waits for others.
pub(crate) fn outside() -> OutsideEngine {
    nothing_is_held();
    let depth = DEPTH.replace(0);
    if depth > 0 {
        STEPPED_OUT.fetch_add(1, Ordering::Relaxed);
        OUT.set(OUT.get() + 1);
        give_share_back();
    }
    OutsideEngine {
        depth,
        _not_send: PhantomData,
    }
}

impl Drop for OutsideEngine {
    fn drop(&mut self) {
        if self.depth > 0 {
            take_share();
            OUT.set(OUT.get() - 1);
            STEPPED_OUT.fetch_sub(1, Ordering::Relaxed);
        }
        DEPTH.set(self.depth);
    }
}

/// Enters the engine when it is dropped, for the fields that are dropped after it: see
/// [`LeaveWhenDropped`].
#[derive(Debug)]
pub(crate) struct EnterWhenDropped;

/// Leaves the engine that an [`EnterWhenDropped`] entered.
#[derive(Debug)]
pub(crate) struct LeaveWhenDropped;

impl Drop for EnterWhenDropped {
    fn drop(&mut self) {
        std::mem::forget(enter_engine());
    }
}

impl Drop for LeaveWhenDropped {
    fn drop(&mut self) {
        drop(NoFork {
            _not_send: PhantomData,
        });
    }
}

/// The exclusive lock while the process forks: no other thread is in the engine.
pub(crate) type ForkingAlone = RwLockWriteGuard<'static, ()>;

/// Waits until all other threads have left the engine. Returns `None` if this thread itself is in
/// it: a fork from within the engine (in the resolver of an indirect function) can't wait for
/// itself.
pub(crate) fn alone() -> Option<ForkingAlone> {
    (DEPTH.get() == 0).then(|| rewire_sync::write(&FORK_LOCK))
}

/// Forgets the parent's other threads, in a forked child. Returns whether any of them had begun
/// something and was outside the engine.
pub(crate) fn forget_others_in_child(lock: Option<&ForkingAlone>) -> bool {
    let mine = OUT.get();
    lock.is_some() & (STEPPED_OUT.swap(mine, Ordering::Relaxed) > mine)
}
