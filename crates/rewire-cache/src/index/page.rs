//! LMDB's file format, as far as the index uses it: one tree of short keys and values, and the tree
//! of free pages. Everything that is read is checked; what isn't as LMDB writes it gives `None`.

/// Page headers are this long; so are the offsets of a page's nodes from its start.
pub(super) const HEADER: usize = 16;
const NODE_HEADER: usize = 8;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;
const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;
const NO_PAGE: u64 = u64::MAX;
/// The keys of the tree of free pages are numbers. No other flag is ever set.
const INTEGER_KEYS: u16 = 0x08;
/// A leaf's value that lies on pages of its own.
const BIG_DATA: u16 = 0x01;
/// LMDB's own limit.
const DEEPEST: u16 = 32;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What a meta page says of one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) depth: u16,
    pub(super) branches: u64,
    pub(super) leaves: u64,
    pub(super) overflows: u64,
    pub(super) entries: u64,
    pub(super) root: Option<u64>,
}

impl Tree {
    fn read(bytes: &[u8], flags: u16) -> Option<Self> {
        let depth = u16_at(bytes, 6)?;
        if u16_at(bytes, 4)? != flags || depth > DEEPEST {
            return None;
        }
        let root = u64_at(bytes, 40)?;
        Some(Self {
            depth,
            branches: u64_at(bytes, 8)?,
            leaves: u64_at(bytes, 16)?,
            overflows: u64_at(bytes, 24)?,
            entries: u64_at(bytes, 32)?,
            root: (root != NO_PAGE).then_some(root),
        })
    }
}

/// The newer of the two meta pages: where a snapshot starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) page_size: usize,
    pub(super) transaction: u64,
    pub(super) last_page: u64,
    pub(super) free: Tree,
    pub(super) main: Tree,
}

/// So many bytes at the start of a page hold its meta data.
pub(super) const META_SIZE: usize = HEADER + 24 + 2 * 48 + 16;

impl Meta {
    fn read(bytes: &[u8]) -> Option<Self> {
        // LMDB doesn't look at the number of a meta page.
        if u16_at(bytes, 10)? != META
            || u32_at(bytes, HEADER)? != MAGIC
            || u32_at(bytes, HEADER + 4)? != VERSION
        {
            return None;
        }
        let trees = bytes.get(HEADER + 24..META_SIZE)?;
        let page_size = u32_at(trees, 0)? as usize;
        if !(4096..=65536).contains(&page_size) || !page_size.is_power_of_two() {
            return None;
        }
        Some(Self {
            page_size,
            transaction: u64_at(trees, 104)?,
            last_page: u64_at(trees, 96)?,
            free: Tree::read(trees, INTEGER_KEYS)?,
            main: Tree::read(&trees[48..], 0)?,
        })
    }

    /// Reads both meta pages. `read` returns the first bytes from an offset in the file.
    pub(super) fn newest(read: impl Fn(u64) -> Option<[u8; META_SIZE]>) -> Option<Self> {
        let first = Self::read(&read(0)?)?;
        let second = Self::read(&read(first.page_size as u64)?)?;
        if first.page_size != second.page_size {
            return None;
        }
        Some(if first.transaction < second.transaction {
            second
        } else {
            first
        })
    }
}

/// A page of a tree. Its header and the table of its nodes were checked; a node is checked when it
/// is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreePage<'a> {
    bytes: &'a [u8],
    pub(super) is_leaf: bool,
    count: usize,
    /// Where its nodes begin: they fill the page from here to the end.
    pub(super) upper: usize,
}

/// A key, and what a page has for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: NodeValue<'a>,
    /// Where it is in the page.
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum NodeValue<'a> {
    Child(u64),
    Data(&'a [u8]),
    /// So many bytes, on pages of their own.
    Overflow(u64, usize),
}

impl<'a> TreePage<'a> {
    pub(super) fn read(bytes: &'a [u8], number: u64) -> Option<Self> {
        let is_leaf = match u16_at(bytes, 10)? {
            BRANCH => false,
            LEAF => true,
            _ => return None,
        };
        let lower = usize::from(u16_at(bytes, 12)?);
        let upper = usize::from(u16_at(bytes, 14)?);
        let sound = u64_at(bytes, 0)? == number
            && lower >= HEADER
            && lower % 2 == 0
            && lower <= upper
            && upper <= bytes.len();
        sound.then_some(Self {
            bytes,
            is_leaf,
            count: (lower - HEADER) / 2,
            upper,
        })
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn node(&self, index: usize) -> Option<Node<'a>> {
        if index >= self.count {
            return None;
        }
        let start = usize::from(u16_at(self.bytes, HEADER + 2 * index)?);
        if start < self.upper || start % 2 != 0 {
            return None;
        }
        let low = u32_at(self.bytes, start)?;
        let flags = u16_at(self.bytes, start + 4)?;
        let key_size = usize::from(u16_at(self.bytes, start + 6)?);
        let key_start = start + NODE_HEADER;
        let key_end = key_start + key_size;
        let key = self.bytes.get(key_start..key_end)?;
        let (value, end) = if !self.is_leaf {
            (
                NodeValue::Child(u64::from(low) | u64::from(flags) << 32),
                key_end,
            )
        } else if flags == 0 {
            let end = key_end.checked_add(low as usize)?;
            (NodeValue::Data(self.bytes.get(key_end..end)?), end)
        } else if flags == BIG_DATA {
            (
                NodeValue::Overflow(u64_at(self.bytes, key_end)?, low as usize),
                key_end + 8,
            )
        } else {
            return None;
        };
        // Nodes begin at even offsets.
        Some(Node {
            key,
            value,
            start,
            end: end.next_multiple_of(2),
        })
    }

    /// The value of `key` in a leaf, or the child of a branch that has it.
    pub(super) fn find(&self, key: &[u8]) -> Option<NodeValue<'a>> {
        // The first key of a branch stands for all that are smaller.
        let first = usize::from(!self.is_leaf);
        let (mut low, mut high) = (first, self.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            let is_at_or_before = self.node(middle)?.key <= key;
            (low, high) = if is_at_or_before {
                (middle + 1, high)
            } else {
                (low, middle)
            };
        }
        let node = self.node(low.checked_sub(1)?)?;
        (!self.is_leaf || node.key == key).then_some(node.value)
    }
}

/// Whether a run of pages with a large value begins here; how many pages it says it has.
pub(super) fn overflow_pages(bytes: &[u8], number: u64) -> Option<u64> {
    if u64_at(bytes, 0)? != number || u16_at(bytes, 10)? != OVERFLOW {
        return None;
    }
    Some(u64::from(u32_at(bytes, 12)?))
}
