//! Records the steps of a thread, for the observer.
//!
//! Between the beginning and the end of a [`Recording`], each step that this thread finishes
//! ([`phase`]) and each function that it publishes ([`published`]) is recorded. Steps happen
//! several calls deep in code with other concerns, so records are collected in a thread-local
//! variable rather than passed as arguments. Nothing is recorded without an observer.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_memory::ExecAddr;

use crate::base::events::{PhaseSpan, TimeSpan};
use crate::base::ids::EntryId;
use crate::base::report::Phase;

thread_local! {
    /// The recordings under way, the innermost last. It has no destructor, because functions may be
    /// called for the first time while a thread's variables are destroyed; instead its memory is
    /// freed when it is empty.
    static OPEN: RefCell<ManuallyDrop<Vec<RecordedSteps>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// What was recorded.
#[derive(Debug, Default)]
pub(crate) struct RecordedSteps {
    pub(crate) phases: Vec<PhaseSpan>,
    pub(crate) functions: Vec<Published>,
    pub(crate) variables: usize,
}

/// A function that got a body.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) entry: EntryId,
    pub(crate) name: Arc<str>,
    pub(crate) address: ExecAddr,
    pub(crate) size: u64,
}

/// Records a finished step.
pub(crate) fn phase(phase: Phase, start: Instant, duration: Duration) {
    with_innermost(|notes| {
        notes.phases.push(PhaseSpan {
            phase,
            start,
            duration,
        });
    });
}

/// Records what was published.
pub(crate) fn published(functions: Vec<Published>, variables: usize) {
    with_innermost(|notes| {
        notes.functions.extend(functions);
        notes.variables += variables;
    });
}

fn with_innermost(note: impl FnOnce(&mut RecordedSteps)) {
    OPEN.with_borrow_mut(|open| {
        if let Some(notes) = open.last_mut() {
            note(notes);
        }
    });
}

/// Records this thread's steps until it ends or is dropped.
#[derive(Debug)]
pub(crate) struct Recording {
    start: Instant,
    is_open: bool,
}

impl Recording {
    pub(crate) fn begin() -> Self {
        OPEN.with_borrow_mut(|open| open.push(RecordedSteps::default()));
        Self {
            start: Instant::now(),
            is_open: true,
        }
    }

    pub(crate) fn end(mut self) -> (TimeSpan, RecordedSteps) {
        let span = span_since(self.start);
        (span, self.close())
    }

    fn close(&mut self) -> RecordedSteps {
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

/// Returns the time span from `start` until now, on this thread.
pub(crate) fn span_since(start: Instant) -> TimeSpan {
    TimeSpan {
        // SAFETY: the call only returns the thread's ID.
        thread: unsafe { libc::gettid() }.unsigned_abs(),
        start,
        duration: start.elapsed(),
    }
}
