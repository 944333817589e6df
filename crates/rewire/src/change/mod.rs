//! Changes: adds, replaces and removes that become visible together, or not at all.
//!
//! ```text
//! steps --read, verify--> [join] --plan--> compile --link--> names move over     (commit.rs)
//! ```
//!
//! Everything that can fail comes before the first name moves. What a change takes away is
//! remembered, to a depth that [`Options`](crate::Options) say, so that it can be undone.

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

/// A transaction: any number of adds, replaces and removes, in one library, that become visible
/// together when it is committed, or, on any error, not at all. Dropping it does nothing.
///
/// Whatever the order of the steps, what is removed goes before what is defined comes: a step may
/// define what another one removes, and that is a replacement. Two modules of one change can't
/// define the same name. A unit of another engine is an error.
///
/// A thread that has met one of several new functions never meets another's old one afterwards.
/// Threads that are inside an old body finish there.
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

    /// A step that brings IR; what is wrong with it is for [`Change::commit`] to say.
    fn bring(&mut self, name: &str, ir: Ir<'_>, step: impl FnOnce(Source) -> Step) -> &mut Self {
        match ir.source(name) {
            Ok(source) => self.step(step(source)),
            Err(error) => {
                self.terms.refused.get_or_insert(error);
                self
            }
        }
    }

    /// Adds a module of IR whose names are new; `name` is for messages. The unit stays until it is
    /// removed.
    pub fn add<'i>(&mut self, name: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        self.bring(name, ir.into(), |source| Step::Add {
            source,
            is_frozen: false,
        })
    }

    /// Takes a module of IR: each of its definitions is added, or replaces the one of its name. Of
    /// a variable that is replaced, the value stays where the type is the same and it isn't
    /// constant. Its unit goes when nothing of it is in force any more.
    pub fn define<'i>(&mut self, name: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        self.bring(name, ir.into(), Step::Define)
    }

    /// Gives a name to an address of the host's, as [`Library::define`](crate::Library::define)
    /// does: to one that nothing defines, or in the place of the address that was given to it
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

    /// Gives one function a new body; the module may define nothing else that others see.
    pub fn replace<'i>(&mut self, function: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        let name = function.into();
        self.bring(&format!("{NEW_BODY}{function}"), ir.into(), |source| {
            Step::Replace { name, source }
        })
    }

    /// Puts a new version in the place of a unit of this library: as [`Change::define`], and the
    /// names that it defined and doesn't define any more are removed. Its own functions and
    /// variables (`static` in C) are matched with their former selves. What its module-level
    /// assembly defines takes the place of what that of the former version did, whoever uses it.
    pub fn reload<'i>(&mut self, unit: UnitId, name: &str, ir: impl Into<Ir<'i>>) -> &mut Self {
        self.bring(name, ir.into(), |source| Step::Reload { unit, source })
    }

    /// Removes a name. Where another unit has a copy of the definition (COMDAT, weak), that takes
    /// over, and data keeps its address and value.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.step(Step::Remove(name.into()))
    }

    /// Removes a unit with all that it defines: from the ledger, the lookups and the memory. The
    /// destructors that it has registered run before.
    pub fn remove_unit(&mut self, unit: UnitId) -> &mut Self {
        self.step(Step::RemoveUnit(unit))
    }

    /// Removes also what others use: a caller gets an error that says who called what; memory of
    /// variables stays as long as there is code that names them.
    pub fn force(&mut self) -> &mut Self {
        self.terms.is_forced = true;
        self
    }

    /// Has the static objects of units that are reloaded destroyed and made anew, instead of living
    /// on: first all of the former version's are destroyed, then the new one's are constructed, in
    /// memory of their own. Whoever calls the unit meanwhile waits, except from within its former
    /// version: the client sees to it that nobody there uses an object any more.
    pub fn renew_objects(&mut self) -> &mut Self {
        self.terms.renews_objects = true;
        self
    }

    /// Says what happens when a type, or a contract, changes; the change is refused unless this
    /// says otherwise.
    pub fn on_type_change(&mut self, policy: TypeChange) -> &mut Self {
        self.terms.type_change = policy;
        self
    }

    /// Has variables that are replaced begin anew with their new initial values, in memory of their
    /// own, where they would keep what they hold.
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

    /// Makes all of it visible.
    ///
    /// # Errors
    ///
    /// Anything that is wrong with any of it: modules that LLVM refuses, definitions that can't be
    /// compiled or linked, types that differ, names that are defined twice, names that others use
    /// and that were to be removed, units that are gone. Nothing has changed then.
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
                // What a change that failed had brought has left as well.
                core.reclaim_if_much(&caller);
                return Err(error);
            }
        };
        // The program may fork while it constructs.
        drop(no_fork);
        let has_endings = finishing.has_endings();
        let changed = finishing.complete()?;
        core.reclaim_after_change(&caller, has_endings);
        Ok(changed)
    }
}

/// Gives a function that is being called the new body that the client made for it.
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
    commit::commit(core, library, terms)?.complete().map(|_| ())
}
