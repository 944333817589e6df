//! Frame descriptions for readers that don't read them where they are.

use gimli::write::{Address, EhFrame as WrittenFrames, EndianVec, FrameTable, Writer};
use gimli::{LittleEndian, UnwindSection as _};

use crate::{EhFrame, Function, PlacedFunction};

/// Returns the frame description of a function as an `.eh_frame` section that lies `distance` bytes
/// behind the function's first byte, and the description's offset in it; `None` if it has none.
pub(crate) fn behind(function: &Function<'_>, distance: u64) -> Option<(Vec<u8>, usize)> {
    let range = function.range();
    // What isn't the function's own (personalities, exception tables, other functions) is of no use
    // to a profiler, and may be too far away to be named.
    let table = read(
        function.frames?,
        &|address| match range.contains(&address) {
            true => (address - range.start).wrapping_sub(distance),
            false => 0,
        },
    )?;
    let mut section = WrittenFrames(EndianVec::new(LittleEndian));
    table.write_eh_frame(&mut section).ok()?;
    // The end of the list.
    section.0.write_u32(0).ok()?;
    let bytes = section.0.into_vec();
    let offset = description_of_start(&bytes, distance)?;
    Some((bytes, offset))
}

/// The offset of the description of the function at address 0, in a section at `address`.
fn description_of_start(section: &[u8], address: u64) -> Option<usize> {
    let mut section = gimli::EhFrame::new(section, LittleEndian);
    section.set_address_size(8);
    let bases = gimli::BaseAddresses::default().set_eh_frame(address);
    let mut entries = section.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        let gimli::CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let description = partial.parse(gimli::EhFrame::cie_from_offset).ok()?;
        if description.initial_address() == 0 {
            return Some(description.offset());
        }
    }
    None
}

/// Returns the frame descriptions of functions as one `.eh_frame` section, for a reader to which it
/// lies at the address `base`. Functions of one section of frame descriptions have to follow one
/// another.
pub(crate) fn at(base: u64, functions: &[PlacedFunction<'_>]) -> Vec<u8> {
    let mut section = WrittenFrames(EndianVec::new(LittleEndian));
    let mut last = None;
    for function in functions {
        let Some(frames) = function.frames.filter(|it| last != Some(it.address)) else {
            continue;
        };
        last = Some(frames.address);
        let table = read(frames, &|address| {
            let distance = address.wrapping_sub(base);
            // What is out of reach isn't code: a debugger doesn't call personalities.
            match i32::try_from(distance.cast_signed()) {
                Ok(_) => distance,
                Err(_) => 0,
            }
        });
        if let Some(table) = table {
            // What can't be written, which none of ours is, would only be missing.
            let _ = table.write_eh_frame(&mut section);
        }
    }
    // The end of the list.
    let _ = section.0.write_u32(0);
    section.0.into_vec()
}

/// Reads a section of frame descriptions. `place` says what to write for an
/// address.
fn read(frames: EhFrame<'_>, place: &dyn Fn(u64) -> u64) -> Option<FrameTable> {
    let mut section = gimli::EhFrame::new(frames.bytes, LittleEndian);
    section.set_address_size(8);
    // The reader takes the section to begin at address 0.
    let convert = |from_start: u64| {
        let address = frames.address.wrapping_add(from_start);
        Some(Address::Constant(place(address)))
    };
    FrameTable::from(&section, &convert).ok()
}
