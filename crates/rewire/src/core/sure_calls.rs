//! The calls that functions which were compiled will surely make ([`crate::compile::foresight`]).

use std::collections::HashMap;
use std::sync::Arc;

use rewire_llvm::CallPlan;
use rewire_sync::Mutex;
use rustc_hash::FxBuildHasher;

use crate::base::ids::EntryId;
use crate::base::sync::lock;
use crate::ledger::unit::Unit;

/// The plans of the functions that were compiled.
#[derive(Debug, Default)]
pub(crate) struct Foresight {
    pub(crate) plans: Mutex<HashMap<EntryId, SureCalls, FxBuildHasher>>,
}

impl Foresight {
    /// Forgets the plans of functions that are gone.
    pub(crate) fn forget(&self, functions: &[EntryId]) {
        let mut plans = lock(&self.plans);
        for id in functions {
            plans.remove(id);
        }
    }
}

/// The calls of one function.
#[derive(Debug)]
pub(crate) struct SureCalls {
    pub(crate) unit: Arc<Unit>,
    pub(crate) calls: CallPlan,
}
