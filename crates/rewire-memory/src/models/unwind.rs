//! Frame descriptions that are looked up while others come and go.

use loom::sync::atomic::{AtomicPtr, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use std::ptr::NonNull;

use super::check;
use crate::readers::{Limbo, Readers};
use crate::sync::Witness;
use crate::unwind::index::{Bucket, Index, Record};

fn record(start: u64) -> Record {
    Record {
        start,
        end: start + 16,
        description: start + 1000,
    }
}

struct Entered {
    index: Index,
    readers: Readers,
    writer: Mutex<Limbo<Bucket>>,
}

impl Entered {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            index: Index::new(0..4096),
            readers: Readers::new(),
            writer: Mutex::new(Limbo::new()),
        })
    }

    fn insert(&self, start: u64) {
        let mut limbo = self.writer.lock().unwrap();
        self.index
            .insert(&[record(start)], &self.readers, &mut limbo);
    }

    fn remove(&self, start: u64) {
        let mut limbo = self.writer.lock().unwrap();
        self.index
            .remove(&[record(start)], &self.readers, &mut limbo);
    }

    fn find(&self, shard: usize, address: u64) -> Option<Record> {
        let inside = self.readers.enter_shard(shard);
        self.index.find(address, &inside)
    }

    /// Nothing stays behind once all readers have left.
    fn check_end(&self) {
        let mut limbo = self.writer.lock().unwrap();
        limbo.collect(&self.readers);
        assert_eq!(limbo.len(), 0);
    }
}

#[test]
fn a_lasting_record_is_found_while_a_neighbour_comes_and_goes() {
    check(3, || {
        let entered = Entered::new();
        entered.insert(64);
        let readers = [0, 1].map(|shard| {
            let entered = Arc::clone(&entered);
            thread::spawn(move || {
                assert_eq!(entered.find(shard, 70), Some(record(64)));
                let other = entered.find(shard, 33);
                assert!(other.is_none_or(|other| other == record(32)));
            })
        });
        entered.insert(32);
        entered.remove(32);
        for reader in readers {
            reader.join().unwrap();
        }
        entered.check_end();
    });
}

#[test]
fn two_writers_and_a_reader_in_one_bucket() {
    check(3, || {
        let entered = Entered::new();
        let other = Arc::clone(&entered);
        let writer = thread::spawn(move || {
            other.insert(32);
            assert_eq!(other.find(0, 40), Some(record(32)));
            other.remove(32);
        });
        entered.insert(64);
        assert_eq!(entered.find(0, 64), Some(record(64)));
        entered.remove(64);
        writer.join().unwrap();
        assert_eq!(entered.index.arrays(), (0, 0));
        entered.check_end();
    });
}

/// An index that ends, as `INDEXES` and `DEAD` have it.
#[test]
fn what_a_reader_has_found_is_not_freed() {
    check(3, || {
        let readers = Arc::new(Readers::new());
        let place = Arc::new(AtomicPtr::new(Box::into_raw(Box::new(Witness::default()))));
        let threads = [0, 0].map(|shard| {
            let (readers, place) = (Arc::clone(&readers), Arc::clone(&place));
            thread::spawn(move || {
                let _inside = readers.enter_shard(shard);
                // SAFETY: that it isn't freed is what this model checks.
                if let Some(found) = unsafe { place.load(Ordering::Acquire).as_ref() } {
                    found.read();
                }
            })
        });
        let former = place.swap(std::ptr::null_mut(), Ordering::AcqRel);
        let mut limbo = Limbo::new();
        // SAFETY: made by a box, and out of reach.
        unsafe { limbo.retire(&readers, NonNull::new(former).unwrap()) };
        for thread in threads {
            thread.join().unwrap();
        }
        limbo.collect(&readers);
        assert_eq!(limbo.len(), 0);
    });
}
