//! `--gdb` and `--perf`: what a debugger and a profiler find.

use std::fs::File;
use std::process::Command;

use linux_perf_data::jitdump::{JitDumpReader, JitDumpRecord};

use crate::process::{self, Outcome};
use crate::support::{Folder, expect_code, expect_error, finish};

/// `hot` is compiled again, and its loop goes on in a continuation.
const SOURCE: &str = r#"
__attribute__((noinline)) static int tripled(int x) { return x * 3; }
__attribute__((noinline)) int tripled_and_one(int x) { return tripled(x) + 1; }
__attribute__((noinline)) long hot(long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) sum += i ^ (sum >> 3);
  return sum;
}
int main(void) { return tripled_and_one(2) != 7 || hot(200000000) == 1; }
"#;

fn gdb(folder: &Folder, options: &[&str], commands: &[&str]) -> Result<Outcome, String> {
    let source = folder.file("main.c", SOURCE)?;
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "set breakpoint pending on"]);
    // Where the test runs, address randomisation may not be switched off.
    gdb.args(["-ex", "set disable-randomization off"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let rewire = process::rewire();
    gdb.arg("--args")
        .arg(rewire.get_program())
        .args(["run", "--no-cache"]);
    gdb.args(options).arg(source);
    finish(&mut gdb)
}

fn expect_lines(outcome: &Outcome, parts: &[&str]) -> Result<(), String> {
    let text = outcome.stdout_text();
    let mut lines = text.lines();
    for part in parts {
        if !lines.any(|line| line.contains(part)) {
            return Err(format!(
                "no line has {part:?}, or not in this order: {outcome}"
            ));
        }
    }
    Ok(())
}

trial!(breakpoints);
/// A breakpoint by name in a function that isn't compiled yet, and a back-trace through compiled
/// frames to the program's start; without an option, because gdb is attached.
fn breakpoints(folder: &Folder) -> Result<(), String> {
    for options in [&[][..], &["--gdb", "-O2"], &["--gdb=always", "--eager"]] {
        let commands = ["break tripled", "run", "backtrace", "continue"];
        let outcome = gdb(folder, options, &commands)?;
        let parts = [
            "Breakpoint 1, ",
            "#0 ",
            "in tripled_and_one",
            "in main",
            "exited normally",
        ];
        expect_lines(&outcome, &parts).map_err(|error| format!("{options:?}: {error}"))?;
    }
    let never = gdb(folder, &["--gdb=never"], &["break tripled", "run"])?;
    expect_lines(&never, &["exited normally"])
}

trial!(wrong_words);
fn wrong_words(folder: &Folder) -> Result<(), String> {
    let source = folder.file("main.c", SOURCE)?;
    let outcome = finish(folder.rewire_run().arg("--gdb=often").arg(&source))?;
    expect_error(&outcome, &[2], &["often", "auto"])?;
    let mut run = folder.rewire_run();
    let outcome = finish(
        run.env("JITDUMPDIR", "/nonexistent")
            .arg("--perf")
            .arg(&source),
    )?;
    expect_error(&outcome, &[2], &["--perf", "/nonexistent", "JITDUMPDIR"])
}

trial!(jitdump);
/// The jitdump has every function that ran: quick, optimised, and from its loop on.
fn jitdump(folder: &Folder) -> Result<(), String> {
    let source = folder.file("main.c", SOURCE)?;
    let outcome = finish(
        folder
            .rewire_run()
            .args(["--perf", "--no-cache"])
            .arg(&source),
    )?;
    expect_code(&outcome, &[0])?;
    let names = names_in_dump(folder).map_err(|error| error.to_string())?;
    for name in ["main", "tripled", "tripled_and_one", "hot", "hot [loop 0]"] {
        if !names.iter().any(|known| known == name) {
            return Err(format!("no {name} among {names:?}"));
        }
    }
    Ok(())
}

fn names_in_dump(folder: &Folder) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut files = std::fs::read_dir(&folder.path)?
        .flatten()
        .map(|entry| entry.path());
    let dump = files.find(|path| path.extension().is_some_and(|it| it == "dump"));
    let dump = dump.ok_or("there is no jitdump")?;
    let map = dump
        .file_stem()
        .ok_or("no name")?
        .to_string_lossy()
        .replace("jit-", "perf-");
    let map = format!("/tmp/{map}.map");
    let lines = std::fs::read_to_string(&map)?;
    std::fs::remove_file(&map)?;
    let mut reader = JitDumpReader::new(File::open(dump)?)?;
    let mut names = Vec::new();
    while let Some(record) = reader.next_record()? {
        if let JitDumpRecord::CodeLoad(load) = record.parse()? {
            let name = String::from_utf8(load.function_name.as_slice().to_vec())?;
            let line = format!("{:x} {:x} {name}", load.code_addr, load.code_bytes.len());
            if !lines.lines().any(|one| one == line) {
                return Err(format!("the map lacks {line}").into());
            }
            names.push(name);
        }
    }
    Ok(names)
}
