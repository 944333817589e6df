//! Changes: additions, replacements and removals that become visible together, or not at all.
//!
//! ```text
//! steps --read, verify--> [join] --plan--> compile --link--> put in force        (commit.rs)
//! ```
//!
//! Almost everything that can fail is done before the first name is put in force. What a change
//! removes is remembered, up to the depth in [`Options`](crate::Options), so that the change can be
//! undone.

mod changed;
mod commit;
mod construction;
mod finishing;
mod host_addresses;
mod inherited_memory;
mod join;
mod matching;
mod mismatch;
mod moving;
mod pending;
mod plan;
mod removing;
mod stale;
mod steps;
mod undo;
mod undoable;
mod users;

use std::fmt;
use std::sync::Arc;

use rewire_llvm::Source;
use rewire_memory::ExecAddr;
use rewire_memory::scan::Caller;

pub use changed::{Changed, Mismatch, Replaced};
pub use steps::TypeChange;
use steps::{Step, Terms};
pub(crate) use undo::undo;

use crate::base::error::Error;
use crate::base::ids::UnitId;
use crate::base::ir::Ir;
use crate::core::Core;
use crate::core::lifetime::HeldEngine;
use crate::host::fork_lock;
use crate::ledger::LibraryId;
use crate::ledger::unit::NEW_BODY;

