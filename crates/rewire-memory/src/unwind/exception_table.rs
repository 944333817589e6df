//! What a frame would do with an exception that it doesn't know.

use super::encoded::{Reader, field_size, pointer};

/// What a frame does with an exception of another language's, at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The exception passes, after cleanups perhaps.
    Passes,
    /// A handler for whatever comes stops it: `catch (...)`, `catch_unwind`.
    Caught,
    /// It ends the process: `noexcept`, a call that was compiled as one that can't throw.
    Terminates,
}

/// Reads the exception table of a frame: `table` is its language-specific data, `start` the address
/// of its function's first byte, and `pc` lies in the call. `None` if the table can't be read.
///
/// # Safety
///
/// The caller must ensure that `table` points to a table of the common format (Itanium C++ ABI,
/// "Exception Handling"), and that it stays in memory during the call.
pub(super) unsafe fn reaction(table: *const u8, start: u64, pc: u64) -> Option<Reaction> {
    // SAFETY: as the caller promises.
    let mut reader = unsafe { Reader::new(table) };
    let landing_base = reader.byte();
    if landing_base != pointer::OMITTED {
        reader.pointer(landing_base)?;
    }
    let type_encoding = reader.byte();
    let types = if type_encoding == pointer::OMITTED {
        None
    } else {
        let distance = reader.unsigned();
        Some(reader.position().wrapping_add(distance as usize))
    };
    let encoding = reader.byte();
    let length = reader.unsigned();
    let actions = reader.position().wrapping_add(length as usize);
    let offset = (pc - start) as i64;
    while reader.position() < actions {
        let from = reader.field(encoding)?;
        let size = reader.field(encoding)?;
        let landing = reader.field(encoding)?;
        let action = reader.unsigned();
        if offset < from {
            break;
        }
        if offset >= from + size {
            continue;
        }
        if landing == 0 || action == 0 {
            return Some(Reaction::Passes);
        }
        let first = actions.wrapping_add(action as usize - 1);
        return chain(first, types, type_encoding);
    }
    // A call that isn't in the table was compiled as one that can't throw.
    Some(Reaction::Terminates)
}

/// Goes through the actions of a landing pad.
fn chain(first: *const u8, types: Option<*const u8>, encoding: u8) -> Option<Reaction> {
    // SAFETY: it is part of the table that `reaction` was given.
    let mut reader = unsafe { Reader::new(first) };
    loop {
        let filter = reader.signed();
        let here = reader.position();
        let next = reader.signed();
        if filter > 0 {
            let place = types?.wrapping_sub(filter as usize * field_size(encoding)?);
            // SAFETY: as above.
            let caught = unsafe { Reader::new(place) }.field(encoding)?;
            // No type stands for every type. An exception of another language's has none.
            if caught == 0 {
                return Some(Reaction::Caught);
            }
        } else if filter < 0 {
            // A list of what may pass, which leaves out what it can't name.
            return Some(Reaction::Terminates);
        }
        if next == 0 {
            return Some(Reaction::Passes);
        }
        // SAFETY: as above.
        reader = unsafe { Reader::new(here.wrapping_offset(next as isize)) };
    }
}
