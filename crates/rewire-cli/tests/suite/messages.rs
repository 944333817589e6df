//! What `rewire run` says of mistakes that are easily made: that it names the mistake and what to
//! do, and nothing beside. Each is a row of [`MESSAGES`], where it can be.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::process::{self, Outcome};
use crate::support::{Bench, Folder, expect_code, expect_error, finish};

/// A run, and what its message must say.
struct Message {
    name: &'static str,
    /// A file that is written before, and its content.
    file: (&'static str, &'static [u8]),
    /// What follows `rewire run`.
    arguments: &'static [&'static str],
    code: i32,
    /// What standard error has in it.
    says: &'static [&'static str],
    /// And what it hasn't.
    omits: &'static [&'static str],
}

const GOOD: &[u8] = b"define i32 @main() {\n  ret i32 0\n}\n";
const OF_LLVM_22: &str = "give bitcode or text of LLVM 22";
const BEHIND_DASHES: &str = "arguments of the program go after `--`";

const MESSAGES: &[Message] = &[
    Message {
        name: "arguments_without_dashes",
        file: ("good.ll", GOOD),
        arguments: &["good.ll", "one", "-"],
        code: 65,
        says: &[
            "cannot read one",
            BEHIND_DASHES,
            "rewire run good.ll -- one -\n",
        ],
        omits: &[],
    },
    Message {
        name: "first_file_is_missing",
        file: ("good.ll", GOOD),
        arguments: &["god.ll", "good.ll"],
        code: 65,
        says: &["cannot read god.ll", "check its name"],
        omits: &[BEHIND_DASHES],
    },
    Message {
        name: "place_in_text",
        file: ("bad.ll", b"define i32 @main() { ret %x }"),
        arguments: &["bad.ll"],
        code: 65,
        says: &["error: bad.ll:1:29: ", "\nhelp: correct the text there"],
        omits: &[OF_LLVM_22, "text:"],
    },
    Message {
        name: "place_in_a_later_line",
        file: (
            "later.ll",
            b"; nothing\n\ndefine i32 @main() {\n  ret i64 1\n}\n",
        ),
        arguments: &["later.ll"],
        code: 65,
        says: &["error: later.ll:4:7: "],
        omits: &[OF_LLVM_22],
    },
    Message {
        name: "no_ir",
        file: ("letter.txt", b"\n  Dear reader,\n"),
        arguments: &["letter.txt"],
        code: 65,
        says: &["letter.txt:2:3: ", OF_LLVM_22],
        omits: &[],
    },
    Message {
        name: "cut_off_bitcode",
        file: ("cut.bc", b"BC\xc0\xde\x35\x14\0\0\x05\0\0\0"),
        arguments: &["cut.bc"],
        code: 65,
        says: &["cut.bc: ", "damaged or not complete"],
        omits: &[OF_LLVM_22],
    },
    Message {
        name: "another_entry",
        file: ("start.ll", b"define i32 @start() {\n  ret i32 0\n}\n"),
        arguments: &["start.ll"],
        code: 65,
        says: &["nothing defines main\n", "`--entry NAME`"],
        omits: &["empty"],
    },
    Message {
        name: "another_entry_missing",
        file: ("good.ll", GOOD),
        arguments: &["--entry", "start", "good.ll"],
        code: 65,
        says: &["nothing defines start\n", "`--entry NAME`"],
        omits: &["empty"],
    },
    Message {
        name: "empty_text",
        file: ("empty.ll", b""),
        arguments: &["empty.ll"],
        code: 65,
        says: &["nothing defines main: the input is empty"],
        omits: &["--entry"],
    },
    Message {
        name: "empty_stream",
        file: ("empty.ll", b""),
        arguments: &["-"],
        code: 65,
        says: &["nothing defines main: the input is empty"],
        omits: &[],
    },
    Message {
        name: "control_characters_in_a_line",
        file: ("red.ll", b"\x1b[31mred\xc2\x9b31m\n"),
        arguments: &["red.ll"],
        code: 65,
        says: &["\\u{1b}[31mred\\u{9b}31m\n"],
        omits: &["\x1b", "\u{9b}"],
    },
    Message {
        name: "control_characters_in_a_symbol",
        file: (
            "calls.ll",
            b"declare i32 @\"un\\1B]0;seen\\07\"()\ndefine i32 @main() {\n  \
              %x = call i32 @\"un\\1B]0;seen\\07\"()\n  ret i32 %x\n}\n",
        ),
        arguments: &["calls.ll"],
        code: 70,
        says: &["un\\u{1b}]0;seen\\u{7} is called and nothing defines it"],
        omits: &["\x1b", "\u{7}"],
    },
    Message {
        name: "control_characters_in_the_name_of_a_file",
        file: ("good.ll", GOOD),
        arguments: &["no\x1b[2Jwhere.ll"],
        code: 65,
        says: &["cannot read no\\u{1b}[2Jwhere.ll"],
        omits: &["\x1b"],
    },
    Message {
        name: "control_characters_in_an_option",
        file: ("good.ll", GOOD),
        arguments: &["--color", "al\x1b]0;x\x07", "good.ll"],
        code: 2,
        says: &["al", "possible values"],
        omits: &["\x1b", "\u{7}"],
    },
    Message {
        name: "turned_text",
        file: ("good.ll", GOOD),
        arguments: &["--entry", "a\u{202e}b", "good.ll"],
        code: 65,
        says: &["nothing defines a\\u{202e}b"],
        omits: &["\u{202e}"],
    },
    Message {
        name: "folder",
        file: ("good.ll", GOOD),
        arguments: &["."],
        code: 65,
        says: &["directory", "give the files in it"],
        omits: &[],
    },
];

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    MESSAGES
        .iter()
        .map(|message| {
            let name = format!("messages::{}", message.name);
            bench.test(name, move |folder| check(folder, message))
        })
        .collect()
}

