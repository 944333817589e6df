//! Reads a case: a program in `tests/cases` with directives in its first comment lines.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Ending;

/// One program, and what is to be known about running it.
#[derive(Debug, Default)]
pub(crate) struct Case {
    /// The file's name, as `tests/skip.txt` and the reports spell it.
    pub(crate) name: String,
    /// Its own file, then those that `FILES` lists.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Vec<u8>,
    /// Libraries for `-l`.
    pub(crate) link: Vec<String>,
    /// Sources of shared libraries that the program is linked with.
    pub(crate) shared: Vec<PathBuf>,
    /// Sources of shared libraries that the program opens, by the names `libSTEM.so`.
    pub(crate) opened: Vec<PathBuf>,
    /// Options for clang, for the native build and for making bitcode.
    pub(crate) flags: Vec<String>,
    /// Why gcc isn't to compile it, if it isn't.
    pub(crate) not_gcc: Option<String>,
    /// Options for clang, for the native build alone.
    pub(crate) native_flags: Vec<String>,
    /// Whether a native build gives the expectation.
    pub(crate) native: bool,
    /// Checked of the native run too.
    pub(crate) ending: Option<Ending>,
    /// The whole expected output, where a native run can't give it.
    pub(crate) stdout: Option<String>,
    /// Each must occur in standard error, which is then not compared with the native one.
    pub(crate) stderr: Vec<String>,
    /// From alias to what it stands for: the ledger knows a function by the latter name.
    pub(crate) aliases: Vec<(String, String)>,
    /// Functions that a lazy run compiles.
    pub(crate) compiled: Vec<String>,
    /// Functions that a lazy run doesn't compile.
    pub(crate) not_compiled: Vec<String>,
}

impl Case {
    /// Reads the case at `path`; what is wrong with it is the error.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut case = Self::parse(&text, folder).map_err(|e| format!("{name}: {e}"))?;
        case.name = name.to_owned();
        case.files.insert(0, path.to_owned());
        let mut files = case.files.iter().chain(&case.shared).chain(&case.opened);
        if let Some(missing) = files.find(|f| !f.is_file()) {
            return Err(format!("{name}: there is no file {}", missing.display()));
        }
        Ok(case)
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let mut case = Self {
            native: true,
            ..Self::default()
        };
        let comments = text
            .lines()
            .map_while(|line| line.strip_prefix("//").or_else(|| line.strip_prefix(';')));
        for line in comments {
            if let Some((key, value)) = directive(line) {
                case.apply(key, value, folder)?;
            }
        }
        if !case.native && case.stdout.is_none() {
            return Err("NATIVE: no needs the expected STDOUT".to_owned());
        }
        if case.native && case.stdout.is_some() {
            return Err("STDOUT is for cases with NATIVE: no".to_owned());
        }
        Ok(case)
    }

    fn apply(&mut self, key: &str, value: &str, folder: &Path) -> Result<(), String> {
        let value = value.trim_end();
        match key {
            "ARGS" => self.args.extend(words(value)?),
            "FLAGS" => self.flags.extend(words(value)?),
            "NATIVE-FLAGS" => self.native_flags.extend(words(value)?),
            "LINK" => self.link.extend(words(value)?),
            "COMPILED" => self.compiled.extend(words(value)?),
            "NOT-COMPILED" => self.not_compiled.extend(words(value)?),
            "FILES" => self
                .files
                .extend(words(value)?.iter().map(|f| folder.join(f))),
            "SHARED" => self
                .shared
                .extend(words(value)?.iter().map(|f| folder.join(f))),
            "OPENED" => self
                .opened
                .extend(words(value)?.iter().map(|f| folder.join(f))),
            "STDERR" => self.stderr.push(value.to_owned()),
            "ENV" => self.env.push(pair(value)?),
            "ALIAS" => self.aliases.push(pair(value)?),
            "STDIN" => {
                self.stdin.extend(unescape(value)?.into_bytes());
                self.stdin.push(b'\n');
            }
            "STDOUT" => {
                let expected = self.stdout.get_or_insert_default();
                expected.push_str(value);
                expected.push('\n');
            }
            "EXIT" => {
                let code = value.parse().map_err(|_| format!("EXIT: {value:?}"))?;
                self.ending = Some(Ending::Code(code));
            }
            "SIGNAL" => self.ending = Some(Ending::Signal(signal_number(value)?)),
            "NOT-GCC" => self.not_gcc = Some(value.to_owned()),
            "NATIVE" => {
                let reason = value
                    .strip_prefix("no,")
                    .ok_or("NATIVE: write `no, REASON`")?;
                if reason.trim().is_empty() {
                    return Err("NATIVE: no reason is given".to_owned());
                }
                self.native = false;
            }
            _ => return Err(format!("unknown directive {key}")),
        }
        Ok(())
    }

    /// The output that a correct run gives, for a case that has no native run.
    pub(crate) fn literal_ending(&self) -> Ending {
        self.ending.unwrap_or(Ending::Code(0))
    }

    /// Whether each file can be given to `rewire` as it is. C++ sources can't be yet.
    pub(crate) fn runs_as_source(&self) -> bool {
        self.flags.is_empty() && !self.is_cpp()
    }

    /// Whether a compiler makes object files of its files.
    pub(crate) fn is_made_by(&self, compiler: &str) -> bool {
        let kinds: &[&str] = match compiler {
            "gcc" => &["c", "cpp", "s"],
            _ => &["c", "cpp", "s", "ll"],
        };
        let made = |file: &PathBuf| {
            kinds
                .iter()
                .any(|kind| file.extension().is_some_and(|e| e == *kind))
        };
        self.files.iter().all(made) && (compiler != "gcc" || self.not_gcc.is_none())
    }

    /// Whether a file of it is C++, so that a native build needs C++'s library.
    pub(crate) fn is_cpp(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|file| file.extension().is_some_and(|e| e == "cpp"))
    }
}

