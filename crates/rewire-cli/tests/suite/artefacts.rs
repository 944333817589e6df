//! Reads what `--dump-links` wrote, and puts each linked object before the link checker.
//!
//! For each object there are `N.o`, its bytes; `N.json`, where it was placed, what its symbols
//! were bound to, and which uses the ledger recorded; and `N.bin`, the linked memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use object::read::elf::ElfFile64;
use object::{Object, ObjectSymbol, SymbolKind};
use rewire_check::{Linked, Span};
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    sections: Vec<Section>,
    symbols: Vec<Symbol>,
    memory: Vec<Memory>,
    uses: Vec<LedgerUse>,
}

#[derive(Deserialize)]
struct Section {
    index: usize,
    address: u64,
}

#[derive(Deserialize)]
struct Symbol {
    index: usize,
    name: String,
    meaning: Meaning,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Meaning {
    Address { address: u64, call: Option<u64> },
    Null,
    Thread { module: u64, offset: u64 },
    ThreadOffset { offset: i64 },
    Unbound,
}

#[derive(Deserialize)]
struct Memory {
    address: u64,
    file_offset: usize,
    size: usize,
}

#[derive(Deserialize)]
struct LedgerUse {
    name: String,
    symbol: usize,
    at: u64,
}

/// What the linked objects of one run hold.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) objects: usize,
    pub(crate) relocations: usize,
    /// The functions that the objects define, by the names that the source gives them.
    pub(crate) functions: BTreeSet<String>,
}

/// Checks every object in `folder`; any difference is an error. `aliases` lead from a name in an
/// object to the name that the ledger has for the same function.
///
/// The record is written last. A process may end while one of its threads still writes, so an
/// object without a whole record is passed over; that the program could not write one shows on
/// its standard error. A run that was ended by a signal (`complete` is false) may leave none.
pub(crate) fn check_all(
    folder: &Path,
    complete: bool,
    aliases: &[(String, String)],
) -> Result<Checked, String> {
    let entries = fs::read_dir(folder)
        .map_err(|e| format!("--dump-links made nothing at {}: {e}", folder.display()))?;
    let mut records: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    records.sort();
    let mut checked = Checked::default();
    for path in &records {
        check_one(path, aliases, &mut checked)
            .map_err(|e| format!("linked object {}: {e}", path.display()))?;
    }
    if checked.objects == 0 && complete {
        return Err("no linked object was written".to_owned());
    }
    Ok(checked)
}

fn check_one(
    path: &Path,
    aliases: &[(String, String)],
    checked: &mut Checked,
) -> Result<(), String> {
    let read = |path: PathBuf| fs::read(&path).map_err(|e| format!("{}: {e}", path.display()));
    let record: Record = match serde_json::from_slice(&read(path.to_owned())?) {
        Ok(record) => record,
        Err(e) if e.is_eof() => return Ok(()),
        Err(e) => return Err(format!("its record: {e}")),
    };
    let bytes = read(path.with_extension("o"))?;
    let linked = read(path.with_extension("bin"))?;

    let memory = record
        .memory
        .iter()
        .map(|m| {
            let bytes = linked
                .get(m.file_offset..m.file_offset + m.size)
                .ok_or("its record names bytes beyond the end of the memory file")?;
            Ok(Span {
                address: m.address,
                bytes,
            })
        })
        .collect::<Result<Vec<_>, &str>>()?;
    let outcome = rewire_check::check(&Linked {
        object: &bytes,
        sections: record
            .sections
            .iter()
            .map(|s| (s.index, s.address))
            .collect(),
        memory: &memory,
        symbols: record
            .symbols
            .iter()
            .map(|s| (s.index, s.meaning.for_checker()))
            .collect(),
    })
    .map_err(|e| e.to_string())?;

    if !outcome.differences.is_empty() {
        let shown = outcome.differences.iter().take(20);
        let list: Vec<String> = shown.map(|d| format!("  {d}")).collect();
        let all = outcome.differences.len();
        return Err(format!("{all} differences:\n{}", list.join("\n")));
    }
    let elf = ElfFile64::<object::Endianness>::parse(&*bytes).map_err(|e| e.to_string())?;
    compare_names(&record, &elf)?;
    compare_direct(&record, &elf)?;
    compare_uses(&record, &outcome.uses, &elf, aliases)?;

    checked.objects += 1;
    checked.relocations += outcome.relocations;
    let defined = elf
        .symbols()
        .filter(|s| s.is_definition() && s.kind() == SymbolKind::Text);
    for symbol in defined {
        checked
            .functions
            .insert(source_name(symbol.name().unwrap_or_default()).to_owned());
    }
    Ok(())
}

