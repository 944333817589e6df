//! Delta debugging: a smaller string of bytes that fails as well.

use std::ops::Range;

/// What is to be shrunk.
pub(crate) trait Failing {
    /// Whether these bytes fail as well. `None` if no more may be tried.
    fn fails(&mut self, bytes: &[u8]) -> Option<bool>;

    /// Which ranges of the bytes stand for something that can be left out.
    fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>>;
}

/// The smallest string found: nothing that can be left out is in it, and no byte is larger than it
/// has to be, if there was time to find that out.
pub(crate) fn shrink(mut bytes: Vec<u8>, failing: &mut impl Failing) -> Vec<u8> {
    loop {
        let before = bytes.clone();
        let pass = cut_spans(&mut bytes, failing)
            .and_then(|()| cut_anywhere(&mut bytes, failing))
            .and_then(|()| lower(&mut bytes, failing));
        if pass.is_none() || bytes == before {
            return bytes;
        }
    }
}

/// Cuts out runs of spans, long runs first.
fn cut_spans(bytes: &mut Vec<u8>, failing: &mut impl Failing) -> Option<()> {
    let mut many = failing.spans(bytes).len();
    while many > 0 {
        let mut end = failing.spans(bytes).len();
        while end > 0 {
            let spans = failing.spans(bytes);
            let run = spans.get(end.saturating_sub(many)..end).unwrap_or_default();
            let start = run.iter().map(|span| span.start).min();
            let stop = run.iter().map(|span| span.end).max();
            if let (Some(start), Some(stop)) = (start, stop) {
                try_without(bytes, start..stop, failing)?;
            }
            end = end.saturating_sub(many);
        }
        many /= 2;
    }
    Some(())
}

/// Cuts out pieces, long ones first.
fn cut_anywhere(bytes: &mut Vec<u8>, failing: &mut impl Failing) -> Option<()> {
    let mut size = bytes.len() / 2;
    while size > 0 {
        let mut end = bytes.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            try_without(bytes, start..end.min(bytes.len()), failing)?;
            end = start;
        }
        size /= 2;
    }
    Some(())
}

fn try_without(bytes: &mut Vec<u8>, range: Range<usize>, failing: &mut impl Failing) -> Option<()> {
    let mut without = bytes.clone();
    without.drain(range);
    if without.len() < bytes.len() && failing.fails(&without)? {
        *bytes = without;
    }
    Some(())
}

/// Makes bytes smaller: 0 if possible, else by halving what they exceed the largest good one by.
fn lower(bytes: &mut [u8], failing: &mut impl Failing) -> Option<()> {
    for at in 0..bytes.len() {
        let (mut good, mut low) = (bytes[at], 0);
        while low < good {
            let middle = low + (good - low) / 2;
            // Most bytes can be 0.
            let tried = if low == 0 { 0 } else { middle };
            let old = std::mem::replace(&mut bytes[at], tried);
            if failing.fails(bytes)? {
                good = tried;
            } else {
                bytes[at] = old;
                low = tried + 1;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Above(u8, usize);

    impl Failing for Above {
        /// Two bytes above the limit, in this order.
        fn fails(&mut self, bytes: &[u8]) -> Option<bool> {
            self.1 += 1;
            let first = bytes.iter().position(|byte| *byte > self.0);
            let last = bytes.iter().rposition(|byte| *byte > self.0 + 1);
            Some(first.is_some_and(|first| last.is_some_and(|last| first < last)))
        }

        fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>> {
            (0..bytes.len() / 4).map(|at| at * 4..at * 4 + 4).collect()
        }
    }

    #[test]
    fn only_what_fails_is_left() {
        let bytes = (0..1000_u32).map(|number| (number * 37) as u8).collect();
        let mut above = Above(200, 0);
        assert_eq!(shrink(bytes, &mut above), [201, 202]);
        assert!(above.1 < 400, "{} runs", above.1);
    }
}
