//! `tests/skip.txt`: what is known to fail, with a reason for each entry.
//!
//! An entry is run all the same, and must fail; so the list can't outlive its reasons.

use std::collections::BTreeMap;
use std::path::Path;

use crate::case::Case;
use crate::matrix::MODES;

/// The entries: from case and mode to reason.
#[derive(Debug, Default)]
pub(crate) struct SkipList {
    entries: BTreeMap<(String, String), String>,
}

impl SkipList {
    /// Reads the list; an entry for a case or mode that doesn't exist is an error.
    pub(crate) fn read(path: &Path, cases: &[Case]) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text, cases).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(text: &str, cases: &[Case]) -> Result<Self, String> {
        let mut list = Self::default();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (entry, reason) = line
                .split_once(" -- ")
                .filter(|(_, reason)| !reason.trim().is_empty())
                .ok_or_else(|| format!("{line:?} gives no reason (CASE MODE -- REASON)"))?;
            let (name, mode) = entry
                .trim()
                .rsplit_once(' ')
                .ok_or_else(|| format!("{line:?} names no mode (CASE MODE -- REASON)"))?;
            let case = cases
                .iter()
                .find(|case| case.name == name)
                .ok_or_else(|| format!("there is no case {name}"))?;
            let modes = MODES
                .iter()
                .filter(|m| (m.name == mode || mode == "all") && m.applies_to(case));
            let mut found = false;
            for mode in modes {
                found = true;
                let key = (name.to_owned(), mode.name.to_owned());
                if list.entries.insert(key, reason.trim().to_owned()).is_some() {
                    return Err(format!("{name} {} is there twice", mode.name));
                }
            }
            if !found {
                return Err(format!("{name} has no mode {mode}"));
            }
        }
        Ok(list)
    }

    /// Why a case is known to fail in a mode.
    pub(crate) fn reason(&self, case: &str, mode: &str) -> Option<&str> {
        let key = (case.to_owned(), mode.to_owned());
        self.entries.get(&key).map(String::as_str)
    }
}

/// Tests of the runner itself.
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entries_must_make_sense() -> Result<(), String> {
        let case = Case {
            name: "weak.c".to_owned(),
            flags: vec!["-g".to_owned()],
            ..Case::default()
        };
        let cases = [case];
        let good = "# comment\n\nweak.c lazy-O2 -- because\nweak.c optimised -- too\n";
        let list = SkipList::parse(good, &cases)?;
        if list.reason("weak.c", "lazy-O2") != Some("because")
            || list.reason("weak.c", "lazy").is_some()
        {
            return Err(format!("{list:?}"));
        }
        let bad = [
            "weak.c lazy\n",
            "weak.c lazy --  \n",
            "weak.c -- no mode\n",
            "strong.c lazy -- no such case\n",
            "weak.c lazy-O9 -- no such mode\n",
            "weak.c source -- it has flags, so there is no such run\n",
            "weak.c all -- x\nweak.c eager -- x\n",
        ];
        for text in bad {
            if SkipList::parse(text, &cases).is_ok() {
                return Err(format!("{text:?} was taken"));
            }
        }
        Ok(())
    }
}
