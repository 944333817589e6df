//! What is forgotten when there is too much: what was used longest ago.

use std::fs::{File, FileTimes};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rewire_cache::{Cache, Disk, DiskOptions, Entry};

use crate::support::{disk, entry_files, fresh, key, origin, recipe};

const SIZE: usize = 10_000;

fn large(name: &str) -> Entry {
    Entry::new(&recipe(name), Some(&origin(name)), &vec![7; SIZE])
}

fn limited(path: &Path, limit: u64) -> Cache {
    Cache::new(Arc::new(
        Disk::open(path, DiskOptions { limit }).expect("usable"),
    ))
}

/// Keeps a function in a file of its own, which was last used so many hours ago.
fn keep(cache: &Cache, path: &Path, name: &str, hours: u64) {
    let before = entry_files(path);
    cache.put(&[large(name)]);
    let new = entry_files(path)
        .into_iter()
        .find(|file| !before.contains(file))
        .expect("a file");
    let time = SystemTime::now() - Duration::from_secs(3600 * hours);
    let file = File::open(new).expect("a file");
    file.set_times(FileTimes::new().set_modified(time))
        .expect("it is ours");
}

fn is_kept(path: &Path, name: &str) -> bool {
    limited(path, u64::MAX).get(&key(name)).is_some()
}

#[test]
fn what_was_used_longest_ago_is_forgotten_first() {
    let (_temporary, path) = fresh();
    let cache = limited(&path, 5 * SIZE as u64);
    for (name, hours) in [("b", 3), ("a", 4), ("d", 1), ("c", 2)] {
        keep(&cache, &path, name, hours);
    }
    // That this was used is noted, though it was only read.
    assert!(limited(&path, u64::MAX).get(&key("a")).is_some());
    cache.put(&[large("e")]);
    let kept = ["a", "b", "c", "d", "e"].map(|name| is_kept(&path, name));
    assert_eq!(kept, [true, false, true, true, true]);
    // What is no longer there is not in the index either.
    let seen = disk(&path).verify(false).expect("usable");
    assert!(seen.is_clean() && seen.unindexed == 0, "{seen:?}");
}

#[test]
fn the_limit_is_kept() {
    let (_temporary, path) = fresh();
    let limit = 20 * SIZE as u64;
    for number in 0..100 {
        limited(&path, limit).put(&[large(&format!("function{number}"))]);
        assert!(disk(&path).info().expect("usable").bytes <= limit);
    }
    // Not more is forgotten than has to be.
    assert!(disk(&path).info().expect("usable").bytes >= limit * 7 / 10);
    assert!(is_kept(&path, "function99"), "the newest is kept");
    assert!(!is_kept(&path, "function0"), "the oldest is not");
}

#[test]
fn a_lower_limit_holds_from_the_next_time_on() {
    let (_temporary, path) = fresh();
    let cache = limited(&path, u64::MAX);
    for number in 0..20 {
        cache.put(&[large(&format!("function{number}"))]);
    }
    limited(&path, 5 * SIZE as u64).put(&[large("last")]);
    assert!(disk(&path).info().expect("usable").bytes <= 5 * SIZE as u64);
    assert!(is_kept(&path, "last"));
}

#[test]
fn what_is_larger_than_the_limit_is_not_kept_and_drives_nothing_out() {
    let (_temporary, path) = fresh();
    let cache = limited(&path, SIZE as u64 * 3 / 2);
    cache.put(&[large("small")]);
    cache.put(&[Entry::new(&recipe("large"), None, &vec![7; 2 * SIZE])]);
    assert!(is_kept(&path, "small") && !is_kept(&path, "large"));
}

#[test]
fn totals_that_are_damaged_are_counted_anew() {
    let (_temporary, path) = fresh();
    let limit = 5 * SIZE as u64;
    for number in 0..30 {
        if number % 5 == 0 && number > 0 {
            std::fs::write(path.join("v1/totals"), "nonsense").expect("writable");
        }
        limited(&path, limit).put(&[large(&format!("function{number}"))]);
        assert!(disk(&path).info().expect("usable").bytes <= limit);
    }
}

#[test]
fn the_index_does_not_grow_with_what_was_forgotten() {
    let (_temporary, path) = fresh();
    let mut sizes = Vec::new();
    for round in 0..30 {
        let functions: Vec<Entry> = (0..50)
            .map(|number| format!("function{}", 50 * round + number))
            .map(|name| Entry::new(&recipe(&name), Some(&origin(&name)), &[7; 200]))
            .collect();
        limited(&path, 100_000).put(&functions);
        sizes.push(
            std::fs::metadata(path.join("v1/index/data.mdb"))
                .expect("an index")
                .len(),
        );
    }
    assert!(sizes[29] <= 2 * sizes[9], "{sizes:?}");
}
