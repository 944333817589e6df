//! Fuzz targets that are tests.
//!
//! An input is a value whose type implements [`Arbitrary`]: it is built from a string of bytes, and
//! the bytes come from a seed. A target is a test that calls [`run`] with a function that panics if
//! something is wrong with an input:
//!
//! ```no_run
//! # use arbitrary::Arbitrary;
//! #[derive(Arbitrary, Debug)]
//! struct Sum {
//!     #[arbitrary(with = rewire_fuzz::list::<_, 8>)]
//!     terms: Vec<u8>,
//! }
//!
//! // In a module named `fuzz`, and a test.
//! fn order_does_not_matter() {
//!     rewire_fuzz::run(|sum: &Sum| {
//!         let forwards = sum.terms.iter().fold(0_u8, |sum, term| sum.wrapping_add(*term));
//!         let backwards = sum.terms.iter().rev().fold(0_u8, |sum, term| sum.wrapping_add(*term));
//!         assert_eq!(forwards, backwards);
//!     });
//! }
//! ```
//!
//! Inputs are tried in a process of their own, so that a crash or a hang is a failure like a panic.
//! A failing input is shrunk and printed as Rust, to be pasted into a test that calls the same
//! function. `cargo xtask fuzz` runs targets for longer.
//!
//! Unless told otherwise, each run of the tests tries the same inputs, so that it fails only for
//! what was changed.
//!
//! | environment variable | meaning |
//! |---|---|
//! | `REWIRE_FUZZ_SEED` | the seed: the same inputs for the same seed; 1 unless set |
//! | `REWIRE_FUZZ_SECONDS` | how long each target runs; 1 unless set |

mod bytes;
mod damage;
mod hunt;
mod list;
mod rust_text;
mod shrink;
mod trial;

use std::fmt::Debug;

use arbitrary::Arbitrary;

pub use damage::{Damage, Edit};
pub use list::list;

/// Tries inputs until the time is up. To be called by a test, with a closure that is written there:
/// the test's path, by which a process of its own runs it again, is read from the closure's type.
///
/// # Panics
///
/// With the smallest input found that makes `check` panic, end the process, or hang.
pub fn run<T, F>(check: F)
where
    T: for<'a> Arbitrary<'a> + Debug,
    F: Fn(&T),
{
    match trial::Job::from_environment() {
        Some(job) => job.run(check),
        None => hunt::hunt(
            &test_path(std::any::type_name::<F>()),
            rust_text::of_bytes::<T>,
        ),
    }
}

/// From `crate::module::test::{{closure}}` to how the test harness names the test.
fn test_path(closure: &str) -> String {
    let path = closure.split("::{{closure}}").next().unwrap_or_default();
    let path = path.split_once("::").map_or(path, |(_, path)| path);
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::test_path;

    #[test]
    fn a_closure_tells_which_test_it_is_in() {
        assert_eq!(test_path("it::fuzz::name::{{closure}}"), "fuzz::name");
    }
}
