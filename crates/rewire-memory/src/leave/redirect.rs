//! Leaving a call when a function of the host's returns to compiled code.
//!
//! The function's return address, on this thread's own stack, is replaced for the time. Whoever
//! looks at the frames meanwhile finds the stack's end there, so each look of ours begins with
//! taking it back ([`restore`]).

use std::arch::global_asm;
use std::cell::Cell;

use rewire_object::ExecAddr;

use super::return_point::{RETURN_POINT, ReturnPoint, Stop};
use super::{entry, interrupt_request};

// The function's caller is never returned to, so no register matters.
global_asm!(
    ".text",
    ".p2align 4",
    // Code of other object files may name it.
    ".globl rewire_redirected",
    ".hidden rewire_redirected",
    ".type rewire_redirected, @function",
    "rewire_redirected:",
    "and rsp, -16",
    "call {returned}",
    "mov rsp, rax",
    "jmp {landing}",
    ".size rewire_redirected, . - rewire_redirected",
    returned = sym returned,
    landing = sym entry::rewire_leavable_landing,
);

unsafe extern "C" {
    fn rewire_redirected();
}

fn redirected() -> u64 {
    rewire_redirected as *const () as u64
}

thread_local! {
    /// Where a return address was replaced, and by what it is to be replaced again.
    static REPLACED: Cell<Option<(usize, u64)>> = const { Cell::new(None) };
}

/// Has the call be left when the function returns whose return address lies at `at`, and is
/// `caller`. Safe in a signal handler of the thread that it is about.
pub(super) fn redirect(point: &ReturnPoint<'_>, stop: Stop, at: usize, caller: ExecAddr) {
    let word = at as *mut u64;
    // SAFETY: the unwinder has read the return address there, and it is this thread's own stack.
    unsafe {
        if word.read_volatile() != caller.get() {
            return;
        }
        point.stop.get().write(Some(stop));
        REPLACED.set(Some((at, caller.get())));
        word.write_volatile(redirected());
    }
}

/// Has the function return to its caller again, if it hasn't returned. Safe in a signal handler of
/// the thread that it is about.
pub(super) fn restore(point: &ReturnPoint<'_>) {
    let Some((at, caller)) = REPLACED.take() else {
        return;
    };
    let word = at as *mut u64;
    // SAFETY: it was a word of this thread's stack above the place, and is still: `enter` forgets
    // it when the call is over. If the function was left otherwise, its frame has other contents.
    unsafe {
        if word.read_volatile() == redirected() {
            word.write_volatile(caller);
        }
        point.stop.get().write(None);
    }
}

/// No call is under way any more in which an address was replaced.
pub(super) fn forget() {
    REPLACED.set(None);
}

/// The function has returned; the answer is the stack pointer of the place to go to.
extern "C" fn returned() -> usize {
    REPLACED.set(None);
    interrupt_request::clear();
    // SAFETY: the place is further up on this thread's stack: the function that has returned was
    // called below it.
    unsafe { (*RETURN_POINT.get()).stack }
}
