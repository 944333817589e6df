//! Set-up: finds what is needed outside of cargo, and installs what is missing with apt.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::error::{Error, Result};
use crate::paths;
use crate::process::{command, output_of, run, succeeds};

/// A Debian package and how to see that what it brings is there, by whatever way it came.
struct Need {
    package: &'static str,
    why: &'static str,
    there: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        package: "llvm-22-dev",
        why: "LLVM's static libraries and headers",
        there: || {
            let prefix = paths::llvm_prefix();
            prefix.join("lib/libLLVMCore.a").exists()
                && prefix.join("include/llvm/IR/Module.h").exists()
        },
    },
    Need {
        package: "llvm-22",
        why: "llvm-config, lli (the peer in benchmarks), llvm-link, llvm-nm",
        there: || {
            ["lli", "llvm-link", "llvm-nm"]
                .iter()
                .all(|tool| paths::llvm_tool(tool).is_ok())
                && llvm_config_is_22()
        },
    },
    Need {
        package: "clang-22",
        why: "compiles the corpus, and C and C++ files given to `rewire run`",
        there: || paths::llvm_tool("clang").is_ok_and(|clang| runs(&clang)),
    },
    Need {
        package: "libpolly-22-dev",
        why: "named by llvm-config among LLVM's static libraries",
        there: || paths::llvm_prefix().join("lib/libPolly.a").exists(),
    },
    Need {
        package: "libzstd-dev",
        why: "LLVM links it",
        there: || header("zstd.h") && library("libzstd.a"),
    },
    Need {
        package: "zlib1g-dev",
        why: "LLVM and MiniSat link it",
        there: || header("zlib.h") && library("libz.a"),
    },
    Need {
        package: "g++",
        why: "compiles the shim around LLVM and brings libstdc++",
        there: || runs(Path::new("g++")),
    },
    Need {
        package: "binutils",
        why: "`ld`, a peer in tests",
        there: || runs(Path::new("ld")),
    },
    Need {
        package: "valgrind",
        why: "counts the functions that a native run enters",
        there: || runs(Path::new("valgrind")),
    },
    Need {
        package: "csmith",
        why: "random C programs",
        // To ask for its version makes it write a file.
        there: || paths::on_path("csmith").is_some(),
    },
    Need {
        package: "libcsmith-dev",
        why: "what csmith's programs include",
        there: || header("csmith/csmith.h"),
    },
    Need {
        package: "gdb",
        why: "tests of debugging",
        there: || runs(Path::new("gdb")),
    },
];

/// Components of the Rust toolchain that the tests use, with the program that shows them.
const COMPONENTS: &[(&str, &str)] = &[("rustfmt", "fmt"), ("clippy", "clippy")];

/// Finds or installs all that is needed. `talk`: say so as well when nothing is missing.
pub(crate) fn ensure(talk: bool) -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    components()?;
    if talk {
        for need in NEEDS {
            println!("ok  {:<16} {}", need.package, need.why);
        }
        println!(
            "LLVM {} in {}",
            llvm_version()?,
            paths::llvm_prefix().display()
        );
        println!("all is there: `cargo build` and `cargo test` work now");
    }
    Ok(())
}

/// LLVM's version, as llvm-config says it.
pub(crate) fn llvm_version() -> Result<String> {
    let config = paths::llvm_tool("llvm-config")?;
    let said = output_of(command(config).arg("--version"))?;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

fn llvm_config_is_22() -> bool {
    llvm_version().is_ok_and(|version| version.starts_with("22."))
        // Without the variable, `llvm-sys` looks on PATH: plain `cargo build` must find it too.
        && (env::var_os("LLVM_SYS_221_PREFIX").is_some()
            || paths::on_path("llvm-config-22").is_some()
            || paths::on_path("llvm-config").is_some())
}

fn runs(program: &Path) -> bool {
    succeeds(command(program).arg("--version"))
}

fn header(name: &str) -> bool {
    ["/usr/include", "/usr/local/include"]
        .iter()
        .any(|dir| Path::new(dir).join(name).exists())
}

fn library(name: &str) -> bool {
    let triple = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    [triple.as_str(), "/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .iter()
        .any(|dir| Path::new(dir).join(name).exists())
}

/// Installs packages with apt, as root or by sudo; otherwise the error says what to type.
fn install(missing: &[&Need]) -> Result<()> {
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    for need in missing {
        eprintln!("missing: {} ({})", need.package, need.why);
    }
    if paths::on_path("apt-get").is_none() {
        return Err(Error::new("there is no apt-get here to install them with").help(format!(
            "install what these Debian packages hold with your system's own tools: {}; if LLVM 22 \
             is not in /usr/lib/llvm-22, set LLVM_SYS_221_PREFIX to its folder",
            packages.join(" ")
        )));
    }
    let update = "apt-get update";
    let install = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    let root = succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    let sudo = paths::on_path("sudo").is_some();
    let typed = match (root, sudo) {
        (true, _) => format!("{update} && {install}"),
        (false, true) => format!("sudo {update} && sudo {install}"),
        (false, false) => format!("su -c '{update} && {install}'"),
    };
    if !root && !succeeds(command("sudo").args(["-n", "true"])) {
        return Err(Error::new("installing packages needs root")
            .help(format!("type this, then try again: {typed}")));
    }
    let apt = |args: &[&str]| {
        let mut apt = if root {
            command("env")
        } else {
            command("sudo")
        };
        if !root {
            apt.args(["-n", "env"]);
        }
        apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"])
            .args(args);
        apt
    };
    run_apt(&mut apt(&["update"]), &typed)?;
    if packages.contains(&"llvm-22-dev")
        && !succeeds(command("apt-cache").args(["show", "llvm-22-dev"]))
    {
        return Err(Error::new("the archives that apt knows have no package llvm-22-dev").help(
            "on Debian 12 it is in bookworm-security; elsewhere add the source that apt.llvm.org \
             describes for version 22 of your release, then try again",
        ));
    }
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(&packages);
    run_apt(&mut apt(&args), &typed)?;
    let still: Vec<&str> = missing
        .iter()
        .filter(|need| !(need.there)())
        .map(|need| need.package)
        .collect();
    if still.is_empty() {
        forget_failed_search()
    } else {
        Err(Error::new(format!(
            "apt installed {}, but what it should bring is not where it was looked for",
            still.join(" ")
        ))
        .help("if LLVM_SYS_221_PREFIX is set, unset it or let it name the folder of LLVM 22"))
    }
}

/// Has cargo look for LLVM again: what it built of `llvm-sys` before LLVM was there says "no LLVM"
/// for ever, because cargo doesn't know that the search depends on what is installed.
fn forget_failed_search() -> Result<()> {
    for profile in ["dev", "release"] {
        run(command("cargo").args(["clean", "--quiet", "-p", "llvm-sys", "--profile", profile]))?;
    }
    Ok(())
}

fn run_apt(apt: &mut Command, typed: &str) -> Result<()> {
    run(apt).map_err(|error| {
        Error::new(format!("apt-get failed ({error})"))
            .help(format!("see what it says above, or type: {typed}"))
    })
}

/// Adds the toolchain's own components when rustup is there to add them.
fn components() -> Result<()> {
    for (component, subcommand) in COMPONENTS {
        if succeeds(command("cargo").args([subcommand, "--version"])) {
            continue;
        }
        if paths::on_path("rustup").is_none() {
            return Err(Error::new(format!("the Rust toolchain lacks {component}"))
                .help(format!("install your system's package of {component}")));
        }
        run(command("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}
