//! The listeners of an engine, and the guard that keeps one registered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rewire_sync::RwLock;

use crate::base::listener::CodeListener;
use crate::base::told_load::{ListenerScope, RegisteredListener};
use crate::host::fork_lock;

/// The listeners of an engine.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// How many there are, so that loading code costs one read where there are none.
    count: AtomicUsize,
    all: RwLock<Vec<Arc<RegisteredListener>>>,
}

impl Listeners {
    /// Whether there is any.
    pub(crate) fn are_any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// All, in the order in which they were registered.
    pub(crate) fn all(&self) -> Vec<Arc<RegisteredListener>> {
        rewire_sync::read(&self.all).clone()
    }

    fn remove(&self, listener: &Arc<RegisteredListener>) {
        listener.deregister();
        let mut all = rewire_sync::write(&self.all);
        all.retain(|one| !Arc::ptr_eq(one, listener));
        self.count.store(all.len(), Ordering::Release);
    }
}

/// Keeps a listener registered until it is dropped. It doesn't keep the engine.
///
/// After it is dropped, the listener isn't called any more, not even for code that it was told of.
/// A call that another thread has begun may still be running then.
#[must_use = "the listener is deregistered when this is dropped"]
#[derive(Debug)]
pub struct Listening {
    listeners: Arc<Listeners>,
    listener: Arc<RegisteredListener>,
}

impl Listening {
    /// Registers a listener.
    pub(crate) fn begin(
        listeners: &Arc<Listeners>,
        scope: ListenerScope,
        listener: Arc<dyn CodeListener>,
    ) -> Self {
        let _no_fork = fork_lock::enter_engine();
        let listener = Arc::new(RegisteredListener::new(scope, listener));
        let mut all = rewire_sync::write(&listeners.all);
        all.push(listener.clone());
        listeners.count.store(all.len(), Ordering::Release);
        drop(all);
        Self {
            listeners: listeners.clone(),
            listener,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _no_fork = fork_lock::enter_engine();
        self.listeners.remove(&self.listener);
    }
}