/// All cases in `folder`, by name.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Case>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e == "c" || e == "cpp" || e == "ll")
        })
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} holds no case", folder.display()));
    }
    paths.iter().map(|path| Case::read(path)).collect()
}

/// `KEY: VALUE`, where KEY is of capitals and hyphens.
fn directive(comment: &str) -> Option<(&str, &str)> {
    let (key, value) = comment.trim_start().split_once(':')?;
    let is_key = key.len() > 1 && key.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    is_key.then(|| (key, value.strip_prefix(' ').unwrap_or(value)))
}

fn pair(value: &str) -> Result<(String, String), String> {
    let (name, content) = value
        .split_once('=')
        .ok_or_else(|| format!("{value:?} has no ="))?;
    Ok((name.to_owned(), content.to_owned()))
}

/// Splits as a shell does, with single and double quotes and nothing else.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => all.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is open in {text:?}"));
    }
    all.extend(word);
    Ok(all)
}

/// Replaces `\n`, `\t` and `\\`.
fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('\\') => '\\',
            other => return Err(format!("unknown escape {other:?} in {text:?}")),
        });
    }
    Ok(out)
}

fn signal_number(name: &str) -> Result<i32, String> {
    Ok(match name {
        "ABRT" => libc::SIGABRT,
        "BUS" => libc::SIGBUS,
        "FPE" => libc::SIGFPE,
        "ILL" => libc::SIGILL,
        "KILL" => libc::SIGKILL,
        "PIPE" => libc::SIGPIPE,
        "SEGV" => libc::SIGSEGV,
        "TERM" => libc::SIGTERM,
        "TRAP" => libc::SIGTRAP,
        _ => return Err(format!("SIGNAL: {name:?} is not known to the runner")),
    })
}

/// Tests of the runner itself.
pub(crate) mod tests {
    use super::*;

    pub(crate) fn unknown_directives_are_errors() -> Result<(), String> {
        let folder = Path::new(".");
        let bad = [
            "// ARG: x\n",
            "; EXITS: 1\n",
            "// EXIT: many\n",
            "// NATIVE: no\n// STDOUT: x\n",
            "// NATIVE: no, because\n",
            "// STDOUT: without reason\n",
            "// ARGS: \"open\n",
            "// ENV: none\n",
            "// ALIAS: none\n",
            "// SIGNAL: NONE\n",
            "// STDIN: \\q\n",
        ];
        for text in bad {
            if let Ok(case) = Case::parse(text, folder) {
                return Err(format!("{text:?} was taken: {case:?}"));
            }
        }
        Ok(())
    }

    pub(crate) fn directives_are_read() -> Result<(), String> {
        let text = "// ARGS: a \"b c\" '' 'd\"e'\n// Prose: no directive.\n// STDIN: x\\ty\n\
                    // ENV: K=V=W\n// SIGNAL: SEGV\n// FILES: parts/two.c\nint x; // EXIT: 9\n//
                    // EXIT: 9\n";
        let case = Case::parse(text, Path::new("/cases"))?;
        let right = case.args == ["a", "b c", "", "d\"e"]
            && case.stdin == b"x\ty\n"
            && case.env == [("K".to_owned(), "V=W".to_owned())]
            && case.ending == Some(Ending::Signal(libc::SIGSEGV))
            && case.files == [Path::new("/cases/parts/two.c")];
        if right {
            Ok(())
        } else {
            Err(format!("{case:?}"))
        }
    }
}
