//! Each relocation kind against values computed by hand.

use rewire_object::{Binding, ExecAddr, LinkError, called_symbols, parse};

use crate::support::{CODE, DATA, READ_ONLY, assemble, at, build, number, signed32};

/// One relocation, in the data section at offset 16.
fn one(kind: &str, width: usize, s: Binding, addend: &str) -> Result<u64, LinkError> {
    let source = format!(
        ".data\n.p2align 4\n.zero 16\n.reloc ., R_X86_64_{kind}, s{addend}\n.zero {width}\n.zero 8"
    );
    let image = build(&source, &[("s", s)])?;
    assert_eq!(image.applied, 1);
    assert!(image.data[16 + width..].iter().all(|byte| *byte == 0));
    Ok(number(&image.data, 16, width))
}

const P: u64 = DATA + 16;
/// The GOT lies alone in the read-only segment.
const GOT: u64 = READ_ONLY;

fn out_of_range(result: Result<u64, LinkError>) -> i64 {
    match result {
        Err(LinkError::OutOfRange { value, .. }) => value,
        other => panic!("{other:x?}"),
    }
}

#[test]
fn absolute_values_fit_their_fields_or_are_refused() {
    let high = 0x1234_5678_9abc_def0;
    assert_eq!(one("64", 8, at(high), "+5"), Ok(high + 5));
    assert_eq!(one("32", 4, at(0xffff_fff0), "+15"), Ok(0xffff_ffff));
    assert_eq!(out_of_range(one("32", 4, at(0xffff_fff0), "+16")), 1 << 32);
    assert_eq!(out_of_range(one("32", 4, at(0), "-1")), -1);
    assert_eq!(one("32S", 4, at(0), "-1"), Ok(0xffff_ffff));
    assert_eq!(out_of_range(one("32S", 4, at(1 << 31), "")), 1 << 31);
    assert_eq!(one("16", 2, at(0xfff0), "+15"), Ok(0xffff));
    assert_eq!(out_of_range(one("16", 2, at(0xfff0), "+16")), 1 << 16);
    assert_eq!(one("8", 1, at(0xf0), "+15"), Ok(0xff));
    assert_eq!(out_of_range(one("8", 1, at(0), "-129")), -129);
}

#[test]
fn distances_fit_their_fields_or_are_refused() {
    assert_eq!(one("PC64", 8, at(P - 1), ""), Ok(u64::MAX));
    let top = P + (1 << 31) - 1;
    assert_eq!(one("PC32", 4, at(top), ""), Ok(0x7fff_ffff));
    assert_eq!(out_of_range(one("PC32", 4, at(top), "+1")), 1 << 31);
    assert_eq!(one("PC32", 4, at(P - (1 << 31)), ""), Ok(0x8000_0000));
    assert_eq!(one("PLT32", 4, at(P + 0x100), "-4"), Ok(0xfc));
    assert_eq!(one("PC16", 2, at(P), "-1"), Ok(0xffff));
    assert_eq!(out_of_range(one("PC16", 2, at(P + 0x8000), "")), 0x8000);
    assert_eq!(one("PC8", 1, at(P), "+127"), Ok(0x7f));
    assert_eq!(out_of_range(one("PC8", 1, at(P), "+128")), 128);
}

#[test]
fn fields_lead_to_entries_of_the_got() {
    let far = at(0x1234_5678_9abc_def0);
    let entry = GOT.wrapping_sub(P);
    assert_eq!(one("GOTPCREL", 4, far, "-4"), Ok((entry - 4) & 0xffff_ffff));
    assert_eq!(one("GOTPCREL64", 8, far, ""), Ok(entry));
    // G: the entry is the first.
    for (kind, width) in [("GOT32", 4), ("GOT64", 8), ("GOTPLT64", 8)] {
        assert_eq!(one(kind, width, far, "+7"), Ok(7));
    }
    assert_eq!(one("GOTOFF64", 8, at(GOT - 9), ""), Ok(-9_i64 as u64));
    assert_eq!(one("PLTOFF64", 8, at(GOT + 9), "+1"), Ok(10));
    assert_eq!(one("GOTPC64", 8, at(0), "+3"), Ok(entry + 3));
    assert_eq!(one("GOTPC32", 4, at(0), ""), Ok(entry & 0xffff_ffff));
}

#[test]
fn got_entries_hold_addresses_and_are_shared() {
    let source =
        ".data\n.long a@GOTPCREL\n.long b@GOTPCREL\n.long a@GOTPCREL\n.long n@GOTPCREL\n.weak n";
    let image = build(
        source,
        &[("a", at(0xa)), ("b", at(0xb)), ("n", Binding::Null)],
    )
    .unwrap();
    let entry =
        |field: usize| (DATA + field as u64).wrapping_add_signed(signed32(&image.data, field));
    let fields = [entry(0), entry(4), entry(8), entry(12)];
    assert_eq!(fields, [GOT, GOT + 8, GOT, GOT + 16]);
    let words = [0, 8, 16].map(|offset| number(&image.read_only, offset, 8));
    assert_eq!((words, image.read_only.len()), ([0xa, 0xb, 0], 24));
}

#[test]
fn the_got_has_a_name() {
    let source = ".text\nleaq _GLOBAL_OFFSET_TABLE_(%rip), %rbx\nmovabsq $x@GOTOFF, %rax\n\
                  .section .rodata\n.zero 20\n.quad _GLOBAL_OFFSET_TABLE_\n.data\n.quad x@GOT\nx:";
    let image = build(source, &[]).unwrap();
    // Behind 28 bytes of .rodata, aligned to 8.
    let got = READ_ONLY + 32;
    assert_eq!(signed32(&image.code, 3), got as i64 - (CODE + 7) as i64);
    assert_eq!(number(&image.code, 9, 8), (DATA + 8).wrapping_sub(got));
    assert_eq!(number(&image.read_only, 20, 8), got);
    assert_eq!(number(&image.read_only, 32, 8), DATA + 8);
}

