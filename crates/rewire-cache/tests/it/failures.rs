//! Folders that can't be read, written, or trusted: a reason is told, and nothing else happens.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use rewire_cache::{
    Cache, Disk, DiskOptions, Entry, Image, Kind, PartKind, Recipe, Trouble, Value,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::child::{is_root, run, run_as_user};
use crate::support::{
    body, cache, disk, entries, entry, entry_files, files, fresh, image_recipe, key, names,
};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

fn set_modes_below(path: &Path, folders: u32, files: u32) {
    for entry in fs::read_dir(path).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            set_modes_below(&path, folders, files);
        } else {
            set_mode(&path, files);
        }
    }
    set_mode(path, folders);
}

pub(crate) fn use_read_only(folder: &Path) {
    cache(folder).put(&entries(&names(0..20)));
    set_modes_below(folder, 0o500, 0o400);
    let disk = disk(folder);
    let cache = Cache::new(disk.clone());
    assert_eq!(
        cache.get(&key("function1")).expect("it can be read").body(),
        body("function1")
    );
    assert_eq!(disk.trouble(), None);
    cache.put(&[entry("function20")]);
    assert!(
        matches!(disk.trouble(), Some(Trouble::System { .. })),
        "{:?}",
        disk.trouble()
    );
    let first = disk.trouble();
    cache.put(&[entry("function21")]);
    cache.note_counts();
    assert_eq!(disk.trouble(), first, "one reason is told");
    // Reading goes on.
    assert_eq!(
        cache.get(&key("function2")).expect("it can be read").body(),
        body("function2")
    );
    assert!(cache.get(&key("function20")).is_none());
    assert!(
        disk.verify(false)
            .is_ok_and(|seen| seen.sound_functions == 20)
            || disk.info().is_ok()
    );
    set_modes_below_writable(folder);
}

/// So that the temporary folder can be removed.
fn set_modes_below_writable(folder: &Path) {
    set_mode(folder, 0o700);
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            set_modes_below_writable(&path);
        }
    }
}

#[test]
fn a_folder_that_can_only_be_read_is_read() {
    let (_temporary, path) = fresh();
    run_as_user("use a folder that can only be read", &path);
}

pub(crate) fn use_without_permission(folder: &Path) {
    cache(folder).put(&entries(&names(0..20)));
    set_mode(&folder.join("v1"), 0);
    let disk = disk(folder);
    let cache = Cache::new(disk.clone());
    assert!(cache.get(&key("function1")).is_none());
    assert!(
        matches!(disk.trouble(), Some(Trouble::System { .. })),
        "{:?}",
        disk.trouble()
    );
    assert!(
        disk.trouble()
            .expect("told")
            .to_string()
            .contains("ermission denied")
    );
    cache.put(&[entry("function20")]);
    set_mode(&folder.join("v1"), 0o700);
    // It was taken out of use.
    assert!(cache.get(&key("function1")).is_none());
    assert!(disk.info().is_err() && disk.verify(true).is_err() && disk.clear().is_err());
    assert!(
        crate::support::cache(folder)
            .get(&key("function1"))
            .is_some()
    );
}

#[test]
fn a_folder_without_permission_is_not_used() {
    let (_temporary, path) = fresh();
    run_as_user("use a folder without permission", &path);
}

