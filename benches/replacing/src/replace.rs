//! Replacing one function of many.

use std::fs;
use std::path::Path;

use rewire::Engine;

use crate::clock::{median, microseconds};
use crate::replaced::Replaced;
use crate::{Outcome, engine};

/// Prints the microseconds for a replacement: from the text of a new body until a caller has
/// returned what that computes.
pub(crate) fn run(file: &Path, count: usize, is_all_compiled: bool) -> Outcome<()> {
    let engine = engine(None)?;
    load(&engine, file)?;
    if is_all_compiled {
        engine.compile_all()?;
    }
    let mut function = Replaced::new(&engine, "f0")?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(microseconds(function.once()?));
    }
    println!("us {:.3}", median(times)?);
    Ok(())
}

/// Loads a file of modules, separated by the line `; module`.
pub(crate) fn load(engine: &Engine, file: &Path) -> Outcome<()> {
    let text = fs::read_to_string(file)?;
    for (number, module) in text.split("; module\n").enumerate() {
        engine.add_ir(&format!("module {number}"), module.as_bytes())?;
    }
    Ok(())
}
