//! What each FILE is, and how it becomes IR.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rewire::{Engine, Error, OptLevel};

use crate::problem::Problem;
use crate::source_language::Language;
use crate::sources;

/// Whether what a file defines may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Replaceable,
    Frozen,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Ir,
    Source(Language),
    SharedLibrary,
    /// Something that rewire will take, but doesn't take yet.
    Absent(&'static str),
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
    match recognise(path)? {
        FileKind::Ir => {
            match fate {
                Fate::Replaceable => engine.add_file(path),
                Fate::Frozen => engine.add_file_frozen(path),
            }?;
        }
        kind => {
            if let Some(bytes) = ir_of(path, kind, level, library)? {
                add_ir(&path.to_string_lossy(), &bytes)?;
            }
        }
    }
    Ok(())
}

/// Reads one file as IR, which is what a compiler makes of it if it is a source; `None` if it is a
/// shared library, which `library` is given.
pub(crate) fn read(
    path: &Path,
    level: OptLevel,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<Option<Vec<u8>>, Problem> {
    let kind = recognise(path)?;
    ir_of(path, kind, level, library)
}

fn ir_of(
    path: &Path,
    kind: FileKind,
    level: OptLevel,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<Option<Vec<u8>>, Problem> {
    match kind {
        FileKind::Ir => {
            let file = File::open(path).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
            Ok(Some(read_all(file, path)?))
        }
        FileKind::Source(language) => Ok(Some(sources::compile(path, language, level, library)?)),
        FileKind::SharedLibrary => {
            // The loader searches its own path for names without a slash.
            let here = if path.components().count() == 1 {
                Path::new(".").join(path)
            } else {
                path.to_owned()
            };
            library(&here)?;
            Ok(None)
        }
        FileKind::Absent(what) => Err(Problem::Usage(format!("{}: {what}", path.display()))),
    }
}

/// What a file is. An empty one is no IR, unless it says that it is text; to a compiler it is a
/// source like any other.
fn recognise(path: &Path) -> Result<FileKind, Problem> {
    let kind = kind(path)?;
    let is_empty = std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0);
    let is_source = matches!(kind, FileKind::Source(_));
    if is_empty && !is_source && path.extension().is_none_or(|extension| extension != "ll") {
        return Err(Problem::Source {
            what: format!("{}: the file is empty", path.display()),
            help: None,
        });
    }
    Ok(kind)
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
fn kind(path: &Path) -> Result<FileKind, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains(".so.") {
        return Ok(FileKind::SharedLibrary);
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    Ok(match &*extension {
        "bc" | "ll" => FileKind::Ir,
        "c" => FileKind::Source(Language::C),
        "cc" | "cpp" | "cxx" | "C" => FileKind::Source(Language::Cxx),
        "rs" => FileKind::Source(Language::Rust),
        "so" => FileKind::SharedLibrary,
        "o" => FileKind::Absent("object files are not there yet"),
        "a" => FileKind::Absent("archives are not there yet"),
        _ => by_magic(path)?,
    })
}

fn by_magic(path: &Path) -> Result<FileKind, Error> {
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
            FileKind::SharedLibrary
        } else if start.starts_with(b"\x7fELF") {
            FileKind::Absent("object files are not there yet")
        } else if start.starts_with(b"!<arch>\n") {
            FileKind::Absent("archives are not there yet")
        } else {
            FileKind::Ir
        },
    )
}
