//! A second view of the code, through which it is written.
//!
//! Code lies in a file in memory (memfd_create(2)) that is mapped twice: executable where it runs,
//! writable somewhere else. No page is both, and to write a function costs a copy instead of a
//! system call. The executable view is private, for two reasons. A debugger can set breakpoints in
//! it: the kernel gives the process a page of its own then, in which the file's later contents
//! don't show. So each write is read back where it runs, and what doesn't show there is written by
//! force (see `writer.rs`). And a child of a fork can write to its code without its parent's
//! changing.
//!
//! The other way round, what the parent writes shows in its child, where neither has a page of its
//! own. That does no harm in memory that was never given out before. To overwrite what may be code
//! of the child's the parent has to be told of the fork in time ([`Mirror::leave_to_child`]), and
//! forces what it writes there from then on. The child doesn't get the writable view
//! (`MADV_DONTFORK`), nor uses its address.
//!
//! perf takes the file for a library and doesn't look into its map of the process for names, and
//! valgrind doesn't expect code in files to change; under valgrind, and whenever the client wants
//! it or the kernel has no such files, code lies in anonymous memory and is written by force.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rewire_object::ExecAddr;

use crate::fork_mark::ForkMark;
use crate::limits;
use crate::page::PAGE;

/// So many bytes get memory at once when the first of them is written: a sixteenth of the faults,
/// and what the kernel makes visible with one fault of the executable view.
const STEP: u64 = 64 << 10;

/// Both views of a stretch of code.
#[derive(Debug)]
pub(crate) struct Mirror {
    /// The addresses at which the code runs.
    code: Range<u64>,
    /// Where the writable view begins.
    view: u64,
    /// Below, a child may see what is written here.
    shared_below: AtomicU64,
    /// Below, pages have memory.
    populated: AtomicU64,
    /// Not set in a child: it has no writable view.
    same_process: ForkMark,
}

