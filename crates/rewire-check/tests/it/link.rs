//! Makes an object, has GNU ld link it, loads the result as a dynamic linker would, and tells
//! the checker what ld did: section addresses from ld's map, symbols from the linked file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, Sym};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, RelocationFlags, elf};
use rewire_check::{Linked, Meaning, Outcome, Span, check};

const LE: LittleEndian = LittleEndian;

/// Where position-independent results are loaded.
const BIAS: u64 = 0x7f12_3450_0000;

/// Where functions and data of other modules are said to be.
const ELSEWHERE: u64 = 0x7f99_0000_0000;

/// A finished link, in a form that tests can break.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) object: Vec<u8>,
    pub(crate) sections: BTreeMap<usize, u64>,
    pub(crate) memory: Vec<(u64, Vec<u8>)>,
    pub(crate) symbols: BTreeMap<usize, Meaning>,
    /// What `objdump -d` prints of the linked file.
    pub(crate) listing: String,
    pub(crate) bias: u64,
}

/// A relocation of a section that is loaded, as the `object` crate reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) address: u64,
    pub(crate) width: u64,
    pub(crate) code: elf::RelocationType,
    pub(crate) symbol: usize,
}

impl Link {
    /// Links `source` (`.s` or `.c`, for `compiler`) together with the assembler source `rest`.
    pub(crate) fn new(compiler: &[&str], source: &str, rest: &str, ld: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let input = if compiler.contains(&"-xc") {
            "a.c"
        } else {
            "a.s"
        };
        fs::write(path(input), source).unwrap();
        fs::write(path("rest.s"), rest).unwrap();
        run(
            dir.path(),
            &[compiler, &["-c", "-o", "a.o", input]].concat(),
        );
        run(dir.path(), &["gcc", "-c", "-o", "rest.o", "rest.s"]);
        let traditional = [
            "-e",
            "main",
            "--traditional-format",
            "-z",
            "now",
            "-Map=map",
        ];
        let files = ["-o", "out", "a.o", "rest.o"];
        run(
            dir.path(),
            &[&["ld"][..], &traditional, ld, &files].concat(),
        );
        let object = fs::read(path("a.o")).unwrap();
        let linked = fs::read(path("out")).unwrap();
        let map = fs::read_to_string(path("map")).unwrap();
        let listing = run(dir.path(), &["objdump", "-d", "--insn-width=16", "out"]);
        Self::load(object, &linked, &map, listing)
    }

    fn load(object: Vec<u8>, linked: &[u8], map: &str, listing: String) -> Self {
        let file = ElfFile64::<LittleEndian>::parse(linked).unwrap();
        let fixed = file.elf_header().e_type(LE) == elf::ET_EXEC;
        let bias = if fixed { 0 } else { BIAS };
        let mut memory = Vec::new();
        let mut thread = 0;
        for header in file.elf_program_headers() {
            let size = header.p_memsz(LE);
            if header.p_type(LE) == elf::PT_LOAD {
                let mut bytes = header.data(LE, linked).unwrap().to_vec();
                bytes.resize(size as usize, 0);
                memory.push((header.p_vaddr(LE) + bias, bytes));
            } else if header.p_type(LE) == elf::PT_TLS {
                thread = size.next_multiple_of(header.p_align(LE).max(1));
            }
        }
        let mut link = Self {
            sections: BTreeMap::new(),
            symbols: BTreeMap::new(),
            object,
            memory,
            listing,
            bias,
        };
        link.relocate(&file, thread);
        link.place(map);
        link.bind(&file, thread);
        link
    }

