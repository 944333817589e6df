//! Measuring contenders in turn: one run of each a round, so that a drift of the machine meets all.

use std::rc::Rc;
use std::time::Duration;

use super::earlier::Comparing;
use crate::error::Result;
use crate::process::{Ended, Job, Outcome, Peak};

/// A peer that needs longer for one run is left out.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// About the time that the runs of one contender may take together; three runs it always gets.
const BUDGET: Duration = Duration::from_secs(60);

/// The unit of what is measured from outside: from before a process is started to after it is
/// reaped.
pub(crate) const WALL: &str = "ms";

/// The unit of what programs print of themselves, in a line that begins with it.
pub(crate) const PRINTED: &str = "ns";

/// A number that a program prints of itself, in a line of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// The line's first word.
    pub(crate) word: &'static str,
    /// What is added to the contender's name in the row for it.
    pub(crate) suffix: &'static str,
}

/// The only figure of most programs.
const NANOSECONDS: Figure = Figure {
    word: PRINTED,
    suffix: "",
};

/// How often everything is measured, and whether beside an earlier build.
pub(crate) struct Rounds {
    /// Timed runs of each contender.
    pub(crate) count: usize,
    /// Only Rewire is measured then, beside an earlier build of it.
    pub(crate) comparing: Option<Comparing>,
}

/// A program under measurement.
#[derive(Clone)]
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) label: String,
    pub(super) job: Job,
    /// Contenders of one line are tried from small to large: when one fails, larger ones are not
    /// tried. The number is the size.
    line: Option<(String, usize)>,
    /// What it prints of itself, and has a row each; if nothing, it is timed from outside.
    figures: &'static [Figure],
    /// Shared: it may be megabytes, and our own memory hides how little a program needs.
    expects: Rc<Expected>,
}

/// What a run must print and return to count.
pub(crate) struct Expected {
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// How it ends.
    pub(crate) ended: Ended,
}

impl From<Outcome> for Expected {
    fn from(outcome: Outcome) -> Self {
        Self {
            stdout: outcome.stdout,
            ended: outcome.ended,
        }
    }
}

impl Contender {
    /// A contender that must print and return what is expected.
    pub(crate) fn new(label: impl Into<String>, job: Job, expects: &Rc<Expected>) -> Self {
        Self {
            label: label.into(),
            job,
            line: None,
            figures: &[],
            expects: expects.clone(),
        }
    }

    /// Takes what it prints of itself rather than its time.
    pub(crate) fn prints(self) -> Self {
        self.prints_figures(&[NANOSECONDS])
    }

    /// Takes several numbers that it prints of itself; each gets a row.
    pub(crate) fn prints_figures(mut self, figures: &'static [Figure]) -> Self {
        self.figures = figures;
        self
    }

    /// Puts it in a line of contenders of growing size.
    pub(crate) fn in_line(mut self, line: &str, size: usize) -> Self {
        self.line = Some((line.to_owned(), size));
        self
    }
}

/// What was measured of one contender.
#[derive(Clone)]
pub(crate) struct Row {
    /// What the table calls it.
    pub(crate) label: String,
    /// Milliseconds, or what the table's unit is, one for each round it took part in.
    pub(crate) ms: Vec<f64>,
    /// The largest peak of its resident set.
    pub(crate) peak: Peak,
    /// Why there is no measurement, or not one that counts.
    pub(crate) failure: Option<String>,
}

impl Row {
    /// The median of its times, when it has any that count.
    pub(crate) fn median(&self) -> Option<f64> {
        if self.failure.is_some() {
            None
        } else {
            median(&self.ms)
        }
    }
}

/// The middle value, or the mean of the two.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// A value with its smallest and largest sample.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

/// Summarises samples.
pub(crate) fn spread(values: &[f64]) -> Option<Spread> {
    let median = median(values)?;
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(Spread { median, min, max })
}

/// How many times longer `peer` took than `own`, round by round; the median is of the medians.
pub(crate) fn ratio(peer: &Row, own: &Row) -> Option<Spread> {
    let ratios: Vec<f64> = peer
        .ms
        .iter()
        .zip(&own.ms)
        .map(|(peer, own)| peer / own)
        .collect();
    let rounds = spread(&ratios)?;
    Some(Spread {
        median: peer.median()? / own.median()?,
        ..rounds
    })
}

/// What was found of one contender so far.
struct Tried {
    failure: Option<String>,
    /// How many rounds it takes part in.
    rounds: usize,
    /// For each figure, one sample for each round; of a program that is timed, its times.
    samples: Vec<Vec<f64>>,
    peak: Peak,
}

impl Tried {
    /// Takes it out of the rounds that are left.
    fn fail(&mut self, reason: String) {
        self.failure = Some(reason);
        self.rounds = 0;
    }
}

impl Rounds {
    /// Measures the contenders of one piece of work: a row for each contender, and for each figure
    /// of one that prints several.
    pub(crate) fn in_turn(&self, title: &str, contenders: &[Contender]) -> Result<Vec<Row>> {
        eprintln!("{title}");
        match &self.comparing {
            None => in_turn(contenders, self.count, BUDGET),
            Some(comparing) => comparing.in_turn(title, contenders, self.count),
        }
    }
}

