//! Exit codes of processes that Rewire ends (the numbers are those of sysexits.h).

/// The exit code when bad input is found while loading (`EX_DATAERR`).
pub const EXIT_LOAD: i32 = 65;
/// The exit code when a function could not be compiled or resolved when it was called
/// (`EX_SOFTWARE`).
pub const EXIT_COMPILE: i32 = 70;
