//! `rewire repl` from a pipe: the cases in `tests/repl`, each an input with what has to come out.
//!
//! `NAME.in` is given to standard input; `NAME.out` and `NAME.err` are what has to be on standard
//! output and standard error, nothing if they don't exist. Addresses and times stand there as `*`.
//! The first comment lines of an input may have the directives `ARGS`, `EXIT` and `SIGNAL`, as the
//! cases of `tests/cases`; with `OUTPUT: part` standard output is not compared, but has to have
//! each such part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::process::{self, Ending, Outcome};
use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout};

trial!(addresses_and_times_are_masked);
fn addresses_and_times_are_masked(_: &Folder) -> Result<(), String> {
    masks()
}

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let inputs = match inputs() {
        Ok(inputs) => inputs,
        Err(error) => return vec![bench.test("repl::cases", move |_| Err(error))],
    };
    let trials = inputs.into_iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        bench.test(format!("repl::cases::{name}"), move |_| run(&path))
    });
    trials.collect()
}

/// The files of tests/repl, in the order of their names.
fn inputs() -> Result<Vec<PathBuf>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repl");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut inputs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "in"))
        .collect();
    inputs.sort();
    Ok(inputs)
}

/// What a case says of itself.
#[derive(Default)]
struct Case {
    arguments: Vec<String>,
    ending: Option<Ending>,
    parts: Vec<String>,
}

impl Case {
    fn read(text: &str) -> Result<Self, String> {
        let mut case = Self::default();
        let comments = text.lines().map_while(|line| line.strip_prefix("; "));
        for comment in comments {
            match comment.split_once(": ") {
                Some(("ARGS", words)) => {
                    case.arguments = words.split(' ').map(str::to_owned).collect();
                }
                Some(("EXIT", code)) => {
                    let code = code.parse().map_err(|_| format!("EXIT: {code}"))?;
                    case.ending = Some(Ending::Code(code));
                }
                Some(("SIGNAL", "SEGV")) => case.ending = Some(Ending::Signal(libc::SIGSEGV)),
                Some(("OUTPUT", part)) => case.parts.push(part.to_owned()),
                Some((key, _)) if key.bytes().all(|b| b.is_ascii_uppercase()) => {
                    return Err(format!("unknown directive {key}"));
                }
                _ => {}
            }
        }
        Ok(case)
    }
}

fn run(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let case = Case::read(&text)?;
    let mut command = process::rewire();
    command.arg("repl").args(&case.arguments);
    command.current_dir(path.parent().ok_or("a path without a folder")?);
    let outcome = process::run(&mut command, text.as_bytes())?;
    if outcome.ending != case.ending.unwrap_or(Ending::Code(0)) {
        return Err(format!("it ends otherwise: {outcome}"));
    }
    for part in &case.parts {
        if !outcome.stdout_text().contains(part) {
            return Err(format!("the output lacks {part:?}: {outcome}"));
        }
    }
    let mut compared = vec![("err", outcome.stderr_text())];
    if case.parts.is_empty() {
        compared.push(("out", outcome.stdout_text()));
    }
    for (extension, found) in compared {
        let expected = fs::read_to_string(path.with_extension(extension)).unwrap_or_default();
        let found = masked(&found);
        if found != expected {
            return Err(format!(
                "{extension} differs; expected\n{expected}--- found\n{found}---\n{outcome}"
            ));
        }
    }
    Ok(())
}

/// Long hexadecimal numbers and times become stars.
fn masked(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let time = line
            .strip_prefix("time ")
            .and_then(|it| it.strip_suffix(" ms"));
        if let Some(time) = time
            && time.split_once('.').is_some_and(|(whole, rest)| {
                let is_number = |it: &str| it.bytes().all(|b| b.is_ascii_digit());
                !whole.is_empty() && is_number(whole) && rest.len() == 3 && is_number(rest)
            })
        {
            lines.push("time * ms".to_owned());
            continue;
        }
        let mut parts = line.split("0x");
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.len()
                - part
                    .trim_start_matches(|c: char| c.is_ascii_hexdigit())
                    .len();
            masked.push_str("0x");
            match digits {
                9.. => {
                    masked.push('*');
                    masked.push_str(&part[digits..]);
                }
                _ => masked.push_str(part),
            }
        }
        lines.push(masked);
    }
    lines.join("\n")
}

fn masks() -> Result<(), String> {
    let pairs = [
        ("time 0.123 ms", "time * ms"),
        ("time 12 ms", "time 12 ms"),
        ("a 0x7f0012345678, b", "a 0x*, b"),
        ("0xdeadbeef 0x0", "0xdeadbeef 0x0"),
    ];
    for (text, expected) in pairs {
        if masked(text) != expected {
            return Err(format!("{text:?} became {:?}", masked(text)));
        }
    }
    Ok(())
}

fn repl(folder: &Folder, arguments: &[&str], input: &[u8]) -> Result<Outcome, String> {
    let mut command = process::rewire();
    command
        .arg("repl")
        .args(arguments)
        .current_dir(&folder.path);
    process::run(&mut command, input)
}

