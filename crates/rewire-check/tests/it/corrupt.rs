//! What is broken after a right link is found.

use object::elf;
use rewire_check::{Meaning, UseKind};

use crate::link::Link;
use crate::sources::{c, fixed, shared};

/// Right links of all kinds.
fn links() -> Vec<Link> {
    let pic = ["clang-22", "-O1", "-fPIC"];
    vec![
        fixed(&[]),
        fixed(&["--no-relax"]),
        shared(),
        c(&pic, &["-shared", "-Bsymbolic"]),
    ]
}

#[test]
fn each_flipped_bit_of_a_field_is_found() {
    let mut bits = 0;
    for mut link in links() {
        for site in link.sites() {
            for address in site.address..site.address + site.width {
                for bit in 0..8 {
                    *link.byte(address) ^= 1 << bit;
                    link.assert_wrong(&format!("bit {bit} of {address:#x} in {site:x?}"));
                    *link.byte(address) ^= 1 << bit;
                    bits += 1;
                }
            }
        }
        link.assert_right();
    }
    assert!(bits > 4000, "{bits}");
}

#[test]
fn each_changed_byte_of_a_section_is_found() {
    for mut link in links() {
        let sections = link.section_ranges();
        for address in sections.into_iter().flatten() {
            *link.byte(address) ^= 1;
            link.assert_wrong(&format!("the byte at {address:#x}"));
            *link.byte(address) ^= 1;
        }
    }
}

#[test]
fn each_changed_word_of_the_got_is_found() {
    let mut words = 0;
    for mut link in links() {
        for site in link.sites() {
            let entries = match site.code {
                elf::R_X86_64_GOTPCREL
                | elf::R_X86_64_GOTPCRELX
                | elf::R_X86_64_REX_GOTPCRELX
                | elf::R_X86_64_GOTTPOFF => 1,
                elf::R_X86_64_TLSGD | elf::R_X86_64_TLSLD => 2,
                _ => continue,
            };
            // A rewritten instruction uses no word; thread-local access has `lea` from the start.
            let opcode = *link.byte(site.address - 2);
            if entries == 1 && [0x8d, 0x67, 0xc7, 0x81, 0xf7, 0xe9].contains(&opcode) {
                continue;
            }
            // The displacement ends each of these instructions.
            let displacement = i32::from_le_bytes(link.read(site.address));
            let entry = (site.address + 4).wrapping_add(displacement as u64);
            for at in entry..entry + 8 * entries {
                *link.byte(at) ^= 0x10;
                link.assert_wrong(&format!("the byte at {at:#x} in an entry for {site:x?}"));
                *link.byte(at) ^= 0x10;
                words += 1;
            }
        }
        link.assert_right();
    }
    assert!(words >= 100, "{words}");
}

#[test]
fn each_wrong_meaning_of_a_symbol_is_found() {
    for link in links() {
        let used = link.sites();
        for (symbol, meaning) in &link.symbols {
            let wrong: Vec<Meaning> = match *meaning {
                Meaning::Address { address, call } => vec![
                    Meaning::Address {
                        address: address + 1,
                        call,
                    },
                    Meaning::Null,
                    Meaning::Unbound,
                ],
                Meaning::Null => vec![
                    Meaning::Address {
                        address: 16,
                        call: None,
                    },
                    Meaning::Unbound,
                ],
                Meaning::Thread { module, offset } => vec![
                    Meaning::Thread {
                        module: module + 1,
                        offset,
                    },
                    Meaning::ThreadOffset(offset as i64),
                    Meaning::Unbound,
                ],
                Meaning::ThreadOffset(offset) => vec![
                    Meaning::ThreadOffset(offset + 1),
                    Meaning::Thread {
                        module: 1,
                        offset: 0,
                    },
                    Meaning::Unbound,
                ],
                Meaning::Unbound => Vec::new(),
            };
            // GOTPC names the GOT's symbol, and means the GOT whatever that is bound to.
            let is_got = *symbol == link.symbol_or_zero("_GLOBAL_OFFSET_TABLE_");
            if !used.iter().any(|site| site.symbol == *symbol) {
                continue;
            }
            for meaning in wrong.into_iter().take(if is_got { 1 } else { 9 }) {
                let mut link = link.clone();
                link.symbols.insert(*symbol, meaning);
                link.assert_wrong(&format!("{meaning:x?} for symbol {symbol}"));
            }
        }
    }
}

