//! Bodies of bitcode that break a rule: exit code 70 when such a body is first wanted, 65 where all
//! is checked before anything runs. The message names the function.
//!
//! LLVM's assembler is told not to verify what it writes.

use std::path::PathBuf;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::process;
use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

/// Bodies of `i32 @wrong(i32)`, each of which LLVM's parser and reader accept.
const BODIES: [(&str, &str); 5] = [
    (
        "value_not_computed",
        "  %c = icmp eq i32 %0, 0\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 %0, 1\n\
         \x20 br label %b\nb:\n  ret i32 %x\n",
    ),
    (
        "phi_without_predecessor",
        "  %c = icmp eq i32 %0, 0\n  br i1 %c, label %a, label %b\na:\n  br label %b\nb:\n\
         \x20 %x = phi i32 [ 1, %a ]\n  ret i32 %x\n",
    ),
    (
        "operand_not_constant",
        "  %p = alloca [8 x i8]\n  %v = icmp eq i32 %0, 0\n\
         \x20 call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 8, i1 %v)\n  ret i32 0\n",
    ),
    (
        "musttail_of_another_type",
        "  %x = musttail call i32 @other(i32 %0, i64 0)\n  ret i32 %x\n",
    ),
    (
        "entry_with_predecessor",
        "  br label %again\nagain:\n  %x = phi i32 [ 0, %1 ], [ 1, %again ]\n\
         \x20 %y = call i32 @wrong(i32 %y)\n  br label %again\n",
    ),
];

/// What the bodies name, and a `main` that calls `wrong` when it has arguments.
const REST: &str = "
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i64 @write(i32, ptr, i64)
@text = private constant [7 x i8] c\"before\\0A\"
define i32 @other(i32 %x, i64 %y) noinline {
  ret i32 %x
}
define i32 @main(i32 %argc, ptr %argv) {
  %n = call i64 @write(i32 1, ptr @text, i64 7)
  %c = icmp sgt i32 %argc, 1
  br i1 %c, label %a, label %b
a:
  %r = call i32 @wrong(i32 %argc)
  ret i32 %r
b:
  ret i32 5
}
";

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let mut all = Vec::new();
    for (name, body) in BODIES {
        let name = format!("verifying::{name}");
        all.push(bench.test(name, move |folder| wrong_body(folder, body)));
    }
    all
}

/// Bitcode of text that need not be valid.
fn assemble(folder: &Folder, name: &str, text: &str) -> Result<PathBuf, String> {
    let source = folder.file(&format!("{name}.ll"), text)?;
    let to = folder.path.join(format!("{name}.bc"));
    let mut assembler = process::assembler();
    assembler
        .arg("-disable-verify")
        .arg("-o")
        .arg(&to)
        .arg(source);
    expect_code(&finish(&mut assembler)?, &[0])?;
    Ok(to)
}

/// Options with which a body is compiled when it is first called.
const LAZY: [&[&str]; 5] = [
    &["--threads", "0"],
    &["--threads", "1"],
    &["--threads", "3"],
    &["-O", "2"],
    &["--threads", "0", "-O", "1"],
];

fn wrong_body(folder: &Folder, body: &str) -> Result<(), String> {
    let text = format!("define i32 @wrong(i32) noinline {{\n{body}}}\n{REST}");
    let path = assemble(folder, "x", &text)?;
    for options in LAZY {
        // What isn't called isn't read.
        let outcome = finish(folder.rewire_run().args(options).arg(&path))?;
        expect_code(&outcome, &[5])?;
        let outcome = finish(
            folder
                .rewire_run()
                .args(options)
                .arg(&path)
                .args(["--", "x"]),
        )?;
        expect_error(&outcome, &[70], &["in wrong: ", "x.bc", "LLVM's verifier"])
            .map_err(|e| format!("{options:?}: {e}"))?;
        expect_stdout(&outcome, "before\n")?;
    }
    for level in ["0", "1", "2"] {
        let outcome = finish(
            folder
                .rewire_run()
                .args(["--eager", "-O", level])
                .arg(&path),
        )?;
        expect_error(&outcome, &[65], &["in wrong: ", "x.bc"])?;
        expect_stdout(&outcome, "")?;
        // All of a frozen unit is compiled when something of it is first called.
        let mut frozen = folder.rewire_run();
        frozen.args(["-O", level, "--frozen"]).arg(&path);
        expect_error(&finish(&mut frozen)?, &[70], &["in wrong: ", "x.bc"])?;
    }
    let mut inspect = process::rewire();
    inspect.arg("inspect").arg(&path);
    expect_error(&finish(&mut inspect)?, &[65], &["in wrong: ", "x.bc"])
}

