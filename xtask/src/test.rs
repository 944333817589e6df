//! `cargo xtask test`: formatting, lints, all tests, and the corpus against native.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::corpus::Program;
use crate::error::{Context, Error, Result};
use crate::process::{command, line};
use crate::rewire::Rewire;
use crate::tally::Tally;
use crate::{corpus, csmith, machine, matrix, models, setup, source, tsan};

/// What to test.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the corpus: only formatting, lints and cargo's tests.
    #[arg(long)]
    quick: bool,
    /// Only the corpus: leave out formatting, lints and cargo's tests.
    #[arg(long, conflicts_with = "quick")]
    corpus_only: bool,
    /// Of the corpus, only this program (lua, sqlite, bzip2, quickjs, minisat, cxx, rust); may be
    /// repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "quick")]
    program: Vec<String>,
    /// Run the corpus with a release build. The default is a debug build, whose assertions and
    /// overflow checks are worth the time.
    #[arg(long)]
    release: bool,
    /// Run the corpus with this program instead of building one.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "release")]
    rewire: Option<PathBuf>,
}

/// Tests everything; whether all passed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    setup::ensure(false)?;
    warn_of_little_space();
    let mut tally = Tally::default();
    if !options.corpus_only {
        step(&["fmt", "--all", "--check"], &mut tally);
        if let Err(error) = source::check(&mut tally) {
            tally.fail("the source", &error.to_string());
        }
        documentation(&mut tally);
        step(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ],
            &mut tally,
        );
        if let Err(error) = cargo_test(&mut tally) {
            tally.fail("cargo test", &error.to_string());
        }
        match models::run() {
            Ok(true) => tally.pass("the models"),
            Ok(false) => tally.fail("the models", "a model failed"),
            Err(error) => tally.fail("the models", &error.to_string()),
        }
        match tsan::run(&tsan::Options::default()) {
            Ok(true) => tally.pass("ThreadSanitizer"),
            Ok(false) => tally.fail("ThreadSanitizer", "it has something to report"),
            Err(error) => tally.fail("ThreadSanitizer", &error.to_string()),
        }
    }
    if !options.quick
        && !options.corpus_only
        && let Err(error) = csmith::try_all(&csmith::IN_TESTS, &mut tally)
    {
        tally.fail("csmith", &error.to_string());
    }
    if !options.quick
        && let Err(error) = the_corpus(options, &mut tally)
    {
        tally.fail("the corpus", &error.to_string());
    }
    Ok(tally.close())
}

fn the_corpus(options: &Options, tally: &mut Tally) -> Result<()> {
    let programs = chosen(&options.program)?;
    corpus::build(&programs)?;
    let rewire = Rewire::given_or_built(options.rewire.as_deref(), options.release)?;
    matrix::run(&rewire, &programs, tally);
    Ok(())
}

/// What all tests leave in the target folder, in GiB. Each test program has LLVM in it.
const NEEDED_GIB: u64 = 10;

/// Tells beforehand what would otherwise show as strange errors of compilers and linkers.
fn warn_of_little_space() {
    let Some(free) = machine::free_gib() else {
        return;
    };
    if free < NEEDED_GIB {
        println!(
            "warning: {free} GiB are free for the target folder, and from an empty one all tests \
             need {NEEDED_GIB}; `cargo clean` or another CARGO_TARGET_DIR makes room"
        );
    }
}

/// The programs of these names; all of them for no name.
fn chosen(names: &[String]) -> Result<Vec<Program>> {
    let all = corpus::PROGRAMS.into_iter();
    if names.is_empty() {
        return Ok(all.collect());
    }
    let find = |name: &String| {
        let found = all.clone().find(|program| program.name() == name);
        found.ok_or_else(|| Error::new(format!("the corpus has no program {name}")))
    };
    names.iter().map(find).collect()
}

/// Builds the documentation; a warning is a failure.
fn documentation(tally: &mut Tally) {
    let mut cargo = command("cargo");
    cargo.args(["doc", "--workspace", "--no-deps", "--all-features"]);
    cargo.env("RUSTDOCFLAGS", "-D warnings");
    run_step(cargo, tally);
}

/// One call of cargo that counts as one test.
fn step(args: &[&str], tally: &mut Tally) {
    let mut cargo = command("cargo");
    cargo.args(args);
    run_step(cargo, tally);
}

fn run_step(mut cargo: Command, tally: &mut Tally) {
    let name = line(&cargo);
    println!("$ {name}");
    match cargo.status() {
        Ok(status) if status.success() => tally.pass(&name),
        Ok(status) => tally.fail(&name, &format!("ended with {status}")),
        Err(error) => tally.fail(&name, &format!("does not start: {error}")),
    }
}

/// Runs cargo's tests, showing their output as it comes and counting it.
fn cargo_test(tally: &mut Tally) -> Result<()> {
    let mut cargo = command("cargo");
    cargo
        .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
        .stdout(Stdio::piped());
    let name = line(&cargo);
    println!("$ {name}");
    let mut child = cargo.spawn().context(|| format!("start `{name}`"))?;
    let mut counted_failures = 0;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n') {
            let mut text = text.context(|| format!("read the output of `{name}`"))?;
            if let Some((passed, failed)) = counts(&String::from_utf8_lossy(&text)) {
                tally.add(passed, failed, &name);
                counted_failures += failed;
            }
            text.push(b'\n');
            // Whoever reads along may have gone; the tests go on.
            let _ = std::io::stdout().write_all(&text);
        }
    }
    let status = child.wait().context(|| format!("wait for `{name}`"))?;
    if !status.success() && counted_failures == 0 {
        // It did not compile, or a test binary was killed before it could count.
        tally.fail(&name, &format!("ended with {status}"));
    }
    Ok(())
}

/// The numbers of a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; ...`.
fn counts(line: &str) -> Option<(u64, u64)> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |label: &str| {
        numbers
            .split("; ")
            .find_map(|part| part.strip_suffix(label)?.trim().parse().ok())
    };
    Some((number(" passed")?, number(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn reads_result_lines() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered \
                    out; finished in 0.01s";
        assert_eq!(counts(line), Some((12, 3)));
        assert_eq!(counts("test it::works ... ok"), None);
    }
}
