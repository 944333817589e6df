//! Loads from the GOT that can do without, and those that can't.

use rewire_object::{Binding, ExecAddr, GotKind, Image, Layout, parse, sites};

use crate::support::{
    CODE, READ_ONLY, assemble, at, bind, build, link_graph, number, placement, signed32,
};

const SOURCE: &str = "movq f@GOTPCREL(%rip), %rax\ncall *f@GOTPCREL(%rip)\njmp *f@GOTPCREL(%rip)\n\
                      cmpq f@GOTPCREL(%rip), %r9";

fn built(binding: Binding) -> (Vec<u8>, Vec<u8>, usize) {
    let bytes = assemble(SOURCE);
    let graph = parse("t", &bytes).unwrap();
    let (image, layout) = link_graph(&graph, &[("f", binding)], &[]).unwrap();
    (image.code, image.read_only, layout.got_entries().count())
}

#[test]
fn near_functions_are_reached_directly() {
    let f = CODE + 0x1000;
    let (code, read_only, entries) = built(at(f));
    assert_eq!(code[..3], [0x48, 0x8d, 0x05]);
    assert_eq!(signed32(&code, 3), 0x1000 - 7);
    assert_eq!(code[7..9], [0x67, 0xe8]);
    assert_eq!(signed32(&code, 9), 0x1000 - 13);
    assert_eq!(code[13], 0xe9);
    assert_eq!(signed32(&code, 14), 0x1000 - 18);
    assert_eq!(code[18], 0x90);
    // The comparison has no near form and keeps the entry.
    assert_eq!(code[19..22], [0x4c, 0x3b, 0x0d]);
    assert_eq!(signed32(&code, 22), (READ_ONLY - CODE) as i64 - 26);
    assert_eq!((entries, number(&read_only, 0, 8)), (1, f));
}

#[test]
fn far_and_null_functions_are_not() {
    for (binding, value) in [
        (at(0x1234_5678_9abc_def0), 0x1234_5678_9abc_def0),
        // In reach of the code where it lies now, but not of all the range.
        (
            at(CODE - (1 << 31) + (1 << 20)),
            CODE - (1 << 31) + (1 << 20),
        ),
        (Binding::Null, 0),
    ] {
        let (code, read_only, entries) = built(binding);
        let original = [0x48, 0x8b, 0x05];
        assert_eq!(code[..3], original);
        assert_eq!(code[7..9], [0xff, 0x15]);
        assert_eq!(code[13..15], [0xff, 0x25]);
        assert_eq!((entries, number(&read_only, 0, 8)), (1, value));
    }
}

#[test]
fn low_addresses_become_immediates() {
    let (code, read_only, entries) = built(at(0x40_1000));
    // call and jmp have no immediate form here; they keep the entry.
    assert_eq!(code[..7], [0x48, 0xc7, 0xc0, 0, 0x10, 0x40, 0]);
    assert_eq!(code[19..26], [0x49, 0x81, 0xf9, 0, 0x10, 0x40, 0]);
    assert_eq!((entries, number(&read_only, 0, 8)), (1, 0x40_1000));
}

#[test]
fn own_symbols_are_near_if_the_reach_is_small() {
    let bytes = assemble("movq f@GOTPCREL(%rip), %rax\n.globl f\nf: ret");
    let graph = parse("t", &bytes).unwrap();
    let bindings = bind(&graph, &[]);
    for (log, entries, opcode) in [(30, 0, 0x8d), (33, 1, 0x8b)] {
        let start = rewire_object::ExecAddr::new(CODE);
        let layout = Layout::new(&graph, &bindings, |_| false, start..start + (1 << log)).unwrap();
        let got: Vec<_> = layout.got_entries().collect();
        assert_eq!(got.len(), entries);
        assert!(got.iter().all(|entry| entry.kind == GotKind::Address));
        let mut image = Image::default();
        rewire_object::link(&graph, &bindings, &layout, &placement(), &mut image).unwrap();
        assert_eq!(image.code[1], opcode);
    }
}

