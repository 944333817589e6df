//! From the file's symbol table to the graph's symbols.

use std::sync::Arc;

use object::read::elf::{Sym, SymbolTable};
use object::{LittleEndian as LE, SymbolIndex, elf};

use crate::error::ObjectError;
use crate::graph::{
    LinkGraph, Section, SectionId, SectionRole, Segment, Symbol, SymbolBinding, SymbolKind,
    SymbolPlace, Visibility,
};
use crate::sections::{MAX_ALIGN, MAX_ZERO_FILL};
use crate::symbol_ids::{ABSENT, SymbolIds, present};

pub(crate) type Header = elf::FileHeader64<LE>;

/// `SHN_X86_64_LCOMMON` (psABI section 4.2.1): a common symbol of the large code model.
const SHN_X86_64_LCOMMON: elf::SymbolSection = elf::SymbolSection(0xff02);

/// The name that the layout answers for.
const GOT_BASE: &str = "_GLOBAL_OFFSET_TABLE_";

/// The symbol by which gcc marks objects that hold its own intermediate code and nothing else.
const GCC_LTO: &str = "__gnu_lto_slim";

/// Reads the symbol table.
pub(crate) struct SymbolReader<'a, 'data> {
    pub(crate) object: &'a Arc<str>,
    pub(crate) table: &'a SymbolTable<'data, Header>,
    /// The id of each of the file's section indices.
    pub(crate) section_ids: &'a [u32],
}

impl<'data> SymbolReader<'_, 'data> {
    /// Fills in the graph's symbols, and a section for each common one.
    pub(crate) fn read(&self, graph: &mut LinkGraph<'data>) -> Result<SymbolIds, ObjectError> {
        let mut ids = vec![ABSENT; self.table.len()];
        graph.symbols.reserve(ids.len());
        // Symbol 0 is the null symbol.
        for (index, raw) in self.table.enumerate().skip(1) {
            let read = self.read_one(index, raw, graph);
            let symbol = read.map_err(|reason| self.error(index, raw, &reason))?;
            if let Some(symbol) = symbol {
                ids[index.0] = graph.symbols.len() as u32;
                graph.symbols.push(symbol);
            }
        }
        Ok(SymbolIds { ids })
    }

    #[cold]
    fn error(&self, index: SymbolIndex, raw: &elf::Sym64<LE>, reason: &str) -> ObjectError {
        let name = self.table.symbol_name(LE, raw).unwrap_or_default();
        ObjectError::Symbol {
            object: self.object.clone(),
            symbol: String::from_utf8_lossy(name).into_owned(),
            index: index.0,
            reason: reason.to_owned(),
        }
    }

    fn read_one(
        &self,
        index: SymbolIndex,
        raw: &elf::Sym64<LE>,
        graph: &mut LinkGraph<'data>,
    ) -> Result<Option<Symbol<'data>>, String> {
        let kind = match raw.st_type() {
            elf::STT_FILE => return Ok(None),
            elf::STT_NOTYPE => SymbolKind::None,
            elf::STT_OBJECT | elf::STT_COMMON => SymbolKind::Data,
            elf::STT_FUNC => SymbolKind::Func,
            elf::STT_SECTION => SymbolKind::Section,
            elf::STT_TLS => SymbolKind::Tls,
            elf::STT_GNU_IFUNC => SymbolKind::Ifunc,
            other => return Err(format!("unsupported symbol type {}", other.0)),
        };
        let binding = match raw.st_bind() {
            elf::STB_LOCAL => SymbolBinding::Local,
            elf::STB_GLOBAL => SymbolBinding::Global,
            elf::STB_WEAK | elf::STB_GNU_UNIQUE => SymbolBinding::Weak,
            other => return Err(format!("unsupported symbol binding {}", other.0)),
        };
        let visibility = match raw.st_visibility() {
            elf::STV_HIDDEN => Visibility::Hidden,
            elf::STV_INTERNAL => Visibility::Internal,
            elf::STV_PROTECTED => Visibility::Protected,
            _ => Visibility::Default,
        };
        let name = self.table.symbol_name(LE, raw);
        let name = name.map_err(|error| error.to_string())?;
        let name = str::from_utf8(name).map_err(|error| error.to_string())?;
        if name == GCC_LTO {
            return Err(
                "gcc -flto has left out the machine code; compile with -ffat-lto-objects too"
                    .to_owned(),
            );
        }
        let Some(place) = self.place(index, raw, name, graph)? else {
            return Ok(None);
        };
        if let SymbolPlace::Defined { section, .. } = place
            && kind == SymbolKind::Tls
            && !graph.sections[section.index()].role.is_thread()
        {
            return Err("a thread-local symbol is not in a thread-local section".to_owned());
        }
        Ok(Some(Symbol {
            name,
            binding,
            kind,
            visibility,
            place,
            size: raw.st_size(LE),
            elf_index: index.0,
        }))
    }

    /// Where the symbol is; `None` if that is in a section that isn't in the graph.
    fn place(
        &self,
        index: SymbolIndex,
        raw: &elf::Sym64<LE>,
        name: &str,
        graph: &mut LinkGraph<'data>,
    ) -> Result<Option<SymbolPlace>, String> {
        match raw.st_shndx(LE) {
            elf::SHN_UNDEF if name == GOT_BASE => return Ok(Some(SymbolPlace::GotBase)),
            elf::SHN_UNDEF => return Ok(Some(SymbolPlace::Undefined)),
            elf::SHN_ABS => return Ok(Some(SymbolPlace::Absolute(raw.st_value(LE)))),
            elf::SHN_COMMON | SHN_X86_64_LCOMMON => {
                return common(raw, graph).map(Some);
            }
            _ => {}
        }
        let section = self.table.symbol_section(LE, raw, index);
        let section = section
            .map_err(|error| error.to_string())?
            .ok_or("unsupported section index")?;
        if section.0 >= self.section_ids.len() {
            return Err(format!("section {section} does not exist"));
        }
        Ok(
            present(self.section_ids, section.0).map(|section| SymbolPlace::Defined {
                section: SectionId(section),
                offset: raw.st_value(LE),
            }),
        )
    }
}

/// Gives a common symbol memory of its own (gABI: its value is its alignment).
fn common<'data>(
    raw: &elf::Sym64<LE>,
    graph: &mut LinkGraph<'data>,
) -> Result<SymbolPlace, String> {
    if raw.st_type() == elf::STT_TLS {
        return Err("thread-local common symbols are not supported".to_owned());
    }
    let (align, size) = (raw.st_value(LE).max(1), raw.st_size(LE));
    if !align.is_power_of_two() || align > MAX_ALIGN {
        return Err(format!("alignment {align:#x} is not supported"));
    }
    if size > MAX_ZERO_FILL {
        return Err(format!("{size:#x} zero-filled bytes are too many"));
    }
    let section = SectionId(graph.sections.len() as u32);
    graph.sections.push(Section {
        name: "COMMON",
        segment: Segment::Data,
        role: SectionRole::Common,
        zero_fill: true,
        data: &[],
        size,
        align,
        relocations: Vec::new(),
        group: None,
        linked_to: None,
        elf_index: usize::from(elf::SHN_COMMON.0),
    });
    Ok(SymbolPlace::Defined { section, offset: 0 })
}
