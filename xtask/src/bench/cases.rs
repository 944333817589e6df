//! What is measured: the contenders of each table.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::generate::{Generated, generate};
use super::measure::{Contender, Expected, LIMIT, Rounds, Row, WALL};
use super::results::{Limit, Maps, Results, Table};
use crate::corpus::{self, Program};
use crate::error::{Error, Result};
use crate::paths;
use crate::process::{Ended, Job, command, output_of};
use crate::rewire::{Rewire, start_ll};

/// The ways in which LLVM's own program runs IR.
pub(crate) const LLI: [&str; 3] = ["orc-lazy", "orc", "mcjit"];

/// How many functions the generated programs have.
pub(crate) const SIZES: [usize; 3] = [1_000, 20_000, 100_000];

/// The contenders of one program on one kind of input.
pub(super) struct Field<'a> {
    rewire: &'a Rewire,
    args: Vec<OsString>,
    expected: Rc<Expected>,
    contenders: Vec<Contender>,
}

impl<'a> Field<'a> {
    /// An empty field; what the native program does is what all must do.
    pub(super) fn new(rewire: &'a Rewire, native: &Path, args: Vec<OsString>) -> Result<Self> {
        let expected = Rc::new(Job::new(native).args(&args).capture(LIMIT)?.into());
        Ok(Self {
            rewire,
            args,
            expected,
            contenders: Vec::new(),
        })
    }

    fn add(&mut self, label: &str, job: Job) {
        self.contenders
            .push(Contender::new(label, job, &self.expected));
    }

    pub(super) fn rewire(&mut self, label: &str, options: &[&str], file: &Path) {
        self.add(
            label,
            self.rewire.job(options, &[file.to_path_buf()], &self.args),
        );
    }

    fn lli(&mut self, options: &[&str], file: &Path) -> Result<()> {
        for kind in LLI {
            let label = ["lli", kind]
                .iter()
                .chain(options)
                .copied()
                .collect::<Vec<_>>()
                .join(" ");
            self.add(&label, lli(kind, options, file)?.args(&self.args));
        }
        Ok(())
    }

    pub(super) fn native(&mut self, label: &str, program: &Path) {
        self.add(label, Job::new(program).args(&self.args));
    }

    pub(super) fn measure(
        self,
        key: &str,
        title: &str,
        note: &str,
        rounds: &Rounds,
    ) -> Result<Table> {
        let rows = rounds.in_turn(title, &self.contenders)?;
        Ok(Table {
            key: key.into(),
            title: title.into(),
            note: note.into(),
            unit: WALL,
            rows,
        })
    }
}

/// `lli` in one of its modes.
pub(crate) fn lli(kind: &str, options: &[&str], file: &Path) -> Result<Job> {
    let job = Job::new(paths::llvm_tool("lli")?).arg(format!("--jit-kind={kind}"));
    Ok(job.args(options).arg(file))
}

/// Builds the native program that returns 0.
pub(super) fn native_start() -> Result<PathBuf> {
    let native = paths::corpus().join("start");
    let mut clang = command(paths::llvm_tool("clang")?);
    output_of(clang.arg("-w").arg(start_ll()).arg("-o").arg(&native))?;
    Ok(native)
}

/// A `main` that returns 0.
pub(crate) fn start(rewire: &Rewire, rounds: &Rounds) -> Result<Table> {
    let native = native_start()?;
    let mut field = Field::new(rewire, &native, Vec::new())?;
    field.rewire("rewire", &[], &start_ll());
    field.rewire("rewire --eager", &["--eager"], &start_ll());
    field.lli(&[], &start_ll())?;
    field.native("native", &native);
    field.measure(
        "start",
        "A `main` that returns 0",
        "Process start to end.",
        rounds,
    )
}

