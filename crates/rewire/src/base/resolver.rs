//! [`Resolver`]: how a client supplies definitions for names that nothing defines.

use std::fmt;
use std::sync::Arc;

use rewire_memory::ExecAddr;

use super::ids::EntryKind;
use super::ir::Ir;

/// The name that a resolver is asked for, and what is known about it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The symbol name (mangled).
    pub name: &'a str,
    /// The kind of definition that is needed, as far as it is known.
    pub kind: EntryKind,
    /// The type, as IR writes it, if a declaration of the name states it.
    pub type_name: Option<&'a str>,
    /// The library whose code needs it.
    pub library: &'a str,
}

/// A resolver's answer: a definition, or an error.
#[non_exhaustive]
pub enum Answer {
    /// The function or variable lies at this address as long as the engine lives. It must be of the
    /// requested kind, and a function must have the type with which its callers declare it.
    Address(ExecAddr),
    /// A module that defines the name, and may define more. It is added to the library as a unit.
    Ir {
        /// The unit's name in messages.
        name: String,
        /// Bitcode or text.
        bytes: Vec<u8>,
    },
    /// A function whose IR is made when it is first called. Until then it has an address and no
    /// code.
    Lazy(LazyIr),
    /// The name is this resolver's to define, and it can't; the text says why. No other resolver is
    /// asked.
    Failed(String),
}

impl Answer {
    /// Makes an [`Answer::Ir`] from IR in any form (an inkwell module, for example), or an
    /// [`Answer::Failed`] if LLVM's verifier rejects the module.
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

/// A closure that returns the IR of a function (a module that defines it, as bitcode or text), or
/// the reason why it can't. [`Ir::into_bytes`] converts IR in other forms to what the closure has
/// to return.
///
/// The closure runs on the thread that needs the function, with no lock of the engine's held, so it
/// may call the engine and run compiled code. During a first call it runs on a stack of the
/// engine's, with the program's signals blocked. No compile thread runs it ahead.
///
/// It is asked once: other threads that call the function meanwhile wait. (Only where waiting would
/// be a deadlock, a second thread asks as well, and the first IR counts.) If the closure returns
/// `Err`, or IR that doesn't define the function or can't be added, the error
/// ([`Error::NotGenerated`](crate::Error::NotGenerated), for example) is remembered: each call
/// fails with it, without asking again, until the client defines or refreshes the function anew. If
/// the closure panics, nothing is remembered: the panic resumes in the code that made the call, and
/// the next call asks again. Outside of a first call (in [`Library::pin`](crate::Library::pin),
/// say), a panic becomes the error [`Error::Panicked`](crate::Error::Panicked), within
/// [`Error::Again`](crate::Error::Again).
///
/// The module of [`Library::refresh`](crate::Library::refresh) is a new body as for
/// [`Library::replace`](crate::Library::replace): it may define no other global name, and the
/// function keeps its type. Any other may define more, and is added as a unit.
///
/// The engine keeps the closure: see [`Resolver`] for what it shouldn't own.
pub type LazyIr = Arc<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>;

/// Is asked for names that nothing defines; registered by
/// [`Library::resolve_with`](crate::Library::resolve_with).
///
/// The engine calls a resolver on the thread that needs the name (for a variable, that may be a
/// compile thread), with no lock of the engine's held, so a resolver may call the engine and run
/// compiled code. During a first call it runs on a stack of the engine's, with the program's
/// signals blocked. Two threads may ask for the same name at once; the first answer counts. `None`
/// leaves the name to the next resolver.
///
/// If a resolver panics during a first call, the panic resumes in the code that made the call. The
/// next call asks again.
///
/// # Handles in closures
///
/// An engine lives as long as any handle to it, and owns its resolvers, lazy closures, failure
/// handler and hooks, and observers. So one of these that owns an [`Engine`](crate::Engine),
/// [`Library`](crate::Library), [`Function`](crate::Function), [`Data`](crate::Data) or
/// [`Pin`](crate::Pin) of its own engine keeps that engine for ever: its destructors don't run, and
/// its memory isn't freed, before the process ends. Let it hold a [`Weak`](std::sync::Weak) of an
/// `Arc` around the handle instead.
pub trait Resolver: Send + Sync {
    /// Supplies a definition for one name, or `None` to leave it to the next resolver.
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
