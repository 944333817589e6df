//! The corpus: real programs in C and C++ from crates that bundle their sources, and two of ours in
//! C++ and Rust, compiled to bitcode and natively. Nothing of the crates' is committed; versions
//! are pinned in `xtask/corpus/Cargo.toml`.
//!
//! Each program's folder in `target/corpus` then holds `O0.bc`, `debug.bc` (`-O0 -g`), `O2.bc`,
//! `raw.bc` (`-O2` with the compiler's passes left out, for an engine that runs its own),
//! `native.O0`, `native.O2`, and a folder for each level with one bitcode file for each source.

mod compile;
mod inputs;
mod recipe;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Context, Error, Result};
use crate::paths::{self, shown};
use crate::process::{command, output_of};

pub(crate) use inputs::{
    bench_sql, long_sql, long_text, many_pigeons, numbers, pigeons, quickjs_tests, satisfiable,
};
pub(crate) use recipe::listed;

/// A program of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The interpreter of Lua 5.4.
    Lua,
    /// SQLite, running a file of SQL.
    Sqlite,
    /// bzip2, the program.
    Bzip2,
    /// QuickJS, the program.
    QuickJs,
    /// MiniSat, solving a file: C++.
    MiniSat,
    /// A C++ program that leans on its library.
    Cxx,
    /// The same in Rust.
    Rust,
}

/// All of the corpus.
pub(crate) const PROGRAMS: [Program; 7] = [
    Program::Lua,
    Program::Sqlite,
    Program::Bzip2,
    Program::QuickJs,
    Program::MiniSat,
    Program::Cxx,
    Program::Rust,
];

impl Program {
    /// The name of the program, and of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lua => "lua",
            Self::Sqlite => "sqlite",
            Self::Bzip2 => "bzip2",
            Self::QuickJs => "quickjs",
            Self::MiniSat => "minisat",
            Self::Cxx => "cxx",
            Self::Rust => "rust",
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
        recipe::listed(&self.dir().join(level))
    }

    /// What `rewire run` has to be told of the libraries that its bitcode needs. libstdc++ it finds
    /// by itself.
    pub(crate) fn libraries(self) -> Result<Vec<String>> {
        match self {
            Self::MiniSat => Ok(vec!["-l".into(), "z".into()]),
            Self::Rust => rust_library(),
            _ => Ok(Vec::new()),
        }
    }
}

/// The options for Rust's standard library.
fn rust_library() -> Result<Vec<String>> {
    let said = output_of(command("rustc").args(["--print", "target-libdir"]))?;
    let folder = String::from_utf8_lossy(&said).trim().to_owned();
    let files = recipe::listed(Path::new(&folder))?;
    let name = files.iter().find_map(|path| {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_prefix("lib")?.strip_suffix(".so")?;
        stem.starts_with("std-").then(|| stem.to_owned())
    });
    let name = name.ok_or_else(|| Error::new(format!("there is no libstd-*.so in {folder}")))?;
    Ok(vec!["-L".into(), folder, "-l".into(), name])
}

/// Builds what is missing or out of date, for the given programs.
pub(crate) fn build(programs: &[Program]) -> Result<()> {
    let crates = crate_folders()?;
    for &program in programs {
        let recipe = recipe::of(program);
        let crate_dir = match recipe.bundled {
            None => None,
            Some((name, _)) => Some(
                crates
                    .get(name)
                    .ok_or_else(|| Error::new(format!("cargo does not know the crate {name}")))?,
            ),
        };
        let sources = recipe.sources(crate_dir.map(PathBuf::as_path))?;
        compile::build(program, &recipe, &sources)?;
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
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
            "--manifest-path",
        ])
        .arg(manifest);
    let said = output_of(&mut cargo)?;
    let metadata: Metadata =
        serde_json::from_slice(&said).context(|| "read the answer of `cargo metadata`".into())?;
    let folder = |package: Package| Some((package.name, package.manifest_path.parent()?.into()));
    Ok(metadata.packages.into_iter().filter_map(folder).collect())
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
