//! What is known of a context's types and attributes.

use std::ffi::c_void;
use std::sync::Arc;

use llvm_sys::prelude::LLVMTypeRef;
use rustc_hash::FxHashMap;

use crate::contract::Contract;
use crate::type_id::TypeId;

/// What was found out about the types and attributes of a context, each of which is in it once and
/// stays as long.
#[derive(Debug, Default)]
pub(crate) struct KnownTypes {
    /// The texts of types, and their identities.
    pub(crate) types: FxHashMap<LLVMTypeRef, (Arc<str>, TypeId)>,
    /// Contracts, by a function's attributes and its calling convention.
    pub(crate) contracts: FxHashMap<(*const c_void, u32), Arc<Contract>>,
}
