//! Object files as units.

use std::path::Path;
use std::sync::Arc;

use rewire_llvm::Source;

use super::engine::Engine;
use super::library::{Library, read_file};
use crate::base::error::Error;
use crate::base::ids::UnitId;

impl Library {
    /// Adds an object file: a relocatable ELF object for x86-64, as gcc, clang, rustc and
    /// assemblers write it. Error messages call the unit `name`. Its names are elected, looked up,
    /// replaced and removed like those of IR.
    ///
    /// Nothing is linked yet. The object is linked as a whole when a name that it defines is first
    /// needed, or, if it has constructors, when the library's code is about to run. What the object
    /// only calls is looked up when it is called.
    ///
    /// Calls of its global functions follow a replacement: those from outside always; those within
    /// the object unless the compiler inlined the function, or gcc compiled the object without
    /// `-fPIC`. In the latter case a caller may rely on what the function's body does to registers
    /// (gcc's option `-fipa-ra`, which is on when it optimises), so it goes on calling that body.
    /// Calls of static functions don't follow. When the unit is removed, its static variables and
    /// constants leave with it.
    ///
    /// What lies in front of a function's first instruction (LLVM's prefix data) can't be reached
    /// through the function's address.
    ///
    /// ```no_run
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// engine.add_object("shapes.o", std::fs::read("shapes.o").unwrap())?;
    /// // SAFETY: it has this type.
    /// let area = unsafe { engine.main().function::<extern "C" fn(f64) -> f64>("area")? };
    /// assert_eq!(area(2.0), 4.0);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes aren't such an object, or something in it isn't supported: `Error::Object` names
    /// the section or symbol. It defines a name that the library defines already
    /// ([`Error::Duplicate`]), or one that another thread is changing ([`Error::Changing`]). On an
    /// error, nothing has been added. What can't be linked (a variable that nothing defines, a
    /// relocation that doesn't fit) is an error of whichever operation links the object.
    pub fn add_object(&self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<UnitId, Error> {
        let source = Source::object(name, bytes);
        self.add(|_| Ok(source), false)
    }

    /// As [`Library::add_object`], of a file. The file is read, not mapped, because compilers
    /// rewrite files in place.
    ///
    /// # Errors
    ///
    /// As [`Library::add_object`], or the file can't be read ([`Error::Read`]).
    pub fn add_object_file(&self, path: &Path) -> Result<UnitId, Error> {
        self.add(
            |core| {
                let file = read_file(core, path)?;
                Ok(Source::object(file.name, file.bytes))
            },
            false,
        )
    }
}

impl Engine {
    /// Adds an object file to the main library: see [`Library::add_object`].
    ///
    /// # Errors
    ///
    /// As [`Library::add_object`].
    pub fn add_object(&self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<UnitId, Error> {
        self.main().add_object(name, bytes)
    }

    /// Adds an object file to the main library: see [`Library::add_object_file`].
    ///
    /// # Errors
    ///
    /// As [`Library::add_object_file`].
    pub fn add_object_file(&self, path: &Path) -> Result<UnitId, Error> {
        self.main().add_object_file(path)
    }
}
