//! The command line itself: help, wrong usage, and kinds of files.

use std::process::Command;

use crate::process::{self, Ending};
use crate::support::{Folder, expect_code, expect_error, expect_stdout, finish};

const MAIN: &str = "#include <stdio.h>\nint other(void) { puts(\"other\"); return 6; }\n\
                    int main(void) { puts(\"ran\"); return 0; }\n";

trial!(help);
fn help(_: &Folder) -> Result<(), String> {
    let whole = finish(process::rewire().arg("--help"))?;
    expect_code(&whole, &[0])?;
    if !whole.stdout_text().contains("run") {
        return Err(format!("no word of `run`: {whole}"));
    }
    let run = finish(process::rewire().args(["run", "--help"]))?;
    expect_code(&run, &[0])?;
    let text = run.stdout_text();
    for option in [
        "--eager", "-O", "--entry", "-l", "-L", "--report", "--trace", "-v", "-q", "--color",
    ] {
        if !text.contains(option) {
            return Err(format!("no word of {option}: {run}"));
        }
    }
    let repl = finish(process::rewire().args(["repl", "--help"]))?;
    expect_code(&repl, &[0])?;
    let text = repl.stdout_text();
    let words = [
        "--strict", "--lang", "-O", "-l", "-L", ":call", ":load", ":unload", ":remove!", ":undo",
        ":list", ":state", ":users", ":ir", ":asm", ":memory", ":time", ":help", ":quit",
        "Example",
    ];
    for word in words {
        if !text.contains(word) {
            return Err(format!("no word of {word}: {repl}"));
        }
    }
    let text = run.stdout_text();
    if text.contains("--dump-links") {
        return Err("--dump-links is for tests and should be hidden".to_owned());
    }
    Ok(())
}

trial!(wrong_usage);
fn wrong_usage(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    let path = path.to_str().ok_or("a path that is no text")?;
    let wrong: [&[&str]; 8] = [
        &[],
        &["run"],
        &["run", "--no-such-option", path],
        &["run", "-O", "9", path],
        &["run", "-O"],
        &["run", "--entry"],
        &["no-such-subcommand", path],
        &["run", "--color", "sometimes", path],
    ];
    for arguments in wrong {
        let outcome = finish(process::rewire().args(arguments))?;
        expect_code(&outcome, &[2]).map_err(|e| format!("{arguments:?}: {e}"))?;
        expect_stdout(&outcome, "")?;
        if outcome.stderr.is_empty() {
            return Err(format!("{arguments:?}: it says nothing"));
        }
    }
    Ok(())
}

trial!(files_not_yet);
fn files_not_yet(folder: &Folder) -> Result<(), String> {
    let archive = folder.file("archive.a", "!<arch>\n")?;
    let outcome = finish(folder.rewire_run().arg("--frozen").arg(archive))?;
    expect_error(&outcome, &[2], &["yet"])
}

trial!(entry);
fn entry(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    let outcome = finish(folder.rewire_run().args(["--entry", "other"]).arg(&path))?;
    expect_code(&outcome, &[6])?;
    expect_stdout(&outcome, "other\n")
}

trial!(entry_missing);
fn entry_missing(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    let outcome = finish(
        folder
            .rewire_run()
            .args(["--entry", "elsewhere"])
            .arg(&path),
    )?;
    expect_error(&outcome, &[65], &["elsewhere"])
}

trial!(levels);
fn levels(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    for level in ["auto", "0", "1", "2", "3"] {
        for form in [
            vec!["-O".to_owned(), level.to_owned()],
            vec![format!("-O{level}")],
        ] {
            let outcome = finish(folder.rewire_run().args(&form).arg(&path))?;
            expect_code(&outcome, &[0]).map_err(|e| format!("{form:?}: {e}"))?;
            expect_stdout(&outcome, "ran\n")?;
        }
    }
    Ok(())
}

trial!(last_option_counts);
/// Of an option that is given more than once; each of those that may be, counts.
fn last_option_counts(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    let report = folder.path.join("report.json");
    for (options, tier, code) in [
        (&["-O3", "-O0"][..], "O0", 0),
        (&["-O0", "-O", "2"], "O2", 0),
        (&["--entry", "main", "-O1", "--entry", "other"], "O1", 6),
    ] {
        let mut command = folder.rewire_run();
        command.arg("--report=first.json").args(options);
        command.arg(format!("--report={}", report.display()));
        let outcome = finish(command.args(["-v", "-v", "-L", ".", "-L", "/"]).arg(&path))?;
        expect_code(&outcome, &[code]).map_err(|e| format!("{options:?}: {e}"))?;
        let text = std::fs::read_to_string(&report).map_err(|e| e.to_string())?;
        if !text.contains(&format!("\"{tier}\"")) || folder.path.join("first.json").exists() {
            return Err(format!("{options:?}: {text}"));
        }
    }
    Ok(())
}

