//! Where things are: the project, its target folder, LLVM's tools.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo tells the running xtask where it is; the compiled-in value would be stale in a tree
    // that was moved.
    let xtask =
        env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask)
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The hand-written inputs of the corpus.
pub(crate) fn corpus_inputs() -> PathBuf {
    root().join("xtask/corpus")
}

/// The built corpus.
pub(crate) fn corpus() -> PathBuf {
    target().join("corpus")
}

/// Where LLVM 22 is installed; the variable is the one that `llvm-sys` reads.
pub(crate) fn llvm_prefix() -> PathBuf {
    env::var_os("LLVM_SYS_221_PREFIX").map_or_else(|| "/usr/lib/llvm-22".into(), PathBuf::from)
}

/// A tool of LLVM 22, such as `clang` or `lli`.
pub(crate) fn llvm_tool(name: &str) -> Result<PathBuf> {
    let path = llvm_prefix().join("bin").join(name);
    if path.exists() {
        return Ok(path);
    }
    on_path(&format!("{name}-22")).ok_or_else(|| {
        Error::new(format!("LLVM 22's `{name}` is missing")).help("`cargo xtask setup` installs it")
    })
}

/// A program on `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

/// A path as the reader would type it from the project's folder.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
