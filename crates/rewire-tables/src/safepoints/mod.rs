//! [`SafepointTable`]: what a collector needs of statepoints, found by return address.
//!
//! All of a table is in one allocation of bytes, in this order:
//!
//! ```text
//! bucket starts    4 bytes each: the number of the first safepoint of each bucket, and the count
//! low halves       2 bytes each: a return address, less the start of its bucket
//! references       1, 2 or 4 bytes each: where the root set begins
//! root sets        each once, however many safepoints have it
//! deopt entries    8 bytes each: a safepoint's number, and where its deoptimisation state begins
//! identifiers      12 bytes each: a safepoint's number, and its identifier if it isn't LLVM's own
//! deopt states
//! ```
//!
//! A bucket is a power of two of bytes of code, at most 65,536, chosen so that a bucket has about
//! eight safepoints. A look-up computes the bucket and searches it. So its cost doesn't depend on
//! how many functions there are.

mod build;
mod coding;
mod root;

use std::ops::Range;

pub use root::{Root, RootLocation};

use crate::statepoint::{DeoptValue, StackSlot};

/// The identifier of a statepoint whose IR gives none.
const DEFAULT_ID: u64 = 0xABCD_EF00;

/// The safepoints of one or many objects, in few bytes.
///
/// The table doesn't change once it is built. Looking up takes no lock, allocates nothing and
/// writes nothing, so it is allowed on any thread at any time, in a signal handler too.
///
/// ```
/// use rewire_tables::{SafepointTable, StackMap};
///
/// # fn linked_section() -> Vec<u8> {
/// #     let mut bytes = vec![3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
/// #     for number in [0x40_1000_u64, 24, 1, 0xABCD_EF00] {
/// #         bytes.extend(number.to_le_bytes());
/// #     }
/// #     bytes.extend([5, 0, 0, 0, 0, 0, 5, 0]);
/// #     for _ in 0..3 {
/// #         bytes.extend([4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
/// #     }
/// #     for _ in 0..2 {
/// #         bytes.extend([3, 0, 8, 0, 7, 0, 0, 0, 16, 0, 0, 0]);
/// #     }
/// #     bytes.extend([0; 12]);
/// #     bytes
/// # }
/// // A function at 0x401000 whose call returns to 0x401005, with a root at `rsp` + 16.
/// let section = linked_section();
/// let maps = StackMap::parse_all(&section)?;
/// let table = SafepointTable::build(&maps, |_| true)?;
/// let safepoint = table.find(0x40_1005).unwrap();
/// let root = safepoint.roots().next().unwrap();
/// assert_eq!(root.base.slot().unwrap().offset, 16);
/// assert!(!root.is_derived());
/// assert!(table.find(0x40_1006).is_none());
/// # Ok::<(), rewire_tables::TableError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SafepointTable {
    /// The lowest return address.
    first: u64,
    /// The distance from there to the highest one.
    span: u32,
    count: u32,
    /// The logarithm of a bucket's bytes of code.
    shift: u8,
    /// The bytes of a reference.
    width: u8,
    lows_at: u32,
    sets_at: u32,
    deopts_at: u32,
    ids_at: u32,
    states_at: u32,
    data: Box<[u8]>,
}

impl SafepointTable {
    /// Finds the safepoint whose call returns to an address.
    pub fn find(&self, return_address: u64) -> Option<Safepoint<'_>> {
        let distance = u32::try_from(return_address.checked_sub(self.first)?).ok()?;
        if distance > self.span {
            return None;
        }
        let bucket = (distance >> self.shift) as usize;
        let members = self.members(bucket);
        let low = (distance & ((1 << self.shift) - 1)) as u16;
        let lows = self.lows_at as usize;
        let bytes = self.data.get(lows..)?;
        let bytes = bytes.get(members.start as usize * 2..members.end as usize * 2)?;
        let (lows, _) = bytes.as_chunks::<2>();
        let place = lows
            .binary_search_by_key(&low, |bytes| u16::from_le_bytes(*bytes))
            .ok()?;
        Some(Safepoint {
            table: self,
            number: members.start + place as u32,
        })
    }

    /// The numbers of the safepoints in a bucket.
    fn members(&self, bucket: usize) -> Range<u32> {
        if self.lows_at == 0 {
            return 0..self.count;
        }
        match (self.word(bucket * 4), self.word(bucket * 4 + 4)) {
            (Some(start), Some(end)) => start..end,
            _ => 0..0,
        }
    }

    /// The return addresses of all safepoints, lowest first, with the safepoints.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Safepoint<'_>)> {
        let buckets = (self.span >> self.shift) as usize + 1;
        (0..buckets).flat_map(move |bucket| {
            let members = if self.count == 0 {
                0..0
            } else {
                self.members(bucket)
            };
            members.filter_map(move |number| {
                let at = self.lows_at as usize + number as usize * 2;
                let low = u16::from_le_bytes(*self.data.get(at..)?.first_chunk()?);
                let start = (bucket as u64) << self.shift;
                let address = self.first + start + u64::from(low);
                let table = self;
                Some((address, Safepoint { table, number }))
            })
        })
    }

    /// How many safepoints there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes of memory that the table takes, itself included and deoptimisation states left
    /// out. The allocator's own bytes aren't counted.
    pub fn size_in_bytes(&self) -> usize {
        size_of::<Self>() + self.data.len() - self.deopt_bytes()
    }

    /// The bytes of memory that deoptimisation states take.
    pub fn deopt_bytes(&self) -> usize {
        (self.ids_at - self.deopts_at) as usize + self.data.len() - self.states_at as usize
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.data.get(at..)?.first_chunk()?))
    }

    /// Finds the entry of a safepoint in a list that is sorted by the safepoints' numbers.
    fn entry<const N: usize>(&self, list: Range<u32>, number: u32) -> Option<[u8; N]> {
        let list = self.data.get(list.start as usize..list.end as usize)?;
        let (entries, _) = list.as_chunks::<N>();
        let number_of = |entry: &[u8; N]| entry.first_chunk().map(|word| u32::from_le_bytes(*word));
        let place = entries
            .binary_search_by_key(&Some(number), number_of)
            .ok()?;
        Some(entries[place])
    }
}

