//! Links without some of the sections.

use rewire_object::{LinkError, SectionRole, Segment, parse, sites};

use crate::support::{
    CODE, DATA, assemble, at, bind, link_graph, number, placement, section, signed32, symbol,
};

const SOURCE: &str = "
.section .text.a,\"axG\",@progbits,a,comdat
.weak a
a: .cfi_startproc
.cfi_personality 0x9b, p
.cfi_lsda 0x1b, la
call undefined
ret
.cfi_endproc
.section .text.b,\"ax\",@progbits
.globl b
b: .cfi_startproc
.cfi_personality 0x9b, p
.cfi_lsda 0x1b, lb
ret
.cfi_endproc
.section .gcc_except_table.a,\"aG\",@progbits,a,comdat
la: .quad 1
.section .gcc_except_table.b,\"a\",@progbits
lb: .quad 2
.data
p: .quad 3
";

#[test]
fn groups_are_known() {
    let bytes = assemble(SOURCE);
    let graph = parse("t", &bytes).unwrap();
    assert_eq!(graph.groups.len(), 1);
    assert_eq!(graph.groups[0].signature, "a");
    let members = [
        section(&graph, ".text.a"),
        section(&graph, ".gcc_except_table.a"),
    ];
    assert_eq!(graph.groups[0].sections, members);
    assert_eq!(graph.section(members[0]).unwrap().group, Some(0));
}

#[test]
fn frames_of_discarded_functions_become_tombstones() {
    let bytes = assemble(SOURCE);
    let graph = parse("t", &bytes).unwrap();
    let discarded = [".text.a", ".gcc_except_table.a"];
    // `undefined` may stay unbound: only discarded code refers to it.
    let (image, layout) = link_graph(&graph, &[], &discarded).unwrap();
    assert_eq!(layout.section_offset(section(&graph, ".text.a")), None);
    assert_eq!(layout.symbol_offset(symbol(&graph, "a")), None);
    assert_eq!(image.code, [0xc3]);
    let id = section(&graph, ".eh_frame");
    let frames = graph.section(id).unwrap();
    let (_, start) = layout.section_offset(id).unwrap();
    let fields: Vec<_> = frames
        .relocations
        .iter()
        .map(|r| r.offset as usize)
        .collect();
    // The personality; a's location and data; b's location and data.
    assert_eq!(fields.len(), 5);
    let bytes = &image.read_only[start as usize..];
    let place = |field: usize| (placement().read_only + start).get() + field as u64;
    let target = |field: usize| place(field).wrapping_add_signed(signed32(bytes, field));
    assert_eq!(target(fields[0]), DATA);
    assert_eq!(number(bytes, fields[1], 4), 0);
    assert_eq!(number(bytes, fields[2], 4), 0);
    assert_eq!(target(fields[3]), CODE);
    let kept: Vec<_> = image.frames.iter().map(|frame| frame.start.get()).collect();
    assert_eq!(kept, [CODE]);
    let (segment, lsda) = layout
        .section_offset(section(&graph, ".gcc_except_table.b"))
        .unwrap();
    assert_eq!(segment, Segment::ReadOnly);
    assert_eq!(target(fields[4]), (placement().read_only + lsda).get());
}

#[test]
fn frames_of_kept_functions_may_not_point_to_what_is_discarded() {
    let bytes = assemble(SOURCE);
    let graph = parse("t", &bytes).unwrap();
    let undefined = [("undefined", at(CODE + 64))];
    for discarded in [".gcc_except_table.b", ".data"] {
        let result = link_graph(&graph, &undefined, &[discarded]).map(|_| ());
        assert!(
            matches!(result, Err(LinkError::Discarded { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn other_sections_need_another_definition() {
    let bytes = assemble(
        ".section .text.f,\"ax\"\n.globl f\nf: ret\n.data\n.quad f\n.text\ncall *f@GOTPCREL(%rip)",
    );
    let graph = parse("t", &bytes).unwrap();
    let result = link_graph(&graph, &[], &[".text.f"]).map(|_| ());
    assert!(
        matches!(result, Err(LinkError::Discarded { .. })),
        "{result:?}"
    );
    let (image, _) = link_graph(&graph, &[("f", at(0x1234_5678_9abc))], &[".text.f"]).unwrap();
    assert_eq!(number(&image.data, 0, 8), 0x1234_5678_9abc);
    assert_eq!(number(&image.read_only, 0, 8), 0x1234_5678_9abc);
}

#[test]
fn debug_sections_hold_zero() {
    let bytes =
        assemble(".section .text.f,\"ax\"\nf: ret\n.section .debug_x,\"a\",@progbits\n.quad f+1");
    let graph = parse("t", &bytes).unwrap();
    let debug = graph.section(section(&graph, ".debug_x")).unwrap();
    assert_eq!(debug.role, SectionRole::Debug);
    let (image, _) = link_graph(&graph, &[], &[".text.f"]).unwrap();
    assert_eq!(number(&image.read_only, 0, 8), 0);
}

#[test]
fn references_and_sites_are_those_of_kept_sections() {
    let bytes = assemble(SOURCE);
    let graph = parse("t", &bytes).unwrap();
    let undefined: Vec<_> = graph.undefined_references(|_| false).collect();
    assert_eq!(undefined, [symbol(&graph, "undefined")]);
    let text_a = section(&graph, ".text.a");
    assert_eq!(graph.undefined_references(|id| id == text_a).count(), 0);

    let (_, layout) = link_graph(&graph, &[("undefined", at(CODE + 64))], &[]).unwrap();
    let placement = placement();
    let bindings = bind(&graph, &[("undefined", at(CODE + 64))]);
    let all: Vec<_> = sites(&graph, &bindings, &layout, &placement).collect();
    assert_eq!(all.len(), 6);
    let call = all.iter().find(|site| site.section == text_a).unwrap();
    assert_eq!((call.at.get(), call.symbol), (CODE + 1, undefined[0]));
}