#[test]
fn what_the_layout_took_for_granted_is_checked() {
    let bytes = assemble(".p2align 6\nf: ret");
    let graph = parse("t", &bytes).unwrap();
    let bindings = bind(&graph, &[]);
    let start = rewire_object::ExecAddr::new(CODE);
    let layout = Layout::new(&graph, &bindings, |_| false, start..start + 4096).unwrap();
    let mut image = Image::default();
    for (code, fine) in [
        (CODE, true),
        (CODE + 8, false),
        (CODE + 4096, false),
        (0, false),
    ] {
        let mut placement = placement();
        placement.code = rewire_object::ExecAddr::new(code);
        let result = rewire_object::link(&graph, &bindings, &layout, &placement, &mut image);
        assert_eq!(result.is_ok(), fine, "{result:?}");
    }
}

/// A slot that never changes: calls and jumps through it go to the function, and nothing else is
/// touched.
#[test]
fn calls_through_a_fixed_slot_become_direct() {
    let source = "call *f.slot(%rip)\njmp *f.slot(%rip)\npushq f.slot(%rip)\n\
                  movq f.slot(%rip), %rax\nleaq f.slot(%rip), %rax\ncall *f.slot+8(%rip)\n\
                  call *f.slot@GOTPCREL(%rip)\n.section .rodata\n.byte 0xff, 0x15\n\
                  .long f.slot-.-4";
    let bytes = assemble(source);
    let graph = parse("t", &bytes).unwrap();
    let (slot, function) = (CODE + 0x3000, CODE + 0x1000);
    let fixed = |function| Binding::FixedSlot {
        slot: ExecAddr::new(slot),
        function: ExecAddr::new(function),
    };
    let (image, layout) = link_graph(&graph, &[("f.slot", fixed(function))], &[]).unwrap();
    let (plain, _) = link_graph(&graph, &[("f.slot", at(slot))], &[]).unwrap();
    let code = &image.code;
    assert_eq!(code[..2], [0x67, 0xe8]);
    assert_eq!(signed32(code, 2), 0x1000 - 6);
    assert_eq!(code[6], 0xe9);
    assert_eq!(signed32(code, 7), 0x1000 - 11);
    assert_eq!(code[11], 0x90);
    assert_eq!(code[12..], plain.code[12..]);
    assert_eq!(image.read_only, plain.read_only);
    let bindings = bind(&graph, &[("f.slot", fixed(function))]);
    let placement = placement();
    let direct = sites(&graph, &bindings, &layout, &placement).filter(|site| site.is_direct);
    let direct: Vec<u64> = direct.map(|site| site.at.get() - CODE).collect();
    assert_eq!(direct, [2, 8]);
    // What is out of reach goes on through the slot.
    let far = fixed(CODE + (1 << 32));
    let (image, _) = link_graph(&graph, &[("f.slot", far)], &[]).unwrap();
    assert_eq!(image.code, plain.code);
    let bindings = bind(&graph, &[("f.slot", far)]);
    let mut all = sites(&graph, &bindings, &layout, &placement);
    assert!(!all.any(|site| site.is_direct));
}

/// What stands before a field in a section of data is data, whatever instruction it looks like.
#[test]
fn no_instruction_in_data_is_rewritten() {
    let field =
        |bytes: &str| format!(".byte {bytes}\n.reloc ., R_X86_64_GOTPCRELX, f-4\n.long 0\n");
    let fields = field("0xff, 0x15") + &field("0x8b, 0x05") + &field("0x85, 0x05");
    let near = at(CODE + 0x1000);
    for section in [".section .rodata", ".data"] {
        let image = build(&format!("{section}\n{fields}"), &[("f", near)]).unwrap();
        let bytes = if section == ".data" {
            &image.data
        } else {
            &image.read_only
        };
        let before = [0, 6, 12].map(|at| [bytes[at], bytes[at + 1]]);
        assert_eq!(
            before,
            [[0xff, 0x15], [0x8b, 0x05], [0x85, 0x05]],
            "{section}"
        );
        // The entry is the last thing that is read-only.
        let entry = image.read_only.len() - 8;
        assert_eq!(
            number(&image.read_only, entry, 8),
            CODE + 0x1000,
            "{section}"
        );
    }
    // Its neighbour in code.
    let image = build(&format!(".text\n{fields}"), &[("f", near)]).unwrap();
    assert_eq!(image.code[..2], [0x67, 0xe8]);
}
