//! From an object as data to an ELF file.

use std::collections::BTreeSet;

use object::write::{
    Comdat, Object as File, Relocation as FileRelocation, SectionId, Symbol as FileSymbol,
    SymbolId, SymbolSection,
};
use object::{
    Architecture, BinaryFormat, ComdatKind, Endianness, RelocationFlags, SectionFlags,
    SectionKind as FileKind, SymbolFlags, SymbolKind as FileSymbolKind, SymbolScope, elf,
};

use super::input::{
    Bound, Linkage, Object, Operation, Place, Prefix, Relocation, Section, SectionKind, Symbol,
    SymbolKind,
};
use super::kinds::{self, Kind};

/// A relocation by its section's name and its offset.
pub(crate) type Spot = (String, u64);

/// What there is to know of a relocation that was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) spot: Spot,
    pub(crate) kind: Kind,
    /// The symbol's number; `None` for one that stands in no list.
    pub(crate) symbol: usize,
}

/// The name of the section with this number.
pub(crate) fn section_name(object: &Object, number: usize) -> String {
    let base = match object.sections[number].kind {
        SectionKind::Text => ".text",
        SectionKind::ReadOnly => ".rodata",
        SectionKind::Strings => ".rodata.str1.1",
        SectionKind::RelRo => ".data.rel.ro",
        SectionKind::Data => ".data",
        SectionKind::Bss => ".bss",
        SectionKind::ThreadData => ".tdata",
        SectionKind::ThreadBss => ".tbss",
        SectionKind::InitArray => ".init_array",
        SectionKind::FiniArray => ".fini_array",
        SectionKind::Debug => return format!(".debug_{number}"),
        // One in a file; names tell sections apart here.
        SectionKind::StackMaps if !object.sections[..number].iter().any(is_stack_maps) => {
            return ".llvm_stackmaps".to_owned();
        }
        SectionKind::StackMaps => ".rodata.maps",
        SectionKind::ExceptionTable => ".gcc_except_table",
        SectionKind::Note => ".note",
    };
    format!("{base}.{number}")
}

fn is_stack_maps(section: &Section) -> bool {
    section.kind == SectionKind::StackMaps
}

/// The name of the symbol with this number.
pub(crate) fn symbol_name(number: usize) -> String {
    format!("s{number}")
}

/// Writes an object; also its relocations. Those of `left_out` are there as `R_X86_64_NONE`, so
/// that all indices are the same.
pub(crate) fn write(object: &Object, left_out: &BTreeSet<Spot>) -> (Vec<u8>, Vec<Written>) {
    let mut file = File::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    // There for the checker, to which its address is told, whatever else there is.
    let got = "_GLOBAL_OFFSET_TABLE_".to_owned();
    let got = plain_symbol(got, SymbolSection::Undefined, elf::STB_GLOBAL);
    let mut writer = Writer {
        object,
        left_out,
        got: file.add_symbol(got),
        file,
        sections: Vec::new(),
        symbols: Vec::new(),
        written: Vec::new(),
    };
    writer.add_sections();
    writer.add_symbols();
    writer.add_groups();
    writer.add_relocations();
    writer.add_frames();
    let bytes = writer.file.write().expect("the object can be written");
    (bytes, writer.written)
}

struct Writer<'a> {
    object: &'a Object,
    left_out: &'a BTreeSet<Spot>,
    file: File<'static>,
    sections: Vec<SectionId>,
    symbols: Vec<SymbolId>,
    got: SymbolId,
    written: Vec<Written>,
}

