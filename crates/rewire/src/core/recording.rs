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

use rewire_memory::ExecAddr;

use crate::base::events::{PhaseSpan, TimeSpan};
use crate::base::ids::EntryId;
use crate::base::report::Phase;

thread_local! {
    /// The recordings under way, the innermost last. Functions are called for the first time also
    /// while a thread's variables are destroyed, so this one has no destructor: it is given up
    /// when it is empty.
    static OPEN: RefCell<ManuallyDrop<Vec<RecordedSteps>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// What was noted.
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

fn with_innermost(note: impl FnOnce(&mut RecordedSteps)) {
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

/// From `start` until now, on this thread.
pub(crate) fn span_since(start: Instant) -> TimeSpan {
    TimeSpan {
        // SAFETY: it asks for a number.
        thread: unsafe { libc::gettid() }.unsigned_abs(),
        start,
        duration: start.elapsed(),
    }
}
