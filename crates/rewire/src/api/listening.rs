//! Registering listeners.

use std::sync::Arc;

use super::engine::Engine;
use super::library::Library;
use crate::base::error::Error;
use crate::base::ids::UnitId;
use crate::base::listener::CodeListener;
use crate::base::told_load::ListenerScope;
use crate::core::listeners::Listening;

impl Engine {
    /// Registers a listener for all code of the engine that is loaded from here on: see
    /// [`CodeListener`].
    pub fn listen(&self, listener: Arc<dyn CodeListener>) -> Listening {
        Listening::begin(&self.core.listeners, ListenerScope::Engine, listener)
    }

    /// Registers a listener for the code of one unit.
    ///
    /// # Errors
    ///
    /// The unit is another engine's ([`Error::OtherEngine`]), or has left ([`Error::NoUnit`]).
    pub fn listen_to_unit(
        &self,
        unit: UnitId,
        listener: Arc<dyn CodeListener>,
    ) -> Result<Listening, Error> {
        let key = unit.key(self.core.number)?;
        self.core.unit(key)?;
        let scope = ListenerScope::Unit(key);
        Ok(Listening::begin(&self.core.listeners, scope, listener))
    }
}

impl Library {
    /// Registers a listener for the code of the library's units, those that are added later too.
    pub fn listen(&self, listener: Arc<dyn CodeListener>) -> Listening {
        let scope = ListenerScope::Library(self.id);
        Listening::begin(&self.core.listeners, scope, listener)
    }
}