/// A safepoint: a call at which a collection may happen.
#[derive(Clone, Copy, Debug)]
pub struct Safepoint<'t> {
    table: &'t SafepointTable,
    number: u32,
}

impl<'t> Safepoint<'t> {
    /// The identifier: the value of the call's attribute `statepoint-id`, or 2882400000.
    pub fn id(&self) -> u64 {
        let (table, list) = (self.table, self.table.ids_at..self.table.states_at);
        let entry = table.entry::<12>(list, self.number);
        let id = entry.and_then(|entry| entry.last_chunk().map(|id| u64::from_le_bytes(*id)));
        id.unwrap_or(DEFAULT_ID)
    }

    /// The roots of the frame, each once.
    pub fn roots(&self) -> Roots<'t> {
        self.set().0
    }

    /// Variables on the stack that the statepoint was given as live.
    pub fn stack_objects(&self) -> StackObjects<'t> {
        self.set().1
    }

    /// The deoptimisation state: the values of the call's operand bundle `deopt`, in its order.
    pub fn deopt_state(&self) -> DeoptState<'t> {
        let (table, list) = (self.table, self.table.deopts_at..self.table.ids_at);
        let entry = table.entry::<8>(list, self.number);
        let at = entry.and_then(|entry| entry.last_chunk().map(|at| u32::from_le_bytes(*at)));
        let from = at.map(|at| table.states_at as usize + at as usize);
        let bytes = from.and_then(|from| table.data.get(from..));
        DeoptState::new(bytes.unwrap_or_default())
    }

    fn set(&self) -> (Roots<'t>, StackObjects<'t>) {
        let table = self.table;
        let (number, width) = (self.number as usize, usize::from(table.width));
        let at = table.lows_at as usize + table.count as usize * 2 + number * width;
        let mut word = [0; 4];
        if let (Some(bytes), Some(low)) = (table.data.get(at..at + width), word.get_mut(..width)) {
            low.copy_from_slice(bytes);
        }
        let from = table.sets_at as usize + u32::from_le_bytes(word) as usize;
        let mut bytes = table.data.get(from..).unwrap_or_default();
        let [roots, objects] = coding::read_counts(&mut bytes);
        let roots = Roots { bytes, left: roots };
        let mut behind = roots.clone();
        // Most frames have no stack objects, and needn't be read for that.
        if objects > 0 {
            behind.by_ref().for_each(drop);
        }
        let objects = StackObjects {
            bytes: behind.bytes,
            left: objects,
        };
        (roots, objects)
    }
}

/// Iterates over the roots of a safepoint.
#[derive(Clone, Debug)]
pub struct Roots<'t> {
    bytes: &'t [u8],
    left: u64,
}

impl Iterator for Roots<'_> {
    type Item = Root;

    fn next(&mut self) -> Option<Root> {
        self.left = self.left.checked_sub(1)?;
        coding::read_root(&mut self.bytes)
    }
}

/// Iterates over the variables on the stack of a safepoint's frame.
#[derive(Clone, Debug)]
pub struct StackObjects<'t> {
    bytes: &'t [u8],
    left: u64,
}

impl Iterator for StackObjects<'_> {
    type Item = StackSlot;

    fn next(&mut self) -> Option<StackSlot> {
        self.left = self.left.checked_sub(1)?;
        coding::read_slot(&mut self.bytes)
    }
}

/// Iterates over the values of a safepoint's deoptimisation state.
#[derive(Clone, Debug)]
pub struct DeoptState<'t> {
    bytes: &'t [u8],
    left: u64,
}

impl<'t> DeoptState<'t> {
    fn new(mut bytes: &'t [u8]) -> Self {
        let left = coding::read_number(&mut bytes).unwrap_or(0);
        Self { bytes, left }
    }
}

impl Iterator for DeoptState<'_> {
    type Item = DeoptValue;

    fn next(&mut self) -> Option<DeoptValue> {
        self.left = self.left.checked_sub(1)?;
        coding::read_deopt(&mut self.bytes)
    }
}
