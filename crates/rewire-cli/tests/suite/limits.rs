//! Limits of resources that the shell sets (`ulimit`): the program runs as it does natively, or a
//! message says which limit is too low.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;
use object::{Object, ObjectSegment};

use crate::process::{self, Outcome};
use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let as_native = [
        ("limits::size_of_files", "-f 8"),
        ("limits::no_files_at_all", "-f 0"),
        ("limits::small_stack", SMALL_STACK),
        ("limits::locked_memory", "-l 0"),
        ("limits::descriptors", "-n 12"),
    ];
    let as_native = as_native.into_iter().map(|(name, limit)| {
        bench.test(name, move |folder| {
            let outcome = run_limited(folder, limit)?;
            expect_code(&outcome, &[3])?;
            expect_stdout(&outcome, PRINTED)
        })
    });
    let mut trials: Vec<Trial> = as_native.collect();
    trials.push(bench.test("limits::addresses", |f| enough_or_told(f, "-v")));
    trials.push(bench.test("limits::data", |f| enough_or_told(f, "-d")));
    trials
}

/// Up to 8 KiB of it are the kernel's, at random, and the environment's. The way into the engine
/// has to make do with the rest; without optimisation its frames are several times larger.
const SMALL_STACK: &str = match cfg!(debug_assertions) {
    true => "-s 24",
    false => "-s 16",
};

/// Enough functions for compiling to need memory, and a recursion that uses the process's own
/// stack.
const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static int down(int n) { return n == 0 ? 0 : 1 + down(n - 1); }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof *numbers, compare);
    printf("%d%d%d %d\n", numbers[0], numbers[1], numbers[2], down(50));
    return 3;
}
"#;
const PRINTED: &str = "123 50\n";

fn run_limited(folder: &Folder, limit: &str) -> Result<Outcome, String> {
    let bitcode = folder.bitcode("program", SOURCE)?;
    let mut shell = Command::new("sh");
    let rewire = process::rewire();
    shell
        .args([
            "-c",
            &format!("ulimit -c 0; ulimit {limit}; exec \"$@\""),
            "sh",
        ])
        .arg(rewire.get_program())
        .args(["run", "--threads", "1"])
        .arg(bitcode);
    finish(&mut shell)
}

/// From where the kernel can just load the program to where it has room: each run is right, or says
/// which limit it met.
fn enough_or_told(folder: &Folder, option: &str) -> Result<(), String> {
    let program = loaded_size(Path::new(process::rewire().get_program()))?;
    let mut refused = 0;
    let mut ran = 0;
    // With little memory, the thread that runs the program and the one that compiles often find
    // none at the same time.
    let little = (1..=4).cycle().take(32);
    for mebibytes in little.chain([8, 16, 24, 32, 48, 64, 96, 128, 256, 512, 2048]) {
        let kibibytes = (program + LIBRARIES) / 1024 + mebibytes * 1024;
        let outcome = run_limited(folder, &format!("{option} {kibibytes}"))?;
        if expect_code(&outcome, &[3]).is_ok() {
            expect_stdout(&outcome, PRINTED)?;
            ran += 1;
        } else {
            let limit = format!("ulimit {option} is {kibibytes} KiB");
            expect_error(&outcome, &[65, 70], &[&limit])?;
            expect_one_error(&outcome)?;
            refused += 1;
        }
    }
    match (option, refused, ran) {
        (_, _, 0) => Err("it never ran".into()),
        // Of data, the size of the program alone is enough.
        ("-v", 0, _) => Err("every limit was enough: the smallest one is too large".into()),
        _ => Ok(()),
    }
}

/// What the loader takes for the shared libraries that the program is linked with, in bytes.
const LIBRARIES: u64 = 4 << 20;

/// How many bytes of addresses a program itself takes. Its file may be much larger.
fn loaded_size(program: &Path) -> Result<u64, String> {
    let bytes = fs::read(program).map_err(|e| e.to_string())?;
    let file = object::File::parse(&*bytes).map_err(|e| e.to_string())?;
    Ok(file.segments().map(|segment| segment.size()).sum())
}

fn expect_one_error(outcome: &Outcome) -> Result<(), String> {
    let said = outcome.stderr_text();
    match said.matches("error: ").count() {
        1 => Ok(()),
        several => Err(format!("{several} errors were told:\n{said}")),
    }
}
