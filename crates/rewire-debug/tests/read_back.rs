//! What is written is read by independent readers.

use std::error::Error;

use gimli::write::{Address, CallFrameInstruction, CommonInformationEntry, EndianVec, FrameTable};
use gimli::write::{EhFrame as WrittenFrames, FrameDescriptionEntry};
use gimli::{
    BaseAddresses, Encoding, EndianSlice, Format, LittleEndian, UnwindSection as _, X86_64,
};
use linux_perf_data::jitdump::{JitDumpReader, JitDumpRecord};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use rewire_debug::jitdump::JitDump;
use rewire_debug::{EhFrame, Function, gdb};

type Tested = Result<(), Box<dyn Error>>;

/// Where the functions and their descriptions are said to be.
const START: u64 = 0x7f00_1234_5670;
const SECTION: u64 = 0x7f00_2000_0000;
const CODE: &[u8] = &[0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0xcc];
const LENGTH: u64 = CODE.len() as u64;

/// The descriptions of two functions that push `rbp`, one behind the other.
fn descriptions() -> Result<Vec<u8>, gimli::write::Error> {
    let encoding = Encoding {
        format: Format::Dwarf32,
        version: 1,
        address_size: 8,
    };
    let mut common = CommonInformationEntry::new(encoding, 1, -8, X86_64::RA);
    common.fde_address_encoding = gimli::DwEhPe(gimli::DW_EH_PE_pcrel.0 | gimli::DW_EH_PE_sdata4.0);
    common.add_instruction(CallFrameInstruction::Cfa(X86_64::RSP, 8));
    common.add_instruction(CallFrameInstruction::Offset(X86_64::RA, -8));
    let mut table = FrameTable::default();
    let common = table.add_cie(common);
    for number in 0..2 {
        let start = Address::Constant((START + number * LENGTH).wrapping_sub(SECTION));
        let mut entry = FrameDescriptionEntry::new(start, LENGTH as u32);
        entry.add_instruction(1, CallFrameInstruction::CfaOffset(16));
        table.add_fde(common, entry);
    }
    let mut written = WrittenFrames(EndianVec::new(LittleEndian));
    table.write_eh_frame(&mut written)?;
    Ok(written.0.into_vec())
}

fn functions(bytes: &[u8]) -> [Function<'_>; 2] {
    let frames = Some(EhFrame {
        address: SECTION,
        bytes,
    });
    ["first", "second<int>"].map(|name| Function {
        name,
        start: if name == "first" {
            START
        } else {
            START + LENGTH
        },
        code: CODE,
        frames,
    })
}

#[test]
fn a_jitdump_has_each_function_with_its_frames() -> Tested {
    let folder = tempfile::tempdir()?;
    let bytes = descriptions()?;
    let dump = JitDump::create(folder.path())?;
    for function in &functions(&bytes) {
        dump.add(function)?;
    }
    let path = dump.path().to_owned();
    drop(dump);
    let mut reader = JitDumpReader::new(std::fs::File::open(path)?)?;
    assert_eq!(reader.header().pid, std::process::id());
    let (mut names, mut kinds, mut last) = (Vec::new(), Vec::new(), 0);
    while let Some(record) = reader.next_record()? {
        assert!(record.timestamp >= last);
        last = record.timestamp;
        match record.parse()? {
            JitDumpRecord::CodeLoad(load) => {
                let code = load.code_bytes.as_slice();
                assert_eq!(&*code, CODE);
                assert_eq!(load.code_addr, START + load.code_index * LENGTH);
                names.push(String::from_utf8(load.function_name.as_slice().to_vec())?);
                kinds.push("load");
            }
            JitDumpRecord::CodeUnwindingInfo(info) => {
                // perf takes the table to be behind the descriptions, this reader before them.
                let parts = [info.eh_frame_hdr, info.eh_frame];
                check_unwinding(&parts.map(|part| part.as_slice().to_vec()).concat())?;
                kinds.push("unwinding");
            }
            _ => kinds.push("other"),
        }
    }
    assert_eq!(names, ["first", "second<int>"]);
    assert_eq!(kinds, ["unwinding", "load", "unwinding", "load", "other"]);
    Ok(())
}

/// Lays a function and what perf puts behind it out at address 0, and looks for its description as
/// an unwinder does.
fn check_unwinding(data: &[u8]) -> Tested {
    // A table of one entry takes 20 bytes.
    let (eh_frame, header) = data.split_at(data.len() - 20);
    let behind = LENGTH.next_multiple_of(8);
    let bases = BaseAddresses::default()
        .set_eh_frame(behind)
        .set_eh_frame_hdr(behind + eh_frame.len() as u64);
    let header = gimli::EhFrameHdr::new(header, LittleEndian).parse(&bases, 8)?;
    assert_eq!(header.eh_frame_ptr(), gimli::Pointer::Direct(behind));
    let section = gimli::EhFrame::new(eh_frame, LittleEndian);
    let table = header.table().ok_or("no table")?;
    let found = table.fde_for_address(&section, &bases, 3, gimli::EhFrame::cie_from_offset)?;
    assert_eq!((found.initial_address(), found.len()), (0, LENGTH));
    let mut context = gimli::UnwindContext::new();
    let row = found.unwind_info_for_address(&section, &bases, &mut context, 3)?;
    let cfa = gimli::CfaRule::RegisterAndOffset {
        register: X86_64::RSP,
        offset: 16,
    };
    assert_eq!(row.cfa(), &cfa);
    Ok(())
}

