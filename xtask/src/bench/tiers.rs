//! Long runs with default options: what tiers reach, warming up included, and without it.

use std::ffi::OsString;

use super::cases::Field;
use super::measure::Row;
use super::results::{Limit, Mean, Results, Table};
use super::{Rewire, Rounds};
use crate::corpus::{self, Program};
use crate::error::Result;
use crate::paths;

/// How often each program does its work, so that it takes ten seconds natively.
const PROGRAMS: [(Program, usize); 7] = [
    (Program::Sqlite, 16),
    (Program::Lua, 10),
    (Program::QuickJs, 78),
    (Program::Bzip2, 8),
    (Program::MiniSat, 5),
    (Program::Cxx, 20),
    (Program::Rust, 40),
];

/// The most that a program, and their geometric mean, may take: from start to end, and for the
/// second half of twice the work.
const WHOLE: (f64, f64) = (1.2, 1.1);
const STEADY: (f64, f64) = (1.06, 1.03);

const NATIVE: &str = "native -O2";
const REWIRE: &str = "rewire";

/// Programs of about ten seconds, from bitcode that clang's passes have not touched, against native
/// code that clang made of the same; and the same with twice the work, less the former.
pub(super) fn long(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let (mut whole, mut steady) = (Vec::new(), Vec::new());
    for (program, times) in PROGRAMS {
        let name = program.name();
        let once = measure(rewire, program, times, rounds)?;
        let twice = measure(rewire, program, 2 * times, rounds)?;
        let key = format!("steady {name}");
        let difference = Table {
            key: key.clone(),
            title: format!("{name}, the second half of a run twice as long"),
            note: "The time of the longer run less that of the shorter.".into(),
            unit: super::measure::WALL,
            rows: less(&twice.rows, &once.rows),
        };
        for (key, what, most, keys) in [
            (&once.key, "a long run", WHOLE.0, &mut whole),
            (&key, "steady state", STEADY.0, &mut steady),
        ] {
            results.limits.push(Limit::ratio(
                format!("{name}, {what} against native `-O2`"),
                (key, REWIRE),
                (key, NATIVE),
                most,
            ));
            keys.push(key.clone());
        }
        results.tables.extend([once, twice, difference]);
    }
    for (what, keys, most) in [
        ("long runs", whole, WHOLE.1),
        ("steady state", steady, STEADY.1),
    ] {
        results.means.push(Mean {
            what: format!("{what} against native `-O2`, geometric mean"),
            tables: keys,
            own: REWIRE.into(),
            against: NATIVE.into(),
            most,
        });
    }
    Ok(())
}

fn measure(rewire: &Rewire, program: Program, times: usize, rounds: &Rounds) -> Result<Table> {
    let native = program.file("native.O2");
    let mut field = Field::new(rewire, &native, args(program, times))?;
    let libraries = program.libraries()?;
    let options: Vec<&str> = libraries.iter().map(String::as_str).collect();
    field.rewire(REWIRE, &options, &program.file("raw.bc"));
    field.native(NATIVE, &native);
    field.measure(
        &format!("long {} {times}", program.name()),
        &format!("{}, {times} rounds of work", program.name()),
        "Process start to end, default options, no cache, from bitcode that clang's passes have \
         not touched.",
        rounds,
    )
}

/// Each row's times less those of the same row in a shorter run.
fn less(twice: &[Row], once: &[Row]) -> Vec<Row> {
    let rows = twice.iter().zip(once);
    rows.map(|(twice, once)| Row {
        ms: twice
            .ms
            .iter()
            .zip(&once.ms)
            .map(|(all, half)| all - half)
            .collect(),
        failure: twice.failure.clone().or_else(|| once.failure.clone()),
        ..twice.clone()
    })
    .collect()
}

fn args(program: Program, times: usize) -> Vec<OsString> {
    let input = |name: &str| -> OsString { paths::corpus_inputs().join(name).into() };
    let count: OsString = times.to_string().into();
    match program {
        Program::Sqlite => vec![corpus::long_sql().into(), ":memory:".into(), count],
        Program::Lua => vec![input("long.lua"), count],
        Program::QuickJs => vec![input("long.js"), count],
        Program::Bzip2 => {
            let files = (0..times).map(|_| corpus::long_text().into());
            std::iter::once("-c".into()).chain(files).collect()
        }
        Program::MiniSat => {
            let rounds = format!("-rounds={times}");
            vec![rounds.into(), corpus::many_pigeons().into()]
        }
        Program::Cxx | Program::Rust => vec!["long".into(), count],
    }
}
