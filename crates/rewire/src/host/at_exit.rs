//! Registers functions that run when the process exits.

use std::ffi::{c_int, c_void};
use std::ptr;

use rewire_memory::global_scope;
use rewire_sync::OnceLock;

type CxaAtExit =
    unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, *mut c_void) -> c_int;

/// Finds a function of the C library by name. It isn't called directly by its name, because an
/// executable may define the name itself: to keep its static C++ objects from being destroyed, or
/// to intercept what libraries register.
///
/// # Safety
///
/// The caller must ensure that `F` is a pointer to a function of the type that the C library's
/// function has.
pub(crate) unsafe fn c_library<F>(name: &str) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    let found = global_scope::address_in_libraries(name)?.get();
    // SAFETY: the caller vouches for the type.
    Some(unsafe { std::mem::transmute_copy(&found) })
}

fn registration() -> Option<CxaAtExit> {
    static FOUND: OnceLock<Option<CxaAtExit>> = OnceLock::new();
    // SAFETY: the C library's function has this type (Itanium C++ ABI, section 3.3.6.3).
    *FOUND.get_or_init(|| unsafe { c_library("__cxa_atexit") })
}

/// Registers a function to be called when the process exits. For programs that define
/// `__cxa_atexit` themselves, and so can't use `atexit`. Returns 0, or -1 on failure.
pub extern "C" fn at_exit(function: extern "C" fn()) -> c_int {
    let Some(register) = registration() else {
        return -1;
    };
    // SAFETY: the function ignores the argument that it is called with; no library owns it.
    unsafe {
        let function: extern "C" fn(*mut c_void) = std::mem::transmute(function);
        register(function, ptr::null_mut(), ptr::null_mut())
    }
}
