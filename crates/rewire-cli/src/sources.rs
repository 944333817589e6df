//! Has the installed compilers turn sources into bitcode that isn't optimised yet: the engine does
//! that, for each function that is called.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use rewire::{Level, OptLevel, escape_path};

use crate::color::is_coloured;
use crate::problem::Problem;
use crate::source_flags::SourceFlags;
use crate::source_language::Language;
use crate::{message, source_time, trace};

/// Where Debian's clang 22 is, by preference.
const CLANGS: [&str; 2] = ["clang-22", "/usr/lib/llvm-22/bin/clang"];

/// What compilers are told of how their bitcode will be compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceOptions<'o> {
    pub(crate) level: OptLevel,
    /// As `--cpu` has it: compilers note the processor in each function.
    pub(crate) cpu: &'o str,
    pub(crate) flags: &'o SourceFlags,
}

impl<'o> SourceOptions<'o> {
    /// For code that runs on any processor.
    pub(crate) fn baseline(level: OptLevel, flags: &'o SourceFlags) -> Self {
        Self {
            level,
            cpu: "baseline",
            flags,
        }
    }

    /// The processor's name, unless it is the compilers' own choice.
    fn cpu_name(self) -> Option<&'o str> {
        let name = self.cpu.split(',').next()?;
        (name != "baseline").then_some(name)
    }

    fn features(self) -> impl Iterator<Item = &'o str> {
        let all = self.cpu.split(',').skip(1);
        all.filter(|one| !one.is_empty())
    }
}

/// Has a source compiled to bitcode. `library` is told of the shared library that it needs.
pub(crate) fn compile(
    path: &Path,
    language: Language,
    how: SourceOptions<'_>,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<Vec<u8>, Problem> {
    let compiler = match language {
        Language::C | Language::Cxx => "clang",
        Language::Rust => "rustc",
    };
    trace::timed(
        || format!("{compiler} {}", escape_path(path)),
        || match language {
            Language::C | Language::Cxx => clang(path, language, how),
            Language::Rust => rust(path, how, library),
        },
    )
}

/// The number of a level of which the engine's passes are a part; none where it has none.
fn passes(level: OptLevel) -> Option<&'static str> {
    match level {
        OptLevel::Auto | OptLevel::Fixed(Level::O0) => None,
        OptLevel::Fixed(Level::O1) => Some("1"),
        OptLevel::Fixed(Level::O2) => Some("2"),
        OptLevel::Fixed(Level::O3) => Some("3"),
    }
}

fn clang(path: &Path, language: Language, how: SourceOptions<'_>) -> Result<Vec<u8>, Problem> {
    let mut arguments: Vec<OsString> = match passes(how.level) {
        None => vec!["-O0".into()],
        Some(level) => vec![
            format!("-O{level}").into(),
            "-Xclang".into(),
            "-disable-llvm-passes".into(),
        ],
    };
    arguments.extend(common_arguments(language, how)?);
    arguments.extend(["-c", "-emit-llvm", "-o", "-"].map(OsString::from));
    arguments.push(as_file(path).into());
    run_clang(path, &arguments)
}

/// Returns what a C or C++ source includes, as a rule for make(1).
pub(crate) fn dependencies(
    path: &Path,
    language: Language,
    how: SourceOptions<'_>,
) -> Result<String, Problem> {
    let mut arguments = common_arguments(language, how)?;
    arguments.push("-MM".into());
    // The compiler has warned when it compiled.
    arguments.push("-w".into());
    arguments.push(as_file(path).into());
    Ok(String::from_utf8_lossy(&run_clang(path, &arguments)?).into_owned())
}

/// The arguments of clang that say how it reads a source.
fn common_arguments(language: Language, how: SourceOptions<'_>) -> Result<Vec<OsString>, Problem> {
    let mut arguments = Vec::new();
    if let Some(name) = how.cpu_name() {
        let name = if name == "host" { "native" } else { name };
        arguments.push(format!("-march={name}").into());
    }
    for feature in how.features() {
        arguments.extend(["-Xclang", "-target-feature", "-Xclang", feature].map(OsString::from));
    }
    arguments.extend(how.flags.arguments(language)?);
    let colour = if is_coloured(io::stderr().is_terminal()) {
        "-fcolor-diagnostics"
    } else {
        "-fno-color-diagnostics"
    };
    let name = match language {
        Language::Cxx => "c++",
        _ => "c",
    };
    arguments.extend([colour, "-x", name].map(OsString::from));
    Ok(arguments)
}

