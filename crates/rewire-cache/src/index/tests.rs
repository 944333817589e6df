//! The index against a model, and against damaged files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::page::{self, META_SIZE, Meta, NodeValue, Tree, TreePage};
use super::{Index, KeepRow, Row};
use crate::folder::Folder;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("less than a usize")
    }
}

fn folder() -> (TempDir, Folder) {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(&temporary.path().join("cache")).expect("usable");
    folder.create().expect("writable");
    (temporary, folder)
}

fn row(number: usize, version: usize) -> Row {
    let key = blake3::hash(&number.to_le_bytes());
    let length = 20 + number % 60;
    (
        key.as_bytes().to_vec(),
        format!("{number}.{version}.{:1$}", "", length).into_bytes(),
    )
}

fn write(folder: &Folder, puts: &[Row], keep: Option<&KeepRow<'_>>) {
    let index = Index::default();
    let lock = Index::lock(folder).expect("not locked");
    assert!(
        index.is_sound(folder, &lock).expect("readable"),
        "LMDB's own file is refused"
    );
    index.write(folder, &lock, puts, keep).expect("writable");
}

fn is_sound(folder: &Folder) -> bool {
    let lock = Index::lock(folder).expect("not locked");
    let index = Index::default();
    let is_sound = index.is_sound(folder, &lock).expect("readable");
    assert_eq!(
        is_sound,
        index.check(folder, &lock).expect("readable"),
        "an old stamp was trusted"
    );
    is_sound
}

/// Random changes, each seen by an index that reads for the first time and by one that has read
/// before. The check accepts each file that LMDB leaves.
#[test]
fn what_was_written_is_found_and_nothing_else() {
    let (_temporary, folder) = folder();
    let mut random = Random(42);
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let reader = Index::default();
    for round in 0..60 {
        let count = [1, 10, 100, 1500][random.below(4)];
        let puts: Vec<Row> = (0..count).map(|_| row(random.below(4000), round)).collect();
        if random.below(3) == 0 {
            let kept = random.below(200);
            let keep = |key: &[u8], _: &[u8]| usize::from(key[0]) > kept;
            write(&folder, &puts, Some(&keep));
            model.retain(|key, value| keep(key, value));
        } else {
            write(&folder, &puts, None);
        }
        model.extend(puts);
        let fresh = Index::default();
        for _ in 0..200 {
            let (key, _) = row(random.below(5000), 0);
            let expected = model.get(&key).cloned();
            assert_eq!(fresh.find(&folder, &key), Ok(expected.clone()));
            let seen = reader.find(&folder, &key).expect("readable");
            // What was read before may be old. What wasn't found is looked for again.
            assert!(
                seen == expected || (seen.is_some() && round > 0),
                "{seen:?} {expected:?}"
            );
        }
        reader.forget_pages();
    }
    assert!(is_sound(&folder));
}

/// A file with two levels of branches, free pages, and a list of free pages on pages of its own.
fn large(folder: &Folder) -> (Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let rows: Vec<Row> = (0..8000).map(|number| row(number, 0)).collect();
    write(folder, &rows, None);
    let keep = |key: &[u8], _: &[u8]| key[0] > 100;
    write(folder, &[], Some(&keep));
    write(folder, &rows[..1000], None);
    let model = rows[..1000].iter().cloned();
    let model = model
        .chain(rows.iter().filter(|row| keep(&row.0, &row.1)).cloned())
        .collect();
    (fs::read(folder.index_file()).expect("a file"), model)
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("writable");
}

/// No flipped bit leads to a crash or to a value that wasn't written with the file; and LMDB can
/// write to each file that passes the check.
#[test]
fn flipped_bits_are_refused_or_harmless() {
    let (_temporary, folder) = folder();
    let (bytes, model) = large(&folder);
    let path = folder.index_file();
    let mut random = Random(4711);
    let (mut refused, mut accepted) = (0, 0);
    // Headers of pages and tables of their nodes are where a bit can do the most.
    for _ in 0..400 {
        let page = random.below(bytes.len() / 4096) * 4096;
        let at = page
            + if random.below(2) == 0 {
                random.below(32)
            } else {
                random.below(4096)
            };
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << random.below(8);
        replace(&path, &flipped);
        let index = Index::default();
        for number in 0..20 {
            let (key, _) = row(number, 0);
            let found = index.find(&folder, &key).expect("readable");
            let whole = found.is_none_or(|found| {
                let differing = found
                    .iter()
                    .zip(&model[&key])
                    .filter(|(a, b)| a != b)
                    .count();
                differing <= 1
            });
            assert!(whole, "byte {at} leads to another value");
        }
        if is_sound(&folder) {
            accepted += 1;
            let puts: Vec<Row> = (0..50).map(|number| row(number * 7, 1)).collect();
            write(&folder, &puts, None);
            assert!(
                is_sound(&folder),
                "byte {at} makes LMDB write a damaged file"
            );
        } else {
            refused += 1;
        }
    }
    assert!(
        refused > 80 && accepted > 80,
        "{refused} refused, {accepted} accepted"
    );
}

