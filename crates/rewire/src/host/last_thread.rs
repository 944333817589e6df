//! Finds out whether the program still has a thread.

use std::fs;

/// The threads that are left in a process whose first thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RemainingThreads {
    /// The number of threads that haven't ended.
    pub(crate) threads: usize,
    /// The exit code that the first thread passed to the system call `exit`; `pthread_exit` passes
    /// 0.
    pub(crate) code: u8,
}

/// Returns what is left, if the first thread has ended (proc(5), `stat`); `None` if it hasn't, or
/// if this can't be found out.
pub(crate) fn after_main() -> Option<RemainingThreads> {
    read(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn read(stat: &str) -> Option<RemainingThreads> {
    // The name may contain anything; the state follows its closing bracket.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Fields are numbered from 1 as in the manual; two come before the state.
    let field = |number: usize| fields.get(number - 3).copied();
    if field(3)? != "Z" {
        return None;
    }
    let threads: usize = field(20)?.parse().ok()?;
    let status: u32 = field(52)?.parse().ok()?;
    Some(RemainingThreads {
        // The first thread is counted until the process ends.
        threads: threads.saturating_sub(1),
        code: (status >> 8) as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_threads_state_decides() {
        let stat = |state| {
            let zeros = "0 ".repeat(31);
            format!("12 (a) Z 9 b) {state} 1 2 3 4 -1 5 6 7 8 9 1 1 1 1 20 0 3 {zeros}1792\n")
        };
        let left = RemainingThreads {
            threads: 2,
            code: 7,
        };
        assert_eq!(read(&stat("Z")), Some(left));
        assert_eq!(read(&stat("S")), None);
        assert_eq!(read("12 (a) Z 1"), None);
        assert_eq!(after_main(), None);
    }
}
