//! Functions that run when the process exits.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

type Register = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, *mut c_void) -> c_int;

/// The C library's own registration. Not called by its name, because an executable may keep its
/// static C++ objects from being destroyed by taking that name for itself.
fn registration() -> Option<Register> {
    static FOUND: OnceLock<Option<Register>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: the name is a C string; the C library's function has this type (Itanium C++
        // ABI, section 3.3.6.3).
        unsafe {
            let found = libc::dlsym(libc::RTLD_DEFAULT, c"__cxa_atexit".as_ptr());
            std::mem::transmute::<*mut c_void, Option<Register>>(found)
        }
    })
}

/// Registers a function to be called when the process exits: `atexit` of compiled code, and for
/// programs that took `__cxa_atexit` away from themselves. Returns 0, or -1 when it can't.
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
