//! Has every processor forget code that is no more.
//!
//! A processor may have fetched instructions ahead of running them. Before it runs others at their
//! addresses it must execute a serialising instruction (Intel SDM vol. 3, section 9.1.3,
//! "cross-modifying code"). `membarrier` with `PRIVATE_EXPEDITED_SYNC_CORE` (membarrier(2), Linux
//! 4.16) sees to that on each processor that runs a thread of ours; it costs a few microseconds.
//!
//! It is done once for all code that was given back, after that was overwritten and before any of
//! it is given out: what is written there then is to the processors as what is written to memory
//! that never held code.

use std::io;

/// Commands of `enum membarrier_cmd` in `linux/membarrier.h`.
const SYNC_CORE: libc::c_int = 1 << 5;
const REGISTER_SYNC_CORE: libc::c_int = 1 << 6;

/// The process's registration for the barrier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barrier {
    is_available: bool,
}

impl Barrier {
    /// Registers the process, if the kernel has the barrier and no filter forbids it.
    pub(crate) fn register() -> Self {
        Self {
            is_available: membarrier(REGISTER_SYNC_CORE).is_ok(),
        }
    }

    /// As on a kernel that lacks it.
    #[cfg(test)]
    pub(crate) fn missing() -> Self {
        Self {
            is_available: false,
        }
    }

    /// Returns once no thread can run former instructions any more.
    ///
    /// # Errors
    ///
    /// The kernel lacks the barrier, or refuses it.
    pub(crate) fn synchronise(self) -> io::Result<()> {
        if !self.is_available {
            return Err(io::ErrorKind::Unsupported.into());
        }
        match membarrier(SYNC_CORE) {
            // The registration belongs to the address space. Today's kernels copy it to a child
            // of fork, but the manual page doesn't promise it.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                membarrier(REGISTER_SYNC_CORE)?;
                membarrier(SYNC_CORE)
            }
            result => result,
        }
    }
}

fn membarrier(command: libc::c_int) -> io::Result<()> {
    // SAFETY: the call touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_here_and_in_a_child() {
        let barrier = Barrier::register();
        barrier.synchronise().unwrap();
        // SAFETY: the child makes system calls only, and ends without running handlers.
        unsafe {
            let child = libc::fork();
            assert!(child >= 0);
            if child == 0 {
                libc::_exit(i32::from(barrier.synchronise().is_err()));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert_eq!(status, 0);
        }
        assert!(Barrier::missing().synchronise().is_err());
    }
}
