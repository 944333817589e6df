//! `--trace`: a timeline that viewers open, that tells the same as `--report`, and that is there
//! however the program ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

/// `main` and `begin` are called in any case, `leaf` comes along with `begin`; `late` is called
/// while the process exits. The argument chooses how the program ends.
const PROGRAM: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static int factor = 3;
int nowhere(int);
static int leaf(int x) { return x * factor; }
static void *begin(void *p) { return (void *)(long)leaf(4); }
static void late(void) { puts("late"); }
static int in_child(int x) { return x + 1; }
int never(int x) { return leaf(x) + in_child(x); }
int main(int argc, char **argv) {
    atexit(late);
    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, begin, 0);
    pthread_join(thread, &result);
    printf("%ld\n", (long)result);
    fflush(stdout);
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "exit"))
        exit(9);
    if (!strcmp(how, "missing"))
        return nowhere(1);
    if (!strcmp(how, "fork")) {
        pid_t child = fork();
        if (child == 0)
            exit(in_child(6));
        int status;
        waitpid(child, &status, 0);
        if (chdir("/") != 0)
            return 1;
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "orphan")) {
        int ends[2];
        char byte;
        if (pipe(ends) != 0)
            return 1;
        if (fork() == 0) {
            close(ends[1]);
            // Until the parent is gone.
            if (read(ends[0], &byte, 1) == 0)
                exit(in_child(6));
        }
    }
    return 4;
}
"#;
const DEFINED: usize = 6;

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let mut all = Vec::new();
    let endings = [
        ("return", 4, "12\nlate\n"),
        ("exit", 9, "12\nlate\n"),
        ("missing", 70, "12\n"),
        // The child's own `late`, then its parent's.
        ("fork", 7, "12\nlate\nlate\n"),
        ("orphan", 4, "12\nlate\nlate\n"),
    ];
    for (how, code, stdout) in endings {
        all.push(bench.test(format!("trace::{how}"), move |folder| {
            lazy(folder, how, code, stdout)
        }));
        all.push(bench.test(format!("trace::{how}_ahead"), move |folder| {
            ahead(folder, how, code, stdout)
        }));
    }
    all
}

/// One complete event.
#[derive(Debug)]
struct Span {
    name: String,
    category: String,
    thread: u64,
    /// Nanoseconds.
    start: u64,
    end: u64,
    arguments: Value,
}

/// Reads a trace; every event has what the format asks for.
fn read(path: &Path) -> Result<Vec<Span>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("no trace: {e}"))?;
    let events: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    let mut spans = Vec::new();
    let mut named = BTreeSet::new();
    let mut processes = BTreeSet::new();
    for event in &events {
        let odd = || format!("an odd event: {event}");
        let name = event["name"].as_str().ok_or_else(odd)?;
        let thread = event["tid"].as_u64().ok_or_else(odd)?;
        processes.insert(event["pid"].as_u64().ok_or_else(odd)?);
        let nanoseconds = |field: &str| {
            let time = event[field].as_f64().filter(|time| *time >= 0.0);
            Ok::<u64, String>((time.ok_or_else(odd)? * 1000.0).round() as u64)
        };
        match event["ph"].as_str() {
            Some("M") => {
                event["args"]["name"].as_str().ok_or_else(odd)?;
                if name == "thread_name" && !named.insert(thread) {
                    return Err(format!("thread {thread} is named twice"));
                }
            }
            Some("X") => {
                let start = nanoseconds("ts")?;
                spans.push(Span {
                    name: name.to_owned(),
                    category: event["cat"].as_str().ok_or_else(odd)?.to_owned(),
                    thread,
                    start,
                    end: start + nanoseconds("dur")?,
                    arguments: event["args"].clone(),
                });
            }
            _ => return Err(odd()),
        }
    }
    if processes.len() != 1 {
        return Err(format!("events of the processes {processes:?}"));
    }
    match spans.iter().find(|span| !named.contains(&span.thread)) {
        Some(span) => Err(format!("a thread without a name: {span:?}")),
        None => Ok(spans),
    }
}

