//! The `rewire` program as the tests and benchmarks call it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::paths::{self, shown};
use crate::process::{Ended, Job, command, run};

/// A built `rewire`.
#[derive(Clone, Debug)]
pub(crate) struct Rewire {
    program: PathBuf,
    no_cache: bool,
    cache: Option<PathBuf>,
}

impl Rewire {
    /// Has cargo build the program.
    fn build(release: bool) -> Result<Self> {
        let mut cargo = command("cargo");
        cargo.args(["build", "-p", "rewire-cli"]);
        if release {
            cargo.arg("--release");
        }
        run(&mut cargo)?;
        Self::at(
            paths::target()
                .join(if release { "release" } else { "debug" })
                .join("rewire"),
        )
    }

    /// The program at `given`, else a new build.
    pub(crate) fn given_or_built(given: Option<&Path>, release: bool) -> Result<Self> {
        match given {
            Some(path) => Self::at(path.to_path_buf()),
            None => Self::build(release),
        }
    }

    /// A program that is built already.
    fn at(program: PathBuf) -> Result<Self> {
        let program = fs::canonicalize(&program)
            .context(|| format!("find the program {}", shown(&program)))?;
        let mut rewire = Self {
            program,
            no_cache: true,
            cache: None,
        };
        // A program that does not know the option yet answers with code 2, and keeps no cache.
        let probe = rewire.job(&[], &[start_ll()], &[] as &[&str]);
        rewire.no_cache = probe.time(Duration::from_secs(60))?.ended != Ended::Code(2);
        Ok(rewire)
    }

    /// The same program, whose runs keep compiled code in a folder.
    pub(crate) fn with_cache(&self, folder: &Path) -> Self {
        Self {
            cache: Some(folder.to_path_buf()),
            ..self.clone()
        }
    }

    /// The program itself.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// `rewire run OPTIONS FILES -- ARGS`, without a cache unless one is named.
    pub(crate) fn job<A: AsRef<std::ffi::OsStr>>(
        &self,
        options: &[&str],
        files: &[PathBuf],
        args: &[A],
    ) -> Job {
        let mut job = Job::new(&self.program).arg("run");
        if let Some(folder) = &self.cache {
            job = job.arg("--cache").arg(folder);
        } else if self.no_cache {
            job = job.arg("--no-cache");
        }
        job = job.args(options).args(files);
        if args.is_empty() {
            job
        } else {
            job.arg("--").args(args)
        }
    }

    /// Runs a program once more for its report.
    pub(crate) fn report<A: AsRef<std::ffi::OsStr>>(
        &self,
        options: &[&str],
        file: &Path,
        args: &[A],
        limit: Duration,
    ) -> Result<Report> {
        let dir = paths::target().join("tmp");
        fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
        let path = dir.join(format!("report-{}.json", std::process::id()));
        let option = format!("--report={}", path.display());
        let mut options = options.to_vec();
        options.push(&option);
        let job = self.job(&options, &[file.to_path_buf()], args);
        let outcome = job.capture(limit)?;
        let Ok(text) = fs::read(&path) else {
            return Err(Error::new(format!(
                "`{}` wrote no report ({})\n{}",
                job.line(),
                outcome.ended,
                outcome.stderr.trim_end()
            )));
        };
        let _ = fs::remove_file(&path);
        let value = serde_json::from_slice(&text)
            .context(|| format!("read the report of `{}` as JSON", job.line()))?;
        Ok(Report {
            value,
            stdout: outcome.stdout,
        })
    }
}

/// What `--report` wrote, and what the program printed in that run.
pub(crate) struct Report {
    value: Value,
    /// The standard output of the program.
    pub(crate) stdout: Vec<u8>,
}

impl Report {
    /// An integer of the report.
    pub(crate) fn number(&self, field: &str) -> Result<u64> {
        self.value
            .get(field)
            .and_then(Value::as_u64)
            .ok_or_else(|| Error::new(format!("the report has no integer `{field}`")))
    }
}

/// The program that returns 0.
pub(crate) fn start_ll() -> PathBuf {
    paths::corpus_inputs().join("start.ll")
}
