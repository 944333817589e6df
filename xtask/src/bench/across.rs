//! A loop that calls a one-line function of another module: as IR, and where its code is in a
//! shared library and its IR given to be inlined; and replacing that function meanwhile.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::measure::{Contender, Expected, Figure, LIMIT, Rounds, WALL};
use super::replacing::Programs;
use super::results::{Limit, Results, Table};
use crate::corpus::write;
use crate::error::{Context, Result};
use crate::paths::{self, shown};
use crate::process::{Ended, Job, command, output_of};
use crate::rewire::Rewire;

const MAIN: &str = "#include <stdio.h>
unsigned step(unsigned x);
int main(int argc, char **argv) {
  unsigned x = argc;
  for (long i = 0; i < 1500000000; i++)
    x = step(x) ^ (unsigned)i;
  printf(\"%u\\n\", x);
  return 0;
}
";

const STEP: &str = "unsigned step(unsigned x) { return x * 1664525u + 1013904223u; }\n";

/// How much longer than clang's whole program each may take.
const BAR: f64 = 1.05;

/// Microseconds until a replacement takes effect.
const EFFECT: f64 = 10_000.0;

/// How much longer a turn of the loop may take once the function was replaced.
const AFTER: f64 = 1.1;

struct Built {
    dir: PathBuf,
    main: PathBuf,
    step: PathBuf,
    native: PathBuf,
    /// The same with the function in the shared library.
    calling: PathBuf,
}

fn build() -> Result<Built> {
    let dir = paths::corpus().join("across");
    fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
    let at = |name: &str| dir.join(name);
    write(&at("main.c"), MAIN.as_bytes())?;
    write(&at("step.c"), STEP.as_bytes())?;
    let clang = |options: &[&str], from: &[&Path], to: &Path| -> Result<()> {
        let mut clang = command(paths::llvm_tool("clang")?);
        output_of(
            clang
                .args(["-O2", "-w"])
                .args(options)
                .args(from)
                .arg("-o")
                .arg(to),
        )
        .map(drop)
    };
    let bitcode = ["-fPIC", "-emit-llvm", "-c"];
    for name in ["main", "step"] {
        let (from, to) = (at(&format!("{name}.c")), at(&format!("{name}.bc")));
        clang(&bitcode, &[&from], &to)?;
    }
    let mut link = command(paths::llvm_tool("llvm-link")?);
    let (main, step, whole) = (at("main.bc"), at("step.bc"), at("whole.bc"));
    output_of(link.arg(&main).arg(&step).arg("-o").arg(&whole))?;
    clang(&["-shared", "-fPIC"], &[&at("step.c")], &at("libstep.so"))?;
    let (native, calling) = (at("native"), at("calling"));
    clang(&[], &[&whole], &native)?;
    let run_path = format!("-Wl,-rpath,{}", dir.display());
    clang(&[&run_path], &[&at("main.c"), &at("libstep.so")], &calling)?;
    Ok(Built {
        dir,
        main,
        step,
        native,
        calling,
    })
}

/// Measures the loop.
pub(super) fn calls(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let built = build()?;
    let native = Job::new(&built.native);
    let expected = Rc::new(Expected::from(native.capture(LIMIT)?));
    let (dir, step) = (built.dir.to_string_lossy(), built.step.to_string_lossy());
    let described = ["-L", &dir, "-l", "step", "--inline-from", &step];
    let none: [OsString; 0] = [];
    let main = std::slice::from_ref(&built.main);
    let both = [built.main.clone(), built.step.clone()];
    let jobs = [
        ("native, one program", native),
        ("native, calling a shared library", Job::new(&built.calling)),
        ("rewire, as IR", rewire.job(&[], &both, &none)),
        ("rewire --inline-from", rewire.job(&described, main, &none)),
    ];
    let contenders: Vec<Contender> = jobs
        .into_iter()
        .map(|(label, job)| Contender::new(label, job, &expected))
        .collect();
    let title = "1,500,000,000 calls of a one-line function of another module";
    let key = "across";
    results.tables.push(Table {
        key: key.into(),
        title: title.into(),
        note:
            "Process start to end, default options. Natively, both modules were optimised as one; \
               or the function is in a shared library, as it is for `--inline-from`."
                .into(),
        unit: WALL,
        rows: rounds.in_turn(title, &contenders)?,
    });
    for own in ["rewire, as IR", "rewire --inline-from"] {
        results.limits.push(Limit::ratio(
            format!("calls of a function of another module, {own}, against one native program"),
            (key, own),
            (key, "native, one program"),
            BAR,
        ));
    }
    Ok(())
}

/// What replacing prints: two figures of turns, and one of the effect.
const FIGURES: &[Figure] = &[
    Figure {
        word: "before",
        suffix: ", first body",
    },
    Figure {
        word: "after",
        suffix: ", replaced",
    },
    Figure {
        word: "us",
        suffix: "",
    },
];

/// Measures replacing the function while such a loop runs.
pub(super) fn replace(programs: &Programs, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let expected = Rc::new(Expected {
        stdout: Vec::new(),
        ended: Ended::Code(0),
    });
    let title = "Replacing a function of another module while a loop that inlined it runs";
    let job = programs.own(&["across"]);
    let contender = Contender::new("rewire", job, &expected).prints_figures(FIGURES);
    let mut turns = rounds.in_turn(title, &[contender])?;
    let effect = turns.split_off(2);
    let parts = [
        (
            "across turns",
            "ns",
            "A turn of the loop, before the first replacement and 700 ms after each.",
            turns,
        ),
        (
            "across effect",
            "µs",
            "From the text of the new body until the loop runs it; the longest of three.",
            effect,
        ),
    ];
    for (key, unit, note, rows) in parts {
        results.tables.push(Table {
            key: key.into(),
            title: title.into(),
            note: note.into(),
            unit,
            rows,
        });
    }
    results.limits.push(Limit::absolute(
        "until a replaced function of another module takes effect in a running loop".into(),
        ("across effect", "rewire"),
        EFFECT,
        "µs",
    ));
    results.limits.push(Limit::ratio(
        "a turn of a loop once a function of another module was replaced, against before".into(),
        ("across turns", "rewire, replaced"),
        ("across turns", "rewire, first body"),
        AFTER,
    ));
    Ok(())
}
