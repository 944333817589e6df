//! The linker's input ([`Object`], [`Purpose`]) and result ([`Linked`]).

use std::sync::Arc;

use rewire_llvm::{GlobalKind, InlineBudget, Level, Ordinal};
use rewire_memory::ExecAddr;
use rewire_object::{SectionRole, Segment};

use super::frame::QuickFrame;
use super::imported::{Imported, Imports};
use crate::base::addresses::BodyAddr;
use crate::base::error::Error;
use crate::base::ids::EntryId;
use crate::base::object_index::is_identifier;
use crate::base::tier::{BodyPart, Tier};
use crate::ledger::unit::{ExtractScope, Unit};
use crate::ledger::{ArrayPiece, FormerMeaning, PlannedNames};

/// An object file as LLVM's code generation wrote it.
#[derive(Debug)]
pub(crate) struct Emitted {
    pub(crate) bytes: Vec<u8>,
    /// What its code may contain a copy of although it doesn't name it: constants of other objects
    /// whose values the optimiser saw, and functions whose bodies it inlined.
    pub(crate) folds: Vec<Ordinal>,
    pub(crate) made_from: MadeFrom,
    pub(crate) locals: LocalNumbers,
    pub(crate) imports: Imports,
    /// Whether its functions are quick bodies that keep what continuations need in their frames.
    pub(crate) stays_in_frame: bool,
}

/// How an object was compiled from a unit's IR, so that it can be compiled again.
#[derive(Clone, Debug)]
pub(crate) struct MadeFrom {
    pub(crate) roots: Vec<Ordinal>,
    pub(crate) scope: ExtractScope,
    pub(crate) budget: InlineBudget,
    /// Whether the optimiser sees the values of constants that have memory.
    pub(crate) folds_constants: bool,
    pub(crate) tier: Tier,
    pub(crate) part: BodyPart,
    /// The frame of the bodies that a continuation follows, unless these use the transfer buffer.
    pub(crate) frame: Option<QuickFrame>,
}

impl MadeFrom {
    /// How definitions are compiled for a tier.
    pub(crate) fn of_tier(
        roots: Vec<Ordinal>,
        scope: ExtractScope,
        (tier, part): (Tier, BodyPart),
        budget: InlineBudget,
    ) -> Self {
        let budget = match scope {
            ExtractScope::Values => budget,
            ExtractScope::Alone | ExtractScope::Whole | ExtractScope::PrefixedStub => {
                InlineBudget::NONE
            }
        };
        Self {
            roots,
            scope,
            budget,
            folds_constants: tier.level() > Level::O0,
            tier,
            part,
            frame: None,
        }
    }

    /// The same, with no inlining but what must be inlined.
    pub(crate) fn without_inlining(&self) -> Self {
        Self {
            budget: InlineBudget::NONE,
            ..self.clone()
        }
    }

    /// The same, with no copies of what may be replaced, but of bodies that must be inlined.
    pub(crate) fn without_copies(&self) -> Self {
        Self {
            folds_constants: false,
            ..self.without_inlining()
        }
    }
}

/// What the numbers of locals in an object's symbols mean. An object that was just compiled has the
/// numbers of its unit; one that was found in the cache has those that the locals had then.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalNumbers {
    /// The numbers in the object and those in the unit, sorted; none, if they are the same.
    renumbered: Vec<(Ordinal, Ordinal)>,
}

impl LocalNumbers {
    /// The numbers in an object, and those of the same locals in the unit. `None` if these aren't
    /// as many.
    pub(crate) fn new(in_object: &[Ordinal], in_unit: &[Ordinal]) -> Option<Self> {
        if in_object.len() != in_unit.len() {
            return None;
        }
        if in_object == in_unit {
            return Some(Self::default());
        }
        let pairs = in_object.iter().copied().zip(in_unit.iter().copied());
        let mut renumbered: Vec<_> = pairs.collect();
        renumbered.sort_unstable();
        Some(Self { renumbered })
    }

    /// Returns the ordinal in the unit.
    pub(crate) fn in_unit(&self, in_object: Ordinal) -> Ordinal {
        let place = self
            .renumbered
            .binary_search_by_key(&in_object, |(number, _)| *number);
        place.map_or(in_object, |place| self.renumbered[place].1)
    }
}

/// An object to be linked.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The unit whose names it refers to.
    pub(crate) unit: Arc<Unit>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: Origin,
    /// The named section that this object holds a part of. The parts in one batch are placed side
    /// by side.
    pub(crate) section: Option<Arc<str>>,
    /// Constants and functions whose values and bodies its code may contain, although it neither
    /// holds nor names them.
    pub(crate) folds: Vec<Ordinal>,
    /// The tier of its bodies.
    pub(crate) tier: Tier,
    /// How it was compiled; `None` for what wasn't compiled here.
    pub(crate) made_from: Option<MadeFrom>,
    pub(crate) locals: LocalNumbers,
    pub(crate) imports: Imports,
    /// See [`Emitted`].
    pub(crate) stays_in_frame: bool,
}

impl Object {
    /// An object that was compiled from a unit's IR.
    pub(crate) fn of_ir(unit: &Arc<Unit>, emitted: Emitted) -> Self {
        Self {
            unit: unit.clone(),
            bytes: emitted.bytes,
            origin: Origin::Ir,
            section: None,
            folds: emitted.folds,
            tier: emitted.made_from.tier,
            made_from: Some(emitted.made_from),
            locals: emitted.locals,
            imports: emitted.imports,
            stays_in_frame: emitted.stays_in_frame,
        }
    }

    /// An object that was assembled from a unit's module-level assembly.
    pub(crate) fn of_assembly(unit: &Arc<Unit>, bytes: Vec<u8>) -> Self {
        Self::as_it_is(unit, bytes, Origin::Assembly)
    }

