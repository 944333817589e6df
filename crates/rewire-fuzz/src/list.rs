//! Lists that shrink well.

use std::cell::RefCell;
use std::ops::Range;

use arbitrary::{Arbitrary, Result, Unstructured};

thread_local! {
    /// Where the elements of lists lie, counted from the end of the bytes; `None` while nobody
    /// asks.
    static SPANS: RefCell<Option<Vec<Range<usize>>>> = const { RefCell::new(None) };
}

/// A list of at most `MOST` elements, for `#[arbitrary(with = list::<_, MOST>)]`.
///
/// Each element has a byte before it, which says whether there is one. So the bytes of an element
/// can be cut out, and what is left stands for the list without it.
///
/// # Errors
///
/// If an element can't be built.
pub fn list<'a, T: Arbitrary<'a>, const MOST: usize>(
    bytes: &mut Unstructured<'a>,
) -> Result<Vec<T>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let before = bytes.len();
        let says_end = usize::from(u8::arbitrary(bytes)?) % (MOST + 1) == 0;
        // The byte is there behind the last one as well: when others are cut, more may follow.
        if says_end || elements.len() == MOST {
            break;
        }
        elements.push(T::arbitrary(bytes)?);
        let after = bytes.len();
        SPANS.with_borrow_mut(|spans| spans.as_mut().map(|spans| spans.push(after..before)));
    }
    Ok(elements)
}

/// Runs `build`, which builds an input from `length` bytes; where the elements of its lists lie.
pub(crate) fn spans(length: usize, build: impl FnOnce()) -> Vec<Range<usize>> {
    SPANS.set(Some(Vec::new()));
    build();
    let spans = SPANS.take().unwrap_or_default();
    let from_start = |span: Range<usize>| length - span.end..length - span.start;
    spans.into_iter().map(from_start).collect()
}