trial!(files_come_first);
fn files_come_first(folder: &Folder) -> Result<(), String> {
    folder.bitcode("library", "int f(int x) { return x * 2; }\n")?;
    folder.file("other.c", "int g(void) { return 5; }\n")?;
    let input = b"define i32 @h() {\n %x = call i32 @g()\n %y = call i32 @f(i32 %x)\n ret i32 %y\n}\n:call h\n";
    let outcome = repl(folder, &["library.bc", "other.c"], input)?;
    expect_code(&outcome, &[0])?;
    expect_stdout(&outcome, "defined h\n10\n")
}

trial!(bad_files);
fn bad_files(folder: &Folder) -> Result<(), String> {
    folder.file("bad.ll", "define i32 @f( {\n")?;
    for file in ["bad.ll", "nowhere.bc", "-"] {
        let outcome = repl(folder, &[file], b":call f\n")?;
        expect_error(&outcome, &[65], &[]).map_err(|e| format!("{file}: {e}"))?;
        expect_stdout(&outcome, "")?;
    }
    Ok(())
}

trial!(c_is_not_there_yet);
fn c_is_not_there_yet(folder: &Folder) -> Result<(), String> {
    let outcome = repl(folder, &["--lang", "c"], b"")?;
    expect_error(&outcome, &[2], &["--lang c", "yet", "help: "])?;
    let outcome = repl(folder, &["--lang", "ir"], b":quit\n")?;
    expect_code(&outcome, &[0])
}

trial!(no_utf8);
/// Bytes that are no text are an error of their line alone.
fn no_utf8(folder: &Folder) -> Result<(), String> {
    let input = b"define i32 @f() { ret i32 1 }\n:call \xff\xfe\n:call f\n";
    let outcome = repl(folder, &[], input)?;
    expect_error(&outcome, &[0], &["error: line 2: ", "UTF-8"])?;
    expect_stdout(&outcome, "defined f\n1\n")
}

trial!(too_deep);
/// LLVM's parser goes as deep as the input does.
fn too_deep(folder: &Folder) -> Result<(), String> {
    let depth = 1_000_000;
    let (open, close) = ("{".repeat(depth), "}".repeat(depth));
    let input = format!("@deep = global {open}i32{close} zeroinitializer\n:list\n");
    let outcome = repl(folder, &[], input.as_bytes())?;
    expect_error(
        &outcome,
        &[65],
        &["input.1: LLVM crashed while it read this"],
    )
}

trial!(endless_recursion);
/// The stack overflows, as often as one likes.
fn endless_recursion(folder: &Folder) -> Result<(), String> {
    let input = b"define i32 @deep(i32 %x) {\n %y = add i32 %x, 1\n %z = call i32 @deep(i32 %y)\n \
                  %sum = add i32 %z, 1\n ret i32 %sum\n}\n:call deep 0\n:call deep 0\n\
                  define i32 @deep(i32 %x) {\n ret i32 %x\n}\n:call deep 7\n";
    let outcome = repl(folder, &[], input)?;
    let parts = [
        "line 7: SIGSEGV at 0x",
        "line 8: SIGSEGV at 0x",
        ", in deep (generation 1), 16 times\n  called by ",
    ];
    expect_error(&outcome, &[0], &parts)?;
    let told = "defined deep\nreplaced deep (generation 2, 0 users)\n7\n";
    expect_stdout(&outcome, told)
}

trial!(full_disk);
fn full_disk(folder: &Folder) -> Result<(), String> {
    for (option, code) in [("--strict", 1), ("--color=never", 0)] {
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" repl \"$1\" > /dev/full"])
            .args([env!("CARGO_BIN_EXE_rewire"), option])
            .current_dir(&folder.path);
        let outcome = process::run(&mut command, b"define i32 @f() { ret i32 1 }\n")?;
        expect_error(&outcome, &[code], &["cannot write to standard output"])?;
    }
    Ok(())
}

trial!(many_names);
/// What an input costs depends on what it names: here, that each of many is found.
fn many_names(folder: &Folder) -> Result<(), String> {
    let mut input = String::from("define i32 @f0() {\n ret i32 0\n}\n");
    for number in 1..300 {
        let callee = number - 1;
        input.push_str(&format!(
            "define i32 @f{number}() {{\n %x = call i32 @f{callee}()\n %y = add i32 %x, 1\n ret i32 %y\n}}\n"
        ));
    }
    input.push_str(":call f299\n");
    let outcome = repl(folder, &["--strict"], input.as_bytes())?;
    expect_code(&outcome, &[0])?;
    match outcome.stdout_text().lines().last() {
        Some("299") => Ok(()),
        _ => Err(format!("expected 299: {outcome}")),
    }
}

trial!(report);
fn report(folder: &Folder) -> Result<(), String> {
    let input = b"define i32 @f() { ret i32 1 }\n:call f\n";
    let outcome = repl(folder, &["--report=report.json"], input)?;
    expect_code(&outcome, &[0])?;
    let text = fs::read_to_string(folder.path.join("report.json")).map_err(|e| e.to_string())?;
    if text.contains("\"functions_defined\"") {
        return Ok(());
    }
    Err(text)
}