impl Meaning {
    fn for_checker(&self) -> rewire_check::Meaning {
        match *self {
            Self::Address { address, call } => rewire_check::Meaning::Address { address, call },
            Self::Null => rewire_check::Meaning::Null,
            Self::Thread { module, offset } => rewire_check::Meaning::Thread { module, offset },
            Self::ThreadOffset { offset } => rewire_check::Meaning::ThreadOffset(offset),
            Self::Unbound => rewire_check::Meaning::Unbound,
        }
    }
}

/// The record must speak of the object's own symbols.
fn compare_names(record: &Record, elf: &ElfFile64<'_>) -> Result<(), String> {
    for symbol in &record.symbols {
        let found = elf
            .symbol_by_index(object::SymbolIndex(symbol.index))
            .map_err(|e| format!("symbol {}: {e}", symbol.index))?;
        let name = found.name().unwrap_or_default();
        // A section's symbol has no name of its own.
        if name != symbol.name && found.kind() != SymbolKind::Section {
            let (index, recorded) = (symbol.index, &symbol.name);
            return Err(format!(
                "symbol {index} is {name:?}, and recorded as {recorded:?}"
            ));
        }
    }
    Ok(())
}

/// A direct call in place of one through a slot goes to the body of the name that the slot has,
/// which is seen here where the same object holds it.
fn compare_direct(record: &Record, elf: &ElfFile64<'_>) -> Result<(), String> {
    let bodies: BTreeMap<&str, (usize, u64)> = elf
        .symbols()
        .filter(|s| s.is_definition() && s.kind() == SymbolKind::Text)
        .filter_map(|s| Some((s.name().ok()?, (s.section_index()?.0, s.address()))))
        .collect();
    for symbol in &record.symbols {
        let Meaning::Address {
            call: Some(call), ..
        } = symbol.meaning
        else {
            continue;
        };
        let base = symbol.name.strip_suffix(".rewire.slot");
        let Some((section, offset)) = base.and_then(|base| bodies.get(base)) else {
            continue;
        };
        let section = record.sections.iter().find(|one| one.index == *section);
        if section.map(|section| section.address + offset) != Some(call) {
            return Err(format!("{} leads to {call:#x}, no body of it", symbol.name));
        }
    }
    Ok(())
}

