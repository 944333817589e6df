//! What each program of the corpus is made of.

use std::fs;
use std::path::{Path, PathBuf};

use super::Program;
use crate::error::{Context, Error, Result};
use crate::paths;

/// Which compiler a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cxx,
    Rust,
}

/// Where a program's sources are and how they are compiled.
pub(super) struct Recipe {
    pub(super) language: Language,
    /// The crate that has them, and how the path of the folder in it begins.
    pub(super) bundled: Option<(&'static str, &'static str)>,
    /// The files to take from the folder; none for every C file in it.
    pub(super) picked: &'static [&'static str],
    /// Files of ours, in `xtask/corpus`; the headers are for the stamp.
    pub(super) own: &'static [&'static str],
    pub(super) own_headers: &'static [&'static str],
    pub(super) flags: &'static [&'static str],
    /// What the native builds are linked with.
    pub(super) libraries: &'static [&'static str],
}

/// What most have in common.
const PLAIN: Recipe = Recipe {
    language: Language::C,
    bundled: None,
    picked: &[],
    own: &[],
    own_headers: &[],
    flags: &[],
    libraries: &["-lm", "-ldl"],
};

pub(super) fn of(program: Program) -> Recipe {
    match program {
        Program::Lua => Recipe {
            bundled: Some(("lua-src", "lua-5.4")),
            own: &["lua_driver.c"],
            flags: &["-DLUA_USE_LINUX", "-DLUA_COMPAT_5_3"],
            ..PLAIN
        },
        Program::Sqlite => Recipe {
            bundled: Some(("libsqlite3-sys", "sqlite3")),
            picked: &["sqlite3.c"],
            own: &["sqlite_driver.c"],
            ..PLAIN
        },
        Program::Bzip2 => Recipe {
            bundled: Some(("bzip2-sys", "bzip2-1.0")),
            picked: &[
                "blocksort.c",
                "bzip2.c",
                "bzlib.c",
                "compress.c",
                "crctable.c",
                "decompress.c",
                "huffman.c",
                "randtable.c",
            ],
            flags: &["-D_FILE_OFFSET_BITS=64"],
            ..PLAIN
        },
        Program::QuickJs => Recipe {
            bundled: Some(("rquickjs-sys", "quickjs")),
            picked: &[
                "dtoa.c",
                "gen/repl.c",
                "gen/standalone.c",
                "libregexp.c",
                "libunicode.c",
                "qjs.c",
                "quickjs-libc.c",
                "quickjs.c",
            ],
            flags: &["-DQUICKJS_NG_BUILD", "-D_GNU_SOURCE"],
            libraries: &["-lm", "-ldl", "-lpthread"],
            ..PLAIN
        },
        Program::MiniSat => Recipe {
            language: Language::Cxx,
            bundled: Some(("minisat", "lib/minisat")),
            picked: &[
                "minisat/core/Solver.cc",
                "minisat/simp/SimpSolver.cc",
                "minisat/utils/Options.cc",
                "minisat/utils/System.cc",
            ],
            own: &["minisat_driver.cc"],
            libraries: &["-lz"],
            ..PLAIN
        },
        Program::Cxx => Recipe {
            language: Language::Cxx,
            own: &["cxx_long.cc", "cxx_other.cc", "cxx_program.cc"],
            own_headers: &["cxx_program.h"],
            flags: &["-std=c++20"],
            libraries: &[],
            ..PLAIN
        },
        Program::Rust => Recipe {
            language: Language::Rust,
            own: &["rust_program.rs"],
            own_headers: &["rust_long.rs"],
            flags: &["--edition=2024"],
            libraries: &[],
            ..PLAIN
        },
    }
}

/// What a program is compiled from.
pub(super) struct Sources {
    /// Where its headers are, and its own tests.
    pub(super) folder: PathBuf,
    pub(super) files: Vec<PathBuf>,
    pub(super) headers: Vec<PathBuf>,
}

impl Recipe {
    /// Finds the files. `crate_dir` is the folder of the crate that bundles them.
    pub(super) fn sources(&self, crate_dir: Option<&Path>) -> Result<Sources> {
        let own = |names: &[&str]| -> Vec<PathBuf> {
            let dir = paths::corpus_inputs();
            names.iter().map(|name| dir.join(name)).collect()
        };
        let mut files = own(self.own);
        let mut folder = paths::corpus_inputs();
        if let (Some((_, prefix)), Some(crate_dir)) = (self.bundled, crate_dir) {
            folder = subfolder(crate_dir, prefix)?;
            if self.picked.is_empty() {
                let is_c = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "c");
                files.extend(listed(&folder)?.into_iter().filter(is_c));
            } else {
                files.extend(self.picked.iter().map(|name| folder.join(name)));
            }
        }
        files.sort();
        Ok(Sources {
            folder,
            files,
            headers: own(self.own_headers),
        })
    }
}

/// The files of a folder, sorted.
pub(crate) fn listed(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).context(|| format!("list {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The folder whose path in `dir` is `prefix` and perhaps some more, such as a version.
fn subfolder(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let whole = dir.join(prefix);
    let parent = whole.parent().unwrap_or(dir);
    let start = whole.file_name().unwrap_or_default().to_string_lossy();
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_dir() && name.starts_with(&*start)
    };
    let mut found = listed(parent)?.into_iter().filter(fits);
    found
        .next()
        .ok_or_else(|| Error::new(format!("no folder {prefix}* in {}", dir.display())))
}
