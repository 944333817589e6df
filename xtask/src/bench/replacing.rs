//! Replacing, removing and redefining functions while the program runs: Rewire's library beside
//! LLVM's own JIT, ORC, with redirectable symbols and resource trackers.
//!
//! Each is a program that does the work often and prints what it took once: `benches/replacing`
//! and `benches/orc_peer.cpp`.

use std::path::PathBuf;
use std::rc::Rc;

use super::cases::thousands;
use super::measure::{Contender, Expected, Figure, Rounds, Row};
use super::modules::{self, GROUP};
use super::peer;
use super::results::{Floor, Limit, Results, Table};
use crate::error::Result;
use crate::paths;
use crate::process::{Ended, Job, command, run};

/// How many functions are loaded, of which one is replaced.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// How often the function is replaced in a run, which prints the median.
const REPLACEMENTS: &str = "200";

/// How much longer replacing may take with the most functions loaded than with the fewest.
const GROWTH: f64 = 1.2;

/// How often faster than ORC's a replacement has to be.
const FASTER: f64 = 3.0;

/// Call sites of the function that is replaced, where linking alone is measured.
const SITES: usize = 10_000;

/// Microseconds from a link graph to a stored slot.
const LINK: f64 = 5.0;

/// Calls of one run of the hot loop. A process makes twenty runs with each body.
const CALLS: &str = "5000000";

/// How much longer a call may take once the function was replaced.
const HOT: f64 = 1.05;

/// How often a unit is added and removed.
const CYCLES: &str = "500";

/// How often one function is redefined.
const REDEFINITIONS: &str = "10000";

/// Microseconds for one piece of work.
const MICROSECONDS: &[Figure] = &[Figure {
    word: "us",
    suffix: "",
}];

/// Nanoseconds for a call.
const BEFORE_AND_AFTER: &[Figure] = &[
    Figure {
        word: "before",
        suffix: ", first body",
    },
    Figure {
        word: "after",
        suffix: ", replaced",
    },
];

/// What redefining leaves behind, and what it takes.
const LEFT: &[Figure] = &[
    Figure {
        word: "grown",
        suffix: "",
    },
    Figure {
        word: "maps",
        suffix: "",
    },
    Figure {
        word: "us",
        suffix: "",
    },
];

/// What a row of the peer means.
const KEPT: &str = "\"Passes kept\": with a compiler that isn't ORC's, which keeps LLVM's passes of \
    code generation from one module to the next, as Rewire does.";

/// The two programs.
pub(super) struct Programs {
    own: PathBuf,
    peer: PathBuf,
}

impl Programs {
    /// Builds what isn't built.
    pub(super) fn build() -> Result<Self> {
        let mut cargo = command("cargo");
        run(cargo.args(["build", "--release", "-p", "replacing"]))?;
        Ok(Self {
            own: paths::target().join("release/replacing"),
            peer: peer::build()?,
        })
    }

    pub(super) fn own(&self, args: &[&str]) -> Job {
        Job::new(&self.own).args(args)
    }

    fn peer(&self, args: &[&str]) -> Job {
        Job::new(&self.peer).args(args)
    }

    /// The peer with a compiler that keeps LLVM's passes, which ORC leaves to its users to write.
    fn peer_reusing(&self, args: &[&str]) -> Job {
        Job::new(&self.peer).arg("--reuse-passes").args(args)
    }
}

/// Measures programs that print `figures` and nothing else, and fail where they find a result that
/// is wrong.
fn measure(
    title: &str,
    jobs: Vec<(String, Job)>,
    figures: &'static [Figure],
    rounds: &Rounds,
) -> Result<Vec<Row>> {
    let expected = Rc::new(Expected {
        stdout: Vec::new(),
        ended: Ended::Code(0),
    });
    let contenders: Vec<Contender> = jobs
        .into_iter()
        .map(|(label, job)| Contender::new(label, job, &expected).prints_figures(figures))
        .collect();
    rounds.in_turn(title, &contenders)
}

/// Replacing one of many functions, and linking alone.
pub(super) fn replace(programs: &Programs, rounds: &Rounds, results: &mut Results) -> Result<()> {
    const ALL: &str = "rewire, all compiled";
    const CALLED: &str = "rewire, called ones compiled";
    const PEER_ALL: &str = "orc, all compiled and redirectable";
    const PEER_CALLED: &str = "orc, called ones compiled";
    const PEER_REUSING: &str = "orc, called ones compiled, passes kept";
    let key = |size: usize| format!("replace {size}");
    for size in SIZES {
        let file = modules::many_functions(size)?;
        let file = file.to_string_lossy();
        let all = ["replace", &file, REPLACEMENTS, "all"];
        let called = ["replace", &file, REPLACEMENTS, "called"];
        let jobs = vec![
            (ALL.to_owned(), programs.own(&all)),
            (CALLED.to_owned(), programs.own(&called)),
            (PEER_ALL.to_owned(), programs.peer(&all)),
            (PEER_CALLED.to_owned(), programs.peer(&called)),
            (PEER_REUSING.to_owned(), programs.peer_reusing(&called)),
        ];
        let title = format!("Replacing one of {} functions", thousands(size));
        let rows = measure(&title, jobs, MICROSECONDS, rounds)?;
        results.tables.push(Table {
            key: key(size),
            title,
            note: format!(
                "Microseconds from the text of a new body until a compiled caller has returned \
                 what it computes: parsing, compiling at -O0, linking, redirecting, the call; the \
                 median of {REPLACEMENTS} in a process. ORC removes the former body after each, \
                 outside of that time. Functions come in modules of {GROUP}; where only called ones \
                 are compiled, ORC compiles the module of the replaced function, of which that one \
                 alone is redirectable. {KEPT}",
            ),
            unit: "µs",
            rows,
        });
        for (own, peer) in [(ALL, PEER_ALL), (ALL, PEER_CALLED)] {
            results.floors.push(Floor {
                what: format!(
                    "replacing one of {} functions, {own}, against {peer}",
                    thousands(size)
                ),
                table: key(size),
                own: own.to_owned(),
                peer: peer.to_owned(),
                least: FASTER,
            });
        }
    }
    let (fewest, most) = (SIZES[0], SIZES[SIZES.len() - 1]);
    for own in [ALL, CALLED] {
        results.limits.push(Limit::ratio(
            format!(
                "replacing one of {} functions against one of {}, {own}",
                thousands(most),
                thousands(fewest)
            ),
            (&key(most), own),
            (&key(fewest), own),
            GROWTH,
        ));
    }
    link(programs, rounds, results)
}

