//! A number that the source has, beside the one that it may have.

use crate::tally::Tally;

use super::rules::{PATH, Rules};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) section: String,
    pub(super) name: &'static str,
    pub(super) bound: usize,
    pub(super) measured: usize,
    /// What was counted, each so that one can act on it.
    pub(super) findings: Vec<String>,
}

impl Measure {
    /// A measure that counts its findings.
    pub(super) fn new(
        rules: &Rules,
        section: &str,
        name: &'static str,
        findings: Vec<String>,
    ) -> Self {
        Self {
            section: section.to_owned(),
            name,
            bound: rules.bound(section, name),
            measured: findings.len(),
            findings,
        }
    }

    /// Whether it is what it may be, no less either.
    pub(super) fn is_met(&self) -> bool {
        self.measured == self.bound
    }

    /// Counts it as a test.
    pub(super) fn count(&self, tally: &mut Tally) {
        let Self {
            section,
            name,
            bound,
            measured,
            findings,
        } = self;
        let title = format!("source: {section}: {name} = {measured}");
        if self.is_met() {
            tally.pass(&title);
        } else if measured < bound {
            let why = format!(
                "{PATH} allows {bound}: lower it (`cargo xtask check-source --lower` does)"
            );
            tally.fail(&title, &why);
        } else {
            let why = format!("{PATH} allows {bound}:\n  {}", findings.join("\n  "));
            tally.fail(&title, &why);
        }
    }
}
