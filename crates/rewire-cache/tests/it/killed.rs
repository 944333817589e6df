//! Processes that fill one cache at once and are killed while they do.

use std::fs;
use std::path::Path;
use std::process;

use rewire_cache::{Cache, Entry, Image};

use crate::child::{Endless, step};
use crate::support::{Random, body, cache, disk, entries, fresh, image_recipe, key, names};

const FUNCTIONS: usize = 400;
const IMAGES: usize = 8;

fn check(cache: &Cache, name: &str) -> bool {
    let found = cache.get(&key(name));
    found
        .inspect(|entry| assert_eq!(entry.body(), body(name), "{name}"))
        .is_some()
}

fn image_names(number: usize) -> Vec<String> {
    names(number * 20..number * 20 + 25)
}

fn check_image(cache: &Cache, number: usize) -> bool {
    let name = format!("image{number}");
    let Some(image) = cache.image(&image_recipe(&name).key()) else {
        return false;
    };
    assert_eq!(image.head().body(), body(&name));
    for name in image_names(number) {
        assert_eq!(
            image.get(&key(&name)).expect("in the image").body(),
            body(&name)
        );
    }
    true
}

/// What the processes do: they keep functions and images, and look for them.
pub(crate) fn fill_until_killed(folder: &Path) {
    let mut random = Random(u64::from(process::id()));
    loop {
        let cache = cache(folder);
        for _ in 0..10 {
            step();
            if random.below(4) == 0 {
                let number = random.below(IMAGES);
                let name = format!("image{number}");
                let head = Entry::new(&image_recipe(&name), None, &body(&name));
                cache.put_image(&Image::new(head, &entries(&image_names(number))));
            } else {
                let start = random.below(FUNCTIONS);
                let end = (start + 1 + random.below(30)).min(FUNCTIONS);
                cache.put(&entries(&names(start..end)));
            }
            for _ in 0..5 {
                check(&cache, &names(0..FUNCTIONS)[random.below(FUNCTIONS)]);
            }
            check_image(&cache, random.below(IMAGES));
        }
        if random.below(20) == 0 {
            // Others are writing, or were killed while they did.
            let _ = disk(folder).verify(true);
        }
    }
}

#[test]
fn two_hundred_killed_processes_leave_nothing_that_is_wrong() {
    let (_temporary, path) = fresh();
    let mut random = Random(99);
    for _ in 0..100 {
        let mut children = [(); 2].map(|()| Endless::start("fill until killed", &path));
        for child in &mut children {
            child.wait_for_steps(1 + random.below(4));
        }
        for child in children {
            child.kill();
        }
        let seen = disk(&path).verify(false).expect("usable");
        assert!(seen.is_clean(), "{seen:?}");
    }
    let reader = cache(&path);
    let found = names(0..FUNCTIONS)
        .iter()
        .filter(|name| check(&reader, name))
        .count();
    let images = (0..IMAGES)
        .filter(|number| check_image(&reader, *number))
        .count();
    assert!(
        found > FUNCTIONS / 2 && images > 0,
        "{found} functions, {images} images"
    );
    assert_eq!(reader.counts().damaged, 0);

    assert!(disk(&path).verify(true).expect("usable").is_clean());
    let after = disk(&path).verify(false).expect("usable");
    assert!(after.is_clean() && after.unindexed == 0, "{after:?}");
    let left = fs::read_dir(path.join("v1/temporary"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0, "temporary files of killed processes");
}
