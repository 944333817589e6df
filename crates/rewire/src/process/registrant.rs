//! Whose a registration with the C library is ([`super::registering`]).

use std::sync::Arc;

use crate::core::Core;
use crate::ids::UnitKey;

/// The unit that registers something.
pub(super) struct Registrant {
    pub(super) core: Arc<Core>,
    pub(super) unit: UnitKey,
}
