//! Archives on the command line, compared with the same command line of `cc`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Ending};
use crate::support::{Folder, expect_code, expect_error, expect_stdout, finish};

/// A library of three members, which need one another; `said` tells which of them are loaded.
const MEMBERS: [(&str, &str); 4] = [
    (
        "one",
        "#include <stdio.h>
         int two(void);
         __attribute__((constructor)) static void begin(void) { puts(\"one\"); }
         int one(void) { return two() + 1; }",
    ),
    (
        "two",
        "#include <stdio.h>
         __attribute__((constructor)) static void begin(void) { puts(\"two\"); }
         int two(void) { return 10; }",
    ),
    (
        "extra",
        "#include <stdio.h>
         __attribute__((constructor)) static void begin(void) { puts(\"extra\"); }
         int extra(void) { return 5; }",
    ),
    (
        "common",
        "#include <stdio.h>
         __attribute__((constructor)) static void begin(void) { puts(\"common\"); }
         int number = 4;",
    ),
];

const PROGRAM: &str = "#include <stdio.h>
int one(void);
extern int extra(void) __attribute__((weak));
int main(void) { printf(\"%d %d\\n\", one(), extra ? extra() : 0); return 3; }";

fn compile(source: &Path, options: &[&str]) -> Result<PathBuf, String> {
    let object = source.with_extension("o");
    let mut compiler = Command::new("gcc");
    compiler.args(["-O2", "-w"]).args(options);
    compiler.arg("-c").arg(source).arg("-o").arg(&object);
    process::build(&mut compiler)?;
    Ok(object)
}

fn archive(folder: &Folder, options: &str, name: &str, members: &[PathBuf]) -> Result<(), String> {
    let mut archiver = Command::new("ar");
    archiver.current_dir(&folder.path).arg(options).arg(name);
    for member in members {
        archiver.arg(member.strip_prefix(&folder.path).unwrap_or(member));
    }
    process::build(&mut archiver)
}

/// Runs a command line, and what `cc` makes of it.
fn compare(folder: &Folder, inputs: &[&str]) -> Result<String, String> {
    let program = folder.path.join("native");
    let mut compiler = Command::new("gcc");
    compiler.current_dir(&folder.path).arg("-L.");
    for input in inputs {
        match input.strip_prefix("--") {
            Some(option) => compiler.arg(format!("-Wl,--{option}")),
            None => compiler.arg(input),
        };
    }
    process::build(compiler.arg("-o").arg(&program))?;
    let native = process::run(&mut Command::new(&program), b"")?;
    let mut rewire = folder.rewire_run();
    let outcome = finish(rewire.current_dir(&folder.path).arg("-L.").args(inputs))?;
    if outcome != native {
        return Err(format!("{inputs:?}: natively {native}; found {outcome}"));
    }
    Ok(native.stdout_text())
}

fn members(folder: &Folder) -> Result<Vec<PathBuf>, String> {
    let sources = MEMBERS.iter().map(|(name, text)| {
        let source = folder.file(&format!("{name}.c"), text)?;
        compile(&source, &[])
    });
    sources.collect()
}

trial!(members_are_picked_as_ld_does);
fn members_are_picked_as_ld_does(folder: &Folder) -> Result<(), String> {
    compile(&folder.file("main.c", PROGRAM)?, &[])?;
    let members = members(folder)?;
    archive(folder, "rcs", "libplain.a", &members)?;
    archive(folder, "rcsT", "libthin.a", &members)?;
    archive(folder, "rcs", "libfirst.a", &members[..1])?;
    archive(folder, "rcs", "libsecond.a", &members[1..])?;
    for inputs in [
        &["main.o", "libplain.a"][..],
        &["main.o", "libthin.a"],
        &["main.o", "-lplain"],
        &["main.o", "-l:libthin.a"],
        &["main.o", "-lfirst", "-lsecond"],
        &[
            "main.o",
            "--start-group",
            "-lsecond",
            "-lfirst",
            "--end-group",
        ],
        &["main.o", "two.o", "libplain.a"],
    ] {
        let said = compare(folder, inputs)?;
        if said.contains("extra") {
            return Err(format!("a weak use has loaded a member: {inputs:?} {said}"));
        }
    }
    for inputs in [
        &[
            "main.o",
            "--whole-archive",
            "libplain.a",
            "--no-whole-archive",
        ][..],
        &[
            "--whole-archive",
            "libsecond.a",
            "--no-whole-archive",
            "main.o",
            "libfirst.a",
        ],
    ] {
        let said = compare(folder, inputs)?;
        if !said.contains("extra") {
            return Err(format!("a member is missing: {inputs:?} {said}"));
        }
    }
    // What is still undefined is searched from the start, where ld gives up.
    let outcome = finish(folder.rewire_run().current_dir(&folder.path).args([
        "main.o",
        "libsecond.a",
        "libfirst.a",
    ]))?;
    expect_code(&outcome, &[3])?;
    expect_stdout(&outcome, "one\ntwo\n11 0\n")
}

trial!(common_memory_gets_a_value);
fn common_memory_gets_a_value(folder: &Folder) -> Result<(), String> {
    let program = "#include <stdio.h>
        int number;
        int main(void) { printf(\"%d\\n\", number); return number; }";
    compile(&folder.file("main.c", program)?, &["-fcommon"])?;
    archive(folder, "rcs", "libnumber.a", &members(folder)?)?;
    let said = compare(folder, &["main.o", "libnumber.a"])?;
    match said.as_str() {
        "common\n4\n" => Ok(()),
        other => Err(other.to_owned()),
    }
}

trial!(archives_of_all_kinds);
/// Without a table of names, with members of one name, of bitcode, and with what is neither.
fn archives_of_all_kinds(folder: &Folder) -> Result<(), String> {
    compile(&folder.file("main.c", PROGRAM)?, &[])?;
    let members = members(folder)?;
    archive(folder, "rcS", "libbare.a", &members)?;
    let inner = folder.path.join("inner");
    std::fs::create_dir_all(&inner).map_err(|e| e.to_string())?;
    let same = inner.join("one.o");
    std::fs::copy(&members[1], &same).map_err(|e| e.to_string())?;
    let twins = [members[0].clone(), same];
    archive(folder, "qcs", "libsame.a", &twins)?;
    let bitcode = folder.path.join("two.bc");
    process::make_bitcode(&folder.path.join("two.c"), &[], &bitcode)?;
    let text = folder.file("read.me", "text\n")?;
    archive(
        folder,
        "rcs",
        "libmixed.a",
        &[text, bitcode, members[0].clone()],
    )?;
    for library in ["libbare.a", "libsame.a", "libmixed.a"] {
        for options in [&[][..], &["--eager"], &["-O", "2"], &["--stress=1"]] {
            let mut command = folder.rewire_run();
            command.current_dir(&folder.path).args(options);
            let outcome = finish(command.args(["main.o", library]))?;
            let is_right = outcome.ending == Ending::Code(3)
                && outcome.stdout_text().ends_with("11 0\n")
                && outcome.stdout_text().lines().count() == 3;
            if !is_right {
                return Err(format!("{library} {options:?}: {outcome}"));
            }
        }
    }
    Ok(())
}

trial!(damaged_archives_are_errors);
fn damaged_archives_are_errors(folder: &Folder) -> Result<(), String> {
    compile(&folder.file("main.c", PROGRAM)?, &[])?;
    let members = members(folder)?;
    archive(folder, "rcs", "libplain.a", &members)?;
    archive(folder, "rcsT", "libthin.a", &members)?;
    let bytes = std::fs::read(folder.path.join("libplain.a")).map_err(|e| e.to_string())?;
    folder.file("cut.a", &bytes[..bytes.len() / 2])?;
    let mut spoilt = bytes.clone();
    let at = bytes.len() - 4000;
    spoilt[at..at + 2000].fill(0xff);
    folder.file("spoilt.a", &spoilt)?;
    std::fs::remove_file(folder.path.join("two.o")).map_err(|e| e.to_string())?;
    for (inputs, part) in [
        (&["main.o", "cut.a"][..], "cut.a"),
        (&["main.o", "--whole-archive", "spoilt.a"], "spoilt.a"),
        (&["main.o", "libthin.a"], "two.o"),
    ] {
        let mut command = folder.rewire_run();
        let outcome = finish(command.current_dir(&folder.path).args(inputs))?;
        expect_error(&outcome, &[65], &[part]).map_err(|e| format!("{inputs:?}: {e}"))?;
    }
    for inputs in [&["main.o", "--end-group"][..], &["--start-group", "main.o"]] {
        let mut command = folder.rewire_run();
        let outcome = finish(command.current_dir(&folder.path).args(inputs))?;
        expect_error(&outcome, &[2], &["group"])?;
    }
    Ok(())
}
