//! The atomics of the protocols that models check: `loom`'s in models (`--cfg loom`), the standard
//! library's everywhere else. See `models`.

#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic;

#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic;

/// A release store to a word that others may `swap` or `compare_exchange` at the same time.
///
/// `loom` (0.7) orders a plain store and a read-modify-write of the same word by other threads only
/// partly, and so reports what no machine does: both win. It orders a swap as hardware does.
pub(crate) fn store_release(word: &atomic::AtomicU64, value: u64) {
    #[cfg(all(test, loom))]
    word.swap(value, atomic::Ordering::Release);
    #[cfg(not(all(test, loom)))]
    word.store(value, atomic::Ordering::Release);
}

/// Stands in a value that readers look at until it is freed. In models, it makes a read that
/// isn't ordered before the free an error; elsewhere it is nothing.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    #[cfg(all(test, loom))]
    cell: loom::cell::UnsafeCell<()>,
}

impl Witness {
    /// The value is being looked at.
    pub(crate) fn read(&self) {
        #[cfg(all(test, loom))]
        self.cell.with(|_| ());
    }
}

#[cfg(all(test, loom))]
impl Drop for Witness {
    fn drop(&mut self) {
        self.cell.with_mut(|_| ());
    }
}
