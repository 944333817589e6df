//! What is looked for: words that lie in retired code.

use std::ops::Range;

use rewire_object::ExecAddr;

/// Who holds a suspect: where a word was found that lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HolderId {
    Thread(i32),
    /// Start and end.
    Stack(u64, u64),
}

/// The ranges looked for, and who was found to hold which. Nothing here allocates after
/// [`Suspects::new`]: threads may be parked that hold the allocator's lock.
pub(super) struct Suspects<'s> {
    ranges: &'s [Range<ExecAddr>],
    /// Sorted and disjoint, as the caller promised; else each word is compared with each range.
    ordered: bool,
    low: u64,
    /// From the lowest address to the highest end.
    span: u64,
    held: Vec<Option<HolderId>>,
    /// Found by the look under way, which may turn out not to count.
    hits: Vec<u32>,
    /// For each range, the last look that found it.
    seen_by: Vec<u64>,
    look: u64,
}

impl<'s> Suspects<'s> {
    pub(super) fn new(ranges: &'s [Range<ExecAddr>]) -> Self {
        let ordered = ranges.iter().all(|range| range.start <= range.end)
            && ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
        let low = ranges.iter().map(|range| range.start.get()).min();
        let high = ranges.iter().map(|range| range.end.get()).max();
        let (low, high) = (low.unwrap_or(u64::MAX), high.unwrap_or(u64::MAX));
        Self {
            ranges,
            ordered,
            low,
            span: high.saturating_sub(low),
            held: vec![None; ranges.len()],
            hits: Vec::with_capacity(ranges.len()),
            seen_by: vec![0; ranges.len()],
            look: 1,
        }
    }

    /// Begins a look; what the one before found is forgotten unless it was kept.
    pub(super) fn begin(&mut self) {
        self.hits.clear();
        self.look += 1;
    }

    /// Notes which ranges the words may lead into.
    pub(super) fn check(&mut self, words: &[u64]) {
        if self.ranges.is_empty() {
            return;
        }
        for word in words {
            if word.wrapping_sub(self.low) <= self.span {
                self.find(*word);
            }
        }
    }

    /// A range's end counts as inside. A function may end with a call that doesn't return
    /// (`__cxa_throw`), whose return address is then just behind it; the unwinder comes back
    /// into the function by it.
    #[cold]
    fn find(&mut self, word: u64) {
        let address = ExecAddr::new(word);
        if !self.ordered {
            for index in 0..self.ranges.len() {
                let range = &self.ranges[index];
                if range.start <= address && address <= range.end {
                    self.hit(index);
                }
            }
            return;
        }
        let after = self.ranges.partition_point(|range| range.start <= address);
        // The last that begins at or before the word, and its neighbour that ends where it begins.
        for index in after.saturating_sub(2)..after {
            if address <= self.ranges[index].end {
                self.hit(index);
            }
        }
    }

    fn hit(&mut self, index: usize) {
        if self.seen_by[index] != self.look {
            self.seen_by[index] = self.look;
            self.hits.push(index as u32);
        }
    }

    /// Ends a look that counts: what it found is held by `holder`, unless somebody was found to
    /// hold it before.
    pub(super) fn keep_hits(&mut self, holder: HolderId) {
        for index in self.hits.drain(..) {
            self.held[index as usize].get_or_insert(holder);
        }
    }

    pub(super) fn into_held(self) -> Vec<Option<HolderId>> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: HolderId = HolderId::Thread(1);

    fn found(ranges: &[(u64, u64)], word: u64) -> Vec<usize> {
        let ranges: Vec<_> = ranges
            .iter()
            .map(|(start, end)| ExecAddr::new(*start)..ExecAddr::new(*end))
            .collect();
        let mut suspects = Suspects::new(&ranges);
        suspects.begin();
        suspects.check(&[0, word, u64::MAX]);
        suspects.keep_hits(HOLDER);
        let held = suspects.into_held();
        (0..held.len()).filter(|i| held[*i].is_some()).collect()
    }

    #[test]
    fn words_are_found_in_their_ranges() {
        let ranges = [(100, 200), (200, 300), (400, 500)];
        assert_eq!(found(&ranges, 99), []);
        assert_eq!(found(&ranges, 100), [0]);
        assert_eq!(found(&ranges, 150), [0]);
        assert_eq!(found(&ranges, 200), [0, 1], "behind the first's last call");
        assert_eq!(found(&ranges, 299), [1]);
        assert_eq!(found(&ranges, 300), [1]);
        assert_eq!(found(&ranges, 301), []);
        assert_eq!(found(&ranges, 500), [2]);
        assert_eq!(found(&ranges, 501), []);
        assert_eq!(found(&[], 5), []);
    }

    #[test]
    fn disorder_is_no_reason_to_miss_one() {
        let ranges = [(400, 500), (100, 450)];
        assert_eq!(found(&ranges, 420), [0, 1]);
        assert_eq!(found(&ranges, 101), [1]);
    }

    #[test]
    fn a_look_that_does_not_count_leaves_nothing() {
        let ranges = [ExecAddr::new(1)..ExecAddr::new(9)];
        let mut suspects = Suspects::new(&ranges);
        suspects.begin();
        suspects.check(&[5]);
        suspects.begin();
        suspects.keep_hits(HOLDER);
        assert!(suspects.into_held()[0].is_none());
    }
}
