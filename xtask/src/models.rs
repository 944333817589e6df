//! `cargo xtask loom`: the models of protocols between threads (crates/rewire-memory/src/models),
//! in all orders in which their steps can happen.

use crate::error::{Context, Result};
use crate::paths;
use crate::process::{command, line};

/// Runs the models; whether all hold.
pub(crate) fn run() -> Result<bool> {
    let mut cargo = command("cargo");
    cargo
        .args(["test", "--package", "rewire-memory", "--release", "--lib"])
        .arg("--target-dir")
        .arg(paths::target().join("loom"))
        .arg("models")
        .env("RUSTFLAGS", "--cfg loom");
    let name = line(&cargo);
    println!("$ RUSTFLAGS='--cfg loom' {name}");
    let status = cargo.status().context(|| format!("start `{name}`"))?;
    Ok(status.success())
}
