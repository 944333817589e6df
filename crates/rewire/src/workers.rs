//! Threads that compile while the program runs.
//!
//! They are started when there is something for them to do, and sleep when there is nothing. All
//! signals are blocked in them: those are the program's. A forked child has none of them and
//! starts its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle, Thread};

use rewire_memory::scan::{Exemption, exempt_this_thread};
use rewire_sync::{Mutex, OnceLock};

use crate::core::Core;
use crate::ledger::EntryId;
use crate::process::fork;
use crate::process::quiet::BlockedSignals;
use crate::sync::lock;

/// More than these wait for nobody: by the time a thread gets there, they will have been called.
const MOST_WAITING: usize = 256;

/// The compile threads of an engine.
#[derive(Debug)]
pub(crate) struct Workers {
    /// How many there may be.
    most: usize,
    core: OnceLock<Weak<Core>>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// What comes first will be called first.
    waiting: VecDeque<EntryId>,
    threads: Vec<JoinHandle<()>>,
    asleep: Vec<Thread>,
    is_over: bool,
}

impl Workers {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            core: OnceLock::new(),
            queue: Arc::default(),
        }
    }

    /// Tells the threads for whom they work.
    pub(crate) fn belong_to(&self, core: &Arc<Core>) {
        let _ = self.core.set(Arc::downgrade(core));
    }

    /// Whether there may be any.
    pub(crate) fn are_there(&self) -> bool {
        self.most > 0
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Has functions compiled, before all that were asked for so far.
    pub(crate) fn compile_first(&self, functions: &[EntryId]) {
        if functions.is_empty() || self.most == 0 {
            return;
        }
        let mut queue = lock(&self.queue);
        for id in functions.iter().rev() {
            queue.waiting.push_front(*id);
        }
        queue.waiting.truncate(MOST_WAITING);
        if let Some(thread) = queue.asleep.pop() {
            thread.unpark();
        } else if queue.threads.len() < self.most {
            self.start_one(&mut queue);
        }
    }

    /// A thread that can't be started is done without.
    fn start_one(&self, queue: &mut Queue) {
        let Some(core) = self.core.get().cloned() else {
            return;
        };
        let shared = self.queue.clone();
        let _blocked = BlockedSignals::new();
        let thread = thread::Builder::new()
            .name("rewire-compile".to_owned())
            .stack_size(8 << 20)
            .spawn(move || work(&core, &shared));
        queue.threads.extend(thread.ok());
    }

    /// Has the threads end after what they have begun, and waits for them.
    pub(crate) fn finish(&self) {
        let (threads, asleep) = {
            let mut queue = lock(&self.queue);
            queue.is_over = true;
            (
                std::mem::take(&mut queue.threads),
                std::mem::take(&mut queue.asleep),
            )
        };
        asleep.iter().for_each(Thread::unpark);
        for thread in threads {
            // The last handle to the engine may have been a thread's own.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    /// In a forked child: the threads are the parent's.
    pub(crate) fn forget_threads(&self) {
        let mut queue = lock(&self.queue);
        std::mem::forget(std::mem::take(&mut queue.threads));
        queue.asleep.clear();
        queue.waiting.clear();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.finish();
    }
}

thread_local! {
    /// Of a thread that works for the engine alone: looks at stacks pass over it.
    static EXEMPT: RefCell<Option<Exemption>> = const { RefCell::new(None) };
}

/// This thread runs no code but the engine's, except in [`as_program`].
pub(crate) fn work_alone() {
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

/// What a thread does. It takes the queue's lock only where no fork can come between, so that a
/// child finds it free.
fn work(core: &Weak<Core>, queue: &Mutex<Queue>) {
    work_alone();
    loop {
        let inside = fork::hold_off();
        let next = {
            let mut queue = lock(queue);
            if queue.is_over {
                return;
            }
            let next = queue.waiting.pop_front();
            if next.is_none() {
                queue.asleep.push(thread::current());
            }
            next
        };
        match next {
            Some(id) => {
                let Some(core) = core.upgrade() else { return };
                // A panic of ours costs one function its head start.
                let compile = std::panic::AssertUnwindSafe(|| core.compile_ahead(id));
                let _ = std::panic::catch_unwind(compile);
            }
            None => {
                drop(inside);
                thread::park();
            }
        }
    }
}
