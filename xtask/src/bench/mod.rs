//! `cargo xtask bench`: Rewire, LLVM's own JITs (`lli` in its three modes, ORC as a library), and
//! native, in turn, in one run.

mod across;
mod cached;
mod calls;
pub(crate) mod cases;
mod earlier;
mod generate;
mod indirect;
pub(crate) mod measure;
mod modules;
mod peer;
mod repl;
mod replacing;
mod results;
mod tiers;

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::corpus::{self, Program};
use crate::error::{Context, Result};
use crate::paths::{self, shown};
use crate::rewire::Rewire;
use crate::{machine, matrix, setup};
use earlier::Comparing;
use measure::Rounds;
use results::Results;

/// One group of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// A `main` that returns 0.
    Start,
    /// SQLite, 1,000 inserts and a query.
    Sqlite,
    /// Lua, a small script.
    Lua,
    /// bzip2, compressing a small file.
    Bzip2,
    /// 1,000, 20,000 and 100,000 generated functions, and their memory maps.
    Generated,
    /// Long runs at -O2.
    Steady,
    /// Programs that run for some ten seconds, from bitcode that no passes have touched, with
    /// default options: how near tiers come to native code.
    Tiers,
    /// A `main` that returns 0, and SQLite, from a cache that earlier runs have filled.
    Cached,
    /// Calls between compiled functions, against native ones.
    Calls,
    /// Virtual calls, thread-local variables and callbacks in loops, against native ones.
    Indirect,
    /// Calls of a function of another module in a loop, and replacing it meanwhile.
    Across,
    /// First calls of functions whose code is there.
    FirstCall,
    /// C++ exceptions with few and many functions loaded, in one thread and several.
    Throw,
    /// SQLite from bitcode with debug information.
    DebugInfo,
    /// Redefining in the REPL, with few and many functions loaded.
    Repl,
    /// Functions compiled, against those that a native run enters.
    Compiled,
    /// Replacing one of 1,000, 10,000 and 100,000 functions, against ORC's redirectable symbols;
    /// linking a new body with 10,000 call sites.
    Replace,
    /// Calls of a function in a hot loop, before and after it was replaced.
    HotReplaced,
    /// Adding a unit, calling it, removing it.
    RemoveAdd,
    /// What 10,000 redefinitions of one function leave behind.
    Redefine,
}

/// The groups that the programs of `replacing` are for.
const REPLACING: [Group; 5] = [
    Group::Across,
    Group::Replace,
    Group::HotReplaced,
    Group::RemoveAdd,
    Group::Redefine,
];

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure only this; may be given several times. benches/RESULTS.md is then left alone.
    #[arg(long, value_name = "NAME")]
    only: Vec<Group>,
    /// Timed runs of each contender; a slow one may get fewer, but at least three.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Generate at most this many functions.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_generated: usize,
    /// Measure this program instead of a new release build.
    #[arg(long, value_name = "PROGRAM")]
    rewire: Option<PathBuf>,
    /// Measure Rewire alone, beside an earlier build whose `rewire` and `replacing` are in this
    /// folder (another checkout's target/release), and fail if anything takes 1.03 times as long as
    /// it did.
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
}

/// Measures, prints, and writes `benches/RESULTS.md`; whether nothing is worse than an earlier
/// build, where one is named.
pub(crate) fn run(options: &Options) -> Result<bool> {
    setup::ensure(false)?;
    let rewire = Rewire::given_or_built(options.rewire.as_deref(), true)?;
    corpus::build(&corpus::PROGRAMS)?;
    // Before anything runs: our own load is not the machine's.
    let machine = machine::describe();
    let rounds = Rounds {
        count: usize::from(options.rounds),
        comparing: options.against.as_deref().map(Comparing::new).transpose()?,
    };
    let results = measure(&rewire, options, &rounds)?;
    if let Some(comparing) = &rounds.comparing {
        let (text, holds) = comparing.markdown();
        println!("{machine}{text}");
        return Ok(holds);
    }
    let text = results.markdown();
    println!("{machine}{text}");
    if options.only.is_empty() && options.rewire.is_none() && options.max_generated >= 100_000 {
        let path = paths::root().join("benches/RESULTS.md");
        let written = format!(
            "# Results\n\nWritten by `cargo xtask bench` ({} rounds). Each round runs every \
             contender of a table once; times are medians from before a process is started to \
             after it is reaped where they are in ms, and \
             what the programs measure of themselves where they are in ns or µs.\n\n\
             A ratio says how many times as long the one took as the other: 2.00 is twice the time. \
             In the column \"times `...`\" of a table it is the row's time divided by that of the \
             row that the column names, so that more than 1 is slower than that. In the list of \
             what Rewire must reach, it is the other's time divided by Rewire's where the bar says \
             \"times faster\", and otherwise that of what is named first divided by that of what it \
             is held against. Medians are divided; smallest and largest are of the quotients of \
             single rounds, in which both were measured one soon after the other.\n\n\
             `lli` is LLVM's own program, dynamically linked as Debian ships it; `orc` is \
             benches/orc_peer.cpp, linked with LLVM as Rewire is.\n\n\
             {machine}{text}",
            options.rounds
        );
        fs::create_dir_all(paths::root().join("benches")).context(|| "make benches".into())?;
        fs::write(&path, written).context(|| format!("write {}", shown(&path)))?;
        println!("\nwritten to {}", shown(&path));
    }
    Ok(true)
}

