//! What a call costs: to functions that were called before, for the first time, and left by an
//! exception. The programs time themselves, so that compiling is not in it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::cases::{lli, thousands};
use super::measure::{Contender, Expected, LIMIT, PRINTED, Rounds};
use super::results::{Limit, Results, Table};
use crate::corpus::write;
use crate::error::{Context, Result};
use crate::paths::{self, shown};
use crate::process::{Job, command, output_of};
use crate::rewire::Rewire;

/// The most calls that one function makes: LLVM is worse than linear in a huge one.
const GROUP: usize = 100;

/// How many distinct functions are called, and how much longer than natively a call may take.
const CALLEES: [(usize, f64); 3] = [(512, 1.05), (1_024, 1.3), (16_384, 1.7)];

/// The same for frozen code.
const FROZEN: f64 = 1.05;

/// Functions of the first-call program: the groups, and how many each calls for certain. A group
/// and these are as many as are compiled in company.
const GROUPS: usize = 500;
const IN_GROUP: usize = 15;

/// Nanoseconds that a first call may take.
const FIRST_CALL: f64 = 600.0;

/// How many functions are loaded when something is thrown.
const LOADED: [usize; 2] = [100, 20_000];

/// How much longer a throw may take with the many loaded than with the few.
const THROW: f64 = 1.3;

const HEADER: &str = "target datalayout = \
    \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128\"\n\
    target triple = \"x86_64-pc-linux-gnu\"\n";

/// A program of generated functions and a written main part.
pub(super) struct Program {
    pub(super) bitcode: PathBuf,
    pub(super) native: PathBuf,
}

impl Program {
    /// Compiles `source` of the corpus' inputs and links it with the generated `ir`.
    pub(super) fn new(name: &str, ir: &str, source: &str, options: &[&str]) -> Result<Self> {
        let dir = paths::corpus().join("calls");
        fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
        let at = |extension: &str| dir.join(format!("{name}.{extension}"));
        let (text, part) = (at("ll"), at("main.bc"));
        let (bitcode, native) = (at("bc"), at("native"));
        write(&text, format!("{HEADER}{ir}").as_bytes())?;
        let tool = if source.ends_with(".cpp") {
            "clang++"
        } else {
            "clang"
        };
        let mut clang = command(paths::llvm_tool(tool)?);
        clang.args(["-O2", "-fPIE", "-emit-llvm", "-c"]);
        let source = paths::corpus_inputs().join(source);
        output_of(clang.arg(source).arg("-o").arg(&part))?;
        let mut link = command(paths::llvm_tool("llvm-link")?);
        output_of(link.arg(&text).arg(&part).arg("-o").arg(&bitcode))?;
        let mut clang = command(paths::llvm_tool(tool)?);
        clang.args(["-w", "-fPIE", "-pie"]).args(options);
        output_of(clang.arg(&bitcode).arg("-o").arg(&native))?;
        Ok(Self { bitcode, native })
    }
}

/// Defines `all_calls`, which calls `size` functions, each once, in random order. It may be called
/// from one thread or several; none is inlined.
fn all_calls(size: usize) -> String {
    let mut ir = String::new();
    // Writing into a string can't fail.
    for i in 0..size {
        let _ = writeln!(
            ir,
            "define dso_local i32 @f{i}(i32 %x) #0 {{\n  %m = mul i32 %x, 3\n  %r = add i32 %m, \
             {i}\n  ret i32 %r\n}}"
        );
    }
    let mut names: Vec<String> = (0..size).map(|i| format!("f{i}")).collect();
    shuffle(&mut names);
    let mut level = 0;
    while names.len() > 1 || level == 0 {
        let groups = names.chunks(GROUP).enumerate().map(|(number, members)| {
            let name = format!("g{level}_{number}");
            let _ = writeln!(ir, "define dso_local i32 @{name}(i32 %c0) #0 {{");
            for (i, member) in members.iter().enumerate() {
                let _ = writeln!(ir, "  %c{} = call i32 @{member}(i32 %c{i})", i + 1);
            }
            let _ = writeln!(ir, "  ret i32 %c{}\n}}", members.len());
            name
        });
        names = groups.collect();
        level += 1;
    }
    let _ = writeln!(
        ir,
        "define dso_local i32 @all_calls(i32 %x) #0 {{\n  %r = call i32 @{}(i32 %x)\n  ret i32 \
         %r\n}}\nattributes #0 = {{ noinline nounwind uwtable }}",
        names[0]
    );
    ir
}

