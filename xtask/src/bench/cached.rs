//! Runs from a cache that earlier runs have filled.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::cases::{self, Field};
use super::measure::LIMIT;
use super::results::{Limit, Results};
use super::{Rewire, Rounds};
use crate::corpus::{self, Program};
use crate::error::{Context, Error, Result};
use crate::paths::{self, shown};
use crate::process::Ended;
use crate::rewire::start_ll;

/// How often a program runs before it is measured: what was hot in one run is kept optimised for
/// the next.
const FILLING: usize = 4;

/// What runs from the cache, and its native build.
struct CachedProgram {
    key: &'static str,
    title: &'static str,
    file: PathBuf,
    native: PathBuf,
    args: Vec<OsString>,
    /// How many times as long as native it may take.
    most: f64,
}

/// A program that returns 0, and SQLite, from the cache, beside native.
pub(super) fn cached(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let programs = [
        CachedProgram {
            key: "cached start",
            title: "A `main` that returns 0, from the cache",
            file: start_ll(),
            native: cases::native_start()?,
            args: Vec::new(),
            most: 3.5,
        },
        CachedProgram {
            key: "cached sqlite",
            title: "SQLite, 1,000 inserts and a query, from the cache",
            file: Program::Sqlite.file("O2.bc"),
            native: Program::Sqlite.file("native.O2"),
            args: vec![corpus::bench_sql().into()],
            most: 4.0,
        },
    ];
    for program in programs {
        measure(rewire, program, rounds, results)?;
    }
    Ok(())
}

fn measure(
    rewire: &Rewire,
    program: CachedProgram,
    rounds: &Rounds,
    results: &mut Results,
) -> Result<()> {
    let (key, title) = (program.key, program.title);
    let folder = empty_folder()?;
    let kept = rewire.with_cache(&folder);
    fill(&kept, &program.file, &program.args)?;
    let mut field = Field::new(&kept, &program.native, program.args)?;
    field.rewire("rewire", &[], &program.file);
    field.native("native", &program.native);
    results.tables.push(field.measure(
        key,
        title,
        "Process start to end, default options. Earlier runs have filled the cache.",
        rounds,
    )?);
    results.limits.push(Limit::ratio(
        format!("{title}, against native"),
        (key, "rewire"),
        (key, "native"),
        program.most,
    ));
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

/// A folder for a cache that nothing was put into.
fn empty_folder() -> Result<PathBuf> {
    let folder = paths::target()
        .join("tmp")
        .join(format!("cache-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(paths::target().join("tmp"))
        .context(|| format!("make {}", shown(&folder)))?;
    Ok(folder)
}

fn fill(kept: &Rewire, file: &Path, args: &[OsString]) -> Result<()> {
    for _ in 0..FILLING {
        let job = kept.job(&[], &[file.to_path_buf()], args);
        let outcome = job.capture(LIMIT)?;
        if outcome.ended != Ended::Code(0) {
            let what = format!("`{}` ended with {}", job.line(), outcome.ended);
            return Err(Error::new(what));
        }
    }
    Ok(())
}
