//! The frames that the linker finds in `.eh_frame`, beside those that gimli reads.

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection as _};
use rewire_object::{ExecAddr, Frame, parse};

use crate::support::{assemble, link_graph, placement, section};

const SOURCE: &str = "
.section .text.a,\"ax\"
a: .cfi_startproc
pushq %rbp
.cfi_def_cfa_offset 16
popq %rbp
ret
.cfi_endproc
.text
b: .cfi_startproc
.cfi_personality 0x9b, personality
.cfi_lsda 0x1b, table
nop
ret
.cfi_endproc
c: .cfi_startproc simple
.cfi_signal_frame
.fill 300, 1, 0x90
ret
.cfi_endproc
d: .cfi_startproc
.cfi_endproc
.data
personality: .quad 1
table: .quad 2
";

/// What gimli reads in the linked section, those of no bytes left out.
fn expected(bytes: &[u8], at: ExecAddr) -> Vec<Frame> {
    let frames = EhFrame::new(bytes, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(at.get());
    let mut entries = frames.entries(&bases);
    let mut all = Vec::new();
    while let Some(entry) = entries.next().unwrap() {
        if let CieOrFde::Fde(partial) = entry {
            let fde = partial.parse(EhFrame::cie_from_offset).unwrap();
            all.push(Frame {
                start: ExecAddr::new(fde.initial_address()),
                size: fde.len(),
                description: at + fde.offset() as u64,
            });
        }
    }
    all.retain(|frame| frame.size > 0);
    all
}

#[test]
fn frames_are_those_that_a_reader_finds() {
    let bytes = assemble(SOURCE);
    let graph = parse("t", &bytes).unwrap();
    let (image, layout) = link_graph(&graph, &[], &[]).unwrap();
    let id = section(&graph, ".eh_frame");
    let (segment, offset) = layout.section_offset(id).unwrap();
    let size = graph.section(id).unwrap().size as usize;
    let linked = &image.read_only[offset as usize..][..size];
    let expected = expected(linked, placement().segment(segment) + offset);
    assert_eq!(expected.len(), 3);
    assert_eq!(&*image.frames, &*expected);
}
