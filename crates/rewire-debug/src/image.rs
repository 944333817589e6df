//! An ELF file of code that is in memory already, for debuggers to read there.

use object::elf;
use object::write::StringId;
use object::write::elf::{FileHeader, SectionHeader, SectionIndex, Sym, Writer};

use crate::{PlacedFunction, frames};

/// Code that lies together: a section of the image, and its functions.
struct Run {
    name: StringId,
    index: SectionIndex,
    start: u64,
    end: u64,
    functions: std::ops::Range<usize>,
}

/// Frame descriptions in the image.
struct FrameSection {
    name: StringId,
    address: u64,
    offset: u64,
    size: u64,
}

/// Functions that lie at most so far apart are in one section: debuggers search among sections.
const GAP: u64 = 64;

/// A section can't have a number from here on in the header of a file of this kind.
const MOST_SECTIONS: usize = 0xff00 - 8;

/// Makes the image of functions: their names, and their frame descriptions. The code isn't in it,
/// because it is in memory. `None` where an image can't hold that.
pub(crate) fn of(mut sorted: Vec<PlacedFunction<'_>>) -> Option<Vec<u8>> {
    sorted.sort_by_key(|function| function.range.start);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(object::Endianness::Little, true, &mut bytes);
    writer.reserve_file_header();
    writer.reserve_null_section_index();
    let runs = runs(&sorted, &mut writer)?;
    // No bytes of the program are there: only distances from it count.
    let base = sorted.first().map_or(0, |function| function.range.start);
    let descriptions = frames::at(base, &sorted);
    let frame_name = writer.add_section_name(b".eh_frame");
    writer.reserve_section_index();
    let frame_offset = writer.reserve(descriptions.len() as u64, 8);
    writer.reserve_null_symbol_index();
    let names: Vec<StringId> = sorted
        .iter()
        .map(|function| {
            writer.reserve_symbol_index(None);
            writer.add_string(function.name.as_bytes())
        })
        .collect();
    writer.reserve_symtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab_section_index();
    writer.reserve_strtab().ok()?;
    writer.reserve_shstrtab_section_index();
    writer.reserve_shstrtab().ok()?;
    writer.reserve_section_headers();

    writer
        .write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_EXEC,
            e_machine: elf::EM_X86_64,
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        })
        .ok()?;
    writer.write_align(8);
    debug_assert_eq!(writer.len(), frame_offset);
    writer.write(&descriptions);
    writer.write_null_symbol();
    for run in &runs {
        for number in run.functions.clone() {
            let function = &sorted[number];
            writer.write_symbol(&Sym {
                section: Some(run.index.0),
                st_name: writer.string_offset(Some(names[number])),
                st_info: elf::SymbolInfo::new(elf::STB_GLOBAL, elf::STT_FUNC),
                st_other: elf::STV_DEFAULT.into(),
                st_shndx: elf::SHN_UNDEF,
                st_value: function.range.start,
                st_size: function.range.end - function.range.start,
            });
        }
    }
    writer.write_strtab();
    writer.write_shstrtab();
    let frames = FrameSection {
        name: frame_name,
        address: base,
        offset: frame_offset,
        size: descriptions.len() as u64,
    };
    write_sections(&mut writer, &runs, &frames);
    Some(bytes)
}

/// Finds what lies together, and reserves a section for each.
fn runs<'w>(sorted: &[PlacedFunction<'_>], writer: &mut Writer<'w>) -> Option<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for (number, function) in sorted.iter().enumerate() {
        let range = &function.range;
        match runs.last_mut() {
            Some(run) if range.start < run.end.saturating_add(GAP) => {
                run.end = run.end.max(range.end);
                run.functions.end = number + 1;
            }
            _ => runs.push(Run {
                name: writer.add_section_name(b".text"),
                index: writer.reserve_section_index(),
                start: range.start,
                end: range.end,
                functions: number..number + 1,
            }),
        }
    }
    (runs.len() < MOST_SECTIONS).then_some(runs)
}

fn write_sections(writer: &mut Writer<'_>, runs: &[Run], frames: &FrameSection) {
    writer.write_null_section_header();
    for run in runs {
        writer.write_section_header(&SectionHeader {
            sh_name: writer.section_name_offset(Some(run.name)),
            sh_type: elf::SHT_NOBITS,
            sh_flags: elf::SHF_ALLOC | elf::SHF_EXECINSTR,
            sh_addr: run.start,
            sh_offset: 0,
            sh_size: run.end - run.start,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: 1,
            sh_entsize: 0,
        });
    }
    writer.write_section_header(&SectionHeader {
        sh_name: writer.section_name_offset(Some(frames.name)),
        sh_type: elf::SHT_PROGBITS,
        sh_flags: elf::SectionFlags(0),
        sh_addr: frames.address,
        sh_offset: frames.offset,
        sh_size: frames.size,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 8,
        sh_entsize: 0,
    });
    // Only the null symbol is local.
    writer.write_symtab_section_header(1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
}
