//! A stretch of the reserved range with one protection, given out from the bottom up.

use std::io;

use rewire_object::ExecAddr;

use crate::error::MemoryError;
use crate::memory::RegionKind;

/// Pages are made accessible in steps, so that it happens rarely; neighbouring steps have the
/// same protection, so the kernel keeps them as one mapping.
const STEP: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Region {
    kind: RegionKind,
    start: u64,
    end: u64,
    /// Everything below is given out.
    top: u64,
    /// Everything below is accessible.
    open: u64,
}

impl Region {
    pub(crate) fn new(kind: RegionKind, start: u64, end: u64) -> Self {
        Self {
            kind,
            start,
            end,
            top: start,
            open: start,
        }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn used(&self) -> u64 {
        self.top - self.start
    }

    pub(crate) fn contains(&self, address: u64, size: u64) -> bool {
        address >= self.start && address.checked_add(size).is_some_and(|end| end <= self.top)
    }

    /// Gives out bytes and returns their address with the former top.
    pub(crate) fn allocate(&mut self, size: u64, align: u64) -> Result<(u64, u64), MemoryError> {
        let full = || MemoryError::Full {
            region: self.kind,
            size: self.end - self.start,
            wanted: size,
        };
        let address = self
            .top
            .checked_next_multiple_of(align.max(1))
            .ok_or_else(full)?;
        let top = address
            .checked_add(size)
            .filter(|top| *top <= self.end)
            .ok_or_else(full)?;
        if top > self.open {
            self.open_to(top)?;
        }
        let before = self.top;
        self.top = top;
        Ok((address, before))
    }

    /// Takes the last allocation back; whether it was the last.
    pub(crate) fn undo(&mut self, before: u64, end: u64) -> bool {
        let is_last = self.top == end;
        if is_last {
            self.top = before;
        }
        is_last
    }

    fn open_to(&mut self, top: u64) -> Result<(), MemoryError> {
        // Larger steps once much is in use.
        let step = STEP.max((self.used() / 4).next_power_of_two().min(16 * STEP));
        let to = top.next_multiple_of(step).min(self.end);
        let size = to - self.open;
        let protection = self.kind.protection();
        // SAFETY: the pages lie in the reserved range, which is ours, and nothing has been given
        // out of them yet.
        let failed =
            unsafe { libc::mprotect(self.open as *mut libc::c_void, size as usize, protection) };
        if failed != 0 {
            return Err(MemoryError::Protect {
                address: ExecAddr::new(self.open),
                size,
                source: io::Error::last_os_error(),
            });
        }
        self.open = to;
        Ok(())
    }
}
