//! The queue of the compile threads. What the threads do is in `compile/workers.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rewire_memory::futex;
use rewire_memory::signals::SignalMask;
use rewire_memory::thread::Started;
use rewire_sync::Mutex;

use crate::base::ids::EntryId;
use crate::base::sync::lock;
use crate::host::fork_lock;

/// How long a compile thread sleeps before it ends, and how often a busy one checks whether the
/// program still has threads.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);

/// The compile threads of an engine.
#[derive(Debug)]
pub(crate) struct Workers {
    /// The maximum number of compile threads.
    pub(crate) most: usize,
    pub(crate) queue: Arc<Mutex<Queue>>,
    /// The signal mask of the thread that created the engine.
    pub(crate) mask: SignalMask,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The functions to compile; the first will be called first.
    pub(crate) waiting: VecDeque<EntryId>,
    pub(crate) threads: Vec<(Arc<ParkingSpot>, Started)>,
    pub(crate) asleep: Vec<Arc<ParkingSpot>>,
    /// Threads that have ended or are about to.
    pub(crate) ended: Vec<Started>,
    pub(crate) is_over: bool,
}

/// Where a compile thread sleeps, and others wake it.
#[derive(Debug, Default)]
pub(crate) struct ParkingSpot {
    /// 1 once the thread was woken.
    is_woken: AtomicU32,
}

impl ParkingSpot {
    pub(crate) fn sleep(&self) {
        futex::wait(&self.is_woken, 0, Some(PATIENCE));
        self.is_woken.store(0, Ordering::Relaxed);
    }

    pub(crate) fn wake(&self) {
        self.is_woken.store(1, Ordering::Relaxed);
        futex::wake_all(&self.is_woken);
    }
}

impl Queue {
    /// Records that a thread is awake.
    pub(crate) fn wakes(&mut self, bed: &Arc<ParkingSpot>) {
        self.asleep.retain(|one| !Arc::ptr_eq(one, bed));
    }

    /// Records that a thread ends.
    pub(crate) fn ends(&mut self, bed: &Arc<ParkingSpot>) {
        let mut threads = self.threads.iter();
        if let Some(place) = threads.position(|one| Arc::ptr_eq(&one.0, bed)) {
            let (_, thread) = self.threads.swap_remove(place);
            self.ended.retain(|one| !one.is_over());
            self.ended.push(thread);
        }
    }
}

impl Workers {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            queue: Arc::default(),
            mask: SignalMask::current(),
        }
    }

    /// Whether the engine may have compile threads.
    pub(crate) fn are_there(&self) -> bool {
        self.most > 0
    }

    /// The maximum number of compile threads.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Makes the threads end after their present function, and waits for them.
    pub(crate) fn finish(&self) {
        let (threads, ended, asleep) = {
            let mut queue = lock(&self.queue);
            queue.is_over = true;
            (
                std::mem::take(&mut queue.threads),
                std::mem::take(&mut queue.ended),
                std::mem::take(&mut queue.asleep),
            )
        };
        asleep.iter().for_each(|bed| bed.wake());
        let _outside = fork_lock::outside();
        for thread in threads.into_iter().map(|it| it.1).chain(ended) {
            // A compile thread may have held the last handle to the engine; it can't wait for
            // itself.
            if !thread.is_this() {
                thread.join();
            }
        }
    }

    /// Forgets the threads, in a forked child, where they don't exist.
    pub(crate) fn forget_threads(&self) {
        let mut queue = lock(&self.queue);
        std::mem::forget(std::mem::take(&mut queue.threads));
        std::mem::forget(std::mem::take(&mut queue.ended));
        queue.asleep.clear();
        queue.waiting.clear();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.finish();
    }
}
