//! The engine's one range of memory.
//!
//! Memory of code, constants and variables can be given back: it is in use, then quarantined,
//! then free. Code that is given back becomes breakpoints at once, so that a thread that runs it
//! by mistake faults loudly. (Taking the page's permission away would fault too, but other code
//! may live on the same page.)

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rewire_object::ExecAddr;
use rewire_sync::{Mutex, MutexGuard, lock};

use crate::barrier::Barrier;
use crate::error::MemoryError;
use crate::limits;
use crate::maps::{MapCount, count_maps, gap_near_libc};
use crate::mirror::Mirror;
use crate::page::PAGE;
use crate::region::{self, BlockPlacement, Region};
use crate::region_kind::RegionKind;
use crate::valgrind;
use crate::writer::Writer;

/// How code is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodeMapping {
    /// A file in memory, mapped twice: executable where it runs, writable elsewhere. To write a
    /// function is to copy it. Where the kernel has no such files, and under valgrind: as
    /// [`CodeMapping::Anonymous`].
    ///
    /// A child that was made without the C library's `fork` (by clone(2), sharing no memory) may
    /// lose code that its parent replaces.
    #[default]
    Mirrored,
    /// Anonymous memory, written through `/proc/self/mem`, at some microseconds for each function.
    /// perf looks for names in its map of the process (`/tmp/perf-PID.map`) only for such code.
    Anonymous,
}

/// Bytes in use, and bytes that wait to be used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Code and stubs in use.
    pub code: u64,
    /// Constants, variables and slots in use.
    pub data: u64,
    /// Given back, and not free yet: see [`CodeMemory::end_quarantine`].
    pub quarantined: u64,
}

/// One reserved range of addresses, of at most 1 GiB and close to libc where there is room, so
/// that 32-bit displacements reach everything in it and libc.
///
/// `Send + Sync`: it is locked for the time of an allocation. The range is unmapped on drop:
/// nobody may run its code any more.
#[derive(Debug)]
pub struct CodeMemory {
    start: u64,
    size: u64,
    regions: [Mutex<Region>; RegionKind::ALL.len()],
    mirror: Option<Arc<Mirror>>,
    writer: Writer,
    barrier: Barrier,
}

/// Bytes at the start of the range that are never given out.
const UNUSED: u64 = PAGE;

impl CodeMemory {
    /// Reserves the range; commits no memory.
    ///
    /// # Errors
    ///
    /// Not even 16 MiB of address space are left, or the kernel refuses to open it.
    pub fn reserve(mapping: CodeMapping) -> Result<Self, MemoryError> {
        let (start, size) = reserve_range()?;
        let mut next = start;
        let mut regions = RegionKind::ALL.map(|kind| {
            let end = next + size / 32 * kind.share();
            // The range's first address is known to many; no code lies there, or looks at stacks
            // would find it everywhere.
            let unused = if next == start { UNUSED } else { 0 };
            let region = Region::new(kind, next + unused..end);
            next = end;
            region
        });
        let code = &mut regions[RegionKind::Code as usize];
        let mut mirror = None;
        if mapping == CodeMapping::Mirrored && !valgrind::is_running() {
            let range = code.space().start()..code.space().end();
            // SAFETY: the range is ours, and nothing was given out of it.
            mirror = unsafe { Mirror::map(range) }.map(Arc::new);
        }
        if let Some(mirror) = &mirror {
            code.set_mirror(Arc::clone(mirror));
        }
        Ok(Self {
            start,
            size,
            regions: regions.map(Mutex::new),
            writer: Writer::open(mirror.clone())?,
            mirror,
            barrier: Barrier::register(),
        })
    }

