//! Tells a process from its parent, whatever kind of fork made it.

use std::io;
use std::ptr::NonNull;

use crate::error::MemoryError;

use crate::page::PAGE;

/// A byte that the kernel clears in a child process (`MADV_WIPEONFORK`, madvise(2)); it tells of
/// every kind of fork, those that run no handlers included.
#[derive(Debug)]
pub(crate) struct ForkMark {
    page: NonNull<u8>,
}

// SAFETY: the byte is read and written as a whole; whoever owns the mark orders it.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

/// Bytes of the page that the mark is in.
const SIZE: usize = PAGE as usize;

impl ForkMark {
    /// One that is set.
    ///
    /// # Errors
    ///
    /// No memory.
    pub(crate) fn new() -> Result<Self, MemoryError> {
        // SAFETY: a fresh private mapping.
        let page = unsafe {
            let page = libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if page == libc::MAP_FAILED {
                return Err(MemoryError::Reserve {
                    size: SIZE,
                    source: io::Error::last_os_error().into(),
                });
            }
            libc::madvise(page, SIZE, libc::MADV_WIPEONFORK);
            page
        };
        let page = NonNull::new(page.cast::<u8>()).ok_or(MemoryError::Reserve {
            size: SIZE,
            source: io::Error::from(io::ErrorKind::OutOfMemory).into(),
        })?;
        let mark = Self { page };
        mark.set();
        Ok(mark)
    }

    /// This process is the one that is meant from now on.
    pub(crate) fn set(&self) {
        // SAFETY: the page is ours and mapped.
        unsafe { self.page.as_ptr().write_volatile(1) };
    }

    /// Whether this process set it, rather than its parent.
    pub(crate) fn is_set(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.page.as_ptr().read_volatile() == 1 }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody uses it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), SIZE) };
    }
}