trial!(arguments_are_not_options);
/// What follows `--` is the program's, whatever it looks like.
fn arguments_are_not_options(folder: &Folder) -> Result<(), String> {
    let source = "#include <stdio.h>\nint main(int n, char **v) {\n  \
                  for (int i = 1; i < n; i++) puts(v[i]);\n  return 0;\n}\n";
    let path = folder.bitcode("main", source)?;
    let arguments = ["-std=c11", "--std", "--", "-O9"];
    let outcome = finish(folder.rewire_run().arg(&path).arg("--").args(arguments))?;
    expect_stdout(&outcome, "-std=c11\n--std\n--\n-O9\n")
}

trial!(bitcode_from_a_pipe);
/// Bitcode whose file no extension describes, and which can be read only once.
fn bitcode_from_a_pipe(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
    for name in ["-", "/dev/stdin"] {
        let outcome = process::run(folder.rewire_run().arg(name), &bytes)?;
        expect_code(&outcome, &[0]).map_err(|e| format!("{name}: {e}"))?;
        expect_stdout(&outcome, "ran\n")?;
    }
    for (bytes, code, part) in [
        (&b"!<arch>\n"[..], 2, "archives are not there yet"),
        (
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0",
            65,
            "a shared library",
        ),
    ] {
        let outcome = process::run(folder.rewire_run().arg("-"), bytes)?;
        expect_error(&outcome, &[code], &[part])?;
    }
    Ok(())
}

