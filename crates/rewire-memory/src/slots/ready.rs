//! Memory for the ready words of stubs.
//!
//! A page of stubs has the address of its words in it for ever, so they stay where they are. Those
//! of functions that have left for good are never read as anything but zero: their memory goes back
//! to the kernel, and reads as zero.

use std::io;

use rewire_object::ExecAddr;

use crate::error::MemoryError;
use crate::page::PAGE;
use crate::sync::atomic::AtomicU64;

/// Words for each page of stubs: one for each 16 bytes.
pub(super) const PER_PAGE: usize = 256;

/// How many pages of stubs share a page of words.
pub(super) const SHARING: usize = PAGE as usize / (PER_PAGE * size_of::<u64>());

/// How many bytes are mapped at once: for 512 pages of stubs.
const CHUNK: usize = 1 << 20;

const PAGES_PER_CHUNK: usize = CHUNK / (PER_PAGE * size_of::<u64>());

/// The words of all pages of stubs.
#[derive(Debug, Default)]
pub(super) struct ReadyWords {
    /// Where each stretch of memory begins.
    chunks: Vec<usize>,
}

impl ReadyWords {
    /// Sees to it that a page of stubs has words; their address.
    pub(super) fn open(&mut self, page: usize) -> Result<u64, MemoryError> {
        while self.chunks.len() <= page / PAGES_PER_CHUNK {
            self.chunks.push(map()?);
        }
        Ok(self.start(page) as u64)
    }

    fn start(&self, page: usize) -> usize {
        let within = page % PAGES_PER_CHUNK * PER_PAGE * size_of::<u64>();
        self.chunks[page / PAGES_PER_CHUNK] + within
    }

    /// A word of a page that was opened.
    pub(super) fn word(&self, page: usize, place: usize) -> &AtomicU64 {
        assert!(place < PER_PAGE);
        let address = self.start(page) + place * size_of::<u64>();
        // SAFETY: the chunk is mapped, writable and zero at first, as long as this lives, and is
        // only ever accessed as atomic words.
        unsafe { &*(address as *const AtomicU64) }
    }

    /// Gives the memory back that a page's words share with its neighbours': all of them are zero,
    /// and nobody will store anything else without a call of [`SlotTable`](super::SlotTable).
    pub(super) fn release(&self, page: usize) {
        let start = self.start(page / SHARING * SHARING);
        // SAFETY: the page is ours, and all that is in it is zero, as it will be.
        unsafe {
            libc::madvise(
                start as *mut libc::c_void,
                PAGE as usize,
                libc::MADV_DONTNEED,
            )
        };
    }
}

impl Drop for ReadyWords {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: it was mapped so, and whoever had its address is gone with the stubs.
            unsafe { libc::munmap(*chunk as *mut libc::c_void, CHUNK) };
        }
    }
}

/// Maps a chunk; its pages take memory once they are written.
fn map() -> Result<usize, MemoryError> {
    // SAFETY: a fresh private mapping, wherever the kernel likes.
    let chunk = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            CHUNK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if chunk == libc::MAP_FAILED {
        return Err(MemoryError::Protect {
            address: ExecAddr::NULL,
            size: CHUNK as u64,
            source: io::Error::last_os_error().into(),
        });
    }
    Ok(chunk as usize)
}