trial!(body_that_is_inlined);
/// The body that is wrong is another than the one that is called.
fn body_that_is_inlined(folder: &Folder) -> Result<(), String> {
    let text = format!(
        "define i32 @wrong(i32) alwaysinline {{\n{}}}\n{REST}",
        BODIES[0].1
    );
    let path = assemble(folder, "x", &text)?;
    for options in LAZY {
        let outcome = finish(folder.rewire_run().args(options).arg(&path))?;
        expect_error(&outcome, &[70], &["cannot compile main", "in wrong: "])?;
    }
    Ok(())
}

trial!(body_whose_blocks_are_named);
/// LLVM reads such a body with the module, or with another body.
fn body_whose_blocks_are_named(folder: &Folder) -> Result<(), String> {
    let body = "  %c = icmp eq i32 %0, 0\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 %0, 1\n\
                \x20 br label %b\nb:\n  ret i32 %x\n";
    let by_variable = format!(
        "@table = global ptr blockaddress(@wrong, %b)\ndefine i32 @wrong(i32) {{\n{body}}}\n{REST}"
    );
    let path = assemble(folder, "variable", &by_variable)?;
    let outcome = finish(folder.rewire_run().arg(&path).args(["--", "x"]))?;
    expect_error(&outcome, &[65], &["in wrong: ", "variable.bc"])?;
    let by_code = format!(
        "define ptr @holder() {{\n  ret ptr blockaddress(@wrong, %b)\n}}\n\
         define i32 @wrong(i32) {{\n{body}}}\n{}",
        REST.replace("ret i32 5", "%h = call ptr @holder()\n  ret i32 5")
    );
    let path = assemble(folder, "code", &by_code)?;
    for arguments in [&[][..], &["--", "x"]] {
        let outcome = finish(folder.rewire_run().arg(&path).args(arguments))?;
        expect_error(&outcome, &[70], &["in wrong: ", "code.bc"])?;
    }
    Ok(())
}

trial!(all_that_there_is);
/// A module of one function, which is compiled in its own module.
fn all_that_there_is(folder: &Folder) -> Result<(), String> {
    let text = format!("define i32 @main(i32, ptr) {{\n{}}}\n", BODIES[0].1);
    let path = assemble(folder, "x", &text)?;
    for options in LAZY {
        let outcome = finish(folder.rewire_run().args(options).arg(&path))?;
        expect_error(&outcome, &[70], &["in main: ", "x.bc"])?;
    }
    Ok(())
}

trial!(outside_bodies);
/// What belongs to no body is checked when the file is loaded.
fn outside_bodies(folder: &Folder) -> Result<(), String> {
    let text = format!(
        "@llvm.global_ctors = appending global [1 x i32] [i32 0]\ndefine i32 @wrong(i32) {{\n  ret i32 0\n}}\n{REST}"
    );
    let path = assemble(folder, "x", &text)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, &[65], &["x.bc", "LLVM's verifier"])?;
    expect_stdout(&outcome, "")
}

trial!(text_with_debug_information);
/// LLVM verifies text with debug information as it reads it, and ends the process where it is
/// wrong.
fn text_with_debug_information(folder: &Folder) -> Result<(), String> {
    let text = format!(
        "define i32 @wrong(i32) {{\n{}}}\n{REST}\n!llvm.module.flags = !{{!0}}\n\
         !0 = !{{i32 2, !\"Debug Info Version\", i32 3}}\n",
        BODIES[0].1
    );
    let path = folder.file("x.ll", &text)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, &[65], &["in wrong: ", "x.ll"])?;
    // And bitcode, where all is read at once.
    let path = assemble(folder, "x", &text)?;
    let outcome = finish(folder.rewire_run().arg("--eager").arg(&path))?;
    expect_error(&outcome, &[65], &["in wrong: ", "x.bc"])?;
    let mut inspect = process::rewire();
    inspect.arg("inspect").arg(&path);
    expect_error(&finish(&mut inspect)?, &[65], &["in wrong: ", "x.bc"])
}