/// A transaction: any number of additions, replacements and removals in one library that become
/// visible together when it is committed, or, on any error, not at all. Dropping it without
/// committing does nothing.
///
/// The order of the steps doesn't matter: removals apply before definitions. So a step may define a
/// name that another step removes, which makes a replacement. Two modules of one change can't
/// define the same name. All units must belong to the library's engine.
///
/// A thread that has called one new function of the change never calls a former version of another
/// afterwards. Threads that are inside a former body finish there.
///
/// While a change is being committed, the names that it affects are its own. A change or undo of
/// another thread that affects one of them waits until it is done. A change of the same thread (in
/// a resolver or constructor that the commit calls) can't wait, and is refused with
/// [`Error::Changing`]. What isn't a change doesn't wait either:
/// [`Library::add_ir`](crate::Library::add_ir) is refused if another thread is changing a name that
/// the IR defines, and [`Library::refresh`](crate::Library::refresh) if any thread is changing the
/// function.
///
/// ```
/// # use rewire::{Engine, Options};
/// let engine = Engine::new(Options::default())?;
/// engine.add_ir("a.ll", b"define i32 @one() {\n ret i32 1\n}
///     define i32 @two() {\n ret i32 2\n}")?;
/// let mut change = engine.main().change();
/// change.define("new", b"define i32 @one() {\n ret i32 10\n}
///     define i32 @three() {\n ret i32 30\n}");
/// change.remove("two");
/// let changed = change.commit()?;
/// assert_eq!(&*changed.added[0], "three");
/// assert_eq!((&*changed.replaced[0].name, changed.replaced[0].generation.get()), ("one", 2));
/// assert_eq!(&*changed.removed[0], "two");
/// # Ok::<(), rewire::Error>(())
/// ```
#[must_use = "a change does nothing until it is committed"]
pub struct Change {
    core: HeldEngine,
    library: LibraryId,
    terms: Terms,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl Change {
    pub(crate) fn new(core: HeldEngine, library: LibraryId) -> Self {
        Self {
            core,
            library,
            terms: Terms::default(),
        }
    }

    fn step(&mut self, step: Step) -> &mut Self {
        self.terms.steps.push(step);
        self
    }

    /// Adds a step with IR. If the IR is invalid, [`Change::commit`] returns the error.
    fn bring(&mut self, name: &str, ir: Ir<'_>, step: impl FnOnce(Source) -> Step) -> &mut Self {
        match ir.source(name) {
            Ok(source) => self.step(step(source)),
            Err(error) => {
                self.terms.refused.get_or_insert(error);
                self
            }
        }
    }

    /// Adds a module of IR whose names are new. Error messages call the unit `name`. The unit stays
    /// until it is removed. As after [`Engine::add_ir`](crate::Engine::add_ir), its static
    /// constructors don't run by themselves.
    pub fn add<'i>(&mut self, name: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        self.bring(name, ir.into(), |source| Step::Add {
            source,
            is_frozen: false,
        })
    }

    /// Adds a module of IR, each of whose definitions is added or replaces the definition of the
    /// same name. A replaced variable keeps its value if its type is the same and it isn't
    /// constant. The unit leaves when none of its definitions is in force any more.
    pub fn define<'i>(&mut self, name: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        self.bring(name, ir.into(), Step::Define)
    }

    /// Defines a name as an address of the host, as [`Library::define`](crate::Library::define)
    /// does: a name that nothing defines yet, or one that the client defined as another address
    /// before.
    ///
    /// ```
    /// # use rewire::{Engine, Options};
    /// extern "C" fn one() -> i32 {
    ///     1
    /// }
    /// extern "C" fn two() -> i32 {
    ///     2
    /// }
    /// # let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.define("number", (one as *const ()).into())?;
    /// main.add_ir("f.ll", "declare i32 @number()
    ///     define i32 @f() {
    ///       %x = call i32 @number()
    ///       ret i32 %x
    ///     }")?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn() -> i32>("f")? };
    /// assert_eq!(f(), 1);
    /// let mut change = main.change();
    /// change.define_address("number", (two as *const ()).into());
    /// change.define("g.ll", "define i32 @g() {\n ret i32 2\n}");
    /// change.commit()?;
    /// assert_eq!(f(), 2);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub fn define_address(&mut self, name: &str, address: ExecAddr) -> &mut Self {
        let name = name.into();
        self.step(Step::DefineAddress { name, address })
    }

    /// Gives one function a new body. The module may define no other global name.
    pub fn replace<'i>(&mut self, function: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        let name = function.into();
        self.bring(&format!("{NEW_BODY}{function}"), ir.into(), |source| {
            Step::Replace { name, source }
        })
    }

    /// Replaces a unit of this library by a new version. As [`Change::define`]; in addition, names
    /// that only the former version defines are removed. Local functions and variables (`static` in
    /// C) are matched with those of the former version. Definitions in module-level assembly
    /// replace those of the former version's assembly, even if other code uses them.
    pub fn reload<'i>(&mut self, unit: UnitId, name: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        self.bring(name, ir.into(), |source| Step::Reload { unit, source })
    }

    /// Removes a name. If another unit has a copy of the definition (COMDAT or weak), that copy
    /// takes over, and data keeps its address and value.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.step(Step::Remove(name.into()))
    }

    /// Removes a unit with everything that it defines: from the ledger and the lookups when the
    /// change is committed, from memory when nothing needs it any more.
    ///
    /// The exit functions that its code registered, and its destructors, run before its memory is
    /// freed. They wait until no thread is in the unit, no [`Pin`](crate::Pin) or
    /// [`Data`](crate::Data) keeps a part of it, and the removal can't be undone any more
    /// ([`Options::undo_depth`](crate::Options::undo_depth)). If nothing delays them,
    /// [`Change::commit`] runs them at its end; otherwise a later scan does
    /// ([`Engine::reclaim`](crate::Engine::reclaim)), and at the latest the end of the process or
    /// of the engine.
    ///
    /// Handles stay valid. A call of a [`Function`](crate::Function) goes to another copy if there
    /// is one, and otherwise fails with [`Error::Removed`]. If IR defines the name again, the call
    /// goes there, unless thousands of other functions were removed in between. A
    /// [`Data`](crate::Data) still reads the former memory. A [`Pin`](crate::Pin) still has the
    /// body, which finds what it calls in its unit.
    pub fn remove_unit(&mut self, unit: UnitId) -> &mut Self {
        self.step(Step::RemoveUnit(unit))
    }

    /// Allows the change to remove names that other code uses. A later call of a removed function
    /// fails with an error that names caller and function. The memory of a removed variable stays
    /// as long as code refers to it.
    pub fn force(&mut self) -> &mut Self {
        self.terms.is_forced = true;
        self
    }

    /// Destroys and reconstructs the static objects of reloaded units, instead of letting them live
    /// on. All objects of the former version are destroyed first; then those of the new version are
    /// constructed, in new memory. Meanwhile, callers of the unit wait, except code of its former
    /// version: the client must ensure that no thread there uses an object any more.
    pub fn renew_objects(&mut self) -> &mut Self {
        self.terms.renews_objects = true;
        self
    }

    /// Sets what happens when a definition's type or contract changes. By default the change is
    /// refused.
    pub fn on_type_change(&mut self, policy: TypeChange) -> &mut Self {
        self.terms.type_change = policy;
        self
    }

    /// Makes replaced variables start with their new initial values, in new memory, instead of
    /// keeping their values.
    ///
    /// ```
    /// # use rewire::{Engine, Options};
    /// let engine = Engine::new(Options::default())?;
    /// let unit = b"@n = global i32 1 define i32 @get() { %v = load i32, ptr @n ret i32 %v }";
    /// engine.add_ir("a.ll", unit)?;
    /// let get = unsafe { engine.main().function::<extern "C" fn() -> i32>("get")? };
    /// assert_eq!(get(), 1);
    /// let mut change = engine.main().change();
    /// change.define("b.ll", b"@n = global i32 2");
    /// change.commit()?;
    /// assert_eq!(get(), 1);
    /// let mut change = engine.main().change();
    /// change.define("c.ll", b"@n = global i32 3").reset_variables();
    /// change.commit()?;
    /// assert_eq!(get(), 3);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub fn reset_variables(&mut self) -> &mut Self {
        self.terms.resets_variables = true;
        self
    }

    /// Makes all steps visible. If another thread is changing one of the names, waits for it first.
    ///
    /// # Errors
    ///
    /// LLVM rejects a module, a definition can't be compiled or linked, a type differs, a name is
    /// defined twice, a name that is to be removed is used by other code, a unit was removed
    /// already, or this thread is changing one of the names ([`Error::Changing`]). On an error,
    /// nothing has changed. A constructor may fail after the new definitions are in force: then the
    /// change is undone, unless [`Change::renew_objects`] had the former objects destroyed.
    pub fn commit(mut self) -> Result<Changed, Error> {
        if let Some(error) = self.terms.refused.take() {
            return Err(error);
        }
        let caller = Caller::here();
        let core = self.core.clone();
        let no_fork = fork_lock::enter_engine();
        core.finish_loading()?;
        let finishing = match commit::commit(&core, self.library, self.terms) {
            Ok(finishing) => finishing,
            Err(error) => {
                drop(no_fork);
                // The units that the failed change brought may be freed now.
                core.reclaim_if_much(&caller);
                return Err(error);
            }
        };
        // Constructors may fork.
        drop(no_fork);
        let has_endings = finishing.has_endings();
        let changed = commit::complete(finishing)?;
        core.prepare_handlers_again();
        core.reclaim_after_change(&caller, has_endings);
        Ok(changed)
    }
}

/// Replaces a function that is being called by the new body that the client's closure made for it.
pub(crate) fn renew(
    core: &Core,
    library: LibraryId,
    name: &Arc<str>,
    bytes: &[u8],
) -> Result<(), Error> {
    let step = Step::Replace {
        name: name.clone(),
        source: Ir::from(bytes).source(&format!("{NEW_BODY}{name}"))?,
    };
    let terms = Terms {
        steps: vec![step],
        ..Terms::default()
    };
    commit::complete(commit::commit(core, library, terms)?)?;
    core.prepare_handlers_again();
    Ok(())
}