/// On each thread, two spans lie side by side, or one contains the other; a phase lies in what it
/// is a phase of, and in no other phase.
fn expect_nested(spans: &[Span]) -> Result<(), String> {
    let mut open: BTreeMap<u64, Vec<&Span>> = BTreeMap::new();
    let mut before = 0;
    for span in spans {
        if span.start < before {
            return Err(format!("out of order: {span:?}"));
        }
        before = span.start;
        let open = open.entry(span.thread).or_default();
        open.retain(|outer| outer.end > span.start);
        if let Some(outer) = open.iter().find(|outer| outer.end < span.end) {
            return Err(format!("{span:?} sticks out of {outer:?}"));
        }
        let parent = open.last().map(|outer| outer.category.as_str());
        let is_right = match span.category.as_str() {
            "phase" => matches!(parent, Some("compile" | "load")),
            _ => parent != Some("phase"),
        };
        if !is_right {
            return Err(format!("{span:?} is in {parent:?}"));
        }
        open.push(span);
    }
    Ok(())
}

/// The compiled functions, with the reason of each.
fn functions(spans: &[Span]) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for span in spans.iter().filter(|span| span.category == "compile") {
        let odd = || format!("odd arguments: {span:?}");
        let functions = span.arguments["functions"].as_array().ok_or_else(odd)?;
        span.arguments["unit"].as_str().ok_or_else(odd)?;
        let mut bytes = 0;
        for function in functions {
            let name = function["name"].as_str().ok_or_else(odd)?;
            let why = function["why"].as_str().ok_or_else(odd)?;
            let size = function["code_bytes"].as_u64().ok_or_else(odd)?;
            bytes += size;
            if size == 0 || found.insert(name.to_owned(), why.to_owned()).is_some() {
                return Err(format!("{name} twice, or empty: {span:?}"));
            }
        }
        if span.arguments["code_bytes"].as_u64() != Some(bytes) {
            return Err(odd());
        }
    }
    Ok(found)
}

/// Each phase's spans add up to what the report says.
fn expect_sums(spans: &[Span], report: &Value) -> Result<(), String> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.category == "phase") {
        *sums.entry(&span.name).or_default() += span.end - span.start;
    }
    for phase in [
        "load", "index", "extract", "find", "optimise", "codegen", "link", "publish", "record",
    ] {
        let sum = sums.remove(phase).unwrap_or_default() as f64 / 1e6;
        let reported = report["ms"][phase].as_f64().unwrap_or(-1.0);
        // A nanosecond of rounding for each span.
        if (sum - reported).abs() > 1e-3 {
            return Err(format!("{phase}: {sum} ms, and in the report {reported}"));
        }
    }
    match sums.keys().next() {
        Some(phase) => Err(format!("a phase {phase} that no report has")),
        None => Ok(()),
    }
}

struct Run {
    spans: Vec<Span>,
    report: Value,
}

/// Runs the program with a trace and, where there is a report, checks one against the other.
fn run(
    folder: &Folder,
    options: &[&str],
    how: &str,
    code: i32,
    stdout: &str,
) -> Result<Run, String> {
    let program = folder.bitcode("program", PROGRAM)?;
    let mut command = folder.rewire_run();
    command
        .args(options)
        .args(["--trace", "trace.json", "--report=report.json"])
        .arg(&program)
        .args(["--", how]);
    let outcome = finish(&mut command)?;
    expect_code(&outcome, &[code])?;
    expect_stdout(&outcome, stdout)?;
    let spans = read(&folder.path.join("trace.json"))?;
    let report = std::fs::read_to_string(folder.path.join("report.json"));
    let report = report.map_err(|e| format!("no report: {e}"))?;
    let report: Value = serde_json::from_str(&report).map_err(|e| e.to_string())?;
    expect_nested(&spans)?;
    expect_sums(&spans, &report)?;
    let compiled = functions(&spans)?.len() as u64;
    if report["functions_compiled"].as_u64() != Some(compiled) {
        return Err(format!("{compiled} functions in the trace: {report}"));
    }
    Ok(Run { spans, report })
}

