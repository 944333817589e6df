//! `rewire repl` through a pipe: what an input costs, whatever is loaded.

use std::fmt::Write as _;
use std::fs;

use super::cases::thousands;
use super::generate::generate;
use super::measure::{LIMIT, Rounds, Row, median};
use super::results::{Limit, Results, Table};
use crate::error::{Context, Result};
use crate::paths::{self, shown};
use crate::process::{Ended, Job, Peak};
use crate::rewire::Rewire;

/// How many functions are loaded.
const SIZES: [usize; 2] = [1_000, 50_000];

/// How often a function is redefined and called in a run.
const REDEFINITIONS: usize = 200;

/// How much longer it may take with the most functions loaded.
const GROWTH: f64 = 1.3;

/// Redefining one of many functions, and calling it.
pub(super) fn redefine(rewire: &Rewire, rounds: &Rounds, results: &mut Results) -> Result<()> {
    let title = "Redefining and calling in the REPL".to_owned();
    eprintln!("{title}");
    let script = paths::target().join("bench/redefine.repl");
    let folder = paths::target().join("bench");
    fs::create_dir_all(&folder).context(|| format!("make {}", shown(&folder)))?;
    fs::write(&script, text()).context(|| format!("write {}", shown(&script)))?;
    let mut contenders = Vec::new();
    for size in SIZES {
        let file = generate(size)?.file;
        let job = Job::new(rewire.program()).arg("repl").arg("--strict");
        let job = job.arg(file).stdin(&script);
        let earlier = rounds.comparing.as_ref();
        let earlier = earlier.and_then(|comparing| comparing.program(rewire.program()));
        let earlier = earlier.map(|program| job.clone().with_program(program));
        for job in std::iter::once(job).chain(earlier) {
            let label = format!("{} functions loaded", thousands(size));
            contenders.push((label, job, Vec::new()));
        }
    }
    let mut failures = vec![None; contenders.len()];
    for round in 0..rounds.count {
        let count = contenders.len();
        for place in (0..count).map(|place| (place + round) % count) {
            let (_, job, samples) = &mut contenders[place];
            let outcome = job.capture(LIMIT * 2)?;
            match sample(&outcome.stdout) {
                Some(sample) if outcome.ended == Ended::Code(0) => samples.push(sample),
                _ => failures[place] = Some(format!("{}: {}", outcome.ended, outcome.stderr)),
            }
        }
    }
    let rows = contenders.into_iter().zip(failures);
    let rows = rows.map(|((label, _, ms), failure)| Row {
        label,
        ms,
        peak: Peak::default(),
        failure,
    });
    let mut rows: Vec<Row> = rows.collect();
    if let Some(comparing) = &rounds.comparing {
        for pair in rows.chunks_exact(2) {
            comparing.record(&title, pair[0].clone(), pair[1].clone());
        }
        rows = rows.into_iter().step_by(2).collect();
    }
    let labels: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    results.tables.push(Table {
        key: "repl".into(),
        title,
        note: format!(
            "Microseconds for a definition in place of another one and a call of it, as `:time on` \
             says; the median of {REDEFINITIONS} in a process."
        ),
        unit: "µs",
        rows,
    });
    results.limits.push(Limit::ratio(
        format!(
            "redefining and calling in the REPL, {} against {}",
            labels[1], labels[0]
        ),
        ("repl", &labels[1]),
        ("repl", &labels[0]),
        GROWTH,
    ));
    Ok(())
}

/// What is typed.
fn text() -> String {
    let mut script = String::from(":call f7 1\n:time on\n");
    for number in 0..REDEFINITIONS {
        // Writing to a string can't fail.
        let _ = write!(
            script,
            "define i32 @f7(i32 %x) {{\n  %r = add i32 %x, {number}\n  ret i32 %r\n}}\n:call f7 5\n"
        );
    }
    script
}

/// The median of the microseconds for a definition and a call, if all were as they should be.
fn sample(stdout: &[u8]) -> Option<f64> {
    let text = String::from_utf8_lossy(stdout);
    let times = text.lines().filter_map(|line| line.strip_prefix("time "));
    let times: Vec<f64> = times
        .map(|time| time.strip_suffix(" ms")?.parse().ok())
        .collect::<Option<_>>()?;
    let last = format!("\n{}\n", 5 + REDEFINITIONS - 1);
    let is_right = times.len() == 2 * REDEFINITIONS + 1 && text.contains(&last);
    let pairs: Vec<f64> = times
        .get(1..)?
        .chunks_exact(2)
        .map(|pair| 1e3 * (pair[0] + pair[1]))
        .collect();
    is_right.then(|| median(&pairs)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_is_no_sample() {
        let mut out = String::from("1\ntime 0.001 ms\n");
        for number in 0..REDEFINITIONS {
            out += &format!(
                "replaced f7\ntime 0.100 ms\n{}\ntime 0.050 ms\n",
                5 + number
            );
        }
        assert!((sample(out.as_bytes()).unwrap() - 150.0).abs() < 1e-6);
        let wrong = out.replace(&format!("\n{}\n", 5 + REDEFINITIONS - 1), "\n0\n");
        assert_eq!(sample(wrong.as_bytes()), None);
        assert_eq!(sample(b""), None);
    }
}