#[test]
fn a_section_that_is_elsewhere_is_found() {
    let link = fixed(&[]);
    for section in [".text", ".rodata.second", ".data"] {
        let index = link.section(section);
        let mut moved = link.clone();
        *moved.sections.get_mut(&index).unwrap() += 8;
        moved.assert_wrong(section);
        // Nothing refers to this one.
        if section != ".data" {
            let mut gone = link.clone();
            gone.sections.remove(&index);
            gone.assert_wrong(section);
        }
    }
    let mut link = link;
    link.memory.clear();
    link.assert_wrong("no memory");
}

#[test]
fn sections_that_overlap_or_are_not_aligned_are_found() {
    let link = c(&["gcc", "-O1", "-fno-pic", "-fdata-sections"], &["-no-pie"]);
    let table = link.section(".data.table");
    let mut overlapping = link.clone();
    let text = link.sections[&link.section(".text")];
    overlapping.sections.insert(table, text & !31);
    let found = overlapping.check().differences;
    assert!(
        found.iter().any(|d| d.expected == "an address of its own"),
        "{found:?}"
    );
    let mut odd = link.clone();
    *odd.sections.get_mut(&table).unwrap() += 4;
    let found = odd.check().differences;
    assert!(
        found.iter().any(|d| d.expected.contains("multiple of 0x")),
        "{found:?}"
    );
}

/// `call *near_word(%rip)` becomes `addr32 call`, as if the word never changed.
#[test]
fn a_slot_call_that_was_made_direct() {
    let mut link = fixed(&[]);
    let symbol = link.symbol("near_word");
    let sites = link.sites();
    let site = sites.iter().find(|site| site.symbol == symbol).unwrap();
    let Meaning::Address { address: slot, .. } = link.symbols[&symbol] else {
        panic!("near_word has no address");
    };
    let function = u64::from_le_bytes(link.read(slot));
    let mut call = |to: u64| {
        let distance = to.wrapping_sub(site.address + 4) as u32;
        link.write(site.address - 2, &[0x67, 0xe8]);
        link.write(site.address, &distance.to_le_bytes());
        link.clone()
    };
    let outcome = call(function).assert_right();
    let used = outcome.uses.iter().find(|used| used.at == site.address);
    assert_eq!(
        used.map(|used| (used.symbol, used.kind)),
        Some((symbol, UseKind::Call))
    );
    call(function + 1).assert_wrong("behind the function");
    call(slot).assert_wrong("the slot itself");
    // Where the word isn't in memory, the caller says what it would hold.
    let mut told = call(function);
    told.symbols.insert(
        symbol,
        Meaning::Address {
            address: 0x10_0000_0000,
            call: Some(function),
        },
    );
    told.clone().assert_right();
    // Where nobody says that the function is the word's for ever, the call must go through it.
    told.symbols.insert(
        symbol,
        Meaning::Address {
            address: 0x10_0000_0000,
            call: None,
        },
    );
    told.assert_wrong("a direct call of what may be replaced");
}

/// A call may go to the stub that the caller names, but nothing else may.
#[test]
fn only_calls_go_to_the_stub() {
    let link = fixed(&["--no-relax"]);
    let symbol = link.symbol("near_function");
    let Meaning::Address { address, .. } = link.symbols[&symbol] else {
        panic!("near_function has no address");
    };
    let mut other = link.clone();
    other.symbols.insert(
        symbol,
        Meaning::Address {
            address: address + 0x100,
            call: Some(address),
        },
    );
    // All uses of it are calls and jumps.
    other.assert_right();
    let data = link.symbol("near_data");
    let Meaning::Address { address, .. } = link.symbols[&data] else {
        panic!("near_data has no address");
    };
    other.symbols.insert(
        data,
        Meaning::Address {
            address: address + 0x100,
            call: Some(address),
        },
    );
    other.assert_wrong("an address taken of what only calls may use");
}
