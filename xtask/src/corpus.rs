//! The corpus: real C programs from crates that bundle their sources, compiled to bitcode and
//! natively. Nothing of theirs is committed; versions are pinned in `xtask/corpus/Cargo.toml`.
//!
//! Each program's folder in `target/corpus` then holds `O0.bc`, `debug.bc` (`-O0 -g`), `O2.bc`, `raw.bc` (`-O2` with
//! clang's passes left out, for an engine that runs its own), `native.O0`, `native.O2`, and a
//! folder for each level with one bitcode file for each source.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde::Deserialize;

use crate::error::{Context, Error, Result};
use crate::paths::{self, shown};
use crate::process::{command, line, output_of};

/// A program of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The interpreter of Lua 5.4.
    Lua,
    /// SQLite, running a file of SQL.
    Sqlite,
    /// bzip2, the program.
    Bzip2,
}

/// All of the corpus.
pub(crate) const PROGRAMS: [Program; 3] = [Program::Lua, Program::Sqlite, Program::Bzip2];

/// How bitcode is made: the name of the file, and clang's options.
const LEVELS: [(&str, &[&str]); 4] = [
    ("O0", &["-O0"]),
    ("debug", &["-O0", "-g"]),
    ("O2", &["-O2"]),
    ("raw", &["-O2", "-Xclang", "-disable-llvm-passes"]),
];

/// The native builds. Line tables do not change the code; callgrind tells functions of one name
/// apart by their files.
const NATIVE: [(&str, &[&str]); 2] = [
    ("native.O0", &["-O0", "-gline-tables-only", "-gdwarf-4"]),
    ("native.O2", &["-O2"]),
];

impl Program {
    /// The name of the program, and of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lua => "lua",
            Self::Sqlite => "sqlite",
            Self::Bzip2 => "bzip2",
        }
    }

    /// The folder of what was built.
    pub(crate) fn dir(self) -> PathBuf {
        paths::corpus().join(self.name())
    }

    /// A file in the program's folder, such as `O0.bc` or `native.O2`.
    pub(crate) fn file(self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The bitcode of each source by itself, for one level.
    pub(crate) fn units(self, level: &str) -> Result<Vec<PathBuf>> {
        let dir = self.dir().join(level);
        let entries = fs::read_dir(&dir).context(|| format!("list {}", shown(&dir)))?;
        let mut units: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        units.sort();
        Ok(units)
    }

    fn source_crate(self) -> &'static str {
        match self {
            Self::Lua => "lua-src",
            Self::Sqlite => "libsqlite3-sys",
            Self::Bzip2 => "bzip2-sys",
        }
    }

    /// The folder in the crate starts with this.
    fn folder(self) -> &'static str {
        match self {
            Self::Lua => "lua-5.4",
            Self::Sqlite => "sqlite3",
            Self::Bzip2 => "bzip2-1.0",
        }
    }

    fn driver(self) -> Option<&'static str> {
        match self {
            Self::Lua => Some("lua_driver.c"),
            Self::Sqlite => Some("sqlite_driver.c"),
            Self::Bzip2 => None,
        }
    }

    /// The C files to take, or none for every one in the folder.
    fn picked(self) -> &'static [&'static str] {
        match self {
            Self::Lua => &[],
            Self::Sqlite => &["sqlite3.c"],
            Self::Bzip2 => &[
                "blocksort.c",
                "bzip2.c",
                "bzlib.c",
                "compress.c",
                "crctable.c",
                "decompress.c",
                "huffman.c",
                "randtable.c",
            ],
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Lua => &["-DLUA_USE_LINUX", "-DLUA_COMPAT_5_3"],
            Self::Sqlite => &[],
            Self::Bzip2 => &["-D_FILE_OFFSET_BITS=64"],
        }
    }

    fn sources(self, crate_dir: &Path) -> Result<Sources> {
        let folder = subfolder(crate_dir, self.folder())?;
        let mut files = if self.picked().is_empty() {
            let entries = fs::read_dir(&folder).context(|| format!("list {}", folder.display()))?;
            let paths = entries.flatten().map(|entry| entry.path());
            paths
                .filter(|path| path.extension().is_some_and(|ext| ext == "c"))
                .collect()
        } else {
            self.picked()
                .iter()
                .map(|name| folder.join(name))
                .collect::<Vec<_>>()
        };
        files.extend(
            self.driver()
                .map(|driver| paths::corpus_inputs().join(driver)),
        );
        files.sort();
        Ok(Sources { folder, files })
    }
}

