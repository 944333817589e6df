//! Measures circles of files, and arrows to higher rooms.

use super::graph::Graph;
use super::measure::Measure;
use super::references::Reference;
use super::rules::{Rooms, Rules};
use super::tree::{Crate, FileId};

/// The name of the bound of the largest circle.
const LARGEST: &str = "largest circle";

/// Measures a crate.
pub(super) fn measure(rules: &Rules, krate: &Crate, graph: &Graph, measures: &mut Vec<Measure>) {
    let rooms = rules.rooms(&krate.name);
    let mut circles = graph.circles();
    if rules.has_bound(&krate.name, LARGEST) && !circles.is_empty() {
        let circle = circles.remove(0);
        let mut measure = Measure::new(rules, &krate.name, LARGEST, Vec::new());
        measure.measured = circle.len();
        measure.findings = about_circle(krate, graph, rooms, &circle);
        measures.push(measure);
    }
    let findings = other_circles(rules, krate, graph, &circles);
    let name = "circles that aren't as listed";
    measures.push(Measure::new(rules, &krate.name, name, findings));
    let Some(rooms) = rooms else { return };
    let mut upward = Measure::new(rules, &krate.name, "upward arrows", Vec::new());
    for (arrow, references) in &graph.arrows {
        if rises(krate, rooms, *arrow) {
            upward.measured += 1;
            upward.findings.extend(lines(krate, references));
        }
    }
    measures.push(upward);
    let homeless = krate
        .files
        .iter()
        .filter(|file| rooms.of(&file.path).is_none());
    let homeless = homeless.map(|file| format!("{} stands in no room", file.path));
    let absent = rooms.rooms.iter().flat_map(|room| {
        let files = room.holds.iter().filter(|entry| {
            !entry.ends_with('/') && !krate.files.iter().any(|file| file.path == **entry)
        });
        files.map(|entry| format!("{entry} of room {} isn't there", room.name))
    });
    let name = "files without a room, rooms without a file";
    let findings = homeless.chain(absent).collect();
    measures.push(Measure::new(rules, &krate.name, name, findings));
}

/// Whether an arrow leads to a higher room.
pub(super) fn rises(krate: &Crate, rooms: &Rooms, (from, to): (FileId, FileId)) -> bool {
    let rank = |file: FileId| rooms.of(&krate.files[file].path).map(|room| room.rank);
    matches!((rank(from), rank(to)), (Some(from), Some(to)) if from < to)
}

/// References as lines for people: those of one item on one line.
pub(super) fn lines(krate: &Crate, references: &[Reference]) -> Vec<String> {
    let path = |file: FileId| &krate.files[file].path;
    let mut items: Vec<&str> = references.iter().map(|it| it.item.as_str()).collect();
    items.sort_unstable();
    items.dedup();
    let line_of = |item: &str| {
        let of_item: Vec<&Reference> = references.iter().filter(|it| it.item == item).collect();
        let numbers: Vec<String> = of_item.iter().map(|it| it.line.to_string()).collect();
        let (from, to) = (path(of_item[0].from), path(of_item[0].to));
        format!("{from}:{} uses `{item}` of {to}", numbers.join(","))
    };
    items.into_iter().map(line_of).collect()
}

/// What the largest circle consists of: its files, and the arrows in it that lead to a higher room.
fn about_circle(
    krate: &Crate,
    graph: &Graph,
    rooms: Option<&Rooms>,
    circle: &[FileId],
) -> Vec<String> {
    let mut findings = vec![names(krate, circle).join(" ")];
    let within = within(graph, circle);
    // Of a small circle each arrow matters.
    let is_small = circle.len() <= 12;
    for (arrow, references) in within {
        if is_small || rooms.is_some_and(|rooms| rises(krate, rooms, *arrow)) {
            findings.extend(lines(krate, references));
        }
    }
    findings.push("`cargo xtask check-source --explain` says what opens it".to_owned());
    findings
}

/// The arrows between the files of a circle.
fn within<'a>(
    graph: &'a Graph,
    circle: &'a [FileId],
) -> impl Iterator<Item = (&'a (FileId, FileId), &'a Vec<Reference>)> {
    let arrows = graph.arrows.iter();
    arrows.filter(|((from, to), _)| circle.contains(from) && circle.contains(to))
}

/// Circles that the rules don't list, and listed ones that aren't there.
fn other_circles(
    rules: &Rules,
    krate: &Crate,
    graph: &Graph,
    circles: &[Vec<FileId>],
) -> Vec<String> {
    let listed = rules.circles(&krate.name);
    let mut findings = Vec::new();
    let mut found = Vec::new();
    for circle in circles {
        let names = names(krate, circle);
        if !listed.contains(&names) {
            let mut finding = format!("not listed: circle = {}", names.join(" "));
            for (_, references) in within(graph, circle) {
                for line in lines(krate, references) {
                    finding.push_str("\n    ");
                    finding.push_str(&line);
                }
            }
            findings.push(finding);
        }
        found.push(names);
    }
    let gone = listed.iter().filter(|circle| !found.contains(circle));
    findings.extend(gone.map(|it| format!("not there any more: circle = {}", it.join(" "))));
    findings
}

/// The paths of files, sorted.
pub(super) fn names(krate: &Crate, files: &[FileId]) -> Vec<String> {
    let mut names: Vec<String> = files
        .iter()
        .map(|file| krate.files[*file].path.clone())
        .collect();
    names.sort();
    names
}
