//! The array of a table's buckets, as pointers: pages that take no memory before something is
//! stored in them.
//!
//! They are mapped from the kernel, because an allocator may hand out memory that was used before,
//! which it would have to clear: 8 MiB in each engine, of which a program needs a few pages.

use std::ops::Deref;

use crate::sync::atomic::AtomicPtr;

/// Buckets, all null at first.
#[derive(Debug)]
#[cfg(not(all(test, loom)))]
pub(super) struct Buckets<T> {
    start: std::ptr::NonNull<AtomicPtr<T>>,
    count: usize,
}

#[cfg(not(all(test, loom)))]
impl<T> Buckets<T> {
    pub(super) fn new(count: usize) -> Self {
        let layout = std::alloc::Layout::array::<AtomicPtr<T>>(count);
        let size = layout.map_or(usize::MAX, |layout| layout.size()).max(1);
        // SAFETY: a fresh private mapping, wherever the kernel likes.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match std::ptr::NonNull::new(mapped.cast()) {
            Some(start) if mapped != libc::MAP_FAILED => Self { start, count },
            // As where an allocation fails.
            _ => std::alloc::handle_alloc_error(std::alloc::Layout::new::<AtomicPtr<T>>()),
        }
    }
}

#[cfg(not(all(test, loom)))]
impl<T> Deref for Buckets<T> {
    type Target = [AtomicPtr<T>];

    fn deref(&self) -> &Self::Target {
        // SAFETY: so many are mapped, aligned to a page, and zeros are null pointers.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

#[cfg(not(all(test, loom)))]
impl<T> Drop for Buckets<T> {
    fn drop(&mut self) {
        let size = std::mem::size_of_val::<[_]>(self).max(1);
        // SAFETY: it was mapped so, and nobody has a reference any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), size) };
    }
}

// SAFETY: it owns the mapping as a box owns its memory, and atomic words are shared by all threads.
#[cfg(not(all(test, loom)))]
unsafe impl<T> Send for Buckets<T> {}
// SAFETY: as above.
#[cfg(not(all(test, loom)))]
unsafe impl<T> Sync for Buckets<T> {}

/// Buckets, all null at first.
#[derive(Debug)]
#[cfg(all(test, loom))]
pub(super) struct Buckets<T>(Box<[AtomicPtr<T>]>);

#[cfg(all(test, loom))]
impl<T> Buckets<T> {
    pub(super) fn new(count: usize) -> Self {
        let null = || AtomicPtr::new(std::ptr::null_mut());
        Self((0..count).map(|_| null()).collect())
    }
}

#[cfg(all(test, loom))]
impl<T> Deref for Buckets<T> {
    type Target = [AtomicPtr<T>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
