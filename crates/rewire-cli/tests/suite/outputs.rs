//! Outputs that can't be written: what was asked for and can't be had is an error, found at the
//! start where it can be; what is only said on standard error never ends a program.

use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::process::{self, Outcome};
use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (option, name) in [("--report=", "report"), ("--trace=", "trace")] {
        for (place, path) in [
            ("no_such_folder", "no_such_folder/file.json"),
            ("a_folder", "."),
            ("a_full_device", "/dev/full"),
        ] {
            trials.push(
                bench.test(format!("outputs::{name}_in_{place}"), move |folder| {
                    found_at_the_start(folder, option, path)
                }),
            );
        }
        trials.push(
            bench.test(format!("outputs::{name}_replaces_an_older_one"), move |f| {
                replaces_an_older_one(f, option)
            }),
        );
    }
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("version", &["--version"]),
        ("completions", &["completions", "zsh"]),
    ] {
        trials.push(
            bench.test(format!("outputs::{name}_to_a_full_device"), move |folder| {
                let outcome = shell(folder, arguments, "> /dev/full")?;
                expect_error(&outcome, &[1], &["cannot write to standard output"])
            }),
        );
    }
    for (name, redirection) in [("full", "2> /dev/full"), ("closed", "2>&-")] {
        trials.push(
            bench.test(format!("outputs::standard_error_{name}"), move |folder| {
                standard_error(folder, redirection)
            }),
        );
    }
    trials
}

/// A program with a function that nothing defines, which is called when there are arguments.
const PROGRAM: &str = r#"
#include <stdio.h>
void missing(void);
int main(int argc, char **argv) {
    puts("ran");
    fflush(stdout);
    if (argc > 1)
        missing();
    return 4;
}
"#;

/// `rewire ARGUMENTS` with a redirection.
fn shell(folder: &Folder, arguments: &[&str], redirection: &str) -> Result<Outcome, String> {
    let mut shell = Command::new("sh");
    let rewire = process::rewire();
    shell
        .args(["-c", &format!("exec \"$@\" {redirection}"), "sh"])
        .arg(rewire.get_program())
        .args(arguments)
        .current_dir(&folder.path);
    finish(&mut shell)
}

fn found_at_the_start(folder: &Folder, option: &str, path: &str) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let mut command = folder.rewire_run();
    let outcome = finish(command.arg(format!("{option}{path}")).arg(program))?;
    expect_error(&outcome, &[2], &["cannot write the", path])?;
    expect_stdout(&outcome, "")
}

fn replaces_an_older_one(folder: &Folder, option: &str) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let older = "x".repeat(1 << 20);
    let file = folder.file("older.json", &older)?;
    let mut command = folder.rewire_run();
    let outcome = finish(command.arg(format!("{option}older.json")).arg(program))?;
    expect_code(&outcome, &[4])?;
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let read = serde_json::from_str::<serde_json::Value>(&text);
    read.map(drop).map_err(|e| format!("{e}: {text}"))
}

fn standard_error(folder: &Folder, redirection: &str) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let program = program.to_string_lossy();
    let run = |options: &[&str], code: i32, stdout: &str| {
        let outcome = shell(folder, options, redirection)?;
        expect_code(&outcome, &[code])?;
        expect_stdout(&outcome, stdout)
    };
    run(&["run", "--report", &program], 4, "ran\n")?;
    run(&["run", "-vv", &program], 4, "ran\n")?;
    run(&["run", &program, "--", "x"], 70, "ran\n")?;
    run(&["run", "no_such_file.bc"], 65, "")?;
    run(&["run", "--no-such-option"], 2, "")?;
    run(&["inspect", "no_such_file.bc"], 65, "")?;
    let warns = folder.file(
        "warns.c",
        "int main(void) { int x; return 6 / 0 * 0 ? x : 0; }",
    )?;
    let source = warns.to_string_lossy();
    let outcome = shell(folder, &["run", "--entry", "nothing", &source], redirection)?;
    expect_code(&outcome, &[65])
}
