//! `rewire repl` at a terminal: prompt, editing, history, completion, Ctrl-C and Ctrl-D.

use crate::process::{self, Ending};
use crate::pty::Pty;
use crate::support::Folder;

const PROMPT: &str = "rewire> ";
const GOES_ON: &str = "   ...> ";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

/// The REPL at its first prompt, with a state directory of its own.
fn start(folder: &Folder, arguments: &[&str]) -> Result<Pty, String> {
    let mut command = process::rewire();
    command
        .arg("repl")
        .args(arguments)
        .current_dir(&folder.path)
        .env("XDG_STATE_HOME", folder.path.join("state"));
    let mut pty = Pty::start(&mut command)?;
    pty.until(PROMPT)?;
    Ok(pty)
}

/// Types a line and waits for what it gives and for the next prompt.
fn enter(pty: &mut Pty, line: &str, result: &str) -> Result<(), String> {
    pty.type_in(&format!("{line}\r"))?;
    pty.until(&format!("\n{result}\r\n"))?;
    pty.until(PROMPT)?;
    Ok(())
}

fn leave(mut pty: Pty) -> Result<(), String> {
    pty.type_in(CTRL_D)?;
    expect_end(pty, Ending::Code(0))
}

fn expect_end(pty: Pty, expected: Ending) -> Result<(), String> {
    match pty.end()? {
        ending if ending == expected => Ok(()),
        ending => Err(format!("expected {expected}, found {ending}")),
    }
}

const F: &str = "define i32 @function_f() { ret i32 1 }";

trial!(inputs_of_several_lines);
/// Enter begins a new line until the braces balance, then the definition is taken; errors have
/// the lines of the input.
fn inputs_of_several_lines(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in("define i32 @f(i32 %x) {\r")?;
    pty.until(GOES_ON)?;
    pty.type_in("%y = add i32 %x, 1\r")?;
    pty.until(GOES_ON)?;
    enter(&mut pty, "ret i32 %y }", "defined f")?;
    enter(&mut pty, ":call f 41", "42")?;
    pty.type_in("define i32 @g(i32 %x) {\r")?;
    pty.type_in("%y = call i32 @nowhere()\r")?;
    pty.type_in("ret i32 %y }\r")?;
    pty.until("line 2, column 15: use of undefined value '@nowhere'")?;
    pty.until(PROMPT)?;
    leave(pty)
}

trial!(typed_ahead);
/// Nothing is lost of what is typed while an input is worked on.
fn typed_ahead(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in("define i32 @f() {\r ret i32 1\r}\r:call f\rdefine i32 @g() {\r")?;
    pty.type_in("%x = call i32 @f()\r ret i32 %x }\r:call g\r:quit\r")?;
    for result in ["defined f", "1", "defined g", "1"] {
        pty.until(&format!("\n{result}\r\n"))?;
    }
    expect_end(pty, Ending::Code(0))
}

trial!(editing);
fn editing(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, F, "defined function_f")?;
    // A letter too much, gone back to and taken out.
    pty.type_in(":call function_ff")?;
    pty.type_in(LEFT)?;
    pty.type_in("\x7f")?;
    enter(&mut pty, "", "1")?;
    leave(pty)
}

trial!(history);
/// What was entered comes back in the next session, several lines as one input.
fn history(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in("define i32 @f() {\r")?;
    enter(&mut pty, "ret i32 5 }", "defined f")?;
    leave(pty)?;
    let file = folder.path.join("state/rewire/history");
    if !file.exists() {
        return Err(format!("there is no {}", file.display()));
    }
    let mut pty = start(folder, &[])?;
    pty.type_in(UP)?;
    enter(&mut pty, "", "defined f")?;
    enter(&mut pty, ":call f", "5")?;
    leave(pty)
}

trial!(completion);
fn completion(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, F, "defined function_f")?;
    // A command and a name.
    enter(&mut pty, ":cal\tfunc\t", "1")?;
    // A name in IR, and one with its mark.
    let ir = "define i32 @g() { %x = call i32 @func\t() ret i32 %x }";
    enter(&mut pty, ir, "defined g")?;
    enter(&mut pty, ":call @g\t", "1")?;
    // Names that need quotes get them.
    let quoted = "define i32 @\"xa name\"() { ret i32 7 }";
    enter(&mut pty, quoted, "defined \"xa name\"")?;
    enter(&mut pty, ":call x\t", "7")?;
    // Files.
    folder.file("loadable.ll", "define i32 @l() {\n ret i32 8\n}\n")?;
    enter(&mut pty, ":load loada\t", "loaded loadable.ll (1 defined)")?;
    leave(pty)
}

