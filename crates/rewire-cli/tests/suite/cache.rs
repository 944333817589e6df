//! The cache of `rewire run`: what is found, what is compiled again, and what never goes wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process;
use crate::support::{Folder, expect_code, expect_stdout, finish};

/// A function that inlines another, one that folds a constant, locals, and text.
const PROGRAM: &str = r#"
#include <stdio.h>
static const int table[] = {3, 5, 7};
static inline __attribute__((always_inline)) int inlined(int x) { return x + 100; }
static int helper(int x) { return table[x % 3] + x; }
__attribute__((noinline)) int first(int x) { return inlined(x) * 2; }
__attribute__((noinline)) int second(int x) { return helper(x) - 1; }
int main(int argc, char **argv) {
    printf("%s %d %d\n", "numbers", first(argc), second(argc));
    return 0;
}
"#;
const PRINTED: &str = "numbers 202 5\n";

fn run_kept(folder: &Folder, options: &[&str], files: &[&Path]) -> Result<(String, Value), String> {
    let report = folder.path.join("report.json");
    let mut command = folder.rewire_run();
    command
        .args(["--cache", "kept", &format!("--report={}", report.display())])
        .args(options)
        .args(files);
    let outcome = finish(&mut command)?;
    expect_code(&outcome, &[0])?;
    let text = fs::read_to_string(&report).map_err(|e| format!("no report: {e}"))?;
    let report = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    Ok((outcome.stdout_text(), report))
}

fn count(report: &Value, field: &str) -> Result<u64, String> {
    let found = report[field].as_u64();
    found.ok_or_else(|| format!("no {field} in {report}"))
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what} should be {expected:?} and is {found:?}")),
    }
}

/// `rewire cache`, for the folder that [`run_kept`] uses.
fn look_after(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = process::rewire();
    command
        .args(["cache", "--cache", "kept"])
        .args(arguments)
        .current_dir(&folder.path);
    command
}

fn said(folder: &Folder, arguments: &[&str]) -> Result<String, String> {
    let outcome = finish(&mut look_after(folder, arguments))?;
    expect_code(&outcome, &[0])?;
    Ok(outcome.stdout_text())
}

trial!(the_second_run_compiles_nothing);
fn the_second_run_compiles_nothing(folder: &Folder) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let ways: [&[&str]; 6] = [
        &["--threads", "0"],
        &["--threads", "0", "-O1"],
        &["--threads", "0", "-O2"],
        &["--threads", "0", "-O3", "--eager"],
        &["--threads", "0", "-O2", "--frozen"],
        &["--threads", "0", "--eager"],
    ];
    for options in ways {
        for round in 0..2 {
            let (printed, report) = run_kept(folder, options, &[&program])?;
            let what = |field: &str| format!("{field} of run {round} with {options:?}");
            expect(&what("the output"), &*printed, PRINTED)?;
            let misses = count(&report, "cache_misses")?;
            if round == 1 {
                expect(&what("misses"), misses, 0)?;
                expect(
                    &what("codegen"),
                    report["ms"]["codegen"].as_f64(),
                    Some(0.0),
                )?;
            } else if options != ways[5] {
                expect(&what("whether there are misses"), misses > 0, true)?;
            }
        }
    }
    let info = said(folder, &["info"])?;
    if !info.contains("found") || !info.contains("kept") {
        return Err(format!("cache info says {info:?}"));
    }
    said(folder, &["verify"])?;
    said(folder, &["clear"])?;
    let (_, report) = run_kept(folder, &["--threads", "0"], &[&program])?;
    expect("hits after `clear`", count(&report, "cache_hits")?, 0)
}

