//! Threads that compile while the program runs.
//!
//! They are started when there is something for them to do, sleep when there is nothing, and end
//! when there has been nothing for a while: a process lives as long as it has a thread, and those
//! of the program may end without a word (the system call `exit`, `pthread_exit` in the last of
//! them). So a thread that is busy also looks from time to time whether there is a program left.
//! All signals are blocked in them: those are the program's. A forked child has none of them and
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
use crate::host::fork_lock;
use crate::host::last_thread::{self, RemainingThreads};
use crate::ledger::EntryId;

/// More than these wait for nobody: by the time a thread gets there, they will have been called.
const MOST_WAITING: usize = 256;

impl Core {
    /// Has functions compiled, before all that were asked for so far.
    pub(crate) fn compile_first(&self, functions: &[EntryId]) {
        if functions.is_empty() || self.workers.most == 0 {
            return;
        }
        let mut queue = lock(&self.workers.queue);
        for id in functions.iter().rev() {
            queue.waiting.push_front(*id);
        }
        queue.waiting.truncate(MOST_WAITING);
        if let Some(thread) = queue.asleep.pop() {
            thread.wake();
        } else if queue.threads.len() < self.workers.most {
            self.start_one(&mut queue);
        }
    }

    /// A thread that can't be started is done without.
    fn start_one(&self, queue: &mut Queue) {
        let core = self.me.clone();
        let shared = self.workers.queue.clone();
        let _blocked = ThreadStartMask::begin();
        let mask = self.workers.mask;
        let bed = Arc::<ParkingSpot>::default();
        let own = bed.clone();
        let thread = thread::start(c"rewire-compile", 8 << 20, move || {
            let present = CompileThreadPresence::new();
            work(&core, &shared, &own, &present);
            if let Some(left) = present.is_all() {
                end_as_program(left, mask);
            }
        });
        queue.threads.extend(thread.map(|thread| (bed, thread)));
    }

    /// In a forked child: compile threads are the parent's.
    pub(crate) fn forget_workers(&self) {
        PRESENT.store(0, Ordering::Relaxed);
        OUTLIVED.store(false, Ordering::Relaxed);
        self.workers.forget_threads();
    }
}

thread_local! {
    /// Of a thread that works for the engine alone: looks at stacks pass over it.
    static EXEMPT: RefCell<Option<Exemption>> = const { RefCell::new(None) };
}

/// This thread runs no code but the engine's, except in [`as_program`].
pub(crate) fn work_alone() {
    fault::own_this_thread();
    EXEMPT.set(Some(exempt_this_thread()));
}

/// Does something that may run compiled code.
pub(crate) fn as_program<R>(work: impl FnOnce() -> R) -> R {
    let was_exempt = EXEMPT.take().is_some();
    let result = work();
    if was_exempt {
        work_alone();
    }
    result
}

/// How many compile threads the process has.
static PRESENT: AtomicUsize = AtomicUsize::new(0);

/// Whether others of the program's threads were seen after its first had ended.
static OUTLIVED: AtomicBool = AtomicBool::new(false);

/// Counts a compile thread of the process, of whichever engine.
struct CompileThreadPresence;

impl CompileThreadPresence {
    fn new() -> Self {
        PRESENT.fetch_add(1, Ordering::Relaxed);
        let present = Self;
        present.is_all();
        present
    }

    /// What is left of the program, if its threads have all ended and the process only waits for
    /// compile threads.
    fn is_all(&self) -> Option<RemainingThreads> {
        let left = last_thread::after_main()?;
        if left.threads > PRESENT.load(Ordering::Relaxed) {
            OUTLIVED.store(true, Ordering::Relaxed);
            return None;
        }
        Some(left)
    }
}

impl Drop for CompileThreadPresence {
    fn drop(&mut self) {
        // A child that this thread has forked begins at 0.
        let less = |present: usize| present.checked_sub(1);
        let _ = PRESENT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// The last thread of the process ends as the program's last one did.
fn end_as_program(left: RemainingThreads, mask: SignalMask) {
    // Of another thread that was the last to end, nobody knows the code; nearly all pass 0.
    if left.code != 0 && !OUTLIVED.load(Ordering::Relaxed) {
        // By the system call: what was registered with `atexit` isn't called then. The kernel takes
        // the code of the thread that ends last.
        // SAFETY: it ends this thread, which owns nothing
        // any more that others wait for.
        unsafe { libc::syscall(libc::SYS_exit, i32::from(left.code)) };
    }
    // The C library has the last of its threads call what was registered.
    mask.set();
}

/// What a thread does. It takes the queue's lock only where no fork can come between, so that a
/// child finds it free.
fn work(
    core: &Weak<Core>,
    queue: &Mutex<Queue>,
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
            let next = queue.waiting.pop_front();
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
            Some(id) => {
                let Some(core) = core.upgrade() else { return };
                // A panic of ours costs one function its head start.
                let compile =
                    std::panic::AssertUnwindSafe(|| (core.above.compile_ahead)(&core, id));
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
