//! Writing to pages that aren't writable.
//!
//! No page is writable and executable, and none that a thread may be running changes its protection.
//! Code is written through its [`Mirror`], a second view of it, where there is one. Everything else is
//! written by force: Linux lets a process write to its own private read-only memory through
//! `/proc/self/mem` (ptrace semantics: the page is copied if it is shared, its protection stays). That
//! costs 2 to 5 us each time, and works for all memory, in children of forks, and beneath a debugger.
//!
//! Kernels can be told to forbid it (`proc_mem.force_override`, Linux 6.12); reserving memory
//! fails then.
//!
//! The file stays open: a program that changes its root directory or its user could not open it
//! again. Its number is high, where programs don't meet it; one that closes all descriptors makes
//! us open it anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rewire_object::ExecAddr;
use rewire_sync::Mutex;

use crate::error::MemoryError;
use crate::fork_mark::ForkMark;
use crate::mirror::Mirror;

#[derive(Debug)]
pub(crate) struct Writer {
    mirror: Option<Arc<Mirror>>,
    mem: Mutex<MemFile>,
    same_process: ForkMark,
}

impl Writer {
    pub(crate) fn open(mirror: Option<Arc<Mirror>>) -> Result<Self, MemoryError> {
        Ok(Self {
            mirror,
            mem: Mutex::new(MemFile::open()?),
            same_process: ForkMark::new()?,
        })
    }

    /// Writes bytes to readable pages of private memory.
    ///
    /// # Safety
    ///
    /// Nobody reads or runs the bytes meanwhile, and they belong to the caller.
    pub(crate) unsafe fn write(&self, to: ExecAddr, bytes: &[u8]) -> Result<(), MemoryError> {
        // SAFETY: as the caller promises; the mirror knows what it covers.
        let is_mirrored = |mirror: &Arc<Mirror>| unsafe { mirror.write(to, bytes) };
        if bytes.is_empty() || self.mirror.as_ref().is_some_and(is_mirrored) {
            return Ok(());
        }
        self.force(to, bytes)
    }

    fn force(&self, to: ExecAddr, bytes: &[u8]) -> Result<(), MemoryError> {
        let mut mem = self
            .mem
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // After fork the old file still means the parent's memory.
        if !self.same_process.is_set() || !mem.is_intact() {
            let former = std::mem::replace(&mut *mem, MemFile::open()?);
            former.leave();
            self.same_process.set();
        }
        mem.file
            .write_all_at(bytes, to.get())
            .map_err(|source| MemoryError::Write {
                address: to,
                size: bytes.len(),
                source,
            })
    }

    /// Writes the same byte all over a range of readable pages of private memory.
    ///
    /// # Safety
    ///
    /// As for [`Writer::write`].
    pub(crate) unsafe fn fill(&self, range: Range<ExecAddr>, byte: u8) -> Result<(), MemoryError> {
        const AT_ONCE: u64 = 64 << 10;
        let size = range.end.get().saturating_sub(range.start.get());
        let bytes = vec![byte; size.min(AT_ONCE) as usize];
        let mut done = 0;
        while done < size {
            let part = &bytes[..(size - done).min(AT_ONCE) as usize];
            // SAFETY: as the caller promises.
            unsafe { self.write(range.start + done, part)? };
            done += part.len() as u64;
        }
        Ok(())
    }
}

/// `/proc/self/mem`, open.
#[derive(Debug)]
struct MemFile {
    file: File,
    /// Which file it is, to be told from one that the program opened under the same number.
    identity: Identity,
}

/// Device and inode.
type Identity = (u64, u64);

impl MemFile {
    fn open() -> Result<Self, MemoryError> {
        let path = "/proc/self/mem";
        let failed = |source| MemoryError::Proc { path, source };
        let low = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        let file = move_up(&low).unwrap_or(low);
        let identity = identity(&file).ok_or_else(|| failed(io::Error::last_os_error()))?;
        Ok(Self { file, identity })
    }

    fn is_intact(&self) -> bool {
        identity(&self.file) == Some(self.identity)
    }

    /// Closes the file, unless its number is another file's by now.
    fn leave(self) {
        if !self.is_intact() {
            let _ = self.file.into_raw_fd();
        }
    }
}

fn identity(file: &File) -> Option<Identity> {
    // SAFETY: zeroed bytes are a valid `stat`, which the call fills in.
    unsafe {
        let mut status: libc::stat = std::mem::zeroed();
        (libc::fstat(file.as_raw_fd(), &raw mut status) == 0)
            .then_some((status.st_dev, status.st_ino))
    }
}

/// The same file under a high number, close to the limit that most processes have.
fn move_up(file: &File) -> Option<File> {
    // SAFETY: zeroed bytes are a valid `rlimit`; the new descriptor is ours alone.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let least = limit.rlim_cur.min(1024).saturating_sub(16) as libc::c_int;
        let high = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least);
        (high >= 0).then(|| File::from_raw_fd(high))
    }
}
