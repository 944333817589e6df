//! What keeps an engine alive, and what happens when its client gives it up.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Core;

/// What each of a client's handles holds of an engine.
///
/// The engine itself uses [`Arc<Core>`] for the time of a task. Only these count as the client's:
/// when the last one goes, what the program has left for its end runs, while its code can still be
/// called; then the engine may go.
#[derive(Clone)]
pub(crate) struct HeldEngine(Arc<LastHandle>);

struct LastHandle(Arc<Core>);

impl HeldEngine {
    /// For the first handle to a new engine.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(Arc::new(LastHandle(core)))
    }
}

impl Deref for HeldEngine {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.0.0
    }
}

impl fmt::Debug for HeldEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl Drop for LastHandle {
    fn drop(&mut self) {
        // The C library would call into memory that is gone.
        (self.0.above.end)(&self.0);
    }
}
