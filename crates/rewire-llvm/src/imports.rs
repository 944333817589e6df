//! Definitions of one module that functions extracted from another may hold copies of.

use std::ptr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use libc::{c_char, c_void};

use crate::ffi;
use crate::module::Module;
use crate::ordinal::Ordinal;

/// A definition as bitcode, which can be read in any context.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The bitcode.
    pub bitcode: Arc<[u8]>,
    /// The ordinals, in its module, of all globals that it names, itself included.
    pub references: Vec<Ordinal>,
}

impl Module {
    /// A function's body, or a constant's value, to be copied into code of other modules; with the
    /// values of the constants that it names. `None` if it mustn't be copied, or has more than
    /// `most` instructions. Costs what the definition costs, whatever the size of the module.
    #[must_use]
    pub fn export(
        &mut self,
        definition: Ordinal,
        states: &[AtomicU8],
        most: usize,
    ) -> Option<Exported> {
        assert_eq!(states.len(), self.len(), "a state for each global");
        assert!(definition.index() < self.len());
        let mut exported = None;
        // SAFETY: the index is valid, and there is a state for each of its globals; the callback
        // writes through the pointer that goes with it.
        let is_exported = unsafe {
            let data: *mut Option<Exported> = &raw mut exported;
            ffi::rewire_export(
                self.index_mut(),
                definition.index(),
                states.as_ptr().cast(),
                most,
                keep_exported,
                data.cast(),
            )
        };
        self.take_diagnostics();
        exported.filter(|_| is_exported)
    }
}

extern "C" fn keep_exported(
    data: *mut c_void,
    bitcode: *const c_char,
    length: usize,
    references: *const u32,
    count: usize,
) {
    // SAFETY: the shim passes slices that stay until this returns; `export` passes its variable.
    unsafe {
        let references = match count {
            0 => &[][..],
            _ => slice::from_raw_parts(references, count),
        };
        *data.cast::<Option<Exported>>() = Some(Exported {
            bitcode: slice::from_raw_parts(bitcode.cast::<u8>(), length).into(),
            references: references.iter().map(|one| Ordinal::new(*one)).collect(),
        });
    }
}

/// What a global that an imported definition names is in the extracted module.
#[derive(Clone, Debug)]
pub struct ImportedName {
    /// Its ordinal in the module that the definition comes from.
    pub ordinal: Ordinal,
    /// Its ordinal in the module that is extracted from; or, with a name, a number of the client's
    /// that is greater than those, the same for the same global.
    pub number: Ordinal,
    /// The name of its symbol, if the module that is extracted from doesn't have the global.
    pub name: Option<Arc<str>>,
    /// Whether it lies in the engine's memory, whatever becomes of its name.
    pub is_near: bool,
    /// Whether its value in the definition's module is the one in force, so that it may be folded.
    pub is_current: bool,
    /// Whether nothing else can name it. It has to be a constant whose address doesn't matter, and
    /// the extracted module gets a copy.
    pub is_private: bool,
}

/// A definition of another module.
#[derive(Clone, Debug)]
pub struct Import {
    /// As [`Module::export`] returned it.
    pub bitcode: Arc<[u8]>,
    /// The definition's ordinal in its module.
    pub ordinal: Ordinal,
    /// The number by which [`Codegen::inlined`](crate::Codegen::inlined) and
    /// [`Extracted::folds`](crate::Extracted::folds) tell of a copy.
    pub number: Ordinal,
    /// All globals that it names.
    pub names: Vec<ImportedName>,
}

/// Who knows the definitions of other modules.
pub trait ImportSource {
    /// Returns what a global stands for, if that may be copied and has at most so many
    /// instructions. `number` is the ordinal of a global that the module which is extracted from
    /// declares, or the number of an [`ImportedName`].
    fn find(&mut self, number: Ordinal, most: usize) -> Option<Import>;

    /// Returns whether a function of which the module that is extracted from has an
    /// `available_externally` body stands for another definition.
    fn is_elsewhere(&mut self, number: Ordinal) -> bool;
}

/// An [`ImportSource`] as the shim sees it.
pub(crate) struct Importer<'s> {
    source: &'s mut dyn ImportSource,
    /// What was found. The shim reads it until the extraction is over.
    found: Vec<FoundImport>,
}

struct FoundImport {
    import: Import,
    references: Vec<ffi::RewireReference>,
}

impl<'s> Importer<'s> {
    pub(crate) fn new(source: &'s mut dyn ImportSource) -> Self {
        let found = Vec::new();
        Self { source, found }
    }

    /// The shim's view of it, which is valid as long as `self`.
    pub(crate) fn raw(&mut self) -> ffi::RewireImporter {
        ffi::RewireImporter {
            data: ptr::from_mut(self).cast(),
            find: find_import,
            is_elsewhere,
        }
    }

    fn find(&mut self, number: u32, most: usize) -> Option<ffi::RewireImport> {
        let import = self.source.find(Ordinal::new(number), most)?;
        let references = import.names.iter().map(reference).collect();
        self.found.push(FoundImport { import, references });
        let found = self.found.last()?;
        Some(ffi::RewireImport {
            bitcode: found.import.bitcode.as_ptr().cast(),
            length: found.import.bitcode.len(),
            ordinal: found.import.ordinal.bits() as u32,
            number: found.import.number.bits() as u32,
            references: found.references.as_ptr(),
            reference_count: found.references.len(),
        })
    }
}

fn reference(name: &ImportedName) -> ffi::RewireReference {
    let text = name.name.as_deref().unwrap_or_default();
    ffi::RewireReference {
        ordinal: name.ordinal.bits() as u32,
        number: name.number.bits() as u32,
        name: text.as_ptr().cast(),
        name_length: text.len(),
        is_near: name.is_near,
        is_current: name.is_current,
        is_private: name.is_private,
    }
}

extern "C" fn is_elsewhere(data: *mut c_void, number: u32) -> bool {
    // SAFETY: it is the importer of `Importer::raw`, which nobody else uses meanwhile.
    let importer = unsafe { &mut *data.cast::<Importer<'_>>() };
    importer.source.is_elsewhere(Ordinal::new(number))
}

extern "C" fn find_import(
    data: *mut c_void,
    number: u32,
    most: usize,
    found: *mut ffi::RewireImport,
) -> bool {
    // SAFETY: it is the importer of `Importer::raw`, which nobody else uses meanwhile.
    let importer = unsafe { &mut *data.cast::<Importer<'_>>() };
    let Some(import) = importer.find(number, most) else {
        return false;
    };
    // SAFETY: the shim passes a place for the answer.
    unsafe { found.write(import) };
    true
}
