//! Registered listeners, and what each was told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::ids::{LibraryId, UnitKey};
use super::listener::{CodeId, CodeListener, UnloadedCode};

/// The code that a listener is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerScope {
    Engine,
    Library(LibraryId),
    Unit(UnitKey),
}

/// A listener with its scope.
pub(crate) struct RegisteredListener {
    scope: ListenerScope,
    listener: Arc<dyn CodeListener>,
    is_registered: AtomicBool,
}

impl fmt::Debug for RegisteredListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegisteredListener")
            .field(&self.scope)
            .finish()
    }
}

impl RegisteredListener {
    pub(crate) fn new(scope: ListenerScope, listener: Arc<dyn CodeListener>) -> Self {
        Self {
            scope,
            listener,
            is_registered: AtomicBool::new(true),
        }
    }

    /// Has it be told nothing from here on.
    pub(crate) fn deregister(&self) {
        self.is_registered.store(false, Ordering::Release);
    }

    /// Whether it is told of code of a unit.
    pub(crate) fn hears(&self, library: LibraryId, unit: UnitKey) -> bool {
        match self.scope {
            ListenerScope::Engine => true,
            ListenerScope::Library(one) => one == library,
            ListenerScope::Unit(one) => one == unit,
        }
    }

    /// The client's listener, unless it was deregistered.
    pub(crate) fn listener(&self) -> Option<&dyn CodeListener> {
        let is_registered = self.is_registered.load(Ordering::Acquire);
        is_registered.then_some(&*self.listener)
    }
}

impl CodeId {
    /// Returns an identifier that no other piece of the process has.
    pub(crate) fn next() -> Self {
        static LATEST: AtomicU64 = AtomicU64::new(0);
        Self(LATEST.fetch_add(1, Ordering::Relaxed))
    }
}

/// A piece that listeners were told of, and who they are. Those that are gone meanwhile are told
/// nothing.
#[derive(Debug)]
pub(crate) struct ToldLoad {
    pub(crate) code: UnloadedCode,
    pub(crate) listeners: Vec<Weak<RegisteredListener>>,
}

impl ToldLoad {
    /// Tells them that the piece is unloaded. No lock may be held.
    pub(crate) fn tell_unloaded(&self) {
        for one in self.listeners.iter().filter_map(Weak::upgrade) {
            let Some(listener) = one.listener() else {
                continue;
            };
            // Freeing can't fail, and what comes after has to be freed too.
            let told = catch_unwind(AssertUnwindSafe(|| listener.unloaded(&self.code)));
            if told.is_err() {
                let unit = self.code.unit_name();
                tracing::error!(unit, "a listener panicked as code was unloaded");
            }
        }
    }
}
