//! Input that is no good: an error message and exit code 65 (or 70 where a body is read only when
//! it is first called), never a signal or a panic.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::process::{Ending, Outcome};
use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

const BAD: &[i32] = &[65];
const BAD_OR_LATER: &[i32] = &[65, 70];
const FLIPS: u64 = 60;

/// A unit with some of everything, which `MAIN` does not call.
pub(crate) const VICTIM: &str = r#"
#include <stdio.h>
#include <string.h>
struct pair { int a; double b; };
static int table[] = {1, 2, 3, 4};
static const char *const names[] = {"one", "two", "three"};
static int helper(int x) { return x > 3 ? table[x & 3] : x * 7; }
int (*victim_pointers[])(int) = {helper, helper};
static _Thread_local int local = 4;
int victim_loop(int n) {
    int sum = local;
    for (int i = 0; i < n; i++) {
        switch (i % 5) {
        case 0: sum += helper(i); break;
        case 1: sum ^= i << 3; break;
        case 2: sum -= (int)strlen(names[i % 3]); break;
        case 3: sum *= 3; break;
        default: sum /= 2;
        }
    }
    return sum;
}
struct pair victim_struct(struct pair p, int k) { p.a += k; p.b *= (double)k / 3; return p; }
void victim_print(struct pair *p) { printf("%d %f %s\n", p->a, p->b, names[p->a % 3]); }
__int128 victim_wide(__int128 a, __int128 b) { return a / b + victim_pointers[0]((int)a); }
int victim_goto(const unsigned char *code) {
    static const void *const labels[] = {&&add, &&sub, &&end};
    int acc = 0;
    goto *labels[*code++ % 3];
add: acc += 2; goto *labels[*code++ % 3];
sub: acc -= 1; goto *labels[*code++ % 3];
end: return acc;
}
"#;

const MAIN: &str = r#"
#include <stdio.h>
int main(void) { puts("ran"); return 0; }
"#;

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let mut all = Vec::new();
    for (name, file, content, parts) in FILES {
        for eager in [false, true] {
            let suffix = if eager { "_eager" } else { "" };
            all.push(
                bench.test(format!("bad_input::{name}{suffix}"), move |folder| {
                    let path = folder.file(file, content)?;
                    expect_error(&run(folder, &[&path], eager)?, BAD, parts)
                }),
            );
        }
    }
    for (number, main) in ODD_MAINS.into_iter().enumerate() {
        all.push(
            bench.test(format!("bad_input::odd_main_{number}"), move |folder| {
                let path = folder.file("x.ll", main)?;
                expect_error(&run(folder, &[&path], false)?, BAD, &["main"])
            }),
        );
    }
    all.push(bench.test("bad_input::same_file_twice", |folder| {
        let path = folder.bitcode("main", MAIN)?;
        expect_error(&run(folder, &[&path, &path], false)?, BAD, &["main"])
    }));
    all.push(bench.test("bad_input::nonexistent", |folder| {
        let path = folder.path.join("nowhere.bc");
        expect_error(&run(folder, &[&path], false)?, BAD, &["nowhere.bc"])
    }));
    all.push(bench.test("bad_input::directory", |folder| {
        let path = folder.path.join("folder.bc");
        fs::create_dir(&path).map_err(|e| e.to_string())?;
        expect_error(&run(folder, &[&path], false)?, BAD, &["folder.bc"])
    }));
    all.push(bench.test("bad_input::dangling_link", |folder| {
        let path = folder.path.join("link.bc");
        std::os::unix::fs::symlink("nowhere", &path).map_err(|e| e.to_string())?;
        expect_error(&run(folder, &[&path], false)?, BAD, &["link.bc"])
    }));
    all.push(bench.test("bad_input::no_such_library", |folder| {
        let path = folder.bitcode("main", MAIN)?;
        let mut command = folder.rewire_run();
        command.args(["-l", "rewire_no_such_library"]).arg(&path);
        expect_error(&finish(&mut command)?, BAD, &["rewire_no_such_library"])
    }));
    for seed in 1..=FLIPS {
        for eager in [false, true] {
            let mode = if eager { "eager" } else { "lazy" };
            let name = format!("bad_input::flips::{seed}_{mode}");
            all.push(bench.test(name, move |folder| flipped(folder, seed, eager)));
        }
        let name = format!("bad_input::flips::{seed}_called");
        all.push(bench.test(name, move |folder| flipped_main(folder, seed)));
    }
    all
}

