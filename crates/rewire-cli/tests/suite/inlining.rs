//! `--inline-from` and `inspect --why`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::support::{Folder, expect_code, expect_error, expect_stdout, finish};

/// The text that describes the library's code says another number, so that it shows which ran.
const DESCRIBED: &str = "target triple = \"x86_64-unknown-linux-gnu\"
@seen = internal global i32 0
define i32 @_ZN2vm3oneEi(i32 %x) {
  %y = add i32 %x, 1
  ret i32 %y
}
define i32 @counted(i32 %x) {
  %n = load i32, ptr @seen
  %y = add i32 %x, %n
  ret i32 %y
}
";

const CODE: &str = "static int seen;
int _ZN2vm3oneEi(int x) { return x + 10; }
int counted(int x) { return x + ++seen; }
";

const MAIN: &str = "#include <stdio.h>
int _ZN2vm3oneEi(int x);
int counted(int x);
int main(void) {
  printf(\"%d\", _ZN2vm3oneEi(1));
  printf(\" %d\", counted(1));
  printf(\" %d\\n\", counted(1));
  return 0;
}
";

struct Files {
    described: PathBuf,
    main: PathBuf,
}

fn files(folder: &Folder) -> Result<Files, String> {
    let source = folder.file("code.c", CODE)?;
    let library = folder.path.join("libcode.so");
    let mut clang = process::clang();
    clang.args(["-shared", "-fPIC", "-o"]).arg(&library);
    expect_code(&finish(clang.arg(source))?, &[0])?;
    Ok(Files {
        described: folder.file("described.ll", DESCRIBED)?,
        main: folder.bitcode("main", MAIN)?,
    })
}

fn run(folder: &Folder, options: &[&str], described: Option<&Path>, main: &Path) -> Command {
    let mut command = folder.rewire_run();
    command.args(options).arg("-L").arg(&folder.path);
    command.args(["-l", "code"]);
    if let Some(described) = described {
        command.arg("--inline-from").arg(described);
    }
    command.arg(main);
    command
}

trial!(bodies_of_a_library_are_inlined);
fn bodies_of_a_library_are_inlined(folder: &Folder) -> Result<(), String> {
    let files = files(folder)?;
    let cases: [(&[&str], Option<&Path>, &str); 4] = [
        (&["-O2"], None, "11 2 3\n"),
        (&["-O2"], Some(&files.described), "2 2 3\n"),
        (&["-O2", "--eager"], Some(&files.described), "2 2 3\n"),
        (&["-O0"], Some(&files.described), "11 2 3\n"),
    ];
    for (options, described, printed) in cases {
        let outcome = finish(&mut run(folder, options, described, &files.main))?;
        expect_code(&outcome, &[0])?;
        expect_stdout(&outcome, printed)?;
    }
    let library = folder.path.join("libcode.so");
    let outcome = finish(&mut run(folder, &[], Some(&library), &files.main))?;
    expect_error(&outcome, &[2], &["libcode.so", "has no IR to inline from"])
}

trial!(why_tells_what_code_is_made_from);
fn why_tells_what_code_is_made_from(folder: &Folder) -> Result<(), String> {
    let files = files(folder)?;
    let other = "@table = constant [2 x i32] [i32 4, i32 5]
        define i32 @other() {
          %p = getelementptr [2 x i32], ptr @table, i64 0, i64 1
          %x = load i32, ptr %p
          ret i32 %x
        }
        declare i32 @_ZN2vm3oneEi(i32)
        define i32 @_ZN2vm4bothEv() {
          %x = call i32 @other()
          %y = call i32 @_ZN2vm3oneEi(i32 %x)
          ret i32 %y
        }";
    let both = folder.file("both.ll", other)?;
    let why = |options: &[&str]| {
        let mut command = process::rewire();
        command.args(["inspect", "--why", "vm::both()"]);
        command.arg("--inline-from").arg(&files.described);
        finish(command.args(options).arg(&both))
    };
    let text = why(&[])?;
    expect_code(&text, &[0])?;
    for part in [
        "vm::both(), of ",
        "at level 2",
        "bodies of other, of ",
        "vm::one(int), whose",
    ] {
        if !text.stdout_text().contains(part) {
            return Err(format!("no {part}: {text}"));
        }
    }
    let json = why(&["--json", "-O0"])?;
    let value: serde_json::Value =
        serde_json::from_str(&json.stdout_text()).map_err(|error| error.to_string())?;
    match (&value["level"], value["inlined"].as_array()) {
        (level, Some(none)) if level == "0" && none.is_empty() => Ok(()),
        _ => Err(format!("{value}")),
    }
}
