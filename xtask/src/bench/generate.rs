//! Generated programs: many tiny functions, each of them called once.
//!
//! LLVM itself is worse than linear in one huge function, so no function makes more than a hundred
//! calls: functions are called by groups, groups by groups of groups, and what is left by `main`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::corpus::{maps_bitcode, write};
use crate::error::{Context, Result};
use crate::paths::{self, shown};
use crate::process::{command, output_of};

/// The most calls that one function makes.
const GROUP: usize = 100;

/// Each function multiplies by this and adds its number.
const FACTOR: u32 = 3;

/// A generated program.
#[derive(Clone)]
pub(crate) struct Generated {
    /// How many tiny functions it has.
    pub(crate) size: usize,
    /// How many functions are called, groups and `main` included.
    pub(crate) called: usize,
    /// The bitcode.
    pub(crate) file: PathBuf,
    /// What it prints.
    pub(crate) prints: Vec<u8>,
}

/// Makes the program with `size` tiny functions, or finds it made.
///
/// It prints one number. With an argument it also prints its memory maps, as `maps.c` counts them.
pub(crate) fn generate(size: usize) -> Result<Generated> {
    let dir = paths::corpus().join("generated");
    fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
    let (text, called) = text(size);
    let source = dir.join(format!("{size}.ll"));
    let file = dir.join(format!("{size}.bc"));
    let same = fs::read(&source).is_ok_and(|found| found == text.as_bytes());
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    let newer = modified(&file) >= modified(&maps_bitcode()).max(modified(&source));
    if !(same && file.exists() && newer) {
        write(&source, text.as_bytes())?;
        let mut link = command(paths::llvm_tool("llvm-link")?);
        output_of(link.arg(&source).arg(maps_bitcode()).arg("-o").arg(&file))?;
    }
    Ok(Generated {
        size,
        called,
        file,
        prints: format!("{}\n", result(size)).into_bytes(),
    })
}

/// What the program computes.
fn result(size: usize) -> u32 {
    (0..size).fold(1_u32, |x, i| x.wrapping_mul(FACTOR).wrapping_add(i as u32))
}

/// The IR as clang writes it at -O0, and how many functions run.
fn text(size: usize) -> (String, usize) {
    let mut ir = String::from(
        "target datalayout = \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:\
         16:32:64-S128\"\ntarget triple = \"x86_64-pc-linux-gnu\"\n\n@format = private constant [4 \
         x i8] c\"%u\\0A\\00\"\n\ndeclare i32 @printf(ptr, ...)\ndeclare void @report_maps()\n\n",
    );
    let mut called = size + 1;
    for i in 0..size {
        // Writing into a string can't fail.
        let _ = write!(
            ir,
            "define dso_local i32 @f{i}(i32 %x) {{\n  %p = alloca i32\n  store i32 %x, ptr %p\n  \
             %v = load i32, ptr %p\n  %m = mul i32 %v, {FACTOR}\n  %r = add i32 %m, {i}\n  ret i32 \
             %r\n}}\n\n"
        );
    }
    let mut names: Vec<String> = (0..size).map(|i| format!("f{i}")).collect();
    let mut level = 0;
    while names.len() > GROUP {
        level += 1;
        let mut groups = Vec::new();
        for (index, members) in names.chunks(GROUP).enumerate() {
            let name = format!("g{level}_{index}");
            let _ = writeln!(ir, "define dso_local i32 @{name}(i32 %c0) {{");
            let last = calls(&mut ir, members);
            let _ = write!(ir, "  ret i32 %c{last}\n}}\n\n");
            groups.push(name);
        }
        called += groups.len();
        names = groups;
    }
    ir.push_str("define dso_local i32 @main(i32 %argc, ptr %argv) {\n  %c0 = add i32 0, 1\n");
    let last = calls(&mut ir, &names);
    let _ = write!(
        ir,
        "  %n = call i32 (ptr, ...) @printf(ptr @format, i32 %c{last})\n  %more = icmp sgt i32 \
         %argc, 1\n  br i1 %more, label %maps, label %end\nmaps:\n  call void @report_maps()\n  br \
         label %end\nend:\n  ret i32 0\n}}\n"
    );
    (ir, called)
}

/// Calls one after the other, each with the result of the one before; the last result's number.
fn calls(ir: &mut String, callees: &[String]) -> usize {
    for (i, callee) in callees.iter().enumerate() {
        let _ = writeln!(ir, "  %c{} = call i32 @{callee}(i32 %c{i})", i + 1);
    }
    callees.len()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_function_makes_many_calls() {
        let (ir, called) = text(20_000);
        // 20,000 functions, 200 groups, 2 groups of groups, main.
        assert_eq!(called, 20_203);
        let most = ir
            .split("define ")
            .map(|body| body.matches(" = call ").count())
            .max();
        assert_eq!(most, Some(100));
    }
}
