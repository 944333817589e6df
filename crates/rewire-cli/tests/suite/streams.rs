//! Standard streams, and signals that come from outside.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use libtest_mimic::Trial;

use crate::process::{self, Ending, LIMIT};
use crate::support::{Bench, Folder, expect_code, expect_stdout, finish};

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    vec![
        bench.test("streams::sigterm", |f| {
            killed_from_outside(f, "TERM", libc::SIGTERM)
        }),
        bench.test("streams::sigint", |f| {
            killed_from_outside(f, "INT", libc::SIGINT)
        }),
        bench.test("streams::sighup", |f| {
            killed_from_outside(f, "HUP", libc::SIGHUP)
        }),
    ]
}

const ECHO: &str = r#"
#include <stdio.h>
int main(void) {
    int c, sum = 0, count = 0;
    while ((c = getchar()) != EOF) {
        sum = (sum * 31 + c) & 0xffffff;
        count++;
    }
    printf("%d %d\n", count, sum);
    return 0;
}
"#;

trial!(stdin_is_inherited);
fn stdin_is_inherited(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("echo", ECHO)?;
    let outcome = process::run(folder.rewire_run().arg(&path), b"ab")?;
    expect_code(&outcome, &[0])?;
    expect_stdout(&outcome, &format!("2 {}\n", 97 * 31 + 98))
}

trial!(large_stdin);
fn large_stdin(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("echo", ECHO)?;
    let text: Vec<u8> = (0..1_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let sum = text
        .iter()
        .fold(0_u64, |sum, b| (sum * 31 + u64::from(*b)) & 0xff_ffff);
    let outcome = process::run(folder.rewire_run().arg(&path), &text)?;
    expect_stdout(&outcome, &format!("1000000 {sum}\n"))
}

const TEXT: &str = "declare i32 @puts(ptr)\n@t = constant [5 x i8] c\"text\\00\"\n\
                    define i32 @main() {\n  %r = call i32 @puts(ptr @t)\n  ret i32 3\n}\n";

trial!(ir_from_stdin);
fn ir_from_stdin(folder: &Folder) -> Result<(), String> {
    let outcome = process::run(folder.rewire_run().arg("-"), TEXT.as_bytes())?;
    expect_code(&outcome, &[3])?;
    expect_stdout(&outcome, "text\n")
}

trial!(bitcode_from_stdin);
fn bitcode_from_stdin(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("echo", ECHO)?;
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let outcome = process::run(folder.rewire_run().arg("-"), &bytes)?;
    // The program itself finds its input at the end.
    expect_code(&outcome, &[0])?;
    expect_stdout(&outcome, "0 0\n")
}

/// A process of its own group, whose end is waited for within the limit.
fn start(command: &mut Command) -> Result<Child, String> {
    use std::os::unix::process::CommandExt;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0).spawn().map_err(|e| e.to_string())
}

fn end_of(mut child: Child) -> Result<Ending, String> {
    let group = child.id();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait().map(Ending::from)));
    match ended.recv_timeout(LIMIT) {
        Ok(ending) => ending.map_err(|e| e.to_string()),
        Err(_) => {
            process::signal("KILL", &format!("-{group}"))?;
            Ok(Ending::TimedOut)
        }
    }
}

const ENDLESS: &str = r#"
#include <stdio.h>
int main(void) {
    for (long i = 0;; i++)
        if (printf("line %ld\n", i) < 0)
            return 1;
}
"#;

trial!(stdout_closed_early);
/// The reader of standard output goes away: death by SIGPIPE, as natively, and not a message.
fn stdout_closed_early(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("endless", ENDLESS)?;
    let mut child = start(folder.rewire_run().arg(&path))?;
    let mut stdout = child.stdout.take().ok_or("no pipe")?;
    let mut some = [0; 100];
    stdout
        .read_exact(&mut some)
        .map_err(|e| format!("no output came: {e}"))?;
    drop(stdout);
    match end_of(child)? {
        Ending::Signal(libc::SIGPIPE) => Ok(()),
        ending => Err(format!("expected death by SIGPIPE, found {ending}")),
    }
}

trial!(stdout_closed_at_start);
/// Standard output that was never open: the program sees its own errors.
fn stdout_closed_at_start(folder: &Folder) -> Result<(), String> {
    let source = "#include <stdio.h>\n#include <errno.h>\n\
                  int main(void) { int r = puts(\"x\"); return r < 0 || fflush(stdout) ? 40 + (errno == EBADF) : 1; }\n";
    let path = folder.bitcode("closed", source)?;
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec \"$0\" run \"$1\" >&-",
            env!("CARGO_BIN_EXE_rewire"),
        ])
        .arg(&path);
    expect_code(&finish(command.current_dir(&folder.path))?, &[41])
}

/// It says that it is ready and waits; the signal ends it, and `rewire` dies of that signal.
fn killed_from_outside(folder: &Folder, name: &str, number: i32) -> Result<(), String> {
    let source = "#include <stdio.h>\n#include <unistd.h>\n#include <signal.h>\n\
                  int main(void) { puts(\"ready\"); fflush(stdout); for (;;) pause(); }\n";
    let path = folder.bitcode("waits", source)?;
    let mut child = start(folder.rewire_run().arg(&path))?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut line = String::new();
    stdout.read_line(&mut line).map_err(|e| e.to_string())?;
    if line != "ready\n" {
        return Err(format!("it says {line:?}, and {}", end_of(child)?));
    }
    process::signal(name, &child.id().to_string())?;
    match end_of(child)? {
        Ending::Signal(found) if found == number => Ok(()),
        ending => Err(format!("expected death by SIG{name}, found {ending}")),
    }
}

trial!(ignored_stays_ignored);
/// A signal that the parent ignores (`nohup`) stays ignored in the program.
fn ignored_stays_ignored(folder: &Folder) -> Result<(), String> {
    let source = "#include <stdio.h>\n#include <signal.h>\n\
                  int main(void) { raise(SIGHUP); puts(\"alive\"); return 0; }\n";
    let path = folder.bitcode("ignores", source)?;
    let mut command = Command::new("sh");
    let script = "trap '' HUP; exec \"$0\" run \"$1\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_rewire")])
        .arg(&path);
    let mut child = start(command.current_dir(&folder.path))?;
    let mut text = String::new();
    let mut stdout = child.stdout.take().ok_or("no pipe")?;
    stdout
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    match end_of(child)? {
        Ending::Code(0) if text == "alive\n" => Ok(()),
        ending => Err(format!("found {ending}, output {text:?}")),
    }
}
