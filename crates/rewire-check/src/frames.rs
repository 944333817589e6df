//! Which frame descriptions of `.eh_frame` are of discarded code.
//!
//! The format is that of the Linux Standard Base (core, section 10.6.1): records of a length, a
//! word that is 0 in a common information entry (CIE) and leads back to one in a frame
//! description (FDE), and in the latter, right behind, the initial location. A linker may leave
//! the description of a discarded function in place if it clears the initial location, which
//! unwinders take for "removed". All that such a description says of discarded code is void, so
//! its other fields may be cleared, too.

use std::ops::Range;

/// The byte ranges of the frame descriptions in `.eh_frame` whose initial location `discarded`
/// says to be a field that points to discarded code.
pub(crate) fn dead(data: &[u8], discarded: impl Fn(u64) -> bool) -> Vec<Range<u64>> {
    let word = |at: usize| -> Option<u32> {
        let bytes = data.get(at..at.checked_add(4)?)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    };
    let mut dead = Vec::new();
    let mut at = 0;
    // A length of all ones announces the 64-bit format, which nobody writes; what follows is
    // then not understood, and nothing in it counts as dead.
    while let Some(length) = word(at).filter(|length| *length != u32::MAX) {
        let end = at.saturating_add(4).saturating_add(length as usize);
        let initial = at as u64 + 8;
        let is_description = length >= 8 && word(at + 4).is_some_and(|cie| cie != 0);
        if is_description && discarded(initial) {
            dead.push(at as u64..end as u64);
        }
        at = end;
    }
    dead
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_descriptions_whose_initial_location_is_gone() {
        let record = |cie: u32, payload: usize| {
            let mut bytes = (payload as u32 + 4).to_le_bytes().to_vec();
            bytes.extend(cie.to_le_bytes());
            bytes.resize(bytes.len() + payload, 0);
            bytes
        };
        // A CIE at 0, descriptions at 24 and 48, a terminator at 72, rubbish behind.
        let data = [
            record(0, 16),
            record(28, 16),
            record(52, 16),
            vec![0; 4],
            vec![0xff; 7],
        ]
        .concat();
        let starts = |data: &[u8], discarded: fn(u64) -> bool| -> Vec<u64> {
            let ranges = dead(data, discarded);
            ranges.iter().map(|range| range.start).collect()
        };
        assert_eq!(starts(&data, |at| at == 56), [48]);
        assert_eq!(starts(&data, |at| at == 8), [] as [u64; 0]);
        assert_eq!(starts(&data, |_| true), [24, 48]);
        assert_eq!(starts(&data[..50], |_| true), [24]);
        assert_eq!(dead(&data, |_| true)[1], 48..72);
    }
}