/// The same order on every run (Fisher and Yates).
fn shuffle<T>(values: &mut [T]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for i in (1..values.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values.swap(i, (state % (i as u64 + 1)) as usize);
    }
}

/// A table of contenders that print nanoseconds; what the first one prints besides is expected.
fn measure(
    key: String,
    title: String,
    note: &str,
    jobs: Vec<(String, Job)>,
    rounds: &Rounds,
) -> Result<Table> {
    let first = jobs[0].1.capture(LIMIT)?;
    let expected = Rc::new(Expected::from(first));
    let contenders: Vec<Contender> = jobs
        .into_iter()
        .map(|(label, job)| Contender::new(label, job, &expected).prints())
        .collect();
    let rows = rounds.in_turn(&title, &contenders)?;
    Ok(Table {
        key,
        title,
        note: note.into(),
        unit: PRINTED,
        rows,
    })
}

fn native(path: &Path, args: &[OsString]) -> (String, Job) {
    ("native -O2".to_owned(), Job::new(path).args(args))
}

/// Calls between compiled functions.
pub(crate) fn calls(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    for (size, most) in CALLEES {
        let ir = all_calls(size);
        let program = Program::new(&format!("calls.{size}"), &ir, "calls.c", &["-O2"])?;
        let args: Vec<OsString> = vec![size.to_string().into()];
        let file = std::slice::from_ref(&program.bitcode);
        let frozen = [&["-O2", "--frozen"], &[] as &[&str]].concat();
        let jobs = vec![
            native(&program.native, &args),
            ("rewire -O2".into(), rewire.job(&["-O2"], file, &args)),
            (
                "rewire --eager -O2".into(),
                rewire.job(&["--eager", "-O2"], file, &args),
            ),
            (
                "rewire --frozen -O2".into(),
                rewire.job(&frozen, file, &args),
            ),
            (
                "lli orc -O2".into(),
                lli("orc", &["-O2"], &program.bitcode)?.args(&args),
            ),
        ];
        let key = format!("calls {size}");
        let title = format!("Calls to {} functions in random order", thousands(size));
        results.tables.push(measure(
            key.clone(),
            title,
            "Nanoseconds a call, of functions that multiply and add; all were called before. \
             Native is the same bitcode as a position-independent program.",
            jobs,
            rounds,
        )?);
        for (own, most) in [
            ("rewire -O2", most),
            ("rewire --eager -O2", most),
            ("rewire --frozen -O2", FROZEN),
        ] {
            results.limits.push(Limit::ratio(
                format!("calls to {} functions, {own}", thousands(size)),
                (&key, own),
                (&key, "native -O2"),
                most,
            ));
        }
    }
    Ok(())
}

