//! Builds `benches/orc_peer.cpp`: LLVM's own JIT at the work of `benches/replacing`.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;

use crate::corpus::write;
use crate::error::{Context, Result};
use crate::paths::{self, shown};
use crate::process::{command, line, output_of};
use crate::setup;

/// What of LLVM the peer uses; llvm-config adds what that needs.
const COMPONENTS: [&str; 3] = ["orcjit", "native", "asmparser"];

/// The program, built if it isn't built from just this source and this LLVM already. As Rewire's,
/// it has LLVM linked statically: calls into a shared library would cost it a little more.
pub(super) fn build() -> Result<PathBuf> {
    let source = paths::root().join("benches/orc_peer.cpp");
    let dir = paths::target().join("bench");
    let (program, stamp) = (dir.join("orc_peer"), dir.join("orc_peer.stamp"));
    fs::create_dir_all(&dir).context(|| format!("make {}", shown(&dir)))?;
    let mut clang = command(paths::llvm_tool("clang++")?);
    clang.args(["-O2", "-DNDEBUG", "-fno-rtti", "-Wall", "-Wextra"]);
    for flag in llvm_config(&["--cxxflags"])? {
        match flag.strip_prefix("-I") {
            // LLVM's own headers are not held to our warnings.
            Some(path) => clang.arg("-isystem").arg(path),
            None => clang.arg(flag),
        };
    }
    clang.arg(&source).arg("-o").arg(&program);
    let libraries = [&["--link-static", "--ldflags", "--libs"], &COMPONENTS[..]].concat();
    clang.args(llvm_config(&libraries)?);
    clang.args(llvm_config(&["--link-static", "--system-libs"])?);
    let mut hasher = DefaultHasher::new();
    setup::llvm_version()?.hash(&mut hasher);
    line(&clang).hash(&mut hasher);
    fs::read(&source)
        .context(|| format!("read {}", shown(&source)))?
        .hash(&mut hasher);
    let wanted = format!("{:016x}", hasher.finish());
    if !(program.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)) {
        eprintln!("Building {}", shown(&program));
        output_of(&mut clang)?;
        write(&stamp, wanted.as_bytes())?;
    }
    Ok(program)
}

/// The words that llvm-config says.
fn llvm_config(asked: &[&str]) -> Result<Vec<String>> {
    let said = output_of(command(paths::llvm_tool("llvm-config")?).args(asked))?;
    let said = String::from_utf8_lossy(&said);
    Ok(said.split_whitespace().map(str::to_owned).collect())
}
