//! Notes what a thread does, for the observer.
//!
//! Between the beginning and the end of a [`Recording`], each step that this thread finishes
//! ([`phase`]) and each function that it publishes ([`published`]) is noted in it. The steps are
//! several calls deep in code that is about other things, so the notes go by way of a variable of
//! the thread rather than through everybody's arguments. It is looked at only if somebody listens.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_llvm::Ordinal;
use rewire_memory::ExecAddr;

use crate::core::Core;
use crate::error::Error;
use crate::events::{
    Compilation, CompileObserver, CompiledFunction, Loaded, PhaseSpan, TimeSpan, Why,
};
use crate::ledger::EntryId;
use crate::report::Phase;
use crate::unit::Unit;

thread_local! {
    /// The recordings under way, the innermost last. Functions are called for the first time also
    /// while a thread's variables are destroyed, so this one has no destructor: it is given up
    /// when it is empty.
    static OPEN: RefCell<ManuallyDrop<Vec<Notes>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// What was noted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) phases: Vec<PhaseSpan>,
    functions: Vec<Published>,
    variables: usize,
}

/// A function that got a body.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) entry: EntryId,
    pub(crate) name: Arc<str>,
    pub(crate) address: ExecAddr,
    pub(crate) size: u64,
}

/// Notes a finished step.
pub(crate) fn phase(phase: Phase, start: Instant, duration: Duration) {
    with_innermost(|notes| {
        notes.phases.push(PhaseSpan {
            phase,
            start,
            duration,
        });
    });
}

/// Notes what was published.
pub(crate) fn published(functions: Vec<Published>, variables: usize) {
    with_innermost(|notes| {
        notes.functions.extend(functions);
        notes.variables += variables;
    });
}

fn with_innermost(note: impl FnOnce(&mut Notes)) {
    OPEN.with_borrow_mut(|open| {
        if let Some(notes) = open.last_mut() {
            note(notes);
        }
    });
}

/// While it stands, this thread's steps are noted.
#[derive(Debug)]
pub(crate) struct Recording {
    start: Instant,
    is_open: bool,
}

impl Recording {
    pub(crate) fn begin() -> Self {
        OPEN.with_borrow_mut(|open| open.push(Notes::default()));
        Self {
            start: Instant::now(),
            is_open: true,
        }
    }

    pub(crate) fn end(mut self) -> (TimeSpan, Notes) {
        let span = span_since(self.start);
        (span, self.close())
    }

    fn close(&mut self) -> Notes {
        self.is_open = false;
        OPEN.with_borrow_mut(|open| {
            let notes = open.pop().unwrap_or_default();
            if open.is_empty() {
                drop(std::mem::take(&mut **open));
            }
            notes
        })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.is_open {
            self.close();
        }
    }
}

/// From `start` until now, on this thread.
pub(crate) fn span_since(start: Instant) -> TimeSpan {
    TimeSpan {
        // SAFETY: it asks for a number.
        thread: unsafe { libc::gettid() }.unsigned_abs(),
        start,
        duration: start.elapsed(),
    }
}

/// The loading of a unit, as far as somebody listens.
pub(crate) struct Loading<'c>(Option<(Recording, &'c dyn CompileObserver)>);

impl<'c> Loading<'c> {
    pub(crate) fn begin(core: &'c Core) -> Self {
        let observer = core.compile_observer.as_deref();
        Self(observer.map(|observer| (Recording::begin(), observer)))
    }

    /// Tells the observer. No lock may be held.
    pub(crate) fn end(self, unit: &Unit) {
        let Some((recording, observer)) = self.0 else {
            return;
        };
        let (span, notes) = recording.end();
        observer.loaded(&Loaded {
            id: unit.number(),
            unit: unit.name.clone(),
            globals: unit.index.globals.len(),
            span,
            phases: notes.phases,
        });
    }
}

impl Core {
    /// Does something that compiles definitions of a unit, and tells the observer, if there is
    /// one, what and why. No lock may be held.
    pub(crate) fn observed<R>(
        &self,
        unit: &Unit,
        roots: &[Ordinal],
        why: impl FnOnce() -> Why,
        work: impl FnOnce() -> Result<R, Error>,
    ) -> Result<R, Error> {
        let Some(observer) = &self.compile_observer else {
            return work();
        };
        let recording = Recording::begin();
        let result = work();
        let (span, notes) = recording.end();
        if result.is_ok() && notes.phases.is_empty() {
            // Others had done it already.
            return result;
        }
        let why = why();
        let names = roots.iter().filter_map(|root| {
            let global = unit.index.globals.get(root.index())?;
            Some(global.name.clone())
        });
        let names: Vec<Arc<str>> = names.collect();
        let asked: Vec<EntryId> = roots.iter().filter_map(|root| unit.entry(*root)).collect();
        let functions = notes.functions.into_iter().map(|one| CompiledFunction {
            why: match names.first() {
                Some(of) if !asked.contains(&one.entry) => Why::Company { of: of.clone() },
                _ => why.clone(),
            },
            name: one.name,
            address: one.address,
            size: one.size,
        });
        let functions = functions.collect();
        observer.compiled(&Compilation {
            unit: unit.name.clone(),
            why,
            asked: names,
            functions,
            variables: notes.variables,
            failed: result.is_err(),
            span,
            phases: notes.phases,
        });
        result
    }
}
