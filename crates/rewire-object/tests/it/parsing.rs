//! What the parser makes of well-formed objects.

use rewire_object::{
    Binding, ObjectError, SectionRole, Segment, SymbolBinding, SymbolKind, SymbolPlace, Visibility,
    parse,
};

use crate::support::{CODE, assemble, build, section, signed32, symbol};

#[test]
fn symbols_and_sections_are_what_the_source_said() {
    let source = ".weak w\n.globl g\n.hidden g\n.type g,@function\ng: call u@PLT\n.size g, 5\n\
                  .set absolute, 42\n.globl absolute\nw = g\n\
                  .section .data.rel.ro,\"aw\"\n.quad g\n.section .init_array,\"aw\",@init_array\n.quad g\n\
                  .section .comment,\"MS\",@progbits,1\n.asciz \"x\"\n\
                  .section __patchable_function_entries,\"awo\",@progbits,.text\n.quad g";
    let bytes = assemble(source);
    let graph = parse("t", &bytes).unwrap();
    let g = graph.symbol(symbol(&graph, "g")).unwrap();
    assert_eq!(g.binding, SymbolBinding::Global);
    assert_eq!(
        (g.kind, g.visibility, g.size),
        (SymbolKind::Func, Visibility::Hidden, 5)
    );
    let text = section(&graph, ".text");
    let place = SymbolPlace::Defined {
        section: text,
        offset: 0,
    };
    assert_eq!(g.place, place);
    let w = graph.symbol(symbol(&graph, "w")).unwrap();
    assert_eq!((w.binding, w.place), (SymbolBinding::Weak, place));
    let absolute = graph.symbol(symbol(&graph, "absolute")).unwrap();
    assert_eq!(absolute.place, SymbolPlace::Absolute(42));
    let u = symbol(&graph, "u");
    assert_eq!(graph.symbol(u).unwrap().place, SymbolPlace::Undefined);
    assert_eq!(graph.default_bindings()[u], Binding::Unbound);
    let init = graph.section(section(&graph, ".init_array")).unwrap();
    assert_eq!(
        (init.role, init.segment),
        (SectionRole::InitArray, Segment::ReadOnly)
    );
    let relro = graph.section(section(&graph, ".data.rel.ro")).unwrap();
    assert_eq!(relro.segment, Segment::ReadOnly);
    let patchable = graph
        .section(section(&graph, "__patchable_function_entries"))
        .unwrap();
    assert_eq!(patchable.linked_to, Some(text));
    assert!(
        graph
            .sections
            .iter()
            .all(|section| section.name != ".comment")
    );
}

#[test]
fn relocations_without_a_symbol_mean_zero() {
    let image = build(".text\n.reloc ., R_X86_64_PC64, 0\n.quad 0", &[]);
    // The assembler may choose a section symbol; only the null symbol gives 0 - P.
    assert_eq!(image.unwrap().code.len(), 8);
    let image = build("call 0x70000bcd0000", &[]).unwrap();
    assert_eq!(
        signed32(&image.code, 1),
        0x0bcd_0000 - 5 - (CODE - 0x7000_0000_0000) as i64
    );
}

#[test]
fn tables_of_constructors_are_told_by_their_names() {
    let source = ".section .ctors,\"aw\"\n.quad 0\n.section .ctors.65000,\"aw\"\n.quad 0\n\
                  .section .dtors,\"aw\"\n.quad 0\n.section .ctorsman,\"aw\"\n.quad 0";
    let bytes = assemble(source);
    let graph = parse("t", &bytes).unwrap();
    for (name, role) in [
        (".ctors", SectionRole::InitArray),
        (".ctors.65000", SectionRole::InitArray),
        (".dtors", SectionRole::FiniArray),
        (".ctorsman", SectionRole::Plain),
    ] {
        let found = graph.sections.iter().find(|one| one.name == name);
        assert_eq!(found.map(|one| one.role), Some(role), "{name}");
    }
}

#[test]
fn unsupported_input_is_refused_by_name() {
    for (source, parts) in [
        (
            "leaq x@TLSDESC(%rip), %rax\ncall *x@TLSCALL(%rax)",
            &[".text+0x3", "type 34", "against x", "TLS descriptors"][..],
        ),
        (
            ".section .odd,\"a\",@0x7000ffff\n.byte 0",
            &["section .odd", "0x7000ffff"],
        ),
        (
            ".section .wx,\"awx\"\nret",
            &["section .wx", "writable and executable"],
        ),
        (
            ".data\n.p2align 22\n.byte 0",
            &["section .data", "alignment 0x400000"],
        ),
    ] {
        let bytes = assemble(source);
        let error = parse("test.o", &bytes).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    let not_elf = parse("test.o", b"#!/bin/sh\n");
    assert!(matches!(not_elf, Err(ObjectError::Format { .. })));
}
