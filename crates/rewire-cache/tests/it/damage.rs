//! Files that were flipped, cut off, exchanged, emptied or removed: what is found is right, or
//! nothing is found, and `verify` accepts none of them.

use std::fs;
use std::path::{Path, PathBuf};

use rewire_cache::{
    Body, Cache, CacheCounts, Entry, Image, Key, Kind, MemoryStore, PartKind, Recipe, Store, Value,
};

use crate::support::{
    Random, body, cache, disk, entries, entry, entry_files, files, fresh, image_recipe, key, names,
};

fn profile_recipe() -> Recipe {
    Recipe::new(Kind::Profile).with(PartKind::Module, "m", Value::Text("m"))
}

/// Functions in three files and by themselves, two images, a profile.
pub(crate) fn fill(path: &Path) {
    let cache = cache(path);
    for start in [0, 10, 20] {
        cache.put(&entries(&names(start..start + 10)));
    }
    cache.put(&[entry("function30")]);
    cache.put(&[Entry::new(&profile_recipe(), None, b"profile")]);
    for name in ["first", "second"] {
        let head = Entry::new(&image_recipe(name), None, name.as_bytes());
        cache.put_image(&Image::new(head, &entries(&names(15..40))));
    }
}

/// What is found is right. Returns how much was found.
pub(crate) fn check_what_is_found(path: &Path) -> usize {
    let cache = cache(path);
    let mut found = 0;
    for name in names(0..40) {
        if let Some(entry) = cache.get(&key(&name)) {
            assert_eq!(entry.body(), body(&name), "{name}");
            found += 1;
        }
    }
    if let Some(profile) = cache.get(&profile_recipe().key()) {
        assert_eq!(profile.body(), b"profile");
        found += 1;
    }
    for name in ["first", "second"] {
        if let Some(image) = cache.image(&image_recipe(name).key()) {
            assert_eq!(image.head().body(), name.as_bytes());
            for name in names(15..40) {
                assert_eq!(
                    image.get(&key(&name)).expect("in the image").body(),
                    body(&name)
                );
            }
            found += 1;
        }
    }
    found
}

const ALL: usize = 43;

pub(crate) fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).expect("below it"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("writable");
        fs::copy(&path, target).expect("writable");
    }
}

/// Damages copies of a filled folder, again and again, and looks at each.
fn damage_repeatedly(rounds: usize, seed: u64, mut damage: impl FnMut(&Path, &mut Random)) {
    let (_temporary, original) = fresh();
    fill(&original);
    assert_eq!(check_what_is_found(&original), ALL);
    let mut random = Random(seed);
    for round in 0..rounds {
        let (_temporary, path) = fresh();
        copy(&original, &path);
        let before = contents(&path);
        damage(&path, &mut random);
        let changed: Vec<_> = contents(&path)
            .into_iter()
            .filter(|(path, bytes)| before.iter().all(|old| old.0 != *path || old.1 != *bytes))
            .map(|(path, _)| path)
            .collect();
        let damaged = disk(&path).verify(false).expect("usable").damaged;
        let damaged: Vec<_> = damaged.into_iter().map(|file| file.path).collect();
        for changed in changed
            .iter()
            .filter(|file| file.starts_with(path.join("v1/files")))
        {
            assert!(
                damaged.contains(changed),
                "round {round}: {} is accepted",
                changed.display()
            );
        }
        check_what_is_found(&path);
        assert!(disk(&path).verify(true).is_ok());
        let left = disk(&path).verify(false).expect("usable");
        assert!(
            left.is_clean() && left.unindexed == 0,
            "round {round}: {left:?}"
        );
        check_what_is_found(&path);
        // What is kept again is found again.
        fill(&path);
        assert_eq!(check_what_is_found(&path), ALL, "round {round}");
    }
}

fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(path)
        .into_iter()
        .map(|file| (file.clone(), fs::read(file).expect("a file")))
        .collect()
}

fn any_file(path: &Path, random: &mut Random) -> PathBuf {
    let files = files(&path.join("v1"));
    files[random.below(files.len())].clone()
}

#[test]
fn a_flipped_bit_in_any_file() {
    damage_repeatedly(100, 1, |path, random| {
        let file = any_file(path, random);
        let mut bytes = fs::read(&file).expect("a file");
        if !bytes.is_empty() {
            // Half of them in the header.
            let end = if random.below(2) == 0 {
                bytes.len()
            } else {
                bytes.len().min(128)
            };
            bytes[random.below(end)] ^= 1 << random.below(8);
            fs::write(file, bytes).expect("writable");
        }
    });
}

#[test]
fn every_bit_of_an_entry() {
    let entry = entry("function7");
    let sealed = entry.sealed().to_vec();
    for bit in 0..sealed.len().min(400) * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Entry::open(entry.key(), flipped.into()).is_err(),
            "bit {bit}"
        );
    }
    assert_eq!(Entry::open(entry.key(), sealed.into()), Ok(entry));
}

