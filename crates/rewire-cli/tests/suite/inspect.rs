//! `rewire inspect`: what it shows, compared with what a native compiler leaves in objects; that
//! it runs nothing; bad input.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::Trial;
use object::{Object, ObjectSymbol, SymbolKind};
use serde_json::Value;

use crate::bad_input::{VICTIM, flip};
use crate::process::{self, Ending, Outcome};
use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

const FLIPS: u64 = 40;

/// Sizes and calls that can be counted by eye.
const COUNTED: &str = "
@data = global [3 x i32] zeroinitializer
@table = internal constant [2 x ptr] [ptr @leaf, ptr @main]
@name = alias i32 (i32), ptr @leaf
@pick = ifunc i32 (i32), ptr @choose
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 7, ptr @early, ptr null }]
declare i32 @puts(ptr)
declare i32 @found_nowhere_at_all(i32)
declare extern_weak i32 @maybe()
define i32 @main(i32 %n, ptr %v) {
  %a = call i32 @leaf(i32 1)
  %b = call i32 @leaf(i32 %a)
  %c = icmp eq ptr @maybe, null
  br i1 %c, label %yes, label %no
yes:
  %d = call i32 @puts(ptr @data)
  ret i32 %d
no:
  %e = call i32 @found_nowhere_at_all(i32 %b)
  %f = load ptr, ptr @table
  %g = call i32 %f(i32 1)
  ret i32 %g
}
define internal i32 @leaf(i32 %x) {
  ret i32 %x
}
define ptr @choose() {
  ret ptr @leaf
}
define internal void @early() {
  %a = call i32 @puts(ptr @data)
  ret void
}
";

/// Would print, were anything of it run.
const LOUD: &str = r#"
#include <unistd.h>
static void say(const char *what) { write(1, what, 4); }
__attribute__((constructor)) static void before(void) { say("ctor"); }
__attribute__((destructor)) static void after(void) { say("dtor"); }
static int one(int x) { return x; }
static void *choose(void) { say("pick"); return one; }
int chosen(int x) __attribute__((ifunc("choose")));
extern int library_data;
int library_function(int);
int deeper_function(int);
int main(void) { say("main"); return chosen(library_data) + library_function(1) + deeper_function(2); }
"#;

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let mut all = Vec::new();
    for seed in 1..=FLIPS {
        all.push(
            bench.test(format!("inspect::flips::{seed}"), move |folder| {
                flipped(folder, seed)
            }),
        );
    }
    all
}

/// `rewire inspect`, here.
fn inspect(folder: &Folder) -> Command {
    let mut command = process::rewire();
    command.arg("inspect").current_dir(&folder.path);
    command
}

/// What it prints when all is well.
fn output(command: &mut Command) -> Result<String, String> {
    let outcome = finish(command)?;
    expect_code(&outcome, &[0])?;
    if !outcome.stderr.is_empty() {
        return Err(format!("it complains: {outcome}"));
    }
    Ok(outcome.stdout_text())
}

fn read_json(command: &mut Command) -> Result<Value, String> {
    let text = output(command)?;
    serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))
}

/// Some line has just these words.
fn expect_line(text: &str, line: &str) -> Result<(), String> {
    let wanted: Vec<&str> = line.split_whitespace().collect();
    let mut lines = text.lines().map(|line| line.split_whitespace());
    match lines.any(|words| words.eq(wanted.iter().copied())) {
        true => Ok(()),
        false => Err(format!("no line {line:?}:\n{text}")),
    }
}

fn expect_equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("expected {expected:?}, found {found:?}")),
    }
}

trial!(table);
fn table(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let text = output(inspect(folder).arg("counted.ll"))?;
    for line in [
        "1 4 14 2 28 0 counted.ll",
        // Instructions, blocks, callers, callees.
        "10 3 0 3 external main",
        "1 1 1 0 local leaf",
        "2 1 0 1 local early",
        // Bytes, users.
        "16 1 constant local table",
        "12 2 variable external data",
        "alias external name = leaf",
        "ifunc external pick = chosen by choose",
        "7 before early",
        "2 function external process puts",
        "1 function external nowhere found_nowhere_at_all",
        "1 function extern_weak nowhere maybe",
        "4 functions: 14 instructions in 6 blocks, 1 call through pointers",
        "2 variables: 28 bytes",
        "3 undefined names, 2 of them found nowhere",
    ] {
        expect_line(&text, line)?;
    }
    match text.contains('\x1b') {
        true => Err("colours in a pipe".to_owned()),
        false => Ok(()),
    }
}

