//! Predicts which functions are certain to be called soon, so that other threads can compile them
//! ahead.
//!
//! The engine keeps, for each compiled function, the plan of its calls. It consults the plan at two
//! moments: when a function is about to run, for the calls that it makes in any case; and when a
//! function calls another for the first time, for the calls that follow. Nothing is compiled on a
//! guess.

use std::sync::Arc;

use rewire_llvm::{CallPlan, Ordinal};
use rewire_memory::ExecAddr;

use crate::base::sync::lock;
use crate::core::Core;
use crate::core::sure_calls::SureCalls;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, EntryId, EntryKind, State};

impl Core {
    /// Compiles ahead what a function that is about to run certainly calls, and records its plan.
    pub(crate) fn foresee(&self, unit: &Arc<Unit>, function: Ordinal, calls: CallPlan) {
        if calls.is_empty() {
            return;
        }
        self.compile_soon(unit, &calls.from_entry());
        if let Some(id) = unit.entry(function) {
            let plan = SureCalls {
                unit: unit.clone(),
                calls,
            };
            lock(&self.foresight.plans).insert(id, plan);
        }
    }

    /// Compiles ahead what the function at `caller` certainly calls next, after its first call of
    /// `callee`.
    pub(crate) fn foresee_after(&self, caller: ExecAddr, callee: EntryId) {
        if !self.workers.are_there() {
            return;
        }
        let within = {
            let ledger = self.ledger();
            let called = caller.checked_add_signed(-1);
            called.and_then(|called| ledger.definition_at(called))
        };
        let Some((_, within)) = within else {
            return;
        };
        let (unit, next) = {
            let plans = lock(&self.foresight.plans);
            let Some(plan) = plans.get(&within.entry) else {
                return;
            };
            let mut callees = plan.calls.callees();
            let known = callees.find(|ordinal| plan.unit.entry(*ordinal) == Some(callee));
            let Some(ordinal) = known else {
                return;
            };
            (plan.unit.clone(), plan.calls.after(ordinal))
        };
        self.compile_soon(&unit, &next);
    }

    fn compile_soon(&self, unit: &Unit, functions: &[Ordinal]) {
        if functions.is_empty() {
            return;
        }
        let wanted: Vec<EntryId> = {
            let ledger = self.ledger();
            let is_wanted = |id: &EntryId| {
                let entry = ledger.entry(*id);
                matches!(entry.state(), State::Absent)
                    && matches!(entry.definition(), Definition::Ir(..))
                    && entry.kind() == EntryKind::Function
            };
            let entries = functions.iter().filter_map(|one| unit.entry(*one));
            entries.filter(is_wanted).collect()
        };
        self.compile_first(&wanted);
    }
}
