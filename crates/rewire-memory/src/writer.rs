//! Writing to pages that aren't writable.
//!
//! Linux lets a process write to its own private read-only memory through `/proc/self/mem`
//! (ptrace semantics: the page is copied if it is shared, its protection stays). So code pages are
//! mapped executable from the start and never change: no page is writable and executable, none
//! that a thread may be running is flipped, the mapping is ordinary anonymous memory to gdb, perf
//! and fork, and it costs 2 us to write a function.
//!
//! Kernels can be told to forbid it (`proc_mem.force_override`). Then pages are made writable for
//! the time of the write, which is why it is the last resort.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::Mutex;

use rewire_object::ExecAddr;

use crate::error::MemoryError;

#[derive(Debug)]
pub(crate) struct Writer {
    file: Mutex<File>,
    same_process: ForkMark,
}

impl Writer {
    pub(crate) fn open() -> Result<Self, MemoryError> {
        Ok(Self {
            file: Mutex::new(open_mem()?),
            same_process: ForkMark::new()?,
        })
    }

    /// Writes bytes to readable pages of private memory.
    ///
    /// # Safety
    ///
    /// Nobody reads or runs the bytes meanwhile, and they belong to the caller.
    pub(crate) unsafe fn write(&self, to: ExecAddr, bytes: &[u8]) -> Result<(), MemoryError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !self.same_process.check() {
            // After fork the old file still means the parent's memory.
            *file = open_mem()?;
            self.same_process.set();
        }
        file.write_all_at(bytes, to.get())
            .map_err(|source| MemoryError::Write {
                address: to,
                size: bytes.len(),
                source,
            })
    }
}

fn open_mem() -> Result<File, MemoryError> {
    let path = "/proc/self/mem";
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|source| MemoryError::Proc { path, source })
}

/// A byte that the kernel clears in a child process (`MADV_WIPEONFORK`, madvise(2)); it tells of
/// every kind of fork, those that run no handlers included.
#[derive(Debug)]
struct ForkMark {
    page: NonNull<u8>,
}

// SAFETY: the page is written with the writer's lock held.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

const PAGE: usize = 4096;

impl ForkMark {
    fn new() -> Result<Self, MemoryError> {
        // SAFETY: a fresh private mapping.
        let page = unsafe {
            let page = libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if page == libc::MAP_FAILED {
                return Err(MemoryError::Reserve {
                    size: PAGE,
                    source: io::Error::last_os_error(),
                });
            }
            libc::madvise(page, PAGE, libc::MADV_WIPEONFORK);
            page
        };
        let page = NonNull::new(page.cast::<u8>()).ok_or(MemoryError::Reserve {
            size: PAGE,
            source: io::ErrorKind::OutOfMemory.into(),
        })?;
        let mark = Self { page };
        mark.set();
        Ok(mark)
    }

    fn set(&self) {
        // SAFETY: the page is ours and mapped.
        unsafe { self.page.as_ptr().write_volatile(1) };
    }

    fn check(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.page.as_ptr().read_volatile() == 1 }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody uses it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), PAGE) };
    }
}
