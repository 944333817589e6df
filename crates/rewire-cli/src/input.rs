//! What each FILE is, and how it becomes IR.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rewire::{Engine, Error, escape_path};

use crate::problem::Problem;
use crate::source_language::Language;
use crate::sources::{self, SourceOptions};

/// Whether what a file defines may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Replaceable,
    Frozen,
    /// It defines nothing: its bodies may be inlined, and its code is elsewhere.
    Described,
}

/// What a file is, if it isn't IR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Source(Language),
    SharedLibrary,
    Object,
    /// Something that rewire will take, but doesn't take yet: what such files are called.
    Absent(&'static str),
}

/// Loads one FILE of the command line; what to do with a shared library is for the caller to say.
pub(crate) fn load(
    engine: &Engine,
    path: &Path,
    how: SourceOptions<'_>,
    fate: Fate,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let found = match path.as_os_str() == "-" {
        true => from_stream(io::stdin().lock(), path, "standard input".to_owned())?,
        false => recognise(path)?,
    };
    match (found, fate) {
        (Found::IrFile, Fate::Replaceable) => engine.add_file(path).map(drop)?,
        (Found::IrFile, Fate::Frozen) => engine.add_file_frozen(path).map(drop)?,
        (Found::IrFile, Fate::Described) => engine.main().inline_from_file(path)?,
        (Found::Ir { name, bytes }, _) => add_ir(engine, fate, &name, &bytes)?,
        (Found::Object(object), Fate::Replaceable) => match object {
            None => engine.add_object_file(path).map(drop)?,
            Some((name, bytes)) => engine.add_object(&name, bytes).map(drop)?,
        },
        (Found::Object(_), _) => return Err(needs_ir(path)),
        (Found::Other(kind), _) => match ir_of(path, kind, how, library)? {
            Some(bytes) => add_ir(engine, fate, &escape_path(path), &bytes)?,
            None => return Ok(()),
        },
    }
    Ok(())
}

fn add_ir(engine: &Engine, fate: Fate, name: &str, bytes: &[u8]) -> Result<(), Error> {
    match fate {
        Fate::Replaceable => engine.add_ir(name, bytes).map(drop),
        Fate::Frozen => engine.add_ir_frozen(name, bytes).map(drop),
        Fate::Described => engine.main().inline_from(name, bytes),
    }
}

/// Reads one file as IR, which is what a compiler makes of it if it is a source; `None` if it is a
/// shared library, which `library` is given.
pub(crate) fn read(
    path: &Path,
    how: SourceOptions<'_>,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<Option<Vec<u8>>, Problem> {
    match recognise(path)? {
        Found::IrFile => {
            let file = File::open(path).map_err(|source| unreadable(path, source))?;
            Ok(Some(read_all(file, path)?))
        }
        Found::Ir { bytes, .. } => Ok(Some(bytes)),
        Found::Object(_) => Err(needs_ir(path)),
        Found::Other(kind) => ir_of(path, kind, how, library),
    }
}

/// The language of a source, by its extension.
pub(crate) fn language_of(path: &Path) -> Option<Language> {
    match by_extension(path) {
        Some(FileKind::Source(language)) => Some(language),
        _ => None,
    }
}

fn needs_ir(path: &Path) -> Problem {
    Problem::usage(
        format!("{}: an object file has no IR", escape_path(path)),
        "give LLVM IR, which `clang -c -emit-llvm` makes, or a source",
    )
}

