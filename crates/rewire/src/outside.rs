//! Names that nothing loaded defines: what the host process has, and what the client's resolvers
//! answer.
//!
//! A name is asked for when it is needed: a function when it is called, a variable when code that
//! names it is linked. No lock is held meanwhile.

use std::fmt;
use std::sync::{Arc, PoisonError};

use rewire_llvm::Source;
use rewire_memory::{ExecAddr, Slots};

use crate::change;
use crate::client;
use crate::core::Core;
use crate::error::Error;
use crate::host::{self, HostSymbol};
use crate::ids::UnitKey;
use crate::ir::Ir;
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, LibraryId, Standing, State};
use crate::recording::Loading;
use crate::unit::UnitPlace;

/// What a resolver is asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The name, as the linker sees it.
    pub name: &'a str,
    /// What it has to be, as far as that is known.
    pub kind: EntryKind,
    /// Its type as IR writes it, if a declaration has said so.
    pub type_name: Option<&'a str>,
    /// The library whose code needs it.
    pub library: &'a str,
}

/// What a resolver answers.
#[non_exhaustive]
pub enum Answer {
    /// The thing is at this address for as long as the engine lives. It must be of the kind that
    /// was asked for, and a function of the type that callers take it for.
    Address(ExecAddr),
    /// A module that defines it, and may define more; added to the library.
    Ir {
        /// What messages call it.
        name: String,
        /// Bitcode or text.
        bytes: Vec<u8>,
    },
    /// A function whose IR is made when it is called; until then it has an address.
    Lazy(LazyIr),
    /// The resolver is the one to ask, and has nothing to give; this is why. Nobody else is asked.
    Failed(String),
}

impl Answer {
    /// [`Answer::Ir`] of IR in whichever form it is, a module of inkwell's for example; or
    /// [`Answer::Failed`], if that breaks a rule of the language.
    ///
    /// ```
    /// # use rewire::{Answer, Engine, Options, Request};
    /// # let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.resolve_with(|request: &Request<'_>| {
    ///     (request.name == "one")
    ///         .then(|| Answer::ir("one.ll", "define i32 @one() {\n ret i32 1\n}"))
    /// });
    /// main.add_ir("f.ll", "declare i32 @one()
    ///     define i32 @f() {
    ///       %x = call i32 @one()
    ///       ret i32 %x
    ///     }")?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn() -> i32>("f")? };
    /// assert_eq!(f(), 1);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub fn ir<'i>(name: &str, ir: impl Into<Ir<'i>>) -> Self {
        match ir.into().into_bytes() {
            Ok(bytes) => Self::Ir {
                name: name.to_owned(),
                bytes,
            },
            Err(reason) => Self::Failed(reason),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.debug_tuple("Address").field(address).finish(),
            Self::Ir { name, .. } => f.debug_struct("Ir").field("name", name).finish(),
            Self::Lazy(_) => f.write_str("Lazy"),
            Self::Failed(reason) => f.debug_tuple("Failed").field(reason).finish(),
        }
    }
}

/// Makes the IR of a function: a module that defines it, as bitcode or text; or says why not. From
/// IR in other forms, [`Ir::into_bytes`] makes what it returns.
pub type LazyIr = Arc<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>;

/// Is asked for names that nothing defines; given to
/// [`Library::resolve_with`](crate::Library::resolve_with).
///
/// It is called on the thread that needs the name, with no lock of the engine's held: it may call
/// the engine and run compiled code. During a first call it runs on a stack of the engine's, with
/// the program's signals held back. Two threads may ask for one name at once; the first answer
/// counts. `None` leaves the name to the next resolver.
///
/// If it panics during a first call, the panic goes on in the code that made the call; a later call
/// asks again.
pub trait Resolver: Send + Sync {
    /// Answers for one name.
    fn resolve(&self, request: &Request<'_>) -> Option<Answer>;
}

impl<F> Resolver for F
where
    F: Fn(&Request<'_>) -> Option<Answer> + Send + Sync,
{
    fn resolve(&self, request: &Request<'_>) -> Option<Answer> {
        self(request)
    }
}

/// What came of asking.
pub(crate) enum Found {
    /// This.
    Symbol(HostSymbol),
    /// The ledger knows more now than before: look again.
    Entered,
    /// Nobody has it.
    Nothing,
}

/// What somebody outside is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) library: LibraryId,
    pub(crate) name: Arc<str>,
    pub(crate) kind: EntryKind,
    pub(crate) type_name: Option<Arc<str>>,
    pub(crate) asks_host: bool,
}

impl Wanted {
    /// A name as code knows it.
    pub(crate) fn of(ledger: &Ledger, id: EntryId) -> Self {
        let entry = ledger.entry(id);
        Self {
            library: entry.library,
            name: entry.name.clone(),
            kind: entry.kind,
            type_name: entry.type_name().cloned(),
            asks_host: ledger.asks_host(entry.library),
        }
    }
}

impl Core {
    /// Asks the host, then the library's resolvers, then those who may have said it to nobody: the
    /// assembly in functions that aren't compiled. `from` is a unit that names it, if that is
    /// known.
    pub(crate) fn ask_outside(&self, id: EntryId, from: Option<UnitKey>) -> Result<Found, Error> {
        match self.ask_others(id)? {
            Found::Nothing if self.find_label(id, from)? => Ok(Found::Entered),
            found => Ok(found),
        }
    }

