//! `cargo xtask bench --against FOLDER`: an earlier build of Rewire beside today's, in turn, in one
//! run.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::measure::{Contender, Row, in_turn};
use super::results::{comparison, median_of_ratios};
use crate::error::{Error, Result};

/// The programs of a build: `rewire`, and what measures replacing.
const PROGRAMS: [&str; 2] = ["rewire", "replacing"];

/// How much longer than before something may take.
pub(super) const MOST: f64 = 1.03;

/// About the time that the runs of one program may take together.
const BUDGET: Duration = Duration::from_secs(180);

/// One figure, now and before.
pub(super) struct Compared {
    /// What was measured, and how.
    pub(super) what: String,
    pub(super) now: Row,
    pub(super) before: Row,
}

/// An earlier build, and what was found beside it.
pub(crate) struct Comparing {
    folder: PathBuf,
    found: RefCell<Vec<Compared>>,
}

impl Comparing {
    /// The build in a folder, such as another checkout's `target/release`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let missing = PROGRAMS.iter().find(|name| !folder.join(name).is_file());
        if let Some(name) = missing {
            let error = format!("{} has no program `{name}`", folder.display());
            return Err(Error::new(error).help(
                "build the earlier state with `cargo build --release -p rewire-cli -p replacing`, \
                 and name its target/release",
            ));
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            found: RefCell::default(),
        })
    }

    /// The earlier build's program for one of today's; `None` for a peer.
    pub(super) fn program(&self, now: &Path) -> Option<PathBuf> {
        let name = now.file_name()?.to_str()?;
        PROGRAMS.contains(&name).then(|| self.folder.join(name))
    }

    /// Measures what is Rewire's, each beside its earlier self. Peers are left out.
    pub(super) fn in_turn(
        &self,
        title: &str,
        contenders: &[Contender],
        rounds: usize,
    ) -> Result<Vec<Row>> {
        let twin = |contender: &Contender| {
            let program = self.program(contender.job.program())?;
            let mut twin = contender.clone();
            twin.label += ", before";
            twin.job = contender.job.clone().with_program(program);
            Some([contender.clone(), twin])
        };
        let pairs: Vec<Contender> = contenders.iter().filter_map(twin).flatten().collect();
        let mut measured = in_turn(&pairs, rounds, BUDGET)?.into_iter();
        let mut rows = Vec::new();
        for contender in contenders {
            let left_out = contender.left_out();
            if twin(contender).is_none() {
                rows.extend(left_out);
                continue;
            }
            let count = left_out.len();
            let now: Vec<Row> = measured.by_ref().take(count).collect();
            let before: Vec<Row> = measured.by_ref().take(count).collect();
            for (now, before) in now.iter().zip(before) {
                self.record(title, now.clone(), before);
            }
            rows.extend(now);
        }
        Ok(rows)
    }

    /// Notes one figure.
    pub(super) fn record(&self, title: &str, now: Row, before: Row) {
        self.found.borrow_mut().push(Compared {
            what: format!("{title}: {}", now.label),
            now,
            before,
        });
    }

    /// All figures in Markdown; whether none is worse than it may be.
    pub(super) fn markdown(&self) -> (String, bool) {
        let found = self.found.borrow();
        let holds = |one: &Compared| {
            median_of_ratios(&one.now, &one.before).is_some_and(|ratio| ratio <= MOST)
        };
        (comparison(&found), found.iter().all(holds))
    }
}
