//! From an object's bytes to the link graph.
//!
//! All that later steps rely on is checked here: what a graph says of offsets, sizes and indices
//! is true.

use std::sync::Arc;

use object::read::elf::{FileHeader, SectionHeader, SectionTable};
use object::{LittleEndian as LE, SectionIndex, SymbolIndex, elf};

use crate::error::ObjectError;
use crate::graph::{Arch, ComdatGroup, LinkGraph, Relocation, Section, SectionId};
use crate::sections::{MAX_ALIGN, MAX_ZERO_FILL, classify};
use crate::symbol_ids::{ABSENT, SymbolIds, present};
use crate::symbols::{Header, SymbolReader};
use crate::x86_64;

type SymbolTable<'data> = object::read::elf::SymbolTable<'data, Header>;

/// Reads a relocatable object (`ET_REL`, ELF64, little-endian, x86-64).
///
/// `name` is for messages. The graph borrows section contents and names from `bytes`.
///
/// # Errors
///
/// Whatever is malformed, and whatever is well-formed but can't be linked: loaded sections of
/// unknown type, unknown or unsupported relocations (TLS descriptors), implicit addends.
pub fn parse<'data>(name: &str, bytes: &'data [u8]) -> Result<LinkGraph<'data>, ObjectError> {
    let object: Arc<str> = name.into();
    let file = File::open(&object, bytes)?;
    let mut graph = LinkGraph {
        name: object.clone(),
        arch: Arch::X86_64,
        sections: Vec::with_capacity(file.loaded()),
        symbols: Vec::new(),
        groups: Vec::new(),
        comment: file.comment(),
    };
    let section_ids = file.read_sections(&mut graph)?;
    let symbol_ids = SymbolReader {
        object: &object,
        table: &file.symbols,
        section_ids: &section_ids,
    }
    .read(&mut graph)?;
    file.read_links(&section_ids, &mut graph);
    file.read_groups(&section_ids, &mut graph)?;
    file.read_relocations(&section_ids, symbol_ids, &mut graph)?;
    Ok(graph)
}

/// An object file whose tables have been found.
struct File<'a, 'data> {
    object: &'a Arc<str>,
    bytes: &'data [u8],
    sections: SectionTable<'data, Header>,
    symbols: SymbolTable<'data>,
    symbols_index: SectionIndex,
}

impl<'a, 'data> File<'a, 'data> {
    fn open(object: &'a Arc<str>, bytes: &'data [u8]) -> Result<Self, ObjectError> {
        let format = |reason: String| ObjectError::Format {
            object: object.clone(),
            reason,
        };
        let header = Header::parse(bytes).map_err(|error| format(error.to_string()))?;
        if !header.is_class_64() || !header.is_little_endian() {
            return Err(format("not a 64-bit little-endian ELF file".to_owned()));
        }
        if header.e_machine(LE) != elf::EM_X86_64 {
            return Err(format(format!(
                "made for machine {}, not x86-64",
                header.e_machine(LE).0
            )));
        }
        if header.e_type(LE) != elf::ET_REL {
            return Err(format(format!(
                "ELF type {} is not a relocatable object",
                header.e_type(LE).0
            )));
        }
        let sections = header
            .sections(LE, bytes)
            .map_err(|error| format(error.to_string()))?;
        let symbols = sections
            .symbols(LE, bytes, elf::SHT_SYMTAB)
            .map_err(|error| format(error.to_string()))?;
        let symbols_index = symbols.section();
        Ok(Self {
            object,
            bytes,
            sections,
            symbols,
            symbols_index,
        })
    }

    /// How many sections are loaded.
    fn loaded(&self) -> usize {
        let headers = self.sections.iter();
        let is_loaded =
            |header: &&elf::SectionHeader64<LE>| header.sh_flags(LE).0 & elf::SHF_ALLOC.0 != 0;
        headers.filter(is_loaded).count()
    }

