//! Thread-local variables.

use rewire_object::{Binding, GotKind, LinkError, parse};

use crate::support::{DATA, READ_ONLY, assemble, at, build, link_graph, number, section, signed32};

fn thread(module: u64, offset: u64) -> Binding {
    Binding::Thread { module, offset }
}

#[test]
fn dynamic_access_gets_a_module_and_an_offset() {
    let source = ".data\n.reloc ., R_X86_64_TLSGD, x\n.long 0\n.reloc ., R_X86_64_TLSLD, y\n.long 0\n\
                  .reloc ., R_X86_64_DTPOFF32, y+2\n.long 0\n.reloc ., R_X86_64_DTPOFF64, x\n.quad 0";
    let bindings = [("x", thread(7, 0x100)), ("y", thread(7, 0x200))];
    let bytes = assemble(source);
    let graph = parse("t", &bytes).unwrap();
    let (image, layout) = link_graph(&graph, &bindings, &[]).unwrap();
    let kinds: Vec<_> = layout
        .got_entries()
        .map(|entry| (entry.kind, entry.offset))
        .collect();
    assert_eq!(
        kinds,
        [(GotKind::ThreadPair, 0), (GotKind::ThreadModule, 16)]
    );
    assert_eq!(signed32(&image.data, 0), READ_ONLY as i64 - DATA as i64);
    assert_eq!(
        signed32(&image.data, 4),
        READ_ONLY as i64 + 16 - (DATA as i64 + 4)
    );
    assert_eq!(number(&image.data, 8, 4), 0x202);
    assert_eq!(number(&image.data, 12, 8), 0x100);
    let words = [0, 8, 16, 24].map(|offset| number(&image.read_only, offset, 8));
    assert_eq!(words, [7, 0x100, 7, 0]);

    let mixed = build(source, &[("x", thread(8, 0)), ("y", thread(7, 0))]);
    assert!(
        matches!(mixed, Err(LinkError::Mismatch { .. })),
        "{mixed:?}"
    );
}

#[test]
fn exec_access_gets_the_offset_from_the_thread_pointer() {
    let source = "movq x@GOTTPOFF(%rip), %rax\nmovq %fs:x@TPOFF, %rcx";
    let image = build(source, &[("x", Binding::ThreadOffset(-40))]).unwrap();
    assert_eq!(number(&image.read_only, 0, 8) as i64, -40);
    assert_eq!(signed32(&image.code, 12), -40);
    let source = ".data\n.reloc ., R_X86_64_TPOFF64, x+8\n.quad 0";
    let image = build(source, &[("x", Binding::ThreadOffset(-40))]).unwrap();
    assert_eq!(number(&image.data, 0, 8) as i64, -32);
}

#[test]
fn a_binding_of_another_model_is_an_error() {
    let gd = ".data\n.reloc ., R_X86_64_TLSGD, x\n.long 0";
    let ie = "movq x@GOTTPOFF(%rip), %rax";
    let plain = ".data\n.quad x";
    for (source, binding) in [
        (gd, Binding::ThreadOffset(0)),
        (gd, at(0)),
        (ie, at(0)),
        (plain, thread(1, 0)),
    ] {
        let result = build(source, &[("x", binding)]);
        assert!(
            matches!(result, Err(LinkError::Mismatch { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn exec_access_needs_a_place_at_the_thread_pointer() {
    let other = "movq x@GOTTPOFF(%rip), %rax";
    // Own variables have no place until the caller gives them one.
    let own = "movq x@GOTTPOFF(%rip), %rax\n.section .tbss,\"awT\",@nobits\nx: .zero 8";
    for (source, names) in [(other, &[("x", thread(1, 0))][..]), (own, &[])] {
        let error = build(source, names).unwrap_err();
        assert!(matches!(error, LinkError::StaticThread { .. }), "{error}");
        let told = error.to_string();
        let [what, flag] = ["R_X86_64_GOTTPOFF against x", "-fPIC"];
        assert!(told.contains(what) && told.contains(flag), "{told}");
    }
}

#[test]
fn the_thread_image_is_separate_and_fixed_up() {
    let source = ".section .tbss.b,\"awT\",@nobits\n.p2align 4\nb: .zero 8\n\
                  .section .tdata.a,\"awT\",@progbits\n.byte 1\n\
                  .section .tdata.p,\"awT\",@progbits\n.p2align 3\np: .quad x+1\n.data\nx: .byte 9";
    let bytes = assemble(source);
    let graph = parse("t", &bytes).unwrap();
    let (image, layout) = link_graph(&graph, &[], &[]).unwrap();
    assert_eq!(image.data, [9]);
    let mut thread = vec![1, 0, 0, 0, 0, 0, 0, 0];
    thread.extend((DATA + 1).to_le_bytes());
    assert_eq!(image.thread, thread);
    let extent = layout.thread_extent();
    assert_eq!((extent.filled, extent.size, extent.align), (16, 24, 16));
    let (p, b) = (section(&graph, ".tdata.p"), section(&graph, ".tbss.b"));
    assert_eq!(layout.thread_offset(p), Some(8));
    assert_eq!(layout.thread_offset(b), Some(16));
    assert_eq!(layout.section_offset(p), None);
    assert_eq!(layout.thread_sections().last(), Some(b));
}

#[test]
fn a_field_without_a_place_cannot_be_relative_to_it() {
    let result = build(
        ".section .tdata,\"awT\",@progbits\n.long x - .",
        &[("x", at(0))],
    );
    assert!(
        matches!(result, Err(LinkError::Mismatch { .. })),
        "{result:?}"
    );
}
