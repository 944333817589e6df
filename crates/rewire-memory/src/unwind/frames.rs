//! Frame descriptions as bytes: `.eh_frame` (LSB core, section 10.6.1).

use std::ops::Range;

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection as _};
use rewire_object::ExecAddr;

use super::Records;
use super::index::Record;

/// The frame descriptions in a section that lies at `address`. A malformed rest is left out.
pub(super) fn descriptions(section: &[u8], address: ExecAddr) -> Records {
    let frame = EhFrame::new(section, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address.get());
    let mut entries = frame.entries(&bases);
    let mut found = Records::new();
    // Most descriptions share the entry before them.
    let mut common = None;
    while let Ok(Some(entry)) = entries.next() {
        let partial = match entry {
            CieOrFde::Cie(cie) => {
                common = Some(cie);
                continue;
            }
            CieOrFde::Fde(partial) => partial,
        };
        let fde = partial.parse(|section, bases, offset| match &common {
            Some(cie) if cie.offset() == offset.0 => Ok(cie.clone()),
            _ => section.cie_from_offset(bases, offset),
        });
        let Ok(fde) = fde else {
            continue;
        };
        let start = fde.initial_address();
        // 0 marks code that was discarded.
        if start != 0 && fde.len() != 0 {
            found.push(Record {
                start,
                end: start.saturating_add(fde.len()),
                description: address.get() + fde.offset() as u64,
            });
        }
    }
    found
}

/// The `.eh_frame` of the stubs: within a stub the stack is as at a function's entry, so that one
/// description covers all of them.
///
/// The bytes are position-independent relative to `at`, where they have to be placed.
#[must_use]
pub fn stub_frames(at: ExecAddr, stubs: Range<ExecAddr>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    let word = |value: u32| value.to_le_bytes();
    // CIE: version 1, "zR", code alignment 1, data alignment -8, return address in column 16;
    // pointers are 4-byte and relative; CFA = rsp + 8, return address at CFA - 8.
    bytes.extend(word(20));
    bytes.extend(word(0));
    bytes.extend([1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b]);
    bytes.extend([0x0c, 7, 8, 0x90, 1]);
    bytes.resize(24, 0);
    let size = stubs.end.get() - stubs.start.get();
    bytes.extend(word(16));
    bytes.extend(word(28));
    let field = at + 32;
    bytes.extend(word(stubs.start.offset_from(field) as u32));
    bytes.extend(word(size as u32));
    bytes.resize(44, 0);
    bytes.extend(word(0));
    bytes
}
