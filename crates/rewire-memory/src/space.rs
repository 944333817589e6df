//! Which addresses of a region are in use, which are quarantined, and which are free.
//!
//! Bookkeeping alone: no memory is touched here. A region is given out from the bottom up; what
//! comes back is quarantined, then joined with its free neighbours and given out again, the
//! smallest block that fits first (best fit). All of it takes O(log n) in the number of blocks; to
//! take the next piece of the block that the last one came from takes no search.
//!
//! Of the maintained crates, none fits: `offset-allocator` knows no alignment and has a fixed
//! number of blocks, `range-alloc` searches a list and panics on a range that isn't in use.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The addresses of one region.
#[derive(Debug)]
pub(crate) struct Space {
    start: u64,
    end: u64,
    /// Everything from here on has never been given out.
    top: u64,
    free: FreeBlocks,
    /// Where each quarantined block starts and ends.
    quarantine: BTreeMap<u64, u64>,
    quarantined: u64,
}

/// Addresses that are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) start: u64,
    /// How many bytes from the start may have been given out before; what follows is new.
    pub(crate) recycled: u64,
}

/// A block at the end of what was given out so far, which isn't taken yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtEnd {
    address: u64,
    size: u64,
}

impl AtEnd {
    pub(crate) fn end(&self) -> u64 {
        self.address + self.size
    }
}

