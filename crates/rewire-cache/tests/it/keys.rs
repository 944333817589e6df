//! Different recipes have different keys, and equal ones have equal keys.

use std::collections::HashMap;

use rewire_cache::{Kind, Part, PartKind, Recipe, Value};

use crate::support::Random;

/// A recipe as data: names and values are chosen from few, so that many recipes nearly agree.
type Written = (Kind, Vec<(PartKind, String, String)>);

fn random_text(random: &mut Random) -> String {
    // Also texts that are others with something behind them, and empty ones.
    (0..random.below(4))
        .map(|_| ['a', 'b', '\0', '\u{1}'][random.below(4)])
        .collect()
}

fn random_recipe(random: &mut Random) -> Written {
    let kind = Kind::ALL[random.below(2)];
    let part = |random: &mut Random| {
        (
            PartKind::ALL[random.below(3)],
            random_text(random),
            random_text(random),
        )
    };
    (kind, (0..random.below(4)).map(|_| part(random)).collect())
}

fn recipe((kind, parts): &Written) -> Recipe {
    let mut recipe = Recipe::new(*kind);
    for (kind, name, value) in parts {
        recipe.add(*kind, name, Value::Text(value));
    }
    recipe
}

#[test]
fn recipes_of_different_parts_have_different_keys() {
    let mut random = Random(1);
    let mut known: HashMap<_, Written> = HashMap::new();
    for _ in 0..100_000 {
        let mut written = random_recipe(&mut random);
        let key = recipe(&written).key();
        assert_eq!(key.kind(), written.0);
        written.1.sort();
        let former = known.entry(key).or_insert_with(|| written.clone());
        assert_eq!(*former, written, "two recipes have one key");
    }
    assert!(
        known.len() > 10_000,
        "only {} recipes were tried",
        known.len()
    );
}

#[test]
fn the_order_of_parts_does_not_count() {
    let mut random = Random(2);
    for _ in 0..1000 {
        let mut written = random_recipe(&mut random);
        let key = recipe(&written).key();
        written.1.reverse();
        assert_eq!(recipe(&written).key(), key);
    }
}

#[test]
fn values_of_different_types_differ_even_if_their_bytes_agree() {
    let bytes = [1; 32];
    let text = std::str::from_utf8(&bytes).expect("control characters are text");
    let number = 0x0101_0101_0101_0101;
    let values = [
        Value::Bytes(&bytes),
        Value::Hash(bytes),
        Value::Text(text),
        Value::Bytes(&bytes[..8]),
        Value::Text(&text[..8]),
        Value::Number(number),
        Value::Bytes(&bytes[..1]),
        Value::Text(&text[..1]),
        Value::Flag(true),
        Value::Number(1),
    ];
    let part = |value| Part::new(PartKind::Option, "o", value).hash;
    for (at, first) in values.iter().enumerate() {
        for second in &values[..at] {
            assert_ne!(part(*first), part(*second), "{first:?} and {second:?}");
        }
    }
}

#[test]
fn a_part_is_its_kind_name_and_value() {
    let key = |kind, name: &str, value: &str| {
        Recipe::new(Kind::Function)
            .with(kind, name, Value::Text(value))
            .key()
    };
    let one = key(PartKind::Body, "ab", "c");
    assert_ne!(one, key(PartKind::ImportedBody, "ab", "c"));
    assert_ne!(one, key(PartKind::Body, "a", "bc"));
    assert_ne!(one, key(PartKind::Body, "ab", "d"));
    assert_eq!(one, key(PartKind::Body, "ab", "c"));
}

#[test]
fn a_part_that_is_there_twice_is_not_there_once() {
    let once = Recipe::new(Kind::Function).with(PartKind::Constant, "c", Value::Number(1));
    let twice = once.clone().with(PartKind::Constant, "c", Value::Number(1));
    assert_ne!(once.key(), twice.key());
}

/// A name that contains what could be the rest of its part and the start of the next one.
#[test]
fn a_name_can_not_pretend_to_be_two_parts() {
    let part = |name: &str| Part {
        kind: PartKind::Body,
        name: name.to_owned(),
        hash: [b'a'; 32],
        shown: None,
    };
    let key = |names: [&str; 2]| {
        let mut recipe = Recipe::new(Kind::Function);
        names.into_iter().for_each(|name| recipe.push(part(name)));
        recipe.key()
    };
    let (a8, a32, a40, a50) = (
        "a".repeat(8),
        "a".repeat(32),
        "a".repeat(40),
        "a".repeat(50),
    );
    let (one, other) = (format!("{a40}\u{1}{a50}"), format!("{a32}\u{1}{a8}"));
    assert_ne!(key(["", &one]), key([&other, &a50]));
}

#[test]
fn the_kind_is_in_the_hash() {
    let hash = |kind| *Recipe::new(kind).key().hash();
    assert_ne!(hash(Kind::Function), hash(Kind::Image));
}
