//! Generated programs: many tiny functions, each of them called once.
//!
//! LLVM itself is worse than linear in one huge function, so no function makes more than a hundred
//! calls: functions are called by groups, groups by groups of groups, and what is left by `main`.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::path::PathBuf;

use crate::corpus::{maps_bitcode, write};
use crate::error::{Context, Error};
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
pub(crate) fn generate(size: usize) -> Result<Generated, Error> {
    let dir = paths::corpus().join("generated");
    fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
    let source = dir.join(format!("{size}.ll"));
    let file = dir.join(format!("{size}.bc"));
    let stamp = dir.join(format!("{size}.stamp"));
    // Written twice, first to be hashed: a text of many megabytes is never held in memory, which
    // would hide how little the measured programs need.
    let mut hash = Hash(DefaultHasher::new());
    let failed = || format!("generate {size} functions");
    let called = text(&mut hash, size).context(failed)?;
    fs::read(maps_bitcode()).context(failed)?.hash(&mut hash.0);
    let wanted = format!("{:016x}", hash.0.finish());
    if !(file.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)) {
        let mut out = BufWriter::new(File::create(&source).context(failed)?);
        text(&mut Text(&mut out), size).context(failed)?;
        out.flush().context(failed)?;
        let mut link = command(paths::llvm_tool("llvm-link")?);
        output_of(link.arg(&source).arg(maps_bitcode()).arg("-o").arg(&file))?;
        write(&stamp, wanted.as_bytes())?;
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

/// Hashes the text that is written to it.
struct Hash(DefaultHasher);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Passes the text that is written to it on as bytes.
struct Text<W>(W);

impl<W: io::Write> fmt::Write for Text<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Writes the IR as clang does at -O0; returns how many functions run.
fn text(ir: &mut dyn fmt::Write, size: usize) -> Result<usize, fmt::Error> {
    ir.write_str(
        "target datalayout = \"e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:\
         16:32:64-S128\"\ntarget triple = \"x86_64-pc-linux-gnu\"\n\n@format = private constant [4 \
         x i8] c\"%u\\0A\\00\"\n\ndeclare i32 @printf(ptr, ...)\ndeclare void @report_maps()\n\n",
    )?;
    for i in 0..size {
        write!(
            ir,
            "define dso_local i32 @f{i}(i32 %x) {{\n  %p = alloca i32\n  store i32 %x, ptr %p\n  \
             %v = load i32, ptr %p\n  %m = mul i32 %v, {FACTOR}\n  %r = add i32 %m, {i}\n  ret i32 \
             %r\n}}\n\n"
        )?;
    }
    let mut called = size + 1;
    let (mut level, mut count, mut prefix) = (0, size, "f".to_owned());
    while count > GROUP {
        level += 1;
        let groups = count.div_ceil(GROUP);
        for group in 0..groups {
            writeln!(ir, "define dso_local i32 @g{level}_{group}(i32 %c0) {{")?;
            let members = group * GROUP..count.min((group + 1) * GROUP);
            let last = calls(ir, &prefix, members)?;
            write!(ir, "  ret i32 %c{last}\n}}\n\n")?;
        }
        called += groups;
        (count, prefix) = (groups, format!("g{level}_"));
    }
    ir.write_str("define dso_local i32 @main(i32 %argc, ptr %argv) {\n  %c0 = add i32 0, 1\n")?;
    let last = calls(ir, &prefix, 0..count)?;
    write!(
        ir,
        "  %n = call i32 (ptr, ...) @printf(ptr @format, i32 %c{last})\n  %more = icmp sgt i32 \
         %argc, 1\n  br i1 %more, label %maps, label %end\nmaps:\n  call void @report_maps()\n  br \
         label %end\nend:\n  ret i32 0\n}}\n"
    )?;
    Ok(called)
}

/// Calls one after the other, each with the result of the one before; the last result's number.
fn calls(
    ir: &mut dyn fmt::Write,
    prefix: &str,
    callees: Range<usize>,
) -> Result<usize, fmt::Error> {
    let count = callees.len();
    for (i, callee) in callees.enumerate() {
        writeln!(ir, "  %c{} = call i32 @{prefix}{callee}(i32 %c{i})", i + 1)?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_function_makes_many_calls() {
        let mut ir = String::new();
        let called = text(&mut ir, 20_000);
        // 20,000 functions, 200 groups, 2 groups of groups, main.
        assert_eq!(called, Ok(20_203));
        let most = ir
            .split("define ")
            .map(|body| body.matches(" = call ").count())
            .max();
        assert_eq!(most, Some(100));
    }
}
