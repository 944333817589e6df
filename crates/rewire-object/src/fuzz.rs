//! The body of the fuzz tests, as an ordinary function.

use crate::addr::ExecAddr;
use crate::bind::Binding;
use crate::fixup::{Image, Placement, link};
use crate::graph::{Segment, SymbolKind};
use crate::layout::Layout;
use crate::parse::parse;
use crate::sites::sites;

/// Takes bytes through every step, as an engine would; errors are fine, panics aren't.
pub fn fuzz_object(bytes: &[u8]) {
    let Ok(graph) = parse("fuzz", bytes) else {
        return;
    };
    let start = ExecAddr::new(0x7000_0000_0000);
    let reach = start..start + (1 << 30);
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
            (Binding::Unbound, _, _) => Binding::Address(start + 0x1000),
            (Binding::Own, SymbolKind::Func, 3) => Binding::Canonical(start + 0x2000),
            (other, _, _) => other,
        };
        bindings.set(id, binding);
    }
    for discard in [u32::MAX, 0, 2] {
        let discard = |id: crate::graph::SectionId| id.0 == discard;
        let _ = graph.undefined_references(discard).count();
        let Ok(layout) = Layout::new(&graph, &bindings, discard, reach.clone()) else {
            continue;
        };
        let placement = Placement {
            code: start,
            read_only: start + (1 << 28),
            data: start + (2 << 28),
        };
        let filled: u64 = Segment::ALL.map(|s| layout.extent(s).filled).iter().sum();
        // Sections may overlap in the file, so that little input makes much output.
        if filled > 64 << 20 {
            continue;
        }
        let mut image = Image::default();
        let _ = link(&graph, &bindings, &layout, &placement, &mut image);
        let _ = sites(&graph, &bindings, &layout, &placement).count();
    }
}