trial!(units);
/// Each line says which unit it is about as soon as there are two.
fn units(folder: &Folder) -> Result<(), String> {
    folder.file(
        "one.ll",
        "declare i32 @both()\ndefine i32 @f() {\n %x = call i32 @both()\n ret i32 %x\n}\n\
         define weak i32 @both2() {\n ret i32 1\n}\n",
    )?;
    folder.file(
        "two.ll",
        "define i32 @both() {\n ret i32 2\n}\ndefine weak i32 @both2() {\n ret i32 1\n}\n",
    )?;
    let text = output(inspect(folder).args(["one.ll", "two.ll"]))?;
    for line in [
        "1 2 3 0 0 0 one.ll",
        "2 1 1 0 0 1 two.ll",
        "2 1 0 1 external 1 f",
        "1 1 1 0 external 2 both",
        "1 1 0 0 weak 1 both2",
        "0 undefined names",
    ] {
        expect_line(&text, line)?;
    }
    Ok(())
}

trial!(calls);
fn calls(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let main = output(inspect(folder).args(["--calls", "main", "counted.ll"]))?;
    expect_equal(
        &*main,
        "main: external function, 10 instructions, 3 blocks, in counted.ll\n\
         named by 1 symbol:\n\
         \x20 table\n\
         calls 3 functions:\n\
         \x20 leaf, 2 times\n\
         \x20 found_nowhere_at_all  (nowhere)\n\
         \x20 puts  (process)\n\
         names 3 symbols:\n\
         \x20 data\n\
         \x20 maybe  (nowhere)\n\
         \x20 table\n\
         calls through pointers: 1\n",
    )?;
    let puts = output(inspect(folder).args(["--calls", "puts", "counted.ll"]))?;
    expect_equal(
        &*puts,
        "puts: external function, undefined, found in process\n\
         called by 2 functions:\n\
         \x20 early\n\
         \x20 main\n",
    )?;
    let alias = output(inspect(folder).args(["--calls", "name", "counted.ll"]))?;
    expect_line(&alias, "stands for leaf")
}

trial!(calls_nobody);
fn calls_nobody(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    for json in [false, true] {
        let mut command = inspect(folder);
        if json {
            command.arg("--json");
        }
        let outcome = finish(command.args(["--calls", "stranger", "counted.ll"]))?;
        expect_error(&outcome, &[65], &["stranger"])?;
        expect_stdout(&outcome, "")?;
    }
    Ok(())
}

trial!(undefined);
fn undefined(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let text = output(inspect(folder).args(["--undefined", "counted.ll"]))?;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    // What is found nowhere comes first.
    expect_equal(
        lines,
        vec![
            vec!["USERS", "KIND", "LINKAGE", "FOUND", "IN", "UNDEFINED"],
            vec![
                "1",
                "function",
                "external",
                "nowhere",
                "found_nowhere_at_all",
            ],
            vec!["1", "function", "extern_weak", "nowhere", "maybe"],
            vec!["2", "function", "external", "process", "puts"],
            vec![],
            "3 undefined names, 2 of them found nowhere"
                .split(' ')
                .collect(),
        ],
    )?;
    let value = read_json(inspect(folder).args(["--undefined", "--json", "counted.ll"]))?;
    let list = value["undefined"].as_array().ok_or("no array")?;
    let found: Vec<(&str, Option<&str>)> = list
        .iter()
        .map(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            (name, one["found_in"].as_str())
        })
        .collect();
    expect_equal(
        found,
        vec![
            ("found_nowhere_at_all", None),
            ("maybe", None),
            ("puts", Some("process")),
        ],
    )
}

