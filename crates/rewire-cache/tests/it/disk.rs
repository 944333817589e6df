//! What is kept is found again, by another process too, and survives the loss of the index.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rewire_cache::{CacheCounts, Entry, Explanation, Image, Kind, PartKind, Recipe, Store, Value};

use crate::support::{
    body, cache, disk, entries, entry, entry_files, files, fresh, image_recipe, key, names, origin,
    recipe,
};

#[test]
fn what_was_put_is_found() {
    let (_temporary, path) = fresh();
    let names = names(0..300);
    cache(&path).put(&entries(&names));
    let cache = cache(&path);
    for name in &names {
        let found = cache.get(&key(name)).expect("it was put");
        assert_eq!(found.body(), body(name));
        assert_eq!(found.parts(), recipe(name).parts());
        assert_eq!(found.origin(), Some(origin(name)));
    }
    assert_eq!(cache.get(&key("another")), None);
    assert_eq!(
        cache.counts(),
        CacheCounts {
            hits: 300,
            misses: 1,
            damaged: 0
        }
    );
}

#[test]
fn functions_that_are_put_one_by_one_are_found() {
    let (_temporary, path) = fresh();
    let writer = cache(&path);
    let names = names(0..60);
    for name in &names {
        assert_eq!(writer.get(&key(name)), None);
        writer.put(&[entry(name)]);
        assert_eq!(
            writer.get(&key(name)).expect("it was put").body(),
            body(name)
        );
    }
    let reader = cache(&path);
    assert!(names.iter().all(|name| reader.get(&key(name)).is_some()));
}

#[test]
fn what_another_cache_puts_later_is_found() {
    let (_temporary, path) = fresh();
    let (first, second) = (cache(&path), cache(&path));
    for name in &names(0..40) {
        assert_eq!(first.get(&key(name)), None);
        second.put(&[entry(name)]);
        assert_eq!(
            first.get(&key(name)).expect("it was put").body(),
            body(name)
        );
    }
}

#[test]
fn what_another_cache_has_kept_elsewhere_since_is_found() {
    let (_temporary, path) = fresh();
    let (first, second) = (cache(&path), cache(&path));
    first.put(&[entry("f")]);
    first.put(&[entry("g")]);
    // Now the first cache has read the part of the index that tells of both.
    assert!(first.get(&key("g")).is_some());
    for file in entry_files(&path) {
        fs::remove_file(file).expect("a file");
    }
    second.put(&entries(&["f".to_owned(), "h".to_owned()]));
    assert_eq!(
        first.get(&key("f")).expect("it was put again").body(),
        body("f")
    );
}

#[test]
fn the_newest_entry_of_an_origin_is_explained_by_whoever_kept_it() {
    let (_temporary, path) = fresh();
    let disk = disk(&path);
    let cache = rewire_cache::Cache::new(disk.clone());
    let version = |version: &str| {
        Recipe::new(Kind::Function).with(PartKind::Version, "LLVM", Value::Text(version))
    };
    for (kept, looked_for) in [("1", "2"), ("2", "3"), ("3", "4")] {
        cache.put(&[Entry::new(&version(kept), Some(&origin("f")), b"code")]);
        let explained = disk
            .explain(&origin("f"), &version(looked_for))
            .expect("usable");
        let told = format!("not found: version `LLVM` was `{kept}` and is `{looked_for}`");
        assert_eq!(explained.to_string(), told);
    }
}

#[test]
fn an_image_is_found_whole_and_by_function() {
    let (_temporary, path) = fresh();
    let names = names(0..50);
    let head = Entry::new(&image_recipe("program"), None, b"where everything goes");
    cache(&path).put_image(&Image::new(head, &entries(&names)));

    let cache = cache(&path);
    let image = cache
        .image(&image_recipe("program").key())
        .expect("it was put");
    assert_eq!(image.head().body(), b"where everything goes");
    let found: Vec<_> = image.entries().collect();
    assert_eq!(found, entries(&names));
    for name in &names {
        assert_eq!(
            image.get(&key(name)).expect("in the image").body(),
            body(name)
        );
        assert_eq!(cache.get(&key(name)).expect("by itself").body(), body(name));
    }
    assert!(cache.image(&image_recipe("other").key()).is_none());
}

#[test]
fn a_later_profile_takes_the_place_of_an_earlier_one() {
    let (_temporary, path) = fresh();
    let recipe = Recipe::new(Kind::Profile).with(PartKind::Module, "m", Value::Text("m"));
    let cache = cache(&path);
    for counts in [b"1", b"2", b"3"] {
        cache.put(&[Entry::new(&recipe, None, counts)]);
        assert_eq!(cache.get(&recipe.key()).expect("it was put").body(), counts);
    }
    assert_eq!(entry_files(&path).len(), 1);
}

