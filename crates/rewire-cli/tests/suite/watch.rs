//! `rewire run --watch`: files that change while the program runs.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use crate::support::{Folder, expect_error, finish};

/// Prints what `step` returns whenever that is another value, until it is 9. It sees no child, and
/// closes what it hasn't opened; and it ends if nobody edits anything.
const MAIN: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int step(void);
int main(void) {
  alarm(100);
  if (chdir("/") || wait(NULL) != -1 || errno != ECHILD) return 1;
  for (int fd = 3; fd < 1000; fd++) close(fd);
  for (int value, last = 0; last != 9; last = value, usleep(1000)) {
    value = step();
    if (value != last) { printf("%d\n", value); fflush(stdout); }
  }
  return wait(NULL) != -1 || errno != ECHILD;
}
"#;

struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self, String> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let out = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let errors = BufReader::new(child.stderr.take().ok_or("no pipe")?);
        Ok(Self { child, out, errors })
    }

    /// The next value has to be this one.
    fn expect(&mut self, value: i32) -> Result<(), String> {
        let mut line = String::new();
        self.out.read_line(&mut line).map_err(|e| e.to_string())?;
        if line.trim() == value.to_string() {
            return Ok(());
        }
        let mut said = String::new();
        drop(self.child.kill());
        drop(self.errors.read_to_string(&mut said));
        Err(format!(
            "{line:?} instead of {value}; standard error: {said}"
        ))
    }

    /// Reads messages until there is one with this text.
    fn expect_message(&mut self, text: &str) -> Result<(), String> {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            if self
                .errors
                .read_line(&mut line)
                .map_err(|e| e.to_string())?
                == 0
            {
                return Err(format!("no message has {text:?}"));
            }
        }
        Ok(())
    }

    fn expect_end(mut self) -> Result<(), String> {
        let status = self.child.wait().map_err(|e| e.to_string())?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("it ended with {status}")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Puts another file in the place of one, as editors do.
fn put(folder: &Folder, name: &str, content: &str) -> Result<(), String> {
    let beside = folder.file("beside", content)?;
    std::fs::rename(beside, folder.path.join(name)).map_err(|e| e.to_string())
}

trial!(sources);
/// Sources and headers, in place and by renaming; and a source that has an error meanwhile.
fn sources(folder: &Folder) -> Result<(), String> {
    folder.file("main.c", MAIN)?;
    folder.file("value.h", "#define VALUE 1\n")?;
    let step = "#include \"value.h\"\nstatic int kept = VALUE;\nint step(void) { return ";
    folder.file("step.c", format!("{step} VALUE + kept - kept; }}\n"))?;
    let mut run = Running::start(folder.rewire_run().args(["--watch", "main.c", "step.c"]))?;
    run.expect(1)?;
    folder.file("value.h", "#define VALUE 2\n")?;
    run.expect(2)?;
    run.expect_message("step.c: reloaded (1 replaced)")?;
    // Variables keep their values.
    put(folder, "step.c", &format!("{step} kept + 2; }}\n"))?;
    run.expect(3)?;
    put(folder, "step.c", "int step(void) { return 4 }\n")?;
    run.expect_message("expected ';'")?;
    run.expect_message("step.c runs as it was")?;
    put(
        folder,
        "step.c",
        "int step(void) { return missing(); }\nint missing(void);\n",
    )?;
    run.expect_message("step.c runs as it was")?;
    folder.file("step.c", "int step(void) { return 9; }\n")?;
    run.expect(9)?;
    run.expect_end()
}

trial!(ir);
/// IR, through a link to it; `-q` says nothing of what went well.
fn ir(folder: &Folder) -> Result<(), String> {
    let step = |value: i32| format!("define i32 @step() {{\n  ret i32 {value}\n}}\n");
    folder.file("main.c", MAIN)?;
    folder.file("linked.ll", step(1))?;
    std::os::unix::fs::symlink(Path::new("linked.ll"), folder.path.join("step.ll"))
        .map_err(|e| e.to_string())?;
    let mut run = Running::start(
        folder
            .rewire_run()
            .args(["-q", "--watch", "main.c", "step.ll"]),
    )?;
    for value in [1, 2] {
        folder.file("linked.ll", step(value))?;
        run.expect(value)?;
    }
    put(folder, "step.ll", &step(9))?;
    run.expect(9)?;
    let mut said = String::new();
    run.errors
        .read_to_string(&mut said)
        .map_err(|e| e.to_string())?;
    if !said.is_empty() {
        return Err(format!("it said: {said}"));
    }
    run.expect_end()
}

trial!(missing);
fn missing(folder: &Folder) -> Result<(), String> {
    let outcome = finish(folder.rewire_run().args(["--watch", "no.c"]))?;
    expect_error(&outcome, &[65], &["cannot read no.c"])
}
