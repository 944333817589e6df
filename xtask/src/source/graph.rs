//! Files as nodes, references as arrows, and the circles among them.

use std::collections::BTreeMap;

use super::references::Reference;
use super::tree::FileId;

/// The arrows between files, each with the references that it stands for.
#[derive(Clone, Default)]
pub(super) struct Graph {
    pub(super) size: usize,
    pub(super) arrows: BTreeMap<(FileId, FileId), Vec<Reference>>,
}

impl Graph {
    /// A graph of `size` files.
    pub(super) fn new(size: usize, references: Vec<Reference>) -> Self {
        let mut arrows: BTreeMap<(FileId, FileId), Vec<Reference>> = BTreeMap::new();
        for reference in references {
            let arrow = (reference.from, reference.to);
            arrows.entry(arrow).or_default().push(reference);
        }
        Self { size, arrows }
    }

    /// The strongly connected components of more than one file, the largest first, each in order.
    pub(super) fn circles(&self) -> Vec<Vec<FileId>> {
        let mut next = vec![Vec::new(); self.size];
        for (from, to) in self.arrows.keys() {
            next[*from].push(*to);
        }
        let mut search = Search {
            next,
            index: vec![None; self.size],
            low: vec![0; self.size],
            is_open: vec![false; self.size],
            open: Vec::new(),
            count: 0,
            circles: Vec::new(),
        };
        for file in 0..self.size {
            if search.index[file].is_none() {
                search.visit(file);
            }
        }
        let mut circles = search.circles;
        circles.sort_by_key(|circle| (std::cmp::Reverse(circle.len()), circle.clone()));
        circles
    }

    /// The size of the largest circle.
    pub(super) fn largest(&self) -> usize {
        self.circles().first().map_or(0, Vec::len)
    }
}

/// Tarjan's search.
struct Search {
    next: Vec<Vec<FileId>>,
    index: Vec<Option<usize>>,
    low: Vec<usize>,
    is_open: Vec<bool>,
    open: Vec<FileId>,
    count: usize,
    circles: Vec<Vec<FileId>>,
}

impl Search {
    fn visit(&mut self, file: FileId) {
        let index = self.count;
        self.count += 1;
        self.index[file] = Some(index);
        self.low[file] = index;
        self.open.push(file);
        self.is_open[file] = true;
        for next in self.next[file].clone() {
            match self.index[next] {
                None => {
                    self.visit(next);
                    self.low[file] = self.low[file].min(self.low[next]);
                }
                Some(index) if self.is_open[next] => {
                    self.low[file] = self.low[file].min(index);
                }
                Some(_) => {}
            }
        }
        if self.low[file] != index {
            return;
        }
        let mut circle = Vec::new();
        while let Some(last) = self.open.pop() {
            self.is_open[last] = false;
            circle.push(last);
            if last == file {
                break;
            }
        }
        if circle.len() > 1 {
            circle.sort_unstable();
            self.circles.push(circle);
        }
    }
}