    /// Prepares for a fork: the code that there is stays as it is in the child, whatever this
    /// process writes later. The caller must keep all other threads from changing code until the
    /// fork has happened.
    pub fn leave_to_child(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.leave_to_child(self.lock(RegionKind::Code).space().top());
        }
    }

    /// Counts the kernel's mappings of all of it, the writable view of the code included.
    ///
    /// # Errors
    ///
    /// `/proc` can't be read.
    pub fn count_maps(&self) -> Result<MapCount, MemoryError> {
        let mut count = count_maps(&self.reach())?;
        if let Some(mirror) = &self.mirror {
            count += count_maps(&mirror.view())?;
        }
        Ok(count)
    }

    /// The range in which all memory of this engine lies.
    #[must_use]
    pub fn reach(&self) -> Range<ExecAddr> {
        ExecAddr::new(self.start)..ExecAddr::new(self.start + self.size)
    }

    /// The addresses that a region can have.
    #[must_use]
    pub fn region(&self, kind: RegionKind) -> Range<ExecAddr> {
        let region = self.lock(kind);
        let space = region.space();
        ExecAddr::new(space.start())..ExecAddr::new(space.end())
    }

    fn lock(&self, kind: RegionKind) -> MutexGuard<'_, Region> {
        lock(&self.regions[kind as usize])
    }

    /// Takes `size` bytes of a region, wherever they fit best. Memory of variables and slots is
    /// zero until it is written; what is in code and constants before that is not specified.
    ///
    /// # Errors
    ///
    /// The region is full, or the kernel has no memory.
    pub fn allocate(
        &self,
        kind: RegionKind,
        size: u64,
        align: u64,
    ) -> Result<Reserved<'_>, MemoryError> {
        self.take(kind, size, align, BlockPlacement::Anywhere)
    }

    /// As [`CodeMemory::allocate`], but above everything of the region that is in use. What is
    /// taken so, one after the other, lies together, with gaps for alignment alone.
    ///
    /// # Errors
    ///
    /// As for [`CodeMemory::allocate`].
    pub fn allocate_at_end(
        &self,
        kind: RegionKind,
        size: u64,
        align: u64,
    ) -> Result<Reserved<'_>, MemoryError> {
        self.take(kind, size, align, BlockPlacement::AtEnd)
    }

    /// As [`CodeMemory::allocate`], at an address above everything of the region that is in use.
    ///
    /// # Errors
    ///
    /// Something from this address on is in use, or as for [`CodeMemory::allocate`].
    pub fn allocate_exactly(
        &self,
        kind: RegionKind,
        start: ExecAddr,
        size: u64,
    ) -> Result<Reserved<'_>, MemoryError> {
        self.take(kind, size, 1, BlockPlacement::Exactly(start.get()))
    }

    /// Gives back a part of an allocation that was kept, and that nobody has seen. It may be given
    /// out again at once.
    pub fn free_unseen(&self, kind: RegionKind, range: Range<ExecAddr>) {
        let range = range.start.get()..range.end.get();
        self.lock(kind).space_mut().free_unused(range);
    }

    fn take(
        &self,
        kind: RegionKind,
        size: u64,
        align: u64,
        place: BlockPlacement,
    ) -> Result<Reserved<'_>, MemoryError> {
        // Two of the three segments of most objects.
        if size == 0 && align <= UNUSED {
            return Ok(Reserved {
                memory: self,
                kind,
                start: ExecAddr::new(self.start),
                size,
            });
        }
        let taken = self.lock(kind).allocate(size, align, place)?;
        if kind.is_writable() && taken.recycled > 0 {
            // SAFETY: the memory has just become ours, and its pages are writable.
            unsafe { region::clear(taken.start..taken.start + taken.recycled) };
        }
        Ok(Reserved {
            memory: self,
            kind,
            start: ExecAddr::new(taken.start),
            size,
        })
    }

    /// Gives bytes back: all of an allocation that was kept, or a part of it, in any order. They
    /// are overwritten at once (code with `int3`), and given out again only after
    /// [`CodeMemory::end_quarantine`].
    ///
    /// # Errors
    ///
    /// Some of the bytes aren't in use, or they are slots or stubs; or the kernel refuses to
    /// write them. Then they stay in use.
    ///
    /// # Safety
    ///
    /// The caller must ensure that nobody can reach the bytes any more: no thread runs them or may
    /// return into them, no slot leads there, and no unwind table or other code refers to them.
    pub unsafe fn free(&self, kind: RegionKind, range: Range<ExecAddr>) -> Result<(), MemoryError> {
        let bytes = range.start.get()..range.end.get();
        let not_in_use = MemoryError::NotInUse {
            region: kind,
            start: range.start,
            end: range.end,
        };
        let Some(poison) = kind.poison() else {
            return Err(not_in_use);
        };
        if bytes.start == bytes.end {
            return Ok(());
        }
        // Locked until the bytes are overwritten: they can't become free before.
        let mut region = self.lock(kind);
        if !region.space().is_used(&bytes) {
            return Err(not_in_use);
        }
        if kind.is_writable() {
            // SAFETY: they are mapped and writable, and nobody uses them, as the caller promises.
            unsafe {
                let size = (bytes.end - bytes.start) as usize;
                std::ptr::write_bytes(bytes.start as *mut u8, poison, size);
            }
        } else {
            // SAFETY: nobody uses them, as the caller promises.
            unsafe { self.writer.fill(range, poison, kind.protection())? };
        }
        region.space_mut().quarantine(bytes);
        Ok(())
    }

    /// Makes everything that was given back until now free to be given out again; the answer is
    /// how many bytes that is.
    ///
    /// Code becomes free once no processor can still have it fetched, but for the breakpoints that
    /// it was overwritten with: it is as new then. Where the kernel can't tell (see `barrier.rs`),
    /// it stays quarantined.
    pub fn end_quarantine(&self) -> u64 {
        let mut freed = 0;
        for kind in RegionKind::ALL {
            let mut region = self.lock(kind);
            let is_code = kind.is_executable() && region.space().quarantined() > 0;
            if is_code && self.barrier.synchronise().is_err() {
                continue;
            }
            freed += region.space_mut().end_quarantine(|block| {
                if !kind.is_executable() {
                    // SAFETY: the block is free as long as the region is locked.
                    unsafe { region::release_pages(block) };
                }
            });
        }
        freed
    }

    /// Bytes in use and in quarantine.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for kind in RegionKind::ALL {
            let region = self.lock(kind);
            let used = region.space().used();
            if kind.is_executable() {
                usage.code += used;
            } else {
                usage.data += used;
            }
            usage.quarantined += region.space().quarantined();
        }
        usage
    }

    /// Reads an aligned word of memory in use, all of it at once: compiled code may be writing it.
    #[must_use]
    pub fn load(&self, address: ExecAddr) -> Option<u64> {
        let bytes = address.get()..address.get().checked_add(8)?;
        let is_inside = address.get().is_multiple_of(8)
            && RegionKind::ALL
                .iter()
                .any(|kind| self.lock(*kind).space().is_used(&bytes));
        // SAFETY: the word was given out, so it is mapped and readable; it is aligned.
        is_inside.then(|| unsafe {
            AtomicU64::from_ptr(address.get() as *mut u64).load(Ordering::Acquire)
        })
    }

    /// Reads bytes of memory in use, for checks and inspection.
    #[must_use]
    pub fn read_bytes(&self, address: ExecAddr, size: usize) -> Option<Vec<u8>> {
        let bytes = address.get()..address.get().checked_add(size as u64)?;
        let inside = RegionKind::ALL
            .iter()
            .any(|kind| self.lock(*kind).space().is_used(&bytes));
        // SAFETY: the bytes were given out, so they are mapped and readable, and stay so. Others
        // may write them meanwhile: the copy is made byte by byte without assumptions on their
        // value.
        inside.then(|| unsafe {
            (0..size)
                .map(|i| (address.get() as *const u8).add(i).read_volatile())
                .collect()
        })
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: the range is ours.
        unsafe { libc::munmap(self.start as *mut libc::c_void, self.size as usize) };
    }
}