/// A program of the corpus, from unoptimised and optimised bitcode, with default options.
pub(crate) fn program(
    rewire: &Rewire,
    program: Program,
    what: &str,
    args: &[OsString],
    rounds: &Rounds,
) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for level in ["O0", "O2"] {
        let file = program.file(&format!("{level}.bc"));
        let native = program.file(&format!("native.{level}"));
        let mut field = Field::new(rewire, &native, args.to_vec())?;
        field.rewire("rewire", &[], &file);
        field.rewire("rewire --eager", &["--eager"], &file);
        field.lli(&[], &file)?;
        field.native(&format!("native -{level}"), &native);
        tables.push(field.measure(
            &format!("{} {level}", program.name()),
            &format!("{what}, from `-{level}` bitcode"),
            "Process start to end, default options, no cache.",
            rounds,
        )?);
    }
    Ok(tables)
}

/// SQLite: 1,000 inserts and a query.
pub(crate) fn sqlite(rewire: &Rewire, rounds: &Rounds) -> Result<Vec<Table>> {
    let args = [corpus::bench_sql().into()];
    program(
        rewire,
        Program::Sqlite,
        "SQLite, 1,000 inserts and a query",
        &args,
        rounds,
    )
}

/// Lua, a small script.
pub(crate) fn lua(rewire: &Rewire, rounds: &Rounds) -> Result<Vec<Table>> {
    let args = [paths::corpus_inputs().join("bench.lua").into()];
    program(rewire, Program::Lua, "Lua, a small script", &args, rounds)
}

/// bzip2, compressing its second reference file.
pub(crate) fn bzip2(rewire: &Rewire, rounds: &Rounds) -> Result<Vec<Table>> {
    let args = ["-c".into(), Program::Bzip2.file("sample2.ref").into()];
    program(
        rewire,
        Program::Bzip2,
        "bzip2, compressing 212 kB",
        &args,
        rounds,
    )
}

/// SQLite from bitcode with debug information against the same without.
pub(crate) fn debug_info(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let (plain, debug) = (
        Program::Sqlite.file("O0.bc"),
        Program::Sqlite.file("debug.bc"),
    );
    let native = Program::Sqlite.file("native.O0");
    let mut field = Field::new(rewire, &native, vec![corpus::bench_sql().into()])?;
    field.rewire("rewire", &[], &plain);
    field.rewire("rewire, from -g", &[], &debug);
    for (label, file) in [("lli orc", &plain), ("lli orc, from -g", &debug)] {
        field.add(label, lli("orc", &[], file)?.args(&field.args));
    }
    let key = "debug info";
    results.tables.push(field.measure(
        key,
        "SQLite, 1,000 inserts and a query, from `-O0` bitcode with and without `-g`",
        "Process start to end, default options, no cache.",
        rounds,
    )?);
    results.limits.push(Limit::ratio(
        "SQLite from `-g` bitcode against the same without".into(),
        (key, "rewire, from -g"),
        (key, "rewire"),
        1.2,
    ));
    Ok(())
}

/// Long runs at -O2, where compiling matters little.
pub(crate) fn steady(rewire: &Rewire, rounds: &Rounds) -> Result<Vec<Table>> {
    let lua: Vec<OsString> = vec![paths::corpus_inputs().join("long.lua").into()];
    let bzip2: Vec<OsString> = vec!["-c".into(), corpus::long_text().into()];
    let mut tables = Vec::new();
    for (program, what, args) in [
        (Program::Lua, "Lua, a long script at -O2", lua),
        (Program::Bzip2, "bzip2, compressing 25 MB at -O2", bzip2),
    ] {
        let (file, native) = (program.file("O2.bc"), program.file("native.O2"));
        let mut field = Field::new(rewire, &native, args)?;
        field.rewire("rewire -O2", &["-O2"], &file);
        field.rewire("rewire --eager -O2", &["--eager", "-O2"], &file);
        field.rewire(
            "rewire -O2, its own passes alone",
            &["-O2"],
            &program.file("raw.bc"),
        );
        field.rewire("rewire (default)", &[], &file);
        field.lli(&["-O2"], &file)?;
        field.native("native -O2", &native);
        tables.push(field.measure(
            &format!("steady {}", program.name()),
            what,
            "Compiling included. From `-O2` bitcode, except the third row: from bitcode that \
             clang's passes have not touched.",
            rounds,
        )?);
    }
    Ok(tables)
}

