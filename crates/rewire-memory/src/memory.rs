//! The engine's one range of memory.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use rewire_object::{ExecAddr, Segment};

use crate::error::MemoryError;
use crate::maps::gap_near_libc;
use crate::region::Region;
use crate::writer::Writer;

/// What a stretch of the range is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegionKind {
    /// Compiled code: readable, executable.
    Code,
    /// Stubs: readable, executable.
    Stubs,
    /// Constants and unwind tables: readable.
    ReadOnly,
    /// Variables: readable, writable.
    Data,
    /// Slots: readable, writable.
    Slots,
}

impl RegionKind {
    const ALL: [Self; 5] = [
        Self::Code,
        Self::Stubs,
        Self::ReadOnly,
        Self::Data,
        Self::Slots,
    ];

    pub(crate) const fn protection(self) -> i32 {
        match self {
            Self::Code | Self::Stubs => libc::PROT_READ | libc::PROT_EXEC,
            Self::ReadOnly => libc::PROT_READ,
            Self::Data | Self::Slots => libc::PROT_READ | libc::PROT_WRITE,
        }
    }

    /// Of how many 32nds of the range it gets.
    const fn share(self) -> u64 {
        match self {
            Self::Code => 11,
            Self::Data => 12,
            Self::ReadOnly => 5,
            Self::Stubs => 3,
            Self::Slots => 1,
        }
    }

    const fn is_writable(self) -> bool {
        matches!(self, Self::Data | Self::Slots)
    }

    /// Where a segment of an object goes.
    #[must_use]
    pub const fn of(segment: Segment) -> Self {
        match segment {
            Segment::Code => Self::Code,
            Segment::ReadOnly => Self::ReadOnly,
            Segment::Data => Self::Data,
        }
    }
}

impl fmt::Display for RegionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "code",
            Self::Stubs => "stub",
            Self::ReadOnly => "read-only",
            Self::Data => "data",
            Self::Slots => "slot",
        })
    }
}

/// Bytes in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Code and stubs.
    pub code: u64,
    /// Constants, variables and slots.
    pub data: u64,
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
    regions: [Mutex<Region>; 5],
    writer: Writer,
}

impl CodeMemory {
    /// Reserves the range; commits no memory.
    ///
    /// # Errors
    ///
    /// Not even 64 MiB of address space are left, or `/proc/self/mem` can't be opened.
    pub fn reserve() -> Result<Self, MemoryError> {
        let (start, size) = reserve_range()?;
        let mut next = start;
        let regions = RegionKind::ALL.map(|kind| {
            let end = next + size / 32 * kind.share();
            let region = Region::new(kind, next, end);
            next = end;
            Mutex::new(region)
        });
        Ok(Self {
            start,
            size,
            regions,
            writer: Writer::open()?,
        })
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
        ExecAddr::new(region.start())..ExecAddr::new(region.end())
    }

    fn lock(&self, kind: RegionKind) -> MutexGuard<'_, Region> {
        let region = &self.regions[kind as usize];
        region
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes `size` bytes of a region; they are zero until they are written.
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
        let (start, before) = self.lock(kind).allocate(size, align)?;
        Ok(Reserved {
            memory: self,
            kind,
            start: ExecAddr::new(start),
            size,
            before,
        })
    }

    /// Bytes given out.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let used = |kind| self.lock(kind).used();
        Usage {
            code: used(RegionKind::Code) + used(RegionKind::Stubs),
            data: used(RegionKind::ReadOnly) + used(RegionKind::Data) + used(RegionKind::Slots),
        }
    }

    /// Reads 8 bytes of given-out memory, for checks and inspection.
    #[must_use]
    pub fn read_bytes(&self, address: ExecAddr, size: usize) -> Option<Vec<u8>> {
        let inside = RegionKind::ALL
            .iter()
            .any(|kind| self.lock(*kind).contains(address.get(), size as u64));
        // SAFETY: the bytes are given out, so they are mapped and readable. Others may write
        // them meanwhile: the copy is made byte by byte without assumptions on their value.
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

/// Memory that was taken and isn't in use yet. Dropping it gives it back; [`Reserved::keep`]
/// makes it permanent.
#[derive(Debug)]
pub struct Reserved<'m> {
    memory: &'m CodeMemory,
    kind: RegionKind,
    start: ExecAddr,
    size: u64,
    before: u64,
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
        // SAFETY: the memory is ours alone until `keep`.
        unsafe { self.memory.writer.write(self.start, bytes) }
    }

    /// Keeps the memory for as long as the engine lives.
    pub fn keep(self) -> Range<ExecAddr> {
        let range = self.start..self.start + self.size;
        std::mem::forget(self);
        range
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let end = self.start.get() + self.size;
        self.memory.lock(self.kind).undo(self.before, end);
    }
}

/// 1 GiB, or as much of it as the process's limits allow.
fn reserve_range() -> Result<(u64, u64), MemoryError> {
    let mut size: u64 = 1 << 30;
    loop {
        match map_range(size) {
            Ok(start) => return Ok((start, size)),
            Err(_) if size > 64 << 20 => size /= 2,
            Err(source) => {
                return Err(MemoryError::Reserve {
                    size: size as usize,
                    source,
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
mod tests {
    use super::*;
    use crate::maps::count_maps;

    #[test]
    fn code_is_written_and_runs() {
        let memory = CodeMemory::reserve().unwrap();
        // mov $42, %eax; ret
        let code = [0xb8, 42, 0, 0, 0, 0xc3];
        let mut reserved = memory.allocate(RegionKind::Code, 6, 16).unwrap();
        reserved.write(&code).unwrap();
        let range = reserved.keep();
        // SAFETY: the bytes are a function of this type.
        let function: extern "C" fn() -> i32 =
            unsafe { std::mem::transmute(range.start.get() as *const ()) };
        assert_eq!(function(), 42);
        assert_eq!(memory.read_bytes(range.start, 6).unwrap(), code);
        assert_eq!(memory.read_bytes(range.end, 1), None);
        let maps = count_maps(&memory.reach()).unwrap();
        assert_eq!(maps.writable_executable, 0);
    }

    #[test]
    fn what_is_dropped_is_taken_again() {
        let memory = CodeMemory::reserve().unwrap();
        let first = memory.allocate(RegionKind::Data, 100, 8).unwrap().start();
        let again = memory.allocate(RegionKind::Data, 8, 8).unwrap();
        assert_eq!(first, again.start());
        again.keep();
        assert_eq!(memory.usage().data, 8);
    }

    #[test]
    fn many_allocations_stay_few_mappings() {
        let memory = CodeMemory::reserve().unwrap();
        for _ in 0..5000 {
            for kind in [RegionKind::Code, RegionKind::ReadOnly, RegionKind::Data] {
                let mut block = memory.allocate(kind, 1000, 16).unwrap();
                block.write(&[1; 1000]).unwrap();
                block.keep();
            }
        }
        let maps = count_maps(&memory.reach()).unwrap();
        assert!(maps.all <= 12, "{maps:?}");
        assert!(memory.allocate(RegionKind::Data, 1 << 30, 1).is_err());
    }
}