/// Files that are wrong in themselves: their tests' names, their own, what they contain, and what
/// the message says.
const FILES: [(&str, &str, &[u8], &[&str]); 13] = [
    ("empty_bitcode", "x.bc", b"", &["x.bc"]),
    ("empty_text", "x.ll", b"", &["main"]),
    ("empty_unknown", "x.data", b"", &["x.data"]),
    ("magic_only", "x.bc", b"BC\xc0\xde", &["x.bc"]),
    ("not_text", "x.ll", b"\xff\xfe\x00\x01 define", &["x.ll"]),
    ("syntax", "x.ll", b"define i32 @main( {\n", &["x.ll"]),
    (
        "type_error",
        "x.ll",
        b"define i32 @main() {\n  %a = add i32 1, 2.0\n  ret i32 %a\n}\n",
        &["x.ll"],
    ),
    (
        "verifier",
        "x.ll",
        b"define i32 @main() {\n  br label %b\na:\n  %x = add i32 1, 1\n  br label %b\nb:\n  ret i32 %x\n}\n",
        &["x.ll"],
    ),
    (
        "verifier_uncalled",
        "x.ll",
        b"define i32 @main() {\n  ret i32 0\n}\ndefine i32 @f() {\n  br label %b\na:\n  %x = add i32 1, 1\n  br label %b\nb:\n  ret i32 %x\n}\n",
        &["x.ll"],
    ),
    (
        "other_triple",
        "x.ll",
        b"target triple = \"aarch64-unknown-linux-gnu\"\ndefine i32 @main() {\n  ret i32 0\n}\n",
        &["x.ll", "aarch64"],
    ),
    (
        "other_system",
        "x.ll",
        b"target triple = \"x86_64-pc-windows-msvc\"\ndefine i32 @main() {\n  ret i32 0\n}\n",
        &["x.ll", "windows"],
    ),
    ("no_main", "x.ll", b"define i32 @f() {\n  ret i32 0\n}\n", &["main"]),
    ("c_syntax", "x.c", b"int main(void) { return }\n", &["x.c"]),
];

const ODD_MAINS: [&str; 6] = [
    "define i64 @main() {\n  ret i64 0\n}\n",
    "define double @main() {\n  ret double 0.0\n}\n",
    "define i32 @main(i64 %a, ptr %b) {\n  ret i32 0\n}\n",
    "define i32 @main(ptr %a) {\n  ret i32 0\n}\n",
    "define i32 @main(i32 %a, ptr %b, ptr %c, ptr %d) {\n  ret i32 0\n}\n",
    "@main = global i32 0\n",
];

fn run(folder: &Folder, files: &[&Path], eager: bool) -> Result<Outcome, String> {
    let mut command = folder.rewire_run();
    if eager {
        command.arg("--eager");
    }
    finish(command.args(files))
}

trial!(truncated);
/// Bitcode cut off at many places. Its last block is the table of names, so each cut is seen.
fn truncated(folder: &Folder) -> Result<(), String> {
    let whole = fs::read(folder.bitcode("victim", VICTIM)?).map_err(|e| e.to_string())?;
    let main = folder.bitcode("main", MAIN)?;
    for part in 1..40 {
        let size = whole.len() * part / 40;
        let path = folder.file("cut.bc", &whole[..size])?;
        for eager in [false, true] {
            let outcome = run(folder, &[&main, &path], eager)?;
            expect_error(&outcome, BAD, &["cut.bc"])
                .map_err(|e| format!("{size} of {} bytes, eager {eager}: {e}", whole.len()))?;
        }
    }
    Ok(())
}

