//! `cargo xtask demo`: what this is for, in a minute.

use std::path::PathBuf;

use crate::bench::cases::{LLI, lli};
use crate::corpus::{self, Program};
use crate::error::{Error, Result};
use crate::matrix::difference;
use crate::process::{Job, Outcome};
use crate::rewire::Rewire;
use crate::{bench, paths, setup};

/// How the demo runs.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Show this program instead of a new release build.
    #[arg(long, value_name = "PROGRAM")]
    rewire: Option<PathBuf>,
}

/// Runs each this often and shows the fastest: a demo is no benchmark.
const TRIES: usize = 3;

/// Builds, runs a Lua script in every way, and shows a table.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("Looking for LLVM 22 and building; the first time takes some minutes.");
    setup::ensure(false)?;
    let rewire = Rewire::given_or_built(options.rewire.as_deref(), true)?;
    corpus::build(&[Program::Lua])?;
    let script = paths::corpus_inputs().join("demo.lua");
    let bitcode = Program::Lua.file("O0.bc");

    let native = Job::new(Program::Lua.file("native.O0")).arg(&script);
    let job = rewire.job(&[], std::slice::from_ref(&bitcode), &[&script]);
    let expected = best(&native, None)?;
    let found = best(&job, Some(&expected))?;
    if let Some(difference) = difference(&expected, &found) {
        return Err(Error::new(format!(
            "rewire and the native build differ: {difference}\n{}",
            found.stderr.trim_end()
        )));
    }
    println!("\n$ {}\n", job.line());
    for line in String::from_utf8_lossy(&found.stdout).lines() {
        println!("    {line}");
    }
    let report = rewire.report(&[], &bitcode, &[&script], bench::measure::LIMIT)?;
    let (compiled, defined) = (
        report.number("functions_compiled")?,
        report.number("functions_defined")?,
    );

    println!(
        "\n{:<18} {:>12} {:>22} {:>14}",
        "", "time", "functions compiled", "peak memory"
    );
    row(
        "rewire",
        &expected,
        &found,
        &format!("{compiled} of {defined}"),
    );
    for kind in LLI {
        let found = best(&lli(kind, &[], &bitcode)?.arg(&script), Some(&expected))?;
        // orc-lazy does not say what it compiled; the others compile everything.
        let functions = if kind == "orc-lazy" {
            "not told".into()
        } else {
            format!("{defined} of {defined}")
        };
        row(&format!("lli {kind}"), &expected, &found, &functions);
    }
    row("native (clang -O0)", &expected, &expected, "ahead of time");
    println!(
        "\nThe Lua interpreter, {defined} functions of unoptimised C as LLVM bitcode, runs a small \
         script. Rewire compiles and\nlinks a function when it is first called, so the {} that \
         this script never calls cost next to nothing; `lli` (LLVM's own\nJIT) in its modes orc \
         and mcjit compiles everything before the first line runs. Native was compiled beforehand.",
        defined.saturating_sub(compiled)
    );
    Ok(())
}

/// The fastest of a few runs, or the first that does not do what is expected.
fn best(job: &Job, expected: Option<&Outcome>) -> Result<Outcome> {
    let mut best = job.capture(bench::measure::LIMIT)?;
    for _ in 1..TRIES {
        if expected.is_some_and(|expected| difference(expected, &best).is_some()) {
            return Ok(best);
        }
        let again = job.capture(bench::measure::LIMIT)?;
        if again.wall < best.wall {
            best = again;
        }
    }
    Ok(best)
}

fn row(label: &str, expected: &Outcome, found: &Outcome, functions: &str) {
    if found.ended != expected.ended {
        println!("{label:<18} {}", found.ended);
    } else if found.stdout != expected.stdout {
        println!("{label:<18} wrong output");
    } else {
        let ms = format!("{:.1} ms", found.wall.as_secs_f64() * 1e3);
        let peak = format!("{} MiB", found.peak);
        println!("{label:<18} {ms:>12} {functions:>22} {peak:>14}");
    }
}
