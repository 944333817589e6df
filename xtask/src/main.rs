//! Set-up, demo, tests, corpus and benchmarks.
#![deny(unsafe_code)]

mod bench;
mod callgrind;
mod cases;
mod corpus;
mod csmith;
mod demo;
mod error;
mod fuzz;
mod machine;
mod matrix;
mod models;
mod paths;
mod process;
mod rewire;
mod setup;
mod source;
mod tally;
mod test;
mod tsan;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything around building Rewire. Each command does its own set-up first.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show in a minute what Rewire is for: Lua's bitcode, run lazily, beside lli and native.
    Demo(demo::Options),
    /// Look for LLVM 22, clang 22 and what else is needed, and install what is missing.
    Setup,
    /// Build the real programs (Lua, SQLite, bzip2, QuickJS, MiniSat, two of ours) to bitcode and
    /// natively, in target/corpus.
    Corpus,
    /// Run everything that must pass: formatting, clippy, all tests, and the corpus against native.
    Test(test::Options),
    /// Check the source: the engine's rooms and circles of files, repeated type names, lengths, and
    /// who writes the ledger.
    CheckSource(source::Options),
    /// Run the models of what threads do to one another, in all orders.
    Loom,
    /// Build the engine with ThreadSanitizer, and call, replace, remove and add from eleven
    /// threads; fail on anything that it reports.
    Tsan(tsan::Options),
    /// Run random C programs of csmith in every mode, also while their functions are replaced.
    Csmith(csmith::Options),
    /// Try inputs that nobody thought of: objects, damaged objects, sequences of changes. A failing
    /// one is shrunk and printed as Rust.
    Fuzz(fuzz::Options),
    /// Measure Rewire beside lli and native; print tables and write benches/RESULTS.md.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Task::Setup => setup::ensure(true).map(|()| true),
        Task::Test(options) => test::run(&options),
        Task::CheckSource(options) => source::run(&options),
        Task::Loom => models::run(),
        Task::Tsan(options) => tsan::run(&options),
        Task::Csmith(options) => csmith::run_all(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Demo(options) => demo::run(&options).map(|()| true),
        Task::Corpus => build_corpus().map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn build_corpus() -> error::Result<()> {
    setup::ensure(false)?;
    corpus::build(&corpus::PROGRAMS)?;
    corpus::show();
    Ok(())
}
