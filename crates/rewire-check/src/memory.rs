//! The linked bytes, by address.

use crate::error::CheckError;
use crate::linked::Span;

/// Spans of memory, ordered by address.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    spans: Vec<Span<'a>>,
}

impl<'a> Memory<'a> {
    /// Orders the spans; they must neither overlap nor wrap around.
    pub(crate) fn new(spans: &[Span<'a>]) -> Result<Self, CheckError> {
        let mut spans: Vec<Span<'a>> = spans
            .iter()
            .filter(|span| !span.bytes.is_empty())
            .copied()
            .collect();
        spans.sort_by_key(|span| span.address);
        let mut free = 0;
        for span in &spans {
            let fail = |reason| CheckError::Span {
                address: span.address,
                reason,
            };
            if span.address < free {
                return Err(fail("overlaps another one"));
            }
            free = span
                .address
                .checked_add(span.bytes.len() as u64)
                .ok_or_else(|| fail("wraps around"))?;
        }
        Ok(Self { spans })
    }

    /// The bytes from `address` to the end of its span.
    pub(crate) fn from(&self, address: u64) -> Option<&'a [u8]> {
        let next = self.spans.partition_point(|span| span.address <= address);
        let span = self.spans.get(next.checked_sub(1)?)?;
        let skip = usize::try_from(address - span.address).ok()?;
        span.bytes.get(skip..).filter(|bytes| !bytes.is_empty())
    }

    /// `length` bytes at `address`, if all are in one span.
    pub(crate) fn read(&self, address: u64, length: usize) -> Option<&'a [u8]> {
        self.from(address)?.get(..length)
    }

    /// The 8-byte word at `address`.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let bytes = self.read(address, 8)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// The spans, in the order of their addresses.
    pub(crate) fn spans(&self) -> &[Span<'a>] {
        &self.spans
    }
}
