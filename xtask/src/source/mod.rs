//! Checks of the project's own source: the rooms of the engine and the circles among files, types
//! with one name, lengths, and who writes the ledger. What is allowed stands in `source.txt`.

mod circles;
mod explain;
mod graph;
mod lengths;
mod measure;
mod methods;
mod names;
mod references;
mod repeated;
mod rules;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
mod writers;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::paths;
use crate::tally::Tally;

use graph::Graph;
use lengths::Lengths;
use measure::Measure;
use rules::Rules;
use tree::Crate;

/// The engine's crate.
const ENGINE: &str = "rewire";
/// The section of what holds for all files.
const EVERYWHERE: &str = "everywhere";

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Show, for the largest circle, the references that lead to a higher room or against the best
    /// order of the files of one, and what cutting them would do.
    #[arg(long)]
    explain: bool,
    /// Show every reference from one file to an item of another.
    #[arg(long)]
    references: bool,
    /// Show what each measure counts, also where it is within its bound.
    #[arg(long)]
    list: bool,
    /// Lower the bounds in xtask/source.txt to what is measured.
    #[arg(long)]
    lower: bool,
}

/// Checks the source alone; whether all is as `source.txt` says.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let crates = crates()?;
    let mut rules = read_rules()?;
    for krate in &crates {
        let graph = graph_of(krate);
        if options.references {
            let lines = graph
                .arrows
                .values()
                .flat_map(|it| circles::lines(krate, it));
            lines.for_each(|line| println!("{}: {line}", krate.name));
        }
        if options.explain {
            explain::show(krate, &graph, rules.rooms(&krate.name));
        }
    }
    if options.lower {
        lower(&measures(&rules, &crates)?)?;
        rules = read_rules()?;
    }
    let measures = measures(&rules, &crates)?;
    let mut tally = Tally::default();
    for measure in &measures {
        if options.list && measure.is_met() {
            measure.findings.iter().for_each(|it| println!("  {it}"));
        }
        measure.count(&mut tally);
    }
    Ok(tally.close())
}

/// Checks the source as a part of all tests.
pub(crate) fn check(tally: &mut Tally) -> Result<()> {
    let (rules, crates) = (read_rules()?, crates()?);
    for measure in measures(&rules, &crates)? {
        measure.count(tally);
    }
    Ok(())
}

fn read_rules() -> Result<Rules> {
    let path = paths::root().join(rules::PATH);
    let text = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    Rules::parse(&text)
}

/// Writes the bounds that can be lowered.
fn lower(measures: &[Measure]) -> Result<()> {
    let path = paths::root().join(rules::PATH);
    let mut text = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    for measure in measures.iter().filter(|it| it.measured < it.bound) {
        text = rules::lowered(&text, &measure.section, measure.name, measure.measured);
    }
    fs::write(&path, text).context(|| format!("write {}", path.display()))
}

/// All crates of `crates/`, parsed.
fn crates() -> Result<Vec<Crate>> {
    let mut crates = Vec::new();
    for folder in entries(&paths::root().join("crates"))? {
        let source = folder.join("src");
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let root = ["lib.rs", "main.rs"]
            .into_iter()
            .find(|root| source.join(root).exists());
        if let Some(root) = root {
            let read = |path: &str| fs::read_to_string(source.join(path)).ok();
            crates.push(Crate::read(&name, root, &read)?);
        }
    }
    Ok(crates)
}

fn graph_of(krate: &Crate) -> Graph {
    Graph::new(krate.files.len(), references::references(krate))
}

fn measures(rules: &Rules, crates: &[Crate]) -> Result<Vec<Measure>> {
    let mut measures = Vec::new();
    for krate in crates {
        circles::measure(rules, krate, &graph_of(krate), &mut measures);
        let types = repeated::repeated(krate).into_iter();
        let types = types.map(|(name, places)| format!("{name}: {}", places.join(", ")));
        let name = "repeated type names";
        measures.push(Measure::new(rules, &krate.name, name, types.collect()));
    }
    if let Some(engine) = crates.iter().find(|krate| krate.name == ENGINE) {
        let memory = crates.iter().find(|krate| krate.name == "rewire-memory");
        writing(rules, engine, memory, &mut measures);
    }
    lengths(rules, &mut measures)?;
    Ok(measures)
}

/// Who writes entries and stores to slots.
fn writing(rules: &Rules, engine: &Crate, memory: Option<&Crate>, measures: &mut Vec<Measure>) {
    let transitions = rules.words(ENGINE, "slot transitions");
    let found = writers::writers(engine, transitions);
    let mut add = |name, findings| measures.push(Measure::new(rules, ENGINE, name, findings));
    add("entries written outside the ledger", found.entries);
    add("slots stored to outside the ledger", found.stores);
    add(
        "functions that store to a slot",
        found.storing.into_iter().collect(),
    );
    // A method that was renamed would no longer be looked for.
    let known = memory.map(|memory| writers::methods_of(memory, "Slots"));
    let unknown = transitions
        .iter()
        .filter(|name| known.as_ref().is_some_and(|known| !known.contains(*name)))
        .map(|name| format!("`Slots` has no method `{name}`; mend `slot transitions`"));
    add("slot transitions that aren't there", unknown.collect());
}

/// Margins and lengths, in all of the project's Rust and C++.
fn lengths(rules: &Rules, measures: &mut Vec<Measure>) -> Result<()> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "tests/client", "benches"] {
        files_below(&paths::root().join(folder), &mut files)?;
    }
    let mut lengths = Lengths::default();
    for file in &files {
        let text = || fs::read_to_string(file).context(|| format!("read {}", file.display()));
        let shown = paths::shown(file);
        match file.extension().and_then(|it| it.to_str()) {
            Some("rs") => lengths.rust(&shown, &text()?)?,
            Some("cpp" | "h") => lengths.cxx(&shown, &text()?),
            _ => {}
        }
    }
    let mut add = |name, findings| measures.push(Measure::new(rules, EVERYWHERE, name, findings));
    add("comments past the margin", lengths.comments);
    add("files over 800 lines", lengths.files);
    add("functions over 100 lines", lengths.functions);
    Ok(())
}

/// All files below a folder, without test programs, which are data, and what is built.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default();
        if !path.is_dir() {
            files.push(path);
        } else if name != "target" && name != "cases" && !path.ends_with("xtask/corpus") {
            files_below(&path, files)?;
        }
    }
    Ok(())
}

/// What a folder contains, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || format!("read {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).context(read)? {
        found.push(entry.context(read)?.path());
    }
    found.sort();
    Ok(found)
}
