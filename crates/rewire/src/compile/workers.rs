//! Compile threads, which compile while the program runs.
//!
//! A compile thread is started when there is something to compile, sleeps when there is nothing,
//! and ends when there has been nothing for a while. It must not outlive the program: a process
//! lives as long as it has a thread, and the program's threads may end silently (by the system call
//! `exit`, or by `pthread_exit` in the last of them). So a busy compile thread also checks from
//! time to time whether the program still has threads. All signals are blocked in compile threads,
//! because signals are the program's. A forked child has none of its parent's compile threads and
//! starts its own.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use rewire_memory::scan::{Exemption, exempt_this_thread};
use rewire_memory::signals::{SignalMask, ThreadStartMask};
use rewire_memory::{fault, thread};
use rewire_sync::Mutex;

use crate::base::sync::lock;
use crate::core::Core;
use crate::core::compile_queue::{PATIENCE, ParkingSpot, Queue};
use crate::core::tiers::{HotFunction, Tiers};
use crate::host::fork_lock;
use crate::host::last_thread::{self, RemainingThreads};
use crate::ledger::EntryId;

/// The maximum length of the queue. By the time a thread got to more functions, they would have
/// been called.
const MOST_WAITING: usize = 256;

impl Core {
    /// Queues functions to be compiled before all that are queued already.
    pub(crate) fn compile_first(&self, functions: &[EntryId]) {
        if functions.is_empty() || self.workers.most == 0 {
            return;
        }
        let mut queue = lock(&self.workers.queue);
        for id in functions.iter().rev() {
            queue.waiting.push_front(*id);
        }
        queue.waiting.truncate(MOST_WAITING);
        self.wake_one(&mut queue);
    }

    /// Has a compile thread look for work, if there may be any.
    pub(crate) fn wake_compile_thread(&self) {
        if self.workers.most > 0 {
            self.wake_one(&mut lock(&self.workers.queue));
        }
    }

    fn wake_one(&self, queue: &mut Queue) {
        if let Some(thread) = queue.asleep.pop() {
            thread.wake();
        } else if queue.threads.len() < self.workers.most {
            self.start_one(queue);
        }
    }

    /// If no thread can be started, the engine does without one.
    fn start_one(&self, queue: &mut Queue) {
        let core = self.me.clone();
        let (shared, tiers) = (self.workers.queue.clone(), self.tiers.clone());
        let _blocked = ThreadStartMask::begin();
        let mask = self.workers.mask;
        let bed = Arc::<ParkingSpot>::default();
        let own = bed.clone();
        let thread = thread::start(c"rewire-compile", 8 << 20, move || {
            let present = CompileThreadPresence::new();
            work(&core, (&shared, &tiers), &own, &present);
            if let Some(left) = present.is_all() {
                end_as_program(left, mask);
            }
        });
        queue.threads.extend(thread.map(|thread| (bed, thread)));
    }

    /// Forgets the compile threads, in a forked child, where they don't exist.
    pub(crate) fn forget_workers(&self) {
        PRESENT.store(0, Ordering::Relaxed);
        OUTLIVED.store(false, Ordering::Relaxed);
        self.workers.forget_threads();
        self.tiers.forget_threads();
    }
}

thread_local! {
    /// Set on a thread that works for the engine alone, so that scans of stacks skip it.
    static EXEMPT: RefCell<Option<Exemption>> = const { RefCell::new(None) };
}

/// Declares that this thread runs no code but the engine's, except in [`as_program`].
pub(crate) fn work_alone() {
    fault::own_this_thread();
    EXEMPT.set(Some(exempt_this_thread()));
}

/// Runs `work`, which may run compiled code, on a thread that otherwise works for the engine alone.
pub(crate) fn as_program<R>(work: impl FnOnce() -> R) -> R {
    let was_exempt = EXEMPT.take().is_some();
    let result = work();
    if was_exempt {
        work_alone();
    }
    result
}