/// What becomes IR, if it isn't IR.
fn ir_of(
    path: &Path,
    kind: FileKind,
    how: SourceOptions<'_>,
    library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<Option<Vec<u8>>, Problem> {
    match kind {
        FileKind::Source(language) => Ok(Some(sources::compile(path, language, how, library)?)),
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
        FileKind::Object => Err(needs_ir(path)),
        FileKind::Absent(what) => Err(Problem::usage(
            format!("{}: {what} are not there yet", escape_path(path)),
            "give LLVM IR, which `clang -c -emit-llvm` makes, or a source",
        )),
    }
}

/// A file that was looked at.
enum Found {
    /// IR in a file that can be read again.
    IrFile,
    /// IR from a pipe, which can be read once.
    Ir { name: String, bytes: Vec<u8> },
    /// An object file; from a pipe, its name in messages and its bytes.
    Object(Option<(String, Vec<u8>)>),
    /// Something else.
    Other(FileKind),
}

/// What a file is: by its content, if that tells, else by its extension. An empty one is no IR,
/// unless it says that it is text; to a compiler it is a source like any other.
fn recognise(path: &Path) -> Result<Found, Problem> {
    let by_name = by_extension(path);
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    let about = file.metadata().map_err(|source| unreadable(path, source))?;
    if !about.is_file() {
        return match by_name {
            // Whoever reads it finds all of it.
            Some(kind @ FileKind::Source(_)) => Ok(Found::Other(kind)),
            _ if about.is_dir() => {
                let error = io::Error::from(io::ErrorKind::IsADirectory);
                Err(unreadable(path, error).into())
            }
            _ => from_stream(file, path, escape_path(path)),
        };
    }
    let mut start = [0; MAGIC];
    let length = read_start(&file, &mut start).map_err(|source| unreadable(path, source))?;
    match (by_content(&start[..length]), by_name) {
        (Some(Content::Bitcode), _) => Ok(Found::IrFile),
        (Some(Content::Other(FileKind::Object)), _) => Ok(Found::Object(None)),
        (Some(Content::Other(kind)), _) => Ok(Found::Other(kind)),
        (None, Some(FileKind::Object)) if length > 0 => Ok(Found::Object(None)),
        (None, Some(kind)) if length > 0 || matches!(kind, FileKind::Source(_)) => {
            Ok(Found::Other(kind))
        }
        (None, _) if length > 0 || path.extension().is_some_and(|it| it == "ll") => {
            Ok(Found::IrFile)
        }
        (None, _) => Err(Problem::Source {
            what: format!("{}: the file is empty", escape_path(path)),
            help: Some("give LLVM IR, which `clang -c -emit-llvm` makes, or a source".to_owned()),
        }),
    }
}

/// What comes from a pipe, which has no extension to go by.
fn from_stream(from: impl Read, path: &Path, name: String) -> Result<Found, Problem> {
    let bytes = read_all(from, path)?;
    Ok(match by_content(&bytes) {
        Some(Content::Other(FileKind::SharedLibrary)) => {
            return Err(Problem::Source {
                what: format!("{name}: a shared library can't be read from a pipe"),
                help: Some("give the file that it is in".to_owned()),
            });
        }
        Some(Content::Other(FileKind::Object)) => Found::Object(Some((name, bytes))),
        Some(Content::Other(kind)) => Found::Other(kind),
        Some(Content::Bitcode) | None => Found::Ir { name, bytes },
    })
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        source: source.into(),
    }
}

/// The first bytes of a file, and how many there are.
fn read_start(file: &File, start: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < start.len() {
        match file.read_at(&mut start[filled..], filled as u64)? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

fn read_all(mut from: impl Read, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = from.read_to_end(&mut bytes);
    read.map_err(|source| unreadable(path, source))?;
    Ok(bytes)
}

/// What an extension says; `None` if nothing, or that it is IR.
fn by_extension(path: &Path) -> Option<FileKind> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains(".so.") {
        return Some(FileKind::SharedLibrary);
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    Some(match &*extension {
        "c" => FileKind::Source(Language::C),
        "cc" | "cpp" | "cxx" | "C" => FileKind::Source(Language::Cxx),
        "rs" => FileKind::Source(Language::Rust),
        "so" => FileKind::SharedLibrary,
        "o" => FileKind::Object,
        "a" => FileKind::Absent(ARCHIVES),
        _ => return None,
    })
}

const ARCHIVES: &str = "archives";

/// What the first bytes of a file tell.
enum Content {
    Bitcode,
    Other(FileKind),
}

/// How many bytes [`by_content`] has to see: an ELF header as far as its type (`e_type`).
const MAGIC: usize = 18;

/// By magic number: LLVM Bitcode File Format, "Magic Numbers" and "Wrapper Magic Number"; ELF,
/// "ELF Header"; ar(5). `None` for text, and for what isn't known.
fn by_content(start: &[u8]) -> Option<Content> {
    const RELOCATABLE: u8 = 1;
    const EXECUTABLE: u8 = 2;
    const SHARED_OBJECT: u8 = 3;
    let other = match start {
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => {
            return Some(Content::Bitcode);
        }
        // The loader says what is wrong with an executable.
        [0x7f, b'E', b'L', b'F', ..] => match *start.get(16)? {
            RELOCATABLE => FileKind::Object,
            EXECUTABLE | SHARED_OBJECT => FileKind::SharedLibrary,
            _ => return None,
        },
        _ if start.starts_with(b"!<arch>\n") || start.starts_with(b"!<thin>\n") => {
            FileKind::Absent(ARCHIVES)
        }
        _ => return None,
    };
    Some(Content::Other(other))
}