#[test]
fn files_that_are_cut_off_or_empty_are_refused() {
    let (_temporary, folder) = folder();
    let (bytes, _) = large(&folder);
    let path = folder.index_file();
    let mut random = Random(3);
    for round in 0..60 {
        let length = if round == 0 {
            0
        } else {
            random.below(bytes.len() * 9 / 10)
        };
        replace(&path, &bytes[..length]);
        assert!(
            !is_sound(&folder),
            "{length} of {} bytes are accepted",
            bytes.len()
        );
        assert!(Index::default().find(&folder, &row(1, 0).0).is_ok());
    }
}

#[test]
fn random_bytes_are_refused() {
    let (_temporary, folder) = folder();
    let mut random = Random(8);
    let (mut bytes, _) = large(&folder);
    for _ in 0..100 {
        let start = random.below(bytes.len());
        let end = (start + random.below(5000)).min(bytes.len());
        for byte in &mut bytes[start..end] {
            *byte = u8::try_from(random.below(256)).expect("a byte");
        }
        replace(&folder.index_file(), &bytes);
        assert!(Index::default().find(&folder, &row(1, 0).0).is_ok());
        if is_sound(&folder) {
            write(&folder, &[row(1, 0)], None);
        }
    }
    assert!(!is_sound(&folder));
}

/// The numbers and the content of the pages that are met on the way to the first key of a tree.
fn way_down(bytes: &[u8], tree: Tree) -> Vec<usize> {
    let mut way = vec![usize::try_from(tree.root.expect("not empty")).expect("small")];
    loop {
        let number = *way.last().expect("the root");
        let page = TreePage::read(&bytes[number * 4096..][..4096], number as u64).expect("sound");
        match page.node(0).expect("not empty").value {
            NodeValue::Child(child) => way.push(usize::try_from(child).expect("small")),
            _ => return way,
        }
    }
}

fn newest(bytes: &[u8]) -> Meta {
    Meta::newest(|at| {
        bytes
            .get(usize::try_from(at).ok()?..)?
            .first_chunk::<META_SIZE>()
            .copied()
    })
    .expect("sound")
}

#[test]
fn a_node_that_reaches_into_the_next_is_refused() {
    let (_temporary, folder) = folder();
    let (mut bytes, _) = large(&folder);
    let leaf = *way_down(&bytes, newest(&bytes).main)
        .last()
        .expect("a leaf");
    let page = TreePage::read(&bytes[leaf * 4096..][..4096], leaf as u64).expect("sound");
    let nodes = (0..page.len()).map(|index| page.node(index).expect("sound"));
    let inner = nodes
        .map(|node| (node.start, node.end))
        .find(|(_, end)| *end < 4000);
    let (start, _) = inner.expect("a node that others follow");
    // The length of its value.
    bytes[leaf * 4096 + start] += 2;
    replace(&folder.index_file(), &bytes);
    assert!(!is_sound(&folder));
}

#[test]
fn a_page_that_is_used_and_free_is_refused() {
    let (_temporary, folder) = folder();
    let (mut bytes, _) = large(&folder);
    let meta = newest(&bytes);
    let leaf = *way_down(&bytes, meta.free).last().expect("a leaf");
    let page = TreePage::read(&bytes[leaf * 4096..][..4096], leaf as u64).expect("sound");
    let node = page.node(0).expect("sound");
    let list = match node.value {
        NodeValue::Data(_) => leaf * 4096 + node.start + 16,
        NodeValue::Overflow(at, _) => usize::try_from(at).expect("small") * 4096 + 16,
        NodeValue::Child(_) => unreachable!("a leaf"),
    };
    let count = usize::try_from(page::u64_at(&bytes, list).expect("a list")).expect("small");
    assert!(count > 2, "too few free pages");
    let number = |at: usize| page::u64_at(&bytes, list + 8 * at).expect("in the list");
    // In the place of one that lies next to it, so that the list still falls.
    let (at, used) = (1..=count)
        .flat_map(|at| {
            way_down(&bytes, meta.main)
                .into_iter()
                .map(move |page| (at, page as u64))
        })
        .chain((1..=count).map(|at| (at, number(at) - 1)))
        .find(|(at, page)| {
            let above = *at == 1 || number(at - 1) > *page;
            let below = *at == count || number(at + 1) < *page;
            above && below && (1..=count).all(|other| number(other) != *page)
        })
        .expect("a page in use next to a free one");
    bytes[list + 8 * at..][..8].copy_from_slice(&used.to_le_bytes());
    replace(&folder.index_file(), &bytes);
    assert!(!is_sound(&folder), "page {used}");
}

/// The times of a file are the same if it is changed twice within one tick of the kernel's clock.
#[test]
fn a_change_right_after_a_write_is_noticed() {
    let (_temporary, folder) = folder();
    write(&folder, &[row(0, 0)], None);
    for round in 1..30 {
        write(&folder, &[row(round, 0)], None);
        let bytes = fs::read(folder.index_file()).expect("a file");
        replace(&folder.index_file(), &vec![0; bytes.len()]);
        assert!(!is_sound(&folder), "round {round}");
        replace(&folder.index_file(), &bytes);
    }
}

/// Another process that was stopped while it writes costs a write, and no wait without end.
#[test]
fn a_lock_that_is_held_is_not_waited_for_without_end() {
    let (_temporary, folder) = folder();
    let held = fs::File::create(folder.inside("lock")).expect("writable");
    held.lock().expect("lockable");
    assert!(matches!(
        Index::lock(&folder),
        Err(crate::trouble::Trouble::Busy { .. })
    ));
    drop(held);
    assert!(Index::lock(&folder).is_ok());
}
