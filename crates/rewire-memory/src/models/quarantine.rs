//! Code memory that is given back while it may be called, and taken by another function.

use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use std::ptr::NonNull;

use super::check;
use crate::readers::{Limbo, Readers};
use crate::space::Space;

const INT3: u64 = 0xcc;
/// What slots hold that lead to the engine.
const ENGINE: u64 = u64::MAX;

struct World {
    /// Each address holds one instruction.
    code: [AtomicU64; 2],
    space: Mutex<Space>,
    /// The slot of the function that is removed.
    slot: AtomicU64,
    /// Stands for what the search of stacks finds: who may be in code that was unlinked.
    inside: Readers,
    /// How often memory was given back.
    freed: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            code: [AtomicU64::new(0), AtomicU64::new(0)],
            space: Mutex::new(Space::new(0..2)),
            slot: AtomicU64::new(ENGINE),
            inside: Readers::new(),
            freed: AtomicUsize::new(0),
        })
    }

    /// Allocates an address, and writes a body there.
    fn place(&self, body: u64) -> Option<u64> {
        let mut space = self.space.lock().unwrap();
        let taken = space.take_free(1, 1).or_else(|| {
            let block = space.at_end(1, 1)?;
            Some(space.take_at_end(block))
        })?;
        drop(space);
        self.code[taken.start as usize].store(body, Ordering::Relaxed);
        Some(taken.start)
    }

    /// Calls the function; the answer is the instruction that was run.
    fn call(&self) -> Option<u64> {
        let _inside = self.inside.enter_shard(0);
        let target = self.slot.load(Ordering::Acquire);
        (target != ENGINE).then(|| self.code[target as usize].load(Ordering::Relaxed))
    }

    /// As `CodeMemory::free`.
    fn free(&self, address: u64) {
        let mut space = self.space.lock().unwrap();
        self.code[address as usize].store(INT3, Ordering::Relaxed);
        assert!(space.quarantine(address..address + 1));
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Code that was unlinked: given back when nobody can be inside.
struct Unlinked {
    world: Arc<World>,
    address: u64,
}

impl Drop for Unlinked {
    fn drop(&mut self) {
        self.world.free(self.address);
    }
}

#[test]
fn nobody_runs_what_was_given_back() {
    check(3, || {
        let world = World::new();
        let address = world.place(1).unwrap();
        world.slot.store(address, Ordering::Release);
        let caller = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                for _ in 0..2 {
                    let ran = world.call();
                    assert!(matches!(ran, None | Some(1 | 2)), "{ran:?}");
                }
            })
        };
        // Another function's body, which takes what is free.
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                if let Some(place) = world.place(7) {
                    let body = world.code[place as usize].load(Ordering::Relaxed);
                    assert_eq!(body, 7, "somebody else wrote there");
                }
            })
        };
        world.slot.store(ENGINE, Ordering::Release);
        let unlinked = Box::new(Unlinked {
            world: Arc::clone(&world),
            address,
        });
        let mut limbo = Limbo::new();
        // SAFETY: made by a box; nothing leads to it.
        unsafe { limbo.retire(&world.inside, NonNull::from(Box::leak(unlinked))) };
        world.space.lock().unwrap().end_quarantine(|_| ());
        if let Some(again) = world.place(2) {
            world.slot.store(again, Ordering::Release);
        }
        caller.join().unwrap();
        other.join().unwrap();
        limbo.collect(&world.inside);
        assert_eq!(world.freed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn what_is_quarantined_is_given_out_by_nobody() {
    check(3, || {
        let world = World::new();
        let address = world.place(1).unwrap();
        let takers = [2, 3].map(|body| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.place(body))
        });
        world.free(address);
        let before = world.code[address as usize].load(Ordering::Relaxed);
        assert_eq!(before, INT3);
        let places = takers.map(|taker| taker.join().unwrap());
        assert_eq!(places.iter().flatten().count(), 1, "one address was left");
        assert!(places.iter().flatten().all(|place| *place != address));
        world.space.lock().unwrap().end_quarantine(|_| ());
        assert_eq!(world.place(4), Some(address));
    });
}