trial!(ctrl_c);
/// At the prompt it drops what was typed; what was typed ahead goes with it, so that this waits for
/// the new prompt, which begins a line.
fn ctrl_c(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in("define i32 @f() {\r")?;
    pty.type_in("ret i32 1")?;
    pty.until("ret i32 1")?;
    pty.type_in(CTRL_C)?;
    pty.until(&format!("\n\r{PROMPT}"))?;
    enter(&mut pty, F, "defined function_f")?;
    pty.type_in(":quit nonsense")?;
    pty.until(":quit nonsense")?;
    pty.type_in(CTRL_C)?;
    pty.until(&format!("\n\r{PROMPT}"))?;
    enter(&mut pty, ":call function_f", "1")?;
    leave(pty)
}

/// Defines a function whose body is given, and calls it; it says when it runs, and runs on.
fn call_endless(pty: &mut Pty, body: &str) -> Result<(), String> {
    enter(pty, "declare i32 @puts(ptr)", "declared puts")?;
    enter(
        pty,
        "@text = constant [8 x i8] c\"waiting\\00\"",
        "defined text",
    )?;
    let endless = format!(
        "define void @endless() {{ %r = call i32 @puts(ptr @text) br label %again\r\
         again: {body} br label %again }}"
    );
    enter(pty, &endless, "defined endless")?;
    pty.type_in(":call endless\r")?;
    pty.until("\nwaiting\r\n")?;
    Ok(())
}

/// Expects that the call has been left, and that the session goes on: calls can be made and left.
fn expect_left(mut pty: Pty, place: &str) -> Result<(), String> {
    pty.until("error: line 1: interrupted at 0x")?;
    pty.until(place)?;
    pty.until(PROMPT)?;
    enter(&mut pty, F, "defined function_f")?;
    enter(&mut pty, ":call function_f", "1")?;
    pty.type_in(":call endless\r")?;
    pty.until("\nwaiting\r\n")?;
    pty.type_in(CTRL_C)?;
    pty.until("error: line 1: interrupted at 0x")?;
    pty.until(PROMPT)?;
    leave(pty)
}

trial!(ctrl_c_in_a_call);
/// A call that is in compiled code is left.
fn ctrl_c_in_a_call(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, "@n = global i64 0", "defined n")?;
    call_endless(&mut pty, "store volatile i64 1, ptr @n")?;
    pty.type_in(CTRL_C)?;
    expect_left(pty, "endless (generation 1)\r\n")
}

trial!(ctrl_c_in_a_wait);
/// So is one that waits in a system call.
fn ctrl_c_in_a_wait(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, "declare i32 @pause()", "declared pause")?;
    call_endless(&mut pty, "%s = call i32 @pause()")?;
    pty.type_in(CTRL_C)?;
    expect_left(pty, "endless (generation 1)\r\n")
}

trial!(ctrl_c_in_a_library);
/// A function of the C library that may hold a lock returns first.
fn ctrl_c_in_a_library(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, "declare i32 @rand()", "declared rand")?;
    call_endless(&mut pty, "%s = call i32 @rand()")?;
    pty.type_in(CTRL_C)?;
    expect_left(pty, "endless (generation 1)\r\n")
}

trial!(ctrl_c_where_none_is_heeded);
/// Where there is no coming back, the user is told, and Ctrl-C once more ends the process.
fn ctrl_c_where_none_is_heeded(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    let qsort = "declare void @qsort(ptr, i64, i64, ptr)";
    enter(&mut pty, qsort, "declared qsort")?;
    enter(
        &mut pty,
        "@pair = global [2 x i32] zeroinitializer",
        "defined pair",
    )?;
    enter(&mut pty, "declare i32 @puts(ptr)", "declared puts")?;
    let text = "@text = constant [8 x i8] c\"waiting\\00\"";
    enter(&mut pty, text, "defined text")?;
    let compare = "define i32 @compare(ptr %a, ptr %b) { %r = call i32 @puts(ptr @text)\r\
                   br label %again\r again: br label %again }";
    enter(&mut pty, compare, "defined compare")?;
    let sorts = "define void @sorts() {\r\
                 call void @qsort(ptr @pair, i64 2, i64 4, ptr @compare) ret void }";
    enter(&mut pty, sorts, "defined sorts")?;
    pty.type_in(":call sorts\r")?;
    pty.until("\nwaiting\r\n")?;
    pty.type_in(CTRL_C)?;
    pty.until("which can't be left until it returns")?;
    pty.type_in(CTRL_C)?;
    expect_end(pty, Ending::Signal(libc::SIGINT))
}