impl Mirror {
    /// Has inaccessible memory be the executable view of a new file; `None`, and nothing changed,
    /// where that can't be had.
    ///
    /// # Safety
    ///
    /// The caller must own the range, which consists of whole pages, and must ensure that nobody
    /// has used it.
    pub(crate) unsafe fn map(code: Range<u64>) -> Option<Self> {
        let size = code.end - code.start;
        let same_process = ForkMark::new().ok()?;
        let file = memory_file(size).ok()?;
        // SAFETY: a fresh mapping, inaccessible until it is opened.
        let view = unsafe { map(&file, 0, size, libc::MAP_SHARED | libc::MAP_NORESERVE).ok()? };
        // Made first, so that it undoes itself.
        let mirror = Self {
            view,
            shared_below: AtomicU64::new(code.start),
            populated: AtomicU64::new(code.start),
            same_process,
            code,
        };
        // SAFETY: the pages are the mirror's own.
        if unsafe {
            libc::madvise(
                view as *mut libc::c_void,
                size as usize,
                libc::MADV_DONTFORK,
            )
        } != 0
        {
            return None;
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        // Whether the kernel lets such a file be executed is asked before anything is replaced.
        // SAFETY: fresh mappings; the second one replaces the caller's memory.
        unsafe {
            let probe = map(&file, 0, PAGE, flags).ok()?;
            let executable = libc::PROT_READ | libc::PROT_EXEC;
            let refused = libc::mprotect(probe as *mut libc::c_void, PAGE as usize, executable);
            libc::munmap(probe as *mut libc::c_void, PAGE as usize);
            if refused != 0 {
                return None;
            }
            map(&file, mirror.code.start, size, flags | libc::MAP_FIXED).ok()?;
        }
        Some(mirror)
    }

    /// Makes a part of the view writable, in the order of addresses.
    ///
    /// # Errors
    ///
    /// The kernel has no memory.
    pub(crate) fn open(&self, code: Range<u64>) -> io::Result<()> {
        if !self.same_process.is_set() {
            return Ok(());
        }
        let size = (code.end - code.start) as usize;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the mirror's own pages, which nobody has used.
        let failed = unsafe { libc::mprotect(self.writable(code.start).cast(), size, protection) };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Writes code, if that can be done so that it shows where it runs, and only in this process.
    /// Else the answer is `false`, and what is there is of no use until it is written by force.
    ///
    /// # Safety
    ///
    /// The caller must own the bytes, which lie in an open part, and must ensure that nobody reads
    /// or runs them during the call.
    pub(crate) unsafe fn write(&self, to: ExecAddr, bytes: &[u8]) -> bool {
        let end = to.get() + bytes.len() as u64;
        if to.get() < self.shared_below.load(Ordering::Acquire)
            || end > self.code.end
            || !self.same_process.is_set()
            || !self.populate(end)
        {
            return false;
        }
        // SAFETY: the view is as long as the code, open there, and nobody else's. The code is
        // readable.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.writable(to.get()), bytes.len());
            std::slice::from_raw_parts(to.get() as *const u8, bytes.len()) == bytes
        }
    }

    /// To be called before a fork, by a thread that keeps all others from writing code meanwhile:
    /// what lies below `top` may be code of the child's.
    pub(crate) fn leave_to_child(&self, top: u64) {
        let whole = top.next_multiple_of(PAGE);
        self.shared_below.fetch_max(whole, Ordering::AcqRel);
    }

    /// The addresses of the writable view; none in a child.
    pub(crate) fn view(&self) -> Range<ExecAddr> {
        if !self.same_process.is_set() {
            return ExecAddr::NULL..ExecAddr::NULL;
        }
        let size = self.code.end - self.code.start;
        ExecAddr::new(self.view)..ExecAddr::new(self.view + size)
    }

    fn writable(&self, code: u64) -> *mut u8 {
        (self.view + (code - self.code.start)) as *mut u8
    }

    /// Sees to it that the pages up to an address have memory: a lack of it is no fault then.
    fn populate(&self, end: u64) -> bool {
        let from = self.populated.load(Ordering::Relaxed);
        if end <= from {
            return true;
        }
        let to = end.next_multiple_of(STEP).min(self.code.end);
        let size = (to - from) as usize;
        // SAFETY: the mirror's own pages; to populate them changes no byte.
        let failed = unsafe {
            libc::madvise(self.writable(from).cast(), size, libc::MADV_POPULATE_WRITE) != 0
        };
        // Linux before 5.14 doesn't know it.
        if failed && io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            return false;
        }
        self.populated.fetch_max(to, Ordering::Relaxed);
        true
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // In a child, something else may be there.
        if self.same_process.is_set() {
            let size = (self.code.end - self.code.start) as usize;
            // SAFETY: the view is ours, and nobody uses it any more.
            unsafe { libc::munmap(self.view as *mut libc::c_void, size) };
        }
    }
}

/// A file in memory, of zeros, that may be executed.
fn memory_file(size: u64) -> io::Result<OwnedFd> {
    let create = |flags| {
        // SAFETY: the name is a C string; the descriptor is ours alone.
        unsafe {
            let fd = libc::memfd_create(c"rewire code".as_ptr(), flags);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(OwnedFd::from_raw_fd(fd))
        }
    };
    // Linux before 6.3 doesn't know the flag, and allows it without.
    let file = match create(libc::MFD_CLOEXEC | libc::MFD_EXEC) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => create(libc::MFD_CLOEXEC)?,
        other => other?,
    };
    // A file that is larger than the process may make is answered with a signal.
    if limits::file_size() < size {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let size = libc::off_t::try_from(size).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open.
    if unsafe { libc::ftruncate(file.as_raw_fd(), size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// Maps the beginning of a file, inaccessible.
///
/// # Safety
///
/// With `MAP_FIXED`, the caller must own the memory that is at the address.
unsafe fn map(file: &OwnedFd, at: u64, size: u64, flags: libc::c_int) -> io::Result<u64> {
    let (at, size) = (at as *mut libc::c_void, size as usize);
    // SAFETY: as the caller promises.
    let start = unsafe { libc::mmap(at, size, libc::PROT_NONE, flags, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(start as u64)
}
