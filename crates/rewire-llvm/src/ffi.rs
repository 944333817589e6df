//! The shim's C interface (`shim/shim.h`), as Rust sees it. What takes no object of LLVM's is in
//! [`crate::start`].

use std::sync::atomic::AtomicU64;

use libc::{c_char, c_int, c_uint, c_void};
use llvm_sys::prelude::{LLVMContextRef, LLVMModuleRef, LLVMTypeRef, LLVMValueRef};

use crate::inline_budget::InlineBudget;

/// The numbered globals of a module.
#[repr(C)]
pub(crate) struct RewireIndex {
    _opaque: [u8; 0],
}

/// The identities of a module's types.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RewireTypes {
    _opaque: [u8; 0],
}

/// A target machine and its pipelines.
#[repr(C)]
pub(crate) struct RewireCodegen {
    _opaque: [u8; 0],
}

/// A target's triple and data layout.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RewireTarget {
    _opaque: [u8; 0],
}

/// How large a function's body is.
#[repr(C)]
#[derive(Default)]
pub(crate) struct RewireSize {
    pub(crate) blocks: usize,
    pub(crate) instructions: usize,
    pub(crate) indirect_calls: usize,
}

/// What a global is that an imported definition names.
#[repr(C)]
pub(crate) struct RewireReference {
    pub(crate) ordinal: u32,
    pub(crate) number: u32,
    pub(crate) name: *const c_char,
    pub(crate) name_length: usize,
    pub(crate) is_near: bool,
    pub(crate) is_current: bool,
    pub(crate) is_private: bool,
}

/// A definition of another module.
#[repr(C)]
pub(crate) struct RewireImport {
    pub(crate) bitcode: *const c_char,
    pub(crate) length: usize,
    pub(crate) ordinal: u32,
    pub(crate) number: u32,
    pub(crate) references: *const RewireReference,
    pub(crate) reference_count: usize,
}

/// Who knows the definitions of other modules.
#[repr(C)]
pub(crate) struct RewireImporter {
    pub(crate) data: *mut c_void,
    pub(crate) find: extern "C" fn(
        data: *mut c_void,
        number: u32,
        most: usize,
        found: *mut RewireImport,
    ) -> bool,
    pub(crate) is_elsewhere: extern "C" fn(data: *mut c_void, number: u32) -> bool,
}

pub(crate) type ExportedEntry = extern "C" fn(
    data: *mut c_void,
    bitcode: *const c_char,
    length: usize,
    references: *const u32,
    count: usize,
);
pub(crate) type ContentsEntry =
    extern "C" fn(data: *mut c_void, used: usize, calls: usize, refers: bool);
pub(crate) type NameEntry = extern "C" fn(data: *mut c_void, name: *const c_char, length: usize);
pub(crate) type StructorEntry =
    extern "C" fn(data: *mut c_void, priority: u32, ordinal: usize, has: bool, other: usize);
pub(crate) type UsedEntry = extern "C" fn(data: *mut c_void, ordinal: usize);

