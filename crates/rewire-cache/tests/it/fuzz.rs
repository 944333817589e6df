//! Recipes, and damage to a folder, that nobody thought of.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use rewire_cache::{Kind, PartKind, Recipe, Value};
use rewire_fuzz::{Damage, list};
use tempfile::TempDir;

use crate::damage::{check_what_is_found, copy, fill};
use crate::support::{disk, files, fresh};

/// A part: its kind, name and value.
type Part = (u8, String, Content);

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Bytes(Vec<u8>),
    Text(String),
    Number(u64),
    Flag(bool),
    Hash([u8; 32]),
}

/// Two recipes with some parts in common.
#[derive(Arbitrary, Clone, Debug)]
struct Recipes {
    #[arbitrary(with = list::<_, 4>)]
    both: Vec<Part>,
    #[arbitrary(with = list::<_, 3>)]
    one: Vec<Part>,
    #[arbitrary(with = list::<_, 3>)]
    other: Vec<Part>,
    /// Whether the common parts come last in the other one.
    last: bool,
}

fn recipe(parts: &[Part]) -> Recipe {
    let mut recipe = Recipe::new(Kind::Function);
    for (kind, name, content) in parts {
        let value = match content {
            Content::Bytes(bytes) => Value::Bytes(bytes),
            Content::Text(text) => Value::Text(text),
            Content::Number(number) => Value::Number(*number),
            Content::Flag(flag) => Value::Flag(*flag),
            Content::Hash(hash) => Value::Hash(*hash),
        };
        recipe.add(
            PartKind::ALL[usize::from(*kind) % PartKind::ALL.len()],
            name,
            value,
        );
    }
    recipe
}

#[test]
fn recipes_have_one_key_if_their_parts_are_the_same() {
    rewire_fuzz::run(|recipes: &Recipes| {
        let mut one = [&recipes.both[..], &recipes.one].concat();
        let mut other = [&recipes.both[..], &recipes.other].concat();
        if recipes.last {
            other.rotate_left(recipes.both.len());
        }
        let are_equal = recipe(&one).key() == recipe(&other).key();
        for part in one.iter_mut().chain(&mut other) {
            part.0 %= u8::try_from(PartKind::ALL.len()).expect("few");
        }
        one.sort();
        other.sort();
        assert_eq!(are_equal, one == other);
    });
}

/// What is done to files of a folder, each by its number, and whether to the index as well.
#[derive(Arbitrary, Clone, Debug)]
struct DamagedFolder {
    #[arbitrary(with = list::<_, 3>)]
    files: Vec<(u8, Damage)>,
    index: Option<Damage>,
}

fn damage(path: &Path, damage: &Damage) {
    let mut bytes = fs::read(path).expect("a file");
    damage.apply(&mut bytes);
    fs::write(path, bytes).expect("writable");
}

#[test]
fn in_a_damaged_folder_what_is_found_is_right() {
    static ORIGINAL: OnceLock<(TempDir, std::path::PathBuf)> = OnceLock::new();
    rewire_fuzz::run(|folder: &DamagedFolder| {
        let (_, original) = ORIGINAL.get_or_init(|| {
            let (temporary, path) = fresh();
            fill(&path);
            (temporary, path)
        });
        let (_temporary, path) = fresh();
        copy(original, &path);
        let all = files(&path.join("v1"));
        for (number, done) in &folder.files {
            damage(&all[usize::from(*number) % all.len()], done);
        }
        if let Some(done) = &folder.index {
            damage(&path.join("v1/index/data.mdb"), done);
        }
        check_what_is_found(&path);
        fill(&path);
        check_what_is_found(&path);
        assert!(disk(&path).verify(true).is_ok());
        let left = disk(&path).verify(false).expect("usable");
        assert!(left.is_clean() && left.unindexed == 0, "{left:?}");
        check_what_is_found(&path);
    });
}
