//! Frees what readers without locks may be looking at, once none can be any more.
//!
//! A reader counts itself in and out ([`Readers::enter`]): two additions to a counter, no lock, no
//! allocation, no waiting, so that it may interrupt a writer of its own thread. The counters are
//! sharded, so that threads don't contend for one cache line. A writer takes what it replaced out
//! of reach, then hands it to a [`Limbo`]. It is freed once each shard has been seen with nobody in
//! it, not necessarily all at the same time: who counts in later finds what replaced it.
//!
//! Why that is so: a reader counts in, then loads the pointer; a writer stores the pointer, then
//! loads the counter; each has a sequentially consistent fence in between. So if the writer finds
//! the counter at 0, a reader that comes later finds the new pointer.
//!
//! A reader that never counts out (a signal handler that jumped out of it for good) keeps what is
//! retired from being freed, no more.

use std::ptr::NonNull;

use crate::sync::atomic::{AtomicUsize, Ordering, fence};

#[cfg(not(all(test, loom)))]
const SHARDS: usize = 32;
/// Models have few threads.
#[cfg(all(test, loom))]
const SHARDS: usize = 2;

/// How many things are retired before anybody looks at the readers: all their counters have to be
/// fetched from memory.
#[cfg(not(all(test, loom)))]
const WORTH_A_LOOK: usize = 32;
#[cfg(all(test, loom))]
const WORTH_A_LOOK: usize = 1;

/// One bit for each shard.
type ShardSet = u32;
const ALL: ShardSet = (((1u64 << SHARDS) - 1) & 0xffff_ffff) as ShardSet;

/// How many readers are inside. Cache lines are fetched in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(AtomicUsize);

/// Counts the readers of some structures.
#[derive(Debug)]
pub(crate) struct Readers {
    shards: [Shard; SHARDS],
    /// Counts the forks that led to this process.
    generation: AtomicUsize,
}

/// A reader that is inside: what it finds stays until this is dropped.
#[derive(Debug)]
pub(crate) struct Reading<'r> {
    readers: &'r Readers,
    shard: usize,
    generation: usize,
}

impl Readers {
    #[cfg(not(all(test, loom)))]
    pub(crate) const fn new() -> Self {
        Self {
            shards: [const { Shard(AtomicUsize::new(0)) }; SHARDS],
            generation: AtomicUsize::new(0),
        }
    }

    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard(AtomicUsize::new(0))),
            generation: AtomicUsize::new(0),
        }
    }

    /// Counts a reader in.
    pub(crate) fn enter(&self) -> Reading<'_> {
        // Threads have stacks of their own. Which shard it is doesn't matter for being correct.
        let here = 0u8;
        let spread = ((&raw const here as usize) >> 14).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.enter_shard((spread >> 40) % SHARDS)
    }

    pub(crate) fn enter_shard(&self, shard: usize) -> Reading<'_> {
        // Before counting in: a fork in between, in a signal handler, then leaves a count that
        // nobody takes back, rather than one that is taken back too often.
        let generation = self.generation.load(Ordering::Relaxed);
        self.shards[shard].0.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Reading {
            readers: self,
            shard,
            generation,
        }
    }

    /// The shards in which nobody is, or was at some moment of this call.
    fn idle(&self) -> ShardSet {
        fence(Ordering::SeqCst);
        let shards = self.shards.iter().enumerate();
        // Acquire: what the readers did is done.
        shards.fold(0, |idle, (place, shard)| {
            let is_idle = shard.0.load(Ordering::Acquire) == 0;
            idle | (ShardSet::from(is_idle) << place)
        })
    }

    /// In the child of a fork: counts out the readers of threads that the child doesn't have.
    pub(crate) fn forget_in_child(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        for shard in &self.shards {
            shard.0.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        // In a child that was forked meanwhile, all counts began anew.
        if self.readers.generation.load(Ordering::Relaxed) == self.generation {
            // Release: what was read comes before the writer's free.
            let shard = &self.readers.shards[self.shard];
            shard.0.fetch_sub(1, Ordering::Release);
        }
    }
}

/// What is out of reach for new readers and not freed yet. One writer at a time.
///
/// Dropping it frees all of it: nobody may be reading any more.
#[derive(Debug)]
pub(crate) struct Limbo<T>(Vec<Retired<T>>);

#[derive(Debug)]
struct Retired<T> {
    what: NonNull<T>,
    /// Shards in which a reader may be that knows it.
    pending: ShardSet,
}

// SAFETY: it owns what it holds, and frees it on whatever thread it is.
unsafe impl<T: Send> Send for Limbo<T> {}

impl<T> Limbo<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Frees something once no reader can be looking at it.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `what` was made by `Box::into_raw`, that new readers can't find
    /// it, and that nobody else frees it.
    pub(crate) unsafe fn retire(&mut self, readers: &Readers, what: NonNull<T>) {
        self.0.push(Retired { what, pending: ALL });
        if self.0.len().is_multiple_of(WORTH_A_LOOK) {
            self.collect(readers);
        }
    }

    /// Frees what nobody can be looking at any more.
    pub(crate) fn collect(&mut self, readers: &Readers) {
        if self.0.is_empty() {
            return;
        }
        let idle = readers.idle();
        self.0.retain_mut(|retired| {
            retired.pending &= !idle;
            if retired.pending == 0 {
                // SAFETY: since nothing leads to it, each shard was seen without a reader; it came
                // from a box, as `retire` demands.
                drop(unsafe { Box::from_raw(retired.what.as_ptr()) });
            }
            retired.pending != 0
        });
    }

    /// How many things aren't freed yet.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Drop for Limbo<T> {
    fn drop(&mut self) {
        for retired in self.0.drain(..) {
            // SAFETY: it came from a box; whoever drops the limbo knows that nobody reads.
            drop(unsafe { Box::from_raw(retired.what.as_ptr()) });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn boxed(value: u32) -> NonNull<u32> {
        NonNull::from(Box::leak(Box::new(value)))
    }

    #[test]
    fn nothing_is_freed_while_a_reader_is_inside() {
        let readers = Readers::new();
        let mut limbo = Limbo::new();
        let first = readers.enter_shard(0);
        // SAFETY: made by a box, and ours alone.
        unsafe { limbo.retire(&readers, boxed(1)) };
        limbo.collect(&readers);
        assert_eq!(limbo.len(), 1);
        // One shard is always busy, but never with a reader who came before.
        let second = readers.enter_shard(1);
        drop(first);
        limbo.collect(&readers);
        assert_eq!(limbo.len(), 0);
        // SAFETY: as above.
        unsafe { limbo.retire(&readers, boxed(2)) };
        limbo.collect(&readers);
        assert_eq!(limbo.len(), 1);
        let third = readers.enter_shard(0);
        drop(second);
        limbo.collect(&readers);
        assert_eq!(limbo.len(), 0, "the third came later");
        drop(third);
    }

    #[test]
    fn a_child_forgets_the_readers_of_other_threads() {
        let readers = Readers::new();
        let outer = readers.enter_shard(3);
        readers.forget_in_child();
        let inner = readers.enter_shard(3);
        drop(outer);
        assert_ne!(readers.idle(), ALL);
        drop(inner);
        assert_eq!(readers.idle(), ALL);
    }

    #[test]
    fn every_shard_is_used() {
        let readers = Readers::new();
        let reading = readers.enter();
        assert_eq!(readers.idle().count_ones() as usize, SHARDS - 1);
        drop(reading);
    }
}