trial!(json);
/// Both directions of the call graph tell the same.
fn json(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let victim = folder.bitcode("victim", VICTIM)?;
    let value = read_json(inspect(folder).args(["--json", "counted.ll"]).arg(&victim))?;
    let mut symbols = Vec::new();
    for list in ["functions", "variables", "aliases", "undefined"] {
        symbols.extend(value[list].as_array().ok_or(format!("no {list}"))?);
    }
    let edges = |field: &str, is_forward: bool| -> BTreeSet<String> {
        let mut edges = BTreeSet::new();
        for symbol in &symbols {
            for one in symbol[field].as_array().into_iter().flatten() {
                let (from, to) = match is_forward {
                    true => (&symbol["id"], &one["id"]),
                    false => (&one["id"], &symbol["id"]),
                };
                edges.insert(format!("{from} {to} {} {}", one["calls"], one["refers"]));
            }
        }
        edges
    };
    let forward = edges("uses", true);
    if forward.len() < 10 {
        return Err(format!("few uses: {forward:?}"));
    }
    expect_equal(&edges("users", false), &forward)?;
    let functions = value["functions"].as_array().ok_or("no functions")?;
    let main = functions.iter().find(|one| one["name"] == "main");
    let main = main.ok_or("no main")?;
    for (field, expected) in [("instructions", 10), ("blocks", 3), ("indirect_calls", 1)] {
        expect_equal(main[field].as_u64(), Some(expected))?;
    }
    expect_equal(&main["type"], &Value::from("i32 (i32, ptr)"))?;
    let early = &value["units"][0]["constructors"][0];
    expect_equal(
        (&early["name"], early["priority"].as_u64()),
        (&"early".into(), Some(7)),
    )
}

trial!(orders);
fn orders(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let expected = [
        ("size", ["main", "early", "choose", "leaf"]),
        ("name", ["choose", "early", "leaf", "main"]),
        // By main, choose, table; by table; by none, which its constructor's list is no user of.
        ("users", ["leaf", "main", "choose", "early"]),
    ];
    for (order, names) in expected {
        let value = read_json(inspect(folder).args(["--json", "--sort", order, "counted.ll"]))?;
        let functions = value["functions"].as_array().ok_or("no functions")?;
        let found: Vec<&str> = functions
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        expect_equal(found, names.to_vec()).map_err(|e| format!("{order}: {e}"))?;
    }
    Ok(())
}

trial!(names_of_native_objects);
/// The functions that are defined, and the names that aren't, are those of the object that clang
/// makes of the same source.
fn names_of_native_objects(folder: &Folder) -> Result<(), String> {
    let bitcode = folder.bitcode("victim", VICTIM)?;
    let object_path = folder.path.join("victim.o");
    process::build(
        process::clang()
            .args(["-O0", "-c", "-o"])
            .arg(&object_path)
            .arg(folder.path.join("victim.c")),
    )?;
    let bytes = fs::read(&object_path).map_err(|e| e.to_string())?;
    let native = object::File::parse(&*bytes).map_err(|e| e.to_string())?;
    let names = |wanted: &dyn Fn(&object::Symbol<'_, '_>) -> bool| -> BTreeSet<String> {
        let symbols = native.symbols().filter(wanted);
        let names = symbols.filter_map(|one| one.name().ok().map(str::to_owned));
        names.filter(|name| !name.is_empty()).collect()
    };
    let native_functions = names(&|one| one.kind() == SymbolKind::Text && one.is_definition());
    let mut native_undefined = names(&|one| one.is_undefined());
    // Code generation calls this one for a division of 128 bits.
    native_undefined.remove("__divti3");

    let value = read_json(inspect(folder).arg("--json").arg(&bitcode))?;
    let listed = |list: &str| -> BTreeSet<String> {
        let symbols = value[list].as_array().into_iter().flatten();
        let names = symbols.filter_map(|one| one["name"].as_str());
        names.map(str::to_owned).collect()
    };
    expect_equal(listed("functions"), native_functions)?;
    expect_equal(listed("undefined"), native_undefined)
}

/// Builds a library that needs another one; both would print if they were loaded.
fn build_libraries(folder: &Folder) -> Result<(), String> {
    let loud = "#include <unistd.h>\n\
                __attribute__((constructor)) static void l(void) { write(1, \"load\", 4); }\n";
    let deeper = folder.file(
        "deeper.c",
        format!("{loud}int deeper_function(int x) {{ return x; }}\n"),
    )?;
    let library = folder.file(
        "library.c",
        format!(
            "{loud}int deeper_function(int);\nint library_data = 3;\n\
             int library_function(int x) {{ return deeper_function(x); }}\n"
        ),
    )?;
    let place = folder.path.join("libraries");
    fs::create_dir_all(&place).map_err(|e| e.to_string())?;
    let shared = |source: &Path, name: &str| {
        let mut compiler = process::clang();
        compiler
            .args(["-shared", "-fPIC", "-o"])
            .arg(place.join(format!("lib{name}.so")))
            .arg(source);
        compiler
    };
    process::build(shared(&deeper, "deeper").arg("-Wl,-soname,libdeeper.so"))?;
    let mut compiler = shared(&library, "outer");
    process::build(
        compiler
            .arg("-Wl,--no-as-needed")
            .arg("-L")
            .arg(&place)
            .args(["-l", "deeper"]),
    )
}

