//! What a linker would take from static parts of the C library and of the compiler, and no
//! shared library has.

use rewire_memory::ExecAddr;

use super::{builtins as more_builtins, exit, own_names, thread_local};

unsafe extern "C" {
    fn at_quick_exit(function: extern "C" fn()) -> libc::c_int;
}

/// Names that the engine answers itself, whatever the host has.
pub(crate) fn instead_of_host(name: &str) -> Option<ExecAddr> {
    let address = match name {
        "__tls_get_addr" => thread_local::get_address as *const () as u64,
        "atexit" => exit::at_exit as *const () as u64,
        "dlsym" => own_names::dlsym as *const () as u64,
        "at_quick_exit" => at_quick_exit as *const () as u64,
        "pthread_atfork" => libc::pthread_atfork as *const () as u64,
        _ => return None,
    };
    Some(ExecAddr::new(address))
}

macro_rules! builtins {
    ($($name:ident)*) => {
        mod builtins {
            unsafe extern "C" {
                $(pub(super) fn $name();)*
            }
        }

        /// Names that the engine answers if the host doesn't: arithmetic that the compiler leaves
        /// to functions of its own and that libgcc_s lacks.
        pub(crate) fn where_host_has_none(name: &str) -> Option<ExecAddr> {
            let address = match name {
                $(stringify!($name) => builtins::$name as *const () as u64,)*
                _ => return more_builtins::find(name),
            };
            Some(ExecAddr::new(address))
        }
    };
}

// Rust's own compiler support library has them, linked into every program.
builtins! {
    __muloti4 __mulodi4 __mulosi4
    __udivti3 __umodti3 __divti3 __modti3 __multi3 __ashlti3 __ashrti3 __lshrti3
    __udivmodti4 __divmodti4
    __floattidf __floattisf __floatuntidf __floatuntisf
    __fixdfti __fixsfti __fixunsdfti __fixunssfti
    __powidf2 __powisf2
    __extendhfsf2 __truncsfhf2 __truncdfhf2
}