pub(crate) fn write_with_limit(folder: &Path) {
    cache(folder).put(&entries(&names(0..20)));
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: Some(1_000_000),
        maximum,
    };
    setrlimit(Resource::Fsize, limit).expect("lower than before");

    // A file that would be too large.
    let disk = disk(folder);
    let cache = Cache::new(disk.clone());
    let recipe = Recipe::new(Kind::Profile).with(PartKind::Module, "m", Value::Text("m"));
    cache.put(&[Entry::new(&recipe, None, &vec![0; 1_000_000])]);
    assert!(
        matches!(disk.trouble(), Some(Trouble::FileSize { .. })),
        "{:?}",
        disk.trouble()
    );
    assert!(cache.get(&key("function1")).is_some(), "reading goes on");

    // An index that becomes too large.
    let disk = crate::support::disk(folder);
    let cache = Cache::new(disk.clone());
    let mut number = 100;
    while disk.trouble().is_none() {
        let recipes = (number..number + 1200).map(|n| crate::support::recipe(&n.to_string()));
        let small: Vec<_> = recipes
            .map(|recipe| Entry::new(&recipe, None, b"x"))
            .collect();
        cache.put(&small);
        number += 1200;
        assert!(number < 100_000, "the index never became too large");
    }
    assert!(
        matches!(disk.trouble(), Some(Trouble::FileSize { .. })),
        "{:?}",
        disk.trouble()
    );
    assert!(cache.get(&crate::support::key("100")).is_some());
    let seen = crate::support::disk(folder).verify(false).expect("usable");
    assert!(seen.is_clean(), "{seen:?}");
    assert_eq!(
        crate::support::cache(folder)
            .get(&key("function1"))
            .expect("kept")
            .body(),
        body("function1")
    );
}

#[test]
fn a_process_that_may_not_write_large_files_is_not_ended_by_a_signal() {
    let (_temporary, path) = fresh();
    run("write with a limit", &path);
}

#[test]
fn a_folder_that_is_removed_is_made_again() {
    let (_temporary, path) = fresh();
    let disk = disk(&path);
    let cache = Cache::new(disk.clone());
    cache.put(&entries(&names(0..20)));
    fs::remove_dir_all(&path).expect("it is there");
    assert!(cache.get(&key("function1")).is_none());
    assert!(cache.image(&image_recipe("program").key()).is_none());
    cache.put(&entries(&names(0..20)));
    assert_eq!(
        cache.get(&key("function1")).expect("kept again").body(),
        body("function1")
    );
    assert_eq!(disk.trouble(), None);
}

#[test]
fn a_folder_that_others_may_write_is_not_used() {
    for mode in [0o770, 0o707, 0o777, 0o1777] {
        let (_temporary, path) = fresh();
        fs::create_dir(&path).expect("writable");
        set_mode(&path, mode);
        let error = Disk::open(&path, DiskOptions::default()).expect_err("others may write");
        assert_eq!(error, Trouble::Writable { path, mode });
    }
}

#[test]
fn a_folder_that_others_may_only_read_is_used() {
    let (_temporary, path) = fresh();
    fs::create_dir(&path).expect("writable");
    set_mode(&path, 0o755);
    cache(&path).put(&entries(&names(0..3)));
    assert!(cache(&path).get(&key("function1")).is_some());
}

/// A folder of somebody else's, and a link of somebody else's to a folder of ours.
fn foreign(temporary: &Path) -> (PathBuf, PathBuf) {
    if !is_root() {
        // Both are root's.
        return ("/usr".into(), "/bin".into());
    }
    let folder = temporary.join("foreign");
    fs::create_dir(&folder).expect("writable");
    chown(&folder, Some(4711), None).expect("root may");
    let (link, target) = (temporary.join("link"), temporary.join("ours"));
    fs::create_dir(&target).expect("writable");
    symlink(target, &link).expect("writable");
    lchown(&link, Some(4711), None).expect("root may");
    (folder, link)
}

#[test]
fn a_folder_or_a_link_of_another_user_is_not_used() {
    let (temporary, _) = fresh();
    let (folder, link) = foreign(temporary.path());
    for path in [folder, link] {
        let error = Disk::open(&path, DiskOptions::default()).expect_err("another user's");
        assert!(matches!(error, Trouble::Owner { .. }), "{error}");
    }
}

#[test]
fn a_link_of_our_own_is_followed() {
    let (temporary, path) = fresh();
    let target = temporary.path().join("target");
    fs::create_dir(&target).expect("writable");
    symlink(&target, &path).expect("writable");
    cache(&path).put(&entries(&names(0..3)));
    assert!(cache(&path).get(&key("function1")).is_some());
    assert!(!files(&target).is_empty());
}