#[test]
fn kinds_with_equal_parts_are_apart() {
    let (_temporary, path) = fresh();
    let cache = cache(&path);
    let recipe = |kind| Recipe::new(kind).with(PartKind::Module, "m", Value::Text("m"));
    for kind in Kind::ALL {
        cache.put(&[Entry::new(&recipe(kind), None, kind.to_string().as_bytes())]);
    }
    for kind in Kind::ALL {
        let found = cache.get(&recipe(kind).key()).expect("it was put");
        assert_eq!(found.body(), kind.to_string().as_bytes());
    }
}

#[test]
fn without_the_index_functions_are_missed_until_it_is_made_anew() {
    let (_temporary, path) = fresh();
    cache(&path).put(&entries(&names(0..100)));
    fs::remove_file(path.join("v1/index/data.mdb")).expect("the index");
    assert_eq!(cache(&path).get(&key("function1")), None);
    assert_eq!(disk(&path).verify(false).expect("usable").unindexed, 100);
    assert_eq!(disk(&path).verify(true).expect("usable").unindexed, 100);
    assert!(disk(&path).verify(false).expect("usable").is_clean());
    assert_eq!(
        cache(&path).get(&key("function1")).expect("again").body(),
        body("function1")
    );
}

#[test]
fn files_are_the_users_alone() {
    let (_temporary, path) = fresh();
    cache(&path).put(&entries(&names(0..3)));
    let mode = |path: &std::path::Path| {
        fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    };
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("v1")), 0o700);
    assert_eq!(mode(&path.join("v1/files")), 0o700);
    let files = files(&path);
    assert!(files.len() >= 4);
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        assert_eq!(
            mode(file.parent().expect("a folder")),
            0o700,
            "{}",
            file.display()
        );
    }
}

#[test]
fn nothing_is_created_before_something_is_kept() {
    let (_temporary, path) = fresh();
    let disk = disk(&path);
    assert_eq!(disk.get(&key("function1")), None);
    assert!(disk.verify(true).expect("usable").is_clean());
    assert_eq!(disk.info().expect("usable").files, 0);
    disk.clear().expect("nothing to do");
    assert_eq!(disk.trouble(), None);
    assert!(!path.exists());
}

#[test]
fn clearing_leaves_what_is_not_the_caches() {
    let (_temporary, path) = fresh();
    let cache = cache(&path);
    cache.put(&entries(&names(0..3)));
    fs::write(path.join("vacation.txt"), "photos").expect("a file");
    disk(&path).clear().expect("usable");
    assert_eq!(files(&path), [path.join("vacation.txt")]);
    assert_eq!(crate::support::cache(&path).get(&key("function1")), None);
    cache.put(&entries(&names(0..3)));
    assert!(
        crate::support::cache(&path)
            .get(&key("function1"))
            .is_some()
    );
}

#[test]
fn totals_are_kept_across_processes() {
    let (_temporary, path) = fresh();
    for _ in 0..2 {
        let disk = disk(&path);
        let cache = rewire_cache::Cache::new(disk.clone());
        cache.put(&entries(&names(0..3)));
        assert!(cache.get(&key("function1")).is_some());
        assert!(cache.get(&key("other")).is_none());
        cache.note_counts();
        // What was noted is not noted again.
        cache.note_counts();
    }
    let info = disk(&path).info().expect("usable");
    assert_eq!((info.hits, info.misses, info.files), (2, 2, 1));
    assert!(info.bytes > 0 && info.oldest.is_some());
}

#[test]
fn what_is_not_found_is_explained() {
    let (_temporary, path) = fresh();
    cache(&path).put(&[entry("f")]);
    let disk = disk(&path);
    let explain = |recipe: &Recipe| disk.explain(&origin("f"), recipe).expect("usable");
    assert!(matches!(explain(&recipe("f")), Explanation::Found { .. }));

    let changed = Recipe::new(Kind::Function)
        .with(PartKind::Body, "f", Value::Bytes(b"f"))
        .with(
            PartKind::ImportedBody,
            "helper",
            Value::Bytes(b"another helper"),
        )
        .with(PartKind::Option, "level", Value::Number(2))
        .with(PartKind::Version, "LLVM", Value::Text("23"));
    assert_eq!(
        explain(&changed).to_string(),
        "not found: imported body `helper` changed; version `LLVM` was `22` and is `23`"
    );
    assert_eq!(
        disk.explain(&origin("g"), &recipe("g")),
        Ok(Explanation::Unknown)
    );

    for file in entry_files(&path) {
        fs::remove_file(file).expect("a file");
    }
    let disk = crate::support::disk(&path);
    assert_eq!(
        disk.explain(&origin("f"), &recipe("f")),
        Ok(Explanation::Forgotten)
    );
    assert_eq!(
        disk.explain(&origin("f"), &changed),
        Ok(Explanation::Forgotten)
    );
}
