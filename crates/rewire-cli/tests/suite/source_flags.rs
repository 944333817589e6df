//! Options for sources: `-I`, `-D`, `-std=`, `--cflags`, `--cxxflags`, `--rustflags`.

use crate::process;
use crate::support::{Folder, expect_code, expect_error, expect_stdout, finish};

/// Prints what the compiler was told.
const TOLD: &str = r#"
#include <told.h>
#include <stdio.h>
int main(void) { printf("%s %s %ld", HEADER, TEXT, (long)STANDARD); return 0; }
"#;

trial!(c_and_cxx);
/// Both languages get the folders and macros, each the standard and the options that are its own.
fn c_and_cxx(folder: &Folder) -> Result<(), String> {
    std::fs::create_dir_all(folder.path.join("a folder")).map_err(|e| e.to_string())?;
    folder.file("a folder/told.h", "#define HEADER \"header\"\n")?;
    let common = ["-Ia folder", "-DTEXT=\"a  b\"", "-std=c11", "-std=gnu++20"];
    let cases = [
        (
            "told.c",
            "-DSTANDARD=__STDC_VERSION__",
            "header a  b 201112",
        ),
        ("told.cpp", "-DSTANDARD=__cplusplus", "header a  b 202002"),
    ];
    for (name, standard, expected) in cases {
        let source = folder.file(name, TOLD)?;
        let outcome = finish(folder.rewire_run().args(common).arg(standard).arg(&source))?;
        expect_code(&outcome, &[0])?;
        expect_stdout(&outcome, expected)?;
    }
    let own = [
        "--cflags",
        "-UTEXT '-DTEXT=\"of C\"' -std=c17 -DSTANDARD=__STDC_VERSION__",
        "--cxxflags=-DSTANDARD=17",
    ];
    let outcome = finish(folder.rewire_run().args(common).args(own).arg("told.c"))?;
    expect_stdout(&outcome, "header of C 201710")?;
    let outcome = finish(folder.rewire_run().args(common).args(own).arg("told.cpp"))?;
    expect_stdout(&outcome, "header a  b 17")
}

trial!(rust);
fn rust(folder: &Folder) -> Result<(), String> {
    let source = folder.file("told.rs", "fn main() { print!(\"{}\", cfg!(extra)) }")?;
    for (flags, expected) in [
        (&[][..], "false"),
        (&["--rustflags", "--cfg extra"], "true"),
    ] {
        let outcome = finish(folder.rewire_run().args(flags).arg(&source))?;
        expect_stdout(&outcome, expected)?;
    }
    Ok(())
}

trial!(other_commands);
/// Whatever reads sources takes the options.
fn other_commands(folder: &Folder) -> Result<(), String> {
    let source = folder.file("value.c", "int value(void) { return VALUE; }\n")?;
    let inspected = finish(
        process::rewire()
            .args(["inspect", "-DVALUE=7"])
            .arg(&source),
    )?;
    expect_code(&inspected, &[0])?;
    let mut repl = process::rewire();
    repl.args(["repl", "-D", "VALUE=8"]).arg(&source);
    let answered = process::run(&mut repl, b":call value\n")?;
    expect_stdout(&answered, "8\n")
}

trial!(refused);
fn refused(folder: &Folder) -> Result<(), String> {
    let source = folder.file("main.c", "int main(void) { return 0; }\n")?;
    let open = finish(folder.rewire_run().args(["--cflags", "-DX='"]).arg(&source))?;
    expect_error(
        &open,
        &[2],
        &["--cflags -DX=': a quote or a backslash is left open"],
    )?;
    // What the compiler doesn't take is the compiler's to refuse.
    let unknown = finish(folder.rewire_run().arg("-std=c1").arg(&source))?;
    expect_error(&unknown, &[65], &["refused it", "c1"])
}
