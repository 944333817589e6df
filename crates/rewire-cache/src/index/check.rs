//! Whether LMDB may be let loose on a file.
//!
//! LMDB trusts its file: a page number or an offset that was changed leads it outside of its
//! mapping, and the process ends. So the whole file is checked before LMDB opens it: that both
//! trees are whole, that each page is used once or is free, and that the totals are right. The
//! caller holds the lock that keeps other processes from writing meanwhile.

use super::page::{self, Meta, NodeValue, Tree, TreePage};

/// A file in memory, and which of its pages were met.
struct Check<'a> {
    bytes: &'a [u8],
    meta: Meta,
    met: Vec<bool>,
    /// Of the tree that is walked: its pages and entries so far.
    seen: Tree,
    /// Starts and ends of the nodes of a page, kept to be used again.
    extents: Vec<(usize, usize)>,
}

/// LMDB's own limit.
const LONGEST_KEY: usize = 511;

const NOTHING: Tree = Tree {
    depth: 0,
    branches: 0,
    leaves: 0,
    overflows: 0,
    entries: 0,
    root: None,
};

/// Whether these are the bytes of a file as LMDB leaves it.
pub(super) fn is_sound(bytes: &[u8]) -> bool {
    check(bytes).is_some()
}

fn check(bytes: &[u8]) -> Option<()> {
    let meta = Meta::newest(|at| {
        bytes
            .get(usize::try_from(at).ok()?..)?
            .first_chunk::<{ page::META_SIZE }>()
            .copied()
    })?;
    let last = usize::try_from(meta.last_page).ok()?;
    // The file may be shorter: free pages at its end need not exist. It is never much shorter.
    let pages = bytes.len() / meta.page_size;
    if last == 0 || last > pages.saturating_mul(2).saturating_add(1 << 16) {
        return None;
    }
    if meta.transaction > 1 << 62 {
        return None;
    }
    let mut met = vec![false; last + 1];
    met[..2].fill(true);
    let mut check = Check {
        bytes,
        meta,
        met,
        seen: NOTHING,
        extents: Vec::new(),
    };
    check.tree(meta.main, false, &mut |_, _| Some(()))?;
    let mut free = Vec::new();
    check.tree(meta.free, true, &mut |key, value| {
        free.extend(free_pages(key, &value, meta.transaction)?);
        Some(())
    })?;
    for page in free {
        check.meet(page)?;
    }
    Some(())
}

/// A value in a leaf, or on pages of its own.
enum LeafValue<'a> {
    Here(&'a [u8]),
    Elsewhere(&'a [u8]),
}

/// The numbers in an entry of the tree of free pages: their count, then each, falling.
fn free_pages(key: &[u8], value: &LeafValue<'_>, newest: u64) -> Option<Vec<u64>> {
    let transaction = page::u64_at(key, 0)?;
    if key.len() != 8 || transaction == 0 || transaction > newest {
        return None;
    }
    let (LeafValue::Here(bytes) | LeafValue::Elsewhere(bytes)) = value;
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (count, numbers) = numbers.split_first()?;
    // LMDB reserves more room than it needs: the count says how many there are.
    let numbers = numbers.get(..usize::try_from(u64::from_le_bytes(*count)).ok()?)?;
    let numbers: Vec<u64> = numbers
        .iter()
        .map(|number| u64::from_le_bytes(*number))
        .collect();
    (rest.is_empty() && numbers.is_sorted_by(|a, b| a > b)).then_some(numbers)
}

type Visit<'v> = dyn FnMut(&[u8], LeafValue<'_>) -> Option<()> + 'v;

impl<'a> Check<'a> {
    /// Notes that a page is in use, or free. Each is met once.
    fn meet(&mut self, number: u64) -> Option<()> {
        let met = self.met.get_mut(usize::try_from(number).ok()?)?;
        (!std::mem::replace(met, true)).then_some(())
    }

