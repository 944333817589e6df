//! The contracts of a module's functions.

use std::sync::Arc;

use llvm_sys::prelude::LLVMValueRef;

use crate::contract::Contract;
use crate::diagnostics::take_message;
use crate::ffi;
use crate::known_types::KnownTypes;
use crate::module::Module;
use crate::ordinal::Ordinal;
use crate::types::Types;

/// The contract of a global; what is no function has an empty one. Most functions share one with
/// others.
pub(crate) fn contract_of(
    known: &mut KnownTypes,
    types: &Types<'_>,
    global: LLVMValueRef,
) -> Arc<Contract> {
    let mut convention = 0;
    // SAFETY: the global is valid.
    let attributes = unsafe { ffi::rewire_attributes(global, &raw mut convention) };
    let make = || {
        let is_function = !attributes.is_null() || convention != 0;
        if !is_function {
            return Arc::default();
        }
        // SAFETY: it is a function of the module whose types these are, and the text is ours.
        let text = unsafe { take_message(ffi::rewire_contract(types.raw(), global)) };
        Arc::new(Contract::parse(&text))
    };
    let known = known.contracts.entry((attributes, convention));
    known.or_insert_with(make).clone()
}

impl Module {
    /// The contract of a function as its body keeps it, where it is `declared` as its index has it:
    /// a body that can't throw needn't say so. Reads the body.
    #[must_use]
    pub fn kept_contract(&self, function: Ordinal, declared: &Contract) -> Contract {
        let global = self.global_ref(function.index());
        let mut contract = declared.clone();
        // SAFETY: the ordinal is in range.
        let throws = unsafe { ffi::rewire_may_throw(global) };
        if !throws {
            contract.promise_not_to_unwind();
        }
        contract
    }
}
