//! Whether valgrind runs the program.

use std::arch::asm;

/// Valgrind translates code once. It looks whether code has changed, but not in files, which
/// mirrored code is to it.
pub(crate) fn is_running() -> bool {
    /// `VG_USERREQ__RUNNING_ON_VALGRIND` of valgrind.h.
    const RUNNING_ON_VALGRIND: u64 = 0x1001;
    let request = [RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0];
    let mut answer = 0u64;
    // SAFETY: a "client request" as valgrind's manual has it for this processor (section 3.1): four
    // rotations that leave the register as it was, and an exchange of a register with itself. Only
    // valgrind sees more in it, reads the request and answers.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") answer,
            options(readonly, nostack),
        );
    }
    answer != 0
}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_run_on_the_processor() {
        assert!(!super::is_running() || std::env::var_os("LD_PRELOAD").is_some());
    }
}
