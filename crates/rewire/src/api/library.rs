//! [`Library`]: the handle through which clients add and find names in one namespace.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rewire_llvm::Source;
use rewire_memory::ExecAddr;
use rewire_memory::scan::Caller;

use super::code::{self, MachineCode, Pin};
use super::dynamic_call;
use super::function::{Data, Function, FunctionPointer};
use crate::base::error::Error;
use crate::base::escape::escape_path;
use crate::base::file_bytes;
use crate::base::ids::UnitId;
use crate::base::ir::Ir;
use crate::base::report::Phase;
use crate::base::resolver::Resolver;
use crate::change::{Change, Changed};
use crate::compile::failure;
use crate::core::Core;
use crate::core::lifetime::HeldEngine;
use crate::core::observations::ObservedLoading;
use crate::host::fork_lock;
use crate::introspect::state::{self, Descriptor, FunctionState};
use crate::ledger::unit::{Unit, UnitPlace};
use crate::ledger::{Definition, EntryKind, Generation, LibraryId, Standing};
use crate::process;

/// A namespace of symbols with a search order (LLVM's ORC calls it a JITDylib). Clones share it.
///
/// A name that the library's code uses is looked up in the library itself, then in the libraries of
/// its search order, then in the host process; finally the library's resolvers are asked. What is
/// found stays bound: a function that was linked against another library's definition keeps using
/// it. The client's lookups ([`Library::lookup`], [`Library::function`], [`Library::data`],
/// [`Library::call`]) search the same way.
///
/// A function is compiled when it is first called. If that fails, the call can't return an error:
/// see [`Library::function`].
///
/// ```
/// use rewire::{Engine, Options};
///
/// let engine = Engine::new(Options::default())?;
/// let runtime = engine.new_library("runtime")?;
/// runtime.add_ir("answer.ll", b"define i32 @answer() {\n ret i32 42\n}")?;
///
/// let main = engine.main();
/// main.search(&[&runtime])?;
/// main.add_ir("main.ll", b"declare i32 @answer()
///     define i32 @ask() {
///       %x = call i32 @answer()
///       ret i32 %x
///     }")?;
/// // SAFETY: it has this type.
/// let ask = unsafe { main.function::<extern "C" fn() -> i32>("ask")? };
/// assert_eq!(ask(), 42);
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone)]
pub struct Library {
    pub(crate) core: HeldEngine,
    pub(crate) id: LibraryId,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.name()).finish()
    }
}

impl Library {
    /// Returns the library's number, which is unique in its engine.
    #[must_use]
    pub fn id(&self) -> LibraryId {
        self.id
    }

