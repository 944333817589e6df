//! Functions that run when the process exits.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use rewire_sync::OnceLock;

type Register = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, *mut c_void) -> c_int;

/// A function of the C library. Not called by its name, because an executable may have taken the
/// name for itself: to keep its static C++ objects from being destroyed, say.
///
/// # Safety
///
/// `F` is the type of the function, as a pointer.
pub(crate) unsafe fn c_library<F>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: the name is a C string; the caller vouches for the type.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!found.is_null()).then(|| std::mem::transmute_copy(&found))
    }
}

fn registration() -> Option<Register> {
    static FOUND: OnceLock<Option<Register>> = OnceLock::new();
    // SAFETY: the C library's function has this type (Itanium C++ ABI, section 3.3.6.3).
    *FOUND.get_or_init(|| unsafe { c_library(c"__cxa_atexit") })
}

/// Registers a function to be called when the process exits: for programs that took `__cxa_atexit`
/// away from themselves. Returns 0, or -1 when it can't.
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