trial!(random);
/// Random bytes, with and without the magic numbers of the formats.
fn random(folder: &Folder) -> Result<(), String> {
    let mut numbers = fastrand::Rng::with_seed(7);
    let starts: [(&str, &[u8]); 6] = [
        ("a.bc", b""),
        ("b.bc", b"BC\xc0\xde"),
        ("c.ll", b""),
        ("d.data", b""),
        ("e.data", b"BC\xc0\xde\x35\x14"),
        ("f.bc", b"\xde\xc0\x17\x0b"),
    ];
    for (name, start) in starts {
        for size in [1_usize, 16, 400, 5000] {
            let mut content = start.to_vec();
            content.extend((0..size).map(|_| numbers.u8(..)));
            let path = folder.file(name, content)?;
            let outcome = run(folder, &[&path], false)?;
            expect_error(&outcome, BAD, &[name])
                .map_err(|e| format!("{name}, {size} bytes: {e}"))?;
        }
    }
    Ok(())
}

trial!(permission);
/// A file that may not be read. (The superuser may read all, so there the run succeeds.)
fn permission(folder: &Folder) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.bitcode("main", MAIN)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).map_err(|e| e.to_string())?;
    let outcome = run(folder, &[&path], false)?;
    if fs::File::open(&path).is_ok() {
        expect_code(&outcome, &[0])?;
        return expect_stdout(&outcome, "ran\n");
    }
    expect_error(&outcome, BAD, &["main.bc"])
}

trial!(duplicate);
fn duplicate(folder: &Folder) -> Result<(), String> {
    let first = folder.bitcode(
        "first",
        "int twice(void) { return 1; }\nint main(void) { return twice(); }\n",
    )?;
    let second = folder.bitcode("second", "int twice(void) { return 2; }\n")?;
    let outcome = run(folder, &[&first, &second], false)?;
    expect_error(&outcome, BAD, &["twice", "first.bc", "second.bc"])
}

trial!(duplicate_data);
fn duplicate_data(folder: &Folder) -> Result<(), String> {
    let first = folder.bitcode("first", "int shared = 1;\nint main(void) { return 0; }\n")?;
    let second = folder.bitcode("second", "int shared = 2;\n")?;
    let outcome = run(folder, &[&first, &second], false)?;
    expect_error(&outcome, BAD, &["shared", "first.bc", "second.bc"])
}

/// One to eight flipped bits in a unit that `main` does not call: either an error, or `main`
/// runs as if nothing had happened.
fn flipped(folder: &Folder, seed: u64, eager: bool) -> Result<(), String> {
    let whole = fs::read(folder.bitcode("victim", VICTIM)?).map_err(|e| e.to_string())?;
    let main = folder.bitcode("main", MAIN)?;
    let path = folder.file("flipped.bc", flip(whole, seed))?;
    let outcome = run(folder, &[&main, &path], eager)?;
    if outcome.ending == Ending::Code(0) {
        return expect_stdout(&outcome, "ran\n");
    }
    expect_error(&outcome, BAD_OR_LATER, &[])
}

/// The same in the unit that has `main`. What it does when it runs may now be anything that its
/// own instructions can do, so only an end by the program itself is accepted beside an error:
/// what it prints tells whether it had begun.
fn flipped_main(folder: &Folder, seed: u64) -> Result<(), String> {
    let source = "long write(int, const void *, unsigned long);\nint f(int x) { return x + 1; }\n\
                  int main(void) { write(1, \"began\", 5); return f(f(40)); }\n";
    let whole = fs::read(folder.bitcode("main", source)?).map_err(|e| e.to_string())?;
    let path = folder.file("flipped.bc", flip(whole, seed))?;
    let outcome = run(folder, &[&path], false)?;
    let began = !outcome.stdout.is_empty();
    match outcome.ending {
        Ending::Code(65 | 70) if !began => expect_error(&outcome, BAD_OR_LATER, &[]),
        Ending::Code(_) if !outcome.stderr_text().contains("panicked at") => Ok(()),
        Ending::Signal(_) if began => Ok(()),
        _ => Err(outcome.to_string()),
    }
}

pub(crate) fn flip(mut bytes: Vec<u8>, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..random.usize(1..=8) {
        let bit = random.usize(..bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    bytes
}
