//! The data file of the checks: rooms, bounds, and the circles that are allowed.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Where the data file lies, below the project's folder.
pub(super) const PATH: &str = "xtask/source.txt";

/// What the data file says; it documents itself.
#[derive(Debug, Default)]
pub(super) struct Rules {
    bounds: BTreeMap<(String, String), usize>,
    circles: BTreeMap<String, Vec<Vec<String>>>,
    words: BTreeMap<(String, String), Vec<String>>,
    rooms: BTreeMap<String, Rooms>,
}

/// The rooms of a crate, lowest first.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    pub(super) rooms: Vec<Room>,
}

/// A group of files.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: String,
    /// A room may use those of its own rank and of lower ranks.
    pub(super) rank: usize,
    /// Files, and folders with a `/` at their end.
    pub(super) holds: Vec<String>,
}

impl Rules {
    /// Reads the data file's text.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut rules = Self::default();
        let mut section = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let wrong = |what: &str| Error::new(format!("{PATH}:{}: {what}", index + 1));
            if let Some(name) = line.strip_prefix('[') {
                let name = name
                    .strip_suffix(']')
                    .ok_or_else(|| wrong("`]` is missing"))?;
                name.clone_into(&mut section);
            } else if let Some(of) = section.strip_suffix(" rooms") {
                let (name, holds) = line
                    .split_once(':')
                    .ok_or_else(|| wrong("expected `room: files and folders/`"))?;
                let rooms = rules.rooms.entry(of.to_owned()).or_default();
                rooms.add(name.trim(), words(holds));
            } else {
                let (name, value) = line
                    .split_once('=')
                    .ok_or_else(|| wrong("expected `name = value`"))?;
                let (name, value) = (name.trim(), value.trim());
                if name == "circle" {
                    let mut circle = words(value);
                    circle.sort();
                    rules
                        .circles
                        .entry(section.clone())
                        .or_default()
                        .push(circle);
                } else if let Ok(bound) = value.parse() {
                    rules
                        .bounds
                        .insert((section.clone(), name.to_owned()), bound);
                } else {
                    let key = (section.clone(), name.to_owned());
                    rules.words.insert(key, words(value));
                }
            }
        }
        Ok(rules)
    }

    /// The bound of a measure. One that the file doesn't have is 0.
    pub(super) fn bound(&self, section: &str, name: &str) -> usize {
        let key = (section.to_owned(), name.to_owned());
        self.bounds.get(&key).copied().unwrap_or(0)
    }

    /// Whether the file has a bound of this name.
    pub(super) fn has_bound(&self, section: &str, name: &str) -> bool {
        let key = (section.to_owned(), name.to_owned());
        self.bounds.contains_key(&key)
    }

    /// The words of an entry that is a list.
    pub(super) fn words(&self, section: &str, name: &str) -> &[String] {
        let key = (section.to_owned(), name.to_owned());
        self.words.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The circles that are allowed in a crate.
    pub(super) fn circles(&self, section: &str) -> &[Vec<String>] {
        self.circles.get(section).map_or(&[], Vec::as_slice)
    }

    /// The rooms of a crate, if it has any.
    pub(super) fn rooms(&self, section: &str) -> Option<&Rooms> {
        self.rooms.get(section)
    }
}

impl Rooms {
    fn add(&mut self, name: &str, holds: Vec<String>) {
        let last = self.rooms.last().map(|room| room.rank);
        let (name, rank) = match name.strip_prefix('&') {
            Some(name) => (name.trim(), last.unwrap_or(0)),
            None => (name, last.map_or(0, |rank| rank + 1)),
        };
        self.rooms.push(Room {
            name: name.to_owned(),
            rank,
            holds,
        });
    }

    /// The room of a file: that of the longest entry that it stands under. An inline module stands
    /// in its file's.
    pub(super) fn of(&self, path: &str) -> Option<&Room> {
        let path = path.split("::").next().unwrap_or(path);
        let entries = self
            .rooms
            .iter()
            .flat_map(|room| room.holds.iter().map(move |entry| (entry, room)));
        entries
            .filter(|(entry, _)| {
                path == entry.as_str() || (entry.ends_with('/') && path.starts_with(entry.as_str()))
            })
            .max_by_key(|(entry, _)| entry.len())
            .map(|(_, room)| room)
    }
}

/// The file's text with a bound lowered to what was measured.
pub(super) fn lowered(text: &str, section: &str, name: &str, measured: usize) -> String {
    let mut here = false;
    let mut changed = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            here = line == format!("[{section}]");
        }
        let is_bound = here
            && line
                .split_once('=')
                .is_some_and(|(it, _)| it.trim() == name);
        if is_bound {
            changed.push_str(&format!("{name} = {measured}"));
        } else {
            changed.push_str(line);
        }
        changed.push('\n');
    }
    changed
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
