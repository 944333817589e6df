//! Shows what holds the largest circle of a crate together, and what would open it.

use std::collections::{BTreeMap, BTreeSet};

use super::circles::{names, rises};
use super::graph::Graph;
use super::references::Reference;
use super::rules::Rooms;
use super::tree::{Crate, FileId};

/// A cut: the arrows from one room to another, or from one file to another.
type Arrows = BTreeSet<(FileId, FileId)>;

/// Shows a crate's circles, and for the largest: the groups of arrows that lead to a higher room,
/// those first that open most, and what is left then.
pub(super) fn show(krate: &Crate, graph: &Graph, rooms: Option<&Rooms>) {
    let circles = graph.circles();
    println!("{}: {} files", krate.name, krate.files.len());
    for circle in &circles {
        println!(
            "  a circle of {}: {}",
            circle.len(),
            names(krate, circle).join(" ")
        );
    }
    if circles.is_empty() {
        return;
    }
    let mut left = graph.clone();
    if let Some(rooms) = rooms {
        cut_between_rooms(krate, graph, rooms, &mut left);
    }
    for circle in left.circles() {
        against_order(krate, &left, &circle);
    }
    println!();
}

/// Shows and cuts the arrows to higher rooms, by pairs of rooms: next the pair whose cut leaves the
/// smallest circle, and of those the one with the fewest references.
fn cut_between_rooms(krate: &Crate, graph: &Graph, rooms: &Rooms, left: &mut Graph) {
    let mut pairs: BTreeMap<(&str, &str), Arrows> = BTreeMap::new();
    for arrow in graph.arrows.keys().filter(|it| rises(krate, rooms, **it)) {
        let name = |file: FileId| {
            let room = rooms.of(&krate.files[file].path);
            room.map_or("", |room| room.name.as_str())
        };
        let pair = (name(arrow.0), name(arrow.1));
        pairs.entry(pair).or_default().insert(*arrow);
    }
    println!(
        "\n  Arrows to higher rooms, by pairs of rooms. Each pair is cut in addition to those above it."
    );
    while !pairs.is_empty() {
        let effect = |arrows: &Arrows| {
            let mut without = left.clone();
            without.arrows.retain(|arrow, _| !arrows.contains(arrow));
            (without.largest(), count(graph, arrows))
        };
        let best = pairs.iter().min_by_key(|(_, arrows)| effect(arrows));
        let Some((pair, arrows)) = best.map(|(pair, arrows)| (*pair, arrows.clone())) else {
            return;
        };
        pairs.remove(&pair);
        left.arrows.retain(|arrow, _| !arrows.contains(arrow));
        println!(
            "\n  {} -> {}: {} arrows, {} references; without: a circle of {}",
            pair.0,
            pair.1,
            arrows.len(),
            count(graph, &arrows),
            left.largest()
        );
        by_item(krate, graph, &arrows);
    }
}

fn count(graph: &Graph, arrows: &Arrows) -> usize {
    arrows.iter().map(|arrow| graph.arrows[arrow].len()).sum()
}

/// Shows the references of some arrows by the item that they name: moving it cuts them all.
fn by_item(krate: &Crate, graph: &Graph, arrows: &Arrows) {
    let path = |file: FileId| krate.files[file].path.as_str();
    let mut items: BTreeMap<(FileId, &str), BTreeMap<FileId, Vec<usize>>> = BTreeMap::new();
    for reference in arrows.iter().flat_map(|arrow| &graph.arrows[arrow]) {
        let Reference {
            from,
            to,
            line,
            item,
        } = reference;
        let places = items.entry((*to, item.as_str())).or_default();
        places.entry(*from).or_default().push(*line);
    }
    for ((to, item), places) in items {
        let places: Vec<String> = places
            .into_iter()
            .map(|(from, lines)| {
                let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
                format!("{}:{}", path(from), lines.join(","))
            })
            .collect();
        println!("    `{item}` of {} in {}", path(to), places.join(" "));
    }
}

/// Shows the arrows of a circle that lead against the best order of its files that is found.
fn against_order(krate: &Crate, graph: &Graph, circle: &[FileId]) {
    let weight = |arrow: (FileId, FileId)| graph.arrows.get(&arrow).map_or(0, Vec::len);
    let order = good_order(circle, &weight);
    let position = |file: FileId| order.iter().position(|it| *it == file);
    let arrows: Arrows = graph
        .arrows
        .keys()
        .filter(|(from, to)| circle.contains(from) && circle.contains(to))
        .filter(|(from, to)| position(*from) < position(*to))
        .copied()
        .collect();
    let order: Vec<&str> = order
        .iter()
        .map(|it| krate.files[*it].path.as_str())
        .collect();
    println!(
        "\n  A circle of {} is left. A good order, lowest first:",
        circle.len()
    );
    println!("    {}", order.join(" "));
    println!(
        "  Against it: {} arrows, {} references",
        arrows.len(),
        count(graph, &arrows)
    );
    by_item(krate, graph, &arrows);
}

/// An order in which few references lead to later files (the heuristic of Eades, Lin and Smyth):
/// files that use nothing of the rest come first, files that nothing uses last, and between them
/// next the file that is used most for what it uses.
fn good_order(circle: &[FileId], weight: &dyn Fn((FileId, FileId)) -> usize) -> Vec<FileId> {
    let mut rest: Vec<FileId> = circle.to_vec();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let uses = |file: FileId| -> usize { rest.iter().map(|to| weight((file, *to))).sum() };
        let used = |file: FileId| -> usize { rest.iter().map(|from| weight((*from, file))).sum() };
        let next = if let Some(file) = rest.iter().find(|it| uses(**it) == 0) {
            first.push(*file);
            *file
        } else if let Some(file) = rest.iter().find(|it| used(**it) == 0) {
            last.push(*file);
            *file
        } else {
            let balance = |file: &&FileId| used(**file).cast_signed() - uses(**file).cast_signed();
            let Some(file) = rest.iter().max_by_key(balance).copied() else {
                break;
            };
            first.push(file);
            file
        };
        rest.retain(|file| *file != next);
    }
    last.reverse();
    first.extend(last);
    first
}