/// First calls of functions whose code is there.
pub(crate) fn first_call(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let mut ir = String::from(
        "@total = external global i32\ndeclare void @began()\ndeclare void @ended()\n",
    );
    for group in 0..GROUPS {
        let mut calls = String::new();
        for i in 0..IN_GROUP {
            let _ = writeln!(
                ir,
                "define void @f{group}_{i}() #0 {{\n  %a = load volatile i32, ptr @total\n  %b = \
                 add i32 %a, {i}\n  store volatile i32 %b, ptr @total\n  ret void\n}}"
            );
            let _ = writeln!(calls, "  call void @f{group}_{i}()");
        }
        let _ = writeln!(
            ir,
            "define void @group_{group}() #0 {{\n  call void @began()\n{calls}  call void \
             @ended()\n  ret void\n}}"
        );
    }
    let table: Vec<String> = (0..GROUPS).map(|i| format!("ptr @group_{i}")).collect();
    let _ = writeln!(
        ir,
        "@groups = constant [{GROUPS} x ptr] [{}]\n@group_count = constant i32 {GROUPS}\n\
         @calls_in_group = constant i32 {IN_GROUP}\nattributes #0 = {{ noinline nounwind uwtable }}",
        table.join(", ")
    );
    let program = Program::new("first_call", &ir, "first_call.c", &["-O2"])?;
    let file = std::slice::from_ref(&program.bitcode);
    let none: [&str; 0] = [];
    // Without other threads, all bodies of a group are there before the group runs.
    let own = |level| rewire.job(&[level, "--threads=0"], file, &none);
    let jobs = vec![
        ("rewire -O0".to_owned(), own("-O0")),
        ("rewire -O2".to_owned(), own("-O2")),
        native(&program.native, &[]),
    ];
    results.tables.push(measure(
        "first call".into(),
        format!("First calls of {} functions", thousands(GROUPS * IN_GROUP)),
        "Nanoseconds a first call of a function whose code is in memory, because it was compiled \
         in company with its caller (`--threads 0`). `lli` has no such moment: it compiles in the call.",
        jobs,
        rounds,
    )?);
    for own in ["rewire -O0", "rewire -O2"] {
        results.limits.push(Limit::absolute(
            format!("first call of a function whose code is ready, {own}"),
            ("first call", own),
            FIRST_CALL,
            "ns",
        ));
    }
    Ok(())
}

/// C++ exceptions through three frames.
pub(crate) fn throw(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let mut programs = Vec::new();
    for loaded in LOADED {
        let ir = all_calls(loaded);
        let options = ["-O0", "-pthread"];
        programs.push((
            loaded,
            Program::new(&format!("throw.{loaded}"), &ir, "throw.cpp", &options)?,
        ));
    }
    for threads in [1, 8] {
        let args: Vec<OsString> = vec![threads.to_string().into()];
        let mut jobs = Vec::new();
        let label = |what: &str, loaded: usize| format!("{what}, {} loaded", thousands(loaded));
        for (loaded, program) in &programs {
            let file = std::slice::from_ref(&program.bitcode);
            let job = rewire.job(&["-lstdc++"], file, &args);
            jobs.push((label("rewire", *loaded), job));
        }
        for (loaded, program) in &programs {
            let file = std::slice::from_ref(&program.bitcode);
            let job = rewire.job(&["--eager", "-lstdc++"], file, &args);
            jobs.push((label("rewire --eager", *loaded), job));
        }
        for (loaded, program) in &programs {
            let job = lli("orc", &[], &program.bitcode)?.args(&args);
            jobs.push((label("lli orc", *loaded), job));
        }
        for (loaded, program) in &programs {
            let job = Job::new(&program.native).args(&args);
            jobs.push((label("native", *loaded), job));
        }
        let who = match threads {
            1 => "one thread".to_owned(),
            more => format!("{more} threads at once"),
        };
        let key = format!("throw {threads}");
        results.tables.push(measure(
            key.clone(),
            format!("C++ exceptions, thrown by {who}"),
            "Nanoseconds a throw through three compiled frames with destructors, as a thread \
             sees it. All functions that are loaded were called, so that they are compiled and \
             registered.",
            jobs,
            rounds,
        )?);
        for what in ["rewire", "rewire --eager"] {
            results.limits.push(Limit::ratio(
                format!("a throw by {who} with 20,000 functions loaded against 100, {what}"),
                (&key, &label(what, LOADED[1])),
                (&key, &label(what, LOADED[0])),
                THROW,
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CALLEES, GROUP, all_calls};

    #[test]
    fn each_function_is_called_once_in_small_groups() {
        for (size, _) in CALLEES {
            let ir = all_calls(size);
            for i in 0..size {
                assert_eq!(ir.matches(&format!("@f{i}(")).count(), 2, "f{i}");
                if size > 1024 && i > 100 {
                    break;
                }
            }
            let most = ir.split("define ").map(|one| one.matches(" call ").count());
            assert_eq!(most.max(), Some(GROUP));
        }
    }
}
