//! Set-up, demo, tests, corpus and benchmarks.
fn main() {}
