//! The users that the bytes show are those that a disassembler shows.

use std::collections::BTreeMap;

use rewire_check::{Outcome, Use, UseKind};

use crate::link::Link;
use crate::sources::{c, fixed, shared};

/// One line of `objdump -d`: where the instruction ends, and the name that objdump puts to what
/// it refers to.
fn disassembled(link: &Link) -> BTreeMap<u64, (u64, String)> {
    let mut lines = BTreeMap::new();
    for line in link.listing.lines() {
        // "  401000:\te8 00 00 00 00       \tcall   401234 <name>"
        let columns: Vec<&str> = line.split('\t').collect();
        let [address, bytes, text] = columns[..] else {
            continue;
        };
        let address = address.trim().trim_end_matches(':');
        let address = u64::from_str_radix(address, 16).unwrap() + link.bias;
        let length = bytes.split_whitespace().count() as u64;
        let name = text
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(name, _)| name.trim_end_matches("@plt").to_owned());
        if let Some(name) = name {
            lines.insert(address, (address + length, name));
        }
    }
    lines
}

/// Compares names; gives how many could be.
fn compare(link: &Link, outcome: &Outcome) -> usize {
    let lines = disassembled(link);
    let mut compared = 0;
    for used in &outcome.uses {
        let Some((start, (end, name))) = lines.range(..=used.at).next_back() else {
            continue;
        };
        let direct = matches!(
            used.kind,
            UseKind::Call | UseKind::SlotCall | UseKind::Address | UseKind::Data
        );
        // objdump knows no names of GOT words, and names what lies before if none is exact.
        if !direct || used.at >= *end || name.contains(['+', '-']) || used.name.starts_with('.') {
            continue;
        }
        assert_eq!(
            &used.name, name,
            "{used:x?} in the instruction at {start:#x}"
        );
        compared += 1;
    }
    compared
}

#[test]
fn users_are_those_that_objdump_shows() {
    let link = fixed(&[]);
    let compared = compare(&link, &link.assert_right());
    assert!(compared >= 9, "{compared}");
    let link = shared();
    let compared = compare(&link, &link.assert_right());
    assert!(compared >= 4, "{compared}");
    for compiler in ["gcc", "clang-22"] {
        let link = c(&[compiler, "-O1", "-fno-pic"], &["-no-pie"]);
        let compared = compare(&link, &link.assert_right());
        assert!(compared >= 4, "{compiler}: {compared}");
    }
}

/// The kinds of a symbol's uses, in order of address.
fn kinds(outcome: &Outcome, name: &str) -> Vec<UseKind> {
    let mut uses: Vec<&Use> = outcome.uses.iter().filter(|u| u.name == name).collect();
    // The assembler may put the relocations of conditional jumps last.
    uses.sort_by_key(|used| used.at);
    uses.iter().map(|used| used.kind).collect()
}

#[test]
fn the_instruction_tells_the_kind_of_use() {
    use UseKind::{Address, Call, Data, GotCall, GotLoad, SlotCall, Thread};
    let relaxed = fixed(&[]).assert_right();
    assert_eq!(kinds(&relaxed, "near_word"), [SlotCall]);
    assert_eq!(
        kinds(&relaxed, "near_function"),
        [Call, Call, Call, Call, Call, Address]
    );
    assert_eq!(kinds(&relaxed, "near_thread"), [Thread]);
    let kept = fixed(&["--no-relax"]).assert_right();
    assert_eq!(
        kinds(&kept, "near_function"),
        [Call, Call, Call, GotCall, GotCall, Address]
    );
    let data = kinds(&kept, "near_data");
    assert_eq!(data[..7], [GotLoad; 7]);
    assert_eq!(
        data[7..13],
        [Address, Data, Data, Address, Address, Address]
    );
    let shared = shared().assert_right();
    assert_eq!(kinds(&shared, "far_function"), [Call, GotCall, Address]);
    assert_eq!(kinds(&shared, "dynamic_variable"), [Thread]);
}

/// A call that was bent to another function shows up as a use of that one.
#[test]
fn a_call_that_was_bent_is_a_use_of_the_other_function() {
    let mut link = fixed(&[]);
    let from = link.symbol("near_function");
    let site = link
        .sites()
        .into_iter()
        .find(|site| site.symbol == from)
        .unwrap();
    let main = link.sections[&link.section(".text")];
    let distance = main.wrapping_sub(site.address + 4) as u32;
    link.write(site.address, &distance.to_le_bytes());
    let outcome = link.check();
    assert_eq!(outcome.differences.len(), 1, "{:?}", outcome.differences);
    let used = outcome
        .uses
        .iter()
        .find(|used| used.at == site.address)
        .unwrap();
    assert_eq!((used.name.as_str(), used.kind), ("main", UseKind::Call));
    let text = outcome.differences[0].to_string();
    assert!(
        text.starts_with(".text+0x1 (R_X86_64_PLT32 against near_function): expected "),
        "{text}"
    );
}