    /// The bytes of `.comment`.
    fn comment(&self) -> &'data [u8] {
        let mut headers = self.sections.iter().filter(|header| {
            // A section of strings that isn't loaded; only these few are looked at by name.
            let flags = header.sh_flags(LE).0;
            flags & elf::SHF_STRINGS.0 != 0 && flags & elf::SHF_ALLOC.0 == 0
        });
        let found = headers.find(|header| {
            let name = self.sections.section_name(LE, *header);
            name.is_ok_and(|name| name == b".comment")
        });
        found
            .and_then(|header| header.data(LE, self.bytes).ok())
            .unwrap_or_default()
    }

    #[cold]
    fn section_error(&self, index: SectionIndex, reason: impl ToString) -> ObjectError {
        let name = self
            .sections
            .section(index)
            .ok()
            .and_then(|header| self.sections.section_name(LE, header).ok())
            .map_or_else(
                || "?".to_owned(),
                |name| String::from_utf8_lossy(name).into_owned(),
            );
        ObjectError::Section {
            object: self.object.clone(),
            section: name,
            index: index.0,
            reason: reason.to_string(),
        }
    }

    /// Fills in the graph's sections; gives the id of each of the file's section indices.
    fn read_sections(&self, graph: &mut LinkGraph<'data>) -> Result<Vec<u32>, ObjectError> {
        let mut ids = vec![ABSENT; self.sections.len()];
        for (index, header) in self.sections.enumerate() {
            let fail = |reason: String| self.section_error(index, reason);
            // Only what is loaded has to have a sensible name; others pass by.
            if header.sh_flags(LE).0 & elf::SHF_ALLOC.0 == 0 {
                continue;
            }
            let name = self
                .sections
                .section_name(LE, header)
                .map_err(|error| fail(error.to_string()))?;
            let name = str::from_utf8(name).map_err(|error| fail(error.to_string()))?;
            let kind = header.sh_type(LE);
            let Some(class) = classify(name, kind, header.sh_flags(LE)).map_err(fail)? else {
                continue;
            };
            let align = header.sh_addralign(LE).max(1);
            if !align.is_power_of_two() || align > MAX_ALIGN {
                return Err(fail(format!("alignment {align:#x} is not supported")));
            }
            let size = header.sh_size(LE);
            let data = if class.zero_fill {
                &[][..]
            } else {
                header
                    .data(LE, self.bytes)
                    .map_err(|error| fail(error.to_string()))?
            };
            if class.zero_fill && size > MAX_ZERO_FILL {
                return Err(fail(format!("{size:#x} zero-filled bytes are too many")));
            }
            ids[index.0] = graph.sections.len() as u32;
            graph.sections.push(Section {
                name,
                segment: class.segment,
                role: class.role,
                zero_fill: class.zero_fill,
                data,
                size,
                align,
                relocations: Vec::new(),
                group: None,
                linked_to: None,
                elf_index: index.0,
            });
        }
        Ok(ids)
    }

    /// Fills in which section each `SHF_LINK_ORDER` section is about.
    fn read_links(&self, section_ids: &[u32], graph: &mut LinkGraph<'data>) {
        for (index, header) in self.sections.enumerate() {
            if header.sh_flags(LE).0 & elf::SHF_LINK_ORDER.0 == 0 {
                continue;
            }
            let (Some(from), Some(to)) = (
                present(section_ids, index.0),
                present(section_ids, header.sh_link(LE) as usize),
            ) else {
                continue;
            };
            graph.sections[from as usize].linked_to = Some(SectionId(to));
        }
    }

    /// Fills in the COMDAT groups (gABI, "Section Groups").
    fn read_groups(
        &self,
        section_ids: &[u32],
        graph: &mut LinkGraph<'data>,
    ) -> Result<(), ObjectError> {
        for (index, header) in self.sections.enumerate() {
            let fail = |reason: &str| self.section_error(index, reason);
            let group = header
                .group(LE, self.bytes)
                .map_err(|error| fail(&error.to_string()))?;
            let Some((flags, members)) = group else {
                continue;
            };
            if flags.0 & elf::GRP_COMDAT.0 == 0 {
                continue;
            }
            if header.link(LE) != self.symbols_index {
                return Err(fail("the group is not linked to the symbol table"));
            }
            let signature = self
                .signature(SymbolIndex(header.sh_info(LE) as usize))
                .ok_or_else(|| fail("the group's signature has no name"))?;
            let number = graph.groups.len() as u32;
            let mut sections = Vec::new();
            for member in members {
                let member = member.get(LE) as usize;
                if member >= section_ids.len() {
                    return Err(fail("a member of the group does not exist"));
                }
                let Some(id) = present(section_ids, member) else {
                    continue;
                };
                let section = &mut graph.sections[id as usize];
                if section.group.replace(number).is_some() {
                    return Err(fail("a member of the group is in another group, too"));
                }
                sections.push(SectionId(id));
            }
            graph.groups.push(ComdatGroup {
                signature,
                sections,
            });
        }
        Ok(())
    }

    /// The name of a group's signature symbol; some assemblers use a section's symbol.
    fn signature(&self, index: SymbolIndex) -> Option<&'data str> {
        let symbol = self.symbols.symbol(index).ok()?;
        let name = if symbol.st_type() == elf::STT_SECTION {
            let section = self.symbols.symbol_section(LE, symbol, index).ok()??;
            let header = self.sections.section(section).ok()?;
            self.sections.section_name(LE, header).ok()?
        } else {
            self.symbols.symbol_name(LE, symbol).ok()?
        };
        str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// Fills in the relocations of each section, sorted by offset.
    fn read_relocations(
        &self,
        section_ids: &[u32],
        mut symbol_ids: SymbolIds,
        graph: &mut LinkGraph<'data>,
    ) -> Result<(), ObjectError> {
        for (index, header) in self.sections.enumerate() {
            let kind = header.sh_type(LE);
            if !matches!(
                kind,
                elf::SHT_RELA
                    | elf::SHT_REL
                    | elf::SHT_CREL
                    | elf::SHT_RELR
                    | elf::SHT_ANDROID_REL
                    | elf::SHT_ANDROID_RELA
                    | elf::SHT_ANDROID_RELR
            ) {
                continue;
            }
            let target = header.sh_info(LE) as usize;
            if target >= section_ids.len() {
                return Err(self.section_error(index, "relocates a section that does not exist"));
            }
            let Some(target) = present(section_ids, target) else {
                continue;
            };
            let rela = header
                .rela(LE, self.bytes)
                .map_err(|error| self.section_error(index, error))?;
            let Some((entries, link)) = rela else {
                return Err(self.section_error(
                    index,
                    format!("relocation tables of type {:#x} are not supported", kind.0),
                ));
            };
            if link != self.symbols_index {
                return Err(self.section_error(index, "is not linked to the symbol table"));
            }
            self.read_table(entries, SectionId(target), &mut symbol_ids, graph)?;
        }
        Ok(())
    }

    fn read_table(
        &self,
        entries: &[elf::Rela64<LE>],
        target: SectionId,
        symbol_ids: &mut SymbolIds,
        graph: &mut LinkGraph<'data>,
    ) -> Result<(), ObjectError> {
        let section = &graph.sections[target.index()];
        if section.zero_fill && !entries.is_empty() {
            return Err(self.section_error(
                SectionIndex(section.elf_index),
                "a zero-filled section has relocations",
            ));
        }
        let size = section.size;
        let mut relocations = std::mem::take(&mut graph.sections[target.index()].relocations);
        relocations.reserve(entries.len());
        for entry in entries {
            let info = entry.r_info.get(LE);
            let offset = entry.r_offset.get(LE);
            let (code, symbol) = (info as u32, (info >> 32) as u32);
            if code == elf::R_X86_64_NONE.0 {
                continue;
            }
            let fail = |graph: &LinkGraph<'_>, reason: &str| {
                let name = self
                    .symbols
                    .symbol(SymbolIndex(symbol as usize))
                    .and_then(|symbol| self.symbols.symbol_name(LE, symbol));
                ObjectError::Relocation {
                    object: self.object.clone(),
                    section: graph.sections[target.index()].name.to_owned(),
                    offset,
                    code,
                    symbol: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
                    reason: reason.to_owned(),
                }
            };
            let Some(kind) = x86_64::decode(code) else {
                return Err(fail(graph, x86_64::refusal(code)));
            };
            let width = kind.field().width() as u64;
            if size < width || offset > size - width {
                return Err(fail(graph, "the field is not inside the section"));
            }
            let Some(symbol) = symbol_ids.get(symbol, graph) else {
                return Err(fail(
                    graph,
                    "the symbol does not exist or is not in a loaded section",
                ));
            };
            relocations.push(Relocation {
                offset,
                kind,
                symbol,
                addend: entry.r_addend.get(LE),
            });
        }
        if !relocations.is_sorted_by_key(|relocation| relocation.offset) {
            relocations.sort_by_key(|relocation| relocation.offset);
        }
        graph.sections[target.index()].relocations = relocations;
        Ok(())
    }
}