trial!(runs_nothing);
fn runs_nothing(folder: &Folder) -> Result<(), String> {
    build_libraries(folder)?;
    let loud = folder.bitcode("loud", LOUD)?;
    let mut command = inspect(folder);
    let text = output(command.args(["-L", "libraries", "-l", "outer"]).arg(&loud))?;
    // Names stand alone at the ends of lines; what was printed would stand at the start.
    for said in ["ctor", "dtor", "pick", "main", "load"] {
        if text.lines().any(|line| line.starts_with(said)) {
            return Err(format!("something was run and said {said}: {text}"));
        }
    }
    if !text.starts_with("UNIT ") {
        return Err(format!("something comes first: {text}"));
    }
    expect_line(&text, "ifunc external chosen = chosen by choose")?;
    expect_line(&text, "65535 before before")?;
    expect_line(&text, "65535 after after")
}

trial!(libraries);
/// What libraries have, and the libraries that these need; given by `-l` or as a FILE.
fn libraries(folder: &Folder) -> Result<(), String> {
    build_libraries(folder)?;
    let loud = folder.bitcode("loud", LOUD)?;
    let found = [
        "1 variable external libouter.so library_data",
        "1 function external libouter.so library_function",
        "1 function external libdeeper.so deeper_function",
        "1 function external process write",
        "4 undefined names",
    ];
    for given in [
        &["-L", "libraries", "-l", "outer"][..],
        &["libraries/libouter.so"],
    ] {
        let mut command = inspect(folder);
        let text = output(command.arg("--undefined").args(given).arg(&loud))?;
        for line in found {
            expect_line(&text, line)?;
        }
    }
    let text = output(inspect(folder).arg("--undefined").arg(&loud))?;
    expect_line(&text, "1 function external nowhere library_function")?;
    let outcome = finish(inspect(folder).args(["-l", "no_such_library"]).arg(&loud))?;
    expect_error(&outcome, &[65], &["no_such_library"])?;
    folder.file("broken.so", b"\x7fELF and nothing more")?;
    let outcome = finish(inspect(folder).arg(&loud).arg("broken.so"))?;
    expect_error(&outcome, &[65], &["broken.so"])
}

trial!(colours);
fn colours(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    for (when, expected) in [("auto", false), ("never", false), ("always", true)] {
        let text = output(inspect(folder).args(["--color", when, "counted.ll"]))?;
        if text.contains('\x1b') != expected {
            return Err(format!("--color {when}: {text:?}"));
        }
    }
    Ok(())
}

trial!(odd_names);
/// A name may hold anything; the terminal must not take it for a command, nor a reader for two
/// lines.
fn odd_names(folder: &Folder) -> Result<(), String> {
    folder.file(
        "odd.ll",
        "define i32 @\"a\\1B[31mb\\0Ac\"() {\n ret i32 0\n}\n@0 = global i32 0\n",
    )?;
    let text = output(inspect(folder).arg("odd.ll"))?;
    expect_line(&text, "1 1 0 0 external a\\u{1b}[31mb\\nc")?;
    if text.contains('\x1b') {
        return Err(format!("a name got through: {text:?}"));
    }
    let value = read_json(inspect(folder).args(["--json", "odd.ll"]))?;
    expect_equal(
        &value["functions"][0]["name"],
        &Value::from("a\u{1b}[31mb\nc"),
    )
}

trial!(closed_pipe);
/// The reader goes away: death by SIGPIPE, as of any other tool, and not a message.
fn closed_pipe(folder: &Folder) -> Result<(), String> {
    // More than a pipe holds.
    let mut many = String::new();
    for number in 0..5000 {
        many.push_str(&format!(
            "define i32 @function_with_a_long_name_{number}() {{\n ret i32 0\n}}\n"
        ));
    }
    folder.file("many.ll", many)?;
    let mut command = inspect(folder);
    command
        .arg("many.ll")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    drop(child.stdout.take());
    let outcome = child.wait_with_output().map_err(|e| e.to_string())?;
    let outcome = Outcome {
        ending: outcome.status.into(),
        stdout: outcome.stdout,
        stderr: outcome.stderr,
    };
    if outcome.ending == Ending::Signal(libc::SIGPIPE) && outcome.stderr.is_empty() {
        return Ok(());
    }
    Err(format!("expected death by SIGPIPE, found {outcome}"))
}

