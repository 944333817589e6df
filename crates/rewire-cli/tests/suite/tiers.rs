//! `--pin` and `--tier-log`.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::{Bench, Folder, expect_code, expect_stdout, finish};

/// A function that is called often by a loop that runs long.
const HOT: &str = "#include <stdio.h>
int leaf(int n) { return n + 1; }
int main(void) {
  int sum = 0;
  for (int i = 0; i < 1000000; i++) sum = leaf(sum) ^ i;
  printf(\"%d\\n\", sum);
  return 0;
}
";

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    vec![
        bench.test("tiers::decisions_are_logged", decisions_are_logged),
        bench.test("tiers::pinned_functions_are_compiled_once", pinned),
        bench.test("tiers::a_level_of_no_function_is_an_error", pinned_nothing),
    ]
}

/// Runs the program, and returns the decisions about its functions.
fn decisions(folder: &Folder, options: &[&str]) -> Result<Vec<Value>, String> {
    let program = folder.file("hot.c", HOT)?;
    let log = folder.path.join("tiers.log");
    let mut command = folder.rewire_run();
    command.args(["--threads", "1", "--tier-log"]).arg(&log);
    let outcome = finish(command.args(options).arg(program))?;
    expect_code(&outcome, &[0])?;
    expect_stdout(&outcome, "1000000\n")?;
    let text = std::fs::read_to_string(&log).map_err(|error| format!("no log: {error}"))?;
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")));
    lines.collect()
}

fn is(line: &Value, function: &str, decision: &str) -> bool {
    line["function"] == function && line["decision"] == decision
}

fn decisions_are_logged(folder: &Folder) -> Result<(), String> {
    let log = decisions(folder, &[])?;
    // Whether the program ends before these are compiled depends on the machine.
    for (function, decision, count, number) in [
        ("leaf", "hot", "calls", 2000),
        ("main", "hot loop", "passes", 20000),
    ] {
        let mut lines = log.iter();
        let line = lines.find(|line| is(line, function, decision));
        let line = line.ok_or_else(|| format!("{function} isn't {decision}: {log:?}"))?;
        if line[count] != number {
            return Err(format!("{log:?}"));
        }
    }
    Ok(())
}

fn pinned(folder: &Folder) -> Result<(), String> {
    let log = decisions(folder, &["--pin", "leaf=0"])?;
    let is_main = |line: &Value| line["function"] == "main";
    if log.is_empty() || !log.iter().all(is_main) {
        return Err(format!(
            "a decision about leaf, or none about main: {log:?}"
        ));
    }
    let log = decisions(folder, &["--pin", "leaf=2", "--pin=main=1", "--eager"])?;
    if !log.is_empty() {
        return Err(format!("decisions about pinned functions: {log:?}"));
    }
    // At a fixed level there are none either.
    let log = decisions(folder, &["-O1", "--pin", "leaf=2"])?;
    if !log.is_empty() {
        return Err(format!("decisions at a fixed level: {log:?}"));
    }
    Ok(())
}

fn pinned_nothing(folder: &Folder) -> Result<(), String> {
    let program = folder.file("hot.c", HOT)?;
    let mut command = folder.rewire_run();
    let outcome = finish(command.args(["--pin", "leef=2"]).arg(&program))?;
    expect_code(&outcome, &[65])?;
    let mut command = folder.rewire_run();
    let outcome = finish(command.args(["--pin", "leaf=4"]).arg(&program))?;
    expect_code(&outcome, &[2])
}