trial!(names_of_values);
/// `:ir` tells the names of arguments, blocks and instructions that typed text, files of text and
/// bitcode have: of units whose IR is read anew for each function, and of larger ones, whose copies
/// stay.
fn names_of_values(folder: &Folder) -> Result<(), String> {
    let source = "int scaled(int width) {\n  int twice = width * 2;\n  while (twice > 9) twice -= 9;\n\
                  return twice;\n}\n";
    let mut many = source.to_owned();
    for number in 0..200 {
        many.push_str(&format!(
            "int f{number}(int x) {{ return x * {number}; }}\n"
        ));
    }
    let text = "define i32 @scaled(i32 %width) {\nentry:\n  %twice = shl i32 %width, 1\n  \
                br label %while.end\nwhile.end:\n  ret i32 %twice\n}\n";
    let long = format!("{text};{}\n", "-".repeat(10_000));
    folder.file("text.ll", text)?;
    folder.file("long.ll", long)?;
    for (name, source) in [("small", source), ("large", &many)] {
        let from = folder.file(&format!("{name}.c"), source)?;
        let to = folder.path.join(format!("{name}.bc"));
        process::make_bitcode(&from, &["-fno-discard-value-names".to_owned()], &to)?;
    }
    let typed = format!("{text}:call scaled 4\n:ir scaled\n:call scaled 4\n:ir scaled\n");
    let asked = ":ir scaled\n:call scaled 4\n:ir scaled\n:call scaled 4\n:ir scaled\n";
    let ways = [
        (None, typed.as_str()),
        (Some("text.ll"), asked),
        (Some("long.ll"), asked),
        (Some("small.bc"), asked),
        (Some("large.bc"), asked),
    ];
    for (file, input) in ways {
        let outcome = repl(folder, file.as_slice(), input.as_bytes())?;
        expect_code(&outcome, &[0])?;
        let told = outcome.stdout_text();
        let asked = input.matches(":ir").count();
        for part in [" %width)", "entry:", "while.end:", "  %twice = "] {
            if told.matches(part).count() != asked {
                return Err(format!("{file:?}: {part} isn't told each time: {outcome}"));
            }
        }
        if told.lines().filter(|line| *line == "8").count() != 2 {
            return Err(format!("{file:?}: the calls return otherwise: {outcome}"));
        }
    }
    Ok(())
}

trial!(given_back);
/// What `:ir` says of a function is typed in again: it is the same function, with the variables and
/// functions of its module that nobody else can name.
fn given_back(_: &Folder) -> Result<(), String> {
    let counter = "@n = internal global i32 3 define internal i32 @step() { ret i32 1 } \
                   define i32 @f() { %x = load i32, ptr @n %s = call i32 @step() \
                   %y = add i32 %x, %s store i32 %y, ptr @n ret i32 %y }";
    let point = "%point = type { i32, [2 x i16] } \
                 @\"a point\" = private constant %point { i32 20, [2 x i16] [i16 1, i16 2] } \
                 define fastcc i32 @\"of point\"(ptr %p) alwaysinline { \
                 %q = getelementptr %point, ptr %p, i32 0, i32 1, i32 1 \
                 %x = load i16, ptr %q %y = zext i16 %x to i32 ret i32 %y } \
                 define i32 @f() { %x = call fastcc i32 @\"of point\"(ptr @\"a point\") ret i32 %x }";
    let thread = "@t = internal thread_local global i64 40 \
                  define <2 x i64> @f() #0 { %p = call ptr @llvm.threadlocal.address.p0(ptr @t) \
                  %x = load i64, ptr %p %y = add i64 %x, 1 store i64 %y, ptr %p \
                  %v = insertelement <2 x i64> zeroinitializer, i64 %y, i32 1 ret <2 x i64> %v } \
                  declare ptr @llvm.threadlocal.address.p0(ptr) attributes #0 = { noinline }";
    for (defined, results) in [
        (counter, ["4", "5", "6"]),
        (point, ["2", "2", "2"]),
        (thread, ["<0, 41>", "<0, 42>", "<0, 43>"]),
    ] {
        let said = answers(&format!("{defined}\n:ir f\n"))?;
        let start = said
            .find("target ")
            .ok_or_else(|| format!("no IR: {said}"))?;
        let ir = &said[start..];
        let said = answers(&format!("{defined}\n:call f\n{ir}:call f\n{ir}:call f\n"))?;
        let is_result = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit() || c == '<');
        let found: Vec<&str> = said.lines().filter(is_result).collect();
        let replaced = said
            .lines()
            .filter(|line| line.starts_with("replaced f ("))
            .count();
        if found != results || replaced != 2 {
            return Err(format!(
                "{found:?}, and {replaced} times replaced, by {ir}\n{said}"
            ));
        }
    }
    Ok(())
}

/// What the REPL answers to an input without errors.
fn answers(input: &str) -> Result<String, String> {
    let outcome = process::run(process::rewire().arg("repl"), input.as_bytes())?;
    expect_code(&outcome, &[0])?;
    match outcome.stderr.is_empty() {
        true => Ok(outcome.stdout_text()),
        false => Err(format!("{input}\n{outcome}")),
    }
}
