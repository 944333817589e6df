//! [`JitDump`]: all code that was compiled, with the times at which it was there, in the format of
//! perf (Linux, `tools/perf/Documentation/jitdump-specification.txt`).
//!
//! `perf record -k 1` notes that the process maps the file as code, and `perf inject --jit` makes
//! of each function in it an object file that `perf report` and `perf annotate` know. What comes to
//! lie where other code was is told apart by time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::getpid;
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

use crate::{Function, frames};

/// "JiTD", as a number of the machine that wrote it.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
/// `EM_X86_64`.
const MACHINE: u32 = 62;
const HEADER_SIZE: u32 = 40;

/// Kinds of records.
const CODE_LOAD: u32 = 0;
const CODE_CLOSE: u32 = 3;
const UNWINDING_INFO: u32 = 4;

/// A file of compiled code, which ends when this is dropped.
///
/// May be used from several threads at once. The file is opened anew for each record, since a
/// program may close any descriptor.
#[derive(Debug)]
pub struct JitDump {
    path: PathBuf,
    process: u32,
    /// The number of functions that were written.
    count: AtomicU64,
    _marker: Marker,
}

/// A page of the file that is mapped as code, which tells perf where the file is.
#[derive(Debug)]
struct Marker(*mut std::ffi::c_void);

// SAFETY: nobody reads or writes the page.
unsafe impl Send for Marker {}
// SAFETY: as above.
unsafe impl Sync for Marker {}

const PAGE: usize = 4096;

impl Marker {
    fn new(file: &File) -> io::Result<Self> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let page = unsafe { mmap(std::ptr::null_mut(), PAGE, protection, flags, file, 0) }?;
        Ok(Self(page))
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new`, and nobody uses it.
        let _ = unsafe { munmap(self.0, PAGE) };
    }
}

impl JitDump {
    /// Begins the file `jit-PROCESS.dump` in a folder; one of that name is overwritten.
    ///
    /// # Errors
    ///
    /// The file can't be written, or can't be mapped as code: the file system may forbid that.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let process = getpid().as_raw_nonzero().get().unsigned_abs();
        let path = folder.canonicalize()?.join(format!("jit-{process}.dump"));
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        let mut header = Vec::with_capacity(HEADER_SIZE as usize);
        for word in [MAGIC, VERSION, HEADER_SIZE, MACHINE, 0, process] {
            header.extend(word.to_ne_bytes());
        }
        header.extend(now().to_ne_bytes());
        // No flags: times are of the monotonic clock.
        header.extend(0_u64.to_ne_bytes());
        file.write_all(&header)?;
        Ok(Self {
            _marker: Marker::new(&file)?,
            path,
            process,
            count: AtomicU64::new(0),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a function that can be run from now on. In a forked child nothing is added: perf takes
    /// what a file says for the process that began it.
    ///
    /// # Errors
    ///
    /// The file can't be written any more.
    pub fn add(&self, function: &Function<'_>) -> io::Result<()> {
        if getpid().as_raw_nonzero().get().unsigned_abs() != self.process {
            return Ok(());
        }
        let mut records = Vec::with_capacity(function.code.len() + 512);
        if let Some(unwinding) = Unwinding::of(function) {
            // It is about the function that follows.
            push_record(&mut records, UNWINDING_INFO, &unwinding.content());
        }
        let index = self.count.fetch_add(1, Ordering::Relaxed);
        let mut content = Vec::with_capacity(function.code.len() + function.name.len() + 64);
        content.extend(self.process.to_ne_bytes());
        content.extend(gettid().as_raw_nonzero().get().unsigned_abs().to_ne_bytes());
        let length = function.code.len() as u64;
        for word in [function.start, function.start, length, index] {
            content.extend(word.to_ne_bytes());
        }
        // A zero byte would end the name.
        content.extend(function.name.bytes().filter(|byte| *byte != 0));
        content.push(0);
        content.extend(function.code);
        push_record(&mut records, CODE_LOAD, &content);
        self.append(&records)
    }

    /// Writes records in one piece.
    fn append(&self, records: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .append(true)
            .open(&self.path)?
            .write_all(records)
    }
}

impl Drop for JitDump {
    fn drop(&mut self) {
        let mut record = Vec::new();
        push_record(&mut record, CODE_CLOSE, &[]);
        let _ = self.append(&record);
    }
}

fn push_record(records: &mut Vec<u8>, kind: u32, content: &[u8]) {
    records.extend(kind.to_ne_bytes());
    records.extend((16 + content.len() as u32).to_ne_bytes());
    records.extend(now().to_ne_bytes());
    records.extend(content);
}

/// The time of the clock of `perf record -k 1`, in nanoseconds.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// A function's frame description, and the table by which readers search for it (Linux Standard
/// Base, section 10.6.2). perf puts both behind the function's code, at the next multiple of 8.
struct Unwinding {
    eh_frame: Vec<u8>,
    header: Vec<u8>,
}

/// Offsets from where they stand, in four bytes with a sign.
const PCREL_SDATA4: u8 = 0x1b;
const UDATA4: u8 = 0x03;
/// Offsets from the table's start, in four bytes with a sign.
const DATAREL_SDATA4: u8 = 0x3b;

impl Unwinding {
    fn of(function: &Function<'_>) -> Option<Self> {
        let distance = (function.code.len() as u64).next_multiple_of(8);
        let (eh_frame, description) = frames::behind(function, distance)?;
        let from_header = -(i32::try_from(eh_frame.len()).ok()?);
        let code = from_header.checked_sub(i32::try_from(distance).ok()?)?;
        let mut header = vec![1, PCREL_SDATA4, UDATA4, DATAREL_SDATA4];
        // The first is relative to its own place.
        header.extend((from_header - 4).to_ne_bytes());
        header.extend(1_u32.to_ne_bytes());
        header.extend(code.to_ne_bytes());
        header.extend((from_header + i32::try_from(description).ok()?).to_ne_bytes());
        Some(Self { eh_frame, header })
    }

    fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.eh_frame.len() + 64);
        let size = (self.eh_frame.len() + self.header.len()) as u64;
        // None of it is mapped where it is said to be.
        for word in [size, self.header.len() as u64, 0] {
            content.extend(word.to_ne_bytes());
        }
        content.extend(&self.eh_frame);
        content.extend(&self.header);
        content
    }
}
