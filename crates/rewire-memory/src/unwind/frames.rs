//! The description of the stubs' frames: `.eh_frame` as bytes (LSB core, section 10.6.1).

use std::ops::Range;

use rewire_object::{ExecAddr, Frame};

/// The `.eh_frame` of the stubs: within a stub the stack is as at a function's entry, so that one
/// description covers all of them.
///
/// The bytes are position-independent relative to `at`, where they have to be placed; the frame is
/// what they describe then.
#[must_use]
pub fn stub_frames(at: ExecAddr, stubs: Range<ExecAddr>) -> (Vec<u8>, Frame) {
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
    let frame = Frame {
        start: stubs.start,
        size,
        description: at + 24,
    };
    (bytes, frame)
}