trial!(full_disk);
fn full_disk(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" inspect counted.ll > /dev/full"])
        .arg(env!("CARGO_BIN_EXE_rewire"))
        .current_dir(&folder.path);
    expect_error(&finish(&mut command)?, &[1], &["standard output"])
}

trial!(wrong_usage);
fn wrong_usage(folder: &Folder) -> Result<(), String> {
    folder.file("counted.ll", COUNTED)?;
    let wrong: [&[&str]; 5] = [
        &[],
        &["--calls"],
        &["--calls", "main", "--undefined", "counted.ll"],
        &["--sort", "beauty", "counted.ll"],
        &["--no-such-option", "counted.ll"],
    ];
    for arguments in wrong {
        let outcome = finish(inspect(folder).args(arguments))?;
        expect_code(&outcome, &[2]).map_err(|e| format!("{arguments:?}: {e}"))?;
        expect_stdout(&outcome, "")?;
    }
    Ok(())
}

trial!(bad_input);
fn bad_input(folder: &Folder) -> Result<(), String> {
    let uncalled = "define i32 @main() {\n  ret i32 0\n}\ndefine i32 @f() {\n  br label %b\na:\n\
                    \x20 %x = add i32 1, 1\n  br label %b\nb:\n  ret i32 %x\n}\n";
    let files: [(&str, &[u8], &str); 6] = [
        ("empty.bc", b"", "empty.bc"),
        ("magic.bc", b"BC\xc0\xde", "magic.bc"),
        ("syntax.ll", b"define i32 @f( {\n", "syntax.ll"),
        ("rule.ll", uncalled.as_bytes(), "rule.ll"),
        (
            "other.ll",
            b"target triple = \"aarch64-unknown-linux-gnu\"\n",
            "aarch64",
        ),
        ("wrong.c", b"int main(void) { return }\n", "wrong.c"),
    ];
    for (name, content, part) in files {
        folder.file(name, content)?;
        let outcome = finish(inspect(folder).arg(name))?;
        expect_error(&outcome, &[65], &[part])?;
        expect_stdout(&outcome, "")?;
    }
    let outcome = finish(inspect(folder).arg("missing.bc"))?;
    expect_error(&outcome, &[65], &["missing.bc"])?;
    folder.file("one.ll", "define i32 @twice() {\n ret i32 0\n}\n")?;
    folder.file("two.ll", "define i32 @twice() {\n ret i32 0\n}\n")?;
    let outcome = finish(inspect(folder).args(["one.ll", "two.ll"]))?;
    expect_error(&outcome, &[65], &["twice", "one.ll", "two.ll"])?;
    // It has no main function, and need not have one.
    output(inspect(folder).arg("one.ll")).map(|_| ())
}

trial!(truncated);
fn truncated(folder: &Folder) -> Result<(), String> {
    let whole = fs::read(folder.bitcode("victim", VICTIM)?).map_err(|e| e.to_string())?;
    for part in 1..20 {
        let size = whole.len() * part / 20;
        folder.file("cut.bc", &whole[..size])?;
        let outcome = finish(inspect(folder).arg("cut.bc"))?;
        expect_error(&outcome, &[65], &["cut.bc"])
            .map_err(|e| format!("{size} of {} bytes: {e}", whole.len()))?;
    }
    Ok(())
}

/// All bodies are read, so that what is wrong is said now, and by no signal.
fn flipped(folder: &Folder, seed: u64) -> Result<(), String> {
    let whole = fs::read(folder.bitcode("victim", VICTIM)?).map_err(|e| e.to_string())?;
    folder.file("flipped.bc", flip(whole, seed))?;
    let outcome = finish(inspect(folder).arg("flipped.bc"))?;
    match outcome.ending {
        Ending::Code(0) if outcome.stdout.starts_with(b"UNIT ") => Ok(()),
        _ => expect_error(&outcome, &[65], &["flipped.bc"]),
    }
}

