//! From an address to the description of its frame, for readers without locks.
//!
//! Records lie in buckets: a bucket holds those that start in one aligned piece of memory, in an
//! immutable array, sorted. A writer replaces a whole array; the former is freed once no reader
//! can be in it ([`crate::readers`]). So a reader sees a bucket as it was or as it is, never half.
//!
//! A bucket is as large as the longest record in it may be, so that a record that covers an
//! address is in the address's own bucket or in the one before. Long records have larger buckets,
//! in tables of their own, of which there are four for 1 GiB. What finding and entering cost
//! depends on how many functions lie in one page, not on how many there are.

use std::ops::Range;
use std::ptr::{self, NonNull};

use rewire_object::Frame;

use super::buckets::Buckets;
use crate::readers::{Limbo, Readers, Reading};
use crate::sync::Witness;
use crate::sync::atomic::Ordering;

/// One frame description: the code that it is about, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The address of the FDE in `.eh_frame`.
    pub(crate) description: u64,
}

impl From<&Frame> for Record {
    fn from(frame: &Frame) -> Self {
        Self {
            start: frame.start.get(),
            end: frame.start.get().saturating_add(frame.size),
            description: frame.description.get(),
        }
    }
}

/// The records that start in one piece of memory, sorted.
#[derive(Debug)]
pub(crate) struct Bucket {
    records: Box<[Record]>,
    witness: Witness,
}

impl Bucket {
    fn find(&self, address: u64) -> Option<Record> {
        self.witness.read();
        let after = self
            .records
            .partition_point(|record| record.start <= address);
        let record = *self.records.get(after.checked_sub(1)?)?;
        (address < record.end).then_some(record)
    }
}

/// Buckets of one size.
#[derive(Debug)]
struct Table {
    /// The logarithm of a bucket's size in bytes, and of the longest record's.
    shift: u32,
    buckets: Buckets<Bucket>,
}

impl Table {
    fn bucket<'r>(&self, place: usize, _inside: &'r Reading<'_>) -> Option<&'r Bucket> {
        let bucket = self.buckets.get(place)?.load(Ordering::Acquire);
        // SAFETY: null, or a bucket that is freed only when no reader can be in it, and this one
        // is inside as long as the reference lives.
        unsafe { bucket.as_ref() }
    }
}

/// The records of one range of code. One writer at a time; readers never wait.
#[derive(Debug)]
pub(crate) struct Index {
    range: Range<u64>,
    tables: Box<[Table]>,
}

/// A kilobyte, of which a bucket holds a few functions typically, at most 64 (code is aligned to 16
/// bytes): entering one costs a copy of the others.
const SMALLEST: u32 = 10;
/// How much larger the buckets of the next table are.
const STEP: u32 = 6;

impl Index {
    /// Without records. Tables take no memory before something is entered in them.
    pub(crate) fn new(range: Range<u64>) -> Self {
        let size = range.end.saturating_sub(range.start);
        let mut tables = Vec::new();
        let mut shift = SMALLEST;
        loop {
            let buckets = Buckets::new((size >> shift) as usize + 1);
            tables.push(Table { shift, buckets });
            if size <= 1 << shift || shift + STEP >= u64::BITS {
                break;
            }
            shift += STEP;
        }
        Self {
            range,
            tables: tables.into(),
        }
    }

    pub(crate) fn contains(&self, address: u64) -> bool {
        self.range.contains(&address)
    }

    /// The record that covers an address.
    pub(crate) fn find(&self, address: u64, inside: &Reading<'_>) -> Option<Record> {
        if !self.contains(address) {
            return None;
        }
        self.tables.iter().find_map(|table| {
            let place = ((address - self.range.start) >> table.shift) as usize;
            let find = |place| table.bucket(place, inside)?.find(address);
            find(place).or_else(|| find(place.checked_sub(1)?))
        })
    }

    /// Makes a record as it can be entered: its part that lies in the range; whether any does.
    pub(crate) fn clip(&self, record: &mut Record) -> bool {
        record.start = record.start.max(self.range.start);
        record.end = record.end.min(self.range.end);
        record.start < record.end
    }

    /// The table and the bucket that a clipped record belongs to.
    fn place(&self, record: &Record) -> (usize, usize) {
        let size = record.end - record.start;
        let fits = |table: &Table| size <= 1 << table.shift;
        // The last one's buckets are as large as the range.
        let table = self.tables.iter().position(fits).unwrap_or_default();
        let shift = self.tables[table].shift;
        let bucket = ((record.start - self.range.start) >> shift) as usize;
        (table, bucket)
    }

    /// Enters clipped records.
    pub(crate) fn insert(&self, records: &[Record], readers: &Readers, limbo: &mut Limbo<Bucket>) {
        self.change(records, readers, limbo, |bucket, new| {
            for record in new {
                let place = bucket.partition_point(|one| one < record);
                bucket.insert(place, *record);
            }
        });
    }

    /// Takes out records that were entered.
    pub(crate) fn remove(&self, records: &[Record], readers: &Readers, limbo: &mut Limbo<Bucket>) {
        self.change(records, readers, limbo, |bucket, old| {
            for record in old {
                // One of them, should several be equal.
                if let Some(place) = bucket.iter().position(|one| one == record) {
                    bucket.remove(place);
                }
            }
        });
    }