/// Each use in the ledger must stand in the linked bytes, under the name that the ledger gives
/// it; and each use of a name from outside the object that stands in the bytes must be in the
/// ledger. (What an object uses of its own, the ledger need not know.)
fn compare_uses(
    record: &Record,
    found: &[rewire_check::Use],
    elf: &ElfFile64<'_>,
    aliases: &[(String, String)],
) -> Result<(), String> {
    let in_ledger: BTreeMap<(usize, u64), &str> = record
        .uses
        .iter()
        .map(|u| ((u.symbol, u.at), u.name.as_str()))
        .collect();
    let in_bytes: BTreeMap<(usize, u64), &str> = found
        .iter()
        .map(|u| ((u.symbol, u.at), u.name.as_str()))
        .collect();
    let mut wrong = Vec::new();
    for ((symbol, at), name) in &in_ledger {
        match in_bytes.get(&(*symbol, *at)) {
            None => wrong.push(format!(
                "  in the ledger alone: {name} (symbol {symbol}) at {at:#x}"
            )),
            Some(seen) if !same_entity(name, seen, aliases) && !is_one_place(elf, name, seen) => {
                wrong.push(format!(
                    "  at {at:#x}: {name} in the ledger, {seen} in the bytes"
                ));
            }
            Some(_) => {}
        }
    }
    for ((symbol, at), name) in &in_bytes {
        let external = elf
            .symbol_by_index(object::SymbolIndex(*symbol))
            .is_ok_and(|s| s.is_undefined());
        if external && !in_ledger.contains_key(&(*symbol, *at)) {
            wrong.push(format!(
                "  in the bytes alone: {name} (symbol {symbol}) at {at:#x}"
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let all = wrong.len();
    wrong.truncate(20);
    Err(format!(
        "{all} uses differ from the ledger's:\n{}",
        wrong.join("\n")
    ))
}

/// Whether two functions of an object have one place, so that one is an alias of the other.
fn is_one_place(elf: &ElfFile64<'_>, one: &str, other: &str) -> bool {
    let place = |name: &str| {
        let mut symbols = elf.symbols().filter(ObjectSymbol::is_definition);
        let found = symbols.find(|it| it.name() == Ok(name) && it.kind() == SymbolKind::Text)?;
        Some((found.section_index()?, found.address()))
    };
    place(one).is_some_and(|at| place(other) == Some(at))
}

fn same_entity(in_ledger: &str, symbol: &str, aliases: &[(String, String)]) -> bool {
    // A unit counts the frames of all its coroutines in one place.
    const FRAMES: &str = ".rewire.frames";
    if in_ledger == FRAMES {
        return symbol.ends_with(FRAMES);
    }
    let symbol = without_aspect(symbol);
    let name = source_name(symbol);
    let by_alias = aliases
        .iter()
        .any(|(alias, of)| alias == name && of == in_ledger);
    symbol == in_ledger || name == in_ledger || name.is_empty() || by_alias
}

fn without_aspect(symbol: &str) -> &str {
    symbol
        .strip_suffix(".rewire.slot")
        .or_else(|| symbol.strip_suffix(".rewire.self"))
        .unwrap_or(symbol)
}

/// The name in the source of what an emitted symbol stands for: `NAME`, or `NAME.rewire.N` for a
/// local, each perhaps with an aspect behind it.
pub(crate) fn source_name(symbol: &str) -> &str {
    let base = without_aspect(symbol);
    match base.rsplit_once(".rewire.") {
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            name
        }
        _ => base,
    }
}

/// Tests of the runner itself.
pub(crate) mod tests {
    use super::*;

    pub(crate) fn names_are_read_back() -> Result<(), String> {
        let names = [
            ("f", "f"),
            ("f.rewire.12", "f"),
            ("f.rewire.12.rewire.slot", "f"),
            ("f.rewire.slot", "f"),
            ("f.rewire.self", "f"),
            (".rewire.3", ""),
            ("f.rewire.x", "f.rewire.x"),
        ];
        for (symbol, expected) in names {
            if source_name(symbol) != expected {
                return Err(format!("{symbol} gives {}", source_name(symbol)));
            }
        }
        Ok(())
    }

    /// The check must be able to fail: an object as it is, unlinked, is not accepted.
    pub(crate) fn an_unlinked_object_is_refused(folder: &Path) -> Result<(), String> {
        let source = folder.join("unlinked.c");
        let object = folder.join("0.o");
        fs::write(&source, "int x; int *f(void) { return &x; }\n").map_err(|e| e.to_string())?;
        let mut command = crate::process::clang();
        command
            .args(["-c", "-O1"])
            .arg(&source)
            .arg("-o")
            .arg(&object);
        crate::process::build(&mut command)?;
        let bytes = fs::read(&object).map_err(|e| e.to_string())?;
        let elf = ElfFile64::<object::Endianness>::parse(&*bytes).map_err(|e| e.to_string())?;
        let text = elf.section_by_name(".text").ok_or("no .text")?;
        use object::ObjectSection;
        let code = text.data().map_err(|e| e.to_string())?;
        let record = serde_json::json!({
            "sections": [{"index": text.index().0, "address": 0x10000}],
            "symbols": [],
            "memory": [{"address": 0x10000, "file_offset": 0, "size": code.len()}],
            "uses": [],
        });
        fs::write(folder.join("0.bin"), code).map_err(|e| e.to_string())?;
        fs::write(folder.join("0.json"), record.to_string()).map_err(|e| e.to_string())?;
        match check_all(folder, true, &[]) {
            Err(_) => Ok(()),
            Ok(checked) => Err(format!("it was accepted: {checked:?}")),
        }
    }
}
