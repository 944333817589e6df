//! `cargo xtask fuzz`: the fuzz targets, which run for a second each in the tests, for longer.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::process::{command, line, output_of};
use crate::setup;
use crate::tally::Tally;

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only targets with this in their name. Without it, all run, one after the other.
    target: Option<String>,
    /// How long each target looks for inputs that fail.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// The seed: the same inputs for the same seed. The default is another one each time; it is
    /// printed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// List the targets.
    #[arg(long)]
    list: bool,
}

/// The crates whose tests have a module `fuzz`.
const CRATES: [&str; 5] = [
    "rewire-object",
    "rewire-check",
    "rewire-tables",
    "rewire-cache",
    "rewire",
];

/// Runs the targets; whether nothing failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    setup::ensure(false)?;
    let mut targets = Vec::new();
    for package in CRATES {
        let names = targets_of(package)?;
        targets.extend(names.into_iter().map(|name| (package, name)));
    }
    if let Some(part) = &options.target {
        targets.retain(|(_, name)| name.contains(part));
        if targets.is_empty() {
            return Err(Error::new(format!(
                "no target has {part:?} in its name: `cargo xtask fuzz --list` names them all"
            )));
        }
    }
    if options.list {
        for (package, name) in targets {
            println!("{name} ({package})");
        }
        return Ok(true);
    }
    let seed = options.seed.unwrap_or_else(from_clock);
    let mut tally = Tally::default();
    for (package, name) in targets {
        let mut cargo = test(package);
        cargo.args(["--exact", &name, "--nocapture"]);
        cargo.env("REWIRE_FUZZ_SEED", seed.to_string());
        cargo.env("REWIRE_FUZZ_SECONDS", options.seconds.to_string());
        println!("$ REWIRE_FUZZ_SEED={seed} {}", line(&cargo));
        match cargo.status() {
            Ok(status) if status.success() => tally.pass(&name),
            Ok(_) => tally.fail(&name, &format!("an input fails: seed {seed}")),
            Err(error) => tally.fail(&name, &format!("does not start: {error}")),
        }
    }
    Ok(tally.close())
}

/// `cargo test` of the tests that hold a crate's targets, up to the arguments for the tests.
fn test(package: &str) -> std::process::Command {
    let mut cargo = command("cargo");
    cargo.args(["test", "--quiet", "--package", package, "--all-features"]);
    cargo.args(["--test", "it", "--"]);
    cargo
}

/// The targets of a crate.
fn targets_of(package: &str) -> Result<Vec<String>> {
    let listed = output_of(test(package).arg("--list"))?;
    let listed = String::from_utf8_lossy(&listed);
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    let targets = names.filter(|name| name.starts_with("fuzz::"));
    Ok(targets.map(str::to_owned).collect())
}

fn from_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs())
}
