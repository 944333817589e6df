//! From a name to object bytes, and to a function that runs.

use std::sync::Arc;

use rewire_llvm::{LlvmError, Ordinal};
use rewire_memory::ExecAddr;
use rewire_memory::fault::CrashGuard;

use crate::core::Core;
use crate::error::Error;
use crate::host::{self, HostSymbol};
use crate::ledger::{Definition, EntryId, EntryKind, Ledger, State};
use crate::link::{self, Object, Origin, Purpose, enter_host};
use crate::report::Phase;
use crate::sync::wait;
use crate::unit::{Scope, Unit, UnitId};

/// What a thread has to do to get a function's address.
enum Work {
    /// Nothing: here it is.
    Done(ExecAddr),
    /// Compile this definition.
    Compile(Arc<Unit>, Ordinal),
    /// Ask the host for this name.
    Host(Arc<str>),
    /// Call this resolver function.
    Choose(EntryId),
}

impl Core {
    /// The address of a function's current body, compiled if it has none yet. Other threads that
    /// want the same function wait.
    pub(crate) fn provide(&self, id: EntryId) -> Result<ExecAddr, Error> {
        let result = match self.claim(id)? {
            Work::Done(address) => return Ok(address),
            Work::Compile(unit, ordinal) => self.compile_called(&unit, ordinal).map(|()| None),
            Work::Host(name) => match host::find(&name, false) {
                Some(HostSymbol::Address(address)) => Ok(Some(address)),
                _ => Err(Error::MissingFunction { name }),
            },
            Work::Choose(resolver) => self.choose(resolver).map(Some),
        };
        let mut ledger = self.ledger();
        match result {
            Ok(Some(address)) => {
                enter_host(self, &mut ledger, id, HostSymbol::Address(address));
            }
            Ok(None) => {}
            Err(error) => {
                let error = Arc::new(error);
                // A name that nothing defines may be defined later.
                ledger.entry_mut(id).state = match &*error {
                    Error::MissingFunction { .. } => State::Absent,
                    _ => State::Failed(error.clone()),
                };
                drop(ledger);
                self.changed.notify_all();
                return Err(Error::Again(error));
            }
        }
        let result = match ledger.entry(id).state {
            State::Present(address) => Ok(address),
            _ => {
                let what = "a definition was compiled and is not there".to_owned();
                let error = Arc::new(Error::Internal(what));
                ledger.entry_mut(id).state = State::Failed(error.clone());
                Err(Error::Again(error))
            }
        };
        drop(ledger);
        self.changed.notify_all();
        result
    }

    /// Marks a function as this thread's to compile, or waits for whoever does.
    fn claim(&self, id: EntryId) -> Result<Work, Error> {
        let mut ledger = self.ledger();
        loop {
            match &ledger.entry(id).state {
                State::Present(address) => return Ok(Work::Done(*address)),
                State::Failed(error) => return Err(Error::Again(error.clone())),
                State::PerThread { .. } => {
                    let name = ledger.entry(id).name.clone();
                    return Err(Error::MissingFunction { name });
                }
                State::Pending => ledger = wait(&self.changed, ledger),
                State::Absent => break,
            }
        }
        let work = match ledger.entry(id).definition {
            Definition::Ir(unit, ordinal) => Work::Compile(ledger.unit(unit).clone(), ordinal),
            Definition::Ifunc(resolver) => Work::Choose(resolver),
            _ => Work::Host(ledger.entry(id).name.clone()),
        };
        ledger.entry_mut(id).state = State::Pending;
        Ok(work)
    }

    /// The address that a name of the program has for its whole life; a variable gets its memory.
    pub(crate) fn lookup(&self, name: &str) -> Result<ExecAddr, Error> {
        let unknown = || Error::Unknown { name: name.into() };
        let mut ledger = self.ledger();
        let id = ledger.find(name).ok_or_else(unknown)?;
        let (target, offset) = ledger.address_target(id);
        let entry = ledger.entry(target);
        if entry.is_replaceable() {
            return Ok(ledger.canonical(target, &self.slots)?);
        }
        if let (Definition::Front(unit, ordinal), State::Absent) = (entry.definition, &entry.state)
        {
            let unit = ledger.unit(unit).clone();
            drop(ledger);
            let front = self.compile_front(&unit, ordinal)?;
            link::link(self, &[front], Purpose::Load)?;
            ledger = self.ledger();
        }
        let entry = ledger.entry(target);
        if let (Definition::Ir(unit, ordinal), State::Absent) = (entry.definition, &entry.state) {
            let unit = ledger.unit(unit).clone();
            drop(ledger);
            self.compile(&unit, &[ordinal], Purpose::Load)?;
            ledger = self.ledger();
        }
        let entry = ledger.entry(target);
        match entry.state {
            State::Present(address) if entry.definition != Definition::None => {
                Ok(address.checked_add_signed(offset).unwrap_or(address))
            }
            _ => Err(unknown()),
        }
    }

    /// Has an indirect function's resolver choose what it stands for.
    fn choose(&self, resolver: EntryId) -> Result<ExecAddr, Error> {
        let (resolver, _) = self.ledger().target(resolver);
        let address = self.provide(resolver)?;
        // SAFETY: the unit says that this is the resolver of an indirect function, which takes
        // nothing and returns an address (LangRef, "IFuncs").
        let chosen = unsafe {
            let resolver: extern "C" fn() -> u64 = std::mem::transmute(address.get());
            resolver()
        };
        Ok(ExecAddr::new(chosen))
    }

    /// Compiles definitions of a unit and links them.
    pub(crate) fn compile(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        purpose: Purpose,
    ) -> Result<link::Linked, Error> {
        let object = Object::of_ir(unit, self.emit(unit, roots, Scope::Values)?);
        link::link(self, &[object], purpose)
    }

