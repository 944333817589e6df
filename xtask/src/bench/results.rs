//! Tables of what was measured, and the bars that it is held against.

use std::fmt::Write as _;

use super::cases::{LLI, row, thousands};
use super::earlier::{Compared, MOST};
use super::measure::{Row, Spread, median, ratio, spread};
use crate::matrix::{COMPILED_BAR, Compiled};

/// The contenders of one piece of work; the first is what the others are compared with.
pub(crate) struct Table {
    /// What bars know it by.
    pub(crate) key: String,
    /// Its heading.
    pub(crate) title: String,
    /// A line below the heading.
    pub(crate) note: String,
    /// What is measured.
    pub(crate) unit: &'static str,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// The memory maps of a process in which `size` generated functions ran.
pub(crate) struct Maps {
    /// How many functions.
    pub(crate) size: usize,
    /// All maps and the `rwx` ones, as the program counted; and what the engine says that it holds.
    pub(crate) counted: Result<(u64, u64, u64), String>,
}

/// All that one run of the benchmarks found.
#[derive(Default)]
pub(crate) struct Results {
    /// Tables in the order in which they were measured.
    pub(crate) tables: Vec<Table>,
    /// How many functions are called at each generated size.
    pub(crate) called: Vec<(usize, usize)>,
    /// Memory maps.
    pub(crate) maps: Vec<Maps>,
    /// What must not be exceeded.
    pub(crate) limits: Vec<Limit>,
    /// What several together must not exceed.
    pub(crate) means: Vec<Mean>,
    /// By how much peers must be outdone.
    pub(crate) floors: Vec<Floor>,
    /// Functions compiled, for each program.
    pub(crate) compiled: Vec<(String, Result<Compiled, String>)>,
}

/// What may be spent on something at most.
pub(crate) struct Limit {
    what: String,
    /// Table and row.
    own: (String, String),
    against: Option<(String, String)>,
    most: f64,
    unit: &'static str,
}

impl Limit {
    /// At most so many times what another row has.
    pub(crate) fn ratio(what: String, own: (&str, &str), against: (&str, &str), most: f64) -> Self {
        let owned = |(table, row): (&str, &str)| (table.to_owned(), row.to_owned());
        Self {
            what,
            own: owned(own),
            against: Some(owned(against)),
            most,
            unit: "times",
        }
    }

    /// At most this in the table's unit.
    pub(crate) fn absolute(what: String, own: (&str, &str), most: f64, unit: &'static str) -> Self {
        Self {
            what,
            own: (own.0.to_owned(), own.1.to_owned()),
            against: None,
            most,
            unit,
        }
    }
}

/// How many times what another row has, as a geometric mean over several tables, at most.
pub(crate) struct Mean {
    /// What the reader is told.
    pub(crate) what: String,
    /// The tables' keys.
    pub(crate) tables: Vec<String>,
    /// The label of the row.
    pub(crate) own: String,
    /// The label of the row that it is held against.
    pub(crate) against: String,
    /// How many times.
    pub(crate) most: f64,
}

/// How often a row's figure has to fit into a peer's in the same table, at least.
pub(crate) struct Floor {
    /// What the reader is told.
    pub(crate) what: String,
    /// The table's key.
    pub(crate) table: String,
    /// The label of the row.
    pub(crate) own: String,
    /// The label of the peer's row.
    pub(crate) peer: String,
    /// How often.
    pub(crate) least: f64,
}

/// A floor of the project beside what was measured.
pub(crate) struct Bar {
    what: String,
    bar: String,
    measured: String,
    holds: Option<bool>,
}

impl Results {
    /// Everything in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        text.push_str(&bars_table(&self.bars()));
        for table in &self.tables {
            text.push_str(&table.markdown());
        }
        text.push_str(&self.per_function());
        text.push_str(&self.maps_table());
        text.push_str(&self.compiled_table());
        text
    }

