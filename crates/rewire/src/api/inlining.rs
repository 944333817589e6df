//! Inlining: IR that describes code which lives elsewhere, and what code was made from.

use std::path::Path;
use std::sync::Arc;

use rewire_llvm::Source;

use super::library::{Library, read_file};
use crate::base::demangle::demangle;
use crate::base::error::Error;
use crate::base::ir::Ir;
use crate::core::Core;
use crate::host::fork_lock;
use crate::introspect::materials::{self, BodyMaterials};

impl Library {
    /// Adds IR that describes code which lives elsewhere, in the host or in a shared library, so
    /// that the bodies of its functions can be inlined. It defines nothing: the functions are
    /// called where they are, and only when the engine optimises a function of this library that
    /// calls one of them, the body may be copied into it. What the body names is resolved as
    /// everywhere; one that names a private variable or function of its file, which can't be
    /// reached, isn't copied. If such a function is then defined in the engine, or gets another
    /// address, the copies leave, and the IR describes it no longer.
    ///
    /// ```
    /// use rewire::{Engine, Level, OptLevel, Options};
    ///
    /// extern "C" fn next(n: u32) -> u32 {
    ///     n + 1
    /// }
    ///
    /// let engine = Engine::new(Options {
    ///     level: OptLevel::Fixed(Level::O2),
    ///     ..Options::default()
    /// })?;
    /// let main = engine.main();
    /// main.define("next", (next as *const ()).into())?;
    /// // As the compiler of the host's code wrote it.
    /// main.inline_from("host.ll", "define i32 @next(i32 %n) {
    ///     %m = add i32 %n, 1
    ///     ret i32 %m
    /// }")?;
    /// main.add_ir("f.ll", "declare i32 @next(i32)
    /// define i32 @f(i32 %n) {
    ///     %a = call i32 @next(i32 %n)
    ///     %b = call i32 @next(i32 %a)
    ///     ret i32 %b
    /// }")?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn(i32) -> i32>("f")? };
    /// assert_eq!(f(5), 7);
    /// assert_eq!(engine.report().bodies_inlined, 1);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes aren't IR, the verifier rejects it, or it is for another target; the library was
    /// removed ([`Error::NoLibrary`]).
    pub fn inline_from<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<(), Error> {
        let source = ir.into().source(name)?;
        self.add_inline_source(|_| Ok(source))
    }

    /// As [`Library::inline_from`], for a file of IR.
    ///
    /// # Errors
    ///
    /// As [`Library::inline_from`], or the file can't be read ([`Error::Read`]).
    pub fn inline_from_file(&self, path: &Path) -> Result<(), Error> {
        self.add_inline_source(|core| read_file(core, path))
    }

    fn add_inline_source(
        &self,
        read: impl FnOnce(&Core) -> Result<Source, Error>,
    ) -> Result<(), Error> {
        let _no_fork = fork_lock::enter_engine();
        if !self.core.ledger().is_library(self.id) {
            return Err(Error::NoLibrary);
        }
        self.core.add_inline_source(read(&self.core)?, self.id)
    }

    /// Returns the names of symbols whose demangled form is `name` (`vm::allocate(vm::Thread*)`),
    /// of those that the library knows and those that IR given to [`Library::inline_from`]
    /// describes. IR that calls such a function declares it by its symbol.
    #[must_use]
    pub fn symbols_of(&self, name: &str) -> Vec<Arc<str>> {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        let mut symbols = self.core.demangled.find(&ledger, self.id, name);
        let sources = ledger.inline_sources(self.id).iter();
        let described = sources.flat_map(|source| source.names());
        symbols.extend(described.filter(|one| demangle(one) == name).cloned());
        symbols.sort_unstable();
        symbols.dedup();
        symbols
    }

    /// Returns what the code of a function was made from; `None` if the function isn't compiled or
    /// isn't IR.
    ///
    /// ```
    /// use rewire::{Engine, Level, OptLevel, Options};
    ///
    /// let engine = Engine::new(Options {
    ///     level: OptLevel::Fixed(Level::O2),
    ///     ..Options::default()
    /// })?;
    /// let main = engine.main();
    /// main.add_ir("one.ll", "define i32 @one() {\n ret i32 1\n}")?;
    /// main.add_ir("f.ll", "declare i32 @one()
    /// define i32 @f() {
    ///     %x = call i32 @one()
    ///     ret i32 %x
    /// }")?;
    /// let body = main.pin("f")?;
    /// let materials = main.materials("f").unwrap();
    /// assert_eq!(&*materials.unit, "f.ll");
    /// assert_eq!(&*materials.inlined[0].name, "one");
    /// assert_eq!(materials.inlined[0].unit.as_deref(), Some("one.ll"));
    /// # Ok::<(), rewire::Error>(())
    /// ```
    #[must_use]
    pub fn materials(&self, name: &str) -> Option<BodyMaterials> {
        let _no_fork = fork_lock::enter_engine();
        materials::of(&self.core, self.id, name)
    }
}
