//! Writing to pages that aren't writable, without `/proc/self/mem`: in a process that changed its
//! user or its root directory, or on a kernel that forbids forced writes.
//!
//! The pages are made anew somewhere else, written there, given their protection, and moved over
//! the former ones by one mremap(2). A thread that touches the place meanwhile waits in the kernel
//! and finds either the former page or the new one; no page is ever writable where it runs. Each
//! call leaves a mapping of its own behind, and takes some microseconds more than a forced write.

use std::io;
use std::ptr;

use crate::page::PAGE;
use libc::{c_int, c_void};

/// Fresh pages that go away unless they are moved.
struct FreshPages {
    start: *mut c_void,
    size: usize,
}

impl FreshPages {
    fn new(size: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh private mapping.
        let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start, size })
    }

    /// Puts the pages in place of others, with their protection.
    ///
    /// # Safety
    ///
    /// The caller must own the pages at `to`, and must ensure that these pages hold all that is to
    /// be there.
    unsafe fn replace_pages(self, to: u64, protection: c_int) -> io::Result<()> {
        // SAFETY: the pages are ours alone until they are moved.
        if unsafe { libc::mprotect(self.start, self.size, protection) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let to = to as *mut c_void;
        // SAFETY: the caller has what is there replaced.
        let moved = unsafe { libc::mremap(self.start, self.size, self.size, flags, to) };
        if moved == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for FreshPages {
    fn drop(&mut self) {
        // SAFETY: they are ours, and nobody knows them.
        unsafe { libc::munmap(self.start, self.size) };
    }
}

/// Writes bytes to pages that are readable and have this protection.
///
/// # Safety
///
/// The caller must own the bytes, and must ensure that nobody reads or runs them during the call,
/// and that nobody writes to any byte of their pages.
pub(crate) unsafe fn write(to: u64, bytes: &[u8], protection: c_int) -> io::Result<()> {
    let start = to / PAGE * PAGE;
    let end = (to + bytes.len() as u64).next_multiple_of(PAGE);
    let pages = FreshPages::new((end - start) as usize)?;
    // SAFETY: the former pages are readable and nobody writes to them; the new ones are as large,
    // and ours. `to` lies in the former ones.
    unsafe {
        let fresh = pages.start.cast::<u8>();
        ptr::copy_nonoverlapping(start as *const u8, fresh, pages.size);
        let place = fresh.add((to - start) as usize);
        ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        pages.replace_pages(start, protection)
    }
}
