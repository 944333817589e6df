//! Compiles the C++ shim with the flags of the LLVM that llvm-sys links.

use std::path::Path;
use std::process::Command;

const SOURCES: [&str; 4] = ["index.cpp", "company.cpp", "extract.cpp", "codegen.cpp"];

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
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
}
