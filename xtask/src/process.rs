//! Running other programs: with their output shown, caught, or measured.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fmt};

use crate::error::{Context, Error, Result};
use crate::paths;
use crate::wait;

/// A command with the environment that the user's shell has.
///
/// `cargo run` adds variables of its own: they would make nested cargos build anew, and a longer
/// `LD_LIBRARY_PATH` slows the start of every measured program.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let set_by_cargo = name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || name.starts_with("CARGO_BIN_")
            || name == "CARGO_CRATE_NAME"
            || name == "CARGO_PRIMARY_PACKAGE";
        if set_by_cargo {
            command.env_remove(&*name);
        }
    }
    if let Some(found) = env::var_os("LD_LIBRARY_PATH") {
        let target = paths::target();
        let kept: Vec<PathBuf> = env::split_paths(&found)
            .filter(|dir| !dir.starts_with(&target) && !dir.to_string_lossy().contains("/rustlib/"))
            .filter(|dir| !is_toolchain_lib(dir))
            .filter(|dir| !dir.as_os_str().is_empty())
            .collect();
        match env::join_paths(&kept) {
            Ok(joined) if !kept.is_empty() => command.env("LD_LIBRARY_PATH", joined),
            _ => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
    // bzip2 takes options from these.
    command.env_remove("BZIP2").env_remove("BZIP");
    command.current_dir(paths::root());
    command
}

/// The `lib` folder of a Rust toolchain, which `cargo run` adds.
fn is_toolchain_lib(dir: &Path) -> bool {
    dir.ends_with("lib") && dir.join("rustlib").is_dir()
}

/// A command line as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| paths::shown(Path::new(word))).collect();
    words.join(" ")
}

/// Runs a command whose output the user sees; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .context(|| format!("start `{}`", line(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::new(format!(
            "`{}` ended with {status}",
            line(command)
        )))
    }
}

/// Runs a command for its standard output; what it says on standard error is part of the error.
pub(crate) fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(|| format!("start `{}`", line(command)))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::new(format!(
        "`{}` ended with {}\n{}",
        line(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}

/// Whether a command runs and succeeds; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// How a measured program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It was still running at the limit.
    TimedOut,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(libc::SIGSEGV) => write!(f, "crashed (SIGSEGV)"),
            Self::Signal(libc::SIGABRT) => write!(f, "crashed (SIGABRT)"),
            Self::Signal(libc::SIGILL) => write!(f, "crashed (SIGILL)"),
            Self::Signal(libc::SIGBUS) => write!(f, "crashed (SIGBUS)"),
            Self::Signal(number) => write!(f, "killed by signal {number}"),
            Self::TimedOut => write!(f, "not done in time"),
        }
    }
}

/// The largest resident set of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peak {
    /// In KiB.
    pub(crate) kib: u64,
    /// It can't be told from our own, and may be less.
    pub(crate) at_most: bool,
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.at_most { "< " } else { "" };
        write!(f, "{sign}{:.1}", self.kib as f64 / 1024.0)
    }
}

/// One run of a program.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) ended: Ended,
    /// From before it was started to after it was reaped.
    pub(crate) wall: Duration,
    /// Its largest resident set.
    pub(crate) peak: Peak,
    /// Its standard output, when it was caught.
    pub(crate) stdout: Vec<u8>,
    /// The end of its standard error, when it was caught.
    pub(crate) stderr: String,
}

/// A program with its arguments, to be run as often as one likes.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    program: PathBuf,
    args: Vec<OsString>,
    stdin: Option<PathBuf>,
    dir: Option<PathBuf>,
}

