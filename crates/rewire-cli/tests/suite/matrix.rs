//! Every case in every mode, compared with its native build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use libtest_mimic::Trial;

use crate::artefacts;
use crate::case::Case;
use crate::process::{self, Ending, Outcome};
use crate::skip::SkipList;

/// One way to run a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    options: &'static [&'static str],
    input: Input,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// Bitcode of `clang -O0`.
    Bitcode,
    /// The same, each file as code that is not replaced.
    Frozen,
    /// Bitcode of `clang -O2`.
    Optimised,
    /// The case's files as they are.
    Source,
    /// Object files of this compiler, with its options.
    Objects(&'static [&'static str]),
    /// The same; of several files only every other one, the rest as sources.
    Mixed(&'static [&'static str]),
}

pub(crate) const MODES: [Mode; 23] = [
    Mode::new("lazy", &[], Input::Bitcode),
    Mode::new("lazy-O0", &["-O", "0"], Input::Bitcode),
    Mode::new("lazy-O1", &["-O", "1"], Input::Bitcode),
    Mode::new("lazy-O2", &["-O", "2"], Input::Bitcode),
    Mode::new("lazy-O3", &["-O", "3"], Input::Bitcode),
    Mode::new("eager", &["--eager"], Input::Bitcode),
    Mode::new("eager-O0", &["--eager", "-O", "0"], Input::Bitcode),
    Mode::new("eager-O2", &["--eager", "-O", "2"], Input::Bitcode),
    Mode::new("optimised", &["-O", "0"], Input::Optimised),
    Mode::new("frozen", &["-O", "0"], Input::Frozen),
    Mode::new("frozen-O2", &["-O", "2"], Input::Frozen),
    Mode::new("stress", &["--stress=1"], Input::Bitcode),
    Mode::new(
        "stress-optimised",
        &["--stress=2", "--threads", "0"],
        Input::Optimised,
    ),
    Mode::new("source", &[], Input::Source),
    Mode::new("objects", &[], Input::Objects(CLANG)),
    Mode::new("objects-O2", &[], Input::Objects(CLANG_O2)),
    Mode::new("objects-eager", &["--eager"], Input::Objects(CLANG_O2)),
    Mode::new("objects-gcc", &[], Input::Objects(GCC)),
    Mode::new("objects-mixed", &["-O", "2"], Input::Mixed(CLANG_O2)),
    Mode::new("objects-mixed-stress", &["--stress=3"], Input::Mixed(GCC)),
    Mode::new("kept", &[KEPT, "kept"], Input::Bitcode),
    Mode::new("kept-O2", &[KEPT, "kept", "-O", "2"], Input::Optimised),
    Mode::new("kept-frozen", &[KEPT, "kept"], Input::Frozen),
];

const CLANG: &[&str] = &["clang-22", "-w", "-O0", "-fPIC"];
const CLANG_O2: &[&str] = &["clang-22", "-w", "-O2", "-fPIC"];
const GCC: &[&str] = &["gcc", "-w", "-O2", "-fPIC"];

/// With a cache, a case runs several times: first it fills the cache, then it is restored from it.
const KEPT: &str = "--cache";