#[test]
fn a_size_is_the_objects_own_or_refused() {
    let source =
        ".data\n.long x@SIZE\n.quad x@SIZE+1\nx: .zero 24\n.size x, 24\n.type x,@object\n.globl x";
    let image = build(source, &[]).unwrap();
    assert_eq!(number(&image.data, 0, 4), 24);
    assert_eq!(number(&image.data, 4, 8), 25);
    let unknown = one("SIZE64", 8, at(0), "");
    assert!(
        matches!(unknown, Err(LinkError::Mismatch { .. })),
        "{unknown:?}"
    );
}

#[test]
fn errors_name_everything() {
    let error = build("call f", &[("f", at(0x10))]).unwrap_err().to_string();
    for part in [
        "test.o",
        ".text+0x1",
        "R_X86_64_PLT32",
        "against f",
        "-0x",
        "32 bits",
    ] {
        assert!(part == "-0x" || error.contains(part), "{part}: {error}");
    }
    let error = build("call f", &[]).unwrap_err();
    assert!(matches!(error, LinkError::Unbound { .. }), "{error}");
    assert!(error.to_string().contains("against f"), "{error}");
}

#[test]
fn code_is_padded_with_traps_and_zeros_are_not_written() {
    let source = ".text\nret\n.section .text.b,\"ax\"\n.p2align 4\nret\n\
                  .data\n.byte 1\n.bss\n.p2align 5\n.zero 100\n.comm c,8,64";
    let bytes = crate::support::assemble(source);
    let graph = rewire_object::parse("t", &bytes).unwrap();
    let (image, layout) = crate::support::link_graph(&graph, &[], &[]).unwrap();
    assert_eq!(image.code[0], 0xc3);
    assert!(image.code[1..16].iter().all(|byte| *byte == 0xcc));
    assert_eq!(image.code[16], 0xc3);
    assert_eq!(image.data, [1]);
    let extent = layout.extent(rewire_object::Segment::Data);
    assert_eq!((extent.filled, extent.size, extent.align), (1, 192 + 8, 64));
    let c = crate::support::symbol(&graph, "c");
    assert!(graph.is_common(c));
    assert_eq!(
        layout.symbol_offset(c),
        Some((rewire_object::Segment::Data, 192))
    );
}

#[test]
fn calling_null_leads_to_a_jump_to_null() {
    let source = ".weak f\ncall f\nret\n.data\n.quad f";
    let image = build(source, &[("f", Binding::Null)]).unwrap();
    assert_eq!(image.code, [0xe8, 1, 0, 0, 0, 0xc3, 0x31, 0xc0, 0xff, 0xe0]);
    assert_eq!(number(&image.data, 0, 8), 0);
}

#[test]
fn a_canonical_address_is_what_everyone_gets_but_tables_of_bodies() {
    let source = ".text\nnop\n.globl f\n.type f,@function\nf: .cfi_startproc\ncall f\nret\n.cfi_endproc\n\
                  .data\n.quad f\n.section .llvm_stackmaps,\"a\"\n.quad f\n\
                  .section .gcc_except_table,\"a\"\n.quad f";
    let canonical = CODE + 0x1000;
    let binding = Binding::Canonical(ExecAddr::new(canonical));
    let image = build(source, &[("f", binding)]).unwrap();
    assert_eq!(
        signed32(&image.code, 2),
        canonical as i64 - (CODE + 6) as i64
    );
    assert_eq!(number(&image.data, 0, 8), canonical);
    let body = (CODE + 1).to_le_bytes();
    let bodies = image.read_only.windows(8).filter(|word| *word == body);
    assert_eq!(bodies.count(), 2);
}

#[test]
fn a_tied_function_is_called_where_it_is() {
    let source = ".text\nnop\n.globl f\n.type f,@function\nf: call f\nlea f(%rip), %rax\nret\n\
                  .data\n.quad f\n.section .gcc_except_table,\"a\"\n.quad f";
    let canonical = CODE + 0x1000;
    let binding = Binding::Tied(ExecAddr::new(canonical));
    let image = build(source, &[("f", binding)]).unwrap();
    assert_eq!(signed32(&image.code, 2), -5);
    assert_eq!(
        signed32(&image.code, 9),
        canonical as i64 - (CODE + 13) as i64
    );
    assert_eq!(number(&image.data, 0, 8), canonical);
    assert_eq!(image.read_only[..8], (CODE + 1).to_le_bytes());
}

#[test]
fn what_is_only_called_is_told_by_the_instructions() {
    let source = ".text\ncall direct\njmp direct\n.byte 0xe8\n.long near - . - 4\n\
                  call *got@GOTPCREL(%rip)\ncall taken\nlea taken(%rip), %rax\n\
                  mov loaded@GOTPCREL(%rip), %rax\n.data\n.quad pointed";
    let object = assemble(source);
    let graph = parse("test.o", &object).unwrap();
    let called = called_symbols(&graph);
    let mut names: Vec<&str> = graph
        .symbol_ids()
        .filter_map(|(id, symbol)| called[id.index()].then_some(symbol.name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["direct", "got", "near"]);
}

#[test]
fn an_indirect_function_must_be_resolved_by_the_caller() {
    let source = ".type f,@gnu_indirect_function\n.globl f\nf: ret\n.data\n.quad f";
    let error = build(source, &[]).unwrap_err();
    assert!(error.to_string().contains("resolver"), "{error}");
    let image = build(source, &[("f", at(0x77))]).unwrap();
    assert_eq!(number(&image.data, 0, 8), 0x77);
}
