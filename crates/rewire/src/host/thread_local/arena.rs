//! Memory for one thread's thread-local variables. It comes from the kernel, because a signal
//! handler that needs it may have interrupted any allocator.

use std::ffi::c_void;
use std::ptr;

/// Blocks up to this size share chunks of memory; each larger block has its own pages.
const LARGEST_SHARED: usize = 4096;
/// The smallest size of a shared block. Sizes are powers of two, and each block is aligned to its
/// size.
const SMALLEST: usize = 16;
const CLASSES: usize = (LARGEST_SHARED.ilog2() - SMALLEST.ilog2() + 1) as usize;

/// The address space of a chunk; its pages are committed as they are touched.
const PIECE: usize = 64 << 10;

/// The size of a page, which is also the alignment of the kernel's mappings.
const PAGE: usize = 4096;

/// The header of each chunk.
struct ArenaChunk {
    before: *mut ArenaChunk,
}

/// A shared block that was released.
struct FreeBlock {
    next: *mut FreeBlock,
}

/// Describes a block's memory, for releasing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// A shared block of this size class.
    Shared(usize),
    /// A block with its own pages, of this many bytes.
    Pages(usize),
}

impl Extent {
    fn of(size: usize, align: usize) -> Self {
        let class = size.max(align).max(SMALLEST);
        if class > LARGEST_SHARED {
            return Self::Pages(size.max(1).next_multiple_of(PAGE));
        }
        let class = class.next_power_of_two();
        Self::Shared((class.ilog2() - SMALLEST.ilog2()) as usize)
    }
}

/// One thread's memory. It may not be used by two threads at once, nor by a thread and its signal
/// handler: callers have signals blocked.
pub(super) struct Arena {
    last: *mut ArenaChunk,
    next: usize,
    end: usize,
    free: [*mut FreeBlock; CLASSES],
}

impl Arena {
    pub(super) const fn new() -> Self {
        Self {
            last: ptr::null_mut(),
            next: 0,
            end: 0,
            free: [ptr::null_mut(); CLASSES],
        }
    }

    /// Returns zeroed memory. Never fails: if there is none, the process ends, as the C library
    /// does, because a program can't be told that there is no memory for its thread-local
    /// variables.
    pub(super) fn take(&mut self, size: usize, align: usize) -> (*mut u8, Extent) {
        let extent = Extent::of(size, align);
        let start = match extent {
            Extent::Pages(bytes) => map(bytes, align),
            Extent::Shared(class) => self.take_shared(class),
        };
        (start, extent)
    }

    fn take_shared(&mut self, class: usize) -> *mut u8 {
        let size = SMALLEST << class;
        let free = self.free[class];
        if !free.is_null() {
            // SAFETY: the block was released, and is as large as its class says.
            unsafe {
                self.free[class] = (*free).next;
                ptr::write_bytes(free.cast::<u8>(), 0, size);
            }
            return free.cast();
        }
        let mut start = self.next.next_multiple_of(size);
        if start + size > self.end || self.last.is_null() {
            let piece = map(PIECE, PAGE).cast::<ArenaChunk>();
            // SAFETY: it is fresh memory, and large enough.
            unsafe { piece.write(ArenaChunk { before: self.last }) };
            self.last = piece;
            self.end = piece as usize + PIECE;
            start = (piece as usize + size_of::<ArenaChunk>()).next_multiple_of(size);
        }
        self.next = start + size;
        start as *mut u8
    }

    /// # Safety
    ///
    /// The caller must ensure that `take` returned the block with this extent, and that nothing
    /// uses it any more.
    pub(super) unsafe fn release(&mut self, start: *mut u8, extent: Extent) {
        match extent {
            // SAFETY: as the caller promises.
            Extent::Pages(bytes) => unsafe {
                libc::munmap(start.cast(), bytes);
            },
            Extent::Shared(class) => {
                let free = start.cast::<FreeBlock>();
                let next = self.free[class];
                // SAFETY: as the caller promises; each class is large enough and aligned.
                unsafe { free.write(FreeBlock { next }) };
                self.free[class] = free;
            }
        }
    }

    /// Returns all shared blocks to the kernel. The arena itself may lie in one of them.
    ///
    /// # Safety
    ///
    /// The caller must ensure that nothing uses the blocks any more.
    pub(super) unsafe fn free(self) {
        let mut piece = self.last;
        while !piece.is_null() {
            // SAFETY: `take_shared` mapped it.
            unsafe {
                let before = (*piece).before;
                libc::munmap(piece.cast(), PIECE);
                piece = before;
            }
        }
    }
}

/// Maps fresh pages that start at a multiple of `align`.
fn map(bytes: usize, align: usize) -> *mut u8 {
    let slack = if align > PAGE { align } else { 0 };
    // SAFETY: this makes a fresh private mapping, and unmaps the ends of it that aren't needed.
    unsafe {
        let whole = bytes.saturating_add(slack);
        let start = libc::mmap(
            ptr::null_mut(),
            whole,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if start == libc::MAP_FAILED {
            give_up();
        }
        if slack == 0 {
            return start.cast();
        }
        let first = (start as usize).next_multiple_of(align);
        trim(start as usize, first);
        trim(first + bytes, start as usize + whole);
        first as *mut u8
    }
}

/// # Safety
///
/// The caller must ensure that nothing uses the pages from `start` to `end`.
unsafe fn trim(start: usize, end: usize) {
    if start < end {
        // SAFETY: as the caller promises.
        unsafe { libc::munmap(start as *mut c_void, end - start) };
    }
}

#[cold]
fn give_up() -> ! {
    const MESSAGE: &str = "error: there is no memory for a thread's thread-local variables\n";
    // SAFETY: both are safe in a signal handler (signal-safety(7)).
    unsafe {
        libc::write(2, MESSAGE.as_ptr().cast(), MESSAGE.len());
        libc::abort()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_zeroed_and_used_again() {
        let mut arena = Arena::new();
        let shapes = [
            (1, 1),
            (24, 16),
            (40, 64),
            (4096, 8),
            (5000, 16),
            (16, 8192),
            (9000, 1 << 16),
        ];
        for (size, align) in shapes {
            let (start, extent) = arena.take(size, align);
            assert_eq!(start as usize % align, 0, "{size} {align}");
            // SAFETY: it is as large as was asked for.
            unsafe {
                assert!((0..size).all(|at| *start.add(at) == 0), "{size} {align}");
                ptr::write_bytes(start, 0xff, size);
                arena.release(start, extent);
            }
            let (again, extent) = arena.take(size, align);
            // SAFETY: as above.
            unsafe {
                assert!((0..size).all(|at| *again.add(at) == 0), "{size} {align}");
                if matches!(extent, Extent::Shared(_)) {
                    assert_eq!(again, start);
                }
                arena.release(again, extent);
            }
        }
        let (first, _) = arena.take(4096, 8);
        let far = (0..100).map(|_| arena.take(4096, 8).0).collect::<Vec<_>>();
        assert!(!far.contains(&first));
        // SAFETY: nothing uses them.
        unsafe { arena.free() };
    }
}
