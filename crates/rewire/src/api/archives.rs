//! Archives, whose members are units that are added when they are needed.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rewire_llvm::{Linkage, Source};
use rewire_object::{ArchiveContents, ArchiveMember, ObjectError, read_archive};
use rewire_sync::OnceLock;
use rustc_hash::FxHashSet;

use super::library::{Library, read_file};
use crate::base::error::Error;
use crate::base::escape::escape_path;
use crate::base::file_bytes;
use crate::base::ids::UnitId;
use crate::core::Core;
use crate::core::observations::ObservedLoading;
use crate::host::fork_lock;
use crate::ledger::unit::UnitPlace;
use crate::ledger::{Standing, Want};

/// An archive (`ar`) of object files and bitcode, regular or thin. Clones share it; it may be used
/// on any thread, and for several libraries.
///
/// Reading it adds nothing: see [`Library::add_archive`].
#[derive(Clone)]
pub struct Archive(Arc<ArchiveData>);

struct ArchiveData {
    name: Arc<str>,
    /// Where members of a thin archive are searched for.
    folder: Option<PathBuf>,
    bytes: Arc<[u8]>,
    contents: ArchiveContents,
    /// The names that members define, each with the member's index, once they were needed.
    defined: OnceLock<Vec<(String, usize)>>,
}

/// How object files begin (gABI, "ELF Identification").
const ELF: &[u8] = b"\x7fELF";

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Archive").field(&self.0.name).finish()
    }
}

impl Archive {
    /// Reads an archive's headers and its table of names. Messages call it `name`. Members of a
    /// thin archive aren't in its bytes: use [`Archive::open`].
    ///
    /// # Errors
    ///
    /// The bytes are no archive, or it is damaged ([`Error::Object`]).
    pub fn new(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self, Error> {
        Self::read(name.into(), bytes.into(), None)
    }

    /// Reads an archive from a file. The members of a thin archive are files, searched for beside
    /// it when they are added.
    ///
    /// # Errors
    ///
    /// As [`Archive::new`], or the file can't be read ([`Error::Read`]).
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = file_bytes::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source: source.into(),
        })?;
        let folder = path.parent().map(Path::to_owned);
        Self::read(escape_path(path).into(), bytes, folder)
    }

    fn read(name: Arc<str>, bytes: Arc<[u8]>, folder: Option<PathBuf>) -> Result<Self, Error> {
        let contents = read_archive(&name, &bytes)?;
        Ok(Self(Arc::new(ArchiveData {
            name,
            folder,
            bytes,
            contents,
            defined: OnceLock::new(),
        })))
    }

    /// Returns the names of the members, in their order. Several may have one name.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.0.contents.members.iter().map(|one| &*one.name)
    }
}

impl ArchiveData {
    /// Returns a member as the source of a unit; `None` if it is neither an object file nor
    /// bitcode.
    fn source(&self, core: &Core, member: &ArchiveMember) -> Result<Option<Source>, Error> {
        let (name, bytes): (String, Arc<[u8]>) = match (&member.bytes, &self.folder) {
            (Some(range), _) => (
                format!("{}({})", self.name, member.name),
                self.bytes.get(range.clone()).unwrap_or_default().into(),
            ),
            (None, Some(folder)) => {
                let file = read_file(core, &folder.join(&member.name))?;
                (file.name.to_string(), file.bytes)
            }
            (None, None) => {
                return Err(Error::Object(ObjectError::Format {
                    object: self.name.clone(),
                    reason: format!(
                        "the archive is thin, and it isn't known where {} is",
                        member.name
                    ),
                }));
            }
        };
        if bytes.starts_with(ELF) {
            return Ok(Some(Source::object(name, bytes)));
        }
        let source = Source::new(name, bytes);
        Ok(source.is_bitcode().then_some(source))
    }