trial!(kinds_of_files);
/// By content, else by extension.
fn kinds_of_files(folder: &Folder) -> Result<(), String> {
    let bitcode = folder.bitcode("main", MAIN)?;
    let bytes = std::fs::read(&bitcode).map_err(|e| e.to_string())?;
    let text = "declare i32 @puts(ptr)\n@t = constant [4 x i8] c\"ran\\00\"\n\
                define i32 @main() {\n  %r = call i32 @puts(ptr @t)\n  ret i32 0\n}\n";
    let source = folder.file("source.c", MAIN)?;
    let native = folder.path.join("native");
    let mut compiler = process::clang();
    compiler.arg("-c").arg(&source).arg("-o").arg(&native);
    process::build(&mut compiler)?;
    let object = std::fs::read(&native).map_err(|e| e.to_string())?;
    let files = [
        native,
        folder.file("native.o", &object)?,
        folder.file("native.c", &object)?,
        folder.file("without_extension", &bytes)?,
        folder.file("other.extension", &bytes)?,
        folder.file("object.o", &bytes)?,
        folder.file("bitcode.c", &bytes)?,
        folder.file("bitcode.so", &bytes)?,
        folder.file("bitcode.ll", &bytes)?,
        folder.file("text.bc", text)?,
        folder.file("text.ll", text)?,
        source,
        folder.file("name with space.bc", &bytes)?,
        bitcode,
    ];
    for path in files {
        let outcome = finish(folder.rewire_run().arg(&path))?;
        expect_code(&outcome, &[0]).map_err(|e| format!("{}: {e}", path.display()))?;
        expect_stdout(&outcome, "ran\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

trial!(library_from_folder);
/// `-L DIR -l NAME` with a shared library that the program takes a function and a datum from.
fn library_from_folder(folder: &Folder) -> Result<(), String> {
    let source = folder.file(
        "lib.c",
        "int library_data = 30;\nint library_function(int x) { return x + library_data; }\n",
    )?;
    let libraries = folder.path.join("libraries");
    std::fs::create_dir_all(&libraries).map_err(|e| e.to_string())?;
    let mut compiler = process::clang();
    compiler.args(["-shared", "-fPIC"]).arg(&source).arg("-o");
    process::build(compiler.arg(libraries.join("librewire_case.so")))?;
    let main = folder.bitcode(
        "main",
        "extern int library_data;\nint library_function(int);\n\
         int main(void) { library_data += 2; return library_function(1); }\n",
    )?;
    for eager in [false, true] {
        let mut command = folder.rewire_run();
        if eager {
            command.arg("--eager");
        }
        command
            .arg("-L")
            .arg(&libraries)
            .args(["-l", "rewire_case"])
            .arg(&main);
        expect_code(&finish(&mut command)?, &[33])?;
    }
    Ok(())
}

trial!(quiet_and_verbose);
fn quiet_and_verbose(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode("main", MAIN)?;
    for options in [
        &["-q"][..],
        &["-v"],
        &["--color", "never"],
        &["--color", "always"],
    ] {
        let outcome = finish(folder.rewire_run().args(options).arg(&path))?;
        expect_code(&outcome, &[0]).map_err(|e| format!("{options:?}: {e}"))?;
        // Standard output is the program's alone.
        expect_stdout(&outcome, "ran\n").map_err(|e| format!("{options:?}: {e}"))?;
    }
    let outcome = finish(
        folder
            .rewire_run()
            .arg("-q")
            .arg(folder.path.join("nowhere.bc")),
    )?;
    if outcome.ending != Ending::Code(65) {
        return Err(format!("-q must not hide a failure: {outcome}"));
    }
    Ok(())
}

trial!(first_file_is_argv_0);
fn first_file_is_argv_0(folder: &Folder) -> Result<(), String> {
    let source = "#include <stdio.h>\nint main(int n, char **v) { printf(\"%d %s %s\\n\", n, v[0], v[1]); return 0; }\n";
    folder.bitcode("first", source)?;
    folder.bitcode("second", "int unused_function(void) { return 1; }\n")?;
    let mut command = folder.rewire_run();
    let outcome = finish(command.args(["./first.bc", "second.bc", "--", "-x"]))?;
    expect_stdout(&outcome, "2 ./first.bc -x\n")
}

trial!(completions);
/// Each shell's completions know subcommands and options; bash reads its own.
fn completions(_: &Folder) -> Result<(), String> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = finish(process::rewire().args(["completions", shell]))?;
        expect_code(&outcome, &[0])?;
        let text = outcome.stdout_text();
        for word in ["inspect", "undefined", "trace", "repl", "strict"] {
            if !text.contains(word) {
                return Err(format!("{shell}: no word of {word}"));
            }
        }
        if shell == "bash" {
            let check = process::run(Command::new("bash").arg("-n"), text.as_bytes())?;
            expect_code(&check, &[0])?;
        }
    }
    Ok(())
}

trial!(names_of_processors);
fn names_of_processors(folder: &Folder) -> Result<(), String> {
    let list = finish(process::rewire().args(["run", "--cpu", "help"]))?;
    expect_code(&list, &[0])?;
    let text = list.stdout_text();
    for name in ["  baseline", "  host", "  skylake", "  avx2"] {
        if !text.lines().any(|line| line == name) {
            return Err(format!("{name} isn't listed: {list}"));
        }
    }
    let path = folder.bitcode("main", MAIN)?;
    for name in ["x86-64-v2", "host", "host,-avx", "baseline,+sse3"] {
        let outcome = finish(folder.rewire_run().args(["--cpu", name]).arg(&path))?;
        expect_code(&outcome, &[0])?;
        expect_stdout(&outcome, "ran\n")?;
    }
    for (name, unknown) in [
        ("nosuch", "processor `nosuch`"),
        ("host,avx", "feature `avx`"),
        ("skylake,+nosuch", "feature `+nosuch`"),
    ] {
        let outcome = finish(folder.rewire_run().args(["--cpu", name]).arg(&path))?;
        expect_error(&outcome, &[2], &[unknown, "--cpu help"])?;
        expect_stdout(&outcome, "")?;
    }
    let without = finish(folder.rewire_run().args(["--cpu", "host"]))?;
    expect_code(&without, &[2])?;
    if !without.stderr_text().contains("<FILE>") {
        return Err(format!("no word of FILE: {without}"));
    }
    Ok(())
}

trial!(compilers_are_told_the_processor);
fn compilers_are_told_the_processor(folder: &Folder) -> Result<(), String> {
    let c = "#include <stdio.h>\n#ifdef __SSE4_2__\n#define A \"sse4.2\"\n#else\n#define A \"\"\n\
             #endif\n#ifdef __SSE3__\n#define B \"sse3\"\n#else\n#define B \"\"\n#endif\n\
             int main(void) { puts(\"[\" A \"] [\" B \"]\"); return 0; }\n";
    let rust = "fn main() { println!(\"[{}] [{}]\", \
                if cfg!(target_feature = \"sse4.2\") { \"sse4.2\" } else { \"\" }, \
                if cfg!(target_feature = \"sse3\") { \"sse3\" } else { \"\" }); }\n";
    for source in [
        folder.file("features.c", c)?,
        folder.file("features.rs", rust)?,
    ] {
        for (name, expected) in [
            ("baseline", "[] []\n"),
            ("baseline,+sse3", "[] [sse3]\n"),
            ("x86-64-v2", "[sse4.2] [sse3]\n"),
        ] {
            let outcome = finish(folder.rewire_run().args(["--cpu", name]).arg(&source))?;
            expect_code(&outcome, &[0]).map_err(|e| format!("{name}: {e}"))?;
            expect_stdout(&outcome, expected)?;
        }
    }
    Ok(())
}