/// What was measured on generated functions.
pub(crate) struct Scaling {
    /// One table for each size; the first is the start alone.
    pub(crate) tables: Vec<Table>,
    /// How many functions are called at each size.
    pub(crate) called: Vec<(usize, usize)>,
    /// Memory maps.
    pub(crate) maps: Vec<Maps>,
}

/// Generated functions, all of them called, at -O0.
pub(crate) fn generated(rewire: &Rewire, sizes: &[usize], rounds: &Rounds) -> Result<Scaling> {
    let programs = sizes
        .iter()
        .map(|&size| generate(size))
        .collect::<Result<Vec<_>>>()?;
    let mut contenders = Vec::new();
    let start = Rc::new(Expected {
        stdout: Vec::new(),
        ended: Ended::Code(0),
    });
    let no_args: [&str; 0] = [];
    let mut add = |size: usize, file: &PathBuf, expected: &Rc<Expected>| -> Result<()> {
        let mut push = |label: &str, job: Job| {
            contenders.push(Contender::new(label, job, expected).in_line(label, size));
        };
        let files = std::slice::from_ref(file);
        push("rewire -O0", rewire.job(&["-O0"], files, &no_args));
        push(
            "rewire --eager -O0",
            rewire.job(&["--eager", "-O0"], files, &no_args),
        );
        for kind in LLI {
            push(&format!("lli {kind} -O0"), lli(kind, &["-O0"], file)?);
        }
        Ok(())
    };
    add(0, &start_ll(), &start)?;
    for program in &programs {
        let expected = Rc::new(Expected {
            stdout: program.prints.clone(),
            ended: Ended::Code(0),
        });
        add(program.size, &program.file, &expected)?;
    }
    let rows = rounds.in_turn("Generated functions", &contenders)?;
    let width = 2 + LLI.len();
    let titles = std::iter::once("Start alone, for the tables that follow".to_owned()).chain(
        sizes
            .iter()
            .map(|&size| format!("{} generated functions", thousands(size))),
    );
    let keys = std::iter::once(0).chain(sizes.iter().copied());
    let tables = rows
        .chunks(width)
        .zip(titles.zip(keys))
        .map(|(rows, (title, size))| Table {
            key: format!("generated {size}"),
            title,
            note: match size {
                0 => "A `main` that returns 0.".into(),
                _ => "All called, in groups of at most 100 calls a function.".into(),
            },
            unit: WALL,
            rows: rows.to_vec(),
        })
        .collect();
    let called = programs
        .iter()
        .map(|program| (program.size, program.called))
        .collect();
    let maps = programs
        .iter()
        .map(|program| maps(rewire, program))
        .collect();
    Ok(Scaling {
        tables,
        called,
        maps,
    })
}

/// Has a generated program count its memory maps.
fn maps(rewire: &Rewire, program: &Generated) -> Maps {
    let counted = || -> Result<(u64, u64, u64)> {
        let report = rewire.report(&["-O0"], &program.file, &["maps"], LIMIT * 2)?;
        let said = String::from_utf8_lossy(&report.stdout).into_owned();
        let number = |name: &str| -> Option<u64> {
            let line = said.lines().find(|line| line.starts_with("maps "))?;
            let mut words = line.split(' ').skip_while(|word| *word != name);
            words.nth(1)?.parse().ok()
        };
        match (number("maps"), number("rwx")) {
            (Some(total), Some(rwx)) => Ok((total, rwx, report.number("memory_maps")?)),
            _ => Err(Error::new("the program did not print its maps")),
        }
    };
    Maps {
        size: program.size,
        counted: counted().map_err(|error| error.to_string()),
    }
}

/// `20000` as `20,000`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The row with this label.
pub(crate) fn row<'t>(rows: &'t [Row], label: &str) -> Option<&'t Row> {
    rows.iter().find(|row| row.label == label)
}