impl Space {
    pub(crate) fn new(range: Range<u64>) -> Self {
        Self {
            start: range.start,
            end: range.end,
            top: range.start,
            free: FreeBlocks::default(),
            quarantine: BTreeMap::new(),
            quarantined: 0,
        }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that are in use.
    pub(crate) fn used(&self) -> u64 {
        self.top - self.start - self.free.bytes - self.quarantined
    }

    /// Bytes that were given back and can't be given out yet.
    pub(crate) fn quarantined(&self) -> u64 {
        self.quarantined
    }

    /// Whether all of a range is in use.
    pub(crate) fn is_used(&self, range: &Range<u64>) -> bool {
        let inside = self.start <= range.start && range.start <= range.end && range.end <= self.top;
        let last_before = |blocks: Option<u64>| blocks.is_none_or(|end| end <= range.start);
        inside
            && last_before(self.free.last_end_before(range.end))
            && last_before(
                self.quarantine
                    .range(..range.end)
                    .next_back()
                    .map(|block| *block.1),
            )
    }

    /// Takes a free block below the top, if one fits.
    pub(crate) fn take_free(&mut self, size: u64, align: u64) -> Option<Taken> {
        let start = self.free.take(size, align.max(1))?;
        Some(Taken {
            start,
            recycled: size,
        })
    }

    /// Where a block would go after everything in use; `None` when the region is full.
    pub(crate) fn at_end(&self, size: u64, align: u64) -> Option<AtEnd> {
        let address = self.tail().checked_next_multiple_of(align.max(1))?;
        let end = address.checked_add(size)?;
        (end <= self.end).then_some(AtEnd { address, size })
    }

    /// As [`Space::at_end`], at an address; `None` also if something from there on is in use.
    pub(crate) fn at_end_from(&self, address: u64, size: u64) -> Option<AtEnd> {
        let is_free = self.tail() <= address;
        let end = address.checked_add(size)?;
        (is_free && end <= self.end).then_some(AtEnd { address, size })
    }

    /// Takes a block that [`Space::at_end`] has just told; a block of no bytes takes nothing.
    pub(crate) fn take_at_end(&mut self, block: AtEnd) -> Taken {
        let (tail, former_top) = (self.tail(), self.top);
        if block.size > 0 {
            self.top = former_top.max(block.end());
            let dirty = self.free.remove(tail).map_or(0, |extent| extent.dirty);
            let rests = [tail..block.address, block.end()..self.top];
            for rest in rests {
                let most = rest.end - rest.start;
                self.free.insert(rest, dirty.min(most));
            }
        }
        Taken {
            start: block.address,
            recycled: former_top.saturating_sub(block.address).min(block.size),
        }
    }

    /// The end of what is in use: the start of the last free block, if that reaches the top.
    fn tail(&self) -> u64 {
        self.free.start_of_last(self.top).unwrap_or(self.top)
    }

    /// Makes a range that nobody has seen yet free again.
    pub(crate) fn free_unused(&mut self, range: Range<u64>) {
        debug_assert!(range.is_empty() || self.is_used(&range));
        self.free.insert(range.clone(), range.end - range.start);
    }

    /// Puts a range in quarantine; `false`, and nothing done, unless all of it is in use, and
    /// it is something.
    pub(crate) fn quarantine(&mut self, range: Range<u64>) -> bool {
        if range.is_empty() || !self.is_used(&range) {
            return false;
        }
        self.quarantined += range.end - range.start;
        // Joined here already: what was given back piece by piece ends its quarantine as one.
        let end = self.quarantine.remove(&range.end).unwrap_or(range.end);
        match self.quarantine.range_mut(..range.start).next_back() {
            Some((_, before)) if *before == range.start => *before = end,
            _ => {
                self.quarantine.insert(range.start, end);
            }
        }
        true
    }

    /// Makes everything that is quarantined free, and calls `settled` for each free block that
    /// this made or enlarged. The answer is the number of bytes that became free.
    pub(crate) fn end_quarantine(&mut self, mut settled: impl FnMut(&mut FreeBlock)) -> u64 {
        for (start, end) in std::mem::take(&mut self.quarantine) {
            let joined = self.free.insert(start..end, end - start);
            if let Some(mut block) = joined.and_then(|start| self.free.get(start)) {
                settled(&mut block);
                self.free.set_dirty(&block);
            }
        }
        std::mem::take(&mut self.quarantined)
    }

    /// Everything from here on has never been given out.
    pub(crate) fn top(&self) -> u64 {
        self.top
    }
}

/// A free block as [`Space::end_quarantine`] shows it.
#[derive(Clone, Debug)]
pub(crate) struct FreeBlock {
    pub(crate) range: Range<u64>,
    /// At most how many of its bytes hold memory that the kernel could have back.
    pub(crate) dirty: u64,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    end: u64,
    dirty: u64,
}

/// Free blocks by address and by size. No two touch: neighbours are joined.
#[derive(Debug, Default)]
struct FreeBlocks {
    by_start: BTreeMap<u64, Extent>,
    /// Size and start of each block.
    by_size: BTreeSet<(u64, u64)>,
    bytes: u64,
    /// The block that the last piece was cut from. It is shorter than both maps say.
    current: Option<BlockBeingCut>,
}

/// A free block of which only the end changes.
#[derive(Clone, Copy, Debug)]
struct BlockBeingCut {
    start: u64,
    end: u64,
}

impl BlockBeingCut {
    /// Cuts its last bytes off, if they are aligned, and something is left.
    fn cut(&mut self, size: u64, align: u64) -> Option<u64> {
        let at = self.end.checked_sub(size)?;
        let fits = at > self.start && at.is_multiple_of(align);
        fits.then(|| {
            self.end = at;
            at
        })
    }
}

impl FreeBlocks {
    /// How many blocks are tried that are large enough but may be misaligned.
    const TRIES: usize = 8;

    /// Has both maps say how long the current block is.
    fn settle(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        if let Some(extent) = self.by_start.get_mut(&current.start) {
            self.by_size
                .remove(&(extent.end - current.start, current.start));
            let size = current.end - current.start;
            self.by_size.insert((size, current.start));
            // Which bytes are dirty isn't known, so the rest may be all that were.
            *extent = Extent {
                end: current.end,
                dirty: extent.dirty.min(size),
            };
        }
    }

    /// Where a block ends that the maps say starts and ends somewhere.
    fn end_of(&self, (start, extent): (&u64, &Extent)) -> u64 {
        let current = self.current.filter(|current| current.start == *start);
        current.map_or(extent.end, |current| current.end)
    }

    fn get(&mut self, start: u64) -> Option<FreeBlock> {
        self.settle();
        let extent = self.by_start.get(&start)?;
        Some(FreeBlock {
            range: start..extent.end,
            dirty: extent.dirty,
        })
    }

