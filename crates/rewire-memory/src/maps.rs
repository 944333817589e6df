//! The process's mappings, as `/proc/self/maps` lists them (proc(5)).

use std::fs;
use std::ops::{AddAssign, Range};

use rewire_object::ExecAddr;

use crate::error::MemoryError;

/// One line of `/proc/self/maps`.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
    pub(crate) path: String,
}

impl Mapping {
    /// Whether it is of the C library.
    pub(crate) fn is_libc(&self) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file.starts_with("libc.so") || file.starts_with("libc-") || file.starts_with("libc.musl")
    }
}

pub(crate) fn read() -> Result<Vec<Mapping>, MemoryError> {
    let path = "/proc/self/maps";
    let text = fs::read_to_string(path).map_err(|source| MemoryError::Proc {
        path,
        source: source.into(),
    })?;
    Ok(text.lines().filter_map(parse_line).collect())
}

fn parse_line(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let protection = fields.next()?.as_bytes();
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        writable: protection.get(1) == Some(&b'w'),
        executable: protection.get(2) == Some(&b'x'),
        path: fields.nth(3).unwrap_or_default().trim().to_owned(),
    })
}

/// How many mappings lie in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapCount {
    /// All of them.
    pub all: usize,
    /// Those that are writable and executable: never any.
    pub writable_executable: usize,
}

impl AddAssign for MapCount {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.writable_executable += other.writable_executable;
    }
}

/// Counts the kernel's mappings in a range of addresses.
///
/// # Errors
///
/// `/proc` can't be read.
pub fn count_maps(range: &Range<ExecAddr>) -> Result<MapCount, MemoryError> {
    let mut count = MapCount::default();
    for mapping in read()? {
        if mapping.end > range.start.get() && mapping.start < range.end.get() {
            count.all += 1;
            count.writable_executable += usize::from(mapping.writable && mapping.executable);
        }
    }
    Ok(count)
}

/// The highest gap of `size` bytes from which all of libc can be reached with 32 bits, and which
/// libc can reach; `None` where libc or a gap isn't found.
pub(crate) fn gap_near_libc(size: u64) -> Option<u64> {
    let maps = read().ok()?;
    let first = maps.iter().find(|one| one.is_libc())?.start;
    let last = maps.iter().rev().find(|one| one.is_libc())?.end;
    // From the range's start to libc's end, and from libc's start to the range's end.
    const REACH: u64 = (1 << 31) - (1 << 24);
    let mut best = None;
    let mut free_from = 1 << 16;
    for mapping in &maps {
        // A guard page's worth of distance to the neighbours; rounded so that regions begin on
        // large boundaries.
        let start = mapping.start.saturating_sub(size + (1 << 20)) & !((1 << 21) - 1);
        if start >= free_from + (1 << 20)
            && last.saturating_sub(start) < REACH
            && (start + size).saturating_sub(first) < REACH
        {
            best = Some(start);
        }
        free_from = mapping.end;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = "7f0-800 r-xp 00000000 08:01 42                 /usr/lib/libc.so.6";
        let mapping = parse_line(line).unwrap();
        assert_eq!((mapping.start, mapping.end), (0x7f0, 0x800));
        assert!(mapping.executable && !mapping.writable);
        assert_eq!(mapping.path, "/usr/lib/libc.so.6");
        assert!(parse_line("nonsense").is_none());
    }

    #[test]
    fn there_is_room_near_libc() {
        // Not as much as an engine takes: other tests take that at the same time.
        assert!(gap_near_libc(1 << 24).is_some());
    }
}
