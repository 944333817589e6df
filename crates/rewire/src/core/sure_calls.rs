//! The calls that compiled functions certainly make ([`crate::compile::foresight`]).

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::CallPlan;
use rewire_sync::Mutex;
use rustc_hash::FxBuildHasher;

use crate::base::ids::EntryId;
use crate::base::sync::lock;
use crate::ledger::unit::Unit;

/// The call plans of the compiled functions.
#[derive(Debug, Default)]
pub(crate) struct Foresight {
    pub(crate) plans: Mutex<HashMap<EntryId, SureCalls, FxBuildHasher>>,
}

impl Foresight {
    /// Forgets the plans of functions that were removed.
    pub(crate) fn forget(&self, functions: &[EntryId]) {
        let mut plans = lock(&self.plans);
        for id in functions {
            plans.remove(id);
        }
    }
}

/// The certain calls of one function.
#[derive(Debug)]
pub(crate) struct SureCalls {
    pub(crate) unit: Arc<Unit>,
    pub(crate) calls: CallPlan,
}