#[test]
fn every_bit_of_an_image() {
    let recipe = image_recipe("small");
    let image = Image::new(Entry::new(&recipe, None, b"x"), &[entry("f")]);
    let sealed = image.sealed().to_vec();
    for bit in 0..sealed.len().min(700) * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Image::open(&recipe.key(), flipped.into()).is_err(),
            "bit {bit}"
        );
    }
    assert!(Image::open(&recipe.key(), sealed.into()).is_ok());
}

#[test]
fn any_file_that_is_cut_off_or_longer() {
    damage_repeatedly(60, 2, |path, random| {
        let file = any_file(path, random);
        let mut bytes = fs::read(&file).expect("a file");
        match random.below(4) {
            0 => bytes.clear(),
            1 => bytes.extend(random.bytes(50)),
            _ => bytes.truncate(random.below(bytes.len() + 1)),
        }
        fs::write(file, bytes).expect("writable");
    });
}

#[test]
fn any_two_files_that_are_exchanged() {
    damage_repeatedly(30, 3, |path, random| {
        let files = entry_files(path);
        let (first, second) = (random.below(files.len()), random.below(files.len()));
        let (one, two) = (&files[first], &files[second]);
        let bytes = (
            fs::read(one).expect("a file"),
            fs::read(two).expect("a file"),
        );
        fs::write(one, bytes.1).expect("writable");
        fs::write(two, bytes.0).expect("writable");
    });
}

#[test]
fn any_file_that_is_removed() {
    damage_repeatedly(20, 4, |path, random| {
        fs::remove_file(any_file(path, random)).expect("removable");
    });
}

#[test]
fn an_index_of_another_state_or_another_cache() {
    let (_temporary, other) = fresh();
    let cache = cache(&other);
    for start in [25, 5, 100] {
        cache.put(&entries(&names(start..start + 10)));
    }
    let index = fs::read(other.join("v1/index/data.mdb")).expect("an index");
    damage_repeatedly(3, 5, |path, _| {
        fs::write(path.join("v1/index/data.mdb"), &index).expect("writable");
    });
}

/// A cache with three functions in one file, an image and a profile, whose last bytes are wrong.
fn with_wrong_last_bytes(path: &Path) -> Cache {
    let writer = cache(path);
    writer.put(&entries(&names(0..3)));
    writer.put(&[Entry::new(&profile_recipe(), None, b"profile")]);
    let head = Entry::new(&image_recipe("first"), None, b"first");
    writer.put_image(&Image::new(head, &entries(&names(3..6))));
    for file in entry_files(path) {
        let mut bytes = fs::read(&file).expect("a file");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(file, bytes).expect("writable");
    }
    cache(path)
}

#[test]
fn damage_is_counted_and_the_file_is_dropped() {
    let (_temporary, path) = fresh();
    let cache = with_wrong_last_bytes(&path);
    for round in 0..2 {
        assert!(cache.image(&image_recipe("first").key()).is_none());
        assert!(cache.get(&profile_recipe().key()).is_none());
        assert!(cache.get(&key("function2")).is_none());
        // Only functions are counted as misses.
        let misses = round + 1;
        assert_eq!(
            cache.counts(),
            CacheCounts {
                hits: 0,
                misses,
                damaged: 3
            }
        );
    }
    assert!(entry_files(&path).is_empty());
}

#[test]
fn a_function_that_is_whole_in_a_damaged_file_is_found_once_more() {
    let (_temporary, path) = fresh();
    let cache = with_wrong_last_bytes(&path);
    assert_eq!(
        cache.get(&key("function0")).expect("whole").body(),
        body("function0")
    );
    assert!(cache.get(&key("function1")).is_none());
    assert_eq!(
        cache.counts(),
        CacheCounts {
            hits: 1,
            misses: 1,
            damaged: 0
        }
    );
}

/// Returns what was put for another key.
#[derive(Default)]
struct Confused(MemoryStore);

impl Store for Confused {
    fn get(&self, key: &Key) -> Option<Body> {
        let other = match key.kind() {
            Kind::Image => image_recipe("second").key(),
            _ => crate::support::key("function2"),
        };
        self.0.get(&other)
    }

    fn put(&self, entries: &[Entry]) {
        self.0.put(entries);
    }

    fn put_image(&self, image: &Image) {
        self.0.put_image(image);
    }

    fn forget(&self, key: &Key) {
        self.0.forget(key);
    }
}

#[test]
fn a_clients_store_is_not_trusted_either() {
    let cache = Cache::new(std::sync::Arc::new(Confused::default()));
    cache.put(&entries(&names(0..3)));
    for name in ["first", "second"] {
        cache.put_image(&Image::new(Entry::new(&image_recipe(name), None, b""), &[]));
    }
    assert!(cache.get(&key("function1")).is_none());
    assert!(cache.get(&key("function2")).is_some());
    assert!(cache.image(&image_recipe("first").key()).is_none());
    assert!(cache.image(&image_recipe("second").key()).is_some());
    assert_eq!(
        cache.counts(),
        CacheCounts {
            hits: 1,
            misses: 1,
            damaged: 2
        }
    );
}
