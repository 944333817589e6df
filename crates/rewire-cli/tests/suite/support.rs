//! What the tests of single behaviours share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Trial;

use crate::process::{self, Ending, Outcome};

/// A folder for each test, under the run's scratch folder.
pub(crate) struct Bench {
    scratch: PathBuf,
    next: AtomicUsize,
}

impl Bench {
    pub(crate) fn new(scratch: &Path) -> Arc<Self> {
        Arc::new(Self {
            scratch: scratch.to_owned(),
            next: AtomicUsize::new(0),
        })
    }

    pub(crate) fn folder(&self) -> Result<Folder, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.join(format!("single-{number}"));
        fs::create_dir_all(&path).map_err(|e| e.to_string())?;
        Ok(Folder { path })
    }

    /// A test that gets a folder of its own.
    pub(crate) fn test(
        self: &Arc<Self>,
        name: impl Into<String>,
        body: impl FnOnce(&Folder) -> Result<(), String> + Send + 'static,
    ) -> Trial {
        let bench = Arc::clone(self);
        Trial::test(name.into(), move || Ok(body(&bench.folder()?)?))
    }
}

/// What makes the trials of each file: [`trial!`] and [`trials!`] add to it where they stand.
#[linkme::distributed_slice]
pub(crate) static REGISTERED: [fn(&Arc<Bench>) -> Vec<Trial>];

/// Registers a function as a trial, under its module's name and its own.
macro_rules! trial {
    ($function:ident) => {
        const _: () = {
            #[linkme::distributed_slice(crate::support::REGISTERED)]
            static MAKE: fn(
                &::std::sync::Arc<crate::support::Bench>,
            ) -> Vec<::libtest_mimic::Trial> = |bench| {
                let (_, module) = module_path!().split_once("::").unwrap_or_default();
                let name = format!("{module}::{}", stringify!($function));
                vec![bench.test(name, $function)]
            };
        };
    };
}

/// Registers a function that makes trials that differ in a value.
macro_rules! trials {
    ($function:ident) => {
        const _: () = {
            #[linkme::distributed_slice(crate::support::REGISTERED)]
            static MAKE: fn(
                &::std::sync::Arc<crate::support::Bench>,
            ) -> Vec<::libtest_mimic::Trial> = $function;
        };
    };
}

/// Where one test keeps its files.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        fs::write(&path, content).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Writes a C source and makes bitcode of it.
    pub(crate) fn bitcode(&self, name: &str, source: &str) -> Result<PathBuf, String> {
        let source = self.file(&format!("{name}.c"), source)?;
        let to = self.path.join(format!("{name}.bc"));
        process::make_bitcode(&source, &[], &to)?;
        Ok(to)
    }

    /// `rewire run`, here.
    pub(crate) fn rewire_run(&self) -> Command {
        let mut command = process::rewire();
        command.arg("run").current_dir(&self.path);
        command
    }
}

/// Runs with nothing on standard input.
pub(crate) fn finish(command: &mut Command) -> Result<Outcome, String> {
    process::run(command, b"")
}

pub(crate) fn expect_code(outcome: &Outcome, codes: &[i32]) -> Result<(), String> {
    match outcome.ending {
        Ending::Code(code) if codes.contains(&code) => Ok(()),
        _ => Err(format!(
            "expected one of the exit codes {codes:?}, found {outcome}"
        )),
    }
}

/// One of `codes`, and a message that starts with `error:` and has each of `parts` in it. What
/// LLVM or clang print by themselves may stand before it.
pub(crate) fn expect_error(outcome: &Outcome, codes: &[i32], parts: &[&str]) -> Result<(), String> {
    expect_code(outcome, codes)?;
    let text = outcome.stderr_text();
    if !text.lines().any(|line| line.starts_with("error: ")) {
        return Err(format!("no line starts with `error: `: {outcome}"));
    }
    if text.contains("panicked at") {
        return Err(format!("a panic: {outcome}"));
    }
    match parts.iter().find(|part| !text.contains(**part)) {
        Some(part) => Err(format!("the message lacks {part:?}: {outcome}")),
        None => Ok(()),
    }
}

pub(crate) fn expect_stdout(outcome: &Outcome, text: &str) -> Result<(), String> {
    if outcome.stdout == text.as_bytes() {
        return Ok(());
    }
    Err(format!("expected the output {text:?}, found {outcome}"))
}
