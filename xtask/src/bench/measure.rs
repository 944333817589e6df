//! Measuring contenders in turn: one run of each a round, so that a drift of the machine meets all.

use std::rc::Rc;
use std::time::Duration;

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

/// A program under measurement.
pub(crate) struct Contender {
    /// What the table calls it.
    pub(crate) label: String,
    job: Job,
    /// Contenders of one line are tried from small to large: when one fails, larger ones are not
    /// tried. The number is the size.
    line: Option<(String, usize)>,
    /// It prints its figure itself.
    prints: bool,
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
            prints: false,
            expects: expects.clone(),
        }
    }

    /// Takes what it prints of itself rather than its time.
    pub(crate) fn prints(mut self) -> Self {
        self.prints = true;
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

/// Runs all once, untimed, to check what they print; then times those that passed, in turn.
pub(crate) fn in_turn(contenders: &[Contender], rounds: usize) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut takes_part = Vec::new();
    for contender in contenders {
        let (failure, rounds) = match skipped(contender, contenders, &rows) {
            Some(reason) => (Some(reason), 0),
            None => {
                let outcome = contender.job.capture(LIMIT)?;
                let share = BUDGET.as_secs_f64() / outcome.wall.as_secs_f64().max(1e-3);
                let rounds = (share as usize).clamp(rounds.min(3), rounds);
                (failure(contender, &outcome), rounds)
            }
        };
        eprintln!(
            "  {}: {}",
            contender.label,
            failure.as_deref().unwrap_or("ok")
        );
        takes_part.push(if failure.is_some() { 0 } else { rounds });
        let label = contender.label.clone();
        rows.push(Row {
            label,
            ms: Vec::new(),
            peak: Peak::default(),
            failure,
        });
    }
    for round in 0..rounds {
        // Each round begins with another one, so that none is always first.
        let count = rows.len();
        for i in (0..count).map(|i| (i + round) % count) {
            if round >= takes_part[i] {
                continue;
            }
            let outcome = if contenders[i].prints {
                contenders[i].job.capture(LIMIT * 2)?
            } else {
                contenders[i].job.time(LIMIT * 2)?
            };
            if outcome.ended != contenders[i].expects.ended {
                rows[i].failure = Some(format!("{} in round {}", outcome.ended, round + 1));
                takes_part[i] = 0;
                continue;
            }
            let figure = if contenders[i].prints {
                printed(&outcome.stdout)
            } else {
                Some(outcome.wall.as_secs_f64() * 1e3)
            };
            let Some(figure) = figure else {
                rows[i].failure = Some(format!("no figure in round {}", round + 1));
                takes_part[i] = 0;
                continue;
            };
            rows[i].ms.push(figure);
            rows[i].peak = rows[i].peak.max(outcome.peak);
        }
    }
    Ok(rows)
}

/// Why a contender is not even tried: a smaller one of its line failed.
fn skipped(contender: &Contender, all: &[Contender], rows: &[Row]) -> Option<String> {
    let (line, size) = contender.line.as_ref()?;
    all.iter().zip(rows).find_map(|(other, row)| {
        let (other_line, other_size) = other.line.as_ref()?;
        let failed = row.failure.is_some() && other_line == line && other_size < size;
        failed.then(|| format!("not tried: failed at {other_size}"))
    })
}

/// What a program printed of itself.
fn printed(stdout: &[u8]) -> Option<f64> {
    let text = String::from_utf8_lossy(stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(PRINTED));
    line?.trim().parse().ok()
}

/// What it printed besides.
fn besides(stdout: &[u8]) -> Vec<&[u8]> {
    let lines = stdout.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.starts_with(PRINTED.as_bytes()))
        .collect()
}

fn failure(contender: &Contender, outcome: &Outcome) -> Option<String> {
    let expected = &contender.expects;
    let is_right = if contender.prints {
        besides(&outcome.stdout) == besides(&expected.stdout) && printed(&outcome.stdout).is_some()
    } else {
        outcome.stdout == expected.stdout
    };
    match outcome.ended {
        Ended::TimedOut => Some(format!("not done in {} s", LIMIT.as_secs())),
        ended if ended != expected.ended => Some(ended.to_string()),
        _ if !is_right => Some("wrong output".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{besides, median, printed};

    #[test]
    fn figures_are_told_from_the_rest() {
        assert_eq!(printed(b"7\nns 2.5\n"), Some(2.5));
        assert_eq!(printed(b"7\n"), None);
        assert_eq!(besides(b"7\nns 2.5\n"), besides(b"7\nns 3\n"));
        assert_ne!(besides(b"7\nns 2.5\n"), besides(b"8\nns 2.5\n"));
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