impl Job {
    /// A program without arguments.
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            stdin: None,
            dir: None,
        }
    }

    /// The program that it runs.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The same with another program.
    pub(crate) fn with_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    pub(crate) fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Reads standard input from a file; without, it is empty.
    pub(crate) fn stdin(mut self, file: impl Into<PathBuf>) -> Self {
        self.stdin = Some(file.into());
        self
    }

    /// Runs in this folder instead of the project's.
    pub(crate) fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The command line as a person would type it.
    pub(crate) fn line(&self) -> String {
        let mut shown = line(Command::new(&self.program).args(&self.args));
        if let Some(stdin) = &self.stdin {
            shown.push_str(" < ");
            shown.push_str(&paths::shown(stdin));
        }
        shown
    }

    fn command(&self) -> Result<Command> {
        let mut command = command(&self.program);
        command.args(&self.args);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        match &self.stdin {
            Some(file) => {
                let file = File::open(file).context(|| format!("open {}", paths::shown(file)))?;
                command.stdin(file);
            }
            None => {
                command.stdin(Stdio::null());
            }
        }
        Ok(command)
    }

    /// Runs it with its output thrown away, for timing.
    pub(crate) fn time(&self, limit: Duration) -> Result<Outcome> {
        let mut command = self.command()?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.reap(&mut command, limit)
    }

    /// Runs it and keeps what it wrote.
    pub(crate) fn capture(&self, limit: Duration) -> Result<Outcome> {
        // Files and not pipes: nobody has to read along, so nothing can block.
        let mut stdout = scratch()?;
        let mut stderr = scratch()?;
        let mut command = self.command()?;
        let copy = |file: &File| file.try_clone().context(|| "copy a file handle".into());
        command.stdout(copy(&stdout)?).stderr(copy(&stderr)?);
        let mut outcome = self.reap(&mut command, limit)?;
        outcome.stdout = read_back(&mut stdout)?;
        let said = read_back(&mut stderr)?;
        let tail = &said[said.len().saturating_sub(2000)..];
        outcome.stderr = String::from_utf8_lossy(tail).into_owned();
        Ok(outcome)
    }

    fn reap(&self, command: &mut Command, limit: Duration) -> Result<Outcome> {
        forget_own_peak();
        let started = Instant::now();
        let child = command
            .spawn()
            .context(|| format!("start `{}`", self.line()))?;
        let pid = child.id();
        // The watcher wakes at the limit or when the sender is dropped, whichever is first.
        let (done, watched) = mpsc::channel::<()>();
        let watcher = thread::spawn(move || {
            if watched.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                wait::kill(pid);
                return true;
            }
            false
        });
        let reaped = wait::wait(pid).context(|| format!("wait for `{}`", self.line()))?;
        let wall = started.elapsed();
        drop(done);
        let timed_out = watcher.join().unwrap_or(false);
        let ended = if timed_out {
            Ended::TimedOut
        } else {
            reaped.ended
        };
        Ok(Outcome {
            ended,
            wall,
            peak: Peak {
                kib: reaped.peak_kib,
                at_most: reaped.peak_kib <= own_peak_kib(),
            },
            stdout: Vec::new(),
            stderr: String::new(),
        })
    }
}

/// Resets our own peak of memory.
///
/// A child shares our memory from its start until `exec`, and the kernel keeps that time's peak as
/// the child's: without this, no child would seem to need less than we once did.
fn forget_own_peak() {
    // Where the kernel refuses, `own_peak_kib` stays high, and peaks below it are not shown.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Our own peak of memory since it was reset.
fn own_peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(u64::MAX)
}

/// A file that has no name, so that nothing is left behind.
fn scratch() -> Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only the number must be new.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = paths::target().join("tmp");
    fs::create_dir_all(&dir).context(|| format!("make {}", paths::shown(&dir)))?;
    let path = dir.join(format!("xtask-{}-{number}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .context(|| format!("make {}", paths::shown(&path)))?;
    fs::remove_file(&path).context(|| format!("remove {}", paths::shown(&path)))?;
    Ok(file)
}

fn read_back(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .context(|| "read a program's output".into())?;
    file.read_to_end(&mut bytes)
        .context(|| "read a program's output".into())?;
    Ok(bytes)
}
