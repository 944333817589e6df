//! Long runs with default options: what tiers reach, warming up included.

use std::ffi::OsString;

use super::cases::Field;
use super::results::{Limit, Results};
use super::{Rewire, Rounds};
use crate::corpus::{self, Program};
use crate::error::Result;
use crate::paths;

/// Programs of about ten seconds, from bitcode that clang's passes have not touched, against native
/// code that clang made of the same.
pub(super) fn long(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    for (program, args) in programs() {
        let native = program.file("native.O2");
        let mut field = Field::new(rewire, &native, args)?;
        field.rewire("rewire", &[], &program.file("raw.bc"));
        field.native("native -O2", &native);
        let key = format!("long {}", program.name());
        results.tables.push(field.measure(
            &key,
            &format!("{}, a long run", program.name()),
            "Process start to end, default options, no cache, from bitcode that clang's passes \
             have not touched.",
            rounds,
        )?);
        results.limits.push(Limit::ratio(
            format!("{}, a long run against native `-O2`", program.name()),
            (&key, "rewire"),
            (&key, "native -O2"),
            1.2,
        ));
    }
    Ok(())
}

fn programs() -> Vec<(Program, Vec<OsString>)> {
    let input = |name: &str| -> OsString { paths::corpus_inputs().join(name).into() };
    let mut compress: Vec<OsString> = vec!["-c".into()];
    compress.extend((0..8).map(|_| corpus::long_text().into()));
    vec![
        (Program::Lua, vec![input("long.lua"), "8".into()]),
        (Program::QuickJs, vec![input("long.js")]),
        (Program::Sqlite, vec![corpus::long_sql().into()]),
        (Program::Bzip2, compress),
    ]
}