    /// The object file that a unit is.
    pub(crate) fn of_file(unit: &Arc<Unit>) -> Result<Self, Error> {
        let bytes = unit.source()?.bytes.to_vec();
        Ok(Self::as_it_is(unit, bytes, Origin::File))
    }

    /// An object that LLVM hasn't compiled from IR.
    fn as_it_is(unit: &Arc<Unit>, bytes: Vec<u8>, origin: Origin) -> Self {
        Self {
            unit: unit.clone(),
            bytes,
            origin,
            section: None,
            folds: Vec::new(),
            tier: Tier::Fixed(Level::O0),
            made_from: None,
            locals: LocalNumbers::default(),
            imports: Imports::default(),
            stays_in_frame: false,
        }
    }
}

impl Object {
    /// Whether its code contains bodies that it needn't contain.
    pub(crate) fn has_inlined(&self) -> bool {
        let may = self
            .made_from
            .as_ref()
            .is_some_and(|how| !how.budget.is_none());
        may && self.inlined().next().is_some()
    }

    /// Returns the functions whose bodies its code contains copies of.
    pub(crate) fn inlined(&self) -> impl Iterator<Item = Ordinal> {
        let globals = &self.unit.index.globals;
        let folds = self.folds.iter().copied();
        folds.filter(|one| match self.imported(*one) {
            Some(imported) => imported.is_function,
            None => globals[one.index()].kind == GlobalKind::Function,
        })
    }

    /// Returns what a number means, if it is no ordinal of the object's unit.
    pub(crate) fn imported(&self, number: Ordinal) -> Option<&Imported> {
        self.imports.get(self.unit.index.globals.len(), number)
    }

    /// Returns the entry of the global that a symbol tells by its number.
    pub(crate) fn entry(&self, in_object: Ordinal) -> Option<EntryId> {
        let number = self.locals.in_unit(in_object);
        let imported = self.imported(number).map(|one| one.entry);
        imported.or_else(|| self.unit.entry(number))
    }

    /// Returns the entries of all that its code may contain copies of, and of the names by which it
    /// called them.
    pub(crate) fn copied(&self) -> Vec<EntryId> {
        let mut entries = Vec::with_capacity(self.folds.len());
        for fold in &self.folds {
            match self.imported(*fold) {
                Some(imported) => {
                    entries.push(imported.entry);
                    entries.extend(&imported.names);
                }
                None => entries.extend(self.unit.entry(*fold)),
            }
        }
        entries
    }

    /// Returns the first data section whose name is a C identifier; code may walk such a section by
    /// its `__start_NAME`.
    pub(crate) fn first_named_section(&self) -> Result<Option<Arc<str>>, Error> {
        let graph = rewire_object::parse(&self.unit.name, &self.bytes)?;
        let mut sections = graph.sections.iter();
        let named = sections.find(|one| one.role == SectionRole::Plain && is_identifier(one.name));
        Ok(named.map(|one| one.name.into()))
    }

    /// Checks that a section of this object can be placed beside the same section of other objects.
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

/// What an object was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// IR: its definitions are in the ledger already.
    Ir,
    /// Nothing: it is the client's, and a unit by itself, whose definitions are in the ledger.
    File,
    /// Module-level assembly: its names enter the ledger when it is linked.
    Assembly,
}

/// The result of linking: where definitions were placed.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    /// The definitions that were put in force, and their addresses.
    pub(crate) defined: Vec<(EntryId, BodyAddr)>,
    /// The functions that the code calls, in the order of the calls; only for [`Purpose::Load`].
    pub(crate) calls: Vec<EntryId>,
    /// The parts of named sections: name, address and size, in order.
    pub(crate) pieces: Vec<(Arc<str>, ExecAddr, u64)>,
    /// What assembly wrote into tables of constructors and destructors, and into sections that
    /// programs walk.
    pub(crate) arrays: Vec<ArrayPiece>,
    /// What the changed names stood for before.
    pub(crate) former: Vec<FormerMeaning>,
}

impl Linked {
    /// Returns the address of a definition, if it was linked and put in force.
    pub(crate) fn body_of(&self, id: EntryId) -> Option<BodyAddr> {
        let mut defined = self.defined.iter();
        defined.find(|one| one.0 == id).map(|one| one.1)
    }
}

/// Why something is linked, which decides when slots are pointed at the new bodies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'p> {
    /// To load it: all slots are pointed at the bodies at once.
    Load,
    /// For a call. Only the slots of functions that were called are pointed at their bodies. The
    /// other functions' first calls go through the engine, which counts them.
    Call,
    /// For a change: all slots are pointed at the bodies when the names are put in force.
    Change(&'p PlannedNames),
    /// To give a function a better body of the definition that it has.
    Improve(EntryId),
    /// To give a function a continuation at the head of a loop.
    Continue(EntryId, u32),
}

impl<'p> Purpose<'p> {
    /// Returns what names will stand for, if this is a change.
    pub(crate) fn planned(self) -> Option<&'p PlannedNames> {
        match self {
            Self::Change(planned) => Some(planned),
            Self::Load | Self::Call | Self::Improve(_) | Self::Continue(..) => None,
        }
    }

    /// Returns the function that gets another body of the definition that it has.
    pub(crate) fn rebuilt(self) -> Option<EntryId> {
        match self {
            Self::Improve(id) | Self::Continue(id, _) => Some(id),
            Self::Load | Self::Call | Self::Change(_) => None,
        }
    }

    /// Returns the head of a loop, if a continuation that begins there is linked.
    pub(crate) fn head(self) -> Option<u32> {
        match self {
            Self::Continue(_, head) => Some(head),
            Self::Load | Self::Call | Self::Change(_) | Self::Improve(_) => None,
        }
    }
}
