//! What a function promises and demands, beyond its type.
//!
//! Bitcode that was optimised elsewhere has such facts about functions built into their callers
//! (LangRef, "Function Attributes", "Parameter Attributes"). A new body has to keep the promises
//! of the old one, and may demand no more.

use std::ffi::c_void;
use std::sync::Arc;

use llvm_sys::prelude::LLVMValueRef;
use rustc_hash::FxHashMap;

use crate::diagnostics::take_message;
use crate::ffi;
use crate::module::{Module, Ordinal};

/// A function's contract with its callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// How values are passed.
    abi: Vec<Box<str>>,
    /// What callers may rely on.
    promises: Vec<Box<str>>,
    /// What callers have to see to.
    demands: Vec<Box<str>>,
}

/// The promise that a body may keep without saying so.
const NO_UNWIND: &str = "nounwind";

impl Contract {
    fn parse(text: &str) -> Self {
        let mut contract = Self::default();
        for line in text.lines() {
            let (kind, rest) = line.split_at(line.len().min(1));
            let list = match kind {
                "a" => &mut contract.abi,
                "p" => &mut contract.promises,
                _ => &mut contract.demands,
            };
            list.push(rest.trim_start().into());
        }
        contract
    }

    /// Why callers that know this contract can't do with another; `None` if they can.
    #[must_use]
    pub fn broken_by(&self, new: &Self) -> Option<String> {
        if self.abi != new.abi {
            let show = |list: &[Box<str>]| match list {
                [] => "plainly".to_owned(),
                some => some.join(", "),
            };
            return Some(format!(
                "values were passed so: {}; and now so: {}",
                show(&self.abi),
                show(&new.abi)
            ));
        }
        if let Some(lost) = self.promises.iter().find(|one| !new.promises.contains(one)) {
            return Some(format!(
                "callers may rely on this, which the new one doesn't promise: {lost}"
            ));
        }
        let more = new.demands.iter().find(|one| !self.demands.contains(one));
        more.map(|more| format!("callers don't know that it demands this: {more}"))
    }
}

/// Makes the contracts of a module's functions; most functions share one with others.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    known: FxHashMap<(*const c_void, u32), Arc<Contract>>,
}

impl Contracts {
    /// That of a global; what is no function has an empty one.
    pub(crate) fn of(&mut self, global: LLVMValueRef) -> Arc<Contract> {
        let mut convention = 0;
        // SAFETY: the global is valid.
        let attributes = unsafe { ffi::rewire_attributes(global, &raw mut convention) };
        let make = || {
            let is_function = !attributes.is_null() || convention != 0;
            if !is_function {
                return Arc::default();
            }
            // SAFETY: it is a function, and the text is ours.
            let text = unsafe { take_message(ffi::rewire_contract(global)) };
            Arc::new(Contract::parse(&text))
        };
        let known = self.known.entry((attributes, convention));
        known.or_insert_with(make).clone()
    }
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
        if !throws && !contract.promises.iter().any(|one| &**one == NO_UNWIND) {
            contract.promises.push(NO_UNWIND.into());
        }
        contract
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_weaker_is_told() {
        let old = Contract::parse(
            "p nounwind\np it never writes memory of kind 0\nd argument 1 nonnull\n",
        );
        assert_eq!(old.broken_by(&old), None);
        let throws = Contract::parse("p it never writes memory of kind 0\n");
        assert!(old.broken_by(&throws).unwrap().contains("nounwind"));
        let stronger =
            Contract::parse("p nounwind\np it never writes memory of kind 0\np willreturn\n");
        assert_eq!(old.broken_by(&stronger), None);
        let demands = Contract::parse(
            "p nounwind\np it never writes memory of kind 0\nd argument 1 nonnull\nd argument 2 nonnull",
        );
        assert!(old.broken_by(&demands).unwrap().contains("argument 2"));
        let other = Contract::parse("a argument 1 byval(i64)\np nounwind");
        assert!(old.broken_by(&other).unwrap().contains("byval"));
    }
}