    /// Replaces the buckets that some records belong to, one after the other.
    fn change(
        &self,
        records: &[Record],
        readers: &Readers,
        limbo: &mut Limbo<Bucket>,
        mut work: impl FnMut(&mut Vec<Record>, &[Record]),
    ) {
        let mut sorted = Vec::new();
        let mut records = records;
        if !records.is_sorted_by_key(|record| self.place(record)) {
            sorted.extend_from_slice(records);
            sorted.sort_by_cached_key(|record| self.place(record));
            records = &sorted;
        }
        for group in records.chunk_by(|one, other| self.place(one) == self.place(other)) {
            let Some(first) = group.first() else {
                continue;
            };
            let (table, bucket) = self.place(first);
            let place = &self.tables[table].buckets[bucket];
            // SAFETY: null, or a bucket that only a writer takes out, and that's us.
            let former = unsafe { place.load(Ordering::Relaxed).as_ref() };
            let mut changed = Vec::new();
            if let Some(former) = former {
                changed.reserve_exact(former.records.len() + group.len());
                changed.extend_from_slice(&former.records);
            }
            work(&mut changed, group);
            let new = if changed.is_empty() {
                ptr::null_mut()
            } else {
                Box::into_raw(Box::new(Bucket {
                    records: changed.into(),
                    witness: Witness::default(),
                }))
            };
            let former = place.swap(new, Ordering::AcqRel);
            if let Some(former) = NonNull::new(former) {
                // SAFETY: made above by an earlier change; nothing leads there since the swap.
                unsafe { limbo.retire(readers, former) };
            }
        }
    }

    /// How many arrays there are, and the most records that one has.
    #[cfg(test)]
    pub(crate) fn arrays(&self) -> (usize, usize) {
        let buckets = self.tables.iter().flat_map(|table| table.buckets.iter());
        let arrays = buckets.filter_map(|place| {
            // SAFETY: tests ask while nobody writes.
            unsafe { place.load(Ordering::Acquire).as_ref() }
        });
        arrays.fold((0, 0), |(count, most), bucket| {
            (count + 1, most.max(bucket.records.len()))
        })
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        for place in self.tables.iter().flat_map(|table| table.buckets.iter()) {
            if let Some(bucket) = NonNull::new(place.load(Ordering::Acquire)) {
                // SAFETY: made by `change`; whoever drops the index knows that nobody reads it.
                drop(unsafe { Box::from_raw(bucket.as_ptr()) });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const BASE: u64 = 0x7000_0000;

    fn record(start: u64, size: u64) -> Record {
        Record {
            start: BASE + start,
            end: BASE + start + size,
            description: start + 1,
        }
    }

    struct Fixture {
        index: Index,
        readers: Readers,
        limbo: Limbo<Bucket>,
    }

    impl Fixture {
        fn new(size: u64) -> Self {
            Self {
                index: Index::new(BASE..BASE + size),
                readers: Readers::new(),
                limbo: Limbo::new(),
            }
        }

        fn insert(&mut self, records: &[Record]) {
            self.index.insert(records, &self.readers, &mut self.limbo);
        }

        fn remove(&mut self, records: &[Record]) {
            self.index.remove(records, &self.readers, &mut self.limbo);
        }

        fn find(&self, offset: u64) -> Option<Record> {
            self.index.find(BASE + offset, &self.readers.enter())
        }
    }

    #[test]
    fn records_of_all_sizes_are_found_at_every_place() {
        let mut fixture = Fixture::new(1 << 30);
        let mut records = Vec::new();
        let mut start = 5;
        for round in 0..3 {
            for size in [
                1,
                16,
                4095,
                4096,
                4097,
                1 << 18,
                (1 << 18) + 1,
                1 << 24,
                17 << 20,
            ] {
                records.push(record(start, size));
                start += size + round * 700;
            }
        }
        records.reverse();
        fixture.insert(&records);
        let check = |fixture: &Fixture, records: &[Record], is_there: bool| {
            for one in records {
                let (first, last) = (one.start - BASE, one.end - 1 - BASE);
                for offset in [first, last, first.midpoint(last)] {
                    let found = fixture.find(offset);
                    assert_eq!(found == Some(*one), is_there, "{one:x?} {found:x?}");
                }
            }
        };
        check(&fixture, &records, true);
        let (gone, stay) = records.split_at(14);
        fixture.remove(gone);
        check(&fixture, gone, false);
        check(&fixture, stay, true);
        fixture.remove(stay);
        assert_eq!(fixture.index.arrays(), (0, 0));
        fixture.limbo.collect(&fixture.readers);
        assert_eq!(fixture.limbo.len(), 0);
    }

    #[test]
    fn records_outside_are_clipped() {
        let mut fixture = Fixture::new(10_000);
        let clip = |start, end| {
            let mut record = Record {
                start,
                end,
                description: 1,
            };
            fixture.index.clip(&mut record).then_some(record)
        };
        assert_eq!(clip(0, BASE), None);
        assert_eq!(clip(BASE + 10_000, u64::MAX), None);
        let all = clip(0, u64::MAX).unwrap();
        fixture.insert(&[all, all]);
        fixture.remove(&[all]);
        assert_eq!(fixture.find(0), Some(all));
        assert_eq!(fixture.find(9_999), Some(all));
        assert_eq!(fixture.find(10_000), None);
    }

    #[test]
    fn buckets_do_not_grow_with_the_number_of_functions() {
        let most = [100, 20_000].map(|count| {
            let mut fixture = Fixture::new(1 << 26);
            for one in 0..count {
                fixture.insert(&[record(one * 64, 60)]);
            }
            fixture.index.arrays().1
        });
        assert_eq!(most, [16, 16]);
    }
}