trial!(ctrl_c_in_a_constructor);
/// Of what was loaded, before the call for which it runs; the next call is made without it.
fn ctrl_c_in_a_constructor(folder: &Folder) -> Result<(), String> {
    folder.file(
        "endless.c",
        "int puts(const char *);\n\
         __attribute__((constructor)) static void endless(void) {\n  \
         puts(\"constructing\");\n  for (volatile int i = 0;; i++) {}\n}\n\
         int answer(void) { return 42; }\n",
    )?;
    let mut pty = start(folder, &[])?;
    enter(&mut pty, ":load endless.c", "loaded endless.c (1 defined)")?;
    pty.type_in(":call answer\r")?;
    pty.until("\nconstructing\r\n")?;
    pty.type_in(CTRL_C)?;
    pty.until("a constructor of what was loaded failed: interrupted at 0x")?;
    // It may still have been in `puts`, which it called.
    pty.until("endless (generation 1)")?;
    pty.until(PROMPT)?;
    enter(&mut pty, ":call answer", "42")?;
    leave(pty)
}

trial!(end_in_a_body);
/// The terminal's end within a definition says so; at the next prompt it leaves.
fn end_in_a_body(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in("define i32 @g() {\r")?;
    pty.until(GOES_ON)?;
    pty.type_in(CTRL_D)?;
    pty.until("what begins here has no end")?;
    pty.until(PROMPT)?;
    enter(&mut pty, F, "defined function_f")?;
    leave(pty)
}

trial!(ctrl_c_handled);
/// A handler of the program's own is called instead.
fn ctrl_c_handled(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, "declare ptr @signal(i32, ptr)", "declared signal")?;
    enter(&mut pty, "declare i32 @pause()", "declared pause")?;
    enter(&mut pty, "declare i32 @puts(ptr)", "declared puts")?;
    enter(&mut pty, "@n = global i32 0", "defined n")?;
    let handler = "define void @handler(i32 %s) { store volatile i32 %s, ptr @n ret void }";
    enter(&mut pty, handler, "defined handler")?;
    let text = "@ready = constant [6 x i8] c\"ready\\00\"";
    enter(&mut pty, text, "defined ready")?;
    let waits = "define i32 @waits() { %f = call ptr @signal(i32 2, ptr @handler)\r\
                 %p = call i32 @puts(ptr @ready) br label %again\r\
                 again: %v = load volatile i32, ptr @n %is = icmp eq i32 %v, 0\r\
                 br i1 %is, label %again, label %done\r\
                 done: ret i32 %v }";
    enter(&mut pty, waits, "defined waits")?;
    pty.type_in(":call waits\r")?;
    pty.until("\nready\r\n")?;
    pty.type_in(CTRL_C)?;
    pty.until("2\r\n")?;
    pty.until(PROMPT)?;
    leave(pty)
}

trial!(quit);
fn quit(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in(":quit\r")?;
    expect_end(pty, Ending::Code(0))
}

trial!(strict);
fn strict(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &["--strict"])?;
    pty.type_in(":call nowhere\r")?;
    pty.until("nothing defines nowhere")?;
    expect_end(pty, Ending::Code(1))
}

trial!(ctrl_c_in_a_body);
/// Ctrl-C drops all lines of an input.
fn ctrl_c_in_a_body(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    pty.type_in("define i32 @g() {\r")?;
    pty.until(GOES_ON)?;
    pty.type_in("ret i32 1\x03")?;
    pty.until(PROMPT)?;
    enter(&mut pty, F, "defined function_f")?;
    leave(pty)
}

trial!(command_in_a_body);
/// A command on a line of its own ends a definition that never would, and is done.
fn command_in_a_body(folder: &Folder) -> Result<(), String> {
    let mut pty = start(folder, &[])?;
    enter(&mut pty, F, "defined function_f")?;
    pty.type_in("define i32 @g() {\r")?;
    pty.type_in(":call function_f\r")?;
    pty.until("what begins here has no end")?;
    // The command isn't lost.
    pty.until("\n1\r\n")?;
    pty.until(PROMPT)?;
    leave(pty)
}

trial!(no_state_directory);
/// A history that can't be kept is no reason not to start.
fn no_state_directory(folder: &Folder) -> Result<(), String> {
    folder.file("state", "a file")?;
    let mut pty = start(folder, &[])?;
    enter(&mut pty, F, "defined function_f")?;
    leave(pty)
}