    /// Compiles a function that is being called, and with it those that it surely calls: their
    /// slots still lead to the engine, but find a body.
    fn compile_called(&self, unit: &Arc<Unit>, function: Ordinal) -> Result<(), Error> {
        let mut company = Vec::new();
        let mut want = |ordinal| match self.claim_if_absent(unit, ordinal) {
            Some(id) => {
                company.push(id);
                true
            }
            None => false,
        };
        let compiled = self
            .emit(unit, &[function], Scope::Company(&mut want))
            .map(|bytes| Object::of_ir(unit, bytes))
            .and_then(|object| link::link(self, &[object], Purpose::Call));
        if company.is_empty() {
            return compiled.map(|_| ());
        }
        // Of what failed, one of the others may be the reason, and that is for its own call to
        // say. Nobody may wait for what didn't come.
        let mut ledger = self.ledger();
        for id in company {
            let entry = ledger.entry_mut(id);
            if matches!(entry.state, State::Pending) {
                entry.state = State::Absent;
            }
        }
        drop(ledger);
        self.changed.notify_all();
        match compiled {
            Ok(_) => Ok(()),
            Err(_) => self.compile(unit, &[function], Purpose::Call).map(|_| ()),
        }
    }

    /// Marks a function as this thread's to compile, if nobody else has got to it.
    fn claim_if_absent(&self, unit: &Unit, ordinal: Ordinal) -> Option<EntryId> {
        let id = unit.entry(ordinal)?;
        let mut ledger = self.ledger();
        let entry = ledger.entry_mut(id);
        let is_free = matches!(entry.state, State::Absent)
            && entry.definition == Definition::Ir(unit.id, ordinal);
        is_free.then(|| {
            entry.state = State::Pending;
            id
        })
    }

    /// Extracts definitions and generates an object for them.
    pub(crate) fn emit(
        &self,
        unit: &Arc<Unit>,
        roots: &[Ordinal],
        scope: Scope<'_>,
    ) -> Result<Vec<u8>, Error> {
        let _guard = self.guard(unit, roots);
        self.with_codegen(|codegen| {
            let extract = self.timings.start(Phase::Extract);
            let fold = codegen.level() > rewire_llvm::Level::O0;
            let bytes = unit.extract(roots, scope, fold, |mut extracted| {
                extract.stop();
                let optimise = self.timings.start(Phase::Optimise);
                codegen.optimise(&mut extracted);
                optimise.stop();
                let generate = self.timings.start(Phase::Codegen);
                let bytes = codegen.emit(extracted)?.to_vec();
                generate.stop();
                Ok(bytes)
            });
            if tracing::enabled!(tracing::Level::DEBUG) {
                let functions = label(unit, roots);
                tracing::debug!(unit = &*unit.name, functions, "compiled");
            }
            bytes.map_err(|source| compile_error(unit, roots, source))
        })
    }

    /// The unit's module-level assembly as an object.
    pub(crate) fn emit_assembly(&self, unit: &Arc<Unit>) -> Result<Option<Object>, Error> {
        let _guard = self.guard(unit, &[]);
        self.with_codegen(|codegen| {
            let bytes = unit.extract_assembly(|extracted| Ok(codegen.emit(extracted)?.to_vec()))?;
            Ok(bytes.map(|bytes| Object {
                unit: unit.clone(),
                bytes,
                origin: Origin::Assembly,
                section: None,
            }))
        })
    }

    fn guard(&self, unit: &Unit, roots: &[Ordinal]) -> Option<CrashGuard> {
        self.guard_crashes.then(|| {
            let name = label(unit, roots);
            CrashGuard::new(
                format!(
                    "error: {}: LLVM crashed while it compiled {name}\n",
                    unit.name
                ),
                crate::EXIT_COMPILE,
            )
        })
    }

    /// Compiles everything that isn't yet.
    pub(crate) fn compile_all(&self) -> Result<(), Error> {
        let units: Vec<Arc<Unit>> = self.ledger().units().to_vec();
        for unit in units {
            let wanted = wanted(&self.ledger(), unit.id);
            for roots in wanted.chunks(BATCH) {
                self.compile(&unit, roots, Purpose::Load)?;
            }
        }
        Ok(())
    }
}

/// How many functions are compiled together where all will be needed: what is spent once for
/// each object is then spent once for each batch.
const BATCH: usize = 16;

/// The functions of a unit that have no body in memory yet.
fn wanted(ledger: &Ledger, unit: UnitId) -> Vec<Ordinal> {
    let globals = 0..ledger.unit(unit).index.globals.len() as u32;
    globals
        .map(Ordinal::new)
        .filter(|ordinal| {
            let entry = ledger.unit(unit).entry(*ordinal).map(|id| ledger.entry(id));
            entry.is_some_and(|entry| {
                entry.kind == EntryKind::Function
                    && entry.definition == Definition::Ir(unit, *ordinal)
                    && matches!(entry.state, State::Absent)
            })
        })
        .collect()
}

fn label(unit: &Unit, roots: &[Ordinal]) -> String {
    let names = roots.iter().filter_map(|root| {
        let global = unit.index.globals.get(root.index())?;
        (!global.name.is_empty()).then(|| global.name.to_string())
    });
    let names: Vec<String> = names.take(3).collect();
    match (names.len(), roots.len()) {
        (0, _) => "it".to_owned(),
        (named, all) if named < all => format!("{} and others", names.join(", ")),
        _ => names.join(", "),
    }
}

fn compile_error(unit: &Unit, roots: &[Ordinal], source: LlvmError) -> Error {
    Error::Compile {
        function: label(unit, roots).into(),
        source,
    }
}