trial!(what_changed_is_told_and_compiled);
fn what_changed_is_told_and_compiled(folder: &Folder) -> Result<(), String> {
    let options = ["--threads", "0", "-O2"];
    let explain = |name| said(folder, &["explain", "program.bc", name, "-O2"]);
    let program = folder.bitcode("program", PROGRAM)?;
    expect(
        "never kept",
        &*explain("first")?,
        "first: not found: never kept\n",
    )?;
    run_kept(folder, &options, &[&program])?;
    for name in ["first", "second", "helper", "main"] {
        let found = explain(name)?;
        expect(&found, found.starts_with(&format!("{name}: found: ")), true)?;
    }
    folder.bitcode("program", &PROGRAM.replace("x + 100", "x + 200"))?;
    expect(
        "what is said of `first`",
        &*explain("first")?,
        "first: not found: imported body `inlined` changed\n",
    )?;
    let (printed, report) = run_kept(folder, &options, &[&program])?;
    expect("the output", &*printed, "numbers 402 5\n")?;
    expect("misses", count(&report, "cache_misses")?, 1)?;
    folder.bitcode("program", &PROGRAM.replace("3, 5, 7", "3, 6, 7"))?;
    let found = explain("helper")?;
    expect(&found, found.contains("constant `table` changed"), true)?;
    let (printed, _) = run_kept(folder, &options, &[&program])?;
    expect("the output", &*printed, "numbers 202 6\n")?;
    // Other names of locals, other places of functions.
    let moved = PROGRAM
        .replace("helper", "assistant")
        .replace(
            "first(int x) { return",
            "first(int x) { int y = x; x = y; return",
        )
        .replace(
            "#include <stdio.h>",
            "#include <stdio.h>\nint added(void) { return *\"q\"; }",
        );
    folder.bitcode("program", &moved)?;
    let (printed, report) = run_kept(folder, &options, &[&program])?;
    expect("the output", &*printed, PRINTED)?;
    expect(
        "misses after a renaming",
        count(&report, "cache_misses")? <= 1,
        true,
    )
}

trial!(nothing_is_kept_without_a_cache);
fn nothing_is_kept_without_a_cache(folder: &Folder) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    for (variable, options, is_kept) in [
        ("off", &[][..], false),
        ("there", &["--no-cache"], false),
        ("there", &["--cache", "other", "--no-cache"], false),
        ("there", &[], true),
    ] {
        let mut command = folder.rewire_run();
        command
            .env("REWIRE_CACHE", variable)
            .args(options)
            .arg(&program);
        let outcome = finish(&mut command)?;
        expect_code(&outcome, &[0])?;
        expect_stdout(&outcome, PRINTED)?;
        let exists = |name: &str| folder.path.join(name).exists();
        expect("whether there is a folder", exists("there"), is_kept)?;
        expect(
            "whether there is another folder",
            exists("other") || exists("off"),
            false,
        )?;
    }
    Ok(())
}

/// All files with entries.
fn kept_files(folder: &Folder) -> Vec<PathBuf> {
    let list = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
    let shards = list(folder.path.join("kept/v1/files"));
    shards
        .flat_map(|shard| list(shard.path()))
        .map(|file| file.path())
        .collect()
}

trial!(damaged_entries_are_compiled_again);
fn damaged_entries_are_compiled_again(folder: &Folder) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let options = ["--threads", "0"];
    run_kept(folder, &options, &[&program])?;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..30 {
        let mut files = kept_files(folder);
        if round % 10 == 9 {
            files.push(folder.path.join("kept/v1/index/data.mdb"));
        }
        for path in &files {
            let mut bytes = fs::read(path).map_err(|e| e.to_string())?;
            if bytes.is_empty() {
                continue;
            }
            match random.u8(0..3) {
                0 => bytes.truncate(random.usize(0..bytes.len())),
                1 => bytes.clear(),
                _ => {
                    let place = random.usize(0..bytes.len());
                    bytes[place] ^= 1 << random.u8(0..8);
                }
            }
            fs::write(path, bytes).map_err(|e| e.to_string())?;
        }
        let (printed, _) = run_kept(folder, &options, &[&program])?;
        expect(&format!("the output of run {round}"), &*printed, PRINTED)?;
    }
    finish(&mut look_after(folder, &["verify"]))?;
    said(folder, &["verify"])?;
    Ok(())
}

