//! When the dynamic loader's function for the process's end, which calls the destructors of shared
//! libraries, is registered with the C library.
//!
//! `exit` calls what was registered last first. A native program's libraries run their
//! constructors, then the C library registers the loader's function, then the program's own
//! constructors run. So at exit a library's destructors come before what its constructors
//! registered: a library that was linked with the C++ runtime files calls that itself, for its
//! static objects, once its destructors have run. Here the program's libraries are opened in
//! `main`, which would be after the function's registration. So the C library isn't given the
//! function, and it is registered once they are open. All that follows (exits, forks, libraries
//! that the program opens and closes) is the C library's.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

type Main = unsafe extern "C-unwind" fn(c_int, *const *const c_char, *const *const c_char) -> c_int;

/// What a process calls at its start or its end.
type Hook = Option<extern "C" fn()>;

unsafe extern "C-unwind" {
    /// The C library's `__libc_start_main` (see build.rs).
    fn __real___libc_start_main(
        main: Main,
        argc: c_int,
        argv: *const *const c_char,
        initialise: Hook,
        finish: Hook,
        loader_end: Hook,
        stack_end: *mut c_void,
    ) -> !;
}

/// The loader's function, until it is registered.
static LOADER_END: Mutex<Hook> = Mutex::new(None);

fn swap(hook: Hook) -> Hook {
    let mut kept = LOADER_END.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut kept, hook)
}

/// What the process's first code calls in place of `__libc_start_main`. The loader may have no
/// function for the end (psABI, section 3.4.1), so the C library takes a null.
///
/// # Safety
///
/// The executable's entry point calls it, with what it promises to pass to the C library.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn __wrap___libc_start_main(
    main: Main,
    argc: c_int,
    argv: *const *const c_char,
    initialise: Hook,
    finish: Hook,
    loader_end: Hook,
    stack_end: *mut c_void,
) -> ! {
    swap(loader_end);
    // SAFETY: the arguments are those that the C library is to be called with.
    unsafe { __real___libc_start_main(main, argc, argv, initialise, finish, None, stack_end) }
}

/// Registers the loader's function, if it isn't yet: the program's libraries are open.
pub(crate) fn register() {
    if let Some(loader_end) = swap(None) {
        rewire::at_exit(loader_end);
    }
}
