//! Running compilers, and reading sections of what they make.

use std::path::Path;
use std::process::{Command, Output};

use object::{Object, ObjectSection};
use tempfile::TempDir;

/// A section's address and bytes.
pub(crate) struct Section {
    pub(crate) address: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Runs a command, which has to succeed, and returns what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {errors}");
    String::from_utf8(stdout).unwrap()
}

/// Reads a section of a linked file.
pub(crate) fn section(file: &Path, name: &str) -> Section {
    let data = std::fs::read(file).unwrap();
    let parsed = object::File::parse(&*data).unwrap();
    let section = parsed
        .section_by_name(name)
        .unwrap_or_else(|| panic!("{} has no {name}", file.display()));
    Section {
        address: section.address(),
        bytes: section.data().unwrap().to_vec(),
    }
}

/// Makes statepoints of IR, compiles it at a level, and links it at fixed addresses as `linked`.
pub(crate) fn compile_ir(ir: &str, level: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("source.ll"), ir).unwrap();
    run(Command::new("opt-22")
        .args(["-passes=rewrite-statepoints-for-gc", "-o"])
        .args([path("safe.bc"), path("source.ll")]));
    run(Command::new("llc-22")
        .args([level, "-filetype=obj", "-o"])
        .args([path("object.o"), path("safe.bc")]));
    run(Command::new("clang-22")
        .args(["-nostdlib", "-static"])
        .arg("-Wl,-e,0,--unresolved-symbols=ignore-all,-z,noexecstack")
        .arg("-o")
        .args([path("linked"), path("object.o")]));
    dir
}