    fn set_dirty(&mut self, block: &FreeBlock) {
        if let Some(extent) = self.by_start.get_mut(&block.range.start) {
            extent.dirty = block.dirty;
        }
    }

    fn last_end_before(&self, address: u64) -> Option<u64> {
        let last = self.by_start.range(..address).next_back();
        last.map(|block| self.end_of(block))
    }

    fn start_of_last(&self, end: u64) -> Option<u64> {
        let last = self.by_start.last_key_value()?;
        (self.end_of(last) == end).then_some(*last.0)
    }

    fn remove(&mut self, start: u64) -> Option<Extent> {
        self.settle();
        let extent = self.by_start.remove(&start)?;
        self.by_size.remove(&(extent.end - start, start));
        self.bytes -= extent.end - start;
        Some(extent)
    }

    /// Adds a range and joins it with its neighbours. The answer is where the block starts that
    /// it is part of now; none for no bytes.
    fn insert(&mut self, range: Range<u64>, dirty: u64) -> Option<u64> {
        if range.is_empty() {
            return None;
        }
        self.settle();
        let (mut start, mut extent) = (
            range.start,
            Extent {
                end: range.end,
                dirty,
            },
        );
        let before = self.by_start.range(..start).next_back();
        if let Some((before, _)) = before.filter(|(_, before)| before.end == start) {
            start = *before;
            extent.dirty += self.remove(start).map_or(0, |before| before.dirty);
        }
        if let Some(after) = self.remove(extent.end) {
            extent.end = after.end;
            extent.dirty += after.dirty;
        }
        self.by_start.insert(start, extent);
        self.by_size.insert((extent.end - start, start));
        self.bytes += extent.end - start;
        Some(start)
    }