trial!(a_folder_that_cannot_be_used_costs_nothing);
fn a_folder_that_cannot_be_used_costs_nothing(folder: &Folder) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let run = |cache: &str| {
        let mut command = folder.rewire_run();
        command.args(["--cache", cache]).arg(&program);
        let outcome = finish(&mut command)?;
        expect_code(&outcome, &[0])?;
        expect_stdout(&outcome, PRINTED)?;
        Ok::<_, String>(outcome.stderr_text())
    };
    let mode = |name: &str, mode| {
        fs::set_permissions(folder.path.join(name), Permissions::from_mode(mode))
            .map_err(|e| e.to_string())
    };
    folder.file("file", "")?;
    let told = run("file")?;
    expect(&told, told.contains("isn't a folder"), true)?;
    fs::create_dir(folder.path.join("open")).map_err(|e| e.to_string())?;
    mode("open", 0o777)?;
    let told = run("open")?;
    expect(&told, told.contains("others may write"), true)?;
    expect(
        "what is said of a full disk",
        run("/dev/full/kept")?.is_empty(),
        false,
    )?;
    // Root may write everywhere, so that this says something to others only.
    fs::create_dir(folder.path.join("closed")).map_err(|e| e.to_string())?;
    mode("closed", 0o500)?;
    run("closed")?;
    mode("closed", 0o700)?;
    run("made/for/it")?;
    fs::remove_dir_all(folder.path.join("made")).map_err(|e| e.to_string())?;
    run("made/for/it")?;
    Ok(())
}

/// Descriptors are those of a native program, and closing all of them harms nothing.
const CLOSES: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) int opened(void) { return open("/dev/null", O_RDONLY); }
__attribute__((noinline)) void last(void) { printf("last %d\n", opened()); fflush(stdout); }
int main(void) {
    atexit(last);
    printf("%d %d\n", opened(), opened());
    fflush(stdout);
    for (int i = 3; i < 1000; ++i)
        close(i);
    if (fork() == 0)
        exit(7);
    int status;
    wait(&status);
    printf("%d %d\n", opened(), WEXITSTATUS(status));
    return 0;
}
"#;

trial!(descriptors_are_the_programs);
fn descriptors_are_the_programs(folder: &Folder) -> Result<(), String> {
    let program = folder.bitcode("program", CLOSES)?;
    for threads in ["0", "1"] {
        for _ in 0..2 {
            let (printed, _) = run_kept(folder, &["--threads", threads], &[&program])?;
            expect("the output", &*printed, "3 4\nlast 3\n3 7\nlast 4\n")?;
        }
    }
    let (_, report) = run_kept(folder, &["--threads", "0"], &[&program])?;
    expect("misses", count(&report, "cache_misses")?, 0)?;
    said(folder, &["verify"]).map(drop)
}

trial!(killed_and_at_once);
fn killed_and_at_once(folder: &Folder) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(11);
    let text = |round: u32| PROGRAM.replace("x + 100", &format!("x + {}", 100 + round % 5));
    for round in 0..number("REWIRE_TEST_KILLS", 16) as u32 {
        let program = folder.bitcode("program", &text(round))?;
        let start = || {
            let mut command = folder.rewire_run();
            command.args(["--cache", "kept"]).arg(&program);
            let piped = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            piped.spawn().map_err(|e| e.to_string())
        };
        let (mut one, other) = (start()?, start()?);
        // When exactly it is killed is left to chance; whatever that is, no result may be wrong.
        std::thread::sleep(Duration::from_millis(random.u64(0..120)));
        let _ = one.kill();
        one.wait().map_err(|e| e.to_string())?;
        let done = other.wait_with_output().map_err(|e| e.to_string())?;
        let expected = format!("numbers {} 5\n", 2 * (101 + round % 5));
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        expect(&format!("the output of round {round}"), printed, expected)?;
    }
    said(folder, &["verify"])?;
    let program = folder.bitcode("program", &text(0))?;
    let (printed, report) = run_kept(folder, &[], &[&program])?;
    expect("the output", &*printed, PRINTED)?;
    expect(
        "whether anything is found",
        count(&report, "cache_hits")? > 0,
        true,
    )
}

/// A program of three modules, whose functions call one another, inline bodies that each module
/// has, and read constants.
struct Edited {
    /// For each function, what it multiplies by and adds.
    functions: Vec<(u32, u32)>,
    /// The constants that functions read; private ones.
    constants: Vec<u32>,
    /// What each inlined body adds, one for each module.
    inlined: [u32; 3],
    /// How many other locals stand before those that count, in each module.
    before: [usize; 3],
    /// A part of the names of locals.
    word: &'static str,
}