/// Runs all once, untimed, to check what they print; then times those that passed, in turn, each
/// for about `budget`.
pub(super) fn in_turn(
    contenders: &[Contender],
    rounds: usize,
    budget: Duration,
) -> Result<Vec<Row>> {
    let mut tried: Vec<Tried> = Vec::new();
    for contender in contenders {
        let (failure, rounds) = match skipped(contender, contenders, &tried) {
            Some(reason) => (Some(reason), 0),
            None => {
                let outcome = contender.job.capture(LIMIT)?;
                let share = budget.as_secs_f64() / outcome.wall.as_secs_f64().max(1e-3);
                let rounds = (share as usize).clamp(rounds.min(3), rounds);
                (failure(contender, &outcome), rounds)
            }
        };
        eprintln!(
            "  {}: {}",
            contender.label,
            failure.as_deref().unwrap_or("ok")
        );
        tried.push(Tried {
            rounds: if failure.is_some() { 0 } else { rounds },
            failure,
            samples: vec![Vec::new(); contender.figures.len().max(1)],
            peak: Peak::default(),
        });
    }
    for round in 0..rounds {
        // Each round begins with another one, so that none is always first.
        let count = contenders.len();
        for i in (0..count).map(|i| (i + round) % count) {
            if round < tried[i].rounds {
                run_once(&contenders[i], &mut tried[i], round)?;
            }
        }
    }
    let rows = contenders.iter().zip(tried);
    Ok(rows
        .flat_map(|(contender, tried)| contender.rows(tried))
        .collect())
}

/// One round of one contender.
fn run_once(contender: &Contender, tried: &mut Tried, round: usize) -> Result<()> {
    let outcome = if contender.figures.is_empty() {
        contender.job.time(LIMIT * 2)?
    } else {
        contender.job.capture(LIMIT * 2)?
    };
    if outcome.ended != contender.expects.ended {
        tried.fail(format!("{} in round {}", outcome.ended, round + 1));
        return Ok(());
    }
    let Some(found) = contender.found(&outcome) else {
        tried.fail(format!("no figure in round {}", round + 1));
        return Ok(());
    };
    for (samples, found) in tried.samples.iter_mut().zip(found) {
        samples.push(found);
    }
    tried.peak = tried.peak.max(outcome.peak);
    Ok(())
}

/// Why a contender is not even tried: a smaller one of its line failed.
fn skipped(contender: &Contender, all: &[Contender], tried: &[Tried]) -> Option<String> {
    let (line, size) = contender.line.as_ref()?;
    all.iter().zip(tried).find_map(|(other, tried)| {
        let (other_line, other_size) = other.line.as_ref()?;
        let failed = tried.failure.is_some() && other_line == line && other_size < size;
        failed.then(|| format!("not tried: failed at {other_size}"))
    })
}

impl Contender {
    /// What a run of it gives: its figures, or its time in milliseconds.
    fn found(&self, outcome: &Outcome) -> Option<Vec<f64>> {
        if self.figures.is_empty() {
            return Some(vec![outcome.wall.as_secs_f64() * 1e3]);
        }
        let figures = self.figures.iter();
        figures
            .map(|figure| printed(&outcome.stdout, figure.word))
            .collect()
    }

    /// Its rows in a run that doesn't measure it.
    pub(super) fn left_out(&self) -> Vec<Row> {
        let tried = Tried {
            failure: Some("left out".into()),
            rounds: 0,
            samples: vec![Vec::new(); self.figures.len().max(1)],
            peak: Peak::default(),
        };
        self.rows(tried).collect()
    }

    /// What the table says of it.
    fn rows(&self, tried: Tried) -> impl Iterator<Item = Row> {
        let suffixes = self.figures.iter().map(|figure| figure.suffix);
        let labels = suffixes.chain(self.figures.is_empty().then_some(""));
        labels.zip(tried.samples).map(move |(suffix, samples)| Row {
            label: format!("{}{suffix}", self.label),
            ms: samples,
            peak: tried.peak,
            failure: tried.failure.clone(),
        })
    }
}

/// What a program printed of itself in the line that begins with `word`.
fn printed(stdout: &[u8], word: &str) -> Option<f64> {
    let text = String::from_utf8_lossy(stdout);
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

/// What it printed besides.
fn besides<'o>(stdout: &'o [u8], figures: &[Figure]) -> Vec<&'o [u8]> {
    let lines = stdout.split(|byte| *byte == b'\n');
    let is_figure = |line: &[u8]| {
        let first = line.split(|byte| *byte == b' ').next();
        figures
            .iter()
            .any(|figure| first == Some(figure.word.as_bytes()))
    };
    lines.filter(|line| !is_figure(line)).collect()
}

fn failure(contender: &Contender, outcome: &Outcome) -> Option<String> {
    let expected = &contender.expects;
    let figures = contender.figures;
    let is_right = besides(&outcome.stdout, figures) == besides(&expected.stdout, figures)
        && contender.found(outcome).is_some();
    match outcome.ended {
        Ended::TimedOut => Some(format!("not done in {} s", LIMIT.as_secs())),
        ended if ended != expected.ended => Some(ended.to_string()),
        _ if !is_right => Some("wrong output".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, NANOSECONDS, besides, median, printed};

    #[test]
    fn figures_are_told_from_the_rest() {
        assert_eq!(printed(b"7\nns 2.5\n", "ns"), Some(2.5));
        assert_eq!(printed(b"7\n", "ns"), None);
        assert_eq!(printed(b"ns7\n", "ns"), None);
        let ns = [NANOSECONDS];
        assert_eq!(besides(b"7\nns 2.5\n", &ns), besides(b"7\nns 3\n", &ns));
        assert_ne!(besides(b"7\nns 2.5\n", &ns), besides(b"8\nns 2.5\n", &ns));
        let maps = [Figure {
            word: "maps",
            suffix: "",
        }];
        assert_ne!(besides(b"ns 2.5\n", &maps), besides(b"ns 3\n", &maps));
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
