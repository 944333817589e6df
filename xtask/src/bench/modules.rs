//! Generated programs in parts: text of several modules, one after the other in a file, which the
//! programs under measurement load one by one.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use crate::error::{Context, Result};
use crate::paths::{self, shown};

/// Functions in a module, and the most calls that one makes: LLVM is worse than linear in a huge
/// one.
pub(super) const GROUP: usize = 100;

/// What ends a module in a file of several.
const NEXT: &str = "; module\n";

const CALLER: &str = "declare i32 @f0(i32)\n\ndefine i32 @caller(i32 %x) {\n  %r = call i32 \
    @f0(i32 %x)\n  ret i32 %r\n}\n";

/// Functions as those of `generate`, in modules of `GROUP` with one that calls them all, and
/// `caller`, which calls the first.
pub(super) fn many_functions(size: usize) -> Result<PathBuf> {
    generate(&format!("replace.{size}"), |ir| functions(ir, size))
}

/// `f0`, with `sites` calls of it in functions of `GROUP` calls, and `caller`.
pub(super) fn many_callers(sites: usize) -> Result<PathBuf> {
    generate(&format!("link.{sites}"), |ir| callers(ir, sites))
}

/// Writes a program.
fn generate(
    name: &str,
    text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<PathBuf> {
    let dir = paths::target().join("bench");
    fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
    let path = dir.join(format!("{name}.ll"));
    // Never held in memory, which would hide how little the measured programs need.
    let written = File::create(&path).and_then(|file| {
        let mut out = BufWriter::new(file);
        text(&mut out)?;
        out.flush()
    });
    written.context(|| format!("write {}", shown(&path)))?;
    Ok(path)
}

fn functions(ir: &mut dyn io::Write, size: usize) -> io::Result<()> {
    for first in (0..size).step_by(GROUP) {
        let members = first..size.min(first + GROUP);
        for i in members.clone() {
            function(ir, i)?;
        }
        let number = first / GROUP;
        writeln!(ir, "define i32 @g{number}(i32 %c0) {{")?;
        let names = members.map(|i| format!("f{i}"));
        calls(ir, names)?;
        ir.write_all(NEXT.as_bytes())?;
    }
    ir.write_all(CALLER.as_bytes())
}

fn callers(ir: &mut dyn io::Write, sites: usize) -> io::Result<()> {
    function(ir, 0)?;
    for number in 0..sites / GROUP {
        ir.write_all(NEXT.as_bytes())?;
        writeln!(
            ir,
            "declare i32 @f0(i32)\n\ndefine i32 @g{number}(i32 %c0) {{"
        )?;
        calls(ir, std::iter::repeat_n("f0".to_owned(), GROUP))?;
    }
    ir.write_all(NEXT.as_bytes())?;
    ir.write_all(CALLER.as_bytes())
}

/// One of the functions, as clang writes it at -O0.
fn function(ir: &mut dyn io::Write, number: usize) -> io::Result<()> {
    write!(
        ir,
        "define i32 @f{number}(i32 %x) {{\n  %p = alloca i32\n  store i32 %x, ptr %p\n  %v = load \
         i32, ptr %p\n  %m = mul i32 %v, 3\n  %r = add i32 %m, {number}\n  ret i32 %r\n}}\n\n"
    )
}

/// Calls one after the other, each with the result of the one before, and returns the last's.
fn calls(ir: &mut dyn io::Write, callees: impl Iterator<Item = String>) -> io::Result<()> {
    let mut text = String::new();
    let mut last = 0;
    for (i, callee) in callees.enumerate() {
        last = i + 1;
        // Writing into a string can't fail.
        let _ = writeln!(text, "  %c{last} = call i32 @{callee}(i32 %c{i})");
    }
    write!(ir, "{text}  ret i32 %c{last}\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::{CALLER, GROUP, NEXT, callers, functions};

    fn modules(text: Vec<u8>) -> Vec<String> {
        let text = String::from_utf8(text).unwrap_or_default();
        text.split(NEXT).map(str::to_owned).collect()
    }

    #[test]
    fn functions_come_in_groups_with_their_caller() {
        let mut text = Vec::new();
        assert!(functions(&mut text, 250).is_ok());
        let modules = modules(text);
        assert_eq!(modules.len(), 4);
        assert_eq!(modules[3], CALLER);
        let count = |module: &str, what: &str| module.matches(what).count();
        assert_eq!(count(&modules[0], "define i32 @f"), GROUP);
        assert_eq!(count(&modules[2], "define i32 @f"), 50);
        assert_eq!(count(&modules[2], " call i32 @f2"), 50);
        assert_eq!(count(&modules[2], "define i32 @g2("), 1);
    }

    #[test]
    fn there_are_as_many_call_sites_as_asked_for() {
        let mut text = Vec::new();
        assert!(callers(&mut text, 1_000).is_ok());
        let modules = modules(text);
        let (caller, rest) = modules.split_last().unwrap();
        assert_eq!(caller, CALLER);
        let calls = rest
            .iter()
            .map(|module| module.matches(" call i32 @f0(").count());
        assert_eq!(calls.clone().sum::<usize>(), 1_000);
        assert_eq!(calls.max(), Some(GROUP));
    }
}