trial!(names_of_sources);
/// Names are shown and taken as C++ and Rust sources have them; JSON has both, and the linker's are
/// taken as well.
fn names_of_sources(folder: &Folder) -> Result<(), String> {
    let path = folder.file(
        "mangled.ll",
        "declare void @_ZN5shape4moveEii(i32, i32)\n\
         define void @_ZN5shape4areaEd(double %x) {\n  call void @_ZN5shape4moveEii(i32 1, i32 2)\n  \
         ret void\n}\n\
         define void @_ZN5shape4areaEi(i32 %x) {\n  call void @_RNvC5shape5round()\n  ret void\n}\n\
         define void @_RNvC5shape5round() {\n  ret void\n}\n\
         define void @plain() {\n  call void @_ZN5shape4areaEi(i32 1)\n  ret void\n}\n",
    )?;
    let calls = |name: &str, json: bool| {
        let mut command = process::rewire();
        command.args(["inspect", "--calls", name]).arg(&path);
        if json {
            command.arg("--json");
        }
        finish(&mut command)
    };
    let double = "shape::area(double): external function";
    let integer = "shape::area(int): external function";
    let rust = "shape::round: external function";
    for (name, heads) in [
        ("_ZN5shape4areaEd", &[double][..]),
        ("shape::area(int)", &[integer]),
        ("shape::area", &[double, integer]),
        ("shape::round", &[rust]),
        ("_RNvC5shape5round", &[rust]),
        ("plain", &["plain: external function"]),
    ] {
        let outcome = calls(name, false)?;
        expect_code(&outcome, &[0]).map_err(|e| format!("{name}: {e}"))?;
        let text = outcome.stdout_text();
        let found = text.lines().filter(|line| line.contains(": external "));
        let found: BTreeSet<&str> = found
            .map(|line| line.split(',').next().unwrap_or(""))
            .collect();
        if found != heads.iter().copied().collect() || text.contains("_Z") || text.contains("_R") {
            return Err(format!("{name}: {outcome}"));
        }
    }
    for name in ["shape", "shape::area(", "area", "pla"] {
        expect_error(&calls(name, false)?, &[65], &["nothing is called"])
            .map_err(|e| format!("{name}: {e}"))?;
    }
    let text = calls("shape::area(double)", true)?.stdout_text();
    let json: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    let symbol = &json["symbols"][0];
    let names = (
        &symbol["name"],
        &symbol["demangled"],
        &symbol["uses"][0]["demangled"],
    );
    if names
        != (
            &"_ZN5shape4areaEd".into(),
            &"shape::area(double)".into(),
            &"shape::move(int, int)".into(),
        )
    {
        return Err(format!("{names:?} in {text}"));
    }
    let table = finish(process::rewire().arg("inspect").arg(&path))?.stdout_text();
    let names = [
        "shape::area(double)",
        "shape::round",
        "shape::move(int, int)",
        "plain",
    ];
    match names.iter().find(|name| !table.contains(**name)) {
        Some(name) => Err(format!("no {name} in {table}")),
        None => Ok(()),
    }
}

trial!(html);
/// The page has what the JSON has, names that look like HTML too, and refers to nothing else.
fn html(folder: &Folder) -> Result<(), String> {
    let strange = "define void @\"</script><b>\"() {\n  ret void\n}\n";
    let source = folder.file("a.ll", format!("{COUNTED}{strange}"))?;
    let page = folder.path.join("page.html");
    let mut inspect = process::rewire();
    let outcome = finish(inspect.args(["inspect", "--html"]).arg(&page).arg(&source))?;
    expect_code(&outcome, &[0])?;
    expect_stdout(&outcome, "")?;
    let page = fs::read_to_string(&page).map_err(|e| e.to_string())?;
    let begin = "<script type=\"application/json\" id=\"data\">";
    let data = page
        .split_once(begin)
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let (data, _) = data.ok_or("no data in the page")?;
    let found: Value = serde_json::from_str(data).map_err(|e| e.to_string())?;
    let json = finish(process::rewire().args(["inspect", "--json"]).arg(&source))?;
    let expected: Value = serde_json::from_slice(&json.stdout).map_err(|e| e.to_string())?;
    if found != expected || !json.stdout_text().contains("</script><b>") {
        return Err(format!("the page has other data than --json: {data}"));
    }
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    match rest.contains("http") || rest.contains(" src=") || rest.contains(" href=") {
        true => Err("the page refers to something else".to_owned()),
        false => Ok(()),
    }
}

trial!(html_refused);
fn html_refused(folder: &Folder) -> Result<(), String> {
    let source = folder.file("a.ll", COUNTED)?;
    for path in ["/nonexistent/page.html", "/dev/full"] {
        let mut inspect = process::rewire();
        let outcome = finish(inspect.args(["inspect", "--html", path]).arg(&source))?;
        expect_error(&outcome, &[2], &["cannot write the page to", path])?;
    }
    let mut inspect = process::rewire();
    let outcome = finish(
        inspect
            .args(["inspect", "--html", "x", "--json"])
            .arg(&source),
    )?;
    expect_error(&outcome, &[2], &["--html", "--json"])
}
