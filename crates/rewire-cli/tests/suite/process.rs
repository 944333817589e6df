//! Runs a command with input, a limit of time, and its output captured.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// No run takes as long as this unless it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(i32),
    Signal(i32),
    /// It was killed when its time was over.
    TimedOut,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("no end within the limit of time"),
        }
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => unreachable!("a process that was waited for has ended"),
        }
    }
}

/// What a process left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.ending)?;
        writeln!(f, "--- standard output\n{}", shortened(&self.stdout_text()))?;
        write!(f, "--- standard error\n{}", shortened(&self.stderr_text()))
    }
}

fn shortened(text: &str) -> String {
    const KEEP: usize = 4000;
    if text.len() <= KEEP {
        return text.to_owned();
    }
    let kept: String = text.chars().take(KEEP).collect();
    format!("{kept}... ({} bytes in all)", text.len())
}

enum Event {
    Ended(Ending),
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

/// Runs `command` to its end, in a process group of its own, which is killed when `LIMIT` is over.
pub(crate) fn run(command: &mut Command, stdin: &[u8]) -> Result<Outcome, String> {
    run_within(LIMIT, command, stdin)
}

fn run_within(limit: Duration, command: &mut Command, stdin: &[u8]) -> Result<Outcome, String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let group = child.id();
    let (sender, events) = mpsc::channel();

    let mut input = child.stdin.take().ok_or("no pipe to standard input")?;
    let text = stdin.to_owned();
    // The program may end without reading all of it, which is no error.
    thread::spawn(move || drop(input.write_all(&text)));
    let stdout = child.stdout.take().ok_or("no pipe from standard output")?;
    let stderr = child.stderr.take().ok_or("no pipe from standard error")?;
    let out = sender.clone();
    thread::spawn(move || out.send(Event::Stdout(read_all(stdout))));
    let err = sender.clone();
    thread::spawn(move || err.send(Event::Stderr(read_all(stderr))));
    thread::spawn(move || {
        let ending = child.wait().map_or(Ending::TimedOut, Ending::from);
        sender.send(Event::Ended(ending))
    });

    let deadline = Instant::now() + limit;
    let mut outcome = Outcome {
        ending: Ending::TimedOut,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    let mut timed_out = false;
    for _ in 0..3 {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = match events.recv_timeout(left) {
            Ok(event) => event,
            Err(_) => {
                timed_out = true;
                signal("KILL", &format!("-{group}"))?;
                let grace = Duration::from_secs(10);
                events
                    .recv_timeout(grace)
                    .map_err(|_| "a killed process did not end".to_owned())?
            }
        };
        match event {
            Event::Ended(ending) => outcome.ending = ending,
            Event::Stdout(bytes) => outcome.stdout = bytes,
            Event::Stderr(bytes) => outcome.stderr = bytes,
        }
    }
    if timed_out {
        outcome.ending = Ending::TimedOut;
    }
    Ok(outcome)
}

fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is kept; a missing rest shows when outputs are compared.
    drop(from.read_to_end(&mut bytes));
    bytes
}

/// Sends the signal of that name to a process, or to a group if `target` starts with a hyphen.
pub(crate) fn signal(name: &str, target: &str) -> Result<(), String> {
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, target])
        .status()
        .map_err(|e| format!("sh: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("kill -s {name} -- {target} failed"))
    }
}

/// The program under test.
pub(crate) fn rewire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rewire"));
    command.env_remove("REWIRE_LOG");
    command
}

/// The assembler of the LLVM version that the program holds.
pub(crate) fn assembler() -> Command {
    Command::new("llvm-as-22")
}

/// clang of the LLVM version that the program holds.
pub(crate) fn clang() -> Command {
    let mut command = Command::new("clang-22");
    command.args(["-w", "-Wno-override-module"]);
    command
}

/// Runs a compiler, whose failure is an error.
pub(crate) fn build(command: &mut Command) -> Result<(), String> {
    let outcome = run(command, b"")?;
    if outcome.ending == Ending::Code(0) {
        return Ok(());
    }
    Err(format!("{command:?}: {outcome}"))
}

/// Makes bitcode of one source, with LLVM's passes left out, so that nothing is inlined yet.
pub(crate) fn make_bitcode(source: &Path, flags: &[String], to: &Path) -> Result<(), String> {
    let mut command = clang();
    command
        .args([
            "-O0",
            "-Xclang",
            "-disable-O0-optnone",
            "-Xclang",
            "-disable-llvm-passes",
        ])
        .args(flags)
        .args(["-c", "-emit-llvm"])
        .arg(source)
        .arg("-o")
        .arg(to);
    build(&mut command)
}

/// Tests of the runner itself.
pub(crate) mod tests {
    use super::*;

    pub(crate) fn a_hanging_program_is_killed() -> Result<(), String> {
        // The inner process keeps the pipes open after the outer one is gone.
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; sleep 1000 & exec sleep 1000"]);
        let outcome = run_within(Duration::from_millis(500), &mut command, b"")?;
        if outcome.ending == Ending::TimedOut {
            return Ok(());
        }
        Err(outcome.to_string())
    }
}