/// Returns what clang writes to standard output.
fn run_clang(path: &Path, arguments: &[OsString]) -> Result<Vec<u8>, Problem> {
    for clang in CLANGS {
        if let Some(output) = run(clang, arguments)? {
            return taken(path, clang, output);
        }
    }
    Err(Problem::Source {
        what: format!("{}: there is no clang 22 to compile it", escape_path(path)),
        help: Some("apt install clang-22".to_owned()),
    })
}

/// Has rustc compile a program of one file, and loads the shared library that it is for.
fn rust(
    path: &Path,
    how: SourceOptions<'_>,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<Vec<u8>, Problem> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = run(&rustc, &["--print".into(), "target-libdir".into()])?;
    let Some(folder) = folder.filter(|output| output.status.success()) else {
        return Err(Problem::Source {
            what: format!("{}: there is no rustc to compile it", escape_path(path)),
            help: Some("install Rust (https://rustup.rs), or set RUSTC".to_owned()),
        });
    };
    let folder = PathBuf::from(String::from_utf8_lossy(&folder.stdout).trim());
    let mut arguments: Vec<OsString> = [
        "--edition=2024",
        "--crate-type=bin",
        "--emit=llvm-bc",
        "-Cprefer-dynamic",
        "-Ccodegen-units=1",
        "-o",
        "-",
    ]
    .map(OsString::from)
    .into();
    if let Some(name) = how.cpu_name() {
        let name = if name == "host" { "native" } else { name };
        arguments.push(format!("-Ctarget-cpu={name}").into());
    }
    for feature in how.features() {
        arguments.push(format!("-Ctarget-feature={feature}").into());
    }
    match passes(how.level) {
        None => arguments.push("-Copt-level=0".into()),
        Some(level) => {
            arguments.push(format!("-Copt-level={level}").into());
            arguments.push("-Cno-prepopulate-passes".into());
        }
    }
    if is_coloured(io::stderr().is_terminal()) {
        arguments.push("--color=always".into());
    }
    arguments.extend(how.flags.arguments(Language::Rust)?);
    arguments.push(as_file(path).into());
    let output = run(&rustc, &arguments)?.ok_or_else(|| Problem::Source {
        what: format!(
            "{}: there is no rustc any more to compile it",
            escape_path(path)
        ),
        help: Some("install Rust (https://rustup.rs), or set RUSTC".to_owned()),
    })?;
    let bytes = taken(path, "rustc", output)?;
    let standard = standard_library(&folder).ok_or_else(|| Problem::Source {
        what: format!("there is no libstd-*.so in {}", escape_path(&folder)),
        help: Some("install the component rust-std for this machine".to_owned()),
    })?;
    library(&standard)?;
    Ok(bytes)
}

/// Rust's standard library in its folder; its name has a hash.
fn standard_library(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".so")
    })
}

/// Runs a compiler; `None` if there is none of that name.
fn run(compiler: impl Into<OsString>, arguments: &[OsString]) -> Result<Option<Output>, Problem> {
    let compiler = compiler.into();
    let begin = Instant::now();
    let output = Command::new(&compiler)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    source_time::add(begin.elapsed());
    match output {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::Source {
            what: format!("cannot run {}: {error}", escape_path(compiler.as_ref())),
            help: Some("check that this user may run it".to_owned()),
        }),
    }
}

/// What a compiler wrote. Its warnings go to the user.
fn taken(path: &Path, compiler: &str, output: Output) -> Result<Vec<u8>, Problem> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        message::say_coloured(&said);
        return Ok(output.stdout);
    }
    Err(Problem::Refused {
        what: format!("{}: {compiler} refused it", escape_path(path)),
        said: said.into_owned(),
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