/// The images that a debugger would find.
fn images() -> Vec<Vec<u8>> {
    #[repr(C)]
    struct Entry {
        next: *const Entry,
        previous: *const Entry,
        image: *const u8,
        size: u64,
    }
    #[repr(C)]
    struct Descriptor {
        version: u32,
        action: u32,
        relevant: *const Entry,
        first: *const Entry,
    }
    unsafe extern "C" {
        static __jit_debug_descriptor: Descriptor;
    }
    let mut found = Vec::new();
    // SAFETY: it is the list of this process, which no other thread changes meanwhile.
    unsafe {
        assert_eq!(__jit_debug_descriptor.version, 1);
        let mut next = __jit_debug_descriptor.first;
        while let Some(entry) = next.as_ref() {
            found.push(std::slice::from_raw_parts(entry.image, entry.size as usize).to_vec());
            next = entry.next;
        }
    }
    found
}

/// The names in all images.
fn names() -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for image in images() {
        let file = object::File::parse(&*image)?;
        for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
            names.push(symbol.name()?.to_owned());
        }
    }
    Ok(names)
}

/// One test, since the list is the process's.
#[test]
fn debuggers_find_what_is_registered_and_nothing_else() -> Tested {
    let bytes = descriptions()?;
    let both = gdb::register(&functions(&bytes));
    let [image] = &images()[..] else {
        return Err("not one image".into());
    };
    let file = object::File::parse(&**image)?;
    let mut symbols: Vec<(String, u64, u64)> = file
        .symbols()
        .filter(|symbol| symbol.is_definition())
        .map(|symbol| Ok((symbol.name()?.to_owned(), symbol.address(), symbol.size())))
        .collect::<Result<_, object::Error>>()?;
    symbols.sort();
    let expected = [("first", START), ("second<int>", START + LENGTH)];
    assert_eq!(
        symbols,
        expected.map(|(name, start)| (name.to_owned(), start, LENGTH))
    );
    let text: Vec<_> = file
        .sections()
        .filter(|one| one.name() == Ok(".text"))
        .collect();
    assert_eq!(text.len(), 1);
    assert_eq!((text[0].address(), text[0].size()), (START, 2 * LENGTH));
    let frames = file.section_by_name(".eh_frame").ok_or("no frames")?;
    let mut section = gimli::EhFrame::new(frames.data()?, LittleEndian);
    section.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(frames.address());
    let cie = gimli::EhFrame::<EndianSlice<'_, LittleEndian>>::cie_from_offset;
    let found = section.fde_for_address(&bases, START + LENGTH + 1, cie)?;
    assert_eq!(found.initial_address(), START + LENGTH);
    drop(both);
    assert!(images().is_empty());
    many_registrations_make_few_images()?;
    more_code_than_an_image_holds()?;
    code_takes_the_place_of_other_code()
}

/// Each leaves by itself.
fn many_registrations_make_few_images() -> Tested {
    let many: Vec<gdb::Registration> = (0..1000_u64)
        .map(|number| {
            gdb::register(&[Function {
                name: &format!("f{number}"),
                start: START + 4096 * number,
                code: CODE,
                frames: None,
            }])
        })
        .collect();
    assert!(images().len() <= 100);
    assert_eq!(names()?.len(), 1000);
    for (number, registration) in many.into_iter().enumerate() {
        if number != 500 {
            drop(registration);
            continue;
        }
        std::mem::forget(registration);
    }
    assert_eq!(names()?, ["f500"]);
    Ok(())
}

/// Registrations that are to be merged, with more stretches of code than an image has sections.
fn more_code_than_an_image_holds() -> Tested {
    let scattered = |from: u64, count: u64| {
        let at = |number: u64| Function {
            name: "scattered",
            start: START + (number << 12),
            code: CODE,
            frames: None,
        };
        let functions: Vec<Function<'_>> = (from..from + count).map(at).collect();
        gdb::register(&functions)
    };
    let many = [1 << 20, 1 << 21].map(|from| scattered(from, 40_000));
    let few: Vec<_> = (0..40).map(|n| scattered((1 << 22) + n, 1)).collect();
    assert_eq!(names()?.len(), 1 + 80_040);
    drop((many, few));
    assert_eq!(names()?, ["f500"]);
    Ok(())
}

/// Of two functions in one image one leaves, and another takes its place.
fn code_takes_the_place_of_other_code() -> Tested {
    let far = START + (1 << 24);
    let at = |name: &'static str, number: u64| Function {
        name,
        start: far + number * LENGTH,
        code: CODE,
        frames: None,
    };
    let stays: Vec<gdb::Registration> = (0..200)
        .map(|number| gdb::register(&[at("stays", number)]))
        .collect();
    let leaves = gdb::register(&[at("leaves", 200)]);
    let stays_too: Vec<_> = (201..400)
        .map(|number| gdb::register(&[at("stays", number)]))
        .collect();
    drop(leaves);
    let comes = gdb::register(&[at("comes", 200)]);
    let names = names()?;
    assert!(names.contains(&"comes".to_owned()) && !names.contains(&"leaves".to_owned()));
    assert_eq!(names.iter().filter(|name| *name == "stays").count(), 399);
    drop((stays, stays_too, comes));
    Ok(())
}
