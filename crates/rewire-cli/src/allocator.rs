//! The program's own memory: Rust's and LLVM's.
//!
//! LLVM allocates a lot; mimalloc takes a twentieth off the time of compiling. It serves this
//! executable alone: the program that runs, and the libraries it loads, find the C library's
//! `malloc` and libstdc++'s `operator new` as always (exports.map).

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;

use libmimalloc_sys as mi;
use mimalloc::MiMalloc;

#[global_allocator]
static GLOBAL: Allocator = Allocator;

/// mimalloc for Rust. Where it has no memory, the process ends with a message: what the standard
/// library does then is to abort.
struct Allocator;

// SAFETY: mimalloc's answers, null ones apart.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_end(unsafe { MiMalloc.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_end(unsafe { MiMalloc.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_end(unsafe { MiMalloc.realloc(memory, layout, size) })
    }
}

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
fn or_end<T>(memory: *mut T) -> *mut T {
    if memory.is_null() {
        crate::limits::end_without_memory();
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
