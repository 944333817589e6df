//! `--report`: the fields that the interface promises, and figures that make sense.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::{Bench, Folder, expect_code, expect_stdout, finish};

/// Two functions are called beside `main`, one of them twice; ten are not called at all.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static int used = 3;
__attribute__((noinline)) int inner(int x) { return x + used; }
__attribute__((noinline)) int outer(int x) { return inner(x) + inner(x + 1); }
#define NEVER(n) int never_##n(int x) { return x + n; }
NEVER(0) NEVER(1) NEVER(2) NEVER(3) NEVER(4) NEVER(5) NEVER(6) NEVER(7) NEVER(8) NEVER(9)
int main(int argc, char **argv) {
    printf("%d\n", outer(argc));
    if (argc > 1)
        exit(9);
    return 4;
}
"#;
const DEFINED: u64 = 13;
const CALLED: u64 = 3;

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    vec![
        bench.test("report::fields", |f| fields(f, false)),
        bench.test("report::fields_after_exit", |f| fields(f, true)),
    ]
}

/// Runs the program with `options` and reads the report.
fn report(folder: &Folder, options: &[&str], exits: bool) -> Result<Value, String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let file = folder.path.join("report.json");
    let mut command = folder.rewire_run();
    command
        .args(options)
        .arg(format!("--report={}", file.display()))
        .arg(&program);
    if exits {
        command.args(["--", "x"]);
    }
    let outcome = finish(&mut command)?;
    expect_code(&outcome, &[if exits { 9 } else { 4 }])?;
    expect_stdout(&outcome, if exits { "11\n" } else { "9\n" })?;
    let text = std::fs::read_to_string(&file).map_err(|e| format!("no report: {e}"))?;
    serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))
}

fn number(report: &Value, field: &str) -> Result<u64, String> {
    report[field]
        .as_u64()
        .ok_or_else(|| format!("{field} is {} in {report}", report[field]))
}

fn equal(report: &Value, field: &str, expected: u64) -> Result<(), String> {
    let found = number(report, field)?;
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{field} should be {expected} and is {found}: {report}"
    ))
}

fn fields(folder: &Folder, exits: bool) -> Result<(), String> {
    let report = report(folder, &[], exits)?;
    equal(&report, "functions_defined", DEFINED)?;
    equal(&report, "functions_compiled", CALLED)?;
    // `main` itself may be entered without a first call.
    let called = number(&report, "functions_called")?;
    if called != CALLED && called != CALLED - 1 {
        return Err(format!("functions_called is {called}: {report}"));
    }
    for field in [
        "functions_replaced",
        "bodies_inlined",
        "definitions_retired",
        "definitions_freed",
    ] {
        equal(&report, field, 0)?;
    }
    for field in [
        "relocations_applied",
        "code_bytes",
        "data_bytes",
        "memory_maps",
    ] {
        if number(&report, field)? == 0 {
            return Err(format!("{field} is 0: {report}"));
        }
    }
    if number(&report, "memory_maps")? > 64 {
        return Err(format!("more than 64 memory maps: {report}"));
    }
    number(&report, "cache_hits")?;
    number(&report, "cache_misses")?;
    tiers_add_up(&report)?;
    times_make_sense(&report)
}

fn tiers_add_up(report: &Value) -> Result<(), String> {
    let tiers = report["compiled_by_tier"]
        .as_object()
        .ok_or_else(|| format!("compiled_by_tier is no object: {report}"))?;
    let sum: u64 = tiers.values().filter_map(Value::as_u64).sum();
    equal(report, "functions_compiled", sum)
}

fn times_make_sense(report: &Value) -> Result<(), String> {
    let ms = &report["ms"];
    let time = |field: &str| {
        let value = ms[field].as_f64().filter(|v| *v >= 0.0);
        value.ok_or_else(|| format!("ms.{field} is {} in {report}", ms[field]))
    };
    let mut phases = 0.0;
    for phase in [
        "sources", "load", "index", "extract", "optimise", "codegen", "link", "publish", "record",
    ] {
        phases += time(phase)?;
    }
    let (to_main, total) = (time("to_main")?, time("total")?);
    if to_main > total || total == 0.0 {
        return Err(format!("to_main {to_main} and total {total}: {report}"));
    }
    if phases == 0.0 {
        return Err(format!("no phase took any time: {report}"));
    }
    Ok(())
}

trial!(eager);
fn eager(folder: &Folder) -> Result<(), String> {
    let report = report(folder, &["--eager"], false)?;
    equal(&report, "functions_defined", DEFINED)?;
    equal(&report, "functions_compiled", DEFINED)
}

trial!(levels);
fn levels(folder: &Folder) -> Result<(), String> {
    for level in ["0", "2"] {
        let report = report(folder, &["-O", level], false)?;
        equal(&report, "functions_compiled", CALLED)?;
        tiers_add_up(&report)?;
    }
    Ok(())
}

trial!(table);
/// Without a file: a table on standard error, after what the program wrote there.
fn table(folder: &Folder) -> Result<(), String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let outcome = finish(folder.rewire_run().arg("--report").arg(&program))?;
    expect_code(&outcome, &[4])?;
    expect_stdout(&outcome, "9\n")?;
    let text = outcome.stderr_text();
    if text.contains("13") && text.contains("compiled") {
        return Ok(());
    }
    Err(format!("no table: {outcome}"))
}

trial!(sources);
/// The compiler's time is a phase of its own; there is none of IR.
fn sources(folder: &Folder) -> Result<(), String> {
    let source = folder.file("source.c", PROGRAM)?;
    let ir = folder.bitcode("program", PROGRAM)?;
    for (path, is_compiled) in [(source, true), (ir, false)] {
        let file = folder.path.join("report.json");
        let mut command = folder.rewire_run();
        command
            .arg(format!("--report={}", file.display()))
            .arg(&path);
        expect_code(&finish(&mut command)?, &[4])?;
        let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let report: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
        let time = report["ms"]["sources"].as_f64().unwrap_or(-1.0);
        let until_main = report["ms"]["to_main"].as_f64().unwrap_or(-1.0);
        if (time > 0.0) != is_compiled || time > until_main {
            return Err(format!("{}: {text}", path.display()));
        }
    }
    let outcome = finish(folder.rewire_run().args(["--report", "source.c"]))?;
    match outcome.stderr_text().contains("compilers of sources") {
        true => Ok(()),
        false => Err(format!("no row for the compiler: {outcome}")),
    }
}
