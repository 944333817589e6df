//! The unwinding library's functions with which frames are walked (Itanium C++ ABI: Exception
//! Handling, level 1).

use std::ffi::{c_int, c_void};

unsafe extern "C" {
    pub(crate) fn _Unwind_Backtrace(
        step: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    pub(crate) fn _Unwind_GetIPInfo(context: *mut c_void, is_before: *mut c_int) -> usize;
    pub(crate) fn _Unwind_GetCFA(context: *mut c_void) -> usize;
    pub(crate) fn _Unwind_GetIP(context: *mut c_void) -> usize;
}