/// What a program is compiled from.
struct Sources {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

/// Builds what is missing or out of date, for the given programs.
pub(crate) fn build(programs: &[Program]) -> Result<()> {
    let crates = crate_folders()?;
    for &program in programs {
        let crate_dir = crates.get(program.source_crate()).ok_or_else(|| {
            Error::new(format!(
                "cargo does not know the crate {}",
                program.source_crate()
            ))
        })?;
        build_one(program, &program.sources(crate_dir)?)?;
    }
    build_maps()
}

/// Says what is where.
pub(crate) fn show() {
    for program in PROGRAMS {
        println!("{:<8}{}", program.name(), shown(&program.dir()));
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// Has cargo fetch the pinned crates, and asks it where they are.
fn crate_folders() -> Result<HashMap<String, PathBuf>> {
    let manifest = paths::corpus_inputs().join("Cargo.toml");
    let mut cargo = command("cargo");
    cargo
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
        ])
        .arg(manifest);
    let said = output_of(&mut cargo)?;
    let metadata: Metadata =
        serde_json::from_slice(&said).context(|| "read the answer of `cargo metadata`".into())?;
    let folder = |package: Package| Some((package.name, package.manifest_path.parent()?.into()));
    Ok(metadata.packages.into_iter().filter_map(folder).collect())
}

fn subfolder(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).context(|| format!("list {}", dir.display()))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.is_dir()
                && path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .ok_or_else(|| Error::new(format!("no folder {prefix}* in {}", dir.display())))
}

fn build_one(program: Program, sources: &Sources) -> Result<()> {
    let dir = program.dir();
    let clang = paths::llvm_tool("clang")?;
    let compile = |options: &[&str]| {
        let mut command = command(&clang);
        command
            .args(options)
            .args(program.flags())
            .arg("-w")
            .arg("-I")
            .arg(&sources.folder);
        command
    };
    let mut compiles = Vec::new();
    let mut links = Vec::new();
    for (level, options) in LEVELS {
        let mut units = Vec::new();
        for source in &sources.files {
            let unit = dir
                .join(level)
                .join(source.with_extension("bc").file_name().unwrap_or_default());
            let mut command = compile(options);
            command
                .args(["-emit-llvm", "-c"])
                .arg(source)
                .arg("-o")
                .arg(&unit);
            compiles.push(command);
            units.push(unit);
        }
        let mut link = command(paths::llvm_tool("llvm-link")?);
        link.args(&units)
            .arg("-o")
            .arg(dir.join(format!("{level}.bc")));
        links.push(link);
    }
    for (name, options) in NATIVE {
        let mut command = compile(options);
        command
            .args(&sources.files)
            .arg("-o")
            .arg(dir.join(name))
            .args(["-lm", "-ldl"]);
        compiles.push(command);
    }
    let mut hasher = DefaultHasher::new();
    output_of(command(&clang).arg("--version"))?.hash(&mut hasher);
    for command in compiles.iter().chain(&links) {
        // Not the environment: a stamp must not depend on who called.
        line(command).hash(&mut hasher);
    }
    for source in &sources.files {
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
        return inputs(program, &sources.folder);
    }
    println!("corpus: compiling {} ...", program.name());
    // A unit whose source is gone must not stay, and a half-built folder must not look whole.
    if dir.exists() {
        fs::remove_dir_all(&dir).context(|| format!("empty {}", shown(&dir)))?;
    }
    for (level, _) in LEVELS {
        make_dir(&dir.join(level))?;
    }
    all_at_once(compiles)?;
    all_at_once(links)?;
    inputs(program, &sources.folder)?;
    write(&stamp, wanted.as_bytes())
}