/// The number of compile threads in the process.
static PRESENT: AtomicUsize = AtomicUsize::new(0);

/// Whether other threads of the program were seen after its first one had ended.
static OUTLIVED: AtomicBool = AtomicBool::new(false);

/// Counts a compile thread of the process, whichever engine it belongs to.
struct CompileThreadPresence;

impl CompileThreadPresence {
    fn new() -> Self {
        PRESENT.fetch_add(1, Ordering::Relaxed);
        let present = Self;
        present.is_all();
        present
    }

    /// Returns what is left of the program, if all its threads have ended and the process only
    /// waits for compile threads.
    fn is_all(&self) -> Option<RemainingThreads> {
        let left = last_thread::after_main()?;
        if left.threads > PRESENT.load(Ordering::Relaxed) {
            OUTLIVED.store(true, Ordering::Relaxed);
            return None;
        }
        Some(left)
    }
}

/// Counts this thread as one that works for the engine alone, until the result is dropped.
pub(crate) fn be_present() -> impl Drop {
    work_alone();
    CompileThreadPresence::new()
}

impl Drop for CompileThreadPresence {
    fn drop(&mut self) {
        // In a child that this thread has forked, the count begins at 0.
        let less = |present: usize| present.checked_sub(1);
        let _ = PRESENT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// Ends this thread, the last of the process, as the program's last thread ended.
fn end_as_program(left: RemainingThreads, mask: SignalMask) {
    // If another thread was the last to end, its exit code is unknown; nearly all pass 0.
    if left.code != 0 && !OUTLIVED.load(Ordering::Relaxed) {
        // By the system call, so that functions registered with `atexit` aren't called, and because
        // the kernel takes the exit code of the thread that ends last.
        // SAFETY: the system call ends this thread, which owns nothing any more that others wait
        // for.
        unsafe { libc::syscall(libc::SYS_exit, i32::from(left.code)) };
    }
    // When its last thread ends, the C library calls the functions registered with `atexit`.
    mask.set();
}

/// What a compile thread does next.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Compile a function that will be called soon.
    Ahead(EntryId),
    /// Compile a hot function again.
    Hot(HotFunction),
}

/// The loop of a compile thread. It takes the queue's lock only where no fork can happen, so that a
/// forked child finds the lock free.
fn work(
    core: &Weak<Core>,
    (queue, tiers): (&Mutex<Queue>, &Tiers),
    bed: &Arc<ParkingSpot>,
    present: &CompileThreadPresence,
) {
    work_alone();
    let mut has_slept = false;
    let mut looked = Instant::now();
    loop {
        let no_fork = fork_lock::enter_engine();
        let next = {
            let mut queue = lock(queue);
            queue.wakes(bed);
            if queue.is_over {
                return;
            }
            // What the program waits for comes first.
            let next = queue.waiting.pop_front().map(Task::Ahead);
            let next = next.or_else(|| tiers.take().map(Task::Hot));
            match next {
                None if has_slept => {
                    queue.ends(bed);
                    return;
                }
                None => queue.asleep.push(bed.clone()),
                Some(_) => {}
            }
            next
        };
        has_slept = next.is_none();
        match next {
            Some(task) => {
                let Some(core) = core.upgrade() else { return };
                // A panic of the engine only means that this function isn't compiled ahead, or
                // again.
                let compile = std::panic::AssertUnwindSafe(|| match task {
                    Task::Ahead(id) => (core.above.compile_ahead)(&core, id),
                    Task::Hot(hot) => (core.above.optimise)(&core, hot),
                });
                let _ = std::panic::catch_unwind(compile);
                if looked.elapsed() > PATIENCE {
                    if present.is_all().is_some() {
                        return;
                    }
                    looked = Instant::now();
                }
            }
            None => {
                drop(no_fork);
                bed.sleep();
            }
        }
    }
}
