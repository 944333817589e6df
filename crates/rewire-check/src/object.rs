//! Reads what the checker needs out of a relocatable object.

use std::borrow::Cow;

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader, Rela, SectionHeader, SectionTable, Sym, SymbolTable};
use object::read::{SectionIndex, SymbolIndex};

use crate::error::CheckError;

type Header = elf::FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// A relocatable object.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// By ELF section index.
    pub(crate) sections: Vec<Section<'a>>,
    /// By ELF symbol index.
    pub(crate) symbols: Vec<Symbol<'a>>,
}

/// One section.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: elf::SectionType,
    pub(crate) flags: u64,
    pub(crate) size: u64,
    pub(crate) align: u64,
    /// Empty for zero-filled sections.
    pub(crate) data: &'a [u8],
    /// Only for sections that are loaded (`SHF_ALLOC`).
    pub(crate) relocations: Vec<Relocation>,
}

impl Section<'_> {
    pub(crate) fn has(&self, flag: elf::SectionFlags) -> bool {
        self.flags & flag.0 != 0
    }

    pub(crate) fn zero_fill(&self) -> bool {
        self.kind == elf::SHT_NOBITS
    }
}

/// One relocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    pub(crate) offset: u64,
    pub(crate) code: u32,
    pub(crate) symbol: usize,
    pub(crate) addend: i64,
}

/// One symbol.
#[derive(Debug)]
pub(crate) struct Symbol<'a> {
    /// A section symbol has its section's name.
    pub(crate) name: Cow<'a, str>,
    pub(crate) place: Place,
    pub(crate) size: u64,
    pub(crate) kind: elf::SymbolType,
}

/// Where an object defines a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not here.
    Nowhere,
    /// Wherever the linker finds memory for it: a common symbol.
    Common,
    /// `_GLOBAL_OFFSET_TABLE_`, which the linker defines.
    GotBase,
    Absolute(u64),
    Section {
        section: usize,
        offset: u64,
    },
}

impl<'a> Object<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Result<Self, CheckError> {
        let header = Header::parse(data).map_err(broken)?;
        if header.e_ident().data != elf::ELFDATA2LSB
            || header.e_machine(LE) != elf::EM_X86_64
            || header.e_type(LE) != elf::ET_REL
        {
            return Err(CheckError::Object {
                reason: "it is not a relocatable x86-64 ELF object".to_owned(),
            });
        }
        let table = header.sections(LE, data).map_err(broken)?;
        let symbol_table = table.symbols(LE, data, elf::SHT_SYMTAB).map_err(broken)?;
        let mut sections = Vec::with_capacity(table.len());
        for (index, header) in table.iter().enumerate() {
            sections.push(section(index, header, &table, data)?);
        }
        let mut object = Self {
            sections,
            symbols: Vec::new(),
        };
        object.read_symbols(&symbol_table)?;
        for header in table.iter() {
            object.read_relocations(header, &symbol_table, data)?;
        }
        Ok(object)
    }

    fn read_symbols(&mut self, table: &SymbolTable<'a, Header>) -> Result<(), CheckError> {
        for (number, symbol) in table.iter().enumerate() {
            let fail = |reason: &dyn ToString| CheckError::Symbol {
                symbol: number,
                reason: reason.to_string(),
            };
            let section = table
                .symbol_section(LE, symbol, SymbolIndex(number))
                .map_err(|error| fail(&error))?;
            let name = table
                .symbol_name(LE, symbol)
                .map_err(|error| fail(&error))?;
            let mut name = String::from_utf8_lossy(name);
            let place = match section {
                Some(SectionIndex(section)) => {
                    let Some(target) = self.sections.get(section) else {
                        return Err(fail(&"its section doesn't exist"));
                    };
                    if symbol.st_type() == elf::STT_SECTION {
                        name = target.name.clone();
                    }
                    Place::Section {
                        section,
                        offset: symbol.st_value(LE),
                    }
                }
                None if number == 0 => Place::Absolute(0),
                None if symbol.is_absolute(LE) => Place::Absolute(symbol.st_value(LE)),
                None if symbol.is_undefined(LE) && name == "_GLOBAL_OFFSET_TABLE_" => {
                    Place::GotBase
                }
                None if symbol.is_common(LE) => Place::Common,
                None => Place::Nowhere,
            };
            self.symbols.push(Symbol {
                name,
                place,
                size: symbol.st_size(LE),
                kind: symbol.st_type(),
            });
        }
        Ok(())
    }

    /// Adds the relocations that one section holds to the section that they apply to.
    fn read_relocations(
        &mut self,
        header: &'a elf::SectionHeader64<LittleEndian>,
        symbols: &SymbolTable<'a, Header>,
        data: &'a [u8],
    ) -> Result<(), CheckError> {
        let kind = header.sh_type(LE);
        if ![elf::SHT_RELA, elf::SHT_REL, elf::SHT_CREL].contains(&kind) {
            return Ok(());
        }
        let target = header.sh_info(LE) as usize;
        let fail = |reason: &str| CheckError::Section {
            section: target,
            reason: reason.to_owned(),
        };
        let Some(section) = self.sections.get_mut(target) else {
            return Err(fail("has relocations, but doesn't exist"));
        };
        if !section.has(elf::SHF_ALLOC) {
            return Ok(());
        }
        let Some((entries, link)) = header.rela(LE, data).map_err(broken)? else {
            return Err(fail("its relocations are not of the kind RELA"));
        };
        if link != symbols.section() {
            return Err(fail("its relocations are not for the symbol table"));
        }
        for entry in entries {
            let relocation = Relocation {
                offset: entry.r_offset(LE),
                code: entry.r_type(LE, false).0,
                symbol: entry.r_sym(LE, false) as usize,
                addend: entry.r_addend(LE),
            };
            // The null symbol is there even if the object has no symbol table.
            if relocation.symbol != 0 && relocation.symbol >= self.symbols.len() {
                return Err(CheckError::Relocation {
                    section: section.name.clone().into_owned(),
                    offset: relocation.offset,
                    reason: format!("symbol {} doesn't exist", relocation.symbol),
                });
            }
            section.relocations.push(relocation);
        }
        Ok(())
    }
}

fn section<'a>(
    index: usize,
    header: &'a elf::SectionHeader64<LittleEndian>,
    table: &SectionTable<'a, Header>,
    data: &'a [u8],
) -> Result<Section<'a>, CheckError> {
    let fail = |reason: &dyn ToString| CheckError::Section {
        section: index,
        reason: reason.to_string(),
    };
    let name = table
        .section_name(LE, header)
        .map_err(|error| fail(&error))?;
    let flags = header.sh_flags(LE).0;
    // What isn't loaded is of no interest, and may be compressed or whatever else.
    let bytes = if flags & elf::SHF_ALLOC.0 != 0 {
        header.data(LE, data).map_err(|error| fail(&error))?
    } else {
        &[]
    };
    Ok(Section {
        name: String::from_utf8_lossy(name),
        kind: header.sh_type(LE),
        flags,
        size: header.sh_size(LE),
        align: header.sh_addralign(LE),
        data: bytes,
        relocations: Vec::new(),
    })
}

fn broken(error: object::read::Error) -> CheckError {
    CheckError::Object {
        reason: error.to_string(),
    }
}
