//! Writing to pages that aren't writable.
//!
//! No page is writable and executable, and none that a thread may be running changes its
//! protection. Code is written through its [`Mirror`], a second view of it, where there is one.
//! Everything else is written by force: Linux lets a process write to its own private read-only
//! memory through `/proc/self/mem` (ptrace semantics: the page is copied if it is shared, its
//! protection stays). That costs 2 to 5 us each time, and works for all memory, in children of
//! forks, and beneath a debugger.
//!
//! The file stays open: a program that changes its root directory or its user could not open it
//! again. Its number is high, where programs don't meet it; one that closes all descriptors makes
//! us open it anew. Where that can't be done, or the kernel forbids such writes
//! (`proc_mem.force_override`, Linux 6.12), pages are replaced as a whole (`swap.rs`).

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rewire_object::ExecAddr;
use rewire_sync::{Mutex, RwLock, lock, read, write};

use crate::error::MemoryError;
use crate::fork_mark::ForkMark;
use crate::mirror::Mirror;
use crate::swap;

#[derive(Debug)]
pub(crate) struct Writer {
    mirror: Option<Arc<Mirror>>,
    /// `None` where it can't be opened.
    mem: Mutex<Option<MemFile>>,
    same_process: ForkMark,
    /// Held by whoever replaces pages; what others write to these pages at the same time would be
    /// lost.
    swapping: RwLock<()>,
}

impl Writer {
    pub(crate) fn open(mirror: Option<Arc<Mirror>>) -> Result<Self, MemoryError> {
        Ok(Self {
            mirror,
            mem: Mutex::new(MemFile::open().ok()),
            same_process: ForkMark::new()?,
            swapping: RwLock::new(()),
        })
    }

    /// As in a process that can't open `/proc/self/mem` and may not write to the one that it has.
    #[cfg(test)]
    pub(crate) fn forbid_force(&self) {
        let null = File::open("/dev/null").unwrap();
        let identity = identity(&null).unwrap();
        let read_only = MemFile {
            file: null,
            identity,
        };
        *self.mem.lock().unwrap() = Some(read_only);
    }

    /// Writes bytes to readable pages of private memory that have this protection.
    ///
    /// # Safety
    ///
    /// The caller must own the bytes, and must ensure that nobody reads or runs them during the
    /// call.
    pub(crate) unsafe fn write(
        &self,
        to: ExecAddr,
        bytes: &[u8],
        protection: c_int,
    ) -> Result<(), MemoryError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(mirror) = &self.mirror {
            let _no_swap = read(&self.swapping);
            // SAFETY: as the caller promises; the mirror knows what it covers.
            if unsafe { mirror.write(to, bytes) } {
                return Ok(());
            }
        }
        // SAFETY: as the caller promises.
        unsafe { self.force(to, bytes, protection) }
    }

    /// The same without the mirror.
    ///
    /// # Safety
    ///
    /// As for [`Writer::write`].
    unsafe fn force(
        &self,
        to: ExecAddr,
        bytes: &[u8],
        protection: c_int,
    ) -> Result<(), MemoryError> {
        let mut mem = lock(&self.mem);
        // After fork the old file still means the parent's memory.
        let is_of_use = |mem: &MemFile| self.same_process.is_set() && mem.is_intact();
        if !mem.as_ref().is_some_and(is_of_use) {
            if let Some(former) = mem.take() {
                former.leave();
            }
            *mem = MemFile::open().ok();
            self.same_process.set();
        }
        let forced = mem
            .as_ref()
            .map(|mem| mem.file.write_all_at(bytes, to.get()));
        if forced.is_some_and(|written| written.is_ok()) {
            return Ok(());
        }
        let _swapping = write(&self.swapping);
        // SAFETY: as the caller promises. Whoever writes to these pages by force waits for `mem`,
        // and whoever does by the mirror for `swapping`.
        unsafe { swap::write(to.get(), bytes, protection) }.map_err(|source| MemoryError::Write {
            address: to,
            size: bytes.len(),
            source: source.into(),
        })
    }

    /// Writes the same byte all over a range of readable pages of private memory.
    ///
    /// # Safety
    ///
    /// As for [`Writer::write`].
    pub(crate) unsafe fn fill(
        &self,
        range: Range<ExecAddr>,
        byte: u8,
        protection: c_int,
    ) -> Result<(), MemoryError> {
        const AT_ONCE: u64 = 64 << 10;
        let size = range.end.get().saturating_sub(range.start.get());
        let bytes = vec![byte; size.min(AT_ONCE) as usize];
        let mut done = 0;
        while done < size {
            let part = &bytes[..(size - done).min(AT_ONCE) as usize];
            // SAFETY: as the caller promises.
            unsafe { self.write(range.start + done, part, protection)? };
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
    fn open() -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let low = options.read(true).write(true).open("/proc/self/mem")?;
        let file = move_up(&low).unwrap_or(low);
        let identity = identity(&file).ok_or_else(io::Error::last_os_error)?;
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
