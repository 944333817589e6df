//! [`HeldEngine`]: keeps an engine alive for the client.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Core;

/// The reference to an engine in each of a client's handles.
///
/// The engine's own code holds an [`Arc<Core>`] for the duration of a task. Only `HeldEngine`s
/// count as the client's: when the last one is dropped, what the program registered for its end
/// runs, while its code can still be called. Then the engine may be dropped.
#[derive(Clone)]
pub(crate) struct HeldEngine(Arc<LastHandle>);

struct LastHandle(Arc<Core>);

impl HeldEngine {
    /// Makes the first handle's reference to a new engine.
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
        // Otherwise the C library would call into freed memory later.
        (self.0.above.end)(&self.0);
    }
}
