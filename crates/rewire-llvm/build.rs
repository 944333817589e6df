//! Compiles the C++ shim with the flags of the LLVM that llvm-sys links, and notes which code
//! generator that is.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &[&str] = &[
    "abi_attributes.cpp",
    "buffered_values.cpp",
    "call_adapter.cpp",
    "call_plan.cpp",
    "codegen.cpp",
    "contents.cpp",
    "continuations.cpp",
    "contract.cpp",
    "coroutines.cpp",
    "cpu.cpp",
    "exported.cpp",
    "extract.cpp",
    "extract_in_place.cpp",
    "extracted_text.cpp",
    "fast/eh_frame.cpp",
    "fast/fast.cpp",
    "fast/object_writer.cpp",
    "fast/pass_sequence.cpp",
    "fast/passes.cpp",
    "fast/plain.cpp",
    "fast/sections.cpp",
    "front.cpp",
    "identity.cpp",
    "imports.cpp",
    "index.cpp",
    "initialisers.cpp",
    "inline_advisor.cpp",
    "inline_bodies.cpp",
    "instrument.cpp",
    "locations.cpp",
    "frame_layout.cpp",
    "loop_counts.cpp",
    "loop_heads.cpp",
    "lower.cpp",
    "optimise.cpp",
    "rare_polls.cpp",
    "read.cpp",
    "slot_calls.cpp",
    "stale_checks.cpp",
    "start.cpp",
    "thread_locals.cpp",
    "transform.cpp",
    "types.cpp",
];

fn main() {
    let prefix = std::env::var("LLVM_SYS_221_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".into());
    let config = Path::new(&prefix).join("bin/llvm-config");
    let output = Command::new(&config).arg("--cxxflags").output();
    let flags = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        _ => panic!(
            "{} does not run: LLVM 22 is missing; `cargo xtask setup` installs it",
            config.display()
        ),
    };
    let mut build = cc::Build::new();
    build.cpp(true).opt_level(2).warnings(false);
    for flag in flags.split_whitespace() {
        match flag.strip_prefix("-I") {
            // LLVM's own headers are not held to our warnings.
            Some(path) => {
                build.flag("-isystem").flag(path);
            }
            None => {
                build.flag(flag);
            }
        }
    }
    build.flag("-fno-rtti").flag("-Wall");
    for source in SOURCES {
        build.file(Path::new("shim").join(source));
    }
    build.compile("rewire_shim");
    prefer_static();
    note_version(&config);
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
}

/// Code that another build has compiled may differ: the crate is told LLVM's version, and a hash of
/// the shim, which has all that stands between IR and object.
fn note_version(config: &Path) {
    let output = Command::new(config).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!(
        "cargo:rustc-env=REWIRE_LLVM_VERSION={}",
        version.unwrap_or_default()
    );
    let mut sources = Vec::new();
    add_files(Path::new("shim"), &mut sources);
    sources.sort();
    let mut hasher = DefaultHasher::new();
    for source in sources {
        hasher.write(source.as_os_str().as_encoded_bytes());
        hasher.write(&std::fs::read(&source).unwrap_or_default());
    }
    println!(
        "cargo:rustc-env=REWIRE_LLVM_SOURCES={:016x}",
        hasher.finish()
    );
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => add_files(&path, files),
            false => files.push(path),
        }
    }
}

/// What LLVM needs of other libraries is linked statically as well where that is installed: a
/// program starts sooner, and has fewer mappings. A folder with the archives alone comes first in
/// the linker's path.
fn prefer_static() {
    let Some(out) = std::env::var_os("OUT_DIR") else {
        return;
    };
    let folder = Path::new(&out).join("static");
    if std::fs::create_dir_all(&folder).is_err() {
        return;
    }
    for archive in ["libstdc++.a", "libz.a", "libzstd.a"] {
        let asked = cc::Build::new()
            .cpp(true)
            .get_compiler()
            .to_command()
            .arg(format!("-print-file-name={archive}"))
            .output();
        let Ok(output) = asked else { continue };
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let link = folder.join(archive);
        if Path::new(&path).is_absolute() && !link.exists() {
            // Without the link, the shared library serves.
            let _ = std::os::unix::fs::symlink(path, link);
        }
    }
    println!("cargo:rustc-link-search=native={}", folder.display());
}
