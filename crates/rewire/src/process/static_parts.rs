//! Supplies what a linker would take from static parts of the C library and of the compiler, which
//! no shared library has.

use std::ffi::CString;

use rewire_memory::{ExecAddr, scan};
use rewire_sync::OnceLock;

use super::{builtins as more_builtins, exit_functions, loop_heads, signal_waits, signals};
use crate::host::thread_local;
use crate::process::registrations;

/// Returns the functions that the engine supplies itself, whatever the host has.
pub(crate) fn instead_of_host(name: &str) -> Option<ExecAddr> {
    let address = match name {
        "__tls_get_addr" => thread_local::get_address as *const () as u64,
        "atexit" => registrations::atexit as *const () as u64,
        "__cxa_atexit" => registrations::cxa_atexit as *const () as u64,
        "__cxa_finalize" => exit_functions::finalize as *const () as u64,
        "__cxa_thread_atexit" | "__cxa_thread_atexit_impl" => {
            registrations::cxa_thread_atexit as *const () as u64
        }
        "at_quick_exit" | "__cxa_at_quick_exit" => registrations::at_quick_exit as *const () as u64,
        "on_exit" => registrations::on_exit as *const () as u64,
        "pthread_atfork" => registrations::pthread_atfork as *const () as u64,
        "__rewire_loop" => loop_heads::at_loop_head as *const () as u64,
        "makecontext" => scan::makecontext().get(),
        _ => return signals::find(name).or_else(|| signal_waits::find(name)),
    };
    Some(ExecAddr::new(address))
}

/// Finds a function of libatomic. If there is a libatomic, it serves all atomics, because atomics
/// of all sizes and alignments share its locks.
fn libatomic(name: &str) -> Option<ExecAddr> {
    if !name.starts_with("__atomic_") {
        return None;
    }
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    // SAFETY: the names are C strings; the library has no constructors that matter.
    unsafe {
        let flags = libc::RTLD_LAZY | libc::RTLD_LOCAL;
        let library =
            LIBRARY.get_or_init(|| libc::dlopen(c"libatomic.so.1".as_ptr(), flags) as usize);
        let name = CString::new(name).ok()?;
        if *library == 0 {
            return None;
        }
        let found = libc::dlsym(*library as *mut libc::c_void, name.as_ptr());
        (!found.is_null()).then(|| ExecAddr::new(found as u64))
    }
}

/// Returns variables of the compiler's support library, with the values that they have after its
/// start-up code has run.
pub(crate) fn variable(name: &str) -> Option<Vec<u8>> {
    let bytes = match name {
        // SAFETY: libgcc defines it with 16 bytes and sets it before `main`.
        "__cpu_model" => unsafe { (&raw const libgcc::__cpu_model).cast::<[u8; 16]>().read() },
        // SAFETY: as above, with 12 bytes, of which the last 4 are set to 0 here.
        "__cpu_features2" => unsafe {
            let mut bytes = [0; 16];
            let known = (&raw const libgcc::__cpu_features2)
                .cast::<[u8; 12]>()
                .read();
            bytes[..12].copy_from_slice(&known);
            bytes
        },
        _ => return None,
    };
    Some(bytes.to_vec())
}

/// libgcc's static part (see build.rs).
mod libgcc {
    unsafe extern "C" {
        pub(super) static __cpu_model: u32;
        pub(super) static __cpu_features2: u32;
        pub(super) fn __cpu_indicator_init() -> libc::c_int;
    }
}

macro_rules! builtins {
    ($($name:ident)*) => {
        mod builtins {
            unsafe extern "C" {
                $(pub(super) fn $name();)*
            }
        }

        /// Returns the functions that the engine supplies if the host has none: arithmetic that the
        /// compiler leaves to support functions and that libgcc_s lacks.
        pub(crate) fn where_host_has_none(name: &str) -> Option<ExecAddr> {
            let address = match name {
                $(stringify!($name) => builtins::$name as *const () as u64,)*
                "__cpu_indicator_init" => libgcc::__cpu_indicator_init as *const () as u64,
                _ => return libatomic(name).or_else(|| more_builtins::find(name)),
            };
            Some(ExecAddr::new(address))
        }
    };
}

// Rust's compiler support library, which is linked into every program, has these.
builtins! {
    __muloti4 __mulodi4 __mulosi4
    __udivti3 __umodti3 __divti3 __modti3 __multi3 __ashlti3 __ashrti3 __lshrti3
    __udivmodti4 __divmodti4
    __floattidf __floattisf __floatuntidf __floatuntisf
    __fixdfti __fixsfti __fixunsdfti __fixunssfti
    __powidf2 __powisf2
    __extendhfsf2 __truncsfhf2 __truncdfhf2
}
