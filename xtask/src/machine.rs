//! The machine: what a measurement was made on, without its name, and how much space is left.

use std::fmt::Write as _;
use std::fs;
use std::thread;

use crate::paths;
use crate::process::{command, output_of};
use crate::setup;

/// A list in Markdown.
pub(crate) fn describe() -> String {
    let mut text = String::new();
    let mut item = |what: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing into a string can't fail.
            let _ = writeln!(text, "- {what}: {value}");
        }
    };
    item("CPU", field("/proc/cpuinfo", "model name"));
    item(
        "cores",
        thread::available_parallelism()
            .ok()
            .map(|cores| cores.to_string()),
    );
    item(
        "memory",
        field("/proc/meminfo", "MemTotal").and_then(|total| gib(&total)),
    );
    item("kernel", read("/proc/sys/kernel/osrelease"));
    item("system", system());
    item("LLVM", setup::llvm_version().ok());
    item("Rust", said("rustc", &["--version"]));
    item("commit", commit());
    item(
        "load average when it began",
        read("/proc/loadavg").map(|load| first_words(&load, 3)),
    );
    text
}

/// How many GiB are free where the project is. `None` if `df` doesn't tell.
pub(crate) fn free_gib() -> Option<u64> {
    let mut df = command("df");
    df.args(["--output=avail", "--block-size=1G"])
        .arg(paths::root());
    let said = String::from_utf8(output_of(&mut df).ok()?).ok()?;
    said.lines().nth(1)?.trim().parse().ok()
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The value of the first line `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path)?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `16384000 kB` as GiB.
fn gib(kib: &str) -> Option<String> {
    let kib: f64 = kib.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.0} GiB", kib / 1024.0 / 1024.0))
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace()
        .take(count)
        .collect::<Vec<_>>()
        .join(" ")
}

fn system() -> Option<String> {
    let text = read("/etc/os-release")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches('"').to_owned())
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = output_of(command(program).args(args)).ok()?;
    Some(String::from_utf8_lossy(&output).trim().to_owned())
}

fn commit() -> Option<String> {
    let hash = said("git", &["rev-parse", "--short", "HEAD"])?;
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() {
        hash
    } else {
        format!("{hash}, with changes")
    })
}
