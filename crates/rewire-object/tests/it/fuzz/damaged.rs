//! Objects whose bytes were damaged.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use rewire_check::{Linked, Span, check};
use rewire_fuzz::Damage;
use rewire_object::{
    Binding, ExecAddr, Image, Layout, LinkGraph, Placement, SectionId, Segment, SymbolKind, link,
    parse, sites,
};

use super::input::Object;
use super::write::write;
use crate::support::assemble;

const SOURCE: &str = "
.section .text.f,\"axG\",@progbits,f,comdat
.weak f
.type f,@function
f: .cfi_startproc
.cfi_personality 0x9b, DW.ref.p
call g@PLT
call *g@GOTPCREL(%rip)
movq h@GOTPCREL(%rip), %rax
movq t@GOTTPOFF(%rip), %rax
leaq u@TLSGD(%rip), %rdi
leaq c(%rip), %rax
ret
.cfi_endproc
.data
DW.ref.p: .quad p
.quad f+4
.long f@GOTPCREL
.section .tdata,\"awT\",@progbits
t: .quad f
.section .tbss,\"awT\",@nobits
u: .zero 8
.bss
.zero 64
.comm c,16,16
.weak h
.section .rodata.str,\"aMS\",@progbits,1
.asciz \"text\"
.section .llvm_stackmaps,\"a\"
.quad f
";

/// A good object, and what is done to it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Damaged {
    /// What is damaged; an object with some of everything if `None`.
    object: Option<Object>,
    damage: Damage,
}

impl Damaged {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.object {
            Some(object) => write(object, &Default::default()).0,
            None => assembled().to_vec(),
        };
        self.damage.apply(&mut bytes);
        bytes
    }
}

/// An object with some of everything.
pub(crate) fn assembled() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| assemble(SOURCE))
}

/// Takes bytes through every step, as an engine would, and through the checker. Errors are fine if
/// they say something; panics aren't.
pub(crate) fn take_through(bytes: &[u8]) {
    let graph = match parse("damaged", bytes) {
        Ok(graph) => graph,
        Err(error) => return assert!(error.to_string().starts_with("damaged: "), "{error}"),
    };
    for discarded in [u32::MAX, 0, 2] {
        link_without(bytes, &graph, discarded);
    }
}

const START: ExecAddr = ExecAddr::new(0x7000_0000_0000);

fn link_without(bytes: &[u8], graph: &LinkGraph<'_>, discarded: u32) {
    let discard = |id: SectionId| id.0 == discarded;
    let _ = graph.undefined_references(discard).count();
    let mut bindings = graph.default_bindings();
    for (id, symbol) in graph.symbol_ids() {
        // An answer for everything, of as many kinds as possible.
        let binding = match (bindings[id], symbol.kind, id.0 % 8) {
            (_, SymbolKind::Tls, 0) => Binding::ThreadOffset(-64),
            (_, SymbolKind::Tls, _) => Binding::Thread {
                module: 1,
                offset: 16,
            },
            (Binding::Unbound, _, 0) => Binding::Null,
            (Binding::Unbound, _, 1) => Binding::Address(ExecAddr::new(0x40_0000)),
            (Binding::Unbound, _, _) => Binding::Address(START + 0x1000),
            (Binding::Own, SymbolKind::Func, 3) => Binding::Canonical(START + 0x2000),
            (other, _, _) => other,
        };
        bindings.set(id, binding);
    }
    let layout = match Layout::new(graph, &bindings, discard, START..START + (1 << 30)) {
        Ok(layout) => layout,
        Err(error) => return assert!(error.to_string().starts_with("damaged: "), "{error}"),
    };
    let placement = Placement {
        code: START,
        read_only: START + (1 << 28),
        data: START + (2 << 28),
    };
    let filled: u64 = Segment::ALL.map(|s| layout.extent(s).filled).iter().sum();
    // Sections may overlap in the file, so that little input makes much output.
    if filled > 64 << 20 {
        return;
    }
    let mut image = Image::default();
    if let Err(error) = link(graph, &bindings, &layout, &placement, &mut image) {
        assert!(error.to_string().starts_with("damaged: "), "{error}");
    }
    let _ = sites(graph, &bindings, &layout, &placement).count();
    let sections = graph.section_ids().filter_map(|(id, section)| {
        let (segment, offset) = layout.section_offset(id)?;
        Some((
            section.elf_index,
            (placement.segment(segment) + offset).get(),
        ))
    });
    let memory = [
        (placement.code, &image.code),
        (placement.read_only, &image.read_only),
        (placement.data, &image.data),
    ];
    let _ = check(&Linked {
        object: bytes,
        sections: sections.collect(),
        memory: &memory.map(|(address, bytes)| Span {
            address: address.get(),
            bytes,
        }),
        symbols: BTreeMap::new(),
    });
}