fn lazy(folder: &Folder, how: &str, code: i32, stdout: &str) -> Result<(), String> {
    let Run { spans, .. } = run(folder, &["--threads", "0"], how, code, stdout)?;
    let mut expected = BTreeMap::from([
        ("main".to_owned(), "called".to_owned()),
        ("leaf".to_owned(), "in company of begin".to_owned()),
        ("begin".to_owned(), "called".to_owned()),
    ]);
    if how != "missing" {
        expected.insert("late".to_owned(), "called".to_owned());
    }
    let mut found = functions(&spans)?;
    for why in found.values_mut() {
        // Whether the host's caller has a name is for its symbol table to say.
        if why.starts_with("called by ") {
            "called".clone_into(why);
        }
    }
    if found != expected {
        return Err(format!("compiled: {found:?}"));
    }
    let one = |name: &str| {
        let mut named = spans.iter().filter(|span| span.name == name);
        match (named.next(), named.next()) {
            (Some(span), None) => Ok(span),
            _ => Err(format!("not one span {name}: {spans:?}")),
        }
    };
    let program = one("run the program")?;
    let main = one("compile main")?;
    if main.start < program.start || main.end > program.end || main.thread != program.thread {
        return Err("main is not compiled while the program runs".to_owned());
    }
    let begin = one("compile begin and 1 more")?;
    if begin.thread == program.thread {
        return Err("another thread's work is shown on the first thread".to_owned());
    }
    Ok(())
}

/// With compile threads the same functions are compiled, by whichever thread gets there first.
fn ahead(folder: &Folder, how: &str, code: i32, stdout: &str) -> Result<(), String> {
    let Run { spans, .. } = run(folder, &["--threads", "2"], how, code, stdout)?;
    let found = functions(&spans)?;
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = match how {
        "missing" => &["begin", "leaf", "main"][..],
        _ => &["begin", "late", "leaf", "main"],
    };
    let is_known = |why: &String| why.starts_with("called") || why == "surely called soon";
    if names != expected || !found.values().all(is_known) {
        return Err(format!("compiled: {found:?}"));
    }
    Ok(())
}

trial!(eager);
fn eager(folder: &Folder) -> Result<(), String> {
    // Eagerly, a function that nothing defines is no error either before it is called.
    for threads in ["0", "2"] {
        let options = ["--eager", "--threads", threads];
        let Run { spans, report } = run(folder, &options, "return", 4, "12\nlate\n")?;
        let found = functions(&spans)?;
        if found.len() != DEFINED || found.values().any(|why| why != "eager") {
            return Err(format!("compiled: {found:?}, {report}"));
        }
    }
    Ok(())
}

trial!(source);
/// A caller that is compiled code has a name; clang's own work shows.
fn source(folder: &Folder) -> Result<(), String> {
    let source = "int inner(int x) { return x; }\n\
                  int main(int n, char **v) { return n > 0 ? inner(n) : 0; }\n";
    folder.file("source.c", source)?;
    let mut command = folder.rewire_run();
    command.args(["--threads", "0", "--trace", "trace.json", "source.c"]);
    let outcome = finish(&mut command)?;
    expect_code(&outcome, &[1])?;
    let spans = read(&folder.path.join("trace.json"))?;
    expect_nested(&spans)?;
    let why = functions(&spans)?.remove("inner");
    if why.as_deref() != Some("called by main") {
        return Err(format!("inner: {why:?}"));
    }
    match spans.iter().any(|span| span.name == "clang source.c") {
        true => Ok(()),
        false => Err(format!("no word of clang: {spans:?}")),
    }
}

trial!(bad_input);
/// The trace of what came before the error.
fn bad_input(folder: &Folder) -> Result<(), String> {
    let good = folder.bitcode("program", PROGRAM)?;
    let bad = folder.file("bad.ll", "define i32 @f( {\n")?;
    let mut command = folder.rewire_run();
    command.args(["--trace", "trace.json"]).arg(good).arg(bad);
    expect_error(&finish(&mut command)?, &[65], &["bad.ll"])?;
    let spans = read(&folder.path.join("trace.json"))?;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    match names[..] {
        [load, "load", "index"] if load.ends_with("program.bc") => Ok(()),
        _ => Err(format!("{names:?}")),
    }
}