/// The last part of replacing: from a link graph until callers go to the new body.
fn link(programs: &Programs, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let file = modules::many_callers(SITES)?;
    let file = file.to_string_lossy();
    let args = ["link", &file, REPLACEMENTS];
    let jobs = vec![
        ("rewire".to_owned(), programs.own(&args)),
        ("orc".to_owned(), programs.peer(&args)),
    ];
    let key = "link";
    let title = format!(
        "Linking a new body of a function with {} call sites",
        thousands(SITES)
    );
    let rows = measure(&title, jobs, MICROSECONDS, rounds)?;
    results.tables.push(Table {
        key: key.into(),
        title,
        note: format!(
            "Microseconds from when the object of the new body is a link graph until callers go to \
             it; the median of {REPLACEMENTS} in a process. Rewire as its observer of compilations \
             is told; ORC from when the passes of a graph are chosen until `redirect` returns.",
        ),
        unit: "µs",
        rows,
    });
    results.limits.push(Limit::absolute(
        format!(
            "from a link graph to a stored slot, with {} call sites",
            thousands(SITES)
        ),
        (key, "rewire"),
        LINK,
        "µs",
    ));
    Ok(())
}

/// Calls of a function in a hot loop, before and after it was replaced.
pub(super) fn hot(programs: &Programs, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let args = ["hot", CALLS];
    let jobs = vec![
        ("rewire".to_owned(), programs.own(&args)),
        ("orc".to_owned(), programs.peer(&args)),
    ];
    let title = "Calls of a function in a hot loop, before and after it was replaced";
    let rows = measure(title, jobs, BEFORE_AND_AFTER, rounds)?;
    let key = "hot replaced";
    results.tables.push(Table {
        key: key.into(),
        title: title.into(),
        note: "Nanoseconds for a turn of the loop, at -O0: with each body the best of 20 runs of \
               5,000,000, and of five new bodies in turn the median."
            .into(),
        unit: "ns",
        rows,
    });
    results.limits.push(Limit::ratio(
        "a call in a hot loop once the function was replaced, against before".into(),
        (key, "rewire, replaced"),
        (key, "rewire, first body"),
        HOT,
    ));
    Ok(())
}

/// Adding and removing a unit.
pub(super) fn remove_add(
    programs: &Programs,
    rounds: &Rounds,
    results: &mut Results,
) -> Result<()> {
    let args = ["remove-add", CYCLES];
    let jobs = vec![
        ("rewire".to_owned(), programs.own(&args)),
        ("orc".to_owned(), programs.peer(&args)),
        ("orc, passes kept".to_owned(), programs.peer_reusing(&args)),
    ];
    let title = "Adding a unit of 10 functions, calling one, removing the unit";
    let rows = measure(title, jobs, MICROSECONDS, rounds)?;
    results.tables.push(Table {
        key: "remove-add".into(),
        title: title.into(),
        note: format!(
            "Microseconds for all three, from text, at -O0; the median of {CYCLES} in a process. \
             ORC compiles all of the unit, Rewire the function that is called. {KEPT}"
        ),
        unit: "µs",
        rows,
    });
    Ok(())
}

/// What many redefinitions of one function leave behind.
pub(super) fn redefine(programs: &Programs, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let args = ["redefine", REDEFINITIONS];
    let jobs = vec![
        ("rewire".to_owned(), programs.own(&args)),
        ("orc".to_owned(), programs.peer(&args)),
        ("orc, passes kept".to_owned(), programs.peer_reusing(&args)),
    ];
    let title = "10,000 redefinitions of one function";
    let rows = measure(title, jobs, LEFT, rounds)?;
    let tables = [
        (
            "KiB",
            "growth of resident memory",
            "From the 1,000th to the last. ORC removes each former body.",
        ),
        ("maps", "memory maps at the end", "All of the process'."),
        ("µs", "time for each", "The median."),
    ];
    for (which, (unit, what, note)) in tables.into_iter().enumerate() {
        results.tables.push(Table {
            key: format!("redefine {unit}"),
            title: format!("{title}: {what}"),
            note: note.into(),
            unit,
            // A program's figures follow one another.
            rows: rows
                .iter()
                .skip(which)
                .step_by(LEFT.len())
                .cloned()
                .collect(),
        });
    }
    Ok(())
}