    fn table(&self, key: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.key == key)
    }

    /// How often `own` fits into `peer` in one table, with the words for the reader.
    fn faster(&self, key: &str, own: &str, peer: &str) -> Option<(String, Option<f64>)> {
        let table = self.table(key)?;
        let (own, peer) = (row(&table.rows, own)?, row(&table.rows, peer)?);
        if let Some(failure) = &own.failure {
            return Some((format!("{}: {failure}", own.label), Some(0.0)));
        }
        if let Some(failure) = &peer.failure {
            return Some((format!("{}: {failure}", peer.label), None));
        }
        let spread = ratio(peer, own)?;
        Some((times(spread), Some(spread.median)))
    }

    /// The bars that this run can speak of.
    pub(crate) fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        for (name, compiled) in &self.compiled {
            bars.push(Bar {
                what: format!("{name}: functions compiled against those a native run enters"),
                bar: format!("at most {COMPILED_BAR}"),
                measured: match compiled {
                    Ok(counts) => format!("{:.3}", counts.ratio()),
                    Err(error) => one_line(error),
                },
                holds: Some(
                    compiled
                        .as_ref()
                        .is_ok_and(|counts| counts.ratio() <= COMPILED_BAR),
                ),
            });
        }
        let mut peer = |what: &str, key: &str, own: &str, peer: &str, least: f64| {
            if let Some((measured, ratio)) = self.faster(key, own, peer) {
                bars.push(Bar {
                    what: what.into(),
                    bar: format!("{least} times faster"),
                    measured,
                    holds: ratio.map(|ratio| ratio >= least),
                });
            }
        };
        for level in ["O0", "O2"] {
            peer(
                &format!("SQLite from `-{level}` bitcode, against lli orc-lazy"),
                &format!("sqlite {level}"),
                "rewire",
                "lli orc-lazy",
                12.0,
            );
        }
        peer(
            "1,000 generated functions, against lli orc-lazy -O0",
            "generated 1000",
            "rewire -O0",
            "lli orc-lazy -O0",
            8.0,
        );
        for kind in LLI {
            let name = format!("lli {kind}");
            peer(
                &format!("start, against {name}"),
                "start",
                "rewire",
                &name,
                2.0,
            );
        }
        for floor in &self.floors {
            peer(
                &floor.what,
                &floor.table,
                &floor.own,
                &floor.peer,
                floor.least,
            );
        }
        for &(size, _) in self.called.iter().skip(1) {
            let growth = self.growth("rewire -O0", size);
            bars.push(Bar {
                what: format!(
                    "time for each function at {} against 1,000",
                    thousands(size)
                ),
                bar: "at most 1.3".into(),
                measured: growth.map_or("not measured".into(), |growth| format!("{growth:.2}")),
                holds: Some(growth.is_some_and(|growth| growth <= 1.3)),
            });
        }
        if let Some(maps) = self.maps.iter().find(|maps| maps.size == 100_000) {
            bars.push(Bar {
                what: "memory maps at 100,000 functions, all of the process'".into(),
                bar: "at most 64, none `rwx`".into(),
                measured: match &maps.counted {
                    Ok((total, rwx, _)) => format!("{total}, {rwx} of them `rwx`"),
                    Err(error) => one_line(error),
                },
                holds: Some(matches!(maps.counted, Ok((total, 0, _)) if total <= 64)),
            });
        }
        bars.extend(self.limits.iter().map(|limit| self.limit(limit)));
        bars.extend(self.means.iter().map(|mean| self.mean(mean)));
        bars
    }

    fn mean(&self, mean: &Mean) -> Bar {
        let ratio = |key: &String| {
            let rows = &self.table(key)?.rows;
            ratio(row(rows, &mean.own)?, row(rows, &mean.against)?)
        };
        let ratios: Option<Vec<f64>> = mean
            .tables
            .iter()
            .map(|key| Some(ratio(key)?.median.ln()))
            .collect();
        let found = ratios.map(|logs| (logs.iter().sum::<f64>() / logs.len() as f64).exp());
        Bar {
            what: mean.what.clone(),
            bar: format!("at most {} times", mean.most),
            measured: found.map_or("not measured".into(), |found| format!("{found:.3}")),
            holds: Some(found.is_some_and(|found| found <= mean.most)),
        }
    }

    fn limit(&self, limit: &Limit) -> Bar {
        let find = |(table, label): &(String, String)| row(&self.table(table)?.rows, label);
        let own = find(&limit.own);
        let found = match &limit.against {
            Some(against) => own
                .zip(find(against))
                .and_then(|(own, against)| ratio(own, against)),
            None => own
                .filter(|own| own.failure.is_none())
                .and_then(|own| spread(&own.ms)),
        };
        let failure = || {
            let rows = own.into_iter().chain(limit.against.as_ref().and_then(find));
            let mut failures = rows.filter_map(|row| row.failure.clone());
            failures.next().unwrap_or("not measured".into())
        };
        Bar {
            what: limit.what.clone(),
            bar: format!("at most {} {}", limit.most, limit.unit),
            measured: found.map_or_else(failure, times),
            holds: Some(found.is_some_and(|found| found.median <= limit.most)),
        }
    }

    /// Microseconds for each function called, with the start subtracted, for each round.
    fn each(&self, label: &str, size: usize) -> Option<Spread> {
        let called = self.called.iter().find(|(found, _)| *found == size)?.1;
        let start = row(&self.table("generated 0")?.rows, label)?.median()?;
        let row = row(&self.table(&format!("generated {size}"))?.rows, label)?;
        row.median()?;
        let each: Vec<f64> = row
            .ms
            .iter()
            .map(|ms| (ms - start) * 1e3 / called as f64)
            .collect();
        spread(&each)
    }

    /// How much more a function costs at this size than at the smallest.
    fn growth(&self, label: &str, size: usize) -> Option<f64> {
        let smallest = self.called.first()?.0;
        Some(self.each(label, size)?.median / self.each(label, smallest)?.median)
    }

    fn per_function(&self) -> String {
        let Some(table) = self.table("generated 0") else {
            return String::new();
        };
        let mut rows = Vec::new();
        for contender in &table.rows {
            for &(size, _) in &self.called {
                let label = &contender.label;
                let mut cells = vec![label.clone(), thousands(size)];
                match self.each(label, size) {
                    Some(each) => {
                        cells.push(number(each.median));
                        cells.push(format!("{} .. {}", number(each.min), number(each.max)));
                        let growth = self.growth(label, size);
                        cells.push(growth.map_or("-".into(), |growth| format!("{growth:.2}")));
                    }
                    None => {
                        let failure = self
                            .table(&format!("generated {size}"))
                            .and_then(|table| row(&table.rows, label)?.failure.clone());
                        cells.extend([failure.unwrap_or("-".into()), "-".into(), "-".into()]);
                    }
                }
                rows.push(cells);
            }
        }
        let heads = ["run", "functions", "µs each", "min .. max", "against 1,000"];
        section(
            "Time for each generated function",
            "The start is subtracted.",
            &heads,
            &rows,
        )
    }

    fn maps_table(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .maps
            .iter()
            .map(|maps| {
                let mut cells = vec![thousands(maps.size)];
                match &maps.counted {
                    Ok((total, rwx, held)) => {
                        cells.extend([total, rwx, held].map(ToString::to_string));
                    }
                    Err(error) => cells.extend([one_line(error), "-".into(), "-".into()]),
                }
                cells
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        section(
            "Memory maps",
            "The running program counts the lines of /proc/self/maps: its own process', libraries \
             and stacks included. The last column is what the engine reports to hold.",
            &["functions", "maps", "rwx", "held by the engine"],
            &rows,
        )
    }

    fn compiled_table(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .compiled
            .iter()
            .map(|(name, compiled)| {
                let mut cells = vec![name.clone()];
                match compiled {
                    Ok(counts) => {
                        let numbers = [counts.compiled, counts.entered, counts.defined];
                        cells.extend(numbers.map(|number| number.to_string()));
                        cells.push(format!("{:.3}", counts.ratio()));
                    }
                    Err(error) => {
                        cells.push(one_line(error));
                        cells.extend(["-", "-", "-"].map(String::from));
                    }
                }
                cells
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        section(
            "Functions compiled",
            "`rewire run -O0` on unoptimised bitcode; callgrind counts what the native \
             unoptimised build enters.",
            &[
                "program",
                "compiled",
                "entered natively",
                "defined",
                "compiled / entered",
            ],
            &rows,
        )
    }
}

impl Table {
    fn markdown(&self) -> String {
        let Some(own) = self.rows.first() else {
            return String::new();
        };
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let mut cells = vec![row.label.clone()];
                match (&row.failure, spread(&row.ms)) {
                    (None, Some(ms)) => {
                        cells.push(number(ms.median));
                        cells.push(format!("{} .. {}", number(ms.min), number(ms.max)));
                        cells.push(row.ms.len().to_string());
                        cells.push(ratio(row, own).map_or("-".into(), times));
                        cells.push(row.peak.to_string());
                    }
                    (failure, _) => {
                        cells.push(failure.clone().unwrap_or("not measured".into()));
                        cells.extend(["-", "-", "-", "-"].map(String::from));
                    }
                }
                cells
            })
            .collect();
        let against = format!("times `{}`", own.label);
        let heads = [
            "run",
            self.unit,
            "min .. max",
            "rounds",
            &against,
            "peak MiB",
        ];
        section(&self.title, &self.note, &heads, &rows)
    }
}

/// A table of bars with a heading.
pub(crate) fn bars_table(bars: &[Bar]) -> String {
    if bars.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = bars
        .iter()
        .map(|bar| {
            let holds = match bar.holds {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "no peer",
            };
            vec![
                bar.what.clone(),
                bar.bar.clone(),
                bar.measured.clone(),
                holds.into(),
            ]
        })
        .collect();
    section(
        "What it must reach",
        "Equal output in every mode and replacing a running function are held by `cargo xtask \
         test`; here, every program that is timed is first compared with native.",
        &["what", "bar", "measured", "holds"],
        &rows,
    )
}

/// The median over the rounds of how many times longer `now` took than `before`.
pub(super) fn median_of_ratios(now: &Row, before: &Row) -> Option<f64> {
    if now.failure.is_some() || before.failure.is_some() {
        return None;
    }
    let rounds = now.ms.iter().zip(&before.ms);
    median(&rounds.map(|(now, before)| now / before).collect::<Vec<_>>())
}

/// A table of figures now and before.
pub(super) fn comparison(found: &[Compared]) -> String {
    let rows: Vec<Vec<String>> = found.iter().map(compared).collect();
    let note = format!("Medians; of the ratios, of all rounds. At most {MOST} times what it was.");
    let heads = ["what", "before", "now", "rounds", "now / before", "holds"];
    section("Now and before", &note, &heads, &rows)
}

fn compared(one: &Compared) -> Vec<String> {
    let cell = |row: &Row| match (&row.failure, row.median()) {
        (Some(failure), _) => failure.clone(),
        (None, Some(median)) => number(median),
        (None, None) => "-".into(),
    };
    let ratio = median_of_ratios(&one.now, &one.before);
    let rounds = one.now.ms.len().min(one.before.ms.len());
    vec![
        one.what.clone(),
        cell(&one.before),
        cell(&one.now),
        rounds.to_string(),
        ratio.map_or("-".into(), |ratio| format!("{ratio:.3}")),
        match ratio {
            Some(ratio) if ratio <= MOST => "yes".into(),
            _ => "**no**".into(),
        },
    ]
}

/// A heading, a line, and a table whose columns line up in a terminal too.
fn section(title: &str, note: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!("\n## {title}\n\n{note}\n\n");
    let mut line = |cells: Vec<&str>| {
        for (cell, width) in cells.iter().zip(&widths) {
            let padding = " ".repeat(width - cell.chars().count());
            // Writing into a string can't fail.
            let _ = write!(text, "| {cell}{padding} ");
        }
        text.push_str("|\n");
    };
    line(heads.to_vec());
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    line(rules.iter().map(String::as_str).collect());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    text
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn times(spread: Spread) -> String {
    // Something that didn't grow has no multiples.
    if !spread.median.is_finite() {
        return "-".into();
    }
    format!(
        "{} ({} .. {})",
        number(spread.median),
        number(spread.min),
        number(spread.max)
    )
}

/// The first line of an error, fit for a cell of a table.
fn one_line(error: &str) -> String {
    error.lines().next().unwrap_or_default().replace('|', "/")
}