    fn pages(&self, number: u64, count: usize) -> Option<&'a [u8]> {
        let start = usize::try_from(number)
            .ok()?
            .checked_mul(self.meta.page_size)?;
        self.bytes
            .get(start..start.checked_add(count.checked_mul(self.meta.page_size)?)?)
    }

    fn tree(&mut self, tree: Tree, numeric: bool, visit: &mut Visit<'_>) -> Option<()> {
        self.seen = Tree {
            depth: tree.depth,
            root: tree.root,
            ..NOTHING
        };
        match tree.root {
            None => (tree.depth == 0).then_some(())?,
            Some(root) if tree.depth > 0 => {
                self.subtree(root, tree.depth, (None, None), numeric, visit)?;
            }
            Some(_) => return None,
        }
        (self.seen == tree).then_some(())
    }

    /// Walks what is below a page. All its keys are at least the first bound, and less than the
    /// second.
    fn subtree(
        &mut self,
        number: u64,
        depth: u16,
        bounds: (Option<&[u8]>, Option<&[u8]>),
        numeric: bool,
        visit: &mut Visit<'_>,
    ) -> Option<()> {
        self.meet(number)?;
        let bytes = self.pages(number, 1)?;
        let page = TreePage::read(bytes, number)?;
        // LMDB asserts that a branch of the tree of keys has two children.
        let fewest = if page.is_leaf || numeric { 1 } else { 2 };
        if page.is_leaf != (depth == 1) || page.len() < fewest {
            return None;
        }
        *if page.is_leaf {
            &mut self.seen.leaves
        } else {
            &mut self.seen.branches
        } += 1;
        self.nodes_fill(&page)?;
        let below = |a: &[u8], b: &[u8]| less(a, b, numeric);
        let (lowest, highest) = bounds;
        let mut former = None;
        for index in 0..page.len() {
            let node = page.node(index)?;
            // The first key of a branch isn't looked at.
            if page.is_leaf || index > 0 {
                let after_former = former.is_none_or(|former| below(former, node.key));
                let from_lowest = lowest.is_none_or(|lowest| !below(node.key, lowest));
                let to_highest = highest.is_none_or(|highest| below(node.key, highest));
                let size = if numeric {
                    node.key.len() == 8
                } else {
                    node.key.len() <= LONGEST_KEY
                };
                if !(after_former && from_lowest && to_highest && size) {
                    return None;
                }
                former = Some(node.key);
            }
            match node.value {
                NodeValue::Data(data) => visit(node.key, LeafValue::Here(data))?,
                NodeValue::Overflow(at, size) => {
                    visit(node.key, LeafValue::Elsewhere(self.overflow(at, size)?))?;
                }
                NodeValue::Child(child) => {
                    let start = if index == 0 { lowest } else { Some(node.key) };
                    let end = match page.node(index + 1) {
                        Some(next) => Some(next.key),
                        None => highest,
                    };
                    self.subtree(child, depth - 1, (start, end), numeric, visit)?;
                }
            }
            self.seen.entries += u64::from(page.is_leaf);
        }
        Some(())
    }

    /// Whether the nodes of a page fill it from `upper` to its end, without gaps or overlaps.
    fn nodes_fill(&mut self, page: &TreePage<'_>) -> Option<()> {
        let mut extents = std::mem::take(&mut self.extents);
        extents.clear();
        for index in 0..page.len() {
            let node = page.node(index)?;
            extents.push((node.start, node.end));
        }
        extents.sort_unstable();
        let mut end = page.upper;
        let gapless = extents
            .iter()
            .all(|extent| std::mem::replace(&mut end, extent.1) == extent.0);
        self.extents = extents;
        (gapless && end == self.meta.page_size).then_some(())
    }

    fn overflow(&mut self, number: u64, size: usize) -> Option<&'a [u8]> {
        let count = (page::HEADER - 1).checked_add(size)? / self.meta.page_size + 1;
        let bytes = self.pages(number, count)?;
        if page::overflow_pages(bytes, number)? != count as u64 {
            return None;
        }
        for page in 0..count as u64 {
            self.meet(number.checked_add(page)?)?;
        }
        self.seen.overflows += count as u64;
        bytes.get(page::HEADER..page::HEADER + size)
    }
}

/// The order of a tree: of bytes, or of numbers.
fn less(a: &[u8], b: &[u8], numeric: bool) -> bool {
    if numeric {
        page::u64_at(a, 0) < page::u64_at(b, 0)
    } else {
        a < b
    }
}
