//! `cargo xtask tsan`: the engine's Rust code under ThreadSanitizer, while threads call, replace,
//! remove and add (crates/rewire/tests/it/stress.rs).
//!
//! The sanitizer's runtime comes with the toolchain, but rustc lets only unstable compilers use
//! it, hence `RUSTC_BOOTSTRAP`. The standard library comes without it; crates/rewire-sync makes up
//! for that.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::process::{command, line};
use crate::{paths, setup};

/// How long to look for races.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long the threads go on, in all: with 0 and 2 compile threads, at -O0 and -O2, and with
    /// changes that can be undone.
    #[arg(long, value_name = "N", default_value_t = SECONDS)]
    seconds: u32,
}

const SECONDS: u32 = 20;

impl Default for Options {
    fn default() -> Self {
        Self { seconds: SECONDS }
    }
}

/// Levels times numbers of compile threads, one run with changes that are remembered, and one of
/// random changes.
const RUNS: u32 = 6;

/// With a target named, build scripts and macros are for the host, and not instrumented.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Generic functions that the standard library has compiled for itself are compiled again, with
/// the sanitizer. The linker leads the sanitizer's fences to crates/rewire-sync/src/tsan/fence.rs.
const RUSTFLAGS: &str = "--cfg rewire_tsan -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer \
    -Zshare-generics=no \
    -Clink-arg=-Wl,--wrap=__tsan_atomic64_fetch_sub \
    -Clink-arg=-Wl,--wrap=__tsan_atomic_thread_fence";

/// The exit code of a process with something to report.
const REPORTED: i32 = 66;

/// Builds and runs; whether there is nothing to report.
pub(crate) fn run(options: &Options) -> Result<bool> {
    setup::ensure(false)?;
    let program = build()?;
    for wrong in ["race", "inversion"] {
        // What is wrong on purpose: its report would only confuse.
        let mut wrong_program = sanitized(&program);
        wrong_program.arg(wrong).stderr(Stdio::null());
        let name = line(&wrong_program);
        let ended = wrong_program.status();
        let ended = ended.context(|| format!("start `{name}`"))?;
        if ended.code() != Some(REPORTED) {
            let text =
                format!("ThreadSanitizer finds nothing in `{name}`, which ended with {ended}");
            return Err(Error::new(text));
        }
    }
    let seconds = f64::from(options.seconds) / f64::from(RUNS);
    let mut stress = sanitized(&program);
    stress.env("REWIRE_STRESS_SECONDS", seconds.to_string());
    let name = line(&stress);
    println!("$ REWIRE_STRESS_SECONDS={seconds} {name}");
    let status = stress.status().context(|| format!("start `{name}`"))?;
    if !status.success() {
        println!("`{name}` ended with {status}");
    }
    Ok(status.success())
}

fn sanitized(program: &Path) -> Command {
    let mut command = command(program);
    // Enough history to tell where the earlier of two accesses was.
    let options = env::var("TSAN_OPTIONS").unwrap_or_else(|_| "history_size=4".to_owned());
    command.env("TSAN_OPTIONS", format!("{options}:exitcode={REPORTED}"));
    command
}

/// Builds the tests of `rewire`, which with `--cfg rewire_tsan` are a program that runs the stress.
fn build() -> Result<PathBuf> {
    let mut cargo = command("cargo");
    cargo
        .args(["test", "--package", "rewire", "--test", "it", "--no-run"])
        .args(["--target", TARGET])
        .arg("--target-dir")
        .arg(paths::target().join("tsan"))
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", RUSTFLAGS)
        .stderr(Stdio::inherit());
    let name = line(&cargo);
    println!("$ RUSTC_BOOTSTRAP=1 RUSTFLAGS='{RUSTFLAGS}' {name}");
    let output = cargo.output().context(|| format!("start `{name}`"))?;
    if !output.status.success() {
        return Err(Error::new(format!("`{name}` ended with {}", output.status)));
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let mut built = messages.filter_map(|message| {
        let message: Value = serde_json::from_slice(message).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    built
        .next()
        .ok_or_else(|| Error::new(format!("`{name}` doesn't tell what it built")))
}