fn measure(rewire: &Rewire, options: &Options, rounds: &Rounds) -> Result<Results> {
    let wanted = |group| options.only.is_empty() || options.only.contains(&group);
    let mut results = Results::default();
    if wanted(Group::Start) {
        results.tables.push(cases::start(rewire, rounds)?);
    }
    if wanted(Group::Sqlite) {
        results.tables.extend(cases::sqlite(rewire, rounds)?);
    }
    if wanted(Group::Lua) {
        results.tables.extend(cases::lua(rewire, rounds)?);
    }
    if wanted(Group::Bzip2) {
        results.tables.extend(cases::bzip2(rewire, rounds)?);
    }
    if wanted(Group::Generated) {
        let sizes: Vec<usize> = cases::SIZES
            .into_iter()
            .filter(|size| *size <= options.max_generated)
            .collect();
        let scaling = cases::generated(rewire, &sizes, rounds)?;
        results.tables.extend(scaling.tables);
        results.called = scaling.called;
        results.maps = scaling.maps;
    }
    if wanted(Group::Steady) {
        results.tables.extend(cases::steady(rewire, rounds)?);
    }
    if wanted(Group::Tiers) {
        tiers::long(rewire, rounds, &mut results)?;
    }
    if wanted(Group::Cached) && rounds.comparing.is_none() {
        cached::cached(rewire, rounds, &mut results)?;
    }
    if wanted(Group::Calls) {
        calls::calls(rewire, rounds, &mut results)?;
    }
    if wanted(Group::Indirect) {
        indirect::indirect(rewire, rounds, &mut results)?;
    }
    if wanted(Group::Across) {
        across::calls(rewire, rounds, &mut results)?;
    }
    if wanted(Group::FirstCall) {
        calls::first_call(rewire, rounds, &mut results)?;
    }
    if wanted(Group::Throw) {
        calls::throw(rewire, rounds, &mut results)?;
    }
    if wanted(Group::DebugInfo) {
        cases::debug_info(rewire, rounds, &mut results)?;
    }
    if wanted(Group::Compiled) && rounds.comparing.is_none() {
        for program in [Program::Lua, Program::Sqlite] {
            for case in crate::cases::cases(program)? {
                eprintln!("Counting functions: {}, {}", program.name(), case.name);
                let compiled = matrix::compiled(rewire, program, &case);
                let name = format!("{}, {}", program.name(), case.name);
                results
                    .compiled
                    .push((name, compiled.map_err(|error| error.to_string())));
            }
        }
    }
    if wanted(Group::Repl) {
        repl::redefine(rewire, rounds, &mut results)?;
    }
    if REPLACING.into_iter().any(wanted) {
        replacing(rounds, wanted, &mut results)?;
    }
    Ok(results)
}

/// The groups that are about replacing functions.
fn replacing(rounds: &Rounds, wanted: impl Fn(Group) -> bool, results: &mut Results) -> Result<()> {
    let programs = replacing::Programs::build()?;
    for group in REPLACING.into_iter().filter(|group| wanted(*group)) {
        let measure = match group {
            Group::Across => across::replace,
            Group::Replace => replacing::replace,
            Group::HotReplaced => replacing::hot,
            Group::RemoveAdd => replacing::remove_add,
            Group::Redefine => replacing::redefine,
            _ => continue,
        };
        measure(&programs, rounds, results)?;
    }
    Ok(())
}
