//! Reading memory that others may unmap meanwhile.

use std::ffi::c_void;
use std::ops::Range;

use super::procfs::Fd;
use crate::page::PAGE;

const CHUNK: usize = 64 << 10;

/// Reads through the kernel (process_vm_readv(2) of the process itself), so that what isn't
/// mapped is an answer and not a fault. It is allocated before any thread is parked.
pub(super) struct Memory {
    buffer: Box<[u64]>,
    pid: i32,
    pagemap: Option<Fd>,
}

/// The first address that couldn't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) u64);

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; CHUNK / 8].into_boxed_slice(),
            // SAFETY: no preconditions.
            pid: unsafe { libc::getpid() },
            pagemap: Fd::open_at(None, c"/proc/self/pagemap", libc::O_RDONLY).ok(),
        }
    }

    /// Copies bytes to the buffer's start; how many words came.
    fn fetch(&mut self, at: u64, size: u64) -> Option<usize> {
        let local = libc::iovec {
            iov_base: self.buffer.as_mut_ptr().cast(),
            iov_len: (size as usize).min(CHUNK),
        };
        let remote = libc::iovec {
            iov_base: at as *mut c_void,
            iov_len: local.iov_len,
        };
        // SAFETY: the local range is the buffer; the kernel checks the remote one.
        let got = unsafe {
            libc::process_vm_readv(self.pid, &raw const local, 1, &raw const remote, 1, 0)
        };
        usize::try_from(got)
            .ok()
            .map(|got| got / 8)
            .filter(|got| *got > 0)
    }

    /// One word.
    pub(super) fn word(&mut self, at: u64) -> Option<u64> {
        self.fetch(at, 8).map(|_| self.buffer[0])
    }

    /// Passes on all words of a range, or tells where one couldn't be read: then the range isn't
    /// mapped as a whole.
    pub(super) fn words(
        &mut self,
        range: Range<u64>,
        mut each: impl FnMut(&[u64]),
    ) -> Result<(), Unreadable> {
        let mut at = range.start & !7;
        let end = range.end & !7;
        while at < end {
            let size = (end - at).min(CHUNK as u64);
            let in_page = size.min(PAGE - at % PAGE);
            // A chunk with a gap in it may be refused as a whole.
            let got = self
                .fetch(at, size)
                .or_else(|| self.fetch(at, in_page))
                .ok_or(Unreadable(at))?;
            each(&self.buffer[..got]);
            at += 8 * got as u64;
        }
        Ok(())
    }

    /// Passes on the words of a range that can be read; whether there were any. A page that can't
    /// be read has no frame on it that could be returned to.
    pub(super) fn readable_words(
        &mut self,
        range: Range<u64>,
        mut each: impl FnMut(&[u64]),
    ) -> bool {
        let mut any = false;
        let mut at = range.start;
        while at < range.end {
            let result = self.words(at..range.end, |words| {
                any = true;
                each(words);
            });
            match result {
                Ok(()) => break,
                Err(Unreadable(bad)) => at = (bad / PAGE + 1) * PAGE,
            }
        }
        any
    }

    /// As [`Memory::readable_words`], without the pages that were never touched: of private
    /// memory of no file, whose untouched pages are empty.
    pub(super) fn touched_words(&mut self, range: Range<u64>, mut each: impl FnMut(&[u64])) {
        // One word for each page (Documentation/admin-guide/mm/pagemap.rst in the kernel): bit 63
        // means present, bit 62 swapped out.
        const TOUCHED: u64 = 0b11 << 62;
        const PAGES: usize = 256;
        let mut entries = [0u8; 8 * PAGES];
        let mut page = range.start / PAGE;
        let last = range.end.div_ceil(PAGE);
        while page < last {
            let count = (last - page).min(PAGES as u64) as usize;
            let entries = &mut entries[..8 * count];
            let got = match &self.pagemap {
                Some(file) => file.read_at(entries, page * 8).unwrap_or(0),
                None => 0,
            };
            if got < entries.len() {
                self.readable_words(range.start.max(page * PAGE)..range.end, each);
                return;
            }
            let touched = |index: usize| {
                let entry = entries[8 * index..].first_chunk::<8>();
                entry.is_some_and(|bytes| u64::from_ne_bytes(*bytes) & TOUCHED != 0)
            };
            let mut index = 0;
            while index < count {
                let first = index;
                while index < count && touched(index) == touched(first) {
                    index += 1;
                }
                if touched(first) {
                    let start = range.start.max((page + first as u64) * PAGE);
                    let end = range.end.min((page + index as u64) * PAGE);
                    self.readable_words(start..end, &mut each);
                }
            }
            page += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of which the middle one is taken away again.
    struct Pages(u64);

    impl Pages {
        fn with_a_gap() -> Self {
            // SAFETY: a fresh private mapping, of which one page is given back.
            unsafe {
                let start = libc::mmap(
                    std::ptr::null_mut(),
                    3 * PAGE as usize,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                );
                assert_ne!(start, libc::MAP_FAILED);
                libc::mprotect(start.byte_add(PAGE as usize), PAGE as usize, 0);
                start.cast::<u64>().write(7);
                start.cast::<u64>().byte_add(3 * PAGE as usize - 8).write(9);
                Self(start as u64)
            }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: ours.
            unsafe { libc::munmap(self.0 as *mut c_void, 3 * PAGE as usize) };
        }
    }

    #[test]
    fn gaps_are_told() {
        let pages = Pages::with_a_gap();
        let mut memory = Memory::new();
        let mut seen = Vec::new();
        let all = pages.0..pages.0 + 3 * PAGE;
        let result = memory.words(all.clone(), |words| seen.extend_from_slice(words));
        assert_eq!(result, Err(Unreadable(pages.0 + PAGE)));
        assert_eq!(seen.len() as u64, PAGE / 8);
        assert_eq!(seen[0], 7);
        seen.clear();
        assert!(memory.readable_words(all.clone(), |words| seen.extend_from_slice(words)));
        assert_eq!(seen.len() as u64, 2 * PAGE / 8);
        assert_eq!(seen.last(), Some(&9));
        seen.clear();
        memory.touched_words(all, |words| seen.extend(words.iter().filter(|w| **w != 0)));
        assert_eq!(seen, [7, 9]);
        assert_eq!(memory.word(pages.0), Some(7));
        assert_eq!(memory.word(pages.0 + PAGE), None);
        assert!(!memory.readable_words(pages.0 + PAGE..pages.0 + 2 * PAGE, |_| ()));
    }
}
