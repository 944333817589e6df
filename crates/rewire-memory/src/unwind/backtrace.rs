//! The calls that a thread is in.

use std::ffi::{c_int, c_void};

use rewire_object::ExecAddr;

use super::library::{_Unwind_Backtrace, _Unwind_GetIP};

/// The return addresses of the frames from here up, `most` of them at most.
#[must_use]
pub fn backtrace(most: usize) -> Vec<ExecAddr> {
    struct Backtrace {
        found: Vec<ExecAddr>,
        most: usize,
    }
    extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes its context and the pointer that goes with it.
        let (walk, address) = unsafe { (&mut *data.cast::<Backtrace>(), _Unwind_GetIP(context)) };
        walk.found.push(ExecAddr::new(address as u64));
        const NORMAL_STOP: c_int = 4;
        if walk.found.len() >= walk.most {
            NORMAL_STOP
        } else {
            0
        }
    }
    let mut walk = Backtrace {
        found: Vec::new(),
        most,
    };
    // SAFETY: the callback doesn't unwind, and the data outlives the call.
    unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
    walk.found
}