impl Writer<'_> {
    fn add_sections(&mut self) {
        for (number, section) in self.object.sections.iter().enumerate() {
            let name = section_name(self.object, number);
            let kind = match section.kind.is_zero_fill() {
                true => FileKind::UninitializedData,
                false => FileKind::Data,
            };
            let id = self.file.add_section(Vec::new(), name.into(), kind);
            *self.file.section_flags_mut(id) = flags(section.kind);
            let size = usize::from(section.size);
            let align = 1 << (section.align % 13);
            if section.kind.is_zero_fill() {
                self.file.append_section_bss(id, size as u64, align);
            } else {
                self.file
                    .append_section_data(id, &vec![section.fill; size], align);
            }
            self.sections.push(id);
        }
    }

    fn add_symbols(&mut self) {
        for (number, symbol) in self.object.symbols.iter().enumerate() {
            let id = self.add_symbol(number, symbol);
            self.symbols.push(id);
        }
    }

    fn add_symbol(&mut self, number: usize, symbol: &Symbol) -> SymbolId {
        let in_section = self
            .object
            .section_of(symbol)
            .map(|section| self.sections[section]);
        let (section, value) = match (symbol.place, in_section) {
            (Place::SectionItself { .. }, Some(section)) => {
                return self.file.section_symbol(section);
            }
            (Place::In { offset, .. }, Some(section)) => {
                (SymbolSection::Section(section), offset.into())
            }
            (Place::Absolute(value), _) => (SymbolSection::Absolute, value.get()),
            (Place::Common { align, .. }, _) => (SymbolSection::Common, 1 << (align % 13)),
            (Place::GotBase, _) => return self.got,
            _ => (SymbolSection::Undefined, 0),
        };
        let name = symbol_name(number);
        let kind = match symbol.kind {
            _ if self.object.is_thread(symbol) => elf::STT_TLS,
            SymbolKind::Unknown => elf::STT_NOTYPE,
            SymbolKind::Function => elf::STT_FUNC,
            SymbolKind::Variable => elf::STT_OBJECT,
            SymbolKind::Indirect if in_section.is_some() => elf::STT_GNU_IFUNC,
            SymbolKind::Indirect => elf::STT_NOTYPE,
        };
        let is_defined = !matches!(section, SymbolSection::Undefined | SymbolSection::Common);
        let binding = match symbol.linkage {
            Linkage::Local if is_defined => elf::STB_LOCAL,
            Linkage::Weak if !matches!(section, SymbolSection::Common) => elf::STB_WEAK,
            Linkage::Unique if is_defined => elf::STB_GNU_UNIQUE,
            _ => elf::STB_GLOBAL,
        };
        let size = match symbol.place {
            Place::Common { size, .. } => size.into(),
            _ => symbol.size.into(),
        };
        self.file.add_symbol(FileSymbol {
            value,
            size,
            scope: match binding == elf::STB_LOCAL {
                true => SymbolScope::Compilation,
                false => SymbolScope::Linkage,
            },
            flags: SymbolFlags::Elf {
                st_info: elf::SymbolInfo::new(binding, kind),
                st_other: elf::SymbolOther(symbol.visibility % 4),
            },
            ..plain_symbol(name, section, binding)
        })
    }

    fn add_groups(&mut self) {
        for group in 0..3 {
            let members: Vec<SectionId> = self
                .object
                .members(group)
                .map(|member| self.sections[member])
                .collect();
            let Some(first) = members.first() else {
                continue;
            };
            let symbol = self.file.add_symbol(plain_symbol(
                format!("group{group}"),
                SymbolSection::Section(*first),
                elf::STB_WEAK,
            ));
            self.file.add_comdat(Comdat {
                kind: ComdatKind::Any,
                symbol,
                sections: members,
            });
        }
    }

    fn add_relocations(&mut self) {
        let object = self.object;
        let has_bytes = |number: &usize| !object.sections[*number].kind.is_zero_fill();
        let sections: Vec<usize> = (0..object.sections.len()).filter(has_bytes).collect();
        if sections.is_empty() || object.symbols.is_empty() {
            return;
        }
        for relocation in &object.relocations {
            let number = sections[usize::from(relocation.section) % sections.len()];
            let symbol = usize::from(relocation.symbol) % object.symbols.len();
            let thread = object.is_thread(&object.symbols[symbol]);
            let bound = object.symbols[symbol].bound;
            let is_offset = matches!(bound, Bound::ThreadOffset(_));
            let kind = kinds::choose(relocation, thread, is_offset);
            let id = self.sections[number];
            let fill = object.sections[number].fill;
            let mut bytes = vec![fill; 4 + usize::from(relocation.gap % 8)];
            bytes.extend(instruction(relocation, kind));
            let field = bytes.len() as u64;
            bytes.resize(bytes.len() + kind.width, fill);
            let start = self.file.append_section_data(id, &bytes, 1);
            let name = section_name(object, number);
            self.relocate(
                id,
                name,
                start + field,
                kind,
                symbol,
                relocation.addend.get(),
            );
        }
    }

    fn relocate(
        &mut self,
        section: SectionId,
        name: String,
        offset: u64,
        kind: Kind,
        symbol: usize,
        addend: i64,
    ) {
        let spot = (name, offset);
        let r_type = match self.left_out.contains(&spot) {
            true => elf::R_X86_64_NONE,
            false => kind.code,
        };
        let relocation = FileRelocation {
            offset,
            symbol: self.symbols[symbol],
            addend,
            flags: RelocationFlags::Elf { r_type },
        };
        let added = self.file.add_relocation(section, relocation);
        added.expect("the relocation can be written");
        self.written.push(Written { spot, kind, symbol });
    }

    /// `.eh_frame`: two common entries, the second for functions with a table, and descriptions.
    fn add_frames(&mut self) {
        let object = self.object;
        if object.frames.is_empty() || object.symbols.is_empty() {
            return;
        }
        let name = ".eh_frame";
        let id = self
            .file
            .add_section(Vec::new(), name.into(), FileKind::ReadOnlyData);
        let with_table = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 1][..],
            b"zLR\0\x01\x78\x10\x02\x1b\x1b\x0c\x07\x08\x90\x01",
        ];
        let without = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 1][..],
            b"zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0",
        ];
        self.file.append_section_data(id, &without.concat(), 8);
        self.file.append_section_data(id, &with_table.concat(), 1);
        for frame in &object.frames {
            let (length, common) = match frame.table {
                Some(_) => (20_u32, 24),
                None => (16, 0),
            };
            let mut bytes = length.to_le_bytes().to_vec();
            let start = self.file.append_section_data(id, &[], 1);
            bytes.extend((start as u32 + 4 - common).to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(u32::from(frame.size).to_le_bytes());
            bytes.push(if frame.table.is_some() { 4 } else { 0 });
            bytes.resize(4 + length as usize, 0);
            self.file.append_section_data(id, &bytes, 1);
            let count = object.symbols.len();
            let pc32 = kinds::pc32();
            let function = usize::from(frame.function) % count;
            self.relocate(id, name.to_owned(), start + 8, pc32, function, 0);
            if let Some(table) = frame.table {
                let table = usize::from(table) % count;
                self.relocate(id, name.to_owned(), start + 17, pc32, table, 0);
            }
        }
        self.file.append_section_data(id, &[0; 4], 1);
    }
}

