//! The corpus under `rewire`, in every mode, compared with native runs.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::callgrind;
use crate::cases::{Case, cases};
use crate::corpus::Program;
use crate::error::{Context, Error, Result};
use crate::paths::shown;
use crate::process::{Job, Outcome};
use crate::rewire::Rewire;
use crate::tally::Tally;

/// A program that runs longer than this under test hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// The mode of the cases that run in one alone.
const ONCE: &str = "O0.bc lazy default";

/// The largest allowed ratio of functions compiled to functions that a native run enters.
pub(crate) const COMPILED_BAR: f64 = 1.1;

/// Runs a case natively: what every other run of it must print and return.
pub(crate) fn expected(program: Program, case: &Case) -> Result<Outcome> {
    let native = |name: &str| {
        case.job(Job::new(program.file(name)).args(&case.args))
            .capture(LIMIT)
    };
    let unoptimised = native("native.O0")?;
    let optimised = native("native.O2")?;
    if let Some(difference) = difference(&unoptimised, &optimised) {
        return Err(Error::new(format!(
            "{} {}: the native builds differ: {difference}",
            program.name(),
            case.name
        )));
    }
    if let Some(file) = &case.must_print {
        let bytes = fs::read(file).context(|| format!("read {}", shown(file)))?;
        if bytes != unoptimised.stdout {
            return Err(Error::new(format!(
                "{} {}: the native build's output is not {}",
                program.name(),
                case.name,
                shown(file)
            )));
        }
    }
    Ok(unoptimised)
}

/// How a run differs from what was expected.
pub(crate) fn difference(expected: &Outcome, found: &Outcome) -> Option<String> {
    if expected.ended != found.ended {
        return Some(format!("{} instead of {}", found.ended, expected.ended));
    }
    if expected.stdout == found.stdout {
        return None;
    }
    let same = expected
        .stdout
        .iter()
        .zip(&found.stdout)
        .take_while(|(a, b)| a == b)
        .count();
    Some(format!(
        "standard output differs at byte {same} ({} bytes instead of {})",
        found.stdout.len(),
        expected.stdout.len()
    ))
}

/// Runs everything and counts it in `tally`.
pub(crate) fn run(rewire: &Rewire, programs: &[Program], tally: &mut Tally) {
    for &program in programs {
        if let Err(error) = program_matrix(rewire, program, tally) {
            tally.fail(
                &format!("{}: the matrix", program.name()),
                &error.to_string(),
            );
        }
    }
    let counted = [Program::Lua, Program::Sqlite];
    for program in counted.into_iter().filter(|one| programs.contains(one)) {
        // An error was counted by the matrix.
        for case in cases(program).unwrap_or_default() {
            let name = format!("{} {}: functions compiled", program.name(), case.name);
            match compiled(rewire, program, &case) {
                // Fewer than are entered can't be true at -O0, where nothing is inlined; a few are
                // entered in one process and not the other, by chance of addresses and hashes.
                Ok(counts) if counts.ratio() < 0.95 => {
                    tally.fail(&name, &format!("{}; the count is wrong", counts.sentence()));
                }
                Ok(counts) if counts.ratio() <= COMPILED_BAR => {
                    tally.pass(&format!("{name} ({})", counts.sentence()));
                }
                Ok(counts) => tally.fail(&name, &counts.sentence()),
                Err(error) => tally.fail(&name, &error.to_string()),
            }
        }
    }
}

fn program_matrix(rewire: &Rewire, program: Program, tally: &mut Tally) -> Result<()> {
    let cases = cases(program)?;
    let mut native = HashMap::new();
    for case in &cases {
        native.insert(&*case.name, expected(program, case)?);
    }
    let libraries = program.libraries()?;
    let mut cell = |label: &str, options: &[&str], files: &[PathBuf]| {
        let is_once = label == ONCE;
        let libraries = libraries.iter().map(String::as_str);
        let options: Vec<&str> = libraries.chain(options.iter().copied()).collect();
        for case in cases.iter().filter(|case| is_once || !case.once) {
            let name = format!("{} {}: {label}", program.name(), case.name);
            let job = case.job(rewire.job(&options, files, &case.args));
            match job.capture(LIMIT) {
                Err(error) => tally.fail(&name, &error.to_string()),
                Ok(found) => match difference(&native[&*case.name], &found) {
                    None => tally.pass(&name),
                    Some(difference) => tally.fail(
                        &name,
                        &format!(
                            "{difference}\n  {}\n  {}",
                            job.line(),
                            found.stderr.trim_end()
                        ),
                    ),
                },
            }
        }
    };
    for bitcode in ["O0.bc", "O2.bc"] {
        let file = program.file(bitcode);
        for (mode, eager) in [("lazy", &[][..]), ("--eager", &["--eager"][..])] {
            for (level, options) in [
                ("-O0", &["-O0"][..]),
                ("-O2", &["-O2"][..]),
                ("default", &[][..]),
            ] {
                let options = [eager, options].concat();
                cell(
                    &format!("{bitcode} {mode} {level}"),
                    &options,
                    std::slice::from_ref(&file),
                );
            }
        }
    }
    for level in ["-O1", "-O3"] {
        cell(
            &format!("O0.bc lazy {level}"),
            &[level],
            &[program.file("O0.bc")],
        );
    }
    // The default is one compile thread where there is a processor for it.
    for options in [
        &["--threads", "0"][..],
        &["--threads", "4"],
        &["--threads", "1", "--eager"],
        &["--threads", "4", "--eager", "-O2"],
    ] {
        cell(
            &format!("O0.bc {}", options.join(" ")),
            options,
            &[program.file("O0.bc")],
        );
    }
    // As a build system would hand it over: one file for each source, and unoptimised by clang.
    cell("O0, separate files", &[], &program.units("O0")?);
    cell(
        "O2, separate files --eager -O0",
        &["--eager", "-O0"],
        &program.units("O2")?,
    );
    cell("raw.bc -O2", &["-O2"], &[program.file("raw.bc")]);
    Ok(())
}

/// Functions compiled lazily beside those that a native run enters.
pub(crate) struct Compiled {
    /// Compiled by `rewire -O0` from unoptimised bitcode.
    pub(crate) compiled: u64,
    /// Entered by the native unoptimised build.
    pub(crate) entered: u64,
    /// Defined in the program.
    pub(crate) defined: u64,
}

impl Compiled {
    /// Compiled for each one entered.
    pub(crate) fn ratio(&self) -> f64 {
        self.compiled as f64 / self.entered as f64
    }

    /// The three numbers in words.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "{} compiled of {} defined, {} entered natively: {:.3} times",
            self.compiled,
            self.defined,
            self.entered,
            self.ratio()
        )
    }
}

/// Counts what is compiled and what a native run enters.
pub(crate) fn compiled(rewire: &Rewire, program: Program, case: &Case) -> Result<Compiled> {
    let report = rewire.report(&["-O0"], &program.file("O0.bc"), &case.args, LIMIT)?;
    let entered = callgrind::functions_entered(&program.file("native.O0"), &case.args)?;
    Ok(Compiled {
        compiled: report.number("functions_compiled")?,
        entered,
        defined: report.number("functions_defined")?,
    })
}
