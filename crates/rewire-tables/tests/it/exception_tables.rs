//! All exception tables of a program: this one, with the tables of rustc.

use std::path::Path;

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, Pointer, UnwindSection};
use rewire_tables::{ExceptionTable, frame_table};

use crate::support::section;

/// The address of each exception table of a linked file, with that of its function, as gimli reads
/// them.
pub(crate) fn tables_of(file: &Path) -> Vec<(u64, u64)> {
    let (frames, text) = (section(file, ".eh_frame"), section(file, ".text"));
    let bases = BaseAddresses::default()
        .set_eh_frame(frames.address)
        .set_text(text.address);
    let eh_frame = EhFrame::new(&frames.bytes, LittleEndian);
    let mut entries = eh_frame.entries(&bases);
    let mut tables = Vec::new();
    while let Some(entry) = entries.next().unwrap() {
        if let CieOrFde::Fde(partial) = entry {
            let fde = partial.parse(EhFrame::cie_from_offset).unwrap();
            let found = frame_table(&frames.bytes, frames.address, fde.offset()).unwrap();
            assert_eq!(found, fde.lsda().map(Pointer::pointer));
            if let Some(Pointer::Direct(table)) = fde.lsda() {
                tables.push((table, fde.initial_address()));
            }
        }
    }
    tables
}

#[test]
fn each_table_of_this_program_can_be_read() {
    let file = std::env::current_exe().unwrap();
    let section = section(&file, ".gcc_except_table");
    let tables = tables_of(&file);
    let mut landing_pads = 0;
    for (address, function) in &tables {
        let bytes = &section.bytes[(address - section.address) as usize..];
        let table = ExceptionTable::parse(bytes, *address, *function).unwrap();
        table.verify().unwrap();
        landing_pads += table
            .call_sites()
            .filter(|one| one.as_ref().unwrap().landing_pad.is_some())
            .count();
    }
    assert!(tables.len() > 100 && landing_pads > 100);
}