fn check(folder: &Folder, message: &Message) -> Result<(), String> {
    folder.file(message.file.0, message.file.1)?;
    let outcome = finish(folder.rewire_run().args(message.arguments))?;
    expect_error(&outcome, &[message.code], message.says)?;
    omits(&outcome, message.omits)
}

fn omits(outcome: &Outcome, parts: &[&str]) -> Result<(), String> {
    let text = outcome.stderr_text();
    match parts.iter().find(|part| text.contains(**part)) {
        Some(part) => Err(format!("the message has {part:?} in it: {outcome}")),
        None => Ok(()),
    }
}

trial!(path_that_is_no_text);
/// Its bytes are shown, of a file that is there and of one that isn't.
fn path_that_is_no_text(folder: &Folder) -> Result<(), String> {
    let name = OsStr::from_bytes(b"caf\xe9.ll");
    let missing = finish(folder.rewire_run().arg(name))?;
    expect_error(&missing, &[65], &["cannot read caf\\xe9.ll"])?;
    std::fs::write(folder.path.join(name), "defin").map_err(|e| e.to_string())?;
    let wrong = finish(folder.rewire_run().arg(name))?;
    expect_error(&wrong, &[65], &["caf\\xe9.ll:1:1: "])
}

trial!(compilers_colours);
/// A compiler's messages have its colours where ours have colours, and nothing else for a terminal.
fn compilers_colours(folder: &Folder) -> Result<(), String> {
    folder.file(
        "wrong\x1b]0;x\x07.c",
        "int main(void) { return nothing; }\n",
    )?;
    for (when, is_coloured) in [("always", true), ("never", false)] {
        let mut command = process::rewire();
        command
            .current_dir(&folder.path)
            .args(["run", "--color", when]);
        let outcome = finish(command.arg("wrong\x1b]0;x\x07.c"))?;
        expect_code(&outcome, &[65])?;
        let text = outcome.stderr_text();
        if !text.contains("nothing") || !text.contains("wrong\\u{1b}]0;x\\u{7}.c") {
            return Err(format!("it lacks the place or the reason: {outcome}"));
        }
        let escapes = text.matches('\x1b').count();
        let colours = text.split('\x1b').skip(1).filter(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit() && !"[;".contains(c));
            rest.starts_with('[') && end.is_some_and(|end| rest[end..].starts_with('m'))
        });
        // Two are those of `error` itself.
        if colours.count() != escapes || (escapes > 2) != is_coloured {
            return Err(format!("--color {when}: {text:?}"));
        }
    }
    Ok(())
}
