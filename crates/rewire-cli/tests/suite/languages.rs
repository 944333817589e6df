//! C++ and Rust: sources on the command line, and bitcode that needs their standard libraries.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Outcome};
use crate::support::{Folder, expect_code, expect_error, expect_stdout, finish};

/// Its output needs `std::cout` initialised and flushed at exit, and an exception from the library
/// to reach a frame of the program.
const CXX: &str = r#"
#include <iostream>
#include <stdexcept>
#include <string>
struct Last { ~Last() { std::cout << "last"; } } last;
int main() {
  try { std::string("abc").substr(4); }
  catch (const std::out_of_range &) { std::cout << "caught "; return 3; }
}
"#;

const RUST: &str = r#"
fn main() {
    let caught = std::panic::catch_unwind(|| { std::hint::black_box(None::<i32>).unwrap() });
    println!("{:?} {:?}", caught.is_err(), std::env::args().skip(1).collect::<Vec<_>>());
    std::process::exit(3);
}
"#;

const LEVELS: [&str; 5] = ["auto", "0", "1", "2", "3"];

fn expect(outcome: &Outcome, stdout: &str) -> Result<(), String> {
    expect_code(outcome, &[3])?;
    expect_stdout(outcome, stdout)
}

trial!(cxx_sources);
fn cxx_sources(folder: &Folder) -> Result<(), String> {
    for name in ["a.cpp", "a.cc", "a.cxx", "a.C"] {
        let source = folder.file(name, CXX)?;
        let outcome = finish(folder.rewire_run().arg(source))?;
        expect(&outcome, "caught last").map_err(|e| format!("{name}: {e}"))?;
    }
    for level in LEVELS {
        let outcome = finish(folder.rewire_run().args(["-O", level, "a.cpp"]))?;
        expect(&outcome, "caught last").map_err(|e| format!("-O {level}: {e}"))?;
    }
    Ok(())
}

trial!(cxx_bitcode);
/// With `-l stdc++` and without: a unit that names what is C++ gets the library by itself.
fn cxx_bitcode(folder: &Folder) -> Result<(), String> {
    let source = folder.file("a.cpp", CXX)?;
    let bitcode = folder.path.join("a.bc");
    process::make_bitcode(&source, &[], &bitcode)?;
    for options in [&[][..], &["-l", "stdc++"], &["--eager"]] {
        let outcome = finish(folder.rewire_run().args(options).arg(&bitcode))?;
        expect(&outcome, "caught last").map_err(|e| format!("{options:?}: {e}"))?;
    }
    Ok(())
}

trial!(c_gets_no_cxx_library);
/// A C program may ask whether there is a C++ library; natively there is none.
fn c_gets_no_cxx_library(folder: &Folder) -> Result<(), String> {
    let bitcode = folder.bitcode(
        "weak",
        "extern char *__cxa_demangle(const char *, char *, long *, int *) __attribute__((weak));\n\
         int main(void) { return __cxa_demangle ? 1 : 0; }\n",
    )?;
    expect_code(&finish(folder.rewire_run().arg(bitcode))?, &[0])
}

trial!(rust_source);
fn rust_source(folder: &Folder) -> Result<(), String> {
    let source = folder.file("a.rs", RUST)?;
    for level in LEVELS {
        let mut run = folder.rewire_run();
        let outcome = finish(run.args(["-O", level]).arg(&source).args(["--", "x y"]))?;
        expect(&outcome, "true [\"x y\"]\n").map_err(|e| format!("-O {level}: {e}"))?;
    }
    Ok(())
}

trial!(rust_bitcode);
/// Bitcode of rustc is linked with `-L FOLDER -l std-HASH`, and without them says so.
fn rust_bitcode(folder: &Folder) -> Result<(), String> {
    let source = folder.file("a.rs", RUST)?;
    let bitcode = folder.path.join("a.bc");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--emit=llvm-bc", "-Cprefer-dynamic"]);
    rustc.args(["-Ccodegen-units=1", "-o"]).arg(&bitcode);
    process::build(rustc.arg(source))?;
    let outcome = finish(folder.rewire_run().arg(&bitcode))?;
    let parts = [
        "lang_start_internal",
        "rustc --print target-libdir",
        "-l std-HASH",
    ];
    expect_error(&outcome, &[70], &parts)?;
    let (libraries, name) = standard_library()?;
    let mut run = folder.rewire_run();
    run.arg("-L").arg(libraries).args(["-l", &name]);
    expect(&finish(run.arg(bitcode))?, "true []\n")
}

/// The folder of Rust's libraries, and the name that `-l` takes.
fn standard_library() -> Result<(PathBuf, String), String> {
    let said = finish(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let folder = PathBuf::from(said.stdout_text().trim());
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut names = names.filter_map(|name| {
        let stem = name.to_str()?.strip_prefix("lib")?.strip_suffix(".so")?;
        stem.starts_with("std-").then(|| stem.to_owned())
    });
    let name = names.next().ok_or("rustc has no libstd-*.so")?;
    Ok((folder, name))
}

trial!(refused_sources);
fn refused_sources(folder: &Folder) -> Result<(), String> {
    for (name, compiler) in [("bad.cpp", "clang"), ("bad.rs", "rustc")] {
        let source = folder.file(name, "this is no program\n")?;
        let outcome = finish(folder.rewire_run().arg(source))?;
        expect_error(&outcome, &[65], &[name, compiler])?;
    }
    let source = folder.file("a.rs", RUST)?;
    let mut run = folder.rewire_run();
    let outcome = finish(run.env("RUSTC", "/nowhere/rustc").arg(source))?;
    expect_error(&outcome, &[65], &["a.rs", "no rustc", "RUSTC"])
}

trial!(nothing_is_exported);
/// The program holds libraries of its own (libstdc++, zlib, zstd); if it exported names of them,
/// compiled code and the shared libraries would get half of theirs from it.
fn nothing_is_exported(_: &Folder) -> Result<(), String> {
    let program = Path::new(env!("CARGO_BIN_EXE_rewire"));
    let mut nm = Command::new("nm");
    let outcome = finish(
        nm.args(["-D", "--defined-only", "--format=just-symbols"])
            .arg(program),
    )?;
    expect_code(&outcome, &[0])?;
    expect_stdout(
        &outcome,
        "_Unwind_Find_FDE\n__sysv_signal\nbsd_signal\nsigaction\nsigignore\nsiginterrupt\nsignal\nsigset\nssignal\nsysv_signal\n",
    )
}
