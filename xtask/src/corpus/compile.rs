//! Compiles a program of the corpus: to bitcode at several levels, and natively.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use super::recipe::{Language, Recipe, Sources};
use super::{Program, inputs, make_dir, write};
use crate::error::{Context, Error, Result};
use crate::paths::{self, shown};
use crate::process::{command, line, output_of};

/// One way of compiling: its name, and the options of clang and of rustc.
type Level = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// How bitcode is made. `raw` has the compiler's passes left out.
const LEVELS: [Level; 4] = [
    ("O0", &["-O0"], &["-Copt-level=0"]),
    ("debug", &["-O0", "-g"], &["-Copt-level=0", "-Cdebuginfo=2"]),
    ("O2", &["-O2"], &["-Copt-level=2"]),
    (
        "raw",
        &["-O2", "-Xclang", "-disable-llvm-passes"],
        &["-Copt-level=2", "-Cno-prepopulate-passes"],
    ),
];

/// The native builds. Line tables do not change the code; callgrind tells functions of one name
/// apart by their files.
const NATIVE: [Level; 2] = [
    (
        "native.O0",
        &["-O0", "-gline-tables-only", "-gdwarf-4"],
        &["-Copt-level=0"],
    ),
    ("native.O2", &["-O2"], &["-Copt-level=2"]),
];

/// Compiler commands of one program.
struct Compiler<'a> {
    program: PathBuf,
    recipe: &'a Recipe,
    folder: &'a Path,
}

impl<'a> Compiler<'a> {
    fn new(recipe: &'a Recipe, folder: &'a Path) -> Result<Self> {
        Ok(Self {
            program: match recipe.language {
                Language::C => paths::llvm_tool("clang")?,
                Language::Cxx => paths::llvm_tool("clang++")?,
                Language::Rust => "rustc".into(),
            },
            recipe,
            folder,
        })
    }

    fn version(&self) -> Result<Vec<u8>> {
        output_of(command(&self.program).arg("--version"))
    }

    fn start(&self, level: &Level) -> Command {
        let mut command = command(&self.program);
        if self.recipe.language == Language::Rust {
            let common = ["-Cprefer-dynamic", "-Ccodegen-units=1"];
            command.args(level.2).args(common).args(self.recipe.flags);
        } else {
            command.args(level.1).args(self.recipe.flags);
            command.arg("-w").arg("-I").arg(self.folder);
        }
        command
    }

    fn bitcode(&self, level: &Level, source: &Path, to: &Path) -> Command {
        let mut command = self.start(level);
        if self.recipe.language == Language::Rust {
            command.arg("--emit=llvm-bc");
        } else {
            command.args(["-emit-llvm", "-c"]);
        }
        command.arg(source).arg("-o").arg(to);
        command
    }

    fn native(&self, level: &Level, sources: &[PathBuf], to: &Path) -> Command {
        let mut command = self.start(level);
        if self.recipe.language == Language::Rust {
            // It has to find the library when it runs.
            command.arg("-Crpath");
        }
        command.args(sources).arg("-o").arg(to);
        command.args(self.recipe.libraries);
        command
    }
}

/// Builds a program, if it isn't built from just these sources already.
pub(super) fn build(program: Program, recipe: &Recipe, sources: &Sources) -> Result<()> {
    let dir = program.dir();
    let compiler = Compiler::new(recipe, &sources.folder)?;
    let mut compiles = Vec::new();
    let mut links = Vec::new();
    for level in &LEVELS {
        if level.0 == "debug" && program != Program::Sqlite {
            // The benchmark of debug information is SQLite's alone.
            continue;
        }
        let mut units = Vec::new();
        for source in &sources.files {
            let name = source.with_extension("bc");
            let unit = dir.join(level.0).join(name.file_name().unwrap_or_default());
            compiles.push(compiler.bitcode(level, source, &unit));
            units.push(unit);
        }
        let mut link = command(paths::llvm_tool("llvm-link")?);
        link.args(&units)
            .arg("-o")
            .arg(dir.join(format!("{}.bc", level.0)));
        links.push(link);
    }
    for level in &NATIVE {
        compiles.push(compiler.native(level, &sources.files, &dir.join(level.0)));
    }
    let mut hasher = DefaultHasher::new();
    compiler.version()?.hash(&mut hasher);
    for command in compiles.iter().chain(&links) {
        // Not the environment: a stamp must not depend on who called.
        line(command).hash(&mut hasher);
    }
    for source in sources.files.iter().chain(&sources.headers) {
        fs::read(source)
            .context(|| format!("read {}", source.display()))?
            .hash(&mut hasher);
    }
    let stamp = dir.join("stamp");
    let wanted = format!("{:016x}", hasher.finish());
    let whole = ["O0.bc", "O2.bc", "raw.bc", "native.O0", "native.O2"];
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)
        && whole.iter().all(|name| dir.join(name).exists())
    {
        return inputs::make(program, &sources.folder);
    }
    println!("corpus: compiling {} ...", program.name());
    // A unit whose source is gone must not stay, and a half-built folder must not look whole.
    if dir.exists() {
        fs::remove_dir_all(&dir).context(|| format!("empty {}", shown(&dir)))?;
    }
    for (level, ..) in LEVELS {
        make_dir(&dir.join(level))?;
    }
    all_at_once(compiles)?;
    all_at_once(links)?;
    inputs::make(program, &sources.folder)?;
    write(&stamp, wanted.as_bytes())
}

/// Runs commands as many at a time as there are cores.
fn all_at_once(commands: Vec<Command>) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(VecDeque::from(commands));
    let next = || queue.lock().map_or(None, |mut queue| queue.pop_front());
    let work = || -> Result<()> {
        while let Some(mut command) = next() {
            output_of(&mut command)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().try_for_each(|handle| {
            handle
                .join()
                .unwrap_or_else(|_| Err(Error::new("a worker of the corpus stopped")))
        })
    })
}
