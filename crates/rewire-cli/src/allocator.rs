//! The program's own memory: Rust's and LLVM's.
//!
//! LLVM allocates a lot; mimalloc takes a twentieth off the time of compiling. It serves this
//! executable alone: the program that runs, and the libraries it loads, find the C library's
//! `malloc` and libstdc++'s `operator new` as always (exports.map).

use std::ffi::c_void;

use libmimalloc_sys as mi;
use mimalloc::MiMalloc;

#[global_allocator]
static GLOBAL: MiMalloc = MiMalloc;

/// Defines C++'s allocation functions (C++20, [new.delete]) under their mangled names (Itanium C++
/// ABI, section 5.1). Those of the static libstdc++ are not linked then.
macro_rules! operators {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {
        $($(#[$doc])*
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
            // SAFETY: the caller is C++ code that passes what the operator takes.
            unsafe { $body }
        })*
    };
}

/// LLVM is built without exceptions: it doesn't survive a lack of memory.
fn or_end(memory: *mut c_void) -> *mut c_void {
    if memory.is_null() {
        crate::message::error("there is no memory left to compile with", None);
        // SAFETY: it ends the process.
        unsafe { libc::_exit(rewire::EXIT_COMPILE) };
    }
    memory
}

operators! {
    /// `operator new(size_t)`
    _Znwm(size: usize) -> *mut c_void = or_end(mi::mi_malloc(size.max(1)));
    /// `operator new[](size_t)`
    _Znam(size: usize) -> *mut c_void = or_end(mi::mi_malloc(size.max(1)));
    /// `operator new(size_t, nothrow_t const &)`
    _ZnwmRKSt9nothrow_t(size: usize, _tag: *const c_void) -> *mut c_void = mi::mi_malloc(size.max(1));
    /// `operator new[](size_t, nothrow_t const &)`
    _ZnamRKSt9nothrow_t(size: usize, _tag: *const c_void) -> *mut c_void = mi::mi_malloc(size.max(1));
    /// `operator new(size_t, align_val_t)`
    _ZnwmSt11align_val_t(size: usize, align: usize) -> *mut c_void =
        or_end(mi::mi_malloc_aligned(size.max(1), align));
    /// `operator new[](size_t, align_val_t)`
    _ZnamSt11align_val_t(size: usize, align: usize) -> *mut c_void =
        or_end(mi::mi_malloc_aligned(size.max(1), align));
    /// `operator new(size_t, align_val_t, nothrow_t const &)`
    _ZnwmSt11align_val_tRKSt9nothrow_t(size: usize, align: usize, _tag: *const c_void) -> *mut c_void =
        mi::mi_malloc_aligned(size.max(1), align);
    /// `operator delete(void *)`
    _ZdlPv(memory: *mut c_void) = mi::mi_free(memory);
    /// `operator delete[](void *)`
    _ZdaPv(memory: *mut c_void) = mi::mi_free(memory);
    /// `operator delete(void *, size_t)`
    _ZdlPvm(memory: *mut c_void, _size: usize) = mi::mi_free(memory);
    /// `operator delete[](void *, size_t)`
    _ZdaPvm(memory: *mut c_void, _size: usize) = mi::mi_free(memory);
    /// `operator delete(void *, align_val_t)`
    _ZdlPvSt11align_val_t(memory: *mut c_void, _align: usize) = mi::mi_free(memory);
    /// `operator delete[](void *, align_val_t)`
    _ZdaPvSt11align_val_t(memory: *mut c_void, _align: usize) = mi::mi_free(memory);
    /// `operator delete(void *, size_t, align_val_t)`
    _ZdlPvmSt11align_val_t(memory: *mut c_void, _size: usize, _align: usize) = mi::mi_free(memory);
    /// `operator delete[](void *, size_t, align_val_t)`
    _ZdaPvmSt11align_val_t(memory: *mut c_void, _size: usize, _align: usize) = mi::mi_free(memory);
    /// `operator delete(void *, nothrow_t const &)`
    _ZdlPvRKSt9nothrow_t(memory: *mut c_void, _tag: *const c_void) = mi::mi_free(memory);
    /// `operator delete[](void *, nothrow_t const &)`
    _ZdaPvRKSt9nothrow_t(memory: *mut c_void, _tag: *const c_void) = mi::mi_free(memory);
}
