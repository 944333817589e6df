//! From a link graph to a stored slot.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rewire::{Compilation, CompileObserver, Phase, Why};

use crate::clock::{median, microseconds};
use crate::replace::load;
use crate::replaced::Replaced;
use crate::{Outcome, engine};

/// Prints the microseconds from when the new body's object is a link graph until its slot is
/// stored and all of it published, with everything compiled that the file has.
pub(crate) fn run(file: &Path, count: usize) -> Outcome<()> {
    let watch = Arc::new(Watch::default());
    let engine = engine(Some(watch.clone()))?;
    load(&engine, file)?;
    engine.compile_all()?;
    let mut function = Replaced::new(&engine, "f0")?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        function.once()?;
        let mut linked = watch.linked.lock().unwrap_or_else(PoisonError::into_inner);
        let linked = linked.take().ok_or("the engine told of no replacement")?;
        times.push(microseconds(linked));
    }
    println!("us {:.3}", median(times)?);
    Ok(())
}

/// Takes the time of the last replacement's linking from its phases.
#[derive(Default)]
struct Watch {
    linked: Mutex<Option<Duration>>,
}

impl CompileObserver for Watch {
    fn compiled(&self, compilation: &Compilation) {
        if compilation.why == Why::Replacement {
            let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
            *linked = linked_in(compilation);
        }
    }
}

/// The first step of linking ends with the link graph; publishing ends when the slot is stored.
fn linked_in(compilation: &Compilation) -> Option<Duration> {
    let mut phases = compilation.phases.iter();
    let parsed = phases.find(|span| span.phase == Phase::Link)?;
    let published = phases.find(|span| span.phase == Phase::Publish)?;
    let begin = parsed.start + parsed.duration;
    Some((published.start + published.duration) - begin)
}