impl Mode {
    const fn new(name: &'static str, options: &'static [&'static str], input: Input) -> Self {
        Self {
            name,
            options,
            input,
        }
    }

    pub(crate) fn applies_to(self, case: &Case) -> bool {
        match self.input {
            Input::Source => case.runs_as_source(),
            Input::Objects(compiler) => case.is_made_by(compiler[0]),
            Input::Mixed(compiler) => {
                case.is_made_by(compiler[0]) && case.files.len() > 1 && case.runs_as_source()
            }
            _ => true,
        }
    }

    /// Whether the case runs again, with a cache that the first run has filled.
    fn is_kept(self) -> bool {
        self.options.contains(&KEPT)
    }

    /// Whether what the run compiles is what its source calls: not if all of a file is compiled at
    /// once, or if callees were inlined before.
    fn shows_laziness(self) -> bool {
        matches!(self.input, Input::Bitcode | Input::Source)
            && !self.options.contains(&"--eager")
            && !self.is_kept()
    }
}

/// A case with what is made once for all its modes.
struct Prepared {
    case: Case,
    folder: PathBuf,
    libraries: OnceLock<Result<(), String>>,
    expected: OnceLock<Result<Outcome, String>>,
    bitcode: OnceLock<Result<Vec<PathBuf>, String>>,
    optimised: OnceLock<Result<Vec<PathBuf>, String>>,
}

/// One trial for each case and mode.
pub(crate) fn trials(cases: Vec<Case>, skip: &Arc<SkipList>, scratch: &Path) -> Vec<Trial> {
    let mut trials = Vec::new();
    for case in cases {
        let prepared = Arc::new(Prepared {
            folder: scratch.join("cases").join(&case.name),
            case,
            libraries: OnceLock::new(),
            expected: OnceLock::new(),
            bitcode: OnceLock::new(),
            optimised: OnceLock::new(),
        });
        for mode in MODES.into_iter().filter(|m| m.applies_to(&prepared.case)) {
            let prepared = Arc::clone(&prepared);
            let name = format!("cases::{}::{}", prepared.case.name, mode.name);
            let reason = skip
                .reason(&prepared.case.name, mode.name)
                .map(str::to_owned);
            let kind = if reason.is_some() {
                "known failure"
            } else {
                ""
            };
            trials.push(
                Trial::test(name, move || match (prepared.run(mode), reason) {
                    (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
                    (Err(e), None) => Err(e.into()),
                    (Ok(()), Some(reason)) => Err(format!(
                        "it passes: take it out of tests/skip.txt (there: {reason})"
                    )
                    .into()),
                })
                .with_kind(kind),
            );
        }
    }
    trials
}

impl Prepared {
    fn run(&self, mode: Mode) -> Result<(), String> {
        fs::create_dir_all(&self.folder).map_err(|e| e.to_string())?;
        let made = self.libraries.get_or_init(|| self.make_libraries());
        made.as_ref()?;
        let files = match mode.input {
            Input::Source => &self.case.files,
            Input::Bitcode | Input::Frozen => {
                self.bitcode.get_or_init(|| self.bitcode("0")).as_ref()?
            }
            Input::Optimised => self.optimised.get_or_init(|| self.bitcode("2")).as_ref()?,
            Input::Objects(compiler) => &self.objects(mode, compiler, 1)?,
            Input::Mixed(compiler) => &self.objects(mode, compiler, 2)?,
        };
        let linked;
        let expected = match mode.input {
            // Compilers differ in the order in which they evaluate arguments, say.
            Input::Objects(_) | Input::Mixed(_) => {
                linked = self.expect_of(files, &format!("{}-native", mode.name))?;
                &linked
            }
            _ => self.expected.get_or_init(|| self.expect()).as_ref()?,
        };
        let folder = self.folder.join(mode.name);
        let links = folder.join("links");
        fs::create_dir_all(&links).map_err(|e| e.to_string())?;
        if mode.is_kept() {
            for round in 0..3 {
                let mut command = self.command(mode, files, None);
                let outcome = process::run(command.current_dir(&folder), &self.case.stdin)?;
                let compared = self.compare(mode, expected, &outcome);
                compared.map_err(|e| format!("round {round}: {e}"))?;
            }
            return fs::remove_dir_all(&folder).map_err(|e| e.to_string());
        }
        let mut command = self.command(mode, files, Some(&links));
        let outcome = process::run(command.current_dir(&folder), &self.case.stdin)?;

        self.compare(mode, expected, &outcome)?;
        let complete = matches!(outcome.ending, Ending::Code(_));
        let checked = artefacts::check_all(&links, complete, &self.case.aliases)?;
        if complete && checked.relocations == 0 {
            return Err("no relocation was checked".to_owned());
        }
        if mode.shows_laziness() {
            self.compare_compiled(&checked)?;
        }
        // What passed is of no use any more; the dumps of all modes would fill the disk.
        fs::remove_dir_all(&folder).map_err(|e| e.to_string())
    }

    fn command(&self, mode: Mode, files: &[PathBuf], links: Option<&Path>) -> Command {
        let mut command = process::rewire();
        command.arg("run").args(mode.options);
        if let Some(links) = links {
            command.arg("--dump-links").arg(links);
        }
        command.arg("-L").arg(self.library_folder());
        for library in self.linked() {
            command.arg("-l").arg(library);
        }
        for file in files {
            if mode.input == Input::Frozen {
                command.arg("--frozen");
            }
            command.arg(file);
        }
        command.arg("--").args(&self.case.args);
        command.envs(self.environment());
        command
    }

    fn compare(&self, mode: Mode, expected: &Outcome, outcome: &Outcome) -> Result<(), String> {
        if outcome.ending != expected.ending {
            return Err(format!("expected {}, found {outcome}", expected.ending));
        }
        if outcome.stdout != expected.stdout {
            let place = first_difference(&expected.stdout, &outcome.stdout);
            return Err(format!("standard output differs: {place}\nfound {outcome}"));
        }
        contains_all(&self.case, outcome)?;
        // A compiler that is run on a source may warn.
        let exact = self.case.stderr.is_empty() && mode.input != Input::Source;
        if exact && outcome.stderr != expected.stderr {
            let place = first_difference(&expected.stderr, &outcome.stderr);
            return Err(format!("standard error differs: {place}\nfound {outcome}"));
        }
        Ok(())
    }

    fn compare_compiled(&self, checked: &artefacts::Checked) -> Result<(), String> {
        let missing = self
            .case
            .compiled
            .iter()
            .find(|f| !checked.functions.contains(*f));
        if let Some(name) = missing {
            return Err(format!(
                "{name} was called and not compiled: {:?}",
                checked.functions
            ));
        }
        let in_vain = self
            .case
            .not_compiled
            .iter()
            .find(|f| checked.functions.contains(*f));
        if let Some(name) = in_vain {
            return Err(format!("{name} was compiled although nothing calls it"));
        }
        Ok(())
    }

    fn library_folder(&self) -> PathBuf {
        self.folder.join("libraries")
    }

    /// What the program is linked with.
    fn linked(&self) -> impl Iterator<Item = &str> {
        let shared = self.case.shared.iter().filter_map(|source| stem(source));
        shared.chain(self.case.link.iter().map(String::as_str))
    }

    /// What the program finds in its environment besides its own.
    fn environment(&self) -> Vec<(String, String)> {
        let mut all = self.case.env.clone();
        if !self.case.shared.is_empty() || !self.case.opened.is_empty() {
            let folder = self.library_folder().to_string_lossy().into_owned();
            all.push(("LD_LIBRARY_PATH".to_owned(), folder));
        }
        all
    }

    /// Compiles the shared libraries, each linked with those before it that it needs.
    fn make_libraries(&self) -> Result<(), String> {
        let folder = self.library_folder();
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let mut before: Vec<String> = Vec::new();
        for source in self.case.shared.iter().chain(&self.case.opened) {
            let name = stem(source).ok_or("a library's source without a name")?;
            let mut compiler = process::clang();
            compiler.args(["-shared", "-fPIC"]).arg(source);
            compiler.arg("-L").arg(&folder).arg("-Wl,--as-needed");
            compiler.args(&before);
            if source.extension().is_some_and(|kind| kind == "cpp") {
                compiler.arg("-lstdc++");
            }
            compiler.arg("-o").arg(folder.join(format!("lib{name}.so")));
            process::build(&mut compiler)?;
            before.push(format!("-l{name}"));
        }
        Ok(())
    }

    /// What a correct run gives: what the native build gives, or what the case says.
    fn expect(&self) -> Result<Outcome, String> {
        self.expect_of(&self.case.files, "native")
    }

    /// The same, of these files.
    fn expect_of(&self, files: &[PathBuf], name: &str) -> Result<Outcome, String> {
        let case = &self.case;
        if !case.native {
            return Ok(Outcome {
                ending: case.literal_ending(),
                stdout: case.stdout.clone().unwrap_or_default().into_bytes(),
                stderr: Vec::new(),
            });
        }
        let program = self.folder.join(name);
        let mut compiler = process::clang();
        compiler
            .arg("-O0")
            .args(&case.flags)
            .args(&case.native_flags)
            .args(files);
        compiler.arg("-L").arg(self.library_folder());
        compiler.args(self.linked().map(|l| format!("-l{l}")));
        if case.is_cpp() {
            compiler.args(["-lstdc++", "-lm"]);
        }
        compiler.arg("-o").arg(&program);
        process::build(&mut compiler)?;

        let mut command = Command::new(&program);
        command
            .args(&case.args)
            .envs(self.environment())
            .current_dir(&self.folder);
        let outcome = process::run(&mut command, &case.stdin)?;
        let ending = case.literal_ending();
        if outcome.ending != ending {
            return Err(format!(
                "the native run should end with {ending}: {outcome}"
            ));
        }
        contains_all(case, &outcome).map_err(|e| format!("the native run: {e}"))?;
        Ok(outcome)
    }

    fn bitcode(&self, level: &str) -> Result<Vec<PathBuf>, String> {
        let folder = self.folder.join(format!("bitcode-O{level}"));
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let mut made = Vec::new();
        for (number, source) in self.case.files.iter().enumerate() {
            // What is bitcode already, of an older compiler, is there to be read as it is.
            if source.extension().is_some_and(|kind| kind == "bc") {
                made.push(source.clone());
                continue;
            }
            let file = folder.join(format!("{number}.bc"));
            if level == "0" {
                process::make_bitcode(source, &self.case.flags, &file)?;
            } else {
                let mut compiler = process::clang();
                compiler.arg(format!("-O{level}")).args(&self.case.flags);
                compiler
                    .args(["-c", "-emit-llvm"])
                    .arg(source)
                    .arg("-o")
                    .arg(&file);
                process::build(&mut compiler)?;
            }
            made.push(file);
        }
        Ok(made)
    }

    /// Compiles every `step`th file to an object file.
    fn objects(&self, mode: Mode, compiler: &[&str], step: usize) -> Result<Vec<PathBuf>, String> {
        let folder = self.folder.join(mode.name);
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let mut made = Vec::new();
        for (number, source) in self.case.files.iter().enumerate() {
            if number % step != 0 {
                made.push(source.clone());
                continue;
            }
            let file = folder.join(format!("{number}.o"));
            let mut command = Command::new(compiler[0]);
            command.args(&compiler[1..]).args(&self.case.flags);
            command.arg("-c").arg(source).arg("-o").arg(&file);
            process::build(&mut command)?;
            made.push(file);
        }
        Ok(made)
    }
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem().and_then(|stem| stem.to_str())
}

fn contains_all(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let text = outcome.stderr_text();
    match case
        .stderr
        .iter()
        .find(|part| !text.contains(part.as_str()))
    {
        Some(part) => Err(format!("standard error lacks {part:?}: {outcome}")),
        None => Ok(()),
    }
}

/// Where two outputs part, in words.
fn first_difference(expected: &[u8], found: &[u8]) -> String {
    let mut expected_lines = expected.split(|b| *b == b'\n');
    let mut found_lines = found.split(|b| *b == b'\n');
    let mut line = 1;
    loop {
        match (expected_lines.next(), found_lines.next()) {
            (None, None) => return "nowhere".to_owned(),
            (a, b) if a == b => line += 1,
            (a, b) => {
                let show = |part: Option<&[u8]>| match part {
                    None => "the end".to_owned(),
                    Some(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
                };
                return format!("line {line}: expected {}, found {}", show(a), show(b));
            }
        }
    }
}
