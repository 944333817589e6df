//! Which retired code threads may return into.
//!
//! Each test is alone in the process: scans see all threads. The test's own thread is exempt,
//! because its variables hold addresses of the code.

mod coroutines;
mod disturb;
mod exceptions;
mod many;
mod own;
mod places;
mod support;