fn plain_symbol(name: String, section: SymbolSection, binding: elf::SymbolBind) -> FileSymbol {
    FileSymbol {
        name: name.into(),
        value: 0,
        size: 0,
        kind: FileSymbolKind::Unknown,
        scope: SymbolScope::Linkage,
        weak: false,
        section,
        flags: SymbolFlags::Elf {
            st_info: elf::SymbolInfo::new(binding, elf::STT_NOTYPE),
            st_other: elf::SymbolOther(0),
        },
    }
}

fn flags(kind: SectionKind) -> SectionFlags {
    use elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_MERGE, SHF_STRINGS, SHF_TLS, SHF_WRITE};
    let written = SHF_ALLOC | SHF_WRITE;
    let (sh_type, sh_flags) = match kind {
        SectionKind::Text => (elf::SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR),
        SectionKind::Strings => (elf::SHT_PROGBITS, SHF_ALLOC | SHF_MERGE | SHF_STRINGS),
        SectionKind::RelRo | SectionKind::Data => (elf::SHT_PROGBITS, written),
        SectionKind::Bss => (elf::SHT_NOBITS, written),
        SectionKind::ThreadData => (elf::SHT_PROGBITS, written | SHF_TLS),
        SectionKind::ThreadBss => (elf::SHT_NOBITS, written | SHF_TLS),
        SectionKind::InitArray => (elf::SHT_INIT_ARRAY, written),
        SectionKind::FiniArray => (elf::SHT_FINI_ARRAY, written),
        SectionKind::Note => (elf::SHT_NOTE, SHF_ALLOC),
        SectionKind::ReadOnly
        | SectionKind::Debug
        | SectionKind::StackMaps
        | SectionKind::ExceptionTable => (elf::SHT_PROGBITS, SHF_ALLOC),
    };
    SectionFlags::Elf { sh_type, sh_flags }
}

/// The bytes of the instruction before the field.
fn instruction(relocation: &Relocation, kind: Kind) -> Vec<u8> {
    let mut bytes = match relocation.prefix {
        Prefix::AsKind(bits) => match kind.prefixes {
            1 => vec![0x40 | bits & 15],
            2 => vec![0xd5, bits],
            _ => Vec::new(),
        },
        Prefix::None => Vec::new(),
        Prefix::Rex(bits) => vec![0x40 | bits & 15],
        Prefix::Rex2(bits) => vec![0xd5, bits],
    };
    let relative = |register: u8| (register & 7) << 3 | 5;
    bytes.extend(match relocation.operation {
        Operation::None => return Vec::new(),
        Operation::Call => vec![0xff, 0x15],
        Operation::Jump => vec![0xff, 0x25],
        Operation::DirectCall => vec![0xe8],
        Operation::Load { register } => vec![0x8b, relative(register)],
        Operation::Lea { register } => vec![0x8d, relative(register)],
        Operation::Arithmetic { which, register } => {
            vec![(which & 7) << 3 | 3, relative(register)]
        }
        Operation::Test { register } => vec![0x85, relative(register)],
        Operation::Push => vec![0xff, 0x35],
    });
    bytes
}