    /// Applies dynamic relocations (psABI, table 4.9).
    fn relocate(&mut self, file: &ElfFile64<'_, LittleEndian>, thread: u64) {
        let Some(relocations) = file.dynamic_relocations() else {
            return;
        };
        let symbols = file.elf_dynamic_symbol_table();
        for (offset, relocation) in relocations {
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                panic!("no ELF relocation");
            };
            let symbol = match relocation.target() {
                object::RelocationTarget::Symbol(index) => Some(index),
                _ => None,
            };
            let entry = symbol.map(|index| symbols.symbol(index).unwrap());
            let value = entry.map_or(0, |entry| entry.st_value(LE));
            let s = match (symbol, entry) {
                (Some(index), Some(entry)) if entry.st_shndx(LE) == elf::SHN_UNDEF => {
                    let name = symbols.symbol_name(LE, entry).unwrap();
                    elsewhere(std::str::from_utf8(name).unwrap(), entry.is_weak(), index.0)
                }
                _ => value + self.bias,
            };
            let a = relocation.addend() as u64;
            let word = match r_type {
                elf::R_X86_64_RELATIVE => self.bias + a,
                elf::R_X86_64_64 => s + a,
                elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT => s,
                elf::R_X86_64_DTPMOD64 => 1,
                elf::R_X86_64_DTPOFF64 => value + a,
                elf::R_X86_64_TPOFF64 => (value + a).wrapping_sub(thread),
                other => panic!("dynamic relocation {other:?}"),
            };
            self.write(offset + self.bias, &word.to_le_bytes());
        }
    }

    /// Takes the addresses of the object's sections from ld's map.
    fn place(&mut self, map: &str) {
        let map = map.split_once("Linker script and memory map").unwrap().1;
        let words: Vec<Vec<&str>> = map
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let mut placed: BTreeMap<String, u64> = BTreeMap::new();
        for (at, line) in words.iter().enumerate() {
            // Long names have a line of their own.
            let (name, rest) = match line[..] {
                [address, size, "a.o"] => (words[at - 1][0], [address, size]),
                [name, address, size, "a.o"] => (name, [address, size]),
                _ => continue,
            };
            if let [Some(address), Some(size)] = rest.map(number)
                && (size > 0 || !placed.contains_key(name))
            {
                placed.insert(name.to_owned(), address);
            }
        }
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        for section in object.sections() {
            let flags = section.elf_section_header().sh_flags.get(LE).0;
            let name = section.name().unwrap();
            // ld merges the properties of all objects into one note.
            if flags & elf::SHF_ALLOC.0 == 0 || name == ".note.gnu.property" {
                continue;
            }
            if let Some(address) = placed.get(name) {
                self.sections.insert(section.index().0, address + self.bias);
            }
        }
    }

    /// Takes the values of undefined and thread-local symbols from the linked file. The names of
    /// thread-local variables start with how they are accessed.
    fn bind(&mut self, file: &ElfFile64<'_, LittleEndian>, thread: u64) {
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        for symbol in object.symbols() {
            let is_thread = symbol.elf_symbol().st_type() == elf::STT_TLS;
            let name = symbol.name().unwrap();
            if name.is_empty() || !(symbol.is_undefined() || is_thread) {
                continue;
            }
            let Some(other) = file.symbols().find(|other| other.name() == Ok(name)) else {
                assert!(symbol.is_weak(), "ld knows no {name}");
                self.symbols.insert(symbol.index().0, Meaning::Null);
                continue;
            };
            let value = other.address();
            let meaning = if other.is_undefined() {
                let dynamic = file.dynamic_symbols().find(|d| d.name() == Ok(name));
                let index = dynamic.map_or(0, |dynamic| dynamic.index().0);
                match elsewhere(name, other.is_weak(), index) {
                    0 => Meaning::Null,
                    address => Meaning::Address {
                        address,
                        call: None,
                    },
                }
            } else if !is_thread && other.elf_symbol().st_type() != elf::STT_TLS {
                let absolute = other.elf_symbol().st_shndx(LE) == elf::SHN_ABS;
                let address = value + if absolute { 0 } else { self.bias };
                Meaning::Address {
                    address,
                    call: None,
                }
            } else if name.starts_with("dynamic_") {
                Meaning::Thread {
                    module: 1,
                    offset: value,
                }
            } else {
                Meaning::ThreadOffset(value.wrapping_sub(thread) as i64)
            };
            self.symbols.insert(symbol.index().0, meaning);
        }
    }

    pub(crate) fn check(&self) -> Outcome {
        self.try_check().unwrap()
    }

    pub(crate) fn try_check(&self) -> Result<Outcome, rewire_check::CheckError> {
        let spans: Vec<Span<'_>> = self
            .memory
            .iter()
            .map(|(address, bytes)| Span {
                address: *address,
                bytes,
            })
            .collect();
        check(&Linked {
            object: &self.object,
            sections: self.sections.clone(),
            memory: &spans,
            symbols: self.symbols.clone(),
        })
    }

    #[track_caller]
    pub(crate) fn assert_right(&self) -> Outcome {
        let outcome = self.check();
        let all: Vec<String> = outcome
            .differences
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(all.is_empty(), "{}", all.join("\n"));
        assert_eq!(outcome.relocations, self.sites().len());
        outcome
    }

    #[track_caller]
    pub(crate) fn assert_wrong(&self, what: &str) {
        assert!(!self.check().differences.is_empty(), "not found: {what}");
    }

    /// All relocations of loaded sections.
    pub(crate) fn sites(&self) -> Vec<Site> {
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        let mut sites = Vec::new();
        for (&index, start) in &self.sections {
            let section = object
                .section_by_index(object::SectionIndex(index))
                .unwrap();
            for (offset, relocation) in section.relocations() {
                let RelocationFlags::Elf { r_type } = relocation.flags() else {
                    panic!("no ELF relocation");
                };
                sites.push(Site {
                    address: start + offset,
                    width: width(r_type),
                    code: r_type,
                    symbol: match relocation.target() {
                        object::RelocationTarget::Symbol(index) => index.0,
                        _ => 0,
                    },
                });
            }
        }
        sites
    }

    /// The ELF index of a symbol of the object.
    pub(crate) fn symbol(&self, name: &str) -> usize {
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        let mut symbols = object.symbols();
        symbols.find(|s| s.name() == Ok(name)).unwrap().index().0
    }

    pub(crate) fn symbol_or_zero(&self, name: &str) -> usize {
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        let mut symbols = object.symbols();
        let found = symbols.find(|s| s.name() == Ok(name));
        found.map_or(0, |symbol| symbol.index().0)
    }

    /// The ELF index of a section of the object.
    pub(crate) fn section(&self, name: &str) -> usize {
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        object.section_by_name(name).unwrap().index().0
    }

    /// The addresses of the sections whose bytes the file has.
    pub(crate) fn section_ranges(&self) -> Vec<Range<u64>> {
        let object = ElfFile64::<LittleEndian>::parse(&self.object[..]).unwrap();
        let range = |(index, start): (&usize, &u64)| {
            let section = object
                .section_by_index(object::SectionIndex(*index))
                .unwrap();
            *start..*start + section.data().unwrap().len() as u64
        };
        self.sections.iter().map(range).collect()
    }

    pub(crate) fn byte(&mut self, address: u64) -> &mut u8 {
        let find = |(start, bytes): &&mut (u64, Vec<u8>)| {
            (*start..*start + bytes.len() as u64).contains(&address)
        };
        let (start, bytes) = self.memory.iter_mut().find(find).unwrap();
        &mut bytes[(address - *start) as usize]
    }

    pub(crate) fn read<const N: usize>(&mut self, address: u64) -> [u8; N] {
        std::array::from_fn(|at| *self.byte(address + at as u64))
    }

    pub(crate) fn write(&mut self, address: u64, new: &[u8]) {
        for (at, byte) in (address..).zip(new) {
            *self.byte(at) = *byte;
        }
    }
}

/// Where another module has an undefined symbol.
fn elsewhere(name: &str, weak: bool, index: usize) -> u64 {
    assert!(weak || name.starts_with("far_"), "{name} is undefined");
    if weak {
        0
    } else {
        ELSEWHERE + 0x1010 * index as u64
    }
}

fn width(code: elf::RelocationType) -> u64 {
    match code {
        elf::R_X86_64_64
        | elf::R_X86_64_PC64
        | elf::R_X86_64_GOTPC64
        | elf::R_X86_64_GOTOFF64
        | elf::R_X86_64_GOT64
        | elf::R_X86_64_GOTPCREL64
        | elf::R_X86_64_PLTOFF64
        | elf::R_X86_64_SIZE64
        | elf::R_X86_64_TPOFF64
        | elf::R_X86_64_DTPOFF64 => 8,
        elf::R_X86_64_16 | elf::R_X86_64_PC16 => 2,
        elf::R_X86_64_8 | elf::R_X86_64_PC8 => 1,
        elf::R_X86_64_NONE => 0,
        _ => 4,
    }
}

fn run(dir: &Path, command: &[&str]) -> String {
    let out = Command::new(command[0])
        .args(&command[1..])
        .current_dir(dir)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", command[0]));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}
