//! Measures how long the engine's threads spend in each phase.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::recording;
use crate::base::report::Phase;

const PHASES: usize = 9;

/// Time spent in each phase, summed over threads.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    nanoseconds: [AtomicU64; PHASES],
    /// Whether an observer wants to know each step.
    is_observed: bool,
}

impl Timings {
    pub(crate) fn new(is_observed: bool) -> Self {
        Self {
            is_observed,
            ..Self::default()
        }
    }

    pub(crate) fn start(&self, phase: Phase) -> Timer<'_> {
        Timer {
            timings: self,
            phase,
            since: Instant::now(),
        }
    }

    pub(crate) fn add(&self, phase: Phase, time: Duration) {
        self.nanoseconds[phase as usize].fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.nanoseconds[phase as usize].load(Ordering::Relaxed))
    }
}

/// Measures a step until it is stopped. A step that fails is counted nowhere.
#[derive(Debug)]
pub(crate) struct Timer<'t> {
    timings: &'t Timings,
    phase: Phase,
    since: Instant,
}

impl Timer<'_> {
    pub(crate) fn stop(self) {
        self.stop_at(Instant::now());
    }

    /// Ends this step and begins the next one, at the same instant.
    pub(crate) fn then(self, phase: Phase) -> Self {
        let (timings, since) = (self.timings, Instant::now());
        self.stop_at(since);
        Self {
            timings,
            phase,
            since,
        }
    }

    fn stop_at(self, end: Instant) {
        let time = end.saturating_duration_since(self.since);
        self.timings.add(self.phase, time);
        if self.timings.is_observed {
            recording::phase(self.phase, self.since, time);
        }
    }
}
