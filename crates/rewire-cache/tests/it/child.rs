//! Processes of the test's own program, which do one thing and end, or are killed.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

const TASK: &str = "REWIRE_CACHE_TEST_TASK";
const FOLDER: &str = "REWIRE_CACHE_TEST_FOLDER";
/// A user without rights of root's, to whom modes of files mean something.
const NOBODY: u32 = 65534;

/// A process that runs `task` (a name in `tasks`) with a folder.
fn command(task: &str, folder: &Path) -> Command {
    command_of(&env::current_exe().expect("a program"), task, folder)
}

fn command_of(program: &Path, task: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", "child::task", "--nocapture"])
        .env(TASK, task)
        .env(FOLDER, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a task to its end.
pub(crate) fn run(task: &str, folder: &Path) -> Output {
    finish(&mut command(task, folder))
}

/// Runs a task as a user who isn't root. The folder, and all beside it, is given to that user.
pub(crate) fn run_as_user(task: &str, folder: &Path) -> Output {
    if !is_root() {
        return run(task, folder);
    }
    // The user may have no way to where the program is.
    let temporary = folder.parent().expect("the temporary folder");
    let program = temporary.join("program");
    fs::copy(env::current_exe().expect("a program"), &program).expect("writable");
    give(temporary);
    let mut command = command_of(&program, task, folder);
    command.uid(NOBODY).gid(NOBODY).current_dir(temporary);
    finish(&mut command)
}

fn finish(command: &mut Command) -> Output {
    let output = command.output().expect("it can be run");
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").expect("Linux").uid() == 0
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            give(&entry.expect("an entry").path());
        }
    }
}

/// A process that runs until it is killed, and says something at each step.
pub(crate) struct Endless {
    child: Child,
    steps: BufReader<ChildStdout>,
}

impl Endless {
    pub(crate) fn start(task: &str, folder: &Path) -> Self {
        let mut child = command(task, folder).spawn().expect("it can be run");
        let steps = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, steps }
    }

    /// Waits until it has begun so many steps.
    pub(crate) fn wait_for_steps(&mut self, count: usize) {
        let mut line = String::new();
        let mut seen = 0;
        while seen < count {
            line.clear();
            if self.steps.read_line(&mut line).expect("readable") == 0 {
                let output = self.child.stderr.take().map(std::io::read_to_string);
                panic!("the process ended by itself: {output:?}");
            }
            seen += usize::from(line.starts_with("step"));
        }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        let status = self.child.wait().expect("it was killed");
        assert_eq!(status.code(), None, "it ended by itself");
    }
}

/// Says that another step begins.
pub(crate) fn step() {
    let mut out = std::io::stdout().lock();
    // Nobody listens once the test has ended.
    let _ = out.write_all(b"step\n").and_then(|()| out.flush());
}

/// Not a test: what the processes run. By itself it does nothing.
#[test]
fn task() {
    let (Ok(task), Some(folder)) = (env::var(TASK), env::var_os(FOLDER)) else {
        return;
    };
    let folder = Path::new(&folder);
    match task.as_str() {
        "fill until killed" => crate::killed::fill_until_killed(folder),
        "use a folder that can only be read" => crate::failures::use_read_only(folder),
        "use a folder without permission" => crate::failures::use_without_permission(folder),
        "leave nothing open" => crate::failures::leave_nothing_open(folder),
        "write with a limit" => crate::failures::write_with_limit(folder),
        other => panic!("no task {other}"),
    }
}
