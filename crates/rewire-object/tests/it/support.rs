//! Assembling, and linking at fixed addresses.

use std::ops::Range;
use std::process::Command;

use rewire_object::{
    Binding, Bindings, ExecAddr, Image, Layout, LinkError, LinkGraph, Placement, SectionId,
    SymbolId, link, parse,
};

/// Where the segments go, unless a test says otherwise.
pub(crate) const CODE: u64 = 0x7000_0000_0000;
pub(crate) const READ_ONLY: u64 = CODE + 0x10_0000;
pub(crate) const DATA: u64 = CODE + 0x20_0000;

/// 1 GiB from [`CODE`] on.
pub(crate) fn reach() -> Range<ExecAddr> {
    ExecAddr::new(CODE)..ExecAddr::new(CODE + (1 << 30))
}

pub(crate) fn placement() -> Placement {
    Placement {
        code: ExecAddr::new(CODE),
        read_only: ExecAddr::new(READ_ONLY),
        data: ExecAddr::new(DATA),
    }
}

/// The object file that an assembler source becomes.
pub(crate) fn assemble(source: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("a.s"), dir.path().join("a.o"));
    std::fs::write(&input, source).unwrap();
    let out = Command::new("clang-22")
        .args(["--target=x86_64-linux-gnu", "-c", "-o"])
        .args([&output, &input])
        .output()
        .expect("clang-22 is on the PATH");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    std::fs::read(output).unwrap()
}

pub(crate) fn symbol(graph: &LinkGraph<'_>, name: &str) -> SymbolId {
    let found = graph.symbol_ids().find(|(_, symbol)| symbol.name == name);
    found.unwrap_or_else(|| panic!("no symbol {name}")).0
}

pub(crate) fn section(graph: &LinkGraph<'_>, name: &str) -> SectionId {
    let found = graph
        .section_ids()
        .find(|(_, section)| section.name == name);
    found.unwrap_or_else(|| panic!("no section {name}")).0
}

/// Binds by name over the defaults.
pub(crate) fn bind(graph: &LinkGraph<'_>, names: &[(&str, Binding)]) -> Bindings {
    let mut bindings = graph.default_bindings();
    for (name, binding) in names {
        assert!(bindings.set(symbol(graph, name), *binding));
    }
    bindings
}

pub(crate) fn at(address: u64) -> Binding {
    Binding::Address(ExecAddr::new(address))
}

/// Links a graph, without the sections of these names.
pub(crate) fn link_graph(
    graph: &LinkGraph<'_>,
    names: &[(&str, Binding)],
    discarded: &[&str],
) -> Result<(Image, Layout), LinkError> {
    let bindings = bind(graph, names);
    let discard = |id: SectionId| discarded.contains(&graph.section(id).unwrap().name);
    let layout = Layout::new(graph, &bindings, discard, reach())?;
    let mut image = Image::default();
    link(graph, &bindings, &layout, &placement(), &mut image)?;
    Ok((image, layout))
}

/// Assembles and links.
pub(crate) fn build(source: &str, names: &[(&str, Binding)]) -> Result<Image, LinkError> {
    let bytes = assemble(source);
    let graph = parse("test.o", &bytes).unwrap();
    link_graph(&graph, names, &[]).map(|(image, _)| image)
}

/// The little-endian number of 1 to 8 bytes at an offset.
pub(crate) fn number(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let mut word = [0; 8];
    word[..width].copy_from_slice(&bytes[offset..offset + width]);
    u64::from_le_bytes(word)
}

/// As [`number`], sign-extended from 4 bytes.
pub(crate) fn signed32(bytes: &[u8], offset: usize) -> i64 {
    i64::from(number(bytes, offset, 4) as u32 as i32)
}