unsafe extern "C" {
    pub(crate) fn rewire_read_bitcode(
        context: LLVMContextRef,
        host: *const RewireTarget,
        bytes: *const c_char,
        length: usize,
        module: *mut LLVMModuleRef,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_read_text(
        context: LLVMContextRef,
        host: *const RewireTarget,
        bytes: *const c_char,
        length: usize,
        module: *mut LLVMModuleRef,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_index_new(module: LLVMModuleRef) -> *mut RewireIndex;
    pub(crate) fn rewire_index_verified(index: *mut RewireIndex, words: *const AtomicU64);
    pub(crate) fn rewire_strip_debug(index: *mut RewireIndex);
    pub(crate) fn rewire_verify(index: *mut RewireIndex, error: *mut *mut c_char) -> bool;
    pub(crate) fn rewire_read_for_fronts(
        index: *mut RewireIndex,
        bytes: *const c_char,
        length: usize,
        is_bitcode: bool,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_read_all(index: *mut RewireIndex, error: *mut *mut c_char) -> bool;
    pub(crate) fn rewire_is_unreadable(index: *const RewireIndex) -> bool;
    pub(crate) fn rewire_verify_other(module: LLVMModuleRef, error: *mut *mut c_char) -> bool;
    pub(crate) fn rewire_index_free(index: *mut RewireIndex);
    pub(crate) fn rewire_index_len(index: *const RewireIndex) -> usize;
    pub(crate) fn rewire_index_get(index: *const RewireIndex, ordinal: usize) -> LLVMValueRef;
    pub(crate) fn rewire_types_new(module: LLVMModuleRef) -> *mut RewireTypes;
    pub(crate) fn rewire_types_free(types: *mut RewireTypes);
    pub(crate) fn rewire_type_id(types: *mut RewireTypes, of: LLVMTypeRef, id: *mut u8);
    pub(crate) fn rewire_variable_align(variable: LLVMValueRef) -> u64;
    pub(crate) fn rewire_alias_target(
        index: *const RewireIndex,
        alias: LLVMValueRef,
        ordinal: *mut usize,
        offset: *mut i64,
    ) -> bool;
    pub(crate) fn rewire_structors(
        index: *const RewireIndex,
        list: *const c_char,
        entry: StructorEntry,
        data: *mut c_void,
    );
    pub(crate) fn rewire_initialisers(
        index: *const RewireIndex,
        constructor: usize,
        part: UsedEntry,
        variable: UsedEntry,
        data: *mut c_void,
    );
    pub(crate) fn rewire_thread_initialiser(
        index: *const RewireIndex,
        variable: UsedEntry,
        data: *mut c_void,
    );
    pub(crate) fn rewire_used(index: *const RewireIndex, entry: UsedEntry, data: *mut c_void);
    pub(crate) fn rewire_comdat(global: LLVMValueRef, length: *mut usize) -> *const c_char;
    pub(crate) fn rewire_contents(
        index: *const RewireIndex,
        ordinal: usize,
        size: *mut RewireSize,
        entry: ContentsEntry,
        data: *mut c_void,
    );
    pub(crate) fn rewire_assembly_names(
        index: *const RewireIndex,
        entry: NameEntry,
        data: *mut c_void,
    );
    pub(crate) fn rewire_inline_assembly(
        index: *const RewireIndex,
        entry: extern "C" fn(*mut c_void, usize, *const c_char, usize),
        data: *mut c_void,
    );
    pub(crate) fn rewire_symbol_name(global: LLVMValueRef) -> *mut c_char;
    pub(crate) fn rewire_call_adapter(index: *mut RewireIndex, ordinal: usize) -> *mut c_char;
    pub(crate) fn rewire_call_plan(
        index: *mut RewireIndex,
        function: usize,
        block: extern "C" fn(*mut c_void, usize),
        call: extern "C" fn(*mut c_void, usize, bool),
        data: *mut c_void,
    );
    pub(crate) fn rewire_extract(
        index: *mut RewireIndex,
        roots: *const usize,
        root_count: usize,
        states: *const u8,
        fold: bool,
        whole: bool,
        budget: InlineBudget,
        importer: *const RewireImporter,
        out: *mut LLVMModuleRef,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_export(
        index: *mut RewireIndex,
        ordinal: usize,
        states: *const u8,
        most: usize,
        done: ExportedEntry,
        data: *mut c_void,
    ) -> bool;
    pub(crate) fn rewire_is_all(index: *const RewireIndex, root: usize) -> bool;
    pub(crate) fn rewire_extract_in_place(index: *mut RewireIndex, root: usize, states: *const u8);
    pub(crate) fn rewire_is_inlined_away(global: LLVMValueRef) -> bool;
    pub(crate) fn rewire_has_front(global: LLVMValueRef) -> bool;
    pub(crate) fn rewire_is_coroutine_part(global: LLVMValueRef, is_counted: *mut bool) -> bool;
    pub(crate) fn rewire_extract_front(
        index: *mut RewireIndex,
        function: usize,
        states: *const u8,
        out: *mut LLVMModuleRef,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_shown(index: *const RewireIndex, count: *mut usize) -> *const usize;
    pub(crate) fn rewire_identity(
        extracted: LLVMModuleRef,
        part: extern "C" fn(*mut c_void, u8, *const c_char, usize, *const u8, usize),
        local: extern "C" fn(*mut c_void, u32),
        data: *mut c_void,
    ) -> bool;
    pub(crate) fn rewire_attributes(global: LLVMValueRef, convention: *mut c_uint)
    -> *const c_void;
    pub(crate) fn rewire_contract(types: *mut RewireTypes, function: LLVMValueRef) -> *mut c_char;
    pub(crate) fn rewire_may_throw(function: LLVMValueRef) -> bool;
    pub(crate) fn rewire_extract_text(
        index: *mut RewireIndex,
        root: usize,
        states: *const u8,
        out: *mut LLVMModuleRef,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_text(extracted: LLVMModuleRef, unit: u64) -> *mut c_char;
    pub(crate) fn rewire_inlined(codegen: *const RewireCodegen, count: *mut usize) -> *const usize;
    pub(crate) fn rewire_is_intact(index: *const RewireIndex) -> bool;
    pub(crate) fn rewire_is_taken(index: *const RewireIndex, ordinal: usize) -> bool;
    pub(crate) fn rewire_extract_asm(index: *mut RewireIndex) -> LLVMModuleRef;
    pub(crate) fn rewire_codegen_free(codegen: *mut RewireCodegen);
    pub(crate) fn rewire_set_passes(
        codegen: *mut RewireCodegen,
        text: *const c_char,
        length: usize,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_known_cpus(
        codegen: *const RewireCodegen,
        entry: extern "C" fn(*mut c_void, bool, *const c_char, usize),
        data: *mut c_void,
    );
    pub(crate) fn rewire_transformed(
        former: LLVMModuleRef,
        bytes: *const c_char,
        length: usize,
        module: *mut LLVMModuleRef,
        error: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn rewire_codegen_data_layout(codegen: *const RewireCodegen) -> *mut c_char;
    pub(crate) fn rewire_codegen_triple(codegen: *const RewireCodegen) -> *mut c_char;
    pub(crate) fn rewire_target_new(codegen: *const RewireCodegen) -> *mut RewireTarget;
    pub(crate) fn rewire_set_triple(target: *const RewireTarget, module: LLVMModuleRef);
    pub(crate) fn rewire_set_layout(target: *const RewireTarget, module: LLVMModuleRef);
}

// An error that LLVM doesn't survive unwinds through these, see `diagnostics::contained`.
unsafe extern "C-unwind" {
    pub(crate) fn rewire_optimise(codegen: *mut RewireCodegen, module: LLVMModuleRef);
    pub(crate) fn rewire_optimise_whole(codegen: *mut RewireCodegen, module: LLVMModuleRef);
    pub(crate) fn rewire_count_loops(
        codegen: *const RewireCodegen,
        module: LLVMModuleRef,
        limit: u32,
    ) -> bool;
    pub(crate) fn rewire_find_places(codegen: *mut RewireCodegen, module: LLVMModuleRef) -> bool;
    pub(crate) fn rewire_places(codegen: *const RewireCodegen, count: *mut usize) -> *const i32;
    pub(crate) fn rewire_poll_loops(module: LLVMModuleRef);
    pub(crate) fn rewire_continue_at(
        module: LLVMModuleRef,
        head: u32,
        counts: bool,
        limit: u32,
        places: *const i32,
        count: usize,
    ) -> bool;
    pub(crate) fn rewire_slot_calls(codegen: *mut RewireCodegen, module: LLVMModuleRef);
    pub(crate) fn rewire_emit(
        codegen: *mut RewireCodegen,
        module: LLVMModuleRef,
        bytes: *mut *const c_char,
        length: *mut usize,
    );
}

/// LLVM's truth values.
pub(crate) fn is_true(value: c_int) -> bool {
    value != 0
}