/// The code that generated programs are linked with.
fn build_maps() -> Result<()> {
    let out = maps_bitcode();
    let source = paths::corpus_inputs().join("maps.c");
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if out.exists() && modified(&out) >= modified(&source) {
        return Ok(());
    }
    make_dir(&paths::corpus())?;
    let mut clang = command(paths::llvm_tool("clang")?);
    output_of(
        clang
            .args(["-O0", "-emit-llvm", "-c"])
            .arg(source)
            .arg("-o")
            .arg(out),
    )
    .map(|_| ())
}

/// The bitcode of `maps.c`.
pub(crate) fn maps_bitcode() -> PathBuf {
    paths::corpus().join("maps.bc")
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

/// Writes the files that the programs are run on, where they are generated or come from a crate.
fn inputs(program: Program, folder: &Path) -> Result<()> {
    match program {
        Program::Lua => Ok(()),
        Program::Sqlite => write(&bench_sql(), inserts().as_bytes()),
        Program::Bzip2 => {
            for name in ["sample1", "sample2", "sample3"] {
                for extension in ["ref", "bz2"] {
                    let name = format!("{name}.{extension}");
                    let to = program.file(&name);
                    // Written and not copied: the mode of the crate's file may be read-only.
                    let bytes = fs::read(folder.join(&name))
                        .context(|| format!("read {name} of bzip2's sources"))?;
                    write(&to, &bytes)?;
                }
            }
            write_text(&long_text(), 24 << 20)
        }
    }
}

/// A thousand inserts and a query.
pub(crate) fn bench_sql() -> PathBuf {
    Program::Sqlite.file("bench.sql")
}

/// A file that bzip2 needs a second or two for.
pub(crate) fn long_text() -> PathBuf {
    Program::Bzip2.file("long.ref")
}

fn inserts() -> String {
    let mut sql = String::from("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);\n");
    for i in 0..1000 {
        let value = f64::from(i * 37 % 1009) / 8.0;
        // Writing into a string can't fail.
        let _ = writeln!(
            sql,
            "INSERT INTO t VALUES({i}, 'name {}', {value});",
            i % 13
        );
    }
    sql.push_str(
        "SELECT name, count(*), sum(value), max(id) FROM t WHERE value > 20 GROUP BY name \
         ORDER BY 3 DESC;\n",
    );
    sql
}

/// Writes text with the redundancy of text: words drawn from a small vocabulary, the same on every
/// run.
fn write_text(path: &Path, size: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.len() == size) {
        return Ok(());
    }
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words: Vec<Vec<u8>> = (0..4000)
        .map(|_| {
            let length = 2 + random() % 9;
            (0..length)
                .map(|_| b"etaoinshrdlucmfw"[(random() % 16) as usize])
                .collect()
        })
        .collect();
    let file = File::create(path).context(|| format!("make {}", shown(path)))?;
    let mut out = BufWriter::new(file);
    let mut left = size as usize;
    while left > 0 {
        // The product of two draws makes some words frequent and most of them rare.
        let pick = (random() % 64) * (random() % 63);
        let mut word = words[pick as usize % words.len()].clone();
        word.push(if random() % 12 == 0 { b'\n' } else { b' ' });
        word.truncate(left);
        left -= word.len();
        out.write_all(&word)
            .context(|| format!("write {}", shown(path)))?;
    }
    out.flush().context(|| format!("write {}", shown(path)))
}

fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).context(|| format!("make {}", shown(dir)))
}

/// Writes a file unless it already holds just that.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).context(|| format!("write {}", shown(path)))
}
