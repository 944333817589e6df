//! Counting tests, whatever ran them.

/// How many passed and failed, and which failed.
#[derive(Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// One test passed.
    pub(crate) fn pass(&mut self, name: &str) {
        println!("ok      {name}");
        self.passed += 1;
    }

    /// One test failed.
    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        println!("FAILED  {name}\n  {why}");
        self.failed += 1;
        self.failures.push(name.to_owned());
    }

    /// Adds what another runner counted and printed.
    pub(crate) fn add(&mut self, passed: u64, failed: u64, name: &str) {
        self.passed += passed;
        self.failed += failed;
        if failed > 0 {
            self.failures.push(format!("{failed} in {name}"));
        }
    }

    /// Prints what failed and, as the last line, the counts. Whether all passed.
    pub(crate) fn close(&self) -> bool {
        println!();
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0 && self.passed > 0
    }
}