/// A number that a variable of the environment names, for runs by hand that take longer.
fn number(variable: &str, otherwise: usize) -> usize {
    let named = std::env::var(variable).ok();
    named
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

impl Edited {
    fn new(functions: usize) -> Self {
        Self {
            functions: vec![(3, 1); functions],
            constants: vec![17; functions],
            inlined: [1, 2, 3],
            before: [0; 3],
            word: "local",
        }
    }

    fn edit(&mut self, random: &mut fastrand::Rng) {
        let value = random.u32(0..50);
        let place = random.usize(0..self.functions.len());
        match random.u8(0..6) {
            0 => self.functions[place].0 = value,
            1 => self.functions[place].1 = value,
            2 => self.constants[place] = value,
            3 => self.inlined[place % 3] = value,
            4 => self.before[place % 3] = value as usize % 5,
            _ => self.word = ["local", "other", "third"][place % 3],
        }
    }

    /// Function `i` is in module `i % 3` and calls function `i + 1`.
    fn module(&self, number: usize) -> String {
        let (word, functions) = (self.word, self.functions.len());
        let mut text = String::new();
        for i in 0..self.before[number] {
            text += &format!("@{word}.before.{i} = private constant i32 {i}\n");
            text +=
                &format!("define ptr @added_{number}_{i}() {{\n ret ptr @{word}.before.{i}\n}}\n");
        }
        text += &format!(
            "define internal i32 @{word}.inlined(i32 %x) alwaysinline {{\n %y = add i32 %x, {}\n \
             ret i32 %y\n}}\n",
            self.inlined[number]
        );
        for i in (number..functions).step_by(3) {
            let (times, plus) = self.functions[i];
            let constant = self.constants[i];
            text += &format!(
                "@{word}.c.{i} = private constant [2 x i32] [i32 {i}, i32 {constant}]\n\
                 declare i32 @f{next}(i32)\n\
                 define i32 @f{i}(i32 %x) {{\n %a = mul i32 %x, {times}\n %b = add i32 %a, {plus}\n \
                 %p = getelementptr [2 x i32], ptr @{word}.c.{i}, i64 0, i64 1\n \
                 %c = load i32, ptr %p\n %d = xor i32 %b, %c\n \
                 %e = call i32 @{word}.inlined(i32 %d)\n %g = call i32 @f{next}(i32 %e)\n \
                 ret i32 %g\n}}\n",
                next = i + 1,
            );
        }
        if number == 0 {
            text += &format!(
                "@text = private constant [4 x i8] c\"%u\\0A\\00\"\ndeclare i32 @printf(ptr, ...)\n\
                 define i32 @f{functions}(i32 %x) {{\n ret i32 %x\n}}\n\
                 define i32 @main() {{\n %r = call i32 @f0(i32 1)\n \
                 call i32 (ptr, ...) @printf(ptr @text, i32 %r)\n ret i32 0\n}}\n"
            );
            text = text.replacen(&format!("declare i32 @f{functions}(i32)\n"), "", 1);
        }
        text
    }

    /// What it prints.
    fn result(&self) -> u32 {
        (0..self.functions.len()).fold(1, |x: u32, i| {
            let (times, plus) = self.functions[i];
            let mixed = x.wrapping_mul(times).wrapping_add(plus) ^ self.constants[i];
            mixed.wrapping_add(self.inlined[i % 3])
        })
    }
}

trial!(edited_at_random);
fn edited_at_random(folder: &Folder) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(23);
    let mut edited = Edited::new(number("REWIRE_TEST_FUNCTIONS", 30));
    let (mut hits, mut misses) = (0, 0);
    let ways: [&[&str]; 5] = [&[], &["-O2"], &["--eager"], &["--threads", "0"], &["-O1"]];
    for round in 0..number("REWIRE_TEST_EDITS", 150) {
        edited.edit(&mut random);
        let mut files = Vec::new();
        for number in 0..3 {
            files.push(folder.file(&format!("m{number}.ll"), edited.module(number))?);
        }
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let options = ways[random.usize(0..ways.len())];
        let (printed, report) = run_kept(folder, options, &files)?;
        let what = format!("the output of round {round} with {options:?}");
        expect(&what, printed, format!("{}\n", edited.result()))?;
        hits += count(&report, "cache_hits")?;
        misses += count(&report, "cache_misses")?;
    }
    // Of the code that holds copies of other modules' functions, an edit changes more.
    let share = format!("{hits} hits, {misses} misses");
    expect(
        &format!("whether most is found ({share})"),
        2 * hits > 3 * misses,
        true,
    )
}