/// Memory that was taken and isn't in use yet. Dropping it makes it free again, in whatever order,
/// because nobody has seen it; [`Reserved::keep`] keeps it.
#[derive(Debug)]
pub struct Reserved<'m> {
    memory: &'m CodeMemory,
    kind: RegionKind,
    start: ExecAddr,
    size: u64,
}

impl Reserved<'_> {
    /// The first address.
    #[must_use]
    pub fn start(&self) -> ExecAddr {
        self.start
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes bytes from the start on.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), MemoryError> {
        assert!(
            bytes.len() as u64 <= self.size,
            "more bytes than were taken"
        );
        if self.kind.is_writable() {
            // SAFETY: the memory is mapped, writable and ours alone until `keep`.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    bytes.as_ptr(),
                    self.start.get() as *mut u8,
                    bytes.len(),
                );
            }
            return Ok(());
        }
        let protection = self.kind.protection();
        // SAFETY: the memory is ours alone until `keep`.
        unsafe { self.memory.writer.write(self.start, bytes, protection) }
    }

    /// Writes bytes at an offset from the start.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let end = offset.checked_add(bytes.len() as u64);
        assert!(
            end.is_some_and(|end| end <= self.size),
            "more bytes than were taken"
        );
        let mut part = std::mem::ManuallyDrop::new(Self {
            start: self.start + offset,
            size: bytes.len() as u64,
            ..*self
        });
        part.write(bytes)
    }

    /// Keeps the memory until it is [given back](CodeMemory::free), or the engine ends.
    pub fn keep(self) -> Range<ExecAddr> {
        let range = self.start..self.start + self.size;
        std::mem::forget(self);
        range
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.size == 0 {
            return;
        }
        let range = self.start.get()..self.start.get() + self.size;
        self.memory.lock(self.kind).space_mut().free_unused(range);
    }
}

/// The smallest range that is of use.
const LEAST: u64 = 16 << 20;

/// Reserves 1 GiB; less where the process may not map so much, so that what compiles and what runs
/// has as much again.
fn reserve_range() -> Result<(u64, u64), MemoryError> {
    let mut size: u64 = 1 << 30;
    let share = limits::addresses_left() / 3;
    while size > LEAST && size > share {
        size /= 2;
    }
    loop {
        match map_range(size) {
            Ok(start) => return Ok((start, size)),
            Err(_) if size > LEAST => size /= 2,
            Err(source) => {
                return Err(MemoryError::Reserve {
                    size: size as usize,
                    source: source.into(),
                });
            }
        }
    }
}

fn map_range(size: u64) -> io::Result<u64> {
    let near = gap_near_libc(size);
    let attempts = near
        .map(|at| (at, libc::MAP_FIXED_NOREPLACE))
        .into_iter()
        .chain([(0, 0)]);
    let mut last = io::Error::from(io::ErrorKind::OutOfMemory);
    for (at, extra) in attempts {
        // SAFETY: a fresh private mapping that replaces none; no access until it is opened.
        let start = unsafe {
            libc::mmap(
                at as *mut libc::c_void,
                size as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | extra,
                -1,
                0,
            )
        };
        if start != libc::MAP_FAILED {
            return Ok(start as u64);
        }
        last = io::Error::last_os_error();
    }
    Err(last)
}

#[cfg(test)]
mod tests;
