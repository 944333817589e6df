//! What tells types apart: their structure and layout, whatever they are called.
//!
//! A named struct (LangRef, "Structure Type") has a name of its module's own: that of another
//! module may be of other fields, and LLVM renames one of two that meet in a context.

use std::cell::Cell;
use std::ptr;

use llvm_sys::prelude::LLVMTypeRef;

use crate::ffi;
use crate::module::Module;
use crate::type_id::TypeId;

/// The types of a module, each looked at once.
#[derive(Debug)]
pub(crate) struct Types<'m> {
    /// Null until the first of them is asked for.
    raw: Cell<*mut ffi::RewireTypes>,
    module: &'m Module,
}

impl<'m> Types<'m> {
    pub(crate) fn new(module: &'m Module) -> Self {
        Self {
            raw: Cell::new(ptr::null_mut()),
            module,
        }
    }

    pub(crate) fn raw(&self) -> *mut ffi::RewireTypes {
        if self.raw.get().is_null() {
            // SAFETY: the module is valid, and outlives this.
            let made = unsafe { ffi::rewire_types_new(self.module.module_ref()) };
            self.raw.set(made);
        }
        self.raw.get()
    }

    /// The identity of one of the module's types.
    pub(crate) fn id(&self, of: LLVMTypeRef) -> TypeId {
        let mut bytes = [0; 16];
        // SAFETY: the type is one of the module's, and there is room for the identity.
        unsafe { ffi::rewire_type_id(self.raw(), of, bytes.as_mut_ptr()) };
        TypeId::new(bytes)
    }
}

impl Drop for Types<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, or null.
        unsafe { ffi::rewire_types_free(self.raw.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn ids(ir: &str) -> Vec<TypeId> {
        let source = Source::new("types", ir.as_bytes());
        let index = Module::read(&source).unwrap().index().unwrap();
        index.globals.iter().map(|global| global.type_id).collect()
    }

    #[test]
    fn names_are_no_part_of_a_type() {
        let same = ids(
            "%a = type { i32, %b }  %b = type { i8, ptr }  %c = type { i32, %d }
            %d = type { i8, ptr }
            @1 = global %a zeroinitializer  @2 = global %c zeroinitializer
            @3 = global { i32, { i8, ptr } } zeroinitializer
            @4 = global { i32, %b } zeroinitializer",
        );
        assert!(same.iter().all(|id| *id == same[0]), "{same:?}");
    }

    #[test]
    fn what_differs_inside_or_in_layout_is_another_type() {
        let all = ids(
            "%in = type { i32 }  %more = type { i32, i32 }  %odd = type <{ i8, i32 }>
            @1 = global { %in } zeroinitializer  @2 = global { %more } zeroinitializer
            @3 = global %odd zeroinitializer  @4 = global { i8, i32 } zeroinitializer
            @5 = global [2 x i32] zeroinitializer  @6 = global <2 x i32> zeroinitializer
            @7 = global i32 0  @8 = global float 0.0  @9 = global ptr null
            @10 = global ptr addrspace(1) null  @11 = external global [0 x i32]
            @12 = external global {}  @13 = global i31 0",
        );
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one), "{place}: {all:?}");
        }
    }

    #[test]
    fn function_types_have_the_structs_that_they_pass_inside() {
        let all = ids("%s = type { i32 }  %t = type { i64 }
            declare %s @1(%s, ...)  declare %s @2(%s)  declare %t @3(%s)
            declare { i32 } @4({ i32 })");
        assert_eq!(all[1], all[3]);
        assert_ne!(all[0], all[1]);
        assert_ne!(all[2], all[1]);
    }

    #[test]
    fn types_that_share_their_parts_cost_no_more_than_the_parts() {
        let mut ir = String::from("%t0 = type { i8, i8 }\n");
        for level in 1..40 {
            let part = level - 1;
            ir.push_str(&format!("%t{level} = type {{ %t{part}, %t{part} }}\n"));
        }
        ir.push_str("@x = external global %t39");
        assert_eq!(ids(&ir).len(), 1);
    }
}