    /// Returns the names that members define, in the order in which a linker looks at them: the
    /// archive's own table, then what that lacks, because not all archivers know bitcode.
    fn defined(&self, core: &Core) -> Result<&[(String, usize)], Error> {
        if let Some(known) = self.defined.get() {
            return Ok(known);
        }
        let listed = self.contents.symbols.as_ref();
        let mut defined = listed.cloned().unwrap_or_default();
        let known: FxHashSet<(String, usize)> = defined.iter().cloned().collect();
        for (place, member) in self.contents.members.iter().enumerate() {
            let is_object = |range: &Range<usize>| self.bytes[range.clone()].starts_with(ELF);
            if listed.is_some() && member.bytes.as_ref().is_some_and(is_object) {
                continue;
            }
            let Some(source) = self.source(core, member)? else {
                continue;
            };
            if listed.is_some() && source.is_object() {
                continue;
            }
            let (_, index) = core.read(&source)?;
            let globals = index.globals.iter();
            let globals = globals.filter(|one| one.is_definition && !one.is_local());
            let names = globals.map(|one| (one.name.to_string(), place));
            defined.extend(names.filter(|one| !known.contains(one)));
        }
        Ok(self.defined.get_or_init(|| defined))
    }

    /// Whether a member gives a name memory with a value, rather than common memory.
    fn has_value(&self, core: &Core, member: usize, name: &str) -> Result<bool, Error> {
        let Some(source) = self.source(core, &self.contents.members[member])? else {
            return Ok(false);
        };
        let (_, index) = core.read(&source)?;
        let mut globals = index.globals.iter();
        Ok(globals
            .any(|one| &*one.name == name && one.is_definition && one.linkage != Linkage::Common))
    }
}

impl Library {
    /// Adds those members of an archive that the library needs, as GNU ld picks them: a member that
    /// defines a name which a unit of the library uses and nothing defines (a weak use doesn't
    /// count), or which has common memory so far; then what these members need in turn. Returns the
    /// units that were added.
    ///
    /// What counts is what units name, never what is called. A later unit may need more of the
    /// archive: add it again.
    ///
    /// ```no_run
    /// use rewire::{Archive, Engine, Options};
    ///
    /// let engine = Engine::new(Options::default())?;
    /// engine.main().add_object_file("main.o".as_ref())?;
    /// let archive = Archive::open("libshapes.a".as_ref())?;
    /// engine.main().add_archive(&archive)?;
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Library::add_object`] and [`Library::add_ir`], of a member, which the error names as
    /// `libshapes.a(circle.o)`. Members that were added before it stay.
    pub fn add_archive(&self, archive: &Archive) -> Result<Vec<UnitId>, Error> {
        let _no_fork = fork_lock::enter_engine();
        let archive = &archive.0;
        let defined = archive.defined(&self.core)?;
        let mut is_taken = vec![false; archive.contents.members.len()];
        let mut added = Vec::new();
        loop {
            let before = added.len();
            for (name, member) in defined {
                if is_taken[*member] {
                    continue;
                }
                let want = self.core.ledger().want(self.id, name);
                let is_wanted = match want {
                    Want::Nothing => false,
                    Want::Definition => true,
                    Want::Value => archive.has_value(&self.core, *member, name)?,
                };
                if is_wanted {
                    is_taken[*member] = true;
                    added.extend(self.add_member(archive, *member)?);
                }
            }
            if added.len() == before {
                return Ok(added);
            }
        }
    }

    /// Adds all members of an archive, needed or not (`--whole-archive`), except those that are
    /// neither object files nor bitcode. Returns the units that were added.
    ///
    /// # Errors
    ///
    /// As [`Library::add_archive`].
    pub fn add_whole_archive(&self, archive: &Archive) -> Result<Vec<UnitId>, Error> {
        let _no_fork = fork_lock::enter_engine();
        let mut added = Vec::new();
        for member in 0..archive.0.contents.members.len() {
            added.extend(self.add_member(&archive.0, member)?);
        }
        Ok(added)
    }

    fn add_member(&self, archive: &ArchiveData, member: usize) -> Result<Option<UnitId>, Error> {
        if !self.core.ledger().is_library(self.id) {
            return Err(Error::NoLibrary);
        }
        let loading = ObservedLoading::begin(&self.core);
        let Some(source) = archive.source(&self.core, &archive.contents.members[member])? else {
            return Ok(None);
        };
        let place = UnitPlace {
            library: self.id,
            is_frozen: false,
            standing: Standing::UntilRemoved,
        };
        Ok(Some(self.core.add(source, place, loading)?.number()))
    }
}