    fn ask_others(&self, id: EntryId) -> Result<Found, Error> {
        let wanted = Wanted::of(&self.ledger(), id);
        let is_thread_local = wanted.kind == EntryKind::ThreadLocal;
        let host = wanted
            .asks_host
            .then(|| host::find(&wanted.name, is_thread_local));
        match host.flatten() {
            Some(symbol) => Ok(Found::Symbol(symbol)),
            None => self.ask_resolvers(&wanted),
        }
    }

    /// Asks the library's resolvers.
    pub(crate) fn ask_resolvers(&self, wanted: &Wanted) -> Result<Found, Error> {
        let Wanted { library, name, .. } = wanted;
        let resolvers = {
            let all = self.resolvers.read();
            let all = all.unwrap_or_else(PoisonError::into_inner);
            all.get(library).cloned().unwrap_or_default()
        };
        if resolvers.is_empty() {
            return Ok(Found::Nothing);
        }
        let library_name = self.ledger().library_name(*library).clone();
        let request = Request {
            name,
            kind: wanted.kind,
            type_name: wanted.type_name.as_deref(),
            library: &library_name,
        };
        let ask = || resolvers.iter().find_map(|one| one.resolve(&request));
        let answer = client::call(name, ask)?;
        let is_defined = |ledger: &Ledger| {
            let id = ledger.find(*library, name);
            id.is_some_and(|id| ledger.entry(id).definition != Definition::None)
        };
        let name = name.clone();
        match answer {
            None => Ok(Found::Nothing),
            Some(Answer::Address(address)) => Ok(Found::Symbol(HostSymbol::Address(address))),
            Some(Answer::Ir {
                name: module,
                bytes,
            }) => {
                self.add_answer(*library, module.into(), bytes)?;
                // Asking again would bring the same answer, for ever.
                if is_defined(&self.ledger()) {
                    return Ok(Found::Entered);
                }
                Err(Error::NotGenerated {
                    name,
                    reason: "the resolver's IR doesn't define it".to_owned(),
                })
            }
            Some(Answer::Failed(reason)) => Err(Error::NotGenerated { name, reason }),
            Some(Answer::Lazy(make)) => {
                let mut ledger = self.ledger();
                if !is_defined(&ledger) {
                    let id = ledger.find_or_enter(*library, &name);
                    ledger.define_lazily(id, make);
                }
                Ok(Found::Entered)
            }
        }
    }

    /// Has the client make the IR of a function that is being called, and adds it.
    pub(crate) fn generate(&self, id: EntryId, make: &LazyIr) -> Result<(), Error> {
        let (name, library) = {
            let ledger = self.ledger();
            let entry = ledger.entry(id);
            (entry.name.clone(), entry.library)
        };
        let bytes = client::call(&name, || make())?.map_err(|reason| Error::NotGenerated {
            name: name.clone(),
            reason,
        })?;
        let (is_asked, is_new) = {
            let ledger = self.ledger();
            let asked = ledger.lazies.get(&id);
            let is_asked = asked.is_some_and(|lazy| Arc::ptr_eq(&lazy.0, make));
            (is_asked, ledger.entry(id).definition == Definition::Lazy)
        };
        if !is_asked {
            // Somebody has defined it meanwhile.
            return Ok(());
        }
        if !is_new {
            return change::renew(self, library, &name, &bytes);
        }
        self.add_answer(library, name.clone(), bytes)?;
        match self.ledger().entry(id).definition {
            Definition::Lazy => Err(Error::NotGenerated {
                name,
                reason: "its IR doesn't define it".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Adds a module that a client made because something was needed. Nobody asked for the unit to
    /// stay, so it goes as one of new bodies does: when nothing of it is in force any more.
    fn add_answer(&self, library: LibraryId, name: Arc<str>, bytes: Vec<u8>) -> Result<(), Error> {
        let source = Source::new(name, bytes);
        let place = UnitPlace {
            library,
            is_frozen: false,
            standing: Standing::Loose,
        };
        let unit = self.add(source, place, Loading::begin(self))?;
        {
            let mut ledger = self.ledger();
            match ledger.record_mut(unit.id) {
                // Its assembly is in force as long as it is there.
                Some(record) if unit.index.has_assembly => record.standing = Standing::Kept,
                _ => ledger.leave_if_idle(unit.id),
            }
        }
        self.finish_loading()
    }
}

impl Ledger {
    /// Lets a client's closure make the IR of a function when it is called.
    pub(crate) fn define_lazily(&mut self, id: EntryId, make: LazyIr) {
        let entry = self.entry_mut(id);
        entry.definition = Definition::Lazy;
        entry.kind = EntryKind::Function;
        entry.state = State::Absent;
        self.lazies.insert(id, Lazy(make));
    }

    /// Whether the client makes a function's IR anew when it is next called.
    pub(crate) fn is_stale(&self, id: EntryId) -> bool {
        self.lazies.contains_key(&id)
    }

    /// Lets a client's closure make the IR anew of a function that has some.
    pub(crate) fn make_stale(&mut self, id: EntryId, make: LazyIr, slots: &Slots) {
        self.set_stale(id, slots);
        self.entry_mut(id).state = State::Absent;
        self.lazies.insert(id, Lazy(make));
    }
}

/// A closure in the ledger.
#[derive(Clone)]
pub(crate) struct Lazy(pub(crate) LazyIr);

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}
