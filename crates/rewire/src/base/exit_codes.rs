//! What the process ends with where Rewire ends it (sysexits.h has the same numbers).

/// The exit code for bad input that is found while loading.
pub const EXIT_LOAD: i32 = 65;
/// The exit code when a function could not be compiled or resolved as it was called.
pub const EXIT_COMPILE: i32 = 70;
