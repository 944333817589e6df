//! What each FILE is, and how it becomes IR.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rewire::{Engine, Error, Level, OptLevel};

use crate::trace;

/// Whether what a file defines may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Replaceable,
    Frozen,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ir,
    C,
    SharedLibrary,
    /// Something that rewire will take, but doesn't take yet.
    Absent(&'static str),
}

/// Why a file could not be loaded.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is bad input.
    Bad(Error),
    /// Clang refused it, or there is no clang.
    Source { what: String, help: Option<String> },
    /// Its kind is not there yet.
    Absent(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

/// Loads one FILE of the command line; what to do with a shared library is for the caller to say.
pub(crate) fn load(
    engine: &Engine,
    path: &Path,
    level: OptLevel,
    fate: Fate,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let add_ir = |name: &str, bytes: &[u8]| match fate {
        Fate::Replaceable => engine.add_ir(name, bytes),
        Fate::Frozen => engine.add_ir_frozen(name, bytes),
    };
    if path.as_os_str() == "-" {
        add_ir("standard input", &read_all(io::stdin().lock(), path)?)?;
        return Ok(());
    }
    let kind = kind(path)?;
    let is_empty = std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0);
    if is_empty && path.extension().is_none_or(|extension| extension != "ll") {
        return Err(Problem::Source {
            what: format!("{}: the file is empty", path.display()),
            help: None,
        });
    }
    match kind {
        Kind::Ir => {
            match fate {
                Fate::Replaceable => engine.add_file(path),
                Fate::Frozen => engine.add_file_frozen(path),
            }?;
        }
        Kind::C => {
            let bytes = trace::timed(
                || format!("clang {}", path.display()),
                || compile_c(path, level),
            )?;
            add_ir(&path.to_string_lossy(), &bytes)?;
        }
        Kind::SharedLibrary => {
            // The loader searches its own path for names without a slash.
            let here = if path.components().count() == 1 {
                Path::new(".").join(path)
            } else {
                path.to_owned()
            };
            library(&here)?;
        }
        Kind::Absent(what) => {
            return Err(Problem::Absent(format!("{}: {what}", path.display())));
        }
    }
    Ok(())
}

fn read_all(mut from: impl Read, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes)
}

/// By extension, else by magic number.
fn kind(path: &Path) -> Result<Kind, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains(".so.") {
        return Ok(Kind::SharedLibrary);
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    Ok(match &*extension {
        "bc" | "ll" => Kind::Ir,
        "c" => Kind::C,
        "so" => Kind::SharedLibrary,
        "o" => Kind::Absent("object files are not there yet"),
        "a" => Kind::Absent("archives are not there yet"),
        "cc" | "cpp" | "cxx" | "C" => Kind::Absent("C++ sources are not there yet"),
        "rs" => Kind::Absent("Rust sources are not there yet"),
        _ => by_magic(path)?,
    })
}

fn by_magic(path: &Path) -> Result<Kind, Error> {
    let unreadable = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut start = [0; 18];
    let mut file = File::open(path).map_err(unreadable)?;
    let mut filled = 0;
    while filled < start.len() {
        match file.read(&mut start[filled..]).map_err(unreadable)? {
            0 => break,
            more => filled += more,
        }
    }
    const SHARED_OBJECT: u8 = 3;
    Ok(
        if start.starts_with(b"\x7fELF") && start[16] == SHARED_OBJECT {
            Kind::SharedLibrary
        } else if start.starts_with(b"\x7fELF") {
            Kind::Absent("object files are not there yet")
        } else if start.starts_with(b"!<arch>\n") {
            Kind::Absent("archives are not there yet")
        } else {
            Kind::Ir
        },
    )
}

/// Where Debian's clang 22 is, by preference.
const CLANGS: [&str; 2] = ["clang-22", "/usr/lib/llvm-22/bin/clang"];

/// Has clang turn a source into bitcode that isn't optimised yet: the engine does that, for
/// each function that is called.
fn compile_c(path: &Path, level: OptLevel) -> Result<Vec<u8>, Problem> {
    let flags: &[&str] = match level {
        OptLevel::Auto | OptLevel::Fixed(Level::O0) => &["-O0"],
        _ => &["-O2", "-Xclang", "-disable-llvm-passes"],
    };
    for clang in CLANGS {
        let child = Command::new(clang)
            .args(flags)
            .args(["-c", "-emit-llvm", "-o", "-", "-x", "c"])
            .arg(as_file(path))
            .stdin(Stdio::null())
            .arg(if io::stderr().is_terminal() {
                "-fcolor-diagnostics"
            } else {
                "-fno-color-diagnostics"
            })
            .output();
        let output = match child {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Problem::Source {
                    what: format!("cannot run {clang}: {error}"),
                    help: None,
                });
            }
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(Problem::Source {
                what: format!("{}: clang refused it\n{}", path.display(), said.trim_end()),
                help: None,
            });
        }
        eprint!("{said}");
        return Ok(output.stdout);
    }
    Err(Problem::Source {
        what: format!("{}: there is no clang 22 to compile it", path.display()),
        help: Some("apt install clang-22".to_owned()),
    })
}

/// A path that no program takes for an option.
fn as_file(path: &Path) -> PathBuf {
    if path.is_absolute() {
        path.to_owned()
    } else {
        Path::new(".").join(path)
    }
}
