//! Models: the protocols between threads, run by `loom` in every order that their steps can have,
//! within a bound on how often a thread is interrupted.
//!
//! They run the code that the engine runs: `slots/words.rs`, `readers.rs`, `unwind/index.rs`,
//! `space.rs`. What is assembly or the processor's work is stood in for: the short path of a first
//! call by a function of the same steps (`Words::short_path`), code by words that a call reads,
//! the search of stacks by a count of who is inside.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p rewire-memory --release --lib \
//!     --target-dir target/loom models
//! ```

mod quarantine;
mod slots;
mod unwind;

/// Runs a model with at most this many interruptions of a thread where it could go on.
fn check(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.check(model);
}