#[test]
fn what_is_no_folder_is_not_used() {
    let (_temporary, path) = fresh();
    fs::write(&path, "text").expect("writable");
    let error = Disk::open(&path, DiskOptions::default()).expect_err("a file");
    assert_eq!(error, Trouble::NotAFolder { path });
}

/// Replaces the only file with entries, and returns what becomes of the cache.
fn replace_file(replace: impl Fn(&Path)) -> Option<Trouble> {
    let (_temporary, path) = fresh();
    cache(&path).put(&entries(&names(0..3)));
    replace(&entry_files(&path)[0]);
    let disk = disk(&path);
    let cache = Cache::new(disk.clone());
    assert!(cache.get(&key("function1")).is_none());
    disk.trouble()
}

#[test]
fn a_file_that_others_may_write_ends_the_use() {
    let trouble = replace_file(|file| set_mode(file, 0o666));
    assert!(
        matches!(trouble, Some(Trouble::Writable { .. })),
        "{trouble:?}"
    );
}

#[test]
fn a_link_in_a_files_place_is_not_followed() {
    let trouble = replace_file(|file| {
        let elsewhere = file.with_extension("elsewhere");
        fs::rename(file, &elsewhere).expect("writable");
        symlink(elsewhere, file).expect("writable");
    });
    assert!(
        matches!(trouble, Some(Trouble::System { .. })),
        "{trouble:?}"
    );
}

#[test]
fn a_folder_or_a_pipe_in_a_files_place_is_a_miss() {
    let trouble = replace_file(|file| {
        fs::remove_file(file).expect("writable");
        fs::create_dir(file).expect("writable");
        set_mode(file, 0o700);
    });
    assert_eq!(trouble, None);
    let trouble = replace_file(|file| {
        fs::remove_file(file).expect("writable");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, file, rustix::fs::FileType::Fifo, mode, 0)
            .expect("writable");
    });
    assert_eq!(trouble, None);
}

#[test]
fn a_file_of_another_user_ends_the_use() {
    if !is_root() {
        // Nobody else can give a file away. The check is the same as for folders.
        return;
    }
    let trouble = replace_file(|file| chown(file, Some(4711), None).expect("root may"));
    assert!(
        matches!(trouble, Some(Trouble::Owner { owner: 4711, .. })),
        "{trouble:?}"
    );
}

/// Reads, writes, evicts, verifies; then nothing of the folder is open or mapped.
pub(crate) fn leave_nothing_open(folder: &Path) {
    let open = || {
        let descriptors = fs::read_dir("/proc/self/fd").expect("Linux");
        let targets = descriptors.filter_map(|fd| fs::read_link(fd.expect("an entry").path()).ok());
        targets
            .filter(|target| target.starts_with(folder))
            .collect::<Vec<_>>()
    };
    let disk = disk(folder);
    let cache = Cache::new(disk.clone());
    for start in [0, 10, 20] {
        cache.put(&entries(&names(start..start + 10)));
        assert!(cache.get(&key("function1")).is_some());
        assert!(cache.get(&key("another")).is_none());
        let image = Image::new(
            Entry::new(&image_recipe("program"), None, b""),
            &[entry("f")],
        );
        cache.put_image(&image);
        assert!(cache.image(image.head().key()).is_some());
        cache.note_counts();
        assert_eq!(open(), Vec::<PathBuf>::new());
    }
    assert!(disk.verify(true).expect("usable").is_clean());
    assert_eq!(open(), Vec::<PathBuf>::new());
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    assert!(
        !maps.contains(folder.to_str().expect("a plain name")),
        "{maps}"
    );
}

#[test]
fn between_two_calls_nothing_is_open_or_mapped() {
    let (_temporary, path) = fresh();
    run("leave nothing open", &path);
}