    /// Cuts a block of its own out of the end of the smallest free one that has room for it, which
    /// stays where it is.
    fn take(&mut self, size: u64, align: u64) -> Option<u64> {
        if size == 0 {
            return None;
        }
        if let Some(at) = self.current.as_mut().and_then(|one| one.cut(size, align)) {
            self.bytes -= size;
            return Some(at);
        }
        self.settle();
        let fits = |(whole, start): &(u64, u64)| {
            let at = (start + whole).checked_sub(size)? / align * align;
            (at >= *start).then_some((*start, at))
        };
        let mut near = self.by_size.range((size, 0)..).take(Self::TRIES);
        let (start, at) = near.find_map(fits).or_else(|| {
            // Large enough wherever it starts.
            let any = size.checked_add(align - 1)?;
            self.by_size.range((any, 0)..).next().and_then(fits)
        })?;
        let end = self.by_start.get(&start)?.end;
        let mut current = BlockBeingCut { start, end };
        if current.cut(size, align).is_some() {
            self.current = Some(current);
            self.bytes -= size;
            return Some(at);
        }
        let extent = self.remove(start)?;
        self.insert(start..at, extent.dirty.min(at - start));
        let end = at + size;
        self.insert(end..extent.end, extent.dirty.min(extent.end - end));
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(space: &mut Space, size: u64, align: u64) -> Option<u64> {
        let taken = space.take_free(size, align);
        let taken = taken.or_else(|| {
            let block = space.at_end(size, align)?;
            Some(space.take_at_end(block))
        });
        taken.map(|taken| taken.start)
    }

    fn free(space: &mut Space, start: u64, size: u64) -> bool {
        space.quarantine(start..start + size)
    }

    #[test]
    fn what_is_quarantined_is_not_given_out() {
        let mut space = Space::new(0x1000..0x2000);
        let first = take(&mut space, 100, 16).unwrap();
        let second = take(&mut space, 100, 16).unwrap();
        assert!(free(&mut space, first, 100));
        assert_eq!((space.used(), space.quarantined()), (100, 100));
        assert_ne!(take(&mut space, 100, 16), Some(first));
        assert_eq!(space.end_quarantine(|_| ()), 100);
        assert_eq!(take(&mut space, 100, 16), Some(first));
        assert!(free(&mut space, second, 100));
        assert!(!free(&mut space, second, 100), "given back twice");
        assert!(!free(&mut space, second - 4, 8), "partly");
        assert!(!free(&mut space, 0x3000, 8), "outside");
        assert!(!free(&mut space, 0x1ff0, 8), "never given out");
    }

    #[test]
    fn neighbours_join() {
        let mut space = Space::new(0..1 << 20);
        let blocks: Vec<u64> = (0..64).map(|_| take(&mut space, 64, 64).unwrap()).collect();
        let top = space.top();
        for block in blocks
            .iter()
            .step_by(2)
            .chain(blocks.iter().skip(1).step_by(2))
        {
            assert!(free(&mut space, *block, 64));
        }
        assert_eq!(space.quarantine.len(), 1);
        let mut settled = Vec::new();
        space.end_quarantine(|block| settled.push((block.range.start, block.range.end)));
        assert_eq!(settled, [(0, top)]);
        assert_eq!(take(&mut space, top, 4096), Some(0));
        assert_eq!(space.top(), top);
        assert_eq!(space.used(), top);
    }

    #[test]
    fn the_smallest_that_fits_is_taken_and_alignment_holds() {
        let mut space = Space::new(16..1 << 20);
        let big = take(&mut space, 1000, 1).unwrap();
        take(&mut space, 1, 1).unwrap();
        let small = take(&mut space, 24, 8).unwrap();
        take(&mut space, 1, 1).unwrap();
        free(&mut space, big, 1000);
        free(&mut space, small, 24);
        space.end_quarantine(|_| ());
        assert_eq!(take(&mut space, 24, 8), Some(small));
        let aligned = take(&mut space, 100, 512).unwrap();
        assert_eq!((aligned % 512, aligned < 1000), (0, true));
        assert_eq!(take(&mut space, 8, 1 << 60), None);
        assert_eq!(take(&mut space, u64::MAX, 1), None);
        assert_eq!(take(&mut space, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn what_reaches_the_end_is_enlarged() {
        let mut space = Space::new(0..1000);
        let first = take(&mut space, 100, 1).unwrap();
        let last = take(&mut space, 100, 1).unwrap();
        space.free_unused(last..last + 100);
        let block = space.at_end(150, 1).unwrap();
        let taken = space.take_at_end(block);
        assert_eq!((taken.start, taken.recycled), (last, 100));
        assert_eq!((space.used(), space.top()), (250, 250));
        // In order, whatever is free below.
        space.free_unused(first..first + 100);
        let block = space.at_end(10, 1).unwrap();
        assert_eq!(space.take_at_end(block).start, 250);
        assert_eq!(take(&mut space, 0, 16), Some(272));
        assert_eq!(space.used(), 160);
    }

    #[test]
    fn a_million_changes_do_not_raise_the_top() {
        let mut space = Space::new(0..1 << 32);
        let mut random = Random(1);
        let mut live: Vec<(u64, u64)> = Vec::new();
        let (mut most, mut warm) = (0, 0);
        for step in 0..1_000_000u32 {
            if live.len() < 1000 {
                let size = 1 + random.below(600);
                let align = 1 << random.below(6);
                live.push((take(&mut space, size, align).unwrap(), size));
            }
            if live.len() == 1000 {
                let place = random.below(1000) as usize;
                let (start, size) = live.swap_remove(place);
                assert!(free(&mut space, start, size));
            }
            if step % 64 == 0 {
                space.end_quarantine(|_| ());
            }
            most = most.max(space.used());
            if step == 100_000 {
                warm = space.top();
            }
        }
        let used: u64 = live.iter().map(|(_, size)| size).sum();
        assert_eq!(space.used(), used);
        assert!(space.top() < most * 3 / 2, "{} for {most}", space.top());
        assert!(space.top() < warm * 21 / 20, "{} after {warm}", space.top());
        assert!(space.free.by_start.len() < 1100);
        assert_eq!(space.free.by_start.len(), space.free.by_size.len());
        live.sort_unstable();
        assert!(live.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0));
        for (start, size) in live {
            assert!(free(&mut space, start, size));
        }
        space.end_quarantine(|_| ());
        assert_eq!((space.used(), space.free.by_start.len()), (0, 1));
    }

    /// A linear congruential generator (Knuth's constants): the same numbers in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }
}
