//! What a client answers that is asked for names.

use std::fmt;
use std::sync::Arc;

use rewire_memory::ExecAddr;

use super::ids::EntryKind;
use super::ir::Ir;

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
