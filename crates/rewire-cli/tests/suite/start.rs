//! LLVM's static objects are constructed when LLVM is first used, and never in a run without it.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection};

use crate::process::{self, Ending};
use crate::support::{Folder, expect_code, expect_stdout, finish};

const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"ran\"); return 0; }\n";

fn program() -> PathBuf {
    PathBuf::from(process::rewire().get_program())
}

/// Where a section of the program with addresses of constructors lies in its file.
fn constructors(bytes: &[u8], section: &str) -> Result<Range<usize>, String> {
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(|e| e.to_string())?;
    let found = file.section_by_name(section);
    let (start, size) = found
        .and_then(|section| section.file_range())
        .ok_or_else(|| format!("no section {section}"))?;
    let start = usize::try_from(start).map_err(|e| e.to_string())?;
    let size = usize::try_from(size).map_err(|e| e.to_string())?;
    Ok(start..start + size)
}

/// A copy of the program in which each of LLVM's constructors lies at an address where nothing is.
fn without_constructors(folder: &Folder) -> Result<PathBuf, String> {
    let mut bytes = fs::read(program()).map_err(|e| e.to_string())?;
    let range = constructors(&bytes, "llvm_init_array")?;
    bytes[range].fill(0);
    let path = folder.file("rewire", bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    Ok(path)
}

trial!(the_process_starts_with_few_constructors);
fn the_process_starts_with_few_constructors(_: &Folder) -> Result<(), String> {
    let bytes = fs::read(program()).map_err(|e| e.to_string())?;
    let of_llvm = constructors(&bytes, "llvm_init_array")?.len() / 8;
    let at_start = constructors(&bytes, ".init_array")?.len() / 8;
    // The rest are those of the C and C++ libraries.
    if of_llvm < 300 || at_start > 40 {
        return Err(format!("{of_llvm} of LLVM's, {at_start} at the start"));
    }
    Ok(())
}

trial!(what_needs_no_llvm_constructs_nothing_of_it);
fn what_needs_no_llvm_constructs_nothing_of_it(folder: &Folder) -> Result<(), String> {
    let path = without_constructors(folder)?;
    let without: [&[&str]; 5] = [
        &["--version"],
        &["--help"],
        &["run", "--help"],
        &["completions", "bash"],
        &["run", "--cpu"],
    ];
    for arguments in without {
        let found = finish(Command::new(&path).args(arguments))?;
        let expected = finish(process::rewire().args(arguments))?;
        if found.ending != expected.ending || found.stdout != expected.stdout {
            return Err(format!("{arguments:?}: expected {expected}, found {found}"));
        }
    }
    Ok(())
}

trial!(what_needs_llvm_constructs_it_first);
fn what_needs_llvm_constructs_it_first(folder: &Folder) -> Result<(), String> {
    let path = without_constructors(folder)?;
    let input = folder.bitcode("hello", HELLO)?;
    let run = |program: &Path, arguments: &[&str]| {
        finish(Command::new(program).args(arguments).arg(&input))
    };
    let with: [&[&str]; 4] = [
        &["run", "--threads", "0"],
        &["run", "-O2", "--threads", "3"],
        &["run", "--eager", "-O1"],
        &["inspect"],
    ];
    for arguments in with {
        let whole = run(&program(), arguments)?;
        expect_code(&whole, &[0])?;
        if arguments[0] == "run" {
            expect_stdout(&whole, "ran\n")?;
        }
        // A call of a constructor that isn't there.
        let outcome = run(&path, arguments)?;
        if outcome.ending == Ending::Code(0) {
            return Err(format!("{arguments:?}: no constructor ran: {outcome}"));
        }
    }
    Ok(())
}
