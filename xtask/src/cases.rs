//! The runs of each program of the corpus.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::corpus::{self, Program};
use crate::error::{Error, Result};
use crate::paths;
use crate::process::{Ended, Job};

/// One way of running a program: its arguments and its standard input.
#[derive(Clone)]
pub(crate) struct Case {
    /// What to call it.
    pub(crate) name: String,
    /// The arguments.
    pub(crate) args: Vec<OsString>,
    stdin: Option<PathBuf>,
    /// Where it runs; the project's folder if it doesn't matter.
    dir: Option<PathBuf>,
    /// Standard output must be this file's bytes; known without any run.
    pub(crate) must_print: Option<PathBuf>,
    /// It runs in one mode alone; other cases of the program go through the same code.
    pub(crate) once: bool,
}

impl Case {
    fn new(name: impl Into<String>, args: &[&str]) -> Self {
        let args = args.iter().map(OsString::from).collect();
        Self {
            name: name.into(),
            args,
            stdin: None,
            dir: None,
            must_print: None,
            once: false,
        }
    }

    fn file(mut self, path: &Path) -> Self {
        self.args.push(path.into());
        self
    }

    fn stdin(mut self, path: &Path) -> Self {
        self.stdin = Some(path.into());
        self
    }

    fn dir(mut self, path: &Path) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// Gives a job the standard input and the folder of the case.
    pub(crate) fn job(&self, mut job: Job) -> Job {
        if let Some(file) = &self.stdin {
            job = job.stdin(file);
        }
        if let Some(dir) = &self.dir {
            job = job.dir(dir);
        }
        job
    }
}

/// The runs of a program that are compared.
pub(crate) fn cases(program: Program) -> Result<Vec<Case>> {
    let input = |name: &str| paths::corpus_inputs().join(name);
    Ok(match program {
        Program::Lua => {
            let mut wide = Case::new("test.lua", &[]).file(&input("test.lua"));
            wide.args.extend(["a".into(), "b c".into()]);
            vec![Case::new("bench.lua", &[]).file(&input("bench.lua")), wide]
        }
        Program::Sqlite => vec![
            Case::new("1,000 inserts", &[]).file(&corpus::bench_sql()),
            Case::new("test.sql", &[]).file(&input("test.sql")),
        ],
        Program::Bzip2 => {
            let mut cases = Vec::new();
            for (compress, decompress, sample, level) in [
                ("compress 1", "decompress 1", "sample1", "-1"),
                ("compress 2", "decompress 2", "sample2", "-2"),
                ("compress 3", "decompress 3", "sample3", "-3"),
            ] {
                let plain = program.file(&format!("{sample}.ref"));
                let packed = program.file(&format!("{sample}.bz2"));
                let mut case = Case::new(compress, &[level, "-c"]).stdin(&plain);
                case.must_print = Some(packed.clone());
                cases.push(case);
                let mut case = Case::new(decompress, &["-d", "-c"]).file(&packed);
                case.must_print = Some(plain);
                cases.push(case);
            }
            cases
        }
        Program::QuickJs => quickjs()?,
        Program::MiniSat => vec![
            Case::new("unsatisfiable", &[]).file(&corpus::pigeons()),
            Case::new("satisfiable", &["-shown=20"]).file(&corpus::satisfiable()),
        ],
        Program::Cxx | Program::Rust => {
            vec![Case::new("everything", &["a", "b c"]).stdin(&corpus::numbers(program))]
        }
    })
}

/// Files among QuickJS's own tests that are not run by themselves.
fn is_left_out(name: &str) -> bool {
    let is_part = name.starts_with("fixture") || name.ends_with("_module.js");
    let no_test = ["assert.js", "empty.js", "microbench.js"];
    // Its timers, 100 ms apart, have to fire in an order that a busy machine changes.
    let depends_on_time = name == "test_std.js";
    is_part || no_test.contains(&name) || depends_on_time
}

/// A script of ours, and QuickJS's own tests as far as they pass natively: all in one process in
/// every mode, and one by one in one mode.
fn quickjs() -> Result<Vec<Case>> {
    const LIMIT: Duration = Duration::from_secs(30);
    let dir = corpus::quickjs_tests();
    let ours = |name: &str| paths::corpus_inputs().join(name);
    let mut script = Case::new("test.js", &["-m"]).file(&ours("test.js"));
    script.args.extend(["a".into(), "b c".into()]);
    let mut suite = Case::new("its tests", &["-m"])
        .file(&ours("qjs_suite.js"))
        .dir(&dir);
    let mut single = Vec::new();
    for path in corpus::listed(&dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.extension().is_none_or(|extension| extension != "js") || is_left_out(&name) {
            continue;
        }
        let mut case = Case::new(name, &[]).file(&path).dir(&dir);
        case.once = true;
        let native = case.job(Job::new(Program::QuickJs.file("native.O0")).args(&case.args));
        if native.time(LIMIT)?.ended == Ended::Code(0) {
            suite.args.push(path.into());
            single.push(case);
        }
    }
    // So that a change of theirs, or of the place, does not leave nothing to run.
    if single.len() < 60 {
        let count = single.len();
        return Err(Error::new(format!(
            "only {count} of QuickJS's own tests pass natively"
        )));
    }
    Ok([vec![script, suite], single].concat())
}
