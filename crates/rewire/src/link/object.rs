//! What is linked, what for, and what comes of it.

use std::sync::Arc;

use rewire_llvm::Ordinal;
use rewire_memory::ExecAddr;
use rewire_object::{SectionRole, Segment};

use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::ids::{EntryId, UnitKey};
use crate::ledger::unit::Unit;
use crate::ledger::{FormerMeaning, PlannedNames};

/// An object as code generation wrote it.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    pub(crate) bytes: Vec<u8>,
    /// Constants of other objects whose values the optimiser saw.
    pub(crate) folds: Vec<Ordinal>,
}

/// An object to be linked.
#[derive(Debug)]
pub(crate) struct Object {
    /// The unit whose names it knows.
    pub(crate) unit: Arc<Unit>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: Origin,
    /// The named section that it holds a piece of; the pieces of one batch lie together.
    pub(crate) section: Option<Arc<str>>,
    /// Constants that it may have been made with, though it doesn't hold or name them.
    pub(crate) folds: Vec<Ordinal>,
}

impl Object {
    /// One that was made of a unit's IR.
    pub(crate) fn of_ir(unit: &Arc<Unit>, emitted: Emitted) -> Self {
        Self {
            unit: unit.clone(),
            bytes: emitted.bytes,
            origin: Origin::Ir,
            section: None,
            folds: emitted.folds,
        }
    }

    /// A unit's module-level assembly.
    pub(crate) fn of_assembly(unit: &Arc<Unit>, bytes: Vec<u8>) -> Self {
        Self {
            unit: unit.clone(),
            bytes,
            origin: Origin::Assembly,
            section: None,
            folds: Vec::new(),
        }
    }
}

impl Object {
    /// The first section of assembly whose name is an identifier: who knows that may walk it.
    pub(crate) fn first_named_section(&self) -> Result<Option<Arc<str>>, Error> {
        let graph = rewire_object::parse(&self.unit.name, &self.bytes)?;
        let mut sections = graph.sections.iter();
        let named = sections.find(|one| one.role == SectionRole::Plain && is_identifier(one.name));
        Ok(named.map(|one| one.name.into()))
    }

    /// Checks that a section of it can lie beside those of other objects.
    pub(crate) fn check_joins(&self, section: &Arc<str>) -> Result<(), Error> {
        if self.origin == Origin::Ir {
            return Ok(());
        }
        let graph = rewire_object::parse(&self.unit.name, &self.bytes)?;
        let mut sections = graph.sections.iter();
        let other = sections
            .find(|one| one.segment == Segment::Data && one.size > 0 && one.name != &**section);
        match other {
            None => Ok(()),
            Some(other) => Err(Error::Object(rewire_object::ObjectError::Section {
                object: self.unit.name.clone(),
                section: section.to_string(),
                index: other.elf_index,
                reason: format!(
                    "other units have pieces of it, and this unit's can't lie beside them, \
                     because its module-level assembly has other data, in {}; put that into \
                     another unit",
                    other.name
                ),
            })),
        }
    }
}

/// Whether a section's name can be part of `__start_NAME` in C.
pub(crate) fn is_identifier(section: &str) -> bool {
    let mut bytes = section.bytes();
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(starts) && bytes.all(|byte| starts(byte) || byte.is_ascii_digit())
}

/// What an object was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Definitions that are in the ledger.
    Ir,
    /// Module-level assembly, whose names the ledger learns now.
    Assembly,
}

/// Where a linked object's definitions are.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    /// The definitions that now stand for their names.
    pub(crate) defined: Vec<(EntryId, BodyAddr)>,
    /// The functions that are called, in the order of the calls, if it was linked to be there.
    pub(crate) calls: Vec<EntryId>,
    /// Where the pieces of named sections lie, in order.
    pub(crate) pieces: Vec<(Arc<str>, ExecAddr, u64)>,
    /// What assembly wrote into tables of constructors and destructors, and into sections that can
    /// be walked.
    pub(crate) arrays: Vec<ArrayPiece>,
    /// What the names stood for that moved over.
    pub(crate) former: Vec<FormerMeaning>,
}

impl Linked {
    /// Where a definition was put, if it was among those that were linked and stands for its name.
    pub(crate) fn body_of(&self, id: EntryId) -> Option<BodyAddr> {
        let mut defined = self.defined.iter();
        defined.find(|one| one.0 == id).map(|one| one.1)
    }
}

/// A piece of a table that the C library walks, or the program.
#[derive(Clone, Debug)]
pub(crate) struct ArrayPiece {
    pub(crate) unit: UnitKey,
    pub(crate) section: Arc<str>,
    pub(crate) start: ExecAddr,
    pub(crate) size: u64,
}

/// What something is linked for: which slots lead to the new bodies at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'p> {
    /// To be there: all of them.
    Load,
    /// A function is being called, and others came with it: those that were called. The others'
    /// first calls go through the engine, which counts them.
    Call,
    /// To change what names stand for: all of them, when the names move over.
    Change(&'p PlannedNames),
}

impl<'p> Purpose<'p> {
    /// What names will stand for.
    pub(crate) fn planned(self) -> Option<&'p PlannedNames> {
        match self {
            Self::Change(planned) => Some(planned),
            Self::Load | Self::Call => None,
        }
    }
}