    /// Returns the library's name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.core.ledger().library_name(self.id).clone()
    }

    /// Adds a module of IR: bitcode, text, or an inkwell module (see [`Ir`]). Error messages call
    /// the unit `name`. Nothing is compiled yet. Of bitcode, no function body is read yet either:
    /// an invalid body is an error of whichever operation first needs it.
    ///
    /// The unit's static constructors don't run by themselves, not even when one of its functions
    /// is called: see [`Engine::run_constructors`](crate::Engine::run_constructors).
    ///
    /// # Errors
    ///
    /// The bytes aren't IR, the verifier rejects the IR, the IR is for another target, it defines a
    /// name that the library defines already, or one that another thread is changing
    /// ([`Error::Changing`]). On an error, nothing has been added.
    pub fn add_ir<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<UnitId, Error> {
        let source = ir.into().source(name)?;
        self.add(|_| Ok(source), false)
    }

    /// As [`Library::add_ir`], for code that will never be replaced: see
    /// [`Engine::add_ir_frozen`](crate::Engine::add_ir_frozen).
    ///
    /// # Errors
    ///
    /// As [`Library::add_ir`].
    pub fn add_ir_frozen<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<UnitId, Error> {
        let source = ir.into().source(name)?;
        self.add(|_| Ok(source), true)
    }

    /// Adds a file of IR. The file is read, not mapped, because compilers rewrite files in place.
    ///
    /// # Errors
    ///
    /// As [`Library::add_ir`], or the file can't be read ([`Error::Read`]).
    pub fn add_file(&self, path: &Path) -> Result<UnitId, Error> {
        self.add(|core| read_file(core, path), false)
    }

    /// Adds a file of IR that will never be replaced: see
    /// [`Engine::add_ir_frozen`](crate::Engine::add_ir_frozen).
    ///
    /// # Errors
    ///
    /// As [`Library::add_file`].
    pub fn add_file_frozen(&self, path: &Path) -> Result<UnitId, Error> {
        self.add(|core| read_file(core, path), true)
    }

    /// Adds a copy of an inkwell module, under the module's own name. All other methods that take
    /// IR accept inkwell modules as well (see [`Ir`]).
    ///
    /// # Errors
    ///
    /// As [`Library::add_ir`].
    #[cfg(feature = "inkwell")]
    pub fn add_module(&self, module: &inkwell::module::Module<'_>) -> Result<UnitId, Error> {
        let name = module.get_name().to_string_lossy().into_owned();
        self.add_ir(&name, module)
    }

    pub(super) fn add(
        &self,
        read: impl FnOnce(&Core) -> Result<Source, Error>,
        is_frozen: bool,
    ) -> Result<UnitId, Error> {
        let _no_fork = fork_lock::enter_engine();
        if !self.core.ledger().is_library(self.id) {
            return Err(Error::NoLibrary);
        }
        let loading = ObservedLoading::begin(&self.core);
        let place = UnitPlace {
            library: self.id,
            is_frozen,
            standing: Standing::UntilRemoved,
        };
        Ok(self.core.add(read(&self.core)?, place, loading)?.number())
    }

    /// Sets the library's search order: the libraries in which names that the library doesn't
    /// define are looked up, first to last.
    ///
    /// # Errors
    ///
    /// One of the libraries belongs to another engine ([`Error::OtherEngine`]).
    pub fn search(&self, libraries: &[&Library]) -> Result<(), Error> {
        let _no_fork = fork_lock::enter_engine();
        let are_ours = libraries
            .iter()
            .all(|one| Arc::ptr_eq(&one.core, &self.core));
        if !are_ours {
            return Err(Error::OtherEngine);
        }
        let search = libraries.iter().map(|one| one.id).collect();
        self.core.ledger().set_search(self.id, search);
        Ok(())
    }

    /// Sets whether names that no library defines are looked up in the host process (the default).
    pub fn ask_host(&self, ask: bool) {
        let _no_fork = fork_lock::enter_engine();
        self.core.ledger().set_asks_host(self.id, ask);
    }

    /// Adds a resolver, which is asked for names that nothing defines. A library's resolvers are
    /// asked in the order in which they were added.
    ///
    /// ```
    /// use rewire::{Answer, Engine, Options, Request};
    ///
    /// let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.resolve_with(|request: &Request<'_>| {
    ///     let number: i32 = request.name.strip_prefix("number_")?.parse().ok()?;
    ///     Some(Answer::Ir {
    ///         name: request.name.to_owned(),
    ///         bytes: format!("define i32 @number_{number}() {{\n ret i32 {number}\n}}").into(),
    ///     })
    /// });
    /// main.add_ir("sum.ll", b"declare i32 @number_3()
    ///     declare i32 @number_4()
    ///     define i32 @sum() {
    ///       %x = call i32 @number_3()
    ///       %y = call i32 @number_4()
    ///       %z = add i32 %x, %y
    ///       ret i32 %z
    ///     }")?;
    /// // SAFETY: it has this type.
    /// let sum = unsafe { main.function::<extern "C" fn() -> i32>("sum")? };
    /// assert_eq!(sum(), 7);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    pub fn resolve_with(&self, resolver: impl Resolver + 'static) {
        let mut resolvers = rewire_sync::write(&self.core.resolvers);
        resolvers
            .entry(self.id)
            .or_default()
            .push(Arc::new(resolver));
    }

    /// Defines a name as an address of a function or variable of the host. If the client defined it
    /// as another address before, all its users switch to the new one in one step, which
    /// [`Engine::undo`](crate::Engine::undo) can undo, unlike the first definition of a name;
    /// [`Change::define_address`] does the same as part of a change.
    ///
    /// The function or variable must stay there as long as the engine lives, and must have the type
    /// with which code that uses the name declares it.
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
    /// main.define("number", (two as *const ()).into())?;
    /// assert_eq!(f(), 2);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The name is defined as something else, or frozen code calls its present address directly.
    pub fn define(&self, name: &str, address: ExecAddr) -> Result<(), Error> {
        {
            let _no_fork = fork_lock::enter_engine();
            let mut ledger = self.core.ledger();
            if !ledger.is_library(self.id) {
                return Err(Error::NoLibrary);
            }
            let id = ledger.find_or_enter(self.id, &Arc::from(name));
            if ledger.define_address(id, address, &self.core.slots) {
                return Ok(());
            }
        }
        let mut change = self.change();
        change.define_address(name, address);
        change.commit().map(|_| ())
    }

    /// Defines a function whose IR `make` returns when the function is first called: a module
    /// (bitcode or text) that defines the name. Until then, it has an address and costs no more
    /// than its name. [`LazyIr`](crate::LazyIr) says on which thread `make` runs and how often, and
    /// what it shouldn't capture.
    ///
    /// ```
    /// # use rewire::{Engine, Options};
    /// # let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.define_lazily("f", || Ok(b"define i32 @f() {\n ret i32 5\n}".to_vec()))?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn() -> i32>("f")? };
    /// assert_eq!(f(), 5);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The library defines the name already ([`Error::AlreadyDefined`]).
    pub fn define_lazily(
        &self,
        name: &str,
        make: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let _no_fork = fork_lock::enter_engine();
        let mut ledger = self.core.ledger();
        if !ledger.is_library(self.id) {
            return Err(Error::NoLibrary);
        }
        let id = ledger.find_or_enter(self.id, &Arc::from(name));
        let entry = ledger.entry(id);
        if entry.definition() != Definition::None || entry.is_present() {
            return Err(Error::AlreadyDefined { name: name.into() });
        }
        ledger.define_lazily(id, Arc::new(make));
        Ok(())
    }

    /// Returns a name's address. For a function of IR, that is its canonical address, which the
    /// function keeps however often it is replaced. It may be called at once: the first call
    /// compiles the function, and ends the process if that fails (see [`Library::function`]). For
    /// anything else it is where the name leads now: a change may give a variable other memory
    /// ([`Library::data`] keeps the present memory), or an alias or host address another target.
    ///
    /// The name is searched for as code of this library finds it: in the library, along its search
    /// order, in the host process, and by the resolvers.
    ///
    /// ```
    /// # use rewire::{Answer, Engine, Options, Request};
    /// # let engine = Engine::new(Options::default())?;
    /// let (main, runtime) = (engine.main(), engine.new_library("runtime")?);
    /// runtime.add_ir("one.ll", "define i32 @one() {\n ret i32 1\n}")?;
    /// main.search(&[&runtime])?;
    /// main.resolve_with(|request: &Request<'_>| {
    ///     (request.name == "two")
    ///         .then(|| Answer::ir("two.ll", "define i32 @two() {\n ret i32 2\n}"))
    /// });
    /// assert_eq!(main.lookup("one")?, runtime.lookup("one")?);
    /// assert!(main.lookup("two").is_ok() && main.lookup("getpid").is_ok());
    /// assert!(main.lookup("three").is_err());
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing defines the name ([`Error::Unknown`]), a variable's initial value can't be linked,
    /// or the variable is thread-local and so has no single address.
    pub fn lookup(&self, name: &str) -> Result<ExecAddr, Error> {
        self.lookup_as(name, EntryKind::Unknown, None)
    }

    fn lookup_as(
        &self,
        name: &str,
        kind: EntryKind,
        type_name: Option<&str>,
    ) -> Result<ExecAddr, Error> {
        let _no_fork = fork_lock::enter_engine();
        self.core.finish_loading()?;
        self.core.lookup(self.id, name, kind, type_name)
    }

    /// As [`Library::lookup`], but by the demangled name, as the source writes it:
    /// `geometry::area(double)`, `shapes::area`.
    ///
    /// # Errors
    ///
    /// No name demangles to `name` ([`Error::Unknown`]), or several do ([`Error::Ambiguous`]);
    /// otherwise as [`Library::lookup`].
    pub fn lookup_demangled(&self, name: &str) -> Result<ExecAddr, Error> {
        let mangled = {
            let _no_fork = fork_lock::enter_engine();
            self.core.demangled.find(&self.core.ledger(), self.id, name)
        };
        match &*mangled {
            [one] => self.lookup(one),
            [] => Err(Error::Unknown { name: name.into() }),
            several => Err(Error::Ambiguous {
                name: name.into(),
                candidates: several.to_vec(),
            }),
        }
    }

    /// Returns a function of the type `F`: `extern "C" fn(i32, *const u8) -> f64` and the like, of
    /// up to twelve parameters, found as by [`Library::lookup`]. `F` is compared with the type in
    /// IR, if that is known: that of a lazy function isn't until its IR is made, nor that of a
    /// function of the host which no loaded code declares.
    ///
    /// The first call compiles the function. If that function, or one that it calls in turn, can't
    /// be compiled or found when it is called, **the process ends** with exit code 70. To survive
    /// every such failure, enter through [`Library::call`] or set a handler
    /// ([`Engine::on_failure`](crate::Engine::on_failure)). Compiling beforehand finds only some:
    /// [`Library::pin`] those of this function, [`Engine::compile_all`](crate::Engine::compile_all)
    /// those of all bodies, and neither finds a called function that nothing defines.
    ///
    /// ```
    /// # use rewire::{Engine, Options};
    /// # let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("f.ll", "define double @half(double %x) {
    ///     %y = fmul double %x, 0.5
    ///     ret double %y
    /// }")?;
    /// // SAFETY: it has this type.
    /// let half = unsafe { main.function::<extern "C" fn(f64) -> f64>("half")? };
    /// let body = main.pin("half")?;
    /// assert_eq!(half(3.0), 1.5);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Library::lookup`]; or the name is not a function of type `F` ([`Error::WrongType`]).
    ///
    /// # Safety
    ///
    /// The caller must ensure that the function has the type `F`, also where its IR type doesn't
    /// tell (what its pointers point to, say), and may be called as often and on whichever threads
    /// it is.
    pub unsafe fn function<F: FunctionPointer>(&self, name: &str) -> Result<Function<F>, Error> {
        let address = self.lookup_as(name, EntryKind::Function, Some(&F::type_name()))?;
        {
            let _no_fork = fork_lock::enter_engine();
            process::warn_if_pending(&self.core, self.id, name);
        }
        let state = self.state(name);
        // SAFETY: as the caller promises.
        unsafe { Function::new(self.core.clone(), name, address, state.as_ref()) }
    }

    /// Returns a variable of the type `T`, in the memory that it has now (see [`Data`]). The name
    /// is searched for as by [`Library::lookup`].
    ///
    /// # Errors
    ///
    /// As [`Library::lookup`]; or the name is not a variable, or the variable is smaller than `T`
    /// or not aligned for it ([`Error::WrongType`]).
    pub fn data<T>(&self, name: &str) -> Result<Data<T>, Error> {
        let no_fork = fork_lock::enter_engine();
        self.core.finish_loading()?;
        let (address, held) = code::hold(&self.core, self.id, name)?;
        drop(no_fork);
        let state = self.state(name);
        Data::new(held, name, address, state.as_ref())
    }

    /// Calls a function whose type is known only at run time; returns `None` if it returns nothing.
    ///
    /// If this function, or any that it calls in turn, can't be compiled or resolved when it is
    /// called, the result is [`Error::Call`]. The engine then abandons the call: it unwinds all
    /// frames that the call has made. This runs the cleanups of compiled code and the destructors
    /// of Rust functions in between (which have to be `extern "C-unwind"`); to them, it looks like
    /// a panic. Exception handlers of compiled code (`catch (...)`) don't see it: a function with
    /// such a handler, or with `noexcept`, is left without running its own cleanups.
    ///
    /// The process ends instead if a frame can't be unwound: a C++ frame of the host with such a
    /// handler, or an `extern "C"` function of Rust. The handler of
    /// [`Engine::on_failure`](crate::Engine::on_failure) is asked first in any case.
    ///
    /// ```
    /// # use rewire::{Engine, Options, Value};
    /// # let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("scale.ll", b"define double @scale(double %x, i32 %by) {
    ///     %y = sitofp i32 %by to double
    ///     %z = fmul double %x, %y
    ///     ret double %z
    /// }")?;
    /// // SAFETY: it only computes.
    /// let result = unsafe { main.call("scale", &[Value::F64(1.5), Value::I32(4)])? };
    /// assert_eq!(result, Some(Value::F64(6.0)));
    ///
    /// main.add_ir("f.ll", b"declare void @nowhere()
    ///     define void @f() {
    ///       call void @nowhere()
    ///       call void @nowhere()
    ///       ret void
    ///     }")?;
    /// // SAFETY: as above.
    /// let error = unsafe { main.call("f", &[]) }.unwrap_err();
    /// assert_eq!(error.to_string(), "nowhere is called and nothing defines it; called by f");
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Library::lookup`]; or the name is not a function, its type is unknown or has something
    /// in it that no [`Value`](crate::Value) holds ([`Error::WrongType`]), the arguments don't fit
    /// its type ([`Error::WrongArguments`]), only compiled code can call its calling convention
    /// ([`Error::Uncallable`]), or the call was abandoned ([`Error::Call`]).
    ///
    /// # Safety
    ///
    /// The caller must ensure that the function has no undefined behaviour when called with
    /// `arguments`, and that each pointer among them is valid for what the function does with it.
    pub unsafe fn call(
        &self,
        name: &str,
        arguments: &[crate::Value],
    ) -> Result<Option<crate::Value>, Error> {
        let gate = {
            let _no_fork = fork_lock::enter_engine();
            self.core.finish_loading()?;
            process::warn_if_pending(&self.core, self.id, name);
            dynamic_call::open(&self.core, self.id, name)?
        };
        // SAFETY: as the caller promises.
        failure::catch(|| unsafe { gate.call(arguments) })
            .map_err(|error| dynamic_call::without_adapter(name, error))
    }

    /// Runs the constructors of the library's units that haven't run yet, in the order of their
    /// priorities (as ORC's `initialize` does).
    ///
    /// # Errors
    ///
    /// The library was removed ([`Error::NoLibrary`]); otherwise as
    /// [`Engine::run_constructors`](crate::Engine::run_constructors).
    ///
    /// # Safety
    ///
    /// The caller must ensure that the loaded code has no undefined behaviour.
    pub unsafe fn initialize(&self) -> Result<(), Error> {
        let units = self.units()?;
        self.core.finish_loading()?;
        let own = |one| units.iter().any(|unit| unit.id == one);
        failure::catch(|| process::initialise(&self.core, own))
    }

    /// Ends all units of the library, the latest first: runs the exit functions that each unit's
    /// code registered, then its destructors (as ORC's `deinitialize` does). The units stay loaded,
    /// and their constructors are pending again.
    ///
    /// # Errors
    ///
    /// The library was removed ([`Error::NoLibrary`]).
    ///
    /// # Safety
    ///
    /// The caller must ensure that no thread uses static objects of the library any more.
    pub unsafe fn deinitialize(&self) -> Result<(), Error> {
        for unit in self.units()?.iter().rev() {
            process::unit_endings::run(&self.core, unit);
            process::plan_again(&self.core, unit);
        }
        Ok(())
    }

    fn units(&self) -> Result<Vec<Arc<Unit>>, Error> {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        if !ledger.is_library(self.id) {
            return Err(Error::NoLibrary);
        }
        let mut units = ledger.units();
        units.retain(|unit| unit.library == self.id);
        Ok(units)
    }

    /// Gives a function a new body: see [`Engine::replace`](crate::Engine::replace).
    ///
    /// # Errors
    ///
    /// As [`Engine::replace`](crate::Engine::replace).
    pub fn replace<'i>(&self, name: &str, ir: impl Into<Ir<'i>>) -> Result<Generation, Error> {
        let mut change = self.change();
        change.replace(name, ir);
        let changed = change.commit()?;
        let first = changed.replaced.first();
        // If only the host defined the function so far, this is its first definition in the engine.
        let known = || Some(self.state(name)?.generation);
        let generation = first.map(|one| one.generation).or_else(known);
        Ok(generation.unwrap_or_default())
    }

    /// Removes the library with all its units and names; handles to it find nothing afterwards.
    /// Fails if code outside this library still uses its definitions, unless `force` is set. With
    /// `force`, a later call of a removed function fails with [`Error::Removed`]. Neither the
    /// removal nor any change before it can be undone.
    ///
    /// # Errors
    ///
    /// It is the main library ([`Error::MainLibrary`]), it was removed already
    /// ([`Error::NoLibrary`]), or other code uses what it defines ([`Error::InUse`]). On an error,
    /// nothing has changed.
    pub fn remove(&self, force: bool) -> Result<Changed, Error> {
        if self.id == LibraryId::MAIN {
            return Err(Error::MainLibrary);
        }
        let mut change = self.change();
        {
            let _no_fork = fork_lock::enter_engine();
            let ledger = self.core.ledger();
            if !ledger.is_library(self.id) {
                return Err(Error::NoLibrary);
            }
            let units = ledger.units().into_iter();
            for unit in units.filter(|unit| unit.library == self.id) {
                change.remove_unit(unit.number());
            }
            // Names that the client defined as addresses or lazily belong to no unit.
            for (name, id) in ledger.names(self.id) {
                let definition = ledger.entry(id).definition();
                if matches!(definition, Definition::Absolute | Definition::Lazy) {
                    change.remove(name);
                }
            }
        }
        if force {
            change.force();
        }
        let changed = change.commit()?;
        let _no_fork = fork_lock::enter_engine();
        self.core.history.clear(&self.core);
        self.core.forget_library(self.id);
        let mut resolvers = rewire_sync::write(&self.core.resolvers);
        resolvers.remove(&self.id);
        Ok(changed)
    }

    /// Returns the IR of a function or variable, as text of a module that declares everything that
    /// it refers to. Edited, the text can be passed to [`Library::replace`]: names that are local
    /// to the original unit refer to that unit's again.
    ///
    /// Arguments, blocks and instructions have the names that they had in the IR that was added.
    /// Most compilers leave these out of bitcode (clang keeps them with
    /// `-fno-discard-value-names`). Debug information is missing; metadata, attributes and comments
    /// are as LLVM prints them. Each request parses another copy of the unit's module; of a large
    /// unit, one copy is kept for the next.
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("f.ll", b"define i32 @f(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}")?;
    /// let ir = main.ir("f")?;
    /// main.replace("f", ir.replace("add i32 %x, 1", "mul i32 %x, 5").as_bytes())?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn(i32) -> i32>("f")? };
    /// assert_eq!(f(4), 20);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The name isn't defined by IR ([`Error::Unknown`]), or its body can't be read.
    pub fn ir(&self, name: &str) -> Result<String, Error> {
        let _no_fork = fork_lock::enter_engine();
        code::ir(&self.core, self.id, name)
    }

    /// Returns the machine code of a function, or `None` if it isn't compiled.
    #[must_use]
    pub fn machine_code(&self, name: &str) -> Option<MachineCode> {
        let _no_fork = fork_lock::enter_engine();
        code::machine_code(&self.core, self.id, name)
    }

    /// Compiles a function now, and keeps the compiled body in memory as long as the returned
    /// [`Pin`] lives. The functions that it calls are compiled when they are called, so errors of
    /// theirs aren't found here.
    ///
    /// ```
    /// # use rewire::{Engine, Options};
    /// # let engine = Engine::new(Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("f.ll", r#"define void @f() {
    ///     call void asm sideeffect "no instruction", ""()
    ///     ret void
    /// }"#)?;
    /// main.lookup("f")?; // it isn't compiled yet
    /// let error = main.pin("f").unwrap_err();
    /// assert!(error.to_string().starts_with("cannot compile f: "));
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The name is no function of IR ([`Error::Unknown`]), or can't be compiled
    /// ([`Error::Compile`]; from the second time on, within [`Error::Again`]).
    pub fn pin(&self, name: &str) -> Result<Pin, Error> {
        let _no_fork = fork_lock::enter_engine();
        self.core.finish_loading()?;
        code::pin(&self.core, self.id, name)
    }

    /// Drops a function's machine code; its next call compiles it again. Returns whether it had
    /// any.
    ///
    /// # Errors
    ///
    /// The name is no function ([`Error::Unknown`]), or a frozen unit defines it
    /// ([`Error::Replace`]).
    pub fn unload(&self, name: &str) -> Result<bool, Error> {
        let caller = Caller::here();
        let no_fork = fork_lock::enter_engine();
        let was_there = code::unload(&self.core, self.id, name)?;
        drop(no_fork);
        self.core.reclaim_if_much(&caller);
        Ok(was_there)
    }

    /// Marks a function as stale: its next call asks `make` for a module that defines it anew, and
    /// replaces its body as [`Library::replace`] would. If that fails, so do all calls from then
    /// on; the former body isn't called again. [`LazyIr`](crate::LazyIr) says more about `make`.
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("f.ll", b"define i32 @f() {\n ret i32 1\n}")?;
    /// // SAFETY: it has this type.
    /// let f = unsafe { main.function::<extern "C" fn() -> i32>("f")? };
    /// assert_eq!(f(), 1);
    /// main.refresh("f", || Ok(b"define i32 @f() {\n ret i32 2\n}".to_vec()))?;
    /// assert_eq!(f(), 2);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The name is not a function ([`Error::Unknown`]), a frozen unit defines it
    /// ([`Error::Replace`]), or a change of it is under way, whichever thread's
    /// ([`Error::Changing`]).
    pub fn refresh(
        &self,
        name: &str,
        make: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let caller = Caller::here();
        let no_fork = fork_lock::enter_engine();
        code::refresh(&self.core, self.id, name, Arc::new(make))?;
        drop(no_fork);
        self.core.reclaim_if_much(&caller);
        Ok(())
    }

    /// Begins a change: additions, replacements and removals that become visible together.
    pub fn change(&self) -> Change {
        Change::new(self.core.clone(), self.id)
    }

    /// Returns what the engine knows about a name, or `None` if it doesn't know the name.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<FunctionState> {
        let _no_fork = fork_lock::enter_engine();
        state::of(&self.core, self.id, name)
    }

    /// Returns what a name is, without its users, or `None` if the engine doesn't know the name.
    /// Takes the same time however much is loaded.
    ///
    /// ```
    /// # let engine = rewire::Engine::new(rewire::Options::default())?;
    /// let main = engine.main();
    /// main.add_ir("f.ll", b"declare i32 @puts(ptr)
    ///     define void @f() {
    ///       ret void
    ///     }")?;
    /// let puts = main.descriptor("puts").unwrap();
    /// assert_eq!(puts.type_name.as_deref(), Some("i32 (ptr)"));
    /// assert_eq!(puts.unit, None);
    /// assert_eq!(main.descriptor("f").unwrap().unit.as_deref(), Some("f.ll"));
    /// assert!(main.descriptor("g").is_none());
    /// # Ok::<(), rewire::Error>(())
    /// ```
    #[must_use]
    pub fn descriptor(&self, name: &str) -> Option<Descriptor> {
        let _no_fork = fork_lock::enter_engine();
        state::descriptor(&self.core, self.id, name)
    }

    /// Returns the global names that the library defines, sorted, and the kind of each.
    #[must_use]
    pub fn names(&self) -> Vec<(Arc<str>, EntryKind)> {
        let _no_fork = fork_lock::enter_engine();
        let ledger = self.core.ledger();
        let defined = ledger.names(self.id).filter_map(|(name, id)| {
            let entry = ledger.entry(id);
            let is_own = match entry.definition() {
                Definition::None | Definition::Engine => false,
                Definition::Alias(..) => entry.elected().is_some(),
                _ => true,
            };
            is_own.then(|| (name.clone(), entry.kind()))
        });
        let mut names: Vec<_> = defined.collect();
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        names
    }
}

pub(super) fn read_file(core: &Core, path: &Path) -> Result<Source, Error> {
    let timer = core.timings.start(Phase::Load);
    let bytes = file_bytes::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source: source.into(),
    })?;
    timer.stop();
    Ok(Source::new(escape_path(path), bytes))
}
